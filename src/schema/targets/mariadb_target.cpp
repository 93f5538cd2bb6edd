// MariaDB and MySQL. Nothing of their DDL can be taken back, so nearly every statement stands alone
// (applier.h). Two user locks (GET_LOCK) stand for "who migrates" and "what still runs":
//
//   owner   of a connection of its own, held for the whole run;
//   work    of the session that sends the statements. The server goes on with the ALTER of a dead
//           client for as long as it takes; who comes next has the owner's lock at once and waits
//           for this one. When that takes longer than a moment the dead one's session is ended
//           (KILL): each single statement is atomic since MariaDB 10.6 and MySQL 8.
//
// User locks are of the whole server, so their names hold the database's; on a Galera cluster they
// are of one node, which is refused (anchors/schema.md, traps 12, 19, 20).
#include <unistd.h>

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/hash.h"
#include "base/text.h"
#include "schema/names.h"
#include "schema/targets/targets.h"
#include "sql/mariadb/connection.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::Connection;
using sql::Parameter;

/// How long the session of a dead owner may go on with its statement before it is ended.
constexpr std::int64_t kLetWork_ms = 3'000;
/// For a session of our own that was ended to be gone.
constexpr const char* kOwnWork_s = "10";

class MariadbTarget final : public Target {
 public:
  MariadbTarget(std::unique_ptr<Connection> connection, sql::ServerAddress address)
      : Target(std::move(connection)), address_(std::move(address)) {}
  [[nodiscard]] Status introduce(const Call& call);

  [[nodiscard]] std::string table(std::string_view name) const override {
    return in_backticks(database_) + "." + in_backticks(name);
  }
  [[nodiscard]] std::string now() const override { return "UTC_TIMESTAMP(6)"; }
  [[nodiscard]] std::string as_text(std::string_view time_column) const override {
    return fmt::format("DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%fZ')", time_column);
  }
  [[nodiscard]] Result<bool> has_table(std::string_view name, const Call& call) override;
  [[nodiscard]] Status make_tables(const Call& call) override;
  [[nodiscard]] Result<std::string> try_lock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Status unlock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Result<std::vector<sql::Answer>> begin(const Owner&, std::string_view words,
                                                       std::span<const sql::Request> with,
                                                       const Call& call) override {
    DUNLIN_TRY(sql::run_only(connection(), words.empty() ? "START TRANSACTION" : words, call));
    DUNLIN_TRY(check_lock(call));
    return connection().run_all(with, call);
  }
  [[nodiscard]] Status stand_alone(const Owner&, const Call& call) override {
    return check_lock(call);
  }
  /// Whole seconds; 0 would be none at all.
  [[nodiscard]] std::string lock_wait_words(std::int64_t limit_ms, bool) const override {
    constexpr std::int64_t kLongest_s = 31'536'000;
    const std::int64_t seconds =
        limit_ms == 0 ? kLongest_s : std::max<std::int64_t>(limit_ms / 1000, 1);
    return fmt::format("SET SESSION lock_wait_timeout = {}", seconds);
  }
  [[nodiscard]] Status check_work(const Call&) override { return success(); }
  [[nodiscard]] Status refresh(const Call& call) override;

 private:
  /// GET_LOCK and RELEASE_LOCK: 1 is yes; nothing at all is an error of the server.
  [[nodiscard]] static Result<bool> ask(Connection& connection, const std::string& expression,
                                        const Call& call);
  [[nodiscard]] Result<std::string> session_with(const std::string& lock, const Call& call);
  [[nodiscard]] Result<std::string> holder_of(const std::string& lock, const Call& call);
  [[nodiscard]] Result<bool> take_work(const Call& call);
  [[nodiscard]] Status sign(const Call& call);
  [[nodiscard]] Status check_lock(const Call& call);
  [[nodiscard]] Status settings(const Call& call);

  sql::ServerAddress address_;
  std::string database_;
  std::string owner_lock_;
  std::string work_lock_;
  std::unique_ptr<Connection> lock_holder_;
  bool has_owner_ = false;
  bool has_work_ = false;
  std::int64_t waits_since_ns_ = 0;  ///< for the work lock; 0: it does not
};

