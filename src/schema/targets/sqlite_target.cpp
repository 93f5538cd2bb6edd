// SQLite: the lock is a row, since nothing else of a file says who holds it. Every write
// transaction looks whether that row is still its own; SQLite itself lets one write at a time.

#include "base/crash_point.h"
#include "base/process.h"
#include "base/text.h"
#include "schema/names.h"
#include "schema/targets/targets.h"
#include "sql/sqlite_connection.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::Parameter;

constexpr std::string_view kLockColumns =
    "(Id INTEGER PRIMARY KEY CHECK(Id = 1), ExecutionId TEXT NOT NULL, Epoch INTEGER NOT NULL, Pid "
    "INTEGER NOT NULL, Host TEXT NOT NULL, BootId TEXT NOT NULL, StartTime INTEGER NOT NULL, "
    "LockedBy TEXT NOT NULL, Since TEXT NOT NULL)";

class SqliteTarget final : public Target {
 public:
  SqliteTarget(std::unique_ptr<sql::Connection> connection, std::string path)
      : Target(std::move(connection)), path_(std::move(path)) {}

  [[nodiscard]] std::string table(std::string_view name) const override {
    return "main.\"" + std::string(name) + "\"";
  }
  [[nodiscard]] std::string now() const override { return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"; }
  [[nodiscard]] std::string as_text(std::string_view time_column) const override {
    return std::string(time_column);
  }
  [[nodiscard]] Result<bool> has_table(std::string_view name, const Call& call) override {
    const std::array parameters = {Parameter(std::string(name))};
    DUNLIN_ASSIGN(const auto found,
                  sql::query_text(connection(), "SELECT 1 FROM main.sqlite_master WHERE name = ?1",
                                  call, parameters));
    return found.has_value();
  }
  [[nodiscard]] Status make_tables(const Call& call) override;
  [[nodiscard]] Result<std::string> try_lock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Status unlock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Result<std::vector<sql::Answer>> begin(const Owner& owner, std::string_view words,
                                                       std::span<const sql::Request> with,
                                                       const Call& call) override;
  [[nodiscard]] Status stand_alone(const Owner& owner, const Call& call) override {
    return check_lock(owner, call);
  }
  [[nodiscard]] Status check_work(const Call& call) override;
  [[nodiscard]] Status refresh(const Call& call) override { return connection().reset(call); }

 private:
  [[nodiscard]] Status run(std::string_view sql, const Call& call,
                           std::span<const Parameter> parameters = {}) {
    return sql::run_only(connection(), sql, call, parameters);
  }
  [[nodiscard]] Status check_lock(const Owner& owner, const Call& call);
  [[nodiscard]] Result<std::string> holder(const Owner& owner, const ProcessIdentity& self,
                                           const Call& call);
  [[nodiscard]] Status in_transaction(const std::function<Status()>& work, const Call& call);
  [[nodiscard]] static Result<std::int64_t> orphans(sql::Connection& connection, const Call& call);

  std::string path_;
};

/// Also rolled back when the call is already cancelled.
Status SqliteTarget::in_transaction(const std::function<Status()>& work, const Call& call) {
  DUNLIN_TRY(run("BEGIN IMMEDIATE", call));
  Status status = work();
  if (!status.ok()) run("ROLLBACK", Call{}).ignore("the error before it is the one that counts");
  return status;
}

Status SqliteTarget::make_tables(const Call& call) {
  DUNLIN_ASSIGN(const bool there, has_table(kLogTable, call));
  if (there) return success();
  return in_transaction(
      [&]() -> Status {
        DUNLIN_TRY(run("CREATE TABLE IF NOT EXISTS " + table(kHistoryTable) +
                           "(MigrationId TEXT PRIMARY KEY NOT NULL, ProductVersion TEXT NOT NULL, "
                           "AppliedDate TEXT NOT NULL, Checksum TEXT NOT NULL, DurationMs INTEGER "
                           "NOT NULL, AppliedBy TEXT NOT NULL)",
                       call));
        DUNLIN_TRY(run("CREATE TABLE IF NOT EXISTS " + table(kLogTable) +
                           "(Sequence INTEGER PRIMARY KEY AUTOINCREMENT, MigrationId TEXT NOT "
                           "NULL, Direction TEXT NOT NULL, Event TEXT NOT NULL, Attempt INTEGER "
                           "NOT NULL, ExecutionId TEXT NOT NULL, Epoch INTEGER NOT NULL, LoggedAt "
                           "TEXT NOT NULL, LoggedBy TEXT NOT NULL, Checksum TEXT, UpSql TEXT, "
                           "DownSql TEXT, Message TEXT, Statement INTEGER, StatementHash TEXT)",
                       call));
        DUNLIN_TRY(run("CREATE INDEX IF NOT EXISTS main.\"__MigrationsHistoryLogById\" ON \"" +
                           std::string(kLogTable) + "\"(MigrationId, Sequence)",
                       call));
        DUNLIN_CRASH_POINT("schema.tables.before");
        DUNLIN_TRY(run("COMMIT", call));
        DUNLIN_CRASH_POINT("schema.tables.after");
        return success();
      },
      call);
}

/// Empty: nobody, or one whom we may replace.
Result<std::string> SqliteTarget::holder(const Owner& owner, const ProcessIdentity& self,
                                         const Call& call) {
  DUNLIN_ASSIGN(const auto rows,
                connection().query("SELECT ExecutionId, Epoch, Pid, Host, BootId, StartTime, "
                                   "LockedBy, Since FROM " +
                                       table(kLockTable),
                                   call));
  DUNLIN_ASSIGN(const bool held, rows->next());
  if (!held) return std::string();
  if (rows->text(0) == owner.execution.value) {
    if (integer_of(rows->text(1)) > owner.epoch)
      return Error(ErrorType::stale_owner,
                   "another process has taken this execution's migration lock over");
    return std::string();
  }
  const ProcessIdentity other{
      static_cast<pid_t>(integer_of(rows->text(2))), std::string(rows->text(4)),
      static_cast<std::uint64_t>(integer_of(rows->text(5))), std::string(rows->text(3))};
  // Of another machine nobody here can tell whether it lives, so its lock is never taken.
  const bool local = other.host == self.host;
  if (local) {
    DUNLIN_ASSIGN(const bool alive, other.matches());
    if (!alive) return std::string();
  }
  return printable(rows->text(6)) + ", process " + std::to_string(other.pid) + ", since " +
         printable(rows->text(7)) +
         (local ? "" : "; if that machine is gone, delete the row of __MigrationsLock by hand");
}

Result<std::string> SqliteTarget::try_lock(const Owner& owner, const Call& call) {
  DUNLIN_ASSIGN(const ProcessIdentity self, ProcessIdentity::current());
  std::string held_by;
  const Status status = in_transaction(
      [&]() -> Status {
        DUNLIN_TRY(run(
            "CREATE TABLE IF NOT EXISTS " + table(kLockTable) + std::string(kLockColumns), call));
        DUNLIN_ASSIGN(held_by, holder(owner, self, call));
        if (!held_by.empty()) return run("ROLLBACK", call);
        const std::array parameters = {Parameter(owner.execution.value),
                                       Parameter(std::to_string(owner.epoch)),
                                       Parameter(std::to_string(self.pid)),
                                       Parameter(self.host),
                                       Parameter(self.boot_id),
                                       Parameter(std::to_string(self.start_time)),
                                       Parameter(user_at_host())};
        DUNLIN_TRY(run("INSERT OR REPLACE INTO " + table(kLockTable) +
                           " VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, " + now() + ")",
                       call, parameters));
        DUNLIN_CRASH_POINT("schema.lock.before");
        DUNLIN_TRY(run("COMMIT", call));
        DUNLIN_CRASH_POINT("schema.lock.after");
        return success();
      },
      call);
  if (!status.ok()) return status.error();
  return held_by;
}

Status SqliteTarget::check_lock(const Owner& owner, const Call& call) {
  const std::array parameters = {Parameter(owner.execution.value),
                                 Parameter(std::to_string(owner.epoch))};
  DUNLIN_ASSIGN(const auto ours, sql::query_text(connection(),
                                                 "SELECT 1 FROM " + table(kLockTable) +
                                                     " WHERE ExecutionId = ?1 AND Epoch = ?2",
                                                 call, parameters));
  if (ours) return success();
  return Error(ErrorType::stale_owner, "the migration lock is no longer held by this process");
}

Status SqliteTarget::unlock(const Owner& owner, const Call& call) {
  DUNLIN_ASSIGN(const bool there, has_table(kLockTable, call));
  if (!there) return success();
  const std::array parameters = {Parameter(owner.execution.value),
                                 Parameter(std::to_string(owner.epoch))};
  DUNLIN_CRASH_POINT("schema.unlock.before");
  DUNLIN_TRY(run("DELETE FROM " + table(kLockTable) + " WHERE ExecutionId = ?1 AND Epoch <= ?2",
                 call, parameters));
  DUNLIN_CRASH_POINT("schema.unlock.after");
  return success();
}

/// Never the script's own words: DEFERRED would find out only in its midst that another one writes.
Result<std::vector<sql::Answer>> SqliteTarget::begin(const Owner& owner, std::string_view,
                                                     std::span<const sql::Request> with,
                                                     const Call& call) {
  DUNLIN_TRY(run("BEGIN IMMEDIATE", call));
  DUNLIN_TRY(check_lock(owner, call));
  return connection().run_all(with, call);
}

Result<std::int64_t> SqliteTarget::orphans(sql::Connection& connection, const Call& call) {
  DUNLIN_ASSIGN(const auto found,
                sql::query_text(connection, "SELECT count(*) FROM pragma_foreign_key_check", call));
  return integer_of(found.value_or("0"));
}

/// Rows that refer to none. Migrations run with enforcement off, because the rebuild of a table
/// would cascade otherwise; so they are compared as a whole before a migration commits.
Status SqliteTarget::check_work(const Call& call) {
  DUNLIN_ASSIGN(const std::int64_t now, orphans(connection(), call));
  if (now == 0) return success();
  // Only now is it worth looking what there was before; another connection still sees that.
  std::int64_t before = 0;
  if (auto other = sql::connect_sqlite(path_, false); other.ok()) {
    if (auto counted = orphans(*other.value(), call); counted.ok()) before = counted.value();
  }
  if (now <= before) return success();
  return Error(ErrorType::migration_failed,
               "after it " + std::to_string(now - before) +
                   " more rows refer to rows that do not exist (PRAGMA foreign_key_check)");
}

}  // namespace

Result<std::unique_ptr<Target>> open_sqlite_target(const std::string& path, Access access) {
  auto connection = sql::connect_sqlite(path, access == Access::change);
  if (!connection.ok()) {
    if (access == Access::look && connection.error().type == ErrorType::not_found)
      return std::unique_ptr<Target>();
    return std::move(connection).error();
  }
  return std::unique_ptr<Target>(
      std::make_unique<SqliteTarget>(std::move(connection).value(), path));
}

}  // namespace dunlin::schema
