#include "agent/export/usage_record_writer.h"

#include "agent/export/usage_record.h"

namespace sonde::exporter {

void UsageRecordWriter::OnCall(const calls::Call& call) {
  queue_->Add(UsageRecord(call, user_salt_) + "\n");
}

}  // namespace sonde::exporter
