#include "store/sqlite_state_store.h"

#include <charconv>

#include <fmt/format.h>

#include "base/json.h"
#include "store/ledger_codec.h"
#include "store/ledger_schema.h"

namespace dunlin::store {
namespace {

constexpr std::string_view kTables = R"sql(
-- Format: min_reader, min_writer.
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- The highest running number ever given: a deleted execution's number is not given again.
CREATE TABLE number(one INTEGER PRIMARY KEY CHECK(one = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO number VALUES (1, 0);

CREATE TABLE plan(
  id TEXT PRIMARY KEY, name TEXT, kind TEXT, status TEXT NOT NULL, document_json TEXT, created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- A cache of each ledger's own row. Few rows: lists sort without an index. UNIQUE serves `dunlin status 7`.
CREATE TABLE execution(
  id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, plan_id TEXT, kind TEXT, description TEXT, status TEXT NOT NULL,
  phase TEXT, claims TEXT NOT NULL, depends_on TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  counters TEXT NOT NULL, keeps_until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE control(
  id INTEGER PRIMARY KEY AUTOINCREMENT, execution_id TEXT NOT NULL, verb TEXT NOT NULL, arguments_json TEXT,
  actor TEXT, uid INTEGER NOT NULL, token_id TEXT NOT NULL, created_ms INTEGER NOT NULL, answered_ms INTEGER,
  answer_json TEXT) STRICT;
-- What an owner asks for several times a second: as small as what is unanswered.
CREATE INDEX control_pending ON control(execution_id, id) WHERE answered_ms IS NULL;

-- An entry that each audit chain must hold, as its owner has told; kept when the execution's row is rebuilt.
CREATE TABLE audit_anchor(
  execution_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, hash TEXT NOT NULL, seal TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Few: looked through as they are. No row: everybody who can open this file may do everything.
CREATE TABLE operator(
  name TEXT PRIMARY KEY, role TEXT NOT NULL CHECK(role IN ('viewer', 'operator', 'admin')), uid INTEGER UNIQUE,
  created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Of a token only its SHA-256 is kept. used_ms, revoked_ms: 0 is never.
CREATE TABLE token(
  id TEXT PRIMARY KEY, operator TEXT NOT NULL, hash BLOB NOT NULL, created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL,
  revoked_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)sql";

std::vector<std::string> strings_of(std::string_view text) {
  std::vector<std::string> strings;
  const Result<Json> parsed = parse_json(text, "list");
  if (!parsed || !parsed->is_array()) return strings;
  for (const Json& one : *parsed) {
    if (one.is_string()) strings.push_back(one.get<std::string>());
  }
  return strings;
}

Error no_execution(std::string_view text) {
  return {ErrorType::not_found,
          fmt::format("there is no execution '{}': give its full id, its running number as "
                      "`dunlin ps` shows it, or `last`",
                      text)};
}

Status state_error(Status status) {
  if (status.ok()) return status;
  return as_state_error(std::move(status).error());
}
template <typename T>
Result<T> state_error(Result<T> result) {
  if (result.ok()) return result;
  return as_state_error(std::move(result).error());
}

}  // namespace

Result<std::unique_ptr<SqliteStateStore>> SqliteStateStore::open(const std::string& path) {
  sql::OpenOptions options;
  options.foreign_keys = false;
  options.cache_kib = 1024;
  auto made = [&]() -> Result<std::unique_ptr<SqliteStateStore>> {
    DUNLIN_ASSIGN(sql::Database database, sql::Database::open(path, options));
    const auto is_empty = [&database]() -> Result<bool> {
      DUNLIN_ASSIGN(const auto tables, database.query_int64("SELECT count(*) FROM sqlite_schema"));
      DUNLIN_ASSIGN(const std::int64_t version, database.user_version());
      return tables.value_or(0) == 0 && version == 0;
    };
    // Asked without the writer's turn: behind a large copy another one's commit takes a second.
    DUNLIN_ASSIGN(bool created, is_empty());
    if (created) {
      // Two processes may find the file missing at once: who comes second sees the first one's
      // tables.
      DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database));
      DUNLIN_ASSIGN(created, is_empty());
      if (created) {
        DUNLIN_TRY(make_schema(database));
        DUNLIN_TRY(transaction.commit());
      }
    }
    DUNLIN_TRY(check_format(database, kStateApplicationId, kStateFormat, false,
                            fmt::format("'{}'", path)));
    return std::unique_ptr<SqliteStateStore>(new SqliteStateStore(std::move(database), created));
  }();
  return state_error(std::move(made));
}

Result<std::unique_ptr<SqliteStateStore>> SqliteStateStore::create_in_memory() {
  sql::OpenOptions options;
  options.wal = false;
  options.synchronous_full = false;
  options.foreign_keys = false;
  DUNLIN_ASSIGN(sql::Database database, sql::Database::open(":memory:", options));
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database));
  DUNLIN_TRY(make_schema(database));
  DUNLIN_TRY(transaction.commit());
  return std::unique_ptr<SqliteStateStore>(new SqliteStateStore(std::move(database), true));
}

Status SqliteStateStore::make_schema(sql::Database& database) {
  DUNLIN_TRY(database.exec(kTables));
  return write_format(database, kStateApplicationId, kStateFormat);
}

Status SqliteStateStore::check() const {
  const std::lock_guard lock(mutex_);
  return database_.quick_check();
}

Status SqliteStateStore::put_plan(const PlanRow& plan) {
  const std::lock_guard lock(mutex_);
  return state_error(database_.run(
      "REPLACE INTO plan(id, name, kind, status, document_json, created_ms, updated_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      plan.id.value, plan.name, plan.kind, plan.status, plan.document_json, plan.created_ms,
      plan.updated_ms));
}

Result<PlanRow> SqliteStateStore::plan(const PlanId& id) const {
  DUNLIN_ASSIGN(std::vector<PlanRow> found,
                select_plans("WHERE id = ?1", [&](sql::Statement& row) { row.bind(1, id.value); }));
  if (found.empty())
    return Error(ErrorType::not_found, fmt::format("there is no plan '{}'", id.value));
  return std::move(found.front());
}

Result<std::vector<PlanRow>> SqliteStateStore::plans() const {
  return select_plans("ORDER BY created_ms, id", nullptr);
}

Result<std::vector<PlanRow>> SqliteStateStore::select_plans(std::string_view where,
                                                            const Bind& bind) const {
  const std::lock_guard lock(mutex_);
  std::vector<PlanRow> plans;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(fmt::format(
          "SELECT id, name, kind, status, document_json, created_ms, updated_ms FROM plan {}",
          where)));
  if (bind) bind(row);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return plans;
    PlanRow plan;
    plan.id = PlanId(row.column_string(0));
    plan.name = row.column_string(1);
    plan.kind = row.column_string(2);
    plan.status = row.column_string(3);
    plan.document_json = row.column_string(4);
    plan.created_ms = row.column_int64(5);
    plan.updated_ms = row.column_int64(6);
    plans.push_back(std::move(plan));
  }
}

Status SqliteStateStore::delete_plan(const PlanId& id) {
  const std::lock_guard lock(mutex_);
  DUNLIN_TRY(state_error(database_.run("DELETE FROM plan WHERE id = ?1", id.value)));
  if (database_.changes() > 0) return success();
  return Error(ErrorType::not_found, fmt::format("there is no plan '{}'", id.value));
}

Result<std::int64_t> SqliteStateStore::put_execution(const ExecutionSummary& summary) {
  const std::lock_guard lock(mutex_);
  const auto put = [&]() -> Result<std::int64_t> {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_ASSIGN(
        const auto own,
        database_.query_int64("SELECT number FROM execution WHERE id = ?1", summary.id.value));
    std::int64_t number = summary.number != 0 ? summary.number : own.value_or(0);
    DUNLIN_ASSIGN(const auto taken,
                  database_.query_int64("SELECT 1 FROM execution WHERE number = ?1 AND id <> ?2",
                                        number, summary.id.value));
    if (number == 0 || taken) {
      DUNLIN_ASSIGN(const auto last, database_.query_int64("SELECT last FROM number"));
      number = last.value_or(0) + 1;
    }
    DUNLIN_TRY(database_.run("UPDATE number SET last = max(last, ?1)", number));
    DUNLIN_TRY(database_.run(
        "REPLACE INTO execution(id, number, plan_id, kind, description, status, phase, claims, "
        "depends_on, created_ms, "
        "updated_ms, counters, keeps_until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
        "?11, ?12, ?13)",
        summary.id.value, number, summary.plan_id.value, summary.kind, summary.description,
        to_string(summary.status), summary.phase, dump_json(Json(summary.claims)),
        dump_json(Json(summary.depends_on)), summary.created_ms, summary.updated_ms,
        counters_json(summary.counters), summary.keeps_until_ms));
    DUNLIN_TRY(transaction.commit());
    return number;
  };
  return state_error(put());
}

Result<std::vector<ExecutionSummary>> SqliteStateStore::select_executions(std::string_view where,
                                                                          const Bind& bind) const {
  const std::lock_guard lock(mutex_);
  std::vector<ExecutionSummary> summaries;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(fmt::format(
          "SELECT id, number, plan_id, kind, description, status, phase, claims, "
          "depends_on, created_ms, updated_ms, counters, keeps_until_ms FROM execution {}",
          where)));
  if (bind) bind(row);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return summaries;
    ExecutionSummary one;
    one.id = ExecutionId(row.column_string(0));
    one.number = row.column_int64(1);
    one.plan_id = PlanId(row.column_string(2));
    one.kind = row.column_string(3);
    one.description = row.column_string(4);
    const auto status = execution_status_from(row.column_text(5));
    if (!status)
      return Error(ErrorType::state_corrupt,
                   fmt::format("execution {} has an unknown status", one.number));
    one.status = *status;
    one.phase = row.column_string(6);
    one.claims = strings_of(row.column_text(7));
    one.depends_on = strings_of(row.column_text(8));
    one.created_ms = row.column_int64(9);
    one.updated_ms = row.column_int64(10);
    DUNLIN_ASSIGN(one.counters, counters_from_json(row.column_text(11)));
    one.keeps_until_ms = row.column_int64(12);
    summaries.push_back(std::move(one));
  }
}

