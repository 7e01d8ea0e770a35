#include "agent/export/metrics/label_name.h"

namespace sonde::exporter {

std::string_view LabelName(Profile profile, const MetricRow& row, Attribute attribute) {
  const Spelling spelling = SpellingOf(profile, attribute);
  return row.aliases && !spelling.alias.empty() ? spelling.alias : spelling.name;
}

}  // namespace sonde::exporter
