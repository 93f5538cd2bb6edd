#include "engine/host.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "base/crash_point.h"
#include "base/logging.h"

namespace dunlin::engine {
namespace {

using coordinator::BatchEnded;
using store::BatchResult;
using store::Pass;

/// Answers kept for commands that are emitted again; more than can be outstanding.
constexpr std::size_t kAnswersKept = 256;
/// conventions.md, exit codes; execution.h, "emergency stop".
constexpr int kExitPaused = 4;
constexpr std::int64_t kSummaryEveryMs = 1000;

template <typename Map>
void keep_newest(Map& map) {
  while (map.size() > kAnswersKept && map.begin()->second) map.erase(map.begin());
}

/// engine.md X-32. All or nothing has to be refused before anything was done for it.
std::int64_t hold_up_to_items(Preflight mode, bool all_or_nothing) {
  constexpr std::int64_t kWaitedFor = 100'000;
  if (mode == Preflight::complete || all_or_nothing)
    return std::numeric_limits<std::int64_t>::max();
  return mode == Preflight::streaming ? 0 : kWaitedFor;
}

coordinator::Config config_for(const Execution::Parts& parts, const Run* run) {
  const ExecutionSettings& settings = parts.plan.settings;
  coordinator::Config config;
  config.goal = parts.goal;
  config.parallel_batches = settings.parallel_batches;
  config.execution_scope = run != nullptr && run->commit_scope() == CommitScope::execution;
  config.verify = settings.verification_level != VerificationLevel::none;
  config.stop_on_first_error = settings.stop_on_first_error;
  config.max_failures = settings.max_failures;
  config.max_failures_percent = settings.max_failures_percent;
  config.checkpoint = settings.checkpoint;
  config.hold_up_to_items = hold_up_to_items(settings.preflight, config.execution_scope);
  return config;
}

bool refuses(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& problem) {
    return problem.critical && !problem.can_continue;
  });
}

}  // namespace

Execution::Host::Host(Parts given)
    : parts(std::move(given)),
      in_flight_(parts.clock),
      retry_(parts.plan.settings.retry, static_cast<std::uint64_t>(parts.clock.monotonic_ms())),
      row_(parts.row),
      phase_(parts.row.phase) {
  counters_ = parts.row.counters;
  meter_.begin(counters_.transferred_bytes);
  governor_.set_limits(parts.plan.settings.limits.max_io_bytes_per_sec,
                       parts.plan.settings.limits.max_iops);
}

Execution::Host::~Host() {
  {
    const std::lock_guard lock(stop_mutex_);
    ended_ = true;
  }
  stopped_.notify_all();
  if (stop_watchdog_.joinable()) stop_watchdog_.join();
}

// ---- The coordinator's thread
// --------------------------------------------------------------------------------------

