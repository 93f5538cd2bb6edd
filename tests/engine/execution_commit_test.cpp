// Executions whose destination takes everything in one transaction, or nothing.
#include <thread>

#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

TEST_F(ExecutionTest, OneTransactionForEverythingCommitsOnce) {
  script_.scope = CommitScope::execution;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.succeeded_items, 10);
}

TEST_F(ExecutionTest, OneTransactionForEverythingIsGivenUpByAPause) {
  script_.scope = CommitScope::execution;
  script_.failures["item9"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 4);
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_TRUE(script_.staged.empty());
  EXPECT_EQ(look(id).row.counters.succeeded_items, 0);
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ExecutionTest, OneTransactionForEverythingCommitsNothingWhenOneItemHasFailed) {
  script_.scope = CommitScope::execution;
  script_.failures["item3"] = {ErrorType::permission_denied};
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_FALSE(script_.committed);
  ASSERT_TRUE(outcome.reason.has_value());
  EXPECT_NE(outcome.reason->remedy("1").find("dunlin resume 1"), std::string::npos)
      << outcome.reason->remedy("1");
  EXPECT_EQ(look(id).row.counters.succeeded_items, 0);
  // The whole is tried again, and the item with it.
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
}

TEST_F(ExecutionTest, OneTransactionForEverythingWaitsForARetryOfAFailedBatch) {
  script_.scope = CommitScope::execution;
  script_.batch_failures[2] = ErrorType::permission_denied;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 1);
  EXPECT_TRUE(script_.applied.empty());
  const Outcome again = run(id);
  EXPECT_EQ(again.exit_code, 1) << "nobody has asked for another try of what failed";
  ASSERT_TRUE(again.reason.has_value());
  EXPECT_NE(again.reason->remedy("1").find("dunlin retry 1"), std::string::npos)
      << again.reason->remedy("1");
  EXPECT_TRUE(script_.applied.empty());
  auto retried = attach(id);
  const auto reopened = retried->reopen_at_start(Json::object(), ItemStatus::pending, "test");
  ASSERT_TRUE(reopened.ok()) << reopened.error().text();
  EXPECT_EQ(retried->run().exit_code, 0);
  expect_all_applied_once();
}

}  // namespace
}  // namespace dunlin::engine
