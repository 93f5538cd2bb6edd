// Plan documents and files: every problem at once, with file, line and key; claims.
#include "engine/plan.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "engine/plan_schema.h"

namespace dunlin::engine {
namespace {

/// Knows one section of its own, `columns`, and refuses a source without `path`.
class PaperKind final : public Kind {
 public:
  std::string_view name() const override { return "paper"; }
  std::string_view item_noun() const override { return "sheets"; }
  bool accepts(const CommandLine& line) const override { return line.verb == "copy"; }
  Result<Json> plan_for(const CommandLine&) const override { return Json::object(); }
  std::vector<std::string> check(const Json& document) const override {
    const Json* source = find_member(document, "source");
    if (source != nullptr && source->contains("path")) return {};
    return {"/source/path: is missing"};
  }
  Result<std::vector<Claim>> claims(const Plan&) const override { return std::vector<Claim>{}; }
  std::string describe(const Plan&) const override { return "paper"; }
  Json schema() const override {
    return {{"source", {{"type", "object"}}}, {"columns", {{"type", "array"}}}};
  }
  Result<std::unique_ptr<Run>> open(const Plan&) const override {
    return Error(ErrorType::defect, "not used here");
  }
};

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() { kinds_.add(std::make_unique<PaperKind>()); }

  std::vector<std::string> lines_of(const Result<Plan>& plan) {
    std::vector<std::string> lines;
    if (plan.ok()) return lines;
    EXPECT_EQ(plan.error().type, ErrorType::plan_invalid);
    std::string_view text = plan.error().message;
    for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(end + 1)) {
      end = text.find('\n');
      lines.emplace_back(text.substr(0, end));
      if (end == std::string_view::npos) break;
    }
    return lines;
  }

  KindRegistry kinds_;
};

TEST_F(PlanTest, AWholeDocumentIsDecoded) {
  const auto plan = decode_plan(
      {{"kind", "paper"},
       {"name", "letters"},
       {"source", {{"path", "/a"}}},
       {"columns", {1, 2}},
       {"mode", "full"},
       {"config", {{"batch_size", 50}}},
       {"settings", {{"verify", "basic"}}},
       {"depends_on",
        {"0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a11"}}},
      kinds_);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->kind, "paper");
  EXPECT_EQ(plan->name, "letters");
  EXPECT_EQ(plan->settings.batch_size, 50);
  EXPECT_EQ(plan->settings.verification_level, VerificationLevel::basic);
  EXPECT_EQ(plan->depends_on.size(), 2U);
  // The stored document decodes to the same plan again: an execution is resumed from it.
  const auto again = decode_plan(plan->document, kinds_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->document, plan->document);
  EXPECT_EQ(again->settings.batch_size, 50);
}

TEST_F(PlanTest, ProblemsOfAllPartsComeTogether) {
  const auto lines = lines_of(decode_plan(
      {{"kind", "paper"}, {"sorce", {}}, {"settings", {{"batchsize", 5}}}, {"name", 5}}, kinds_));
  // That source.path is missing is what became of the misspelt key, and is not told beside it.
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "sorce: unknown key; did you mean source?");
  EXPECT_EQ(lines[1], "name: must be text, not 5; write name: \"5\"");
  EXPECT_EQ(lines[2], "settings.batchsize: unknown key; did you mean batch_size?");
}

TEST_F(PlanTest, AKindThatIsNotThereIsNamedWithTheNearest) {
  EXPECT_EQ(lines_of(decode_plan({{"kind", "papr"}}, kinds_))[0],
            "kind: there is no kind \"papr\"; did you mean paper?");
  EXPECT_EQ(lines_of(decode_plan(Json::object(), kinds_))[0],
            "kind: is missing; write kind: and one of paper");
  EXPECT_EQ(lines_of(decode_plan({{"kind", 3}}, kinds_))[0], "kind: must be one of paper, not 3");
}

TEST_F(PlanTest, OneSettingSaidTwiceInDifferentPlacesIsRefused) {
  const auto lines = lines_of(decode_plan({{"kind", "paper"},
                                           {"source", {{"path", "/a"}}},
                                           {"config", {{"verify", "full"}}},
                                           {"settings", {{"verify", "none"}}}},
                                          kinds_));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("config.verify: says \"full\", but settings.verify says"),
            std::string::npos)
      << lines[0];
}

TEST_F(PlanTest, SomethingElseThanATableIsRefused) {
  EXPECT_EQ(lines_of(decode_plan(Json::array(), kinds_)).size(), 1U);
  EXPECT_EQ(lines_of(decode_plan(nullptr, kinds_)).size(), 1U);
}

TEST_F(PlanTest, AFileIsReportedWithLineAndKey) {
  char folder[] = "/tmp/dunlin-plan-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/plan.yaml";
  ASSERT_TRUE(write_file_durably(path,
                                 "kind: paper\n"
                                 "source: {path: /a}\n"
                                 "settings:\n"
                                 "  verify: basic\n"
                                 "  batchsize: 5\n")
                  .ok());
  const auto lines = lines_of(load_plan_file(path, kinds_));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], path + ":5:3: settings.batchsize: unknown key; did you mean batch_size?");
  ASSERT_TRUE(write_file_durably(path, "kind: paper\n  source: [\n").ok());
  const auto broken = load_plan_file(path, kinds_);
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.error().message.find(path + ":"), std::string::npos);
  EXPECT_EQ(load_plan_file(path + ".not-there", kinds_).error().type, ErrorType::not_found);
  std::filesystem::remove_all(folder);
}

TEST_F(PlanTest, TheSchemaNamesKindsAndTheirSections) {
  const Json schema = plan_schema(kinds_);
  EXPECT_EQ(schema["properties"]["kind"]["enum"][0], "paper");
  EXPECT_TRUE(schema["properties"].contains("columns"));
  EXPECT_TRUE(schema["allOf"][0]["then"]["properties"].contains("source"));
}

TEST(Claims, OverlapByWholeComponents) {
  EXPECT_TRUE(claims_overlap("file:/a", "file:/a"));
  EXPECT_TRUE(claims_overlap("file:/a", "file:/a/b"));
  EXPECT_TRUE(claims_overlap("file:/a/b/c", "file:/a"));
  EXPECT_TRUE(claims_overlap("file:/", "file:/a"));
  EXPECT_TRUE(claims_overlap("file:/a/", "file:/a"));
  EXPECT_FALSE(claims_overlap("file:/a", "file:/ab"));
  EXPECT_FALSE(claims_overlap("file:/a/b", "file:/a/c"));
  EXPECT_FALSE(claims_overlap("file:/a", "sqlite:/a"));
  EXPECT_FALSE(claims_overlap("sqlite:/d#t", "sqlite:/d#t2"));
  EXPECT_FALSE(claims_overlap("", "file:/a"));
}

}  // namespace
}  // namespace dunlin::engine
