// PostgreSQL. Two advisory locks stand for "who migrates" and "what still runs":
//
//   owner   held for the whole run;
//   work    held by the very session that sends the statements, so that a server that goes on with
//           the ALTER of a dead client keeps the next owner waiting until it has ended.
//
// Directly both are of the one session, and PostgreSQL gives them back when it has ended. Behind a
// proxy that hands out server sessions by transaction (PgBouncer) a session's locks are nobody's:
// there the owner's lock is of a transaction that stays open on a connection of its own, and the
// work lock is taken anew in each transaction. That one reads nothing and is READ COMMITTED, so it
// holds back no snapshot. Both are asked for again and again, never waited for at the server: a
// waiting session and CREATE INDEX CONCURRENTLY would deadlock (anchors/schema.md, traps 13 to 16).
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
#include "sql/postgresql/connection.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::Connection;
using sql::Parameter;

constexpr std::size_t kNameMax = 63;  ///< NAMEDATALEN - 1, also of application_name
constexpr auto kWorkPoll = std::chrono::milliseconds(100);
/// For what a dead owner's session still does behind a proxy: the server notices that it is dead
/// within 2 s.
constexpr std::int64_t kWorkWithin_ms = 30'000;

std::string in_quotes(std::string_view name) {
  return quoted_name(name, '"');
}

/// Two 32-bit halves, as pg_locks shows the key of an advisory lock.
struct Key {
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  [[nodiscard]] std::string number() const {
    return std::to_string(
        static_cast<std::int64_t>((static_cast<std::uint64_t>(high) << 32U) | low));
  }
};

/// Advisory locks are of one database, so the place of the history is all that has to tell.
Result<Key> key_of(std::string_view what, std::string_view history) {
  DUNLIN_ASSIGN(const std::string digest,
                hash_bytes(HashKind::sha256, fmt::format("dunlin {} {}", what, history)));
  Key key;
  for (std::size_t i = 0; i < 4; ++i) {
    key.high = (key.high << 8U) | static_cast<unsigned char>(digest[i]);
    key.low = (key.low << 8U) | static_cast<unsigned char>(digest[i + 4]);
  }
  return key;
}

sql::ServerAddress with_name(sql::ServerAddress address) {
  std::string name = fmt::format("dunlin, {}, process {}", user_at_host(), ::getpid());
  if (name.size() > kNameMax) name = fmt::format("dunlin, process {}", ::getpid());
  address.options.emplace("application_name", std::move(name));
  return address;
}

class PostgresqlTarget final : public Target {
 public:
  PostgresqlTarget(std::unique_ptr<Connection> connection, sql::ServerAddress address)
      : Target(std::move(connection)), address_(std::move(address)) {}
  [[nodiscard]] Status introduce(const Call& call);

  [[nodiscard]] std::string table(std::string_view name) const override {
    return in_quotes(schema_) + "." + in_quotes(name);
  }
  [[nodiscard]] std::string now() const override { return "pg_catalog.clock_timestamp()"; }
  [[nodiscard]] std::string as_text(std::string_view time_column) const override {
    return fmt::format(
        R"(pg_catalog.to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))",
        time_column);
  }
  [[nodiscard]] Result<bool> has_table(std::string_view name, const Call& call) override {
    return is_there(in_quotes(name), call);
  }
  [[nodiscard]] Result<bool> has_own(std::string_view name, const Call& call) override {
    return is_there(table(name), call);
  }
  [[nodiscard]] Result<std::string> history_elsewhere(const Call& call) override;
  [[nodiscard]] Status make_tables(const Call& call) override;
  [[nodiscard]] Result<std::string> try_lock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Status unlock(const Owner& owner, const Call& call) override;
  [[nodiscard]] Result<std::vector<sql::Answer>> begin(const Owner& owner, std::string_view words,
                                                       std::span<const sql::Request> with,
                                                       const Call& call) override;
  [[nodiscard]] Status stand_alone(const Owner& owner, const Call& call) override;
  [[nodiscard]] std::string lock_wait_words(std::int64_t limit_ms, bool within) const override {
    return fmt::format("SET {}lock_timeout = {}", within ? "LOCAL " : "", limit_ms);
  }
  [[nodiscard]] Result<std::string> as_ourselves(const Call& call) override;
  [[nodiscard]] Status as_script(const std::string& who, const Call& call) override;
  [[nodiscard]] Status check_work(const Call&) override { return success(); }
  [[nodiscard]] Status refresh_within(const Call& call) override;
  [[nodiscard]] Status refresh(const Call& call) override;

