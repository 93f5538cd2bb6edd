// Settings: every spelling of X-5, ranges, conflicts, and the way there and back.
#include "engine/settings.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "engine/settings_table.h"

namespace dunlin::engine {
namespace {

ExecutionSettings decoded(const Json& section) {
  std::vector<std::string> problems;
  auto settings = decode_settings(section, problems);
  EXPECT_TRUE(settings.ok()) << (problems.empty() ? "" : problems.front());
  return settings.ok() ? *settings : ExecutionSettings{};
}

std::vector<std::string> problems_of(const Json& section) {
  std::vector<std::string> problems;
  const auto settings = decode_settings(section, problems);
  EXPECT_EQ(settings.ok(), problems.empty());
  if (!settings.ok()) {
    EXPECT_EQ(settings.error().type, ErrorType::plan_invalid);
  }
  return problems;
}

std::string problem_of(const Json& section) {
  const auto problems = problems_of(section);
  EXPECT_EQ(problems.size(), 1U);
  return problems.empty() ? "" : problems.front();
}

TEST(Settings, DefaultsAreTheDocumentedOnes) {
  const auto settings = decoded(Json::object());
  EXPECT_EQ(settings.mode, "full");
  EXPECT_EQ(settings.batch_size, 1000);
  EXPECT_FALSE(settings.batch_size_set);
  EXPECT_EQ(settings.parallel_batches, 4);
  EXPECT_EQ(settings.retry.max_attempts, 3);
  EXPECT_EQ(settings.retry.initial_delay_ms, 1000);
  EXPECT_EQ(settings.retry.max_delay_ms, 30000);
  EXPECT_EQ(settings.verification_level, VerificationLevel::full);
  EXPECT_FALSE(settings.stop_on_first_error);
  EXPECT_EQ(settings.max_failures, -1);
}

TEST(Settings, EveryAliasSetsWhatItsCanonicalNameSets) {
  EXPECT_EQ(decoded({{"max_concurrent_tasks", 7}}).parallel_batches, 7);
  EXPECT_EQ(decoded({{"max_concurrency", 7}}).parallel_batches, 7);
  EXPECT_EQ(decoded({{"parallel-batches", 7}}).parallel_batches, 7);
  EXPECT_EQ(decoded({{"execution_type", "full"}}).mode, "full");
  EXPECT_EQ(decoded({{"dry-run", false}}).mode, "full");
  EXPECT_EQ(decoded({{"io_limit", "200MB/s"}}).limits.max_io_bytes_per_sec, 200'000'000);
  EXPECT_EQ(decoded({{"verify", "none"}}).verification_level, VerificationLevel::none);
  EXPECT_EQ(decoded({{"verify_after_copy", false}}).verification_level, VerificationLevel::none);
  EXPECT_EQ(decoded({{"retry_delay_ms", 5}}).retry.initial_delay_ms, 5);
  EXPECT_EQ(decoded({{"checkpoint", {{"retention", {{"keep_last_n", 3}}}}}}).checkpoint.keep_last_n,
            3);
}

TEST(Settings, MaxRetriesDoesNotCountTheFirstTryAndWins) {
  EXPECT_EQ(decoded({{"max_retries", 3}}).retry.max_attempts, 4);
  EXPECT_EQ(decoded({{"retries", 0}, {"retry_policy", {{"max_attempts", 9}}}}).retry.max_attempts,
            1);
}

TEST(Settings, MaxFailuresIsACountOrAShare) {
  EXPECT_EQ(decoded({{"max_failures", 10}}).max_failures, 10);
  EXPECT_EQ(decoded({{"max_failures", "10"}}).max_failures, 10);
  const auto share = decoded({{"max_failures", "2.5%"}});
  EXPECT_EQ(share.max_failures, -1);
  EXPECT_DOUBLE_EQ(share.max_failures_percent, 2.5);
}

TEST(Settings, TwoSpellingsWithDifferentValuesAreRefused) {
  EXPECT_EQ(decoded({{"max_concurrent_tasks", 4}, {"parallel_batches", 4}}).parallel_batches, 4);
  const auto problem = problem_of({{"max_concurrent_tasks", 4}, {"parallel_batches", 8}});
  EXPECT_NE(problem.find("/settings/parallel_batches: says 8"), std::string::npos) << problem;
  EXPECT_NE(problem.find("settings.max_concurrent_tasks says 4"), std::string::npos) << problem;
}

TEST(Settings, AnUnknownKeyNamesTheNearestOne) {
  EXPECT_EQ(problem_of({{"batchsize", 5}}),
            "/settings/batchsize: unknown key; did you mean batch_size?");
  EXPECT_EQ(problem_of({{"retry_policy", {{"max_atempts", 5}}}}),
            "/settings/retry_policy/max_atempts: unknown key; did you mean max_attempts?");
  EXPECT_EQ(problem_of({{"max_iops", 5}}),
            "/settings/max_iops: unknown key; did you mean resource_limits.max_iops?");
}

TEST(Settings, WrongTypesAndRangesAreRefusedNamingThem) {
  EXPECT_NE(problem_of({{"batch_size", "many"}}).find("whole number from 1"), std::string::npos);
  EXPECT_NE(problem_of({{"batch_size", 0}}).find("not 0"), std::string::npos);
  EXPECT_NE(problem_of({{"batch_size", 1.5}}).find("not 1.5"), std::string::npos);
  EXPECT_NE(problem_of({{"batch_size", 18446744073709551615ULL}}).find("whole number"),
            std::string::npos);
  EXPECT_NE(problem_of({{"verification_level", "ful"}}).find("did you mean full?"),
            std::string::npos);
  EXPECT_NE(problem_of({{"io_limit", "fast"}}).find("/settings/io_limit"), std::string::npos);
  EXPECT_NE(problem_of({{"stop_on_first_error", "yes"}}).find("true or false"), std::string::npos);
  EXPECT_NE(problem_of({{"max_failures", "101%"}}).find("/settings/max_failures"),
            std::string::npos);
  EXPECT_NE(problem_of({{"retry_policy", 5}}).find("must be a table"), std::string::npos);
  EXPECT_NE(problem_of({{"retry_policy", {{"retry_on", {"deadlok_detected"}}}}})
                .find("did you mean deadlock_detected?"),
            std::string::npos);
  EXPECT_NE(problem_of(Json::array()).find("must be a table"), std::string::npos);
}

TEST(Settings, ImpossibleCombinationsAreRefused) {
  const auto problem =
      problem_of({{"retry_policy", {{"initial_delay_ms", 60000}, {"max_delay_ms", 1000}}}});
  EXPECT_NE(problem.find("is below initial_delay_ms"), std::string::npos);
}

TEST(Settings, EveryProblemIsReportedAtOnce) {
  EXPECT_EQ(problems_of({{"batchsize", 1}, {"verify", "ful"}, {"max_memory", 5}}).size(), 3U);
}

TEST(Settings, WhatThisVersionDoesNotDoIsRefusedNotIgnored) {
  EXPECT_NE(problem_of({{"schedule", {{"at", "22:00"}}}}).find("does not have it yet"),
            std::string::npos);
  for (const Json& section :
       std::vector<Json>{{{"mode", "resume"}}, {{"execution_type", "resume"}}}) {
    EXPECT_NE(problem_of(section).find("this version only has"), std::string::npos);
  }
}

TEST(Settings, ADryRunIsAskedForInAnySpelling) {
  for (const Json& section : std::vector<Json>{{{"mode", "dry_run"}},
                                               {{"execution_type", "dry-run"}},
                                               {{"dry_run", true}},
                                               {{"dry-run", true}}}) {
    EXPECT_TRUE(decoded(section).is_dry_run()) << section;
  }
}

TEST(Settings, WhatIsCleanedUpAndWhen) {
  EXPECT_FALSE(decoded(Json::object()).rolls_back_failure());
  EXPECT_FALSE(decoded(Json::object()).drops_undo());
  EXPECT_TRUE(decoded({{"on_failure", "rollback"}}).rolls_back_failure());
  const ExecutionSettings both =
      decoded({{"cleanup_policy", {{"undo", "drop"}, {"on_failure", "rollback"}}}});
  EXPECT_TRUE(both.drops_undo() && both.rolls_back_failure());
  const ExecutionSettings stored = decoded(encode_settings(both));
  EXPECT_TRUE(stored.drops_undo() && stored.rolls_back_failure());
  EXPECT_NE(problem_of({{"cleanup_policy", {{"undo", "no"}}}}), "");
}

TEST(Settings, ADryRunOfAnIncrementalExecutionIsBoth) {
  const ExecutionSettings plain = decoded({{"mode", "incremental"}});
  EXPECT_TRUE(plain.incremental);
  EXPECT_FALSE(plain.is_dry_run());
  EXPECT_FALSE(decoded({{"dry_run", true}}).incremental);
  for (const Json& section :
       std::vector<Json>{{{"mode", "incremental"}, {"dry_run", true}},
                         {{"execution_type", "incremental"}, {"dry-run", true}},
                         merge_settings({{"mode", "incremental"}}, {{"mode", "dry_run"}})}) {
    const ExecutionSettings settings = decoded(section);
    EXPECT_TRUE(settings.incremental) << section;
    EXPECT_TRUE(settings.is_dry_run()) << section;
    const Json stored = encode_settings(settings);
    EXPECT_TRUE(decoded(stored).incremental && decoded(stored).is_dry_run()) << stored;
    // Any other mode replaces both.
    EXPECT_EQ(merge_settings(section, {{"mode", "full"}}).value("dry_run", false), false);
  }
  EXPECT_NE(problem_of({{"mode", "test"}, {"dry_run", true}}), "");
  EXPECT_NE(problem_of({{"mode", "dry_run"}, {"execution_type", "incremental"}}), "");
}

TEST(Settings, ALimitOfMemoryLeavesRoomForTheProgram) {
  EXPECT_EQ(decoded({{"resource_limits", {{"max_memory_mb", 64}}}}).limits.max_memory_mb, 64);
  EXPECT_EQ(decoded({{"resource_limits", {{"max_memory_mb", 0}}}}).limits.max_memory_mb, 0);
  EXPECT_NE(problem_of({{"resource_limits", {{"max_memory_mb", 63}}}}).find("at least 64 MB"),
            std::string::npos);
}

TEST(Settings, PartsThatAreHeldBackAreKeptAsTheyAre) {
  const Json parts = Json::parse(R"([{"path": "a/*", "type": "symlink"}, {"entity": "orders"}])");
  const ExecutionSettings settings = decoded({{"selective_pause", parts}});
  ASSERT_EQ(settings.selective_pause.size(), 2U);
  EXPECT_EQ(settings.selective_pause[0], (Selector{"a/*", "", "symlink"}));
  EXPECT_EQ(encode_settings(settings)["selective_pause"], parts);
  EXPECT_EQ(selector_flags(settings.selective_pause[0]), "--path 'a/*' --type symlink");
  EXPECT_NE(problem_of({{"selective_pause", Json::parse("[{}]")}}), "");
  EXPECT_NE(problem_of({{"selective_pause", Json::parse(R"([{"paths": "a"}])")}}), "");
  EXPECT_NE(problem_of({{"selective_pause", "a/*"}}), "");
}

TEST(Settings, ALimitOfCpuIsAShareOfAll) {
  EXPECT_EQ(decoded({{"resource_limits", {{"max_cpu_percent", 50}}}}).limits.max_cpu_percent, 50);
  EXPECT_NE(problem_of({{"resource_limits", {{"max_cpu_percent", 101}}}}), "");
}

TEST(Settings, NullMeansNotSet) {
  EXPECT_FALSE(decoded({{"batch_size", nullptr}, {"max_failures", nullptr}}).batch_size_set);
}

TEST(Settings, EncodedSettingsDecodeToTheSame) {
  auto settings = decoded({{"batch_size", 17},
                           {"parallel_batches", 2},
                           {"io_concurrency", 9},
                           {"io_limit", 12345},
                           {"max_retries", 8},
                           {"retry_policy", {{"no_retry_on", {"auth_failure"}}}},
                           {"verify", "basic"},
                           {"max_failures", "1.5%"},
                           {"transaction_mode", "per_batch"},
                           {"checkpoint", {{"frequency", "every-batch"}}},
                           {"priority", "normal"}});
  EXPECT_EQ(settings.transaction_mode, "per-batch");
  const Json encoded = encode_settings(settings);
  EXPECT_EQ(encode_settings(decoded(encoded)), encoded);
  EXPECT_TRUE(decoded(encoded).batch_size_set);

  const Json untouched = encode_settings(ExecutionSettings{});
  EXPECT_EQ(encode_settings(decoded(untouched)), untouched);
  EXPECT_FALSE(decoded(untouched).batch_size_set);
}

TEST(Settings, LayersMergeByMeaningNotBySpelling) {
  std::vector<std::string> problems;
  const Json config = {{"max_concurrency", 8}, {"retry_policy", {{"max_delay_ms", 7000}}}};
  const Json plan = {{"max_concurrent_tasks", 2}, {"max_retries", 1}};
  const SettingsSource under{"/config", &config};
  const SettingsSource over{"/settings", &plan};
  const auto merged = decoded(merge_settings(canonical_settings({&under, 1}, problems),
                                             canonical_settings({&over, 1}, problems)));
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(merged.parallel_batches, 2);
  EXPECT_EQ(merged.retry.max_attempts, 2);
  EXPECT_EQ(merged.retry.max_delay_ms, 7000);
}

TEST(Settings, TheTableInTheDocumentsListsEveryNameAndAlias) {
  const char* source = std::getenv("DUNLIN_SOURCE_DIR");
  if (source == nullptr) FAIL() << "DUNLIN_SOURCE_DIR is not set: run me with ctest or ./dev test";
  const auto text = read_file(std::string(source) + "/docs/settings.md");
  ASSERT_TRUE(text.ok());
  for (const auto& info : setting_infos()) {
    std::string row = "| `" + std::string(info.path) + "` | ";
    for (const auto alias : info.aliases)
      row += (row.ends_with("| ") ? "`" : ", `") + std::string(alias) + "`";
    EXPECT_NE(text->find(row), std::string::npos) << "docs/settings.md has no row " << row;
  }
}

TEST(Settings, SchemaHasEverySpelling) {
  const Json schema = settings_schema();
  EXPECT_TRUE(schema["properties"].contains("max_concurrent_tasks"));
  EXPECT_TRUE(schema["properties"]["retry_policy"]["properties"].contains("max_attempts"));
  EXPECT_EQ(schema["properties"]["mode"]["enum"].size(), 6U);
}

}  // namespace
}  // namespace dunlin::engine
