#include "schema/applier.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "schema/probe.h"
#include "sql/postgresql/sqlstate.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::InTransaction;
using sql::TransactionState;
using sql::TransactionWord;

/// The byte at which a character (from 1) of UTF-8 text begins.
std::size_t byte_of(std::string_view text, std::int64_t character) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U && --character == 0) break;
  }
  return at;
}

}  // namespace

std::string failure_of(const std::string& id, const Unfinished& before, std::size_t count) {
  return fmt::format("'{}' has failed at statement {}{}, and what stands before it is applied: {}",
                     printable(id), before.failed,
                     count > 0 ? fmt::format(" of {}", count) : std::string(), before.message);
}

Applier::Applier(Target& target, History& history, Limits limits, CancelToken cancel,
                 const Clock& clock, std::function<Status()> fence)
    : target_(target),
      history_(history),
      limits_(limits),
      cancel_(std::move(cancel)),
      clock_(clock),
      fence_(std::move(fence)),
      random_(static_cast<std::minstd_rand::result_type>(::getpid())) {}

Call Applier::call(const Job& job) const {
  const std::int64_t own = job.steps->statement_timeout_ms;
  return {cancel_, std::chrono::milliseconds(own >= 0 ? own : limits_.statement_timeout_ms)};
}

Result<bool> Applier::run(const Job& job, const Unfinished& before) {
  failed_statement_ = 0;
  begin_ms_ = clock_.monotonic_ms();
  DUNLIN_CRASH_POINT("schema.begin.before");
  DUNLIN_ASSIGN(const std::size_t from, go_on_from(job, before));
  const std::vector<Segment>& segments = job.steps->segments;
  bool recorded = false;
  for (const Segment& segment : segments) {
    if (segment.end <= from) continue;
    const bool last = segment.end == job.steps->steps.size();
    if (segment.in_transaction) {
      DUNLIN_ASSIGN(const bool wanted,
                    run_together(job, segment, std::max(from, segment.begin), last));
      if (!wanted) return false;
      recorded = last;
    } else {
      DUNLIN_TRY(run_alone(job, segment.begin));
    }
  }
  if (!recorded) {
    DUNLIN_ASSIGN(const bool wanted, record_alone(job));
    if (!wanted) return false;
  }
  return true;
}

/// The first statement that is not yet done.
Result<std::size_t> Applier::go_on_from(const Job& job, const Unfinished& before) {
  const auto done = static_cast<std::size_t>(before.passed);
  const std::size_t count = job.steps->steps.size();
  if (done == 0 && before.begun == 0) return std::size_t{0};
  const auto changed = [&](const std::string& what) {
    Error error(ErrorType::migration_failed,
                fmt::format("the first {} of its statements have been applied already, and {}",
                            done, what));
    error.remediation =
        "let these statements stand in the file as they were, and correct only what follows them";
    return error;
  };
  if (before.failed > 0 && before.direction == Direction::up && job.direction == Direction::up &&
      before.execution != history_.owner().execution.value) {
    Error error(ErrorType::migration_failed, failure_of(job.id, before, count));
    error.remediation = kAfterFailure;
    return error;
  }
  if (before.direction != job.direction)
    return Error(ErrorType::migration_failed,
                 "it has been applied in part, and then taken back in part: put the database back "
                 "from a backup, or finish what was begun first");
  if (done > count) return changed("the file has fewer now");
  DUNLIN_ASSIGN(const std::string hash, prefix_hash(*job.script, *job.steps, done));
  if (done > 0 && hash != before.hash) return changed("they are others now");
  if (before.begun == 0) return done;
  const auto index = static_cast<std::size_t>(before.begun - 1);
  if (index >= count) return done;  // it was taken out
  const Step& step = job.steps->steps[index];
  DUNLIN_ASSIGN(const std::string now, statement_hash(*job.script, step));
  // Corrected, or taken out because it was found to be done: nothing of what stands there now was
  // ever announced, so nothing of it is passed over.
  if (now != before.begun_hash) return done;
  DUNLIN_ASSIGN(const Probed found,
                probe(target_, step.sql(*job.script), before.fingerprint, own_call()));
  if (found == Probed::not_done) return done;
  if (found == Probed::unknown) {
    Error error(ErrorType::in_doubt,
                place_of(*job.script, step) +
                    ": whether this statement was done before its end cannot be found out: " +
                    beginning_of(*job.script, step));
    error.remediation =
        "look whether it was: if so, take it out of the file; if not: dunlin migrate repair " +
        version_of(job.id).text() + " --db URL --dir DIR. Then go on with dunlin migrate up";
    return error;
  }
  DUNLIN_TRY(note_passed(job, index + 1));
  return index + 1;
}

