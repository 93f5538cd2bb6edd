#include "schema/databases_run.h"

#include <fnmatch.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "base/binary.h"
#include "base/text.h"
#include "schema/migrator.h"
#include "schema/outcomes.h"
#include "schema/preflight.h"
#include "schema/session.h"
#include "schema/work_list.h"

namespace dunlin::schema {

namespace {

using engine::BatchContext;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::Problem;
using engine::RunContext;

constexpr std::uint8_t kListVersion = 1;
constexpr std::size_t kDatabasesPerChunk = 500;

std::string count_of(std::size_t count, std::string_view what) {
  return fmt::format("{} {} {}", count, count == 1 ? "migration" : "migrations", what);
}

/// One database of the run, while something is done to it.
class DatabaseWork {
 public:
  DatabaseWork(const SchemaPlan& plan, const Migrations& migrations, sql::DatabaseAddress address)
      : plan_(at(plan, std::move(address))),
        migrations_(migrations),
        session_({plan_.database, plan_.product_version, plan_.lock_timeout_ms,
                  plan_.statement_timeout_ms, plan_.ensure_created},
                 kSilent),
        migrator_(plan_, session_) {}

  Result<std::vector<Work>> pending(RunContext& context) {
    DUNLIN_ASSIGN(Target* const target, session_.look(context));
    DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
    DUNLIN_ASSIGN(const auto problems, check_plan(plan_, context.execution(), migrations_, *done,
                                                  target, call_of(context)));
    for (const Problem& problem : problems)
      if (problem.critical) return problem.error;
    return list_work(plan_, migrations_, *done, target, call_of(context));
  }

  /// How many are applied by this execution, now or by an earlier attempt.
  Result<std::size_t> bring_up(BatchContext& context) {
    DUNLIN_ASSIGN(const std::vector<Work> work, pending(context));
    if (work.empty() && context.epoch() <= 1) return std::size_t{0};
    DUNLIN_TRY(session_.open(context));
    if (plan_.mode == TransactionMode::all_in_one) {
      std::vector<Task> changes;
      for (const Work& one : work) changes.push_back({one.id, &migrations_.at(version_of(one.id))});
      DUNLIN_ASSIGN(const auto done, migrator_.do_all(context, changes));
      static_cast<void>(done);
    } else {
      for (const Work& one : work) {
        const Result<bool> done = migrator_.apply(context, migrations_.at(version_of(one.id)));
        if (!done.ok()) return Error(done.error()).with_context("applying " + printable(one.id));
      }
    }
    DUNLIN_ASSIGN(const auto applied,
                  session_.history().applied_by(context.execution(), call_of(context)));
    return applied.size();
  }

  Result<std::size_t> take_back(BatchContext& context) {
    DUNLIN_TRY(session_.open(context));
    DUNLIN_ASSIGN(const auto applied,
                  session_.history().applied_by(context.execution(), call_of(context)));
    std::size_t count = 0;
    for (const std::string& id : applied) {
      if (version_of(id).is_repeatable()) continue;
      DUNLIN_ASSIGN(const bool done, migrator_.take_back(context, id));
      count += done ? 1 : 0;
    }
    return count;
  }

  void close(RunContext& context) { session_.close(context); }

 private:
  static SchemaPlan at(SchemaPlan plan, sql::DatabaseAddress address) {
    plan.database = std::move(address);
    return plan;
  }

  SchemaPlan plan_;
  const Migrations& migrations_;
  Session session_;
  Migrator migrator_;
};

class DatabasesRun final : public engine::Run {
 public:
  explicit DatabasesRun(SchemaPlan plan) : plan_(std::move(plan)) {}

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::item;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::target; }
  [[nodiscard]] Result<std::string> root_identity(RunContext& context) override;
  [[nodiscard]] Result<engine::Analysis> analyse(RunContext& context) override;
  [[nodiscard]] Result<std::vector<Problem>> preflight(RunContext& context) override;
  [[nodiscard]] Status enumerate(engine::EnumerateContext& context) override;
  [[nodiscard]] Status rehearse(BatchContext& context) override;
  [[nodiscard]] Status execute(BatchContext& context) override;
  /// Each database says itself what was done to it, when it is begun again.
  [[nodiscard]] Status settle(BatchContext&) override { return success(); }
  [[nodiscard]] Status commit(RunContext&) override { return success(); }
  [[nodiscard]] Result<bool> committed(RunContext&) override { return false; }
  void close(RunContext&) override {}
  [[nodiscard]] Status verify(BatchContext& context) override;
  [[nodiscard]] Status undo(BatchContext& context) override;
  [[nodiscard]] Status release(RunContext&) override { return success(); }
  [[nodiscard]] bool matches(const engine::Selector& selector, const ItemRow& item) const override {
    if (!selector.type.empty()) return false;
    if (!selector.entity.empty() && selector.entity != item.name) return false;
    return selector.path_glob.empty() ||
           ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
  }