 private:
  [[nodiscard]] bool is_pooled() const { return connection().server().pooled; }
  /// Knows client_connection_check_interval.
  [[nodiscard]] bool checks_clients() const {
    return connection().server().version_number >= 140000;
  }
  [[nodiscard]] Status run(std::string_view sql, const Call& call,
                           std::span<const Parameter> parameters = {}) {
    return sql::run_only(connection(), sql, call, parameters);
  }
  [[nodiscard]] Status run_each(std::initializer_list<std::string> statements, const Call& call) {
    std::vector<sql::Request> all;
    for (const std::string& one : statements) all.push_back({one});
    DUNLIN_ASSIGN(const auto done, connection().run_all(all, call));
    static_cast<void>(done);
    return success();
  }
  [[nodiscard]] Result<bool> is_there(std::string name, const Call& call);
  /// `how`: pg_try_advisory_lock, pg_try_advisory_xact_lock, pg_advisory_unlock.
  [[nodiscard]] static Result<bool> ask(Connection& connection, std::string_view how,
                                        const Key& key, const Call& call);
  [[nodiscard]] Result<std::string> holder_of(const Key& key, const Call& call);
  [[nodiscard]] Result<bool> lock_for_work(const Call& call);
  [[nodiscard]] Status wait_for_work(const Call& call);
  [[nodiscard]] sql::Request lock_question() const;
  [[nodiscard]] static Status check_lock(const sql::Answer& answer);
  [[nodiscard]] Status settings(const Call& call);
  [[nodiscard]] std::string own_settings() const;

  sql::ServerAddress address_;
  std::string schema_;
  Key owner_key_;
  Key work_key_;
  bool has_owner_ = false;
  bool has_work_ = false;                    ///< of the session
  std::unique_ptr<Connection> lock_holder_;  ///< behind a proxy: its open transaction is the lock
  std::int64_t holding_session_ = 0;         ///< the process at the server that holds the owner's
};

/// What an application's role or database has set would end long migrations.
Status PostgresqlTarget::settings(const Call& call) {
  if (is_pooled()) return success();  // they would stay in somebody else's session
  return run(own_settings(), call);
}

std::string PostgresqlTarget::own_settings() const {
  std::string sql =
      "SELECT pg_catalog.set_config('statement_timeout', '0', false), "
      "pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false)";
  if (checks_clients())
    sql += ", pg_catalog.set_config('client_connection_check_interval', '2s', false)";
  return sql;
}

Status PostgresqlTarget::introduce(const Call& call) {
  DUNLIN_TRY(settings(call));
  DUNLIN_ASSIGN(const auto schema,
                sql::query_text(connection(), "SELECT pg_catalog.current_schema()", call));
  if (!schema)
    return Error(ErrorType::invalid_input,
                 "none of the schemas in search_path exists, so there is no place for the history "
                 "of migrations: create one, or name it in the address: "
                 "?options=-csearch_path%3DNAME");
  schema_ = *schema;
  DUNLIN_ASSIGN(owner_key_, key_of("owner", table(kHistoryTable)));
  DUNLIN_ASSIGN(work_key_, key_of("work", table(kHistoryTable)));
  return success();
}

Result<bool> PostgresqlTarget::is_there(std::string name, const Call& call) {
  const std::array parameters = {Parameter(std::move(name))};
  DUNLIN_ASSIGN(const auto found, sql::query_text(connection(), "SELECT pg_catalog.to_regclass($1)",
                                                  call, parameters));
  return found.has_value();
}

Result<std::string> PostgresqlTarget::history_elsewhere(const Call& call) {
  const std::array parameters = {Parameter(std::string(kHistoryTable)), Parameter(schema_)};
  DUNLIN_ASSIGN(const auto found,
                sql::query_text(connection(),
                                "SELECT n.nspname FROM pg_catalog.pg_class c JOIN "
                                "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
                                "c.relname = $1 AND n.nspname <> $2 ORDER BY n.nspname LIMIT 1",
                                call, parameters));
  if (!found) return std::string();
  return "this connection would keep the history in schema '" + printable(schema_) +
         "', where there is none; there is one in '" + printable(*found) +
         "' (add ?options=-csearch_path%3D" + printable(*found) + " to the address to use that)";
}

