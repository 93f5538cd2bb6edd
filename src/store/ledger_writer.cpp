#include "store/ledger_writer.h"

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/json.h"
#include "store/ledger_codec.h"
#include "store/ledger_schema.h"

namespace dunlin::store {
namespace {

constexpr std::size_t kMaxWords = 256;      // a message beyond that stands in its own row
constexpr std::size_t kMaxWordBytes = 200;  // longer texts are hardly ever repeated

constexpr std::string_view kStateColumns =
    "status, phase, reason_json, epoch, sequence, attempt, started_ms, ended_ms, updated_ms, "
    "paused_ms_total, "
    "paused_since_ms, cursor, roots, owner_json, enumeration_complete, committing, last_task, "
    "last_batch, last_item, "
    "last_directory, last_ended_batch, audit_entries, audit_head, rollback_part_json";
constexpr int kFirstCounter = 24;

const std::string& select_state() {
  static const std::string sql = [] {
    std::string text = "SELECT " + std::string(kStateColumns);
    for (const CounterField& field : kCounterFields) text.append(", ").append(field.name);
    return text + " FROM state";
  }();
  return sql;
}

const std::string& replace_state() {
  static const std::string sql = [] {
    std::string text = "REPLACE INTO state(one, " + std::string(kStateColumns);
    std::string marks = "1";
    for (int i = 0; i < kFirstCounter + static_cast<int>(kCounterFields.size()); ++i)
      marks += ", ?";
    for (const CounterField& field : kCounterFields) text.append(", ").append(field.name);
    return text + ") VALUES (" + marks + ")";
  }();
  return sql;
}

std::optional<std::int64_t> non_zero(std::int64_t value) {
  return value == 0 ? std::nullopt : std::optional<std::int64_t>(value);
}
std::optional<std::string_view> non_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}

Status write_state(sql::Database& database, const LedgerState& state) {
  DUNLIN_ASSIGN(sql::Statement row, database.cached(replace_state()));
  int column = 0;
  const auto put = [&](const auto& value) { row.bind(++column, value); };
  put(to_string(state.status));
  put(non_empty(state.phase));
  put(non_empty(state.reason_json));
  put(state.epoch);
  put(state.sequence);
  put(state.attempt);
  put(non_zero(state.started_ms));
  put(non_zero(state.ended_ms));
  put(state.updated_ms);
  put(state.paused_ms_total);
  put(non_zero(state.paused_since_ms));
  put(sql::Blob{state.cursor});
  put(sql::Blob{state.roots});
  put(non_empty(state.owner_json));
  put(state.enumeration_complete ? 1 : 0);
  put(state.committing ? 1 : 0);
  put(state.last_task);
  put(state.last_batch);
  put(state.last_item);
  put(state.last_directory);
  put(state.last_ended_batch);
  put(state.audit_entries);
  put(sql::Blob{state.audit_head});
  put(non_empty(state.rollback_part ? rollback_part_json(*state.rollback_part) : std::string()));
  for (const CounterField& field : kCounterFields) put(state.counters.*field.member);
  return row.run();
}

/// For the view file_operations; empty where the plan does not say.
std::string operation_of(std::string_view plan_json) {
  const Result<Json> plan = parse_json(plan_json, "plan");
  if (!plan) return {};  // the ledger keeps any plan
  const Json* const strategy = find_member(*plan, "strategy");
  return strategy == nullptr ? "" : string_or(*strategy, "operation", "");
}

/// "anna, uid 1000 (process 4711 on host)", without a name where there are no operators; "engine"
/// where the owner does not say.
std::string owner_as_actor(std::string_view owner_json) {
  const Result<Json> owner = parse_json(owner_json, "owner");
  if (!owner || find_member(*owner, "uid") == nullptr) return "engine";
  const std::string name = string_or(*owner, "operator", "");
  return fmt::format("{}{}uid {} (process {} on {})", name, name.empty() ? "" : ", ",
                     integer_or(*owner, "uid", 0), integer_or(*owner, "pid", 0),
                     string_or(*owner, "host", ""));
}

}  // namespace

Result<LedgerState> read_ledger_state(sql::Database& database) {
  DUNLIN_ASSIGN(sql::Statement row, database.cached(select_state()));
  DUNLIN_ASSIGN(const bool found, row.query());
  if (!found) return Error(ErrorType::state_corrupt, "the ledger has no row in `state`");
  LedgerState state;
  int i = 0;
  const auto status = execution_status_from(row.column_text(i++));
  if (!status) return Error(ErrorType::state_corrupt, "the ledger has an unknown execution status");
  state.status = *status;
  state.phase = row.column_string(i++);
  state.reason_json = row.column_string(i++);
  for (std::int64_t* number :
       {&state.epoch, &state.sequence, &state.attempt, &state.started_ms, &state.ended_ms,
        &state.updated_ms, &state.paused_ms_total, &state.paused_since_ms}) {
    *number = row.column_int64(i++);
  }
  state.cursor = row.column_blob(i++);
  state.roots = row.column_blob(i++);
  state.owner_json = row.column_string(i++);
  state.enumeration_complete = row.column_int64(i++) != 0;
  state.committing = row.column_int64(i++) != 0;
  for (std::int64_t* number :
       {&state.last_task, &state.last_batch, &state.last_item, &state.last_directory,
        &state.last_ended_batch, &state.audit_entries}) {
    *number = row.column_int64(i++);
  }
  state.audit_head = row.column_blob(i++);
  if (const std::string part = row.column_string(i++); !part.empty()) {
    DUNLIN_ASSIGN(state.rollback_part, rollback_part_from_json(part));
  }
  for (const CounterField& field : kCounterFields)
    state.counters.*field.member = row.column_int64(i++);
  return state;
}