/// What an application's server has set would end long migrations.
Status MariadbTarget::settings(const Call& call) {
  // MySQL has max_execution_time, for SELECT alone, instead.
  if (connection().server().product == "MariaDB")
    return sql::run_only(connection(), "SET SESSION max_statement_time = 0", call);
  return success();
}

Status MariadbTarget::introduce(const Call& call) {
  database_ = connection().server().database;
  if (database_.empty())
    return Error(ErrorType::invalid_input,
                 "the address names no database: write " + address_.text() + "DATABASE");
  // Names of databases may be cut and folded by the server; a hash of the one it says never is.
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::sha256, database_));
  constexpr std::size_t kDigits = 32;  // a name of a lock has 64 characters in MySQL
  owner_lock_ = "dunlin-owner-" + hex(digest).substr(0, kDigits);
  work_lock_ = "dunlin-work-" + hex(digest).substr(0, kDigits);
  return settings(call);
}

Result<bool> MariadbTarget::has_table(std::string_view name, const Call& call) {
  const std::array parameters = {Parameter(database_), Parameter(std::string(name))};
  DUNLIN_ASSIGN(const auto found,
                sql::query_text(connection(),
                                "SELECT 1 FROM information_schema.tables WHERE table_schema = ? "
                                "AND table_name = ?",
                                call, parameters));
  return found.has_value();
}

Status MariadbTarget::make_tables(const Call& call) {
  DUNLIN_ASSIGN(const bool there, has_table(kLogTable, call));
  if (there) return success();
  constexpr std::string_view kKind =
      " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  DUNLIN_CRASH_POINT("schema.tables.before");
  DUNLIN_TRY(sql::run_only(
      connection(),
      fmt::format("CREATE TABLE IF NOT EXISTS {}(`MigrationId` varchar(255) PRIMARY KEY, "
                  "`ProductVersion` varchar(255) NOT NULL, `AppliedDate` datetime(6) NOT NULL, "
                  "`Checksum` varchar(255) NOT NULL, `DurationMs` bigint NOT NULL, `AppliedBy` "
                  "varchar(255) NOT NULL){}",
                  table(kHistoryTable), kKind),
      call));
  DUNLIN_TRY(sql::run_only(
      connection(),
      fmt::format("CREATE TABLE IF NOT EXISTS {}(`Sequence` bigint AUTO_INCREMENT PRIMARY KEY, "
                  "`MigrationId` varchar(255) NOT NULL, `Direction` varchar(8) NOT NULL, `Event` "
                  "varchar(16) NOT NULL, `Attempt` bigint NOT NULL, `ExecutionId` varchar(64) NOT "
                  "NULL, `Epoch` bigint NOT NULL, `LoggedAt` datetime(6) NOT NULL, `LoggedBy` "
                  "varchar(255) NOT NULL, `Checksum` varchar(255), `UpSql` longtext, `DownSql` "
                  "longtext, `Message` longtext, `Statement` bigint, `StatementHash` varchar(255), "
                  "KEY (`MigrationId`, `Sequence`)){}",
                  table(kLogTable), kKind),
      call));
  DUNLIN_CRASH_POINT("schema.tables.after");
  return success();
}

Result<bool> MariadbTarget::ask(Connection& connection, const std::string& expression,
                                const Call& call) {
  DUNLIN_ASSIGN(const auto answer, sql::query_text(connection, "SELECT " + expression, call));
  if (!answer) return Error(ErrorType::temporary_failure, "the server could not answer for a lock");
  return *answer == "1";
}

/// The session that has a lock; empty: nobody.
Result<std::string> MariadbTarget::session_with(const std::string& lock, const Call& call) {
  DUNLIN_ASSIGN(const auto session,
                sql::query_text(connection(), "SELECT IS_USED_LOCK('" + lock + "')", call));
  return session.value_or("");
}

