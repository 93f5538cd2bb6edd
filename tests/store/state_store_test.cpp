// StateStore: one suite, run against state.db on a file and in memory.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "store/ledger_fixture.h"
#include "store/sqlite_state_store.h"

namespace dunlin::store::test {
namespace {

struct FileStore {
  ScratchFolder folder;
  std::unique_ptr<StateStore> make() {
    auto made = SqliteStateStore::open(folder / "state.db");
    EXPECT_TRUE(made.ok()) << made.error().text();
    return made.ok() ? std::move(*made) : nullptr;
  }
};
struct MemoryStore {
  std::unique_ptr<StateStore> make() {
    auto made = SqliteStateStore::create_in_memory();
    EXPECT_TRUE(made.ok()) << made.error().text();
    return made.ok() ? std::move(*made) : nullptr;
  }
};

ExecutionId id_of(int number) {
  return ExecutionId("018bcfe5-6800-7000-8000-0000000000" + std::to_string(10 + number));
}

ExecutionSummary summary(int number) {
  ExecutionSummary made;
  made.id = id_of(number);
  made.plan_id = PlanId("018bcfe5-6800-7000-8000-0000000000bb");
  made.kind = "files";
  made.description = "copy /a to /b";
  made.claims = {"file:///b"};
  made.depends_on = {"other"};
  made.created_ms = 1000;
  made.updated_ms = 2000;
  made.counters.total_items = 5;
  made.counters.retries = 2;
  return made;
}

template <typename Factory>
class StateStoreConformance : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = factory_.make();
    ASSERT_NE(store_, nullptr);
  }
  StateStore& store() { return *store_; }
  Factory factory_;
  std::unique_ptr<StateStore> store_;
};

using Factories = ::testing::Types<FileStore, MemoryStore>;
TYPED_TEST_SUITE(StateStoreConformance, Factories);

TYPED_TEST(StateStoreConformance, KeepsPlans) {
  PlanRow plan;
  plan.id = PlanId("p1");
  plan.name = "photos";
  plan.kind = "files";
  plan.document_json = R"({"kind":"files"})";
  plan.created_ms = 5;
  ASSERT_TRUE(this->store().put_plan(plan).ok());
  plan.status = "ready";
  plan.updated_ms = 9;
  ASSERT_TRUE(this->store().put_plan(plan).ok());
  const auto found = this->store().plan(plan.id);
  EXPECT_EQ(found->status, "ready");
  EXPECT_EQ(found->document_json, plan.document_json);
  EXPECT_EQ(found->created_ms, 5);
  EXPECT_EQ(this->store().plans()->size(), 1U);
  EXPECT_EQ(this->store().plan(PlanId("p2")).error().type, ErrorType::not_found);
  EXPECT_TRUE(this->store().delete_plan(plan.id).ok());
  EXPECT_EQ(this->store().delete_plan(plan.id).error().type, ErrorType::not_found);
}

TYPED_TEST(StateStoreConformance, NumbersExecutionsOnceAndForAll) {
  EXPECT_EQ(*this->store().put_execution(summary(1)), 1);
  EXPECT_EQ(*this->store().put_execution(summary(2)), 2);
  ExecutionSummary changed = summary(1);
  changed.status = ExecutionStatus::running;
  changed.phase = "loading";
  EXPECT_EQ(*this->store().put_execution(changed), 1) << "it has its number already";
  const auto found = this->store().execution(id_of(1));
  EXPECT_EQ(found->status, ExecutionStatus::running);
  EXPECT_EQ(found->phase, "loading");
  EXPECT_EQ(found->claims, changed.claims);
  EXPECT_EQ(found->depends_on, changed.depends_on);
  EXPECT_EQ(found->counters, changed.counters);
  EXPECT_TRUE(this->store().delete_execution(id_of(2)).ok());
  EXPECT_EQ(*this->store().put_execution(summary(3)), 3)
      << "2 was shown to people: never given again";
  ExecutionSummary rebuilt = summary(4);
  rebuilt.number = 9;
  EXPECT_EQ(*this->store().put_execution(rebuilt), 9);
  rebuilt.id = id_of(5);
  EXPECT_EQ(*this->store().put_execution(rebuilt), 10) << "taken";
  EXPECT_EQ(this->store().delete_execution(id_of(2)).error().type, ErrorType::not_found);
  EXPECT_EQ(this->store().executions()->size(), 4U);
}

TYPED_TEST(StateStoreConformance, ResolvesIdNumberAndLast) {
  EXPECT_EQ(this->store().resolve("last").error().type, ErrorType::not_found);
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(this->store().put_execution(summary(i)).ok());
  EXPECT_EQ(this->store().resolve("2")->id, id_of(2));
  EXPECT_EQ(this->store().resolve("last")->id, id_of(3));
  EXPECT_EQ(this->store().resolve(id_of(1).value)->number, 1);
  for (const std::string wrong :
       {"018b", "0", "4", "-1", "2x", "", "LAST", "99999999999999999999"}) {
    const auto refused = this->store().resolve(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().type, ErrorType::not_found);
    EXPECT_NE(refused.error().message.find("`last`"), std::string::npos)
        << "it names what is accepted";
  }
}