Status PostgresqlTarget::make_tables(const Call& call) {
  const std::array parameters = {Parameter(table(kLogTable))};
  DUNLIN_ASSIGN(const auto there, sql::query_text(connection(), "SELECT pg_catalog.to_regclass($1)",
                                                  call, parameters));
  if (there) return success();
  const auto make = [&]() -> Status {
    DUNLIN_TRY(run("BEGIN", call));
    DUNLIN_TRY(run("CREATE TABLE IF NOT EXISTS " + table(kHistoryTable) +
                       R"(("MigrationId" text PRIMARY KEY, "ProductVersion" text NOT NULL, )"
                       R"("AppliedDate" timestamptz NOT NULL, "Checksum" text NOT NULL, )"
                       R"("DurationMs" bigint NOT NULL, "AppliedBy" text NOT NULL))",
                   call));
    DUNLIN_TRY(run("CREATE TABLE IF NOT EXISTS " + table(kLogTable) +
                       R"(("Sequence" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, )"
                       R"("MigrationId" text NOT NULL, "Direction" text NOT NULL, )"
                       R"("Event" text NOT NULL, "Attempt" bigint NOT NULL, )"
                       R"("ExecutionId" text NOT NULL, "Epoch" bigint NOT NULL, )"
                       R"("LoggedAt" timestamptz NOT NULL, "LoggedBy" text NOT NULL, )"
                       R"("Checksum" text, "UpSql" text, "DownSql" text, "Message" text, )"
                       R"("Statement" bigint, "StatementHash" text))",
                   call));
    DUNLIN_TRY(run("CREATE INDEX IF NOT EXISTS \"__MigrationsHistoryLogById\" ON " +
                       table(kLogTable) + R"( ("MigrationId", "Sequence"))",
                   call));
    DUNLIN_CRASH_POINT("schema.tables.before");
    DUNLIN_TRY(run("COMMIT", call));
    DUNLIN_CRASH_POINT("schema.tables.after");
    return success();
  };
  Status made = make();
  if (!made.ok() && !is_lost()) run("ROLLBACK", Call{}).ignore("what went wrong before it counts");
  return made;
}

Result<bool> PostgresqlTarget::ask(Connection& connection, std::string_view how, const Key& key,
                                   const Call& call) {
  const std::array parameters = {Parameter(key.number())};
  DUNLIN_ASSIGN(const auto answer,
                sql::query_text(connection, fmt::format("SELECT pg_catalog.{}($1::bigint)", how),
                                call, parameters));
  return answer == "t";
}

/// "anna@web1, process 4711 (…), since …": whom to look for, on which machine.
Result<std::string> PostgresqlTarget::holder_of(const Key& key, const Call& call) {
  const std::array parameters = {Parameter(std::to_string(key.high)),
                                 Parameter(std::to_string(key.low))};
  DUNLIN_ASSIGN(
      const auto rows,
      connection().query(
          "SELECT l.pid, a.usename, a.application_name, coalesce(pg_catalog.host(a.client_addr), "
          "'this host'), " +
              as_text("a.backend_start") +
              ", CASE WHEN a.state = 'active' THEN pg_catalog.left(a.query, 80) ELSE '' END FROM "
              "pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
              "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = "
              "$1::oid AND l.objid = $2::oid AND l.database = (SELECT oid FROM "
              "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) LIMIT 1",
          call, parameters));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return std::string("somebody who has just given it back");
  std::string text =
      fmt::format("{} ({}, from {}, process {} of the server, since {})",
                  rows->text(2).empty() ? "a program without a name" : printable(rows->text(2)),
                  printable(rows->text(1)), printable(rows->text(3)), rows->text(0), rows->text(4));
  if (!rows->text(5).empty()) text += fmt::format("; it runs: {}", printable(rows->text(5)));
  return text;
}

Result<bool> PostgresqlTarget::lock_for_work(const Call& call) {
  if (has_work_ || is_pooled()) return true;
  DUNLIN_ASSIGN(has_work_, ask(connection(), "pg_try_advisory_lock", work_key_, call));
  return has_work_;
}