Result<std::string> MariadbTarget::holder_of(const std::string& lock, const Call& call) {
  DUNLIN_ASSIGN(const std::string session, session_with(lock, call));
  if (session.empty()) return std::string("somebody who has just given it back");
  std::string text = "session " + session + " of the server";
  DUNLIN_ASSIGN(const bool signed_there, has_table(kLockTable, call));
  if (signed_there) {
    const std::array parameters = {Parameter(session)};
    DUNLIN_ASSIGN(const auto rows,
                  connection().query("SELECT `LockedBy`, " + as_text("`Since`") + " FROM " +
                                         table(kLockTable) + " WHERE `Session` = ?",
                                     call, parameters));
    DUNLIN_ASSIGN(const bool found, rows->next());
    if (found)
      text = printable(rows->text(0)) + " (" + text + ", since " + printable(rows->text(1)) + ")";
  }
  const std::array parameters = {Parameter(session)};
  DUNLIN_ASSIGN(const auto rows,
                connection().query("SELECT user, host, coalesce(left(info, 80), '') FROM "
                                   "information_schema.processlist WHERE id = ?",
                                   call, parameters));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return text;
  text += fmt::format(", user {}, from {}", printable(rows->text(0)), printable(rows->text(1)));
  if (!rows->text(2).empty()) text += fmt::format("; it runs: {}", printable(rows->text(2)));
  return text;
}

/// Ends the session of a dead owner that keeps its lock by a long statement.
Result<bool> MariadbTarget::take_work(const Call& call) {
  if (has_work_) return true;
  DUNLIN_ASSIGN(has_work_, ask(connection(), "GET_LOCK('" + work_lock_ + "', 0)", call));
  if (has_work_) {
    waits_since_ns_ = 0;
    return true;
  }
  const std::int64_t now_ns = steady_ns();
  if (waits_since_ns_ == 0) waits_since_ns_ = now_ns;
  if (now_ns - waits_since_ns_ < kLetWork_ms * 1'000'000) return false;
  waits_since_ns_ = now_ns;
  DUNLIN_ASSIGN(const std::string session, session_with(work_lock_, call));
  // Without the right to end another user's session it is waited for.
  if (!session.empty())
    sql::run_only(connection(), "KILL " + session, call).ignore("then it ends by itself");
  return false;
}

/// Who has the lock, for those who wait. Nobody asks this row whether it is free.
Status MariadbTarget::sign(const Call& call) {
  DUNLIN_TRY(
      sql::run_only(connection(),
                    "CREATE TABLE IF NOT EXISTS " + table(kLockTable) +
                        "(`Id` int PRIMARY KEY, `Session` bigint NOT NULL, `LockedBy` "
                        "varchar(255) NOT NULL, `Since` datetime(6) NOT NULL) ENGINE = InnoDB "
                        "DEFAULT CHARACTER SET utf8mb4",
                    call));
  const std::array parameters = {
      Parameter(std::to_string(lock_holder_->session().process)),
      Parameter(fmt::format("{}, process {}", user_at_host(), ::getpid()))};
  return sql::run_only(connection(),
                       "REPLACE INTO " + table(kLockTable) + " VALUES(1, ?, ?, " + now() + ")",
                       call, parameters);
}

Result<std::string> MariadbTarget::try_lock(const Owner&, const Call& call) {
  DUNLIN_CRASH_POINT("schema.lock.before");
  if (!lock_holder_ || lock_holder_->transaction() == sql::TransactionState::lost) {
    has_owner_ = false;
    DUNLIN_ASSIGN(lock_holder_, sql::connect_mariadb(address_, call));
    // Idle for as long as a migration takes.
    DUNLIN_TRY(sql::run_only(*lock_holder_, "SET SESSION wait_timeout = 2147483", call));
  }
  if (!has_owner_) {
    DUNLIN_ASSIGN(has_owner_, ask(*lock_holder_, "GET_LOCK('" + owner_lock_ + "', 0)", call));
  }
  if (!has_owner_) return holder_of(owner_lock_, call);
  DUNLIN_ASSIGN(const bool ready, take_work(call));
  if (!ready) {
    DUNLIN_ASSIGN(const std::string holder, holder_of(work_lock_, call));
    return "a statement that the server has not ended yet: " + holder;
  }
  DUNLIN_TRY(sign(call));
  DUNLIN_CRASH_POINT("schema.lock.after");
  return std::string();
}