 private:
  using Chunk = engine::EnumerateContext::Chunk;
  Result<const Migrations*> migrations();
  Result<std::vector<Tenant>> databases(RunContext& context) const;
  /// Calls `work` for each item; what it returns is the item's outcome, and an interruption ends
  /// the batch.
  Status for_each(BatchContext& context,
                  const std::function<Result<ItemOutcome>(const ItemRow&, DatabaseWork&)>& work);

  SchemaPlan plan_;
  std::mutex reading_;
  std::optional<Migrations> migrations_;
};

Result<const Migrations*> DatabasesRun::migrations() {
  const std::lock_guard lock(reading_);
  if (!migrations_) {
    DUNLIN_ASSIGN(
        migrations_,
        MigrationFiles::read(plan_.directories, plan_.database.dialect).understand(plan_.mode));
  }
  return &*migrations_;
}

Result<std::vector<Tenant>> DatabasesRun::databases(RunContext& context) const {
  if (!plan_.databases.pattern.empty())
    return find_tenants(plan_.database, plan_.databases.pattern, call_of(context));
  std::vector<Tenant> all;
  for (const sql::DatabaseAddress& one : plan_.databases.listed) all.push_back({one.text(), one});
  return all;
}

Result<std::string> DatabasesRun::root_identity(RunContext& context) {
  std::string identity;
  for (const std::string& directory : plan_.directories) identity += directory + " ";
  if (!plan_.databases.pattern.empty()) {
    DUNLIN_ASSIGN(const std::string server,
                  target_identity(plan_.database, nullptr, call_of(context)));
    return identity + server + " " + plan_.databases.pattern;
  }
  for (const sql::DatabaseAddress& one : plan_.databases.listed) identity += one.text() + " ";
  return identity;
}

Result<engine::Analysis> DatabasesRun::analyse(RunContext& context) {
  DUNLIN_ASSIGN(const auto all, databases(context));
  DUNLIN_ASSIGN(const Migrations* const files, migrations());
  engine::Analysis analysis;
  analysis.items = static_cast<std::int64_t>(all.size());
  analysis.bytes = 0;
  analysis.details = Json{{"databases", all.size()}, {"migrations", files->size()}};
  return analysis;
}

/// What speaks against all of them; what speaks against one is found when it is its turn.
Result<std::vector<Problem>> DatabasesRun::preflight(RunContext& context) {
  std::vector<Problem> problems;
  const Result<const Migrations*> files = migrations();
  if (!files.ok()) {
    problems.push_back({files.error(), true, false});
    return problems;
  }
  DUNLIN_ASSIGN(problems, check_plan(plan_, context.execution(), *files.value(), {}, nullptr,
                                     call_of(context)));
  const auto all = databases(context);
  if (!all.ok()) {
    problems.push_back({Error(all.error()).with_context("looking for tenants"), true, false});
  } else if (all.value().empty()) {
    problems.push_back({Error(ErrorType::not_found, "there is no tenant whose name matches '" +
                                                        printable(plan_.databases.pattern) + "'"),
                        true, false});
  }
  return problems;
}

Status DatabasesRun::enumerate(engine::EnumerateContext& context) {
  DUNLIN_ASSIGN(const std::vector<Tenant> all, databases(context));
  TaskId task;
  std::string last;
  if (!context.cursor().empty()) {
    ByteReader in(context.cursor());
    if (in.u8() != kListVersion) in.fail();
    last = in.bytes();
    task.value = in.zigzag();
    DUNLIN_TRY(in.finish("cursor of the enumeration"));
  }
  auto next =
      std::find_if(all.begin(), all.end(), [&](const Tenant& one) { return one.name == last; });
  next = next == all.end() ? all.begin() : next + 1;
  do {
    DUNLIN_TRY(context.cancel().check());
    Chunk chunk;
    chunk.cursor_after = context.cursor();
    if (!task.valid() && next != all.end()) {
      store::NewTask created;
      created.id = task = context.new_task_id();
      created.task_type = "migrate_databases";
      created.description = "bring each database up by " + printable(plan_.directories.front());
      chunk.tasks.push_back(std::move(created));
    }
    for (; next != all.end() && chunk.batches.size() < kDatabasesPerChunk; ++next) {
      store::NewItem item;
      item.id = context.new_item_id();
      item.name = next->name;
      item.detail = next->address.text();
      store::NewBatch batch;
      batch.id = context.new_batch_id();
      batch.task = task;
      batch.items.push_back(std::move(item));
      chunk.batches.push_back(std::move(batch));
      ByteWriter cursor;
      cursor.u8(kListVersion).bytes(next->name).zigzag(task.value);
      chunk.cursor_after = cursor.take();
    }
    chunk.complete = next == all.end();
    DUNLIN_TRY(context.commit(std::move(chunk)));
  } while (next != all.end());
  return success();
}

Status DatabasesRun::for_each(
    BatchContext& context,
    const std::function<Result<ItemOutcome>(const ItemRow&, DatabaseWork&)>& work) {
  DUNLIN_ASSIGN(const Migrations* const files, migrations());
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    DUNLIN_TRY(context.permits().acquire(0, 1, context.cancel()));
    DUNLIN_ASSIGN(sql::DatabaseAddress address, sql::parse_database_address(item.detail));
    DatabaseWork database(plan_, *files, std::move(address));
    Result<ItemOutcome> done = work(item, database);
    database.close(context);
    DUNLIN_TRY(context.cancel().check());
    if (!done.ok() && done.error().type == ErrorType::stale_owner) return done.error();
    context.report(done.ok() ? std::move(done).value()
                             : failed(item.id, of_one_item(done.error())));
  }
  return success();
}

