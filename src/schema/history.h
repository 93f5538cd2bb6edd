// The migrations' records at the target: what is applied, what was tried, and who may change the
// schema now.
//
// The target is the truth (schema.md S-9): __MigrationsHistory holds exactly the applied
// migrations,
// __MigrationsHistoryLog every attempt with the SQL of both directions, append-only, so that undo
// needs neither the files nor the local state. __MigrationsLock holds one row while somebody
// migrates; that row is the fence, too: every write transaction looks whether it is still its own.
// One thread at a time, as the Database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/run.h"
#include "schema/discovery.h"
#include "sql/sqlite.h"

namespace dunlin::schema {

struct Applied {
  std::string id;
  std::string checksum;
};

/// What is known of a migration that was applied: the last `up` that was done.
struct Record {
  std::int64_t sequence = 0;  ///< in the log: order of applying
  std::string execution;
  std::optional<std::string> down_sql;  ///< none: irreversible
};

struct Identity {
  ExecutionId execution;
  std::int64_t epoch = 0;
  std::string product_version;
};

class History {
 public:
  History(sql::Database& database, Identity identity)
      : database_(&database), identity_(std::move(identity)) {}

  /// Makes the three tables; a transaction of its own. Repeatable.
  [[nodiscard]] Status ensure();
  /// By version; empty when there is no history table. Needs no ensure().
  [[nodiscard]] static Result<std::map<Version, Applied>> applied(sql::Database& database);
  [[nodiscard]] Result<std::optional<Applied>> find(const std::string& id);
  /// nullopt when the log has no `up` of it.
  [[nodiscard]] Result<std::optional<Record>> record_of(const std::string& id);
  /// The id of a migration that was applied after that place in the log and still is; empty: none.
  [[nodiscard]] Result<std::string> applied_after(std::int64_t sequence);

  /// Inside the migration's transaction.
  [[nodiscard]] Status add(const Migration& migration, std::int64_t duration_ms,
                           std::int64_t wall_ms);
  [[nodiscard]] Status remove(const std::string& id, std::int64_t wall_ms);
  /// In a transaction of its own, after the migration's was rolled back.
  [[nodiscard]] Status log_failure(const Migration& migration, const std::string& message,
                                   std::int64_t wall_ms);

  /// Waits until the lock is free, at most `timeout_ms`, and takes it; what an earlier owner of
  /// this execution or a process that has died holds is taken over. lock_held says who holds it.
  [[nodiscard]] Status lock(engine::RunContext& context, std::int64_t timeout_ms);
  /// Inside a write transaction: stale_owner when the lock is no longer ours.
  [[nodiscard]] Status check_lock();
  /// Gives the lock back, if it is ours or an earlier owner's of this execution. Needs no ensure().
  [[nodiscard]] Status unlock();

 private:
  [[nodiscard]] Status log(const Migration& migration, std::string_view direction,
                           std::string_view event, std::string_view message, std::int64_t wall_ms);
  /// One try: empty when taken, else who holds it.
  [[nodiscard]] Result<std::string> try_lock(std::int64_t wall_ms);

  sql::Database* database_;
  Identity identity_;
};

}  // namespace dunlin::schema