Result<std::string> PostgresqlTarget::try_lock(const Owner&, const Call& call) {
  DUNLIN_CRASH_POINT("schema.lock.before");
  if (!has_owner_ && !is_pooled()) {
    DUNLIN_ASSIGN(has_owner_, ask(connection(), "pg_try_advisory_lock", owner_key_, call));
    holding_session_ = connection().session().process;
  }
  if (!has_owner_ && is_pooled()) {
    if (!lock_holder_ || lock_holder_->transaction() == sql::TransactionState::lost) {
      DUNLIN_ASSIGN(lock_holder_, sql::connect_postgresql(address_, call));
    }
    DUNLIN_TRY(
        sql::run_only(*lock_holder_, "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED", call));
    DUNLIN_TRY(
        sql::run_only(*lock_holder_, "SET LOCAL idle_in_transaction_session_timeout = 0", call));
    DUNLIN_ASSIGN(has_owner_, ask(*lock_holder_, "pg_try_advisory_xact_lock", owner_key_, call));
    if (has_owner_) {
      DUNLIN_ASSIGN(const auto pid,
                    sql::query_text(*lock_holder_, "SELECT pg_catalog.pg_backend_pid()", call));
      const std::string_view digits = pid ? std::string_view(*pid) : std::string_view();
      std::from_chars(digits.data(), digits.data() + digits.size(), holding_session_);
    } else {
      // The server's session goes back to the others while we wait.
      DUNLIN_TRY(sql::run_only(*lock_holder_, "ROLLBACK", call));
    }
  }
  if (!has_owner_) return holder_of(owner_key_, call);
  DUNLIN_ASSIGN(const bool ready, lock_for_work(call));
  if (!ready) {
    DUNLIN_ASSIGN(const std::string holder, holder_of(work_key_, call));
    return "a statement that the server has not ended yet: " + holder;
  }
  DUNLIN_CRASH_POINT("schema.lock.after");
  return std::string();
}

Status PostgresqlTarget::unlock(const Owner&, const Call& call) {
  if (!has_owner_) return success();
  DUNLIN_CRASH_POINT("schema.unlock.before");
  has_owner_ = false;
  if (is_pooled()) {
    lock_holder_.reset();
  } else if (!is_lost()) {
    if (connection().transaction() != sql::TransactionState::none)
      DUNLIN_TRY(run("ROLLBACK", call));
    if (std::exchange(has_work_, false)) {
      DUNLIN_ASSIGN(const bool given, ask(connection(), "pg_advisory_unlock", work_key_, call));
      static_cast<void>(given);
    }
    DUNLIN_ASSIGN(const bool given, ask(connection(), "pg_advisory_unlock", owner_key_, call));
    // It was not ours, or is still held once more: only the end of the session is sure.
    if (!given) DUNLIN_TRY(run("SELECT pg_catalog.pg_advisory_unlock_all()", call));
  }
  DUNLIN_CRASH_POINT("schema.unlock.after");
  return success();
}

/// A script may have given all locks of its session back, and a proxy may have changed sessions.
/// The work lock is taken once more, for the transaction: no script can give that back.
sql::Request PostgresqlTarget::lock_question() const {
  return {
      "SELECT pg_catalog.pg_try_advisory_xact_lock($5::bigint) FROM pg_catalog.pg_locks WHERE "
      "locktype = 'advisory' AND granted AND objsubid = 1 AND classid = $1::oid AND objid = "
      "$2::oid AND pid = $3::int AND (NOT $4::bool OR pid = pg_catalog.pg_backend_pid())",
      {std::to_string(owner_key_.high), std::to_string(owner_key_.low),
       std::to_string(holding_session_), is_pooled() ? "f" : "t", work_key_.number()},
      true,
      true};
}

Status PostgresqlTarget::check_lock(const sql::Answer& answer) {
  if (answer == "t") return success();
  return Error(ErrorType::stale_owner, "the migration lock is no longer held by this process");
}

/// Of an earlier owner, in a session that is not ours; within the transaction.
Status PostgresqlTarget::wait_for_work(const Call& call) {
  const std::int64_t give_up_ns = steady_ns() + kWorkWithin_ms * 1'000'000;
  while (true) {
    DUNLIN_ASSIGN(const bool free, ask(connection(), "pg_try_advisory_xact_lock", work_key_, call));
    if (free) return success();
    DUNLIN_TRY(call.cancel.check());
    if (steady_ns() > give_up_ns) {
      DUNLIN_ASSIGN(const std::string holder, holder_of(work_key_, call));
      return Error(ErrorType::lock_held,
                   "the server has not ended a statement of an earlier migration: " + holder);
    }
    static_cast<void>(call.cancel.wait_for(kWorkPoll));
  }
}