Status DatabasesRun::execute(BatchContext& context) {
  return for_each(context, [&](const ItemRow& item, DatabaseWork& database) -> Result<ItemOutcome> {
    DUNLIN_ASSIGN(const std::size_t count, database.bring_up(context));
    if (count == 0) return outcome(item.id, ItemStatus::skipped, "skipped", "up to date");
    context.tell("✓ " + printable(item.name) + ": " + count_of(count, "applied"));
    return outcome(item.id, ItemStatus::completed, "migrated", count_of(count, "applied"));
  });
}

Status DatabasesRun::rehearse(BatchContext& context) {
  return for_each(context, [&](const ItemRow& item, DatabaseWork& database) -> Result<ItemOutcome> {
    DUNLIN_ASSIGN(const auto pending, database.pending(context));
    if (pending.empty()) return outcome(item.id, ItemStatus::skipped, "skipped", "up to date");
    return outcome(item.id, ItemStatus::completed, "migrated", count_of(pending.size(), "pending"));
  });
}

Status DatabasesRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(const Migrations* const files, migrations());
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(sql::DatabaseAddress address, sql::parse_database_address(item.detail));
    DatabaseWork database(plan_, *files, std::move(address));
    const auto pending = database.pending(context);
    if (pending.ok() && pending.value().empty()) {
      context.report_equal(item.id);
    } else {
      context.report_difference(
          item.id, pending.ok() ? Error(ErrorType::verification_mismatch,
                                        printable(item.name) + ": " +
                                            count_of(pending.value().size(), "pending"))
                                : pending.error());
    }
  }
  return success();
}

Status DatabasesRun::undo(BatchContext& context) {
  return for_each(context, [&](const ItemRow& item, DatabaseWork& database) -> Result<ItemOutcome> {
    DUNLIN_ASSIGN(const std::size_t count, database.take_back(context));
    return outcome(item.id, ItemStatus::rolled_back, "rolled_back", count_of(count, "taken back"));
  });
}

}  // namespace

std::unique_ptr<engine::Run> make_databases_run(SchemaPlan plan) {
  return std::make_unique<DatabasesRun>(std::move(plan));
}

}  // namespace dunlin::schema