LedgerWriter::LedgerWriter(sql::Database& database, const Clock& clock, Hasher hasher,
                           ExecutionId execution, std::int64_t created_ms)
    : database_(database),
      clock_(clock),
      hasher_(std::move(hasher)),
      execution_(std::move(execution)),
      created_ms_(created_ms) {}

Result<LedgerWriter> LedgerWriter::make(sql::Database& database, const Clock& clock) {
  DUNLIN_ASSIGN(sql::Statement row, database.cached("SELECT id, created_ms FROM execution"));
  DUNLIN_ASSIGN(const bool found, row.step());
  if (!found) return Error(ErrorType::state_corrupt, "the ledger has no row in `execution`");
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  return LedgerWriter(database, clock, std::move(hasher), ExecutionId(row.column_string(0)),
                      row.column_int64(1));
}

Status LedgerWriter::initialise(sql::Database& database, const ExecutionRow& row) {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database));
  DUNLIN_TRY(create_ledger_schema(database));
  DUNLIN_TRY(write_first_rows(database, row));
  return transaction.commit();
}

Status LedgerWriter::write_first_rows(sql::Database& database, const ExecutionRow& row) {
  DUNLIN_TRY(database.run(
      "INSERT INTO execution(one, id, plan_id, number, kind, plan_json, settings_json, "
      "description, mode, created_ms, "
      "claims, depends_on, operation, undo_retention_ms, drops_undo, "
      "baseline_json) "
      "VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
      row.id.value, non_empty(row.plan_id.value), row.number, row.kind, non_empty(row.plan_json),
      non_empty(row.settings_json), non_empty(row.description), non_empty(row.mode), row.created_ms,
      dump_json(Json(row.claims)), dump_json(Json(row.depends_on)),
      non_empty(operation_of(row.plan_json)), row.undo_retention_ms, row.drops_undo ? 1 : 0,
      non_empty(row.baseline ? baseline_json(*row.baseline) : std::string())));
  LedgerState state;
  state.status = row.status;
  state.phase = row.phase;
  state.reason_json = row.reason_json;
  state.epoch = row.epoch;
  state.attempt = row.attempt;
  state.started_ms = row.started_ms;
  state.ended_ms = row.ended_ms;
  state.updated_ms = row.updated_ms != 0 ? row.updated_ms : row.created_ms;
  state.cursor = row.cursor;
  state.roots = row.roots;
  state.owner_json = row.owner_json;
  state.audit_head.assign(32, '\0');
  return write_state(database, state);
}

Result<std::vector<Status>> LedgerWriter::apply(std::int64_t epoch,
                                                std::span<const Mutation> mutations) {
  std::vector<Status> results;
  if (mutations.empty()) return results;
  results.reserve(mutations.size());
  DUNLIN_CRASH_POINT("ledger.apply.before");
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
  DUNLIN_TRY(load_state());
  if (epoch != state_.epoch) {
    const Error stale(ErrorType::stale_owner,
                      fmt::format("this process owns epoch {}, the execution is at epoch {}", epoch,
                                  state_.epoch));
    results.assign(mutations.size(), Status(stale));
    return results;
  }
  const std::int64_t sequence_before = state_.sequence;
  const std::size_t words_before = word_texts_.size();
  const auto forget_words = [&] {
    words_loaded_ = words_loaded_ && word_texts_.size() == words_before;
  };
  for (const Mutation& mutation : mutations) {
    Applied applied = std::visit([this](const auto& one) { return change(one); }, mutation);
    if (!applied) {
      forget_words();
      return std::move(applied).error();
    }
    if (applied->ok()) ++state_.sequence;
    results.push_back(std::move(applied).value());
  }
  if (state_.sequence == sequence_before) return results;
  DUNLIN_CRASH_POINT("ledger.commit.before");
  Status saved = save_state();
  if (saved.ok()) saved = transaction.commit();
  if (!saved) {
    forget_words();
    return std::move(saved).error();
  }
  DUNLIN_CRASH_POINT("ledger.commit.after");
  return results;
}