Result<std::vector<sql::Answer>> PostgresqlTarget::begin(const Owner&, std::string_view words,
                                                         std::span<const sql::Request> with,
                                                         const Call& call) {
  std::vector<sql::Request> all = {{std::string(words.empty() ? "BEGIN" : words)}};
  if (is_pooled()) {
    all.push_back({"SET LOCAL statement_timeout = 0"});
    if (checks_clients()) all.push_back({"SET LOCAL client_connection_check_interval = '2s'"});
    DUNLIN_ASSIGN(const auto begun, connection().run_all(all, call));
    static_cast<void>(begun);
    all.clear();
    DUNLIN_TRY(wait_for_work(call));
  }
  const std::size_t lock = all.size();
  all.push_back(lock_question());
  all.insert(all.end(), with.begin(), with.end());
  DUNLIN_ASSIGN(std::vector<sql::Answer> answers, connection().run_all(all, call));
  DUNLIN_TRY(check_lock(answers[lock]));
  answers.erase(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(lock) + 1);
  return answers;
}

Status PostgresqlTarget::stand_alone(const Owner&, const Call& call) {
  if (is_pooled()) {
    Error error(ErrorType::invalid_state,
                "the statement cannot run in a transaction, and behind a proxy that hands out "
                "sessions by transaction nothing else keeps a second migration away");
    error.remediation = "name the server's own address, not the proxy's";
    return error;
  }
  const sql::Request question = lock_question();
  DUNLIN_ASSIGN(const sql::Answer answer,
                sql::query_text(connection(), question.sql, call, question.parameters));
  return check_lock(answer);
}

Result<std::string> PostgresqlTarget::as_ourselves(const Call& call) {
  DUNLIN_ASSIGN(
      const auto who,
      sql::query_text(connection(),
                      "SELECT pg_catalog.format('SET SESSION AUTHORIZATION %I', session_user) || "
                      "CASE WHEN pg_catalog.current_setting('role') = 'none' THEN '' ELSE "
                      "pg_catalog.format(E'\\nSET ROLE %I', pg_catalog.current_setting('role')) "
                      "END",
                      call));
  DUNLIN_TRY(run("RESET SESSION AUTHORIZATION", call));
  return who.value_or("");
}

Status PostgresqlTarget::as_script(const std::string& who, const Call& call) {
  for (std::size_t at = 0; at < who.size();) {
    const std::size_t end = std::min(who.find('\n', at), who.size());
    DUNLIN_TRY(run(std::string_view(who).substr(at, end - at), call));
    at = end + 1;
  }
  return success();
}

Status PostgresqlTarget::refresh_within(const Call& call) {
  const std::string own = is_pooled() ? "SET LOCAL statement_timeout = 0" : own_settings();
  return run_each({"RESET SESSION AUTHORIZATION", "RESET ALL", own}, call);
}

Status PostgresqlTarget::refresh(const Call& call) {
  if (is_pooled()) {
    DUNLIN_TRY(run("DISCARD ALL", call));
    // The proxy had given it to the session, and believes that it is there still.
    const auto name = address_.options.find("application_name");
    if (name == address_.options.end()) return success();
    const std::array parameters = {Parameter(name->second)};
    return run("SELECT pg_catalog.set_config('application_name', $1, false)", call, parameters);
  }
  // DISCARD ALL would give the lock back.
  const std::string own = own_settings();
  // Nor would DEALLOCATE ALL leave our own statements prepared: only what scripts have.
  std::vector<sql::Request> all;
  for (const char* const one :
       {"RESET SESSION AUTHORIZATION", "RESET ALL", "DISCARD TEMP", "CLOSE ALL", "UNLISTEN *"})
    all.push_back({one});
  all.push_back({own_settings(), {}, false, true});
  all.push_back(
      {"SELECT pg_catalog.string_agg('DEALLOCATE ' || pg_catalog.quote_ident(name), ';') "
       "FROM pg_catalog.pg_prepared_statements WHERE from_sql",
       {},
       true,
       true});
  DUNLIN_ASSIGN(const auto answers, connection().run_all(all, call));
  return answers.back() ? run_each({*answers.back()}, call) : success();
}