Outcome Execution::Host::run() {
  Result<std::unique_ptr<Run>> opened = parts.kind.open(parts.plan);
  std::optional<Error> open_error;
  if (opened.ok()) {
    run_ = *std::move(opened);
  } else {
    open_error = opened.error();
  }
  writer_ = std::make_unique<LedgerWriter>(*parts.ledger, parts.row.epoch);
  pool_ = std::make_unique<ItemPool>(
      static_cast<std::size_t>(std::max(1, parts.plan.settings.io_concurrency)));
  shared_ = std::make_unique<HostParts>(
      HostParts{parts.row.id, parts.row.epoch, parts.plan.settings, parts.clock, *parts.ledger,
                parts.lock, parts.state, *writer_, *pool_, governor_, retry_, meter_, in_flight_,
                stale_, parts.goal == Goal::verify, &answered_});
  reader_ = std::make_unique<TaskThreads>(1);
  enumerator_ = std::make_unique<TaskThreads>(1);
  state_.config = config_for(parts, run_.get());
  batch_threads_ = std::make_unique<TaskThreads>(
      state_.config.execution_scope
          ? 1
          : static_cast<std::size_t>(std::max(1, state_.config.parallel_batches)));
  coordinator::Begin begin{parts.row, {}, reopen_, reopen_to_, reopen_actor_, reopen_batches_};
  Result<std::vector<store::BatchRow>> open = parts.ledger->open_batches();
  if (open.ok()) begin.open = *std::move(open);
  post(std::move(begin));
  if (!cancel_actor_.empty()) post(coordinator::Control{0, "cancel", "{}", cancel_actor_, {}, {}});
  poll_control_rows();  // a cancel given while nobody owned it is seen before any work
  start_control();
  publish("started", Json::object());
  loop();

  close_requests();
  control_.reset();
  batch_threads_.reset();
  enumerator_.reset();
  reader_.reset();
  run_.reset();
  pool_.reset();
  writer_.reset();
  Outcome outcome{finish_->status, exit_code(*finish_), finish_->reason, problems_};
  if (open_error && finish_->status == store::ExecutionStatus::failed) outcome.reason = open_error;
  publish_summary();
  Json fields;
  fields["status"] = std::string(to_string(finish_->status));
  publish("finished", std::move(fields));
  events_.close();
  {
    const std::lock_guard lock(stop_mutex_);
    ended_ = true;
  }
  stopped_.notify_all();
  return outcome;
}

coordinator::Now Execution::Host::now() const {
  return {parts.clock.monotonic_ms(), parts.clock.wall_ms()};
}

void Execution::Host::post(coordinator::Event event) {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(event));
  }
  inbox_changed_.notify_one();
}

void Execution::Host::loop() {
  while (!finish_) {
    coordinator::Event event = coordinator::Tick{};
    {
      std::unique_lock lock(inbox_mutex_);
      if (inbox_.empty()) {
        const std::int64_t due = coordinator::next_tick_ms(state_, now());
        const std::int64_t wait = std::clamp<std::int64_t>(due - now().monotonic_ms, 1, 1000);
        inbox_changed_.wait_for(lock, std::chrono::milliseconds(wait));
      }
      if (!inbox_.empty()) {
        event = std::move(inbox_.front());
        inbox_.pop_front();
      }
    }
    for (coordinator::Command& command : coordinator::step(state_, event, now())) {
      std::visit([this](auto& c) { carry_out(std::move(c)); }, command);
    }
    if (parts.clock.monotonic_ms() - summary_at_ms_ >= kSummaryEveryMs) {
      // So that whoever asks for the first time is told rates.
      meter_.sample(parts.clock.monotonic_ms());
      in_flight_.sample();
      publish_summary();
    }
  }
}

void Execution::Host::carry_out(coordinator::Persist command) {
  const std::int64_t sequence = command.sequence;
  {
    const std::lock_guard lock(calls_mutex_);
    const auto [known, is_new] = writes_.try_emplace(sequence);
    if (!is_new) {
      const bool failed =
          known->second && std::holds_alternative<coordinator::PersistFailed>(*known->second);
      if (!failed) {
        if (known->second) post(*known->second);
        return;
      }
      known->second.reset();  // what could not be written may be written now
    }
    keep_newest(writes_);
  }
  for (const store::Mutation& mutation : command.mutations) {
    if (const auto* phase = std::get_if<store::SetPhase>(&mutation)) {
      publish("phase", Json{{"phase", phase->phase}});
      const std::lock_guard lock(progress_mutex_);
      phase_ = phase->phase;
    }
    if (const auto* milestone = std::get_if<store::AddMilestone>(&mutation)) {
      publish("milestone", Json{{"name", milestone->name}});
    }
  }
  writer_->submit(std::move(command.mutations), [this, sequence](LedgerWriter::Written written) {
    coordinator::Event event;
    if (written.results.ok()) {
      note_counters(written.counters, written.as_of);
      event = coordinator::Persisted{sequence, *std::move(written.results), written.counters,
                                     written.as_of};
    } else {
      event = coordinator::PersistFailed{sequence, written.results.error()};
    }
    const std::lock_guard lock(calls_mutex_);
    writes_[sequence] = event;
    post(std::move(event));
  });
}