Result<std::int64_t> LedgerWriter::take_over(std::string_view owner_json) {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
  DUNLIN_TRY(load_state());
  words_loaded_ = false;  // the owner before may have added some
  ++state_.epoch;
  state_.owner_json = owner_json;
  // Who takes it over wants it tried now, and the wall clock that these times were read from may
  // have been set back by years since.
  DUNLIN_TRY(
      database_.run("UPDATE batch SET not_before_ms = NULL WHERE not_before_ms IS NOT NULL"));
  DUNLIN_TRY(add_audit(owner_as_actor(owner_json), "execution.taken_over",
                       fmt::format("{{\"epoch\":{}}}", state_.epoch)));
  DUNLIN_TRY(save_state());
  DUNLIN_TRY(transaction.commit());
  return state_.epoch;
}

Status LedgerWriter::load_state() {
  DUNLIN_ASSIGN(state_, read_ledger_state(database_));
  now_ms_ = clock_.wall_ms();
  return success();
}

Status LedgerWriter::save_state() {
  const Counters& counters = state_.counters;
  bool sound = counters.ended_batches + counters.staged_batches + counters.undone_batches <=
               counters.total_batches;
  for (const CountAs one : {CountAs::items, CountAs::directories, CountAs::steps}) {
    const OutcomeCounters& members = outcome_counters(one);
    sound = sound && counters.*members.succeeded + counters.*members.failed +
                             counters.*members.skipped + counters.*members.rolled_back <=
                         counters.*members.total;
  }
  for (const CounterField& field : kCounterFields) sound = sound && counters.*field.member >= 0;
  // Better to lose this group, which is done again, than to commit counts that no retry can mend.
  if (!sound) return Error(ErrorType::defect, "counters of the ledger: " + counters_json(counters));
  state_.updated_ms = now_ms_;
  return write_state(database_, state_);
}

Status LedgerWriter::load_words() {
  words_.clear();
  word_texts_.clear();
  DUNLIN_ASSIGN(sql::Statement row, database_.cached("SELECT id, text FROM word ORDER BY id"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    words_.emplace(row.column_string(1), row.column_int64(0));
    word_texts_.push_back(row.column_string(1));
  }
  words_loaded_ = true;
  return success();
}

Result<std::optional<std::int64_t>> LedgerWriter::word(std::string_view text) {
  if (!words_loaded_) DUNLIN_TRY(load_words());
  if (const auto known = words_.find(text); known != words_.end())
    return std::optional(known->second);
  if (words_.size() >= kMaxWords || text.size() > kMaxWordBytes)
    return std::optional<std::int64_t>{};
  const auto number = static_cast<std::int64_t>(word_texts_.size()) + 1;
  DUNLIN_TRY(database_.run("INSERT INTO word(id, text) VALUES (?1, ?2)", number, text));
  words_.emplace(text, number);
  word_texts_.emplace_back(text);
  return std::optional(number);
}

LedgerWriter::Applied LedgerWriter::change(const SetRoots& mutation) {
  if (!state_.roots.empty() && state_.roots != mutation.roots) {
    return Status(Error(ErrorType::invalid_state,
                        "the identity of the roots is recorded already, and is another"));
  }
  state_.roots = mutation.roots;
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const SetSettings& mutation) {
  DUNLIN_TRY(database_.run("UPDATE execution SET settings_json = ?1", mutation.settings_json));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const ReleaseHeld&) {
  DUNLIN_TRY(
      database_.run("UPDATE batch SET not_before_ms = NULL WHERE not_before_ms = ?1", kHeldMs));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const ForgetKept&) {
  DUNLIN_TRY(database_.run("UPDATE outcome SET kept_bytes = NULL WHERE kept_bytes IS NOT NULL"));
  state_.counters.kept_bytes = 0;
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const SetPriority& mutation) {
  const int priority = static_cast<int>(mutation.to);
  if (mutation.task.valid()) {
    DUNLIN_ASSIGN(const auto found,
                  database_.query_int64("SELECT 1 FROM task WHERE id = ?1", mutation.task.value));
    if (!found)
      return Status(
          Error(ErrorType::defect, fmt::format("there is no task {}", mutation.task.value)));
    DUNLIN_TRY(database_.run("UPDATE task SET priority = ?2 WHERE id = ?1", mutation.task.value,
                             priority));
    DUNLIN_TRY(database_.run("UPDATE batch SET priority = ?2 WHERE task_id = ?1 AND status = 0",
                             mutation.task.value, priority));
  }
  for (const BatchId id : mutation.batches) {
    DUNLIN_ASSIGN(const auto found,
                  database_.query_int64("SELECT 1 FROM batch WHERE id = ?1", id.value));
    if (!found)
      return Status(Error(ErrorType::defect, fmt::format("there is no batch {}", id.value)));
    DUNLIN_TRY(database_.run("UPDATE batch SET priority = ?2 WHERE id = ?1 AND status = 0",
                             id.value, priority));
  }
  return success();
}

}  // namespace dunlin::store