Result<std::unique_ptr<Connection>> connect_to_maintenance(sql::ServerAddress address,
                                                           const Call& call) {
  address.database = "postgres";
  return sql::connect_postgresql(address, call);
}

/// libpq's rule: without a name the database is called as the user is, and without that one as the
/// person at the system. Only the server's answer tells; what is missing names itself.
Status make_database(const sql::ServerAddress& address, const Call& call) {
  DUNLIN_ASSIGN(const auto connection, connect_to_maintenance(address, call));
  Status made = sql::run_only(*connection, "CREATE DATABASE " + in_quotes(address.database), call);
  constexpr std::string_view kDuplicateDatabase = "42P04";
  // Somebody else has made it meanwhile; two at the same time collide in the catalogue's index.
  constexpr std::string_view kUniqueViolation = "23505";
  if (!made.ok() && (made.error().native.code == kDuplicateDatabase ||
                     made.error().native.code == kUniqueViolation))
    return success();
  return made;
}

Status probe_connection(Connection& connection, const Call& call) {
  if (connection.server().read_only)
    return Error(ErrorType::read_only_destination,
                 "the server takes no writes: it is a standby, or set to read only");
  DUNLIN_ASSIGN(
      const auto may,
      sql::query_text(connection,
                      "SELECT pg_catalog.has_schema_privilege(current_schema(), 'CREATE')", call));
  if (may.value_or("t") == "t") return success();
  return Error(ErrorType::permission_denied,
               "this user may not create tables in the schema where the history of migrations "
               "would stand; grant it CREATE there");
}

bool is_missing_database(const Error& error) {
  return error.native.code == "3D000";
}

}  // namespace

Result<std::unique_ptr<Target>> open_postgresql_target(const sql::ServerAddress& given,
                                                       Access access, const Call& call) {
  const sql::ServerAddress address = with_name(given);
  auto connection = sql::connect_postgresql(address, call);
  if (!connection.ok() && is_missing_database(connection.error())) {
    if (access == Access::look) return std::unique_ptr<Target>();
    if (!address.database.empty()) {
      DUNLIN_TRY(make_database(address, call));
      connection = sql::connect_postgresql(address, call);
    }
  }
  if (!connection.ok()) return std::move(connection).error();
  auto target = std::make_unique<PostgresqlTarget>(std::move(connection).value(), address);
  DUNLIN_TRY(target->introduce(call));
  return std::unique_ptr<Target>(std::move(target));
}

Result<std::string> postgresql_identity(const sql::ServerAddress& given, Connection* open,
                                        const Call& call) {
  const sql::ServerAddress address = with_name(given);
  std::string database = address.database;
  std::unique_ptr<Connection> own;
  if (open == nullptr) {
    auto connection = sql::connect_postgresql(address, call);
    if (!connection.ok() && is_missing_database(connection.error())) {
      connection = connect_to_maintenance(address, call);
    } else if (connection.ok()) {
      database = connection.value()->server().database;
    }
    if (!connection.ok()) return std::move(connection).error();
    own = std::move(connection).value();
  } else {
    database = open->server().database;
  }
  const auto system =
      sql::query_text(open == nullptr ? *own : *open,
                      "SELECT system_identifier FROM pg_catalog.pg_control_system()", call);
  // Without the right to ask for it the address has to do.
  const std::string server =
      system.ok() ? system.value().value_or("") : fmt::format("{}:{}", address.host, address.port);
  return "postgresql " + server + " " + database;
}

Status probe_postgresql(const sql::ServerAddress& given, Connection* open, const Call& call) {
  if (open != nullptr) return probe_connection(*open, call);
  const sql::ServerAddress address = with_name(given);
  auto connection = sql::connect_postgresql(address, call);
  if (!connection.ok() && is_missing_database(connection.error())) {
    DUNLIN_ASSIGN(const auto maintenance, connect_to_maintenance(address, call));
    DUNLIN_ASSIGN(
        const auto may,
        sql::query_text(*maintenance,
                        "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = "
                        "current_user",
                        call));
    if (may == "t") return success();
    return Error(ErrorType::permission_denied, "there is no database '" +
                                                   printable(address.database) +
                                                   "', and this user may not make one");
  }
  if (!connection.ok()) return std::move(connection).error();
  return probe_connection(*connection.value(), call);
}

}  // namespace dunlin::schema
