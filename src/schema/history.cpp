// History and log at the target; see history.h.
#include "schema/history.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>

#include "base/crash_point.h"
#include "base/text.h"
#include "schema/content.h"
#include "schema/names.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::Parameter;

Parameter text(std::int64_t value) {
  return std::to_string(value);
}

std::string_view name_of(Direction direction) {
  return direction == Direction::up ? "up" : "down";
}

void replace(std::string& text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// Names in backticks and `?` for each parameter.
std::string in_mysql(std::string_view text) {
  std::string sql;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      sql.push_back('`');
    } else if (text[i] == '$') {
      sql.push_back('?');
      while (i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') ++i;
    } else {
      sql.push_back(text[i]);
    }
  }
  return sql;
}

/// What all servers understand, but for the names of the tables, the present time, and how names
/// and parameters are written. Parameters stand in their order and once each: `$1`, as PostgreSQL
/// and SQLite take it.
std::string written_for(const Target& target, std::string_view text) {
  std::string sql = target.dialect() == sql::Dialect::mysql ? in_mysql(text) : std::string(text);
  replace(sql, "{history}", target.table(kHistoryTable));
  replace(sql, "{log}", target.table(kLogTable));
  replace(sql, "{now}", target.now());
  return sql;
}

}  // namespace

struct History::Entry {
  std::string_view id;
  Direction direction = Direction::up;
  std::string_view event;
  std::optional<std::string> checksum;
  std::optional<std::string> kept_up;  ///< as content.h says
  std::optional<std::string> kept_down;
  std::string_view message;
  std::int64_t statement = 0;
  std::string_view hash;

  [[nodiscard]] static Entry of(const Migration& migration, std::string_view event) {
    Entry entry{migration.id, Direction::up, event, {}, {}, {}, {}, 0, {}};
    entry.checksum = migration.checksum;
    entry.kept_up = kept_content(migration.up.sql);
    if (const Script* const down = migration.way_back()) entry.kept_down = kept_content(down->sql);
    return entry;
  }
};

std::string History::sql(std::string_view text) const {
  return written_for(*target_, text);
}

Result<std::map<Version, Applied>> History::applied(Target& target, const Call& call) {
  std::map<Version, Applied> result;
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query(
          written_for(target, R"(SELECT "MigrationId", "Checksum" FROM {history})"), call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return result;
    result.insert_or_assign(result.end(), version_of(rows->text(0)),
                            Applied{std::string(rows->text(0)), std::string(rows->text(1))});
  }
}

/// Every change of the history is in the log, too; rows that somebody has taken out by hand are
/// not.
Result<std::string> History::state(Target& target, const Call& call) {
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query(
          written_for(target,
                      R"(SELECT max("Sequence"), (SELECT count(*) FROM {history}) FROM {log})"),
          call));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return std::string();
  std::string text = std::string(rows->text(0)) + " " + std::string(rows->text(1));
  DUNLIN_ASSIGN(const bool more, rows->next());
  static_cast<void>(more);
  return text;
}

/// Two plain lists, put together here: a join would look up each row in the log.
Result<std::vector<AppliedEntry>> History::in_order(Target& target, const Call& call) {
  std::vector<AppliedEntry> result;
  DUNLIN_ASSIGN(const bool there, target.has_tables(call));
  if (!there) return result;
  DUNLIN_TRY(add_applied(target, result, call));
  DUNLIN_TRY(add_places(target, result, call));
  const auto before = [](const AppliedEntry& a, const AppliedEntry& b) {
    return std::tie(a.sequence, a.applied_at, a.id) < std::tie(b.sequence, b.applied_at, b.id);
  };
  // Mostly they come so.
  if (!std::is_sorted(result.begin(), result.end(), before))
    std::sort(result.begin(), result.end(), before);
  return result;
}

