#include "schema/migrator.h"

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "schema/comparison.h"
#include "schema/content.h"
#include "schema/includes.h"

namespace dunlin::schema {

Result<bool> Migrator::is_pending(const Migration& migration, const sql::Call& call) {
  DUNLIN_ASSIGN(const std::optional<Applied> applied, session_.history().find(migration.id, call));
  return !applied || is_to_be_repeated(migration, *applied);
}

Result<bool> Migrator::is_applied(const std::string& id, const sql::Call& call) {
  DUNLIN_ASSIGN(const std::optional<Applied> applied, session_.history().find(id, call));
  return applied.has_value();
}

Job Migrator::job_for(engine::BatchContext& context, const Migration& migration) {
  Job job;
  job.id = migration.id;
  job.script = &migration.up;
  job.steps = plan_.mark == SchemaPlan::Mark::no ? &migration.up_steps : &nothing_;
  job.is_wanted = [&migration](const std::optional<std::string>& checksum) {
    return !checksum || is_to_be_repeated(migration, {migration.id, *checksum});
  };
  job.record = [this, &context, &migration](std::int64_t duration_ms) {
    return session_.history().add(migration, duration_ms, call_of(context));
  };
  return job;
}

void Migrator::note_failure(const Migration& migration, std::int64_t statement, const Error& error,
                            const sql::Call& call) {
  if (error.type != ErrorType::migration_failed) return;
  session_.history()
      .failed(migration, statement, error.message, call)
      .ignore("the failure itself is what has to be reported");
}

Result<bool> Migrator::apply(engine::BatchContext& context, const Migration& migration) {
  // Else it is asked within the only transaction.
  if (plan_.mark == SchemaPlan::Mark::no && !migration.up_steps.is_atomic()) {
    DUNLIN_ASSIGN(const bool wanted, is_pending(migration, call_of(context)));
    if (!wanted) return false;
  }
  Job job = job_for(context, migration);
  std::int64_t failed_statement = 0;
  Result<bool> done = session_.change(context, job, failed_statement);
  if (!done.ok()) note_failure(migration, failed_statement, done.error(), call_of(context));
  return done;
}

Result<bool> Migrator::repair(engine::BatchContext& context, const Migration& migration) {
  const auto part = session_.unfinished().find(migration.id);
  const bool is_named = plan_.only.has_value();  // what is in doubt only where somebody says so
  if (part != session_.unfinished().end() &&
      (part->second.failed > 0 || (is_named && part->second.begun > 0))) {
    DUNLIN_TRY(session_.history().may_go_on(migration.id, call_of(context)));
    session_.may_go_on(migration.id);
    return true;
  }
  Job job;
  job.id = migration.id;
  job.script = &migration.up;
  job.steps = &nothing_;
  job.is_wanted = [&](const std::optional<std::string>& checksum) {
    return checksum && *checksum != migration.checksum;
  };
  job.record = [&](std::int64_t) { return session_.history().accept(migration, call_of(context)); };
  std::int64_t failed_statement = 0;
  return session_.change(context, job, failed_statement);
}

bool Migrator::is_refusal(const Error& error) {
  return error.type == ErrorType::unsupported_item || error.type == ErrorType::destination_changed;
}

Result<Migrator::Recorded> Migrator::recorded(const std::string& id, Direction direction,
                                              const Record& record) {
  const bool up = direction == Direction::up;
  Result<std::string> sql = content_of((up ? record.kept_up : record.kept_down).value_or(""));
  if (!sql.ok()) return std::move(sql).error().with_context("reading '" + printable(id) + "'");
  Recorded result;
  result.script = Script{id + (up ? " (up)" : " (down)"), std::move(sql).value(), 1};
  result.script.has_files = holds_files(result.script.sql);
  DUNLIN_ASSIGN(result.steps, read_steps(session_.target().dialect(), result.script, plan_.mode));
  return result;
}

Result<std::optional<Record>> Migrator::way_back(const std::string& id, const sql::Call& call) {
  DUNLIN_ASSIGN(const bool applied, is_applied(id, call));
  DUNLIN_ASSIGN(std::optional<Record> record, session_.history().record_of(id, call));
  if (!applied || !record) return std::optional<Record>();  // an earlier attempt has committed
  if (record->kept_down) return record;
  Error error(ErrorType::unsupported_item,
              "'" + printable(id) + "' is irreversible: it was applied without SQL to go down");
  error.remediation = "write a new migration that takes its effect back";
  return error;
}

Job Migrator::job_down(engine::BatchContext& context, const std::string& id,
                       const Recorded& recorded) {
  Job job;
  job.id = id;
  job.direction = Direction::down;
  job.script = &recorded.script;
  job.steps = &recorded.steps;
  job.is_wanted = [](const std::optional<std::string>& checksum) { return checksum.has_value(); };
  job.record = [this, &context, id](std::int64_t) {
    return session_.history().remove(id, call_of(context));
  };
  return job;
}

Result<bool> Migrator::take_back(engine::BatchContext& context, const std::string& id) {
  DUNLIN_ASSIGN(const std::optional<Record> record, way_back(id, call_of(context)));
  if (!record) return false;
  DUNLIN_ASSIGN(const std::string later,
                session_.history().applied_after(record->sequence, call_of(context)));
  if (!later.empty()) {
    Error error(ErrorType::destination_changed,
                "'" + printable(later) + "' was applied after '" + printable(id) + "'");
    error.remediation = "take back what was applied after it first";
    return error;
  }
  DUNLIN_ASSIGN(const Recorded down, recorded(id, Direction::down, *record));
  Job job = job_down(context, id, down);
  std::int64_t failed_statement = 0;
  return session_.change(context, job, failed_statement);
}

Result<bool> Migrator::put_back(engine::BatchContext& context, const std::string& id) {
  DUNLIN_ASSIGN(const bool applied, is_applied(id, call_of(context)));
  if (applied) return false;
  DUNLIN_ASSIGN(const std::optional<Record> record,
                session_.history().record_of(id, call_of(context)));
  if (!record || !record->kept_up) {
    Error error(ErrorType::unsupported_item,
                "what '" + printable(id) + "' has done is not in the log of migrations");
    error.remediation = "apply it again: dunlin migrate up";
    return error;
  }
  DUNLIN_ASSIGN(const Recorded up, recorded(id, Direction::up, *record));
  Job job;
  job.id = id;
  job.script = &up.script;
  job.steps = &up.steps;
  job.is_wanted = [](const std::optional<std::string>& checksum) { return !checksum; };
  job.record = [&](std::int64_t duration_ms) {
    return session_.history().restore(id, *record, duration_ms, call_of(context));
  };
  std::int64_t failed_statement = 0;
  return session_.change(context, job, failed_statement);
}

Result<std::vector<bool>> Migrator::do_all(engine::BatchContext& context,
                                           const std::vector<Task>& changes) {
  std::deque<Recorded> scripts;  // jobs point to them
  std::vector<Job> jobs;
  std::vector<std::size_t> whose;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Task& change = changes[i];
    if (change.migration != nullptr) {
      if (plan_.mark == SchemaPlan::Mark::no)
        DUNLIN_TRY(check_together(change.migration->up, change.migration->up_steps));
      jobs.push_back(job_for(context, *change.migration));
    } else {
      DUNLIN_ASSIGN(const std::optional<Record> record, way_back(change.id, call_of(context)));
      if (!record) continue;
      DUNLIN_ASSIGN(Recorded down, recorded(change.id, Direction::down, *record));
      scripts.push_back(std::move(down));
      DUNLIN_TRY(check_together(scripts.back().script, scripts.back().steps));
      jobs.push_back(job_down(context, change.id, scripts.back()));
    }
    whose.push_back(i);
  }
  std::size_t failed_job = 0;
  std::int64_t failed_statement = 0;
  auto done = session_.change_all(context, jobs, failed_job, failed_statement);
  if (!done.ok()) {
    const Migration* const migration =
        jobs.empty() ? nullptr : changes[whose[failed_job]].migration;
    if (migration != nullptr)
      note_failure(*migration, failed_statement, done.error(), call_of(context));
    return std::move(done).error().with_context("all in one transaction, so nothing is applied");
  }
  std::vector<bool> all(changes.size());
  for (std::size_t n = 0; n < whose.size(); ++n) all[whose[n]] = done.value()[n];
  return all;
}

Error of_one_item(Error error) {
  if (error.category() != ErrorCategory::fatal || error.type == ErrorType::stale_owner ||
      error.type == ErrorType::interrupted)
    return error;
  error.type = ErrorType::constraint_violation;
  if (error.remediation.empty())
    error.remediation = "correct the migration named above, then run `dunlin retry %E`";
  return error;
}

Status check_together(const Script& script, const Steps& steps) {
  if (steps.is_atomic()) return success();
  const auto alone = std::find_if(steps.segments.begin(), steps.segments.end(),
                                  [](const Segment& one) { return !one.in_transaction; });
  const bool cannot = alone != steps.segments.end();
  const Step& step = steps.steps[cannot ? alone->begin : steps.segments[1].begin];
  Error error(ErrorType::invalid_input,
              place_of(script, step) + ": " +
                  (cannot ? std::string(step.traits.what) + " cannot run in a transaction"
                          : "the migration needs more than one transaction") +
                  ", so that not all can be in one: " + beginning_of(script, step));
  error.remediation = "apply with --transaction-mode per_migration";
  return error;
}

}  // namespace dunlin::schema
