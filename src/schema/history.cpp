// History, log and lock at the target; see history.h.
#include "schema/history.h"

#include <unistd.h>

#include <array>

#include <pwd.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/process.h"
#include "base/text.h"

namespace dunlin::schema {

namespace {

constexpr const char* kTables =
    "CREATE TABLE IF NOT EXISTS __MigrationsHistory("
    "MigrationId TEXT PRIMARY KEY NOT NULL, ProductVersion TEXT NOT NULL, AppliedDate TEXT NOT "
    "NULL, "
    "Checksum TEXT NOT NULL, DurationMs INTEGER NOT NULL, AppliedBy TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS __MigrationsHistoryLog("
    "Sequence INTEGER PRIMARY KEY AUTOINCREMENT, MigrationId TEXT NOT NULL, Direction TEXT NOT "
    "NULL, Event TEXT NOT NULL, "
    "Attempt INTEGER NOT NULL, ExecutionId TEXT NOT NULL, Epoch INTEGER NOT NULL, LoggedAt TEXT "
    "NOT NULL, "
    "LoggedBy TEXT NOT NULL, Checksum TEXT, UpSql TEXT, DownSql TEXT, Message TEXT);"
    "CREATE TABLE IF NOT EXISTS __MigrationsLock("
    "Id INTEGER PRIMARY KEY CHECK(Id = 1), ExecutionId TEXT NOT NULL, Epoch INTEGER NOT NULL, Pid "
    "INTEGER NOT NULL, "
    "Host TEXT NOT NULL, BootId TEXT NOT NULL, StartTime INTEGER NOT NULL, LockedBy TEXT NOT NULL, "
    "Since TEXT NOT NULL)";

/// "anna@host": who is responsible, for people.
std::string user_at_host() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const bool known = ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
                     found != nullptr;
  return (known ? std::string(entry.pw_name) : "uid " + std::to_string(::getuid())) + "@" +
         host_name();
}

}  // namespace

Status History::ensure() {
  DUNLIN_ASSIGN(
      const std::optional<std::int64_t> there,
      database_->query_int64("SELECT 1 FROM sqlite_master WHERE name = '__MigrationsLock'"));
  if (there) return success();
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*database_));
  DUNLIN_TRY(database_->exec(kTables));
  DUNLIN_CRASH_POINT("schema.tables.before");
  DUNLIN_TRY(transaction.commit());
  DUNLIN_CRASH_POINT("schema.tables.after");
  return success();
}

Result<std::map<Version, Applied>> History::applied(sql::Database& database) {
  std::map<Version, Applied> result;
  DUNLIN_ASSIGN(
      const std::optional<std::int64_t> there,
      database.query_int64("SELECT 1 FROM sqlite_master WHERE name = '__MigrationsHistory'"));
  if (!there) return result;
  DUNLIN_ASSIGN(sql::Statement rows,
                database.prepare("SELECT MigrationId, Checksum FROM __MigrationsHistory"));
  DUNLIN_ASSIGN(bool more, rows.query());
  while (more) {
    result[version_of(rows.column_text(0))] = Applied{rows.column_string(0), rows.column_string(1)};
    DUNLIN_ASSIGN(more, rows.step());
  }
  return result;
}

Result<std::optional<Applied>> History::find(const std::string& id) {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_->cached(
          "SELECT MigrationId, Checksum FROM __MigrationsHistory WHERE MigrationId = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(id));
  if (!found) return std::optional<Applied>{};
  return std::optional(Applied{row.column_string(0), row.column_string(1)});
}

Result<std::optional<Record>> History::record_of(const std::string& id) {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_->cached("SELECT Sequence, ExecutionId, DownSql FROM __MigrationsHistoryLog "
                        "WHERE MigrationId = ?1 AND Direction = 'up' AND Event = 'done' "
                        "ORDER BY Sequence DESC LIMIT 1"));
  DUNLIN_ASSIGN(const bool found, row.query(id));
  if (!found) return std::optional<Record>{};
  Record record{row.column_int64(0), row.column_string(1), std::nullopt};
  if (!row.is_null(2)) record.down_sql = row.column_string(2);
  return std::optional(std::move(record));
}

Result<std::string> History::applied_after(std::int64_t sequence) {
  DUNLIN_ASSIGN(
      const std::optional<std::string> id,
      database_->query_text(
          "SELECT l.MigrationId FROM __MigrationsHistoryLog l JOIN __MigrationsHistory h "
          "ON h.MigrationId = l.MigrationId WHERE l.Direction = 'up' AND l.Event = 'done' "
          "AND l.Sequence > ?1 ORDER BY l.Sequence DESC LIMIT 1",
          sequence));
  return id.value_or("");
}

Status History::add(const Migration& migration, std::int64_t duration_ms, std::int64_t wall_ms) {
  DUNLIN_TRY(log(migration, "up", "done", "", wall_ms));
  return database_->run("INSERT INTO __MigrationsHistory VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                        migration.id, identity_.product_version, rfc3339(wall_ms),
                        migration.checksum, duration_ms, user_at_host());
}

Status History::remove(const std::string& id, std::int64_t wall_ms) {
  Migration migration;
  migration.id = id;
  DUNLIN_TRY(log(migration, "down", "done", "", wall_ms));
  return database_->run("DELETE FROM __MigrationsHistory WHERE MigrationId = ?1", id);
}