Status Applier::as_ourselves(const Job& job, const std::function<Status()>& write) {
  if (!job.steps->may_change_role) return write();
  DUNLIN_ASSIGN(const std::string script, target_.as_ourselves(own_call()));
  DUNLIN_TRY(write());
  return target_.as_script(script, own_call());
}

Status Applier::note_passed(const Job& job, std::size_t count) {
  DUNLIN_ASSIGN(const std::string hash, prefix_hash(*job.script, *job.steps, count));
  return as_ourselves(job, [&] {
    return history_.passed(job.id, job.direction, static_cast<std::int64_t>(count), hash,
                           own_call());
  });
}

Result<bool> Applier::run_together(const Job& job, const Segment& segment, std::size_t from,
                                   bool last) {
  for (int tries = 1;; ++tries) {
    lock_wait_ms_ = -1;
    Result<bool> done = work_in_transaction(job, segment, from, last);
    lock_wait_ms_ = -1;  // what was set in the transaction ended with it
    if (done.ok() && done.value()) return true;
    roll_back();
    if (done.ok()) return false;
    DUNLIN_ASSIGN(const bool again, tries_again(done.error(), tries));
    if (!again) return done;
  }
}

Result<bool> Applier::tries_again(const Error& error, int tries) {
  constexpr int kPauseMin_ms = 100;
  constexpr int kPauseMax_ms = 2'000;
  // A script has taken away what our own statements were prepared under.
  if (tries == 1 && error.native.code == sql::kNoSuchStatement && !target_.is_lost()) return true;
  if (error.type != ErrorType::database_locked || target_.dialect() == sql::Dialect::sqlite ||
      target_.is_lost() || tries >= limits_.lock_tries)
    return false;
  std::uniform_int_distribution<int> pause(kPauseMin_ms,
                                           std::min(kPauseMin_ms * (1 + tries * 2), kPauseMax_ms));
  static_cast<void>(cancel_.wait_for(std::chrono::milliseconds(pause(random_))));
  DUNLIN_TRY(cancel_.check());
  return true;
}

std::optional<std::int64_t> Applier::lock_wait_for(const Job& job, const Step& step) const {
  if (job.steps->sets_lock_timeout) return std::nullopt;
  // CREATE INDEX CONCURRENTLY and the like wait for others without keeping anybody waiting.
  const bool as_long_as_it_takes =
      step.moves_rows || step.traits.in_transaction == InTransaction::refused;
  const std::int64_t own = job.steps->lock_timeout_ms;
  const std::int64_t wanted = as_long_as_it_takes ? 0 : (own >= 0 ? own : limits_.lock_timeout_ms);
  if (wanted == lock_wait_ms_) return std::nullopt;
  return wanted;
}

Status Applier::limit_lock_wait(const Job& job, const Step& step) {
  const auto wanted = lock_wait_for(job, step);
  if (!wanted) return success();
  const bool within = target_.connection().transaction() == TransactionState::open;
  const std::string words = target_.lock_wait_words(*wanted, within);
  if (!words.empty()) DUNLIN_TRY(sql::run_only(target_.connection(), words, own_call()));
  lock_wait_ms_ = *wanted;
  return success();
}

Result<bool> Applier::begin(const Job& job, std::string_view words, const Step* step) {
  std::vector<sql::Request> with = {history_.question(job.id)};
  const auto wait = step == nullptr ? std::nullopt : lock_wait_for(job, *step);
  const std::string limit = wait ? target_.lock_wait_words(*wait, true) : std::string();
  if (!limit.empty()) with.push_back({limit});
  DUNLIN_ASSIGN(const auto answers, target_.begin(history_.owner(), words, with, own_call()));
  if (wait) lock_wait_ms_ = *wait;
  return job.is_wanted(answers.front());
}