Result<std::vector<ExecutionSummary>> SqliteStateStore::executions() const {
  return select_executions("ORDER BY number", nullptr);
}

Result<ExecutionSummary> SqliteStateStore::execution(const ExecutionId& id) const {
  DUNLIN_ASSIGN(
      std::vector<ExecutionSummary> found,
      select_executions("WHERE id = ?1", [&](sql::Statement& row) { row.bind(1, id.value); }));
  if (found.empty()) return no_execution(id.value);
  return std::move(found.front());
}

Result<ExecutionSummary> SqliteStateStore::resolve(std::string_view text) const {
  if (const auto uuid = parse_uuid(text); uuid) return execution(ExecutionId(*uuid));
  std::vector<ExecutionSummary> found;
  if (text == "last") {
    DUNLIN_ASSIGN(found, select_executions("ORDER BY number DESC LIMIT 1", nullptr));
  } else {
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem == std::errc() && end == text.data() + text.size() && number > 0) {
      DUNLIN_ASSIGN(found, select_executions("WHERE number = ?1",
                                             [&](sql::Statement& row) { row.bind(1, number); }));
    }
  }
  if (found.empty()) return no_execution(text);
  return std::move(found.front());
}

Status SqliteStateStore::delete_execution(const ExecutionId& id) {
  const std::lock_guard lock(mutex_);
  const auto remove = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_TRY(database_.run("DELETE FROM execution WHERE id = ?1", id.value));
    const bool found = database_.changes() > 0;
    DUNLIN_TRY(database_.run("DELETE FROM control WHERE execution_id = ?1", id.value));
    DUNLIN_TRY(database_.run("DELETE FROM audit_anchor WHERE execution_id = ?1", id.value));
    if (!found) return no_execution(id.value);
    return transaction.commit();
  };
  return state_error(remove());
}

