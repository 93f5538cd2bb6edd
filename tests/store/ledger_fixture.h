// Makes ledgers for tests: on a file in a folder of the test's own, or in memory; and short ways to
// write mutations.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/ledger.h"
#include "store/sqlite_ledger.h"

namespace dunlin::store::test {

/// A folder that goes with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "dunlin-store-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }

 private:
  std::string path_;
};

inline ExecutionRow execution_row(std::int64_t now_ms = 1'700'000'000'000) {
  ExecutionRow row;
  row.id = ExecutionId("018bcfe5-6800-7000-8000-0000000000aa");
  row.plan_id = PlanId("018bcfe5-6800-7000-8000-0000000000bb");
  row.number = 7;
  row.kind = "files";
  row.plan_json =
      R"({"kind":"files","source":{"paths":["/src/"]},"destination":{"base_path":"/dst"},"strategy":{"operation":"move"}})";
  row.settings_json = R"({"batch_size":1000})";
  row.description = "copy /src to /dst";
  row.created_ms = now_ms;
  row.claims = {"file:///dst"};
  return row;
}

/// An ItemFilter in one expression.
class Where {
 public:
  Where& status(ItemStatus value) { return filter_.status = value, *this; }
  Where& batch(BatchId value) { return filter_.batch = value, *this; }
  Where& item(ItemId value) { return filter_.item = value, *this; }
  Where& error_type(std::string value) { return filter_.error_type = std::move(value), *this; }
  Where& after(ItemId value) { return filter_.after = value, *this; }
  Where& limit(std::size_t value) { return filter_.limit = value, *this; }
  operator ItemFilter() const { return filter_; }  // NOLINT(google-explicit-constructor)

 private:
  ItemFilter filter_;
};

inline NewTask task(std::int64_t id, std::int32_t stage = 0, bool barrier = false,
                    Priority priority = Priority::normal) {
  NewTask made;
  made.id = TaskId(id);
  made.task_type = "batch_file_operation";
  made.stage = stage;
  made.barrier = barrier;
  made.priority = priority;
  return made;
}

inline NewBatch batch(std::int64_t id, std::int64_t of_task, std::int64_t first_item,
                      std::int64_t items, std::vector<std::int64_t> depends_on = {}) {
  NewBatch made;
  made.id = BatchId(id);
  made.task = TaskId(of_task);
  made.payload = "payload " + std::to_string(id);
  for (const std::int64_t one : depends_on) made.depends_on.emplace_back(one);
  for (std::int64_t i = 0; i < items; ++i) {
    NewItem item;
    item.id = ItemId(first_item + i);
    item.name = "item-" + std::to_string(first_item + i);
    item.size = 100;
    item.detail = "d";
    made.items.push_back(std::move(item));
  }
  return made;
}

inline ItemOutcome completed(std::int64_t item, std::int64_t bytes = 100) {
  ItemOutcome outcome;
  outcome.item = ItemId(item);
  outcome.transferred_bytes = bytes;
  outcome.action = "created";
  return outcome;
}

inline ItemOutcome failed(std::int64_t item, ErrorType type = ErrorType::permission_denied) {
  ItemOutcome outcome;
  outcome.item = ItemId(item);
  outcome.status = ItemStatus::failed;
  outcome.error = Error(type, "item " + std::to_string(item) + " cannot be read");
  return outcome;
}

inline ItemOutcome again(std::int64_t item) {
  ItemOutcome outcome = failed(item, ErrorType::network_timeout);
  outcome.status = ItemStatus::pending;
  return outcome;
}

inline ItemOutcome skipped(std::int64_t item, std::string why = "identical") {
  ItemOutcome outcome;
  outcome.item = ItemId(item);
  outcome.status = ItemStatus::skipped;
  outcome.message = std::move(why);
  return outcome;
}

inline StartBatches start(std::vector<std::pair<std::int64_t, std::int64_t>> batch_tokens,
                          Pass pass = Pass::work) {
  StartBatches made;
  made.pass = pass;
  for (const auto& [id, token] : batch_tokens) made.starts.push_back({BatchId(id), token});
  return made;
}

inline EndBatch end(std::int64_t id, std::int64_t token, BatchResult result = BatchResult::done,
                    std::vector<ItemOutcome> outcomes = {}, Pass pass = Pass::work) {
  EndBatch made;
  made.batch = BatchId(id);
  made.token = token;
  made.pass = pass;
  made.result = result;
  made.outcomes = std::move(outcomes);
  return made;
}

/// Applies under epoch 0 unless told otherwise; each mutation must be accepted.
inline void must_apply(Ledger& ledger, std::vector<Mutation> mutations, std::int64_t epoch = 0) {
  const auto applied = ledger.apply(epoch, mutations);
  ASSERT_TRUE(applied.ok()) << applied.error().text();
  for (std::size_t i = 0; i < applied->size(); ++i) {
    ASSERT_TRUE((*applied)[i].ok()) << "mutation " << i << ": " << (*applied)[i].error().text();
  }
}

/// The error type with which one mutation is refused, and that the ledger is exactly what it was.
inline ErrorType refusal(Ledger& ledger, Mutation mutation, std::int64_t epoch = 0) {
  const auto before = ledger.execution();
  const auto sequence = ledger.sequence();
  const std::vector<Mutation> one{std::move(mutation)};
  const auto applied = ledger.apply(epoch, one);
  if (!applied.ok()) {
    ADD_FAILURE() << "the whole call failed: " << applied.error().text();
    return applied.error().type;
  }
  EXPECT_FALSE(applied->at(0).ok()) << "was not refused";
  EXPECT_EQ(*ledger.sequence(), *sequence);
  EXPECT_EQ(ledger.execution()->counters, before->counters);
  const Status checked = ledger.check();
  EXPECT_TRUE(checked.ok()) << checked.error().text();
  return applied->at(0).ok() ? ErrorType::defect : applied->at(0).error().type;
}

inline std::vector<std::int64_t> ids(const std::vector<BatchRow>& batches) {
  std::vector<std::int64_t> list;
  for (const BatchRow& one : batches) list.push_back(one.id.value);
  return list;
}

inline std::vector<std::int64_t> ready_ids(const Ledger& ledger, Pass pass = Pass::work,
                                           std::int64_t now_ms = 0) {
  ReadyQuery query;
  query.pass = pass;
  query.now_ms = now_ms;
  const auto ready = ledger.ready(query);
  EXPECT_TRUE(ready.ok()) << ready.error().text();
  return ready.ok() ? ids(ready->batches) : std::vector<std::int64_t>{};
}

}  // namespace dunlin::store::test