Result<bool> Applier::work_in_transaction(const Job& job, const Segment& segment, std::size_t from,
                                          bool last) {
  const std::vector<Step>& steps = job.steps->steps;
  // A transaction that the script begins itself may ask for a level of its own.
  const bool begins = steps[segment.begin].traits.transaction == TransactionWord::begin;
  const bool ends = steps[segment.end - 1].traits.transaction == TransactionWord::commit;
  const std::size_t first = begins ? std::max(from, segment.begin + 1) : from;
  DUNLIN_ASSIGN(const bool wanted,
                begin(job, begins ? steps[segment.begin].sql(*job.script) : std::string_view(),
                      first < segment.end - (ends ? 1 : 0) ? &steps[first] : nullptr));
  if (!wanted) return false;
  DUNLIN_CRASH_POINT("schema.begin.after");
  for (std::size_t i = first; i < segment.end - (ends ? 1 : 0); ++i) {
    DUNLIN_CRASH_POINT("schema.statement.before");
    DUNLIN_TRY(send(job, i));
    DUNLIN_CRASH_POINT("schema.statement.after");
  }
  DUNLIN_ASSIGN(const bool is_open, is_still_open());
  if (last) {
    DUNLIN_TRY(target_.check_work(call(job)));
    DUNLIN_TRY(as_ourselves(job, [&] { return job.record(clock_.monotonic_ms() - begin_ms_); }));
  } else {
    DUNLIN_TRY(note_passed(job, segment.end));
  }
  DUNLIN_CRASH_POINT("schema.history.after");
  DUNLIN_TRY(fence_());
  DUNLIN_CRASH_POINT("schema.commit.before");
  if (is_open) DUNLIN_TRY(commit());
  DUNLIN_CRASH_POINT("schema.commit.after");
  return true;
}

/// A script may have ended the transaction by means that its words do not show: a procedure that
/// changes the schema, in MariaDB and MySQL. There what it did stands, and is recorded as done.
Result<bool> Applier::is_still_open() {
  if (target_.connection().transaction() == TransactionState::open) return true;
  if (target_.dialect() == sql::Dialect::mysql && !target_.is_lost()) return false;
  return Error(ErrorType::migration_failed,
               "the transaction of the migration was ended by one of its own statements; what "
               "stands before that one is applied: take it back by hand, and write the line "
               "`-- dunlin:transaction false` into the file");
}

Status Applier::commit() {
  return sql::run_only(target_.connection(), "COMMIT", own_call());
}

void Applier::roll_back() {
  const TransactionState state = target_.connection().transaction();
  if (state != TransactionState::open && state != TransactionState::failed) return;
  // Not by the token of the run: a pause has to be rolled back, too.
  const auto done = target_.connection().run("ROLLBACK", Call{{}, std::chrono::seconds(30)});
  static_cast<void>(done.ok());  // the error before it is the one that counts
}

Result<std::vector<bool>> Applier::run_all(std::span<const Job> jobs, std::size_t& failed_job) {
  failed_statement_ = 0;
  for (int tries = 1;; ++tries) {
    lock_wait_ms_ = -1;
    DUNLIN_CRASH_POINT("schema.begin.before");
    auto done = work_on_all(jobs, failed_job);
    lock_wait_ms_ = -1;
    if (done.ok()) return done;
    roll_back();
    DUNLIN_ASSIGN(const bool again, tries_again(done.error(), tries));
    if (!again) return done;
  }
}

Result<std::vector<bool>> Applier::work_on_all(std::span<const Job> jobs, std::size_t& failed_job) {
  std::vector<bool> wanted(jobs.size());
  DUNLIN_ASSIGN(const auto begun, target_.begin(history_.owner(), {}, {}, own_call()));
  static_cast<void>(begun);
  DUNLIN_CRASH_POINT("schema.begin.after");
  for (std::size_t n = 0; n < jobs.size(); ++n) {
    failed_job = n;
    const Job& job = jobs[n];
    begin_ms_ = clock_.monotonic_ms();
    DUNLIN_ASSIGN(const std::optional<Applied> row, history_.find(job.id, own_call()));
    if (!job.is_wanted(row ? std::optional(row->checksum) : std::nullopt)) continue;
    wanted[n] = true;
    if (job.on_begin) job.on_begin();
    for (std::size_t i = 0; i < job.steps->steps.size(); ++i) {
      DUNLIN_CRASH_POINT("schema.statement.before");
      DUNLIN_TRY(send(job, i));
      DUNLIN_CRASH_POINT("schema.statement.after");
    }
    DUNLIN_ASSIGN(const bool is_open, is_still_open());
    if (!is_open)
      return Error(ErrorType::migration_failed,
                   "the one transaction of all migrations was ended by a statement of this one");
    DUNLIN_TRY(target_.refresh_within(call(job)));
    lock_wait_ms_ = -1;
    DUNLIN_TRY(job.record(clock_.monotonic_ms() - begin_ms_));
  }
  if (!jobs.empty()) DUNLIN_TRY(target_.check_work(call(jobs.back())));
  DUNLIN_CRASH_POINT("schema.history.after");
  DUNLIN_TRY(fence_());
  DUNLIN_CRASH_POINT("schema.commit.before");
  DUNLIN_TRY(commit());
  DUNLIN_CRASH_POINT("schema.commit.after");
  return wanted;
}