/// Runs `make` on `threads` once per call number and posts its event; a call known already is
/// answered again. A Tick means that there is no answer yet: the coordinator asks again when it is
/// overdue.
template <typename Make>
void Execution::Host::call_once(TaskThreads& threads, std::int64_t number, Make make) {
  {
    const std::lock_guard lock(calls_mutex_);
    const auto [known, is_new] = calls_.try_emplace(number);
    if (!is_new) {
      if (known->second) post(*known->second);
      return;
    }
    keep_newest(calls_);
  }
  threads.post([this, number, make = std::move(make)] {
    coordinator::Event event = make();
    const std::lock_guard lock(calls_mutex_);
    if (std::holds_alternative<coordinator::Tick>(event)) {
      calls_.erase(number);
      return;
    }
    calls_[number] = event;
    post(std::move(event));
  });
}

void Execution::Host::carry_out(const coordinator::Preflight& command) {
  call_once(*enumerator_, command.call,
            [this, command]() -> coordinator::Event { return preflight(command); });
}

void Execution::Host::carry_out(const coordinator::Enumerate& command) {
  call_once(*enumerator_, command.call,
            [this, command]() -> coordinator::Event { return enumerate(command.call); });
}

void Execution::Host::carry_out(const coordinator::CheckItems& command) {
  call_once(*enumerator_, command.call,
            [this, command]() -> coordinator::Event { return check_items(command.call); });
}

void Execution::Host::carry_out(coordinator::LoadWindow command) {
  call_once(*reader_, command.call, [this, command]() -> coordinator::Event {
    const auto sequence = parts.ledger->sequence();
    const auto row = parts.ledger->execution();
    auto ready = parts.ledger->ready(command.query);
    if (!ready.ok() || !row.ok() || !sequence.ok()) {
      log_error("cannot read the ledger: {}", (!ready.ok() ? ready.error()
                                               : row.ok()  ? sequence.error()
                                                           : row.error())
                                                  .text());
      return coordinator::Tick{};
    }
    return coordinator::WindowLoaded{command.call, *std::move(ready), row->counters, *sequence,
                                     row->enumeration_complete};
  });
}

void Execution::Host::carry_out(const coordinator::CommitExecution& command) {
  call_once(*batch_threads_, command.call, [this, call = command.call]() -> coordinator::Event {
    PlainContext context(*shared_, CancelToken());
    DUNLIN_CRASH_POINT("engine.commit.before");
    const Status status = run_->commit(context);
    DUNLIN_CRASH_POINT("engine.commit.after");
    return coordinator::Committed{call, status.ok() ? std::nullopt : std::optional(status.error())};
  });
}

void Execution::Host::carry_out(const coordinator::CloseRun& command) {
  call_once(*batch_threads_, command.call, [this, call = command.call]() -> coordinator::Event {
    PlainContext context(*shared_, cancel_.token());
    if (run_) run_->close(context);
    return coordinator::Closed{call};
  });
}

void Execution::Host::carry_out(coordinator::RunBatch command) {
  {
    const std::lock_guard lock(calls_mutex_);
    const auto [known, is_new] = batches_.try_emplace({command.batch.id.value, command.token});
    if (!is_new) {
      if (known->second) post(*known->second);
      return;
    }
    for (auto it = batches_.begin(); batches_.size() > kAnswersKept && it != batches_.end();) {
      it = it->second ? batches_.erase(it) : std::next(it);
    }
  }
  batch_threads_->post([this, command = std::move(command)] { run_batch(command); });
}

void Execution::Host::carry_out(const coordinator::CancelWork& command) {
  cancel_.request(command.reason);
}

void Execution::Host::carry_out(const coordinator::ReleaseReserve&) {
  if (parts.state.release_reserve())
    log_warn("the state directory is full: its reserve has been released");
}