Result<std::int64_t> SqliteStateStore::add_control(const ControlRow& row) {
  const std::lock_guard lock(mutex_);
  DUNLIN_TRY(state_error(
      database_.run("INSERT INTO control(execution_id, verb, arguments_json, actor, uid, token_id, "
                    "created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    row.execution.value, row.verb, row.arguments_json, row.actor, row.uid,
                    row.token_id, row.created_ms)));
  return database_.last_insert_rowid();
}

Result<std::vector<ControlRow>> SqliteStateStore::select_controls(std::string_view where,
                                                                  const Bind& bind) const {
  const std::lock_guard lock(mutex_);
  std::vector<ControlRow> controls;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(fmt::format("SELECT id, execution_id, verb, arguments_json, actor, uid, "
                                   "token_id, created_ms, answered_ms, answer_json FROM control {}",
                                   where)));
  if (bind) bind(row);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return controls;
    ControlRow one;
    one.id = row.column_int64(0);
    one.execution = ExecutionId(row.column_string(1));
    one.verb = row.column_string(2);
    one.arguments_json = row.column_string(3);
    one.actor = row.column_string(4);
    one.uid = row.column_int64(5);
    one.token_id = row.column_string(6);
    one.created_ms = row.column_int64(7);
    one.answered_ms = row.column_int64(8);
    one.answer_json = row.column_string(9);
    controls.push_back(std::move(one));
  }
}