Status Applier::run_alone(const Job& job, std::size_t index) {
  const Step& step = job.steps->steps[index];
  const std::string_view sql = step.sql(*job.script);
  DUNLIN_TRY(target_.stand_alone(history_.owner(), own_call()));
  DUNLIN_TRY(prepare_alone(target_, sql, own_call()));
  const auto statement = static_cast<std::int64_t>(index + 1);
  DUNLIN_ASSIGN(const std::string before, fingerprint(target_, sql, own_call()));
  DUNLIN_ASSIGN(const std::string hash, statement_hash(*job.script, step));
  DUNLIN_TRY(as_ourselves(job, [&] {
    return history_.begun(job.id, job.direction, statement, hash, before, own_call());
  }));
  DUNLIN_CRASH_POINT("schema.alone.before");
  DUNLIN_TRY(fence_());
  DUNLIN_TRY(send_alone(job, index));
  if (Status status = check_alone(target_, sql, own_call()); !status.ok())
    return failure(job, index, std::move(status).error());
  DUNLIN_CRASH_POINT("schema.alone.after");
  DUNLIN_TRY(note_passed(job, index + 1));
  DUNLIN_CRASH_POINT("schema.passed.after");
  return success();
}

/// Behind a last statement that no transaction could hold, and for an empty script.
Result<bool> Applier::record_alone(const Job& job) {
  const auto work = [&]() -> Result<bool> {
    DUNLIN_ASSIGN(const bool wanted, begin(job, {}, nullptr));
    if (!wanted) return false;
    DUNLIN_CRASH_POINT("schema.begin.after");
    DUNLIN_TRY(target_.check_work(call(job)));
    DUNLIN_TRY(as_ourselves(job, [&] { return job.record(clock_.monotonic_ms() - begin_ms_); }));
    DUNLIN_TRY(fence_());
    DUNLIN_CRASH_POINT("schema.commit.before");
    DUNLIN_TRY(commit());
    DUNLIN_CRASH_POINT("schema.commit.after");
    return true;
  };
  Result<bool> done = work();
  if (!done.ok() || !done.value()) roll_back();
  return done;
}

/// A server that did not get the lock has done nothing.
Status Applier::send_alone(const Job& job, std::size_t index) {
  lock_wait_ms_ = -1;
  for (int tries = 1;; ++tries) {
    Status sent = send(job, index);
    if (sent.ok()) return sent;
    DUNLIN_ASSIGN(const bool again, tries_again(sent.error(), tries));
    if (!again) return sent;
  }
}

Status Applier::send(const Job& job, std::size_t index) {
  const Step& step = job.steps->steps[index];
  DUNLIN_TRY(limit_lock_wait(job, step));
  sql::Connection& connection = target_.connection();
  for (int i = 0; i < step.repeat; ++i) {
    const auto done =
        step.has_data ? connection.copy_in(step.sql(*job.script), step.data(*job.script), call(job))
                      : connection.run(step.sql(*job.script), call(job));
    if (!done.ok()) return failure(job, index, done.error());
  }
  if (job.on_step) job.on_step(step);
  return success();
}

/// What is the script's fault is a failed migration; what is the world's keeps its type.
Error Applier::failure(const Job& job, std::size_t index, Error error) {
  const Step& step = job.steps->steps[index];
  const std::string_view sql = step.sql(*job.script);
  const std::int64_t position = target_.connection().error_position();
  const std::size_t offset = position > 0 ? byte_of(sql, position) : 0;
  const ErrorCategory category = error.category();
  const bool timed_out = error.type == ErrorType::network_timeout && !error.possibly_applied;
  if (error.type == ErrorType::database_locked)
    error.message += "; others hold a lock on it, and it was tried " +
                     std::to_string(limits_.lock_tries) + " times";
  const bool of_the_script =
      timed_out || (category != ErrorCategory::transient && category != ErrorCategory::system);
  if (timed_out) error.message += "; the line `-- dunlin:timeout SECONDS` gives it more time";
  if (of_the_script && error.type != ErrorType::stale_owner) {
    failed_statement_ = static_cast<std::int64_t>(index + 1);
    error.type = ErrorType::migration_failed;
  }
  error.message = place_of(*job.script, step, offset) + ": " + printable(error.message) +
                  ", in: " + beginning_of(*job.script, step);
  return error;
}

}  // namespace dunlin::schema