void Execution::Host::carry_out(const coordinator::Finish& command) {
  finish_ = command;
  if (command.recorded) return;
  // Nothing more is to be written: what waits in the queue belongs to a process that has lost or
  // given up.
  governor_.close();
  writer_->abandon();
}

// ---- Work
// ----------------------------------------------------------------------------------------------------------

/// root_changed when a root is not what it was at the start; `roots` is what it is.
Status Execution::Host::check_roots(RunContext& context, std::string& roots) {
  const std::string& stored = parts.row.roots;
  if (parts.goal != Goal::migrate && !stored.empty()) {
    DUNLIN_ASSIGN(const bool same, run_->same_destination(context, stored));
    roots = stored;
    if (same) return success();
    return Error(ErrorType::root_changed,
                 "the destination is not the one this execution started with, which was " + stored);
  }
  DUNLIN_ASSIGN(roots, run_->root_identity(context));
  if (stored.empty() || stored == roots) return success();
  return Error(ErrorType::root_changed, run_->changed_roots(stored, roots));
}

coordinator::PreflightDone Execution::Host::preflight(const coordinator::Preflight& command) {
  coordinator::PreflightDone done;
  done.call = command.call;
  if (!run_) {
    // open() has failed: say the same again, with the reason that a person needs.
    Result<std::unique_ptr<Run>> again = parts.kind.open(parts.plan);
    if (!again.ok()) {
      done.error = again.error();
      return done;
    }
    run_ = *std::move(again);
  }
  PlainContext context(*shared_, cancel_.token());
  if (command.first && parts.goal == Goal::migrate) {
    Result<std::vector<Problem>> problems = run_->preflight(context);
    if (!problems.ok()) {
      done.error = problems.error();
      return done;
    }
    done.refused = refuses(*problems);
    problems_ = *std::move(problems);
    if (done.refused) return done;
  }
  if (const Status same = check_roots(context, done.roots); !same.ok()) {
    done.error = same.error();
    return done;
  }
  if (parts.row.committing) {
    Result<bool> committed = run_->committed(context);
    if (!committed.ok()) {
      done.error = committed.error();
      return done;
    }
    done.committed = *committed;
  }
  return done;
}

coordinator::ItemsChecked Execution::Host::check_items(std::int64_t call) {
  coordinator::ItemsChecked checked;
  checked.call = call;
  const Result<store::ExecutionRow> row = parts.ledger->execution();
  if (!row.ok()) {
    checked.error = row.error();
    return checked;
  }
  LedgerItemsContext context(*shared_, cancel_.token(), row->counters);
  Result<std::vector<Problem>> problems = run_->check_items(context);
  if (!problems.ok()) {
    checked.error = problems.error();
    return checked;
  }
  checked.refused = refuses(*problems);
  for (const Problem& problem : *problems) {
    if (problem.critical && !problem.can_continue) checked.problems.push_back(problem.error);
  }
  std::move(problems->begin(), problems->end(), std::back_inserter(problems_));
  return checked;
}

coordinator::EnumerationEnded Execution::Host::enumerate(std::int64_t call) {
  coordinator::EnumerationEnded ended;
  ended.call = call;
  auto context = LedgerEnumerateContext::make(
      *shared_, cancel_.token(),
      [this](std::int64_t planned) { post(coordinator::WorkAppended{planned}); });
  if (!context.ok()) {
    ended.error = context.error();
    return ended;
  }
  const Status status = run_->enumerate(**context);
  ended.complete = status.ok() && (*context)->complete();
  if (!status.ok()) ended.error = status.error();
  return ended;
}

/// commit_scope execution: until the batch is staged, nothing that it reports as completed is.
bool Execution::Host::provisional(const coordinator::RunBatch& command) const {
  return state_.config.execution_scope && command.pass == Pass::work && !command.settle;
}

void Execution::Host::run_batch(const coordinator::RunBatch& command) {
  LedgerBatchContext context(*shared_, cancel_.token(), command.batch, command.token, command.pass,
                             provisional(command));
  const Status status = run_pass(context, command);
  end_batch(command, context, status);
}