TYPED_TEST(StateStoreConformance, ControlRowsAreAnsweredOnce) {
  ControlRow row;
  row.execution = id_of(1);
  row.verb = "pause";
  row.arguments_json = "{}";
  row.actor = "uid 0 (cli)";
  row.created_ms = 7;
  const std::int64_t first = *this->store().add_control(row);
  row.verb = "cancel";
  const std::int64_t second = *this->store().add_control(row);
  EXPECT_GT(second, first);
  auto pending = this->store().pending_controls(id_of(1));
  ASSERT_EQ(pending->size(), 2U);
  EXPECT_EQ(pending->at(0).verb, "pause");
  EXPECT_EQ(pending->at(0).actor, "uid 0 (cli)");
  EXPECT_TRUE(this->store().pending_controls(id_of(2))->empty());
  EXPECT_TRUE(this->store().answer_control(first, R"({"accepted":true})", 50).ok());
  EXPECT_TRUE(this->store().answer_control(first, R"({"accepted":false})", 60).ok());
  EXPECT_EQ(this->store().control(first)->answer_json, R"({"accepted":true})")
      << "the first answer stands";
  EXPECT_EQ(this->store().control(first)->answered_ms, 50);
  EXPECT_EQ(this->store().pending_controls(id_of(1))->size(), 1U);
  EXPECT_EQ(this->store().answer_control(99, "{}", 1).error().type, ErrorType::not_found);
  EXPECT_EQ(this->store().control(99).error().type, ErrorType::not_found);
}

TYPED_TEST(StateStoreConformance, AnAuditAnchorNeverGoesBack) {
  StateStore& store = this->store();
  EXPECT_EQ(store.audit_anchor(id_of(1))->sequence, 0);
  EXPECT_TRUE(store.anchored_executions()->empty());
  EXPECT_TRUE(store.set_audit_anchor(id_of(1), {5, "five", "seal"}).ok());
  EXPECT_EQ(store.set_audit_anchor(id_of(1), {4, "four", ""}).error().type,
            ErrorType::state_corrupt);
  EXPECT_EQ(store.set_audit_anchor(id_of(1), {5, "another", ""}).error().type,
            ErrorType::state_corrupt);
  EXPECT_EQ(store.audit_anchor(id_of(1))->hash, "five");
  EXPECT_EQ(store.audit_anchor(id_of(1))->seal, "seal");
  EXPECT_TRUE(store.set_audit_anchor(id_of(1), {6, "six", ""}).ok());
  EXPECT_EQ(store.audit_anchor(id_of(1))->sequence, 6);
  EXPECT_EQ(*store.anchored_executions(), std::vector<ExecutionId>{id_of(1)});
}

TYPED_TEST(StateStoreConformance, AnswersManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 10; ++k) {
        EXPECT_TRUE(this->store().put_execution(summary(10 * i + k)).ok());
        EXPECT_TRUE(this->store().executions().ok());
      }
    });
  }
  for (std::thread& one : threads) one.join();
  const auto all = this->store().executions();
  std::set<std::int64_t> numbers;
  for (const ExecutionSummary& one : *all) numbers.insert(one.number);
  EXPECT_EQ(numbers.size(), 40U);
  EXPECT_EQ(*numbers.rbegin(), 40);
}

TEST(StateStoreFile, SeveralProcessesGiveDifferentNumbers) {
  ScratchFolder folder;
  const std::string path = folder / "state.db";
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {  // opens the file by itself: SQLite forbids to carry a connection over a fork
      const auto store = SqliteStateStore::open(path);
      bool good = store.ok();
      for (int k = 0; good && k < 10; ++k) good = (*store)->put_execution(summary(10 * i + k)).ok();
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const auto store = SqliteStateStore::open(path);
  ASSERT_TRUE(store.ok());
  EXPECT_FALSE((*store)->created());
  const auto all = (*store)->executions();
  std::set<std::int64_t> numbers;
  for (const ExecutionSummary& one : *all) numbers.insert(one.number);
  EXPECT_EQ(numbers.size(), 40U);
}

TEST(StateStoreFile, ANewerVersionIsRefusedByName) {
  ScratchFolder folder;
  const std::string path = folder / "state.db";
  ASSERT_TRUE((*SqliteStateStore::open(path))->created());
  {
    auto database = sql::Database::open(path);
    ASSERT_TRUE(database->set_user_version(12).ok());
    ASSERT_TRUE(database->exec("UPDATE meta SET value = '12'").ok());
  }
  const auto refused = SqliteStateStore::open(path);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, ErrorType::state_version);
  EXPECT_NE(refused.error().message.find("version 12"), std::string::npos);
}

}  // namespace
}  // namespace dunlin::store::test