Status History::add_applied(Target& target, std::vector<AppliedEntry>& entries, const Call& call) {
  DUNLIN_ASSIGN(const auto rows, target.connection().query(
                                     written_for(target, R"(SELECT "MigrationId", "Checksum", )" +
                                                             target.as_text(R"("AppliedDate")") +
                                                             R"(, "AppliedBy" FROM {history})"),
                                     call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return success();
    AppliedEntry& entry = entries.emplace_back();
    entry.id = rows->text(0);
    entry.checksum = rows->text(1);
    entry.applied_at = rows->text(2);
    entry.applied_by = rows->text(3);
  }
}

/// Where in the log each was applied last.
Status History::add_places(Target& target, std::vector<AppliedEntry>& entries, const Call& call) {
  std::unordered_map<std::string_view, AppliedEntry*> by_id;
  by_id.reserve(entries.size());
  for (AppliedEntry& entry : entries) by_id[entry.id] = &entry;
  DUNLIN_ASSIGN(const auto rows,
                target.connection().query(
                    written_for(target, R"(SELECT "MigrationId", "Sequence", CASE WHEN "DownSql" )"
                                        R"(IS NULL THEN 0 ELSE 1 END FROM {log} WHERE )"
                                        R"("Direction" = 'up' AND "Event" = 'done' )"
                                        R"(ORDER BY "Sequence")"),
                    call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return success();
    const auto found = by_id.find(rows->text(0));
    if (found == by_id.end()) continue;
    found->second->sequence = integer_of(rows->text(1));
    found->second->has_way_back = rows->text(2) == "1";
  }
}

sql::Request History::question(const std::string& id) const {
  return {sql(R"(SELECT "Checksum" FROM {history} WHERE "MigrationId" = $1)"), {id}, true, true};
}

Result<std::optional<Applied>> History::find(const std::string& id, const Call& call) {
  const sql::Request asked = question(id);
  DUNLIN_ASSIGN(sql::Answer checksum,
                sql::query_text(target_->connection(), asked.sql, call, asked.parameters));
  if (!checksum) return std::optional<Applied>();
  return std::optional(Applied{id, *std::move(checksum)});
}

Result<std::map<std::string, Applied>> History::find_all(Target& target,
                                                         const std::vector<std::string>& ids,
                                                         const Call& call) {
  constexpr std::size_t kAtOnce = 500;  // an old SQLite takes 999 parameters
  std::map<std::string, Applied> found;
  for (std::size_t begin = 0; begin < ids.size(); begin += kAtOnce) {
    std::vector<Parameter> parameters;
    std::string places;
    for (std::size_t i = begin; i < std::min(begin + kAtOnce, ids.size()); ++i) {
      parameters.emplace_back(ids[i]);
      places += (places.empty() ? "$" : ", $") + std::to_string(parameters.size());
    }
    DUNLIN_ASSIGN(
        const auto rows,
        target.connection().query(
            written_for(target, R"(SELECT "MigrationId", "Checksum" FROM {history} WHERE )"
                                R"("MigrationId" IN ()" +
                                    places + ")"),
            call, parameters));
    while (true) {
      DUNLIN_ASSIGN(const bool more, rows->next());
      if (!more) break;
      std::string id(rows->text(0));
      Applied row{id, std::string(rows->text(1))};
      found.emplace(std::move(id), std::move(row));
    }
  }
  return found;
}

Result<std::optional<Record>> History::record_of(const std::string& id, const Call& call) {
  const std::array parameters = {Parameter(id)};
  DUNLIN_ASSIGN(const auto rows,
                target_->connection().query(
                    sql(R"(SELECT "Sequence", "DownSql", "UpSql", "Checksum" )"
                        R"(FROM {log} WHERE )"
                        R"("MigrationId" = $1 AND "Direction" = 'up' AND "Event" = 'done' )"
                        R"(ORDER BY "Sequence" DESC LIMIT 1)"),
                    call, parameters));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return std::optional<Record>{};
  Record record;
  record.sequence = integer_of(rows->text(0));
  if (!rows->is_null(1)) record.kept_down = std::string(rows->text(1));
  if (!rows->is_null(2)) record.kept_up = std::string(rows->text(2));
  record.checksum = rows->text(3);
  DUNLIN_ASSIGN(const bool more, rows->next());
  static_cast<void>(more);
  return std::optional(std::move(record));
}

Result<std::optional<std::string>> History::kept_up_of(Target& target, const std::string& id,
                                                       const Call& call) {
  const std::array parameters = {Parameter(id)};
  return sql::query_text(
      target.connection(),
      written_for(target, R"(SELECT "UpSql" FROM {log} WHERE "MigrationId" = $1 )"
                          R"(AND "Event" IN ('done', 'repaired') AND )"
                          R"("Direction" = 'up' AND "UpSql" IS NOT NULL )"
                          R"(ORDER BY "Sequence" DESC LIMIT 1)"),
      call, parameters);
}

Result<std::string> History::last_named(Target& target, const Version& version, const Call& call) {
  std::string id;
  DUNLIN_ASSIGN(const auto rows,
                target.connection().query(
                    written_for(target, R"(SELECT "MigrationId" FROM {log} WHERE "Event" = )"
                                        R"('done' AND "Direction" = 'up' GROUP BY )"
                                        R"("MigrationId" ORDER BY max("Sequence"))"),
                    call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return id;
    if (version_of(rows->text(0)) == version) id = rows->text(0);
  }
}

Result<std::set<std::int64_t>> History::unreadable(Target& target, const Call& call) {
  std::set<std::int64_t> places;
  const std::string mark(kContentMark);
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query(
          written_for(target, R"(SELECT "Sequence" FROM {log} WHERE "Direction" = 'up' AND )"
                              R"("Event" = 'done' AND "DownSql" LIKE ')" +
                                  mark + R"(%' AND "DownSql" NOT LIKE ')" + mark +
                                  std::string(kContentForm) + "%'"),
          call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return places;
    places.insert(integer_of(rows->text(0)));
  }
}

Result<std::string> History::last_done(const std::string& id, Direction direction,
                                       const Call& call) {
  const std::array parameters = {Parameter(id), Parameter(std::string(name_of(direction)))};
  DUNLIN_ASSIGN(
      const auto execution,
      sql::query_text(target_->connection(),
                      sql(R"(SELECT "ExecutionId" FROM {log} WHERE "MigrationId" = $1 AND )"
                          R"("Direction" = $2 AND "Event" = 'done' )"
                          R"(ORDER BY "Sequence" DESC LIMIT 1)"),
                      call, parameters));
  return execution.value_or("");
}

Result<std::string> History::applied_after(std::int64_t sequence, const Call& call) {
  const std::array parameters = {text(sequence)};
  DUNLIN_ASSIGN(
      const auto id,
      sql::query_text(target_->connection(),
                      sql(R"(SELECT l."MigrationId" FROM {log} l JOIN {history} h ON )"
                          R"(h."MigrationId" = l."MigrationId" WHERE l."Direction" = 'up' AND )"
                          R"(substr(l."MigrationId", 1, 3) <> 'R__' AND )"
                          R"(l."Event" = 'done' AND l."Sequence" > $1 )"
                          R"(ORDER BY l."Sequence" DESC LIMIT 1)"),
                      call, parameters));
  return id.value_or("");
}

Result<std::vector<std::string>> History::applied_by(const ExecutionId& execution,
                                                     const Call& call) {
  std::vector<std::string> ids;
  const std::array parameters = {Parameter(execution.value)};
  DUNLIN_ASSIGN(
      const auto rows,
      target_->connection().query(
          sql(R"(SELECT l."MigrationId" FROM {log} l JOIN {history} h ON h."MigrationId" = )"
              R"(l."MigrationId" WHERE l."ExecutionId" = $1 AND l."Direction" = 'up' AND )"
              R"(l."Event" = 'done' ORDER BY l."Sequence" DESC)"),
          call, parameters));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return ids;
    ids.emplace_back(rows->text(0));
  }
}

Result<std::map<std::string, Unfinished>> History::unfinished(const Call& call) {
  std::map<std::string, Unfinished> result;
  DUNLIN_ASSIGN(const auto rows,
                target_->connection().query(
                    sql(R"(SELECT l."MigrationId", l."Direction", l."Event", l."Statement", )"
                        R"(l."StatementHash", l."Message", l."ExecutionId" FROM {log} l WHERE )"
                        R"((l."Event" IN ('begun', 'passed', 'failed') AND l."Statement" > 0 OR )"
                        R"(l."Event" = 'repaired') AND NOT EXISTS (SELECT 1 FROM {log} d WHERE )"
                        R"(d."MigrationId" = l."MigrationId" AND d."Sequence" > l."Sequence" AND )"
                        R"(d."Event" = 'done') ORDER BY l."Sequence")"),
                    call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) break;
    Unfinished& one = result[std::string(rows->text(0))];
    const std::string_view event = rows->text(2);
    one.failed = 0;
    if (event == "repaired") {
      one.begun = 0;  // somebody has looked: it was not done
      continue;
    }
    one.direction = rows->text(1) == "down" ? Direction::down : Direction::up;
    const std::int64_t statement = integer_of(rows->text(3));
    if (event == "begun") {
      const std::string_view both = rows->text(4);
      const std::size_t blank = std::min(both.find(' '), both.size());
      one.begun = statement;
      one.begun_hash = both.substr(0, blank);
      one.fingerprint = both.substr(std::min(blank + 1, both.size()));
      continue;
    }
    one.begun = 0;  // the server has answered
    if (event == "passed") {
      one.passed = statement;
      one.hash = rows->text(4);
    } else {
      one.failed = statement;
      one.message = rows->text(5);
      one.execution = rows->text(6);
    }
  }
  std::erase_if(result, [](const auto& one) {
    return one.second.passed == 0 && one.second.begun == 0;  // it failed without a trace
  });
  return result;
}

Status History::run_all(std::initializer_list<sql::Request> statements, const Call& call) {
  DUNLIN_ASSIGN(const auto done, target_->connection().run_all(statements, call));
  static_cast<void>(done);
  return success();
}

Status History::add(const Migration& migration, std::int64_t duration_ms, const Call& call) {
  return add(Entry::of(migration, "done"), duration_ms, call);
}

Status History::add(const Entry& entry, std::int64_t duration_ms, const Call& call) {
  const std::string id(entry.id);
  sql::Request logged = log_entry(entry);
  sql::Request added = {
      sql("INSERT INTO {history} VALUES($1, $2, {now}, $3, $4, $5)"),
      {id, product_version_, entry.checksum.value_or(""), text(duration_ms), user_at_host()}};
  logged.recurs = added.recurs = true;
  if (!version_of(id).is_repeatable()) return run_all({std::move(logged), std::move(added)}, call);
  return run_all({std::move(logged),
                  {sql(R"(DELETE FROM {history} WHERE "MigrationId" = $1)"), {id}},
                  std::move(added)},
                 call);
}

Status History::restore(const std::string& id, const Record& record, std::int64_t duration_ms,
                        const Call& call) {
  return add(
      {id, Direction::up, "done", record.checksum, record.kept_up, record.kept_down, {}, 0, {}},
      duration_ms, call);
}

Status History::remove(const std::string& id, const Call& call) {
  return run_all({log_entry({id, Direction::down, "done", {}, {}, {}, {}, 0, {}}),
                  {sql(R"(DELETE FROM {history} WHERE "MigrationId" = $1)"), {id}}},
                 call);
}

Status History::accept(const Migration& migration, const Call& call) {
  return run_all({log_entry(Entry::of(migration, "repaired")),
                  {sql(R"(UPDATE {history} SET "Checksum" = $1 WHERE "MigrationId" = $2)"),
                   {migration.checksum, migration.id}}},
                 call);
}

Status History::may_go_on(const std::string& id, const Call& call) {
  return log({id, Direction::up, "repaired", {}, {}, {}, {}, 0, {}}, call);
}

Status History::passed(const std::string& id, Direction direction, std::int64_t count,
                       const std::string& hash, const Call& call) {
  return log({id, direction, "passed", {}, {}, {}, {}, count, hash}, call);
}

Status History::begun(const std::string& id, Direction direction, std::int64_t statement,
                      const std::string& hash, const std::string& fingerprint, const Call& call) {
  const std::string both = hash + " " + fingerprint;
  return log({id, direction, "begun", {}, {}, {}, {}, statement, both}, call);
}

Status History::failed(const Migration& migration, std::int64_t statement,
                       const std::string& message, const Call& call) {
  DUNLIN_ASSIGN(const auto begun, target_->begin(owner_, {}, {}, call));
  static_cast<void>(begun);
  Entry entry = Entry::of(migration, "failed");
  entry.message = message;
  entry.statement = statement;
  Status logged = log(entry, call);
  return sql::run_only(target_->connection(), logged.ok() ? "COMMIT" : "ROLLBACK", call);
}

Status History::log(const Entry& entry, const Call& call) {
  return run_all({log_entry(entry)}, call);
}

sql::Request History::log_entry(const Entry& entry) const {
  const auto kept = [](std::string_view one) {
    return one.empty() ? Parameter() : Parameter(std::string(one));
  };
  const std::string id(entry.id);
  const std::string direction(name_of(entry.direction));
  std::vector<Parameter> parameters = {
      Parameter(id),         Parameter(direction),      Parameter(std::string(entry.event)),
      Parameter(id),         Parameter(direction),      Parameter(owner_.execution.value),
      text(owner_.epoch),    Parameter(user_at_host()), entry.checksum,
      entry.kept_up,         entry.kept_down,           kept(entry.message),
      text(entry.statement), kept(entry.hash),
  };
  return {sql(R"(INSERT INTO {log}("MigrationId", "Direction", "Event", "Attempt", "ExecutionId", )"
              R"("Epoch", "LoggedAt", "LoggedBy", "Checksum", "UpSql", "DownSql", "Message", )"
              R"("Statement", "StatementHash") VALUES($1, $2, $3, (SELECT "n" FROM (SELECT 1 + )"
              R"(count(*) AS "n" FROM {log} WHERE "MigrationId" = $4 AND "Direction" = $5 AND )"
              R"("Event" IN ('done', 'failed')) AS "earlier"), )"
              R"($6, $7, {now}, $8, $9, $10, $11, $12, $13, $14))"),
          std::move(parameters)};
}

}  // namespace dunlin::schema