Status Execution::Host::run_pass(LedgerBatchContext& context,
                                 const coordinator::RunBatch& command) {
  if (command.pass == Pass::verify)
    return command.settle ? cancel_.token().check() : run_->verify(context);
  if (command.pass == Pass::undo) return command.settle ? success() : run_->undo(context);
  const bool started_before = command.batch.token > 0;
  if (command.settle) return settle_open(context);
  DUNLIN_TRY(cancel_.token().check());
  if (started_before || run_->truth() == Truth::target) DUNLIN_TRY(run_->settle(context));
  DUNLIN_CRASH_POINT("engine.execute.before");
  DUNLIN_TRY(run_->execute(context));
  DUNLIN_CRASH_POINT("engine.execute.after");
  return success();
}

/// What an earlier owner left open. Nothing new begins before it is known, so a passing error is
/// waited out here.
Status Execution::Host::settle_open(LedgerBatchContext& context) {
  for (std::int32_t attempt = 1;; ++attempt) {
    DUNLIN_CRASH_POINT("engine.settle.before");
    Status status = run_->settle(context);
    if (status.ok() || !retry_.should_retry(status.error(), attempt)) return status;
    const std::chrono::milliseconds delay(retry_.delay_ms(status.error(), attempt));
    if (cancel_.token().wait_for(delay)) return status;
  }
}

void Execution::Host::end_batch(const coordinator::RunBatch& command, LedgerBatchContext& context,
                                const Status& status) {
  BatchEnded event;
  event.batch = command.batch.id;
  event.token = command.token;
  Result<LedgerBatchContext::Tally> tally = context.finish();
  if (!tally.ok() || stale_) {
    event.persist_error = tally.ok()
                              ? Error(ErrorType::stale_owner, "another process has taken over")
                              : tally.error();
    batch_ended(std::move(event));
    return;
  }
  const CommitScope scope = run_->commit_scope();
  const BatchVerdict verdict = decide_batch_end(
      status, BatchTally{tally->unreported, tally->to_retry, tally->retry_error, tally->stops},
      command.pass, command.settle, scope,
      [&](const Error& error) { return retry_.should_retry(error, command.batch.attempt + 1); });
  if (verdict.leave_open) {
    event.persist_error = verdict.error;
    batch_ended(std::move(event));
    return;
  }
  store::EndBatch end;
  end.batch = command.batch.id;
  end.token = command.token;
  end.pass = command.pass;
  end.result = verdict.result;
  end.error = verdict.error;
  if (verdict.wants_retry_delay && verdict.error) {
    end.not_before_ms =
        parts.clock.wall_ms() + retry_.delay_ms(*verdict.error, command.batch.attempt + 1);
  }
  end.outcomes = std::move(tally->outcomes);
  if (provisional(command) && verdict.result != BatchResult::staged) {
    // Completed within a transaction that will not hold it, or that is taken back to where the
    // batch began.
    std::erase_if(end.outcomes,
                  [](const ItemOutcome& one) { return one.status == ItemStatus::completed; });
  }
  end.differences = std::move(tally->differences);
  end.verified_items = tally->equal;
  event.result = verdict.result;
  event.error = verdict.error;
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(std::move(end));
  DUNLIN_CRASH_POINT("engine.end_batch.before");
  writer_->submit(std::move(mutations),
                  [this, event = std::move(event)](LedgerWriter::Written written) mutable {
                    if (!written.results.ok()) {
                      event.persist_error = written.results.error();
                    } else if (!written.results->front().ok()) {
                      event.persist_error = written.results->front().error();
                      if (event.persist_error->type == ErrorType::stale_owner) stale_ = true;
                    }
                    event.counters = written.counters;
                    event.as_of = written.as_of;
                    if (!event.persist_error) note_counters(written.counters, written.as_of);
                    batch_ended(std::move(event));
                  });
}