Status MariadbTarget::unlock(const Owner&, const Call& call) {
  if (!has_owner_) return success();
  DUNLIN_CRASH_POINT("schema.unlock.before");
  has_owner_ = false;
  if (std::exchange(has_work_, false) && !is_lost()) {
    if (connection().transaction() != sql::TransactionState::none)
      DUNLIN_TRY(sql::run_only(connection(), "ROLLBACK", call));
    DUNLIN_ASSIGN(const bool given, ask(connection(), "RELEASE_LOCK('" + work_lock_ + "')", call));
    static_cast<void>(given);
  }
  if (lock_holder_ && lock_holder_->transaction() != sql::TransactionState::lost) {
    DUNLIN_ASSIGN(const bool given,
                  ask(*lock_holder_, "RELEASE_LOCK('" + owner_lock_ + "')", call));
    static_cast<void>(given);
  }
  lock_holder_.reset();
  DUNLIN_CRASH_POINT("schema.unlock.after");
  return success();
}

Status MariadbTarget::check_lock(const Call& call) {
  const std::int64_t holder = lock_holder_ ? lock_holder_->session().process : 0;
  DUNLIN_ASSIGN(const auto ours,
                sql::query_text(connection(),
                                fmt::format("SELECT IS_USED_LOCK('{}') = {} AND IS_USED_LOCK('{}') "
                                            "= CONNECTION_ID()",
                                            owner_lock_, holder, work_lock_),
                                call));
  if (ours == "1") return success();
  return Error(ErrorType::stale_owner, "the migration lock is no longer held by this process");
}

/// Another session; the owner's lock keeps all others out until it has the work lock, too.
Status MariadbTarget::refresh(const Call& call) {
  DUNLIN_TRY(connection().reset(call));
  if (has_work_) {
    DUNLIN_ASSIGN(has_work_, ask(connection(),
                                 fmt::format("GET_LOCK('{}', {})", work_lock_, kOwnWork_s), call));
    if (!has_work_)
      return Error(ErrorType::stale_owner, "the session before this one did not end in time");
  }
  return settings(call);
}

constexpr std::string_view kUnknownDatabase = "1049";

Result<std::unique_ptr<Connection>> connect_without_database(sql::ServerAddress address,
                                                             const Call& call) {
  address.database.clear();
  return sql::connect_mariadb(address, call);
}

}  // namespace

Result<std::unique_ptr<Target>> open_mariadb_target(const sql::ServerAddress& address,
                                                    Access access, const Call& call) {
  auto connection = sql::connect_mariadb(address, call);
  if (!connection.ok() && connection.error().native.code == kUnknownDatabase) {
    if (access == Access::look) return std::unique_ptr<Target>();
    DUNLIN_ASSIGN(const auto plain, connect_without_database(address, call));
    DUNLIN_TRY(sql::run_only(
        *plain, "CREATE DATABASE IF NOT EXISTS " + in_backticks(address.database), call));
    connection = sql::connect_mariadb(address, call);
  }
  if (!connection.ok()) return std::move(connection).error();
  auto target = std::make_unique<MariadbTarget>(std::move(connection).value(), address);
  DUNLIN_TRY(target->introduce(call));
  return std::unique_ptr<Target>(std::move(target));
}

Result<std::string> mariadb_identity(const sql::ServerAddress& address, Connection* open,
                                     const Call& call) {
  std::unique_ptr<Connection> own;
  if (open == nullptr) {
    DUNLIN_ASSIGN(own, connect_without_database(address, call));
  }
  Connection* const connection = open == nullptr ? own.get() : open;
  DUNLIN_ASSIGN(
      const auto server,
      sql::query_text(*connection, "SELECT concat(@@hostname, ':', @@port, ' ', @@datadir)", call));
  return "mariadb " + server.value_or("") + " " + address.database;
}

Status probe_mariadb(const sql::ServerAddress& address, Connection* open, const Call& call) {
  std::unique_ptr<Connection> own;
  if (open == nullptr) {
    DUNLIN_ASSIGN(own, connect_without_database(address, call));
  }
  Connection* const connection = open == nullptr ? own.get() : open;
  if (connection->server().read_only)
    return Error(ErrorType::read_only_destination,
                 "the server takes no writes: it is a replica, or set to read only");
  if (connection->server().pooled)
    return Error(ErrorType::invalid_state,
                 "behind a proxy that hands out sessions nothing keeps a second migration away: "
                 "name the server's own address");
  DUNLIN_ASSIGN(const auto rows, connection->query("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", call));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (found && rows->text(1) == "ON")
    return Error(ErrorType::unsupported_item,
                 "a Galera cluster has locks of one node only, so that two migrations could run at "
                 "the same time");
  return success();
}

}  // namespace dunlin::schema
