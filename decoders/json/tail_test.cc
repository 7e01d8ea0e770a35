#include "decoders/json/tail.h"

#include <gtest/gtest.h>

#include <string>

namespace sonde::json {
namespace {

TEST(Tail, EveryCutFindsMembersOfTheObjectItselfOrNone) {
  const std::string document =
      R"({"messages":[{"role":"user","content":"say \"model\":\"no\", {[\\"}],)"
      R"("model":"m","tools":[{"a":[1,2,{"b":"}"}]}],"stop":"\\\"","stream":true} )";
  size_t found = 0;
  for (size_t cut = 1; cut < document.size(); ++cut) {
    const std::string tail = document.substr(cut);
    const std::optional<size_t> members = FindLastMembers(tail);
    if (!members) continue;
    ++found;
    // A member begins with its key, and it is one of the top level.
    const std::string rest = tail.substr(*members);
    const bool top = rest.rfind("\"messages\":[", 0) == 0 ||
                     rest.rfind("\"model\":\"m\"", 0) == 0 || rest.rfind("\"tools\":[", 0) == 0 ||
                     rest.rfind("\"stop\":", 0) == 0 || rest.rfind("\"stream\":true", 0) == 0;
    EXPECT_TRUE(top) << cut << ": " << rest;
  }
  EXPECT_GT(found, document.size() / 2);
}

TEST(Tail, NothingWithoutAClosingBrace) {
  EXPECT_FALSE(FindLastMembers("\"model\":\"m\""));
  EXPECT_FALSE(FindLastMembers(""));
  EXPECT_FALSE(FindLastMembers("  "));
  EXPECT_FALSE(FindLastMembers("]"));
}

TEST(Tail, AnObjectWithItsOwnBeginningIsNoTail) {
  EXPECT_FALSE(FindLastMembers(R"({"model":"inner","x":1})"));
  EXPECT_FALSE(FindLastMembers(R"(,"a":[1]},{"model":"inner","x":1})"));
}

TEST(Tail, ACutInsideAStringIsNotTakenForItsEnd) {
  // The quote at the cut may be escaped by what is missing.
  EXPECT_FALSE(FindLastMembers(R"(",x":1})"));
  EXPECT_FALSE(FindLastMembers(R"(\",x":1})"));
}

}  // namespace
}  // namespace sonde::json