void Execution::Host::batch_ended(BatchEnded event) {
  Json fields;
  fields["batch"] = event.batch.value;
  if (event.error) fields["error"] = event.error->text();
  publish(event.result == BatchResult::failed ? "batch_failed" : "batch_completed",
          std::move(fields));
  const std::lock_guard lock(calls_mutex_);
  batches_[{event.batch.value, event.token}] = event;
  post(std::move(event));
}

// ---- Progress
// ------------------------------------------------------------------------------------------------------

void Execution::Host::note_counters(const store::Counters& counters, std::int64_t as_of) {
  const std::lock_guard lock(progress_mutex_);
  if (as_of < counters_as_of_) return;
  counters_as_of_ = as_of;
  counters_ = counters;
}

Progress Execution::Host::progress() {
  store::ExecutionRow row;
  {
    const std::lock_guard lock(progress_mutex_);
    row = row_;
    row.counters = counters_;
    row.phase = phase_;
  }
  Progress progress = progress_of(row, parts.clock.wall_ms());
  meter_.fill(progress, parts.clock.monotonic_ms());
  progress.current_items = in_flight_.list();
  // While it is read back nobody knows how much of it will hold, and next to nothing is moved.
  if (std::any_of(progress.current_items.begin(), progress.current_items.end(),
                  [](const CurrentItem& item) { return item.phase == ItemPhase::resuming; }))
    progress.estimated_seconds_remaining.reset();
  return progress;
}

void Execution::Host::publish(const std::string& name, Json fields) {
  events_.publish(Event{name, parts.clock.wall_ms(), std::move(fields), false});
}

/// The summary in state.db is a cache for `ps`; failing to write it costs nothing but freshness.
void Execution::Host::publish_summary() {
  summary_at_ms_ = parts.clock.monotonic_ms();
  Result<store::ExecutionRow> row = parts.ledger->execution();
  if (!row.ok()) return;
  {
    const std::lock_guard lock(progress_mutex_);
    row_ = *row;
    if (!row->phase.empty()) phase_ = row->phase;
  }
  Result<store::ExecutionSummary> summary = parts.state.store().execution(row->id);
  if (!summary.ok()) return;
  if (summary->status == row->status && summary->counters == row->counters &&
      summary->phase == row->phase)
    return;
  summary->status = row->status;
  summary->phase = row->phase;
  summary->counters = row->counters;
  summary->updated_ms = parts.clock.wall_ms();
  parts.state.store().put_execution(*summary).ignore(
      "a cache; rebuilt from the ledger when it differs");
}

int Execution::Host::exit_code(const coordinator::Finish& finish) const {
  using store::ExecutionStatus;
  if (finish.reason && finish.reason->type == ErrorType::defect) return 70;
  switch (finish.status) {
    case ExecutionStatus::completed:
    case ExecutionStatus::rolled_back: {
      const bool refused = finish.status == ExecutionStatus::rolled_back &&
                           store::all_succeeded(state_.counters) > 0;  // what was changed since
      const bool any_failed =
          store::all_failed(state_.counters) > 0 || state_.counters.failed_batches > 0;
      return any_failed || refused ? 1 : 0;
    }
    case ExecutionStatus::paused:
      return finish.reason && finish.reason->type == ErrorType::stale_owner ? 5 : kExitPaused;
    case ExecutionStatus::cancelled:
      return kExitPaused;
    default:
      break;
  }
  if (!finish.reason) return 1;
  switch (finish.reason->type) {
    case ErrorType::preflight_refused:
      return 3;
    case ErrorType::verification_mismatch:
      return 6;
    case ErrorType::too_many_failures:
      return 1;
    case ErrorType::lock_held:
    case ErrorType::destination_busy:
      return 5;
    case ErrorType::invalid_input:
    case ErrorType::plan_invalid:
      return 2;
    default:
      return finish.reason->category() == ErrorCategory::fatal ? 7 : 1;
  }
}

}  // namespace dunlin::engine