Result<std::vector<ControlRow>> SqliteStateStore::pending_controls(const ExecutionId& id) const {
  return select_controls("WHERE execution_id = ?1 AND answered_ms IS NULL ORDER BY id",
                         [&](sql::Statement& row) { row.bind(1, id.value); });
}

Result<ControlRow> SqliteStateStore::control(std::int64_t id) const {
  DUNLIN_ASSIGN(std::vector<ControlRow> found,
                select_controls("WHERE id = ?1", [&](sql::Statement& row) { row.bind(1, id); }));
  if (found.empty())
    return Error(ErrorType::not_found, fmt::format("there is no control row {}", id));
  return std::move(found.front());
}

Status SqliteStateStore::answer_control(std::int64_t id, std::string_view answer_json,
                                        std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  // The first answer stands: an owner that died after it committed the effect may answer again.
  DUNLIN_TRY(
      state_error(database_.run("UPDATE control SET answered_ms = coalesce(answered_ms, ?2), "
                                "answer_json = coalesce(answer_json, ?3) "
                                "WHERE id = ?1",
                                id, now_ms, answer_json)));
  if (database_.changes() > 0) return success();
  return Error(ErrorType::not_found, fmt::format("there is no control row {}", id));
}

Status SqliteStateStore::set_audit_anchor(const ExecutionId& id, const AuditAnchor& anchor) {
  const std::lock_guard lock(mutex_);
  const auto set = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_ASSIGN(const AuditAnchor known, read_anchor(id));
    if (known.sequence > anchor.sequence) {
      return Error(ErrorType::state_corrupt,
                   fmt::format("the audit log of {} ends at entry {}, but entry {} was seen before",
                               id.value, anchor.sequence, known.sequence));
    }
    if (known.sequence == anchor.sequence && known.hash != anchor.hash) {
      return Error(ErrorType::state_corrupt,
                   fmt::format("audit entry {} of {} is not the one that was seen before",
                               anchor.sequence, id.value));
    }
    DUNLIN_TRY(database_.run(
        "REPLACE INTO audit_anchor(execution_id, sequence, hash, seal) VALUES (?1, ?2, ?3, ?4)",
        id.value, anchor.sequence, anchor.hash, anchor.seal));
    return transaction.commit();
  };
  return state_error(set());
}

Result<AuditAnchor> SqliteStateStore::audit_anchor(const ExecutionId& id) const {
  const std::lock_guard lock(mutex_);
  return read_anchor(id);
}

Result<AuditAnchor> SqliteStateStore::read_anchor(const ExecutionId& id) const {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached("SELECT sequence, hash, seal FROM audit_anchor WHERE execution_id = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(id.value));
  if (!found) return AuditAnchor{};
  return AuditAnchor{row.column_int64(0), row.column_string(1), row.column_string(2)};
}

Result<std::vector<ExecutionId>> SqliteStateStore::anchored_executions() const {
  const std::lock_guard lock(mutex_);
  std::vector<ExecutionId> ids;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT execution_id FROM audit_anchor ORDER BY execution_id"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return ids;
    ids.emplace_back(row.column_string(0));
  }
}

}  // namespace dunlin::store