Status History::log_failure(const Migration& migration, const std::string& message,
                            std::int64_t wall_ms) {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*database_));
  DUNLIN_TRY(check_lock());
  DUNLIN_TRY(log(migration, "up", "failed", message, wall_ms));
  return transaction.commit();
}

Status History::log(const Migration& migration, std::string_view direction, std::string_view event,
                    std::string_view message, std::int64_t wall_ms) {
  const bool up = direction == "up";
  const bool has_down = up && !migration.down.file.empty();
  return database_->run(
      "INSERT INTO __MigrationsHistoryLog(MigrationId, Direction, Event, Attempt, ExecutionId, "
      "Epoch, LoggedAt, LoggedBy, "
      "Checksum, UpSql, DownSql, Message) VALUES(?1, ?2, ?3, (SELECT 1 + count(*) FROM "
      "__MigrationsHistoryLog "
      "WHERE MigrationId = ?1 AND Direction = ?2), ?4, ?5, ?6, ?7, ?8, ?9, ?10, nullif(?11, ''))",
      migration.id, direction, event, identity_.execution.value, identity_.epoch, rfc3339(wall_ms),
      user_at_host(), up ? std::optional(migration.checksum) : std::nullopt,
      up ? std::optional(migration.up.sql) : std::nullopt,
      has_down ? std::optional(migration.down.sql) : std::nullopt, message);
}

Status History::lock(engine::RunContext& context, std::int64_t timeout_ms) {
  constexpr auto kPoll = std::chrono::milliseconds(100);
  const std::int64_t give_up_ms = context.clock().monotonic_ms() + timeout_ms;
  for (;;) {
    Result<std::string> holder = try_lock(context.clock().wall_ms());
    if (!holder.ok() && holder.error().type != ErrorType::database_locked)
      return std::move(holder).error();
    if (holder.ok() && holder.value().empty()) return success();
    DUNLIN_TRY(context.cancel().check());
    if (context.clock().monotonic_ms() >= give_up_ms) {
      if (!holder.ok())
        return Error(ErrorType::lock_held, "the database is locked by another connection");
      return Error(ErrorType::lock_held, "the migration lock is held by " + holder.value());
    }
    static_cast<void>(context.cancel().wait_for(kPoll));
  }
}

Result<std::string> History::try_lock(std::int64_t wall_ms) {
  DUNLIN_ASSIGN(const ProcessIdentity self, ProcessIdentity::current());
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*database_));
  {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_->cached("SELECT ExecutionId, Epoch, Pid, Host, BootId, StartTime, LockedBy, "
                          "Since FROM __MigrationsLock"));
    DUNLIN_ASSIGN(const bool held, row.query());
    if (held && row.column_text(0) == identity_.execution.value) {
      if (row.column_int64(1) > identity_.epoch) {
        return Error(ErrorType::stale_owner,
                     "another process has taken this execution's migration lock over");
      }
    } else if (held) {
      ProcessIdentity holder{static_cast<pid_t>(row.column_int64(2)), row.column_string(4),
                             static_cast<std::uint64_t>(row.column_int64(5)), row.column_string(3)};
      // Of another machine nobody here can tell whether it lives, so its lock is never taken.
      const bool local = holder.host == self.host;
      bool alive = !local;
      if (local) {
        DUNLIN_ASSIGN(alive, holder.matches());
      }
      if (alive) {
        return printable(row.column_text(6)) + ", process " + std::to_string(holder.pid) +
               ", since " + row.column_string(7) +
               (local ? ""
                      : "; if that machine is gone, delete the row of __MigrationsLock by hand");
      }
    }
  }
  DUNLIN_TRY(database_->run(
      "INSERT OR REPLACE INTO __MigrationsLock VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      identity_.execution.value, identity_.epoch, self.pid, self.host, self.boot_id,
      self.start_time, user_at_host(), rfc3339(wall_ms)));
  DUNLIN_CRASH_POINT("schema.lock.before");
  DUNLIN_TRY(transaction.commit());
  DUNLIN_CRASH_POINT("schema.lock.after");
  return std::string();
}

Status History::check_lock() {
  DUNLIN_ASSIGN(
      const std::optional<std::int64_t> ours,
      database_->query_int64("SELECT 1 FROM __MigrationsLock WHERE ExecutionId = ?1 AND Epoch = ?2",
                             identity_.execution.value, identity_.epoch));
  if (ours) return success();
  return Error(ErrorType::stale_owner, "the migration lock is no longer held by this process");
}

Status History::unlock() {
  DUNLIN_ASSIGN(
      const std::optional<std::int64_t> there,
      database_->query_int64("SELECT 1 FROM sqlite_master WHERE name = '__MigrationsLock'"));
  if (!there) return success();
  DUNLIN_CRASH_POINT("schema.unlock.before");
  DUNLIN_TRY(database_->run("DELETE FROM __MigrationsLock WHERE ExecutionId = ?1 AND Epoch <= ?2",
                            identity_.execution.value, identity_.epoch));
  DUNLIN_CRASH_POINT("schema.unlock.after");
  return success();
}

}  // namespace dunlin::schema
