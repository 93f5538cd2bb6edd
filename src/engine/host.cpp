#include "engine/host.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "base/crash_point.h"
#include "base/logging.h"
#include "engine/engine.h"
#include "engine/test_run.h"

namespace dunlin::engine {
namespace {

/// Answers kept for commands that are emitted again; more than can be outstanding.
constexpr std::size_t kAnswersKept = 256;
constexpr std::int64_t kSummaryEveryMs = 1000;

template <typename Map>
void keep_newest(Map& map) {
  while (map.size() > kAnswersKept && map.begin()->second) map.erase(map.begin());
}

/// engine.md X-32. All or nothing has to be refused before anything was done for it.
std::int64_t hold_up_to_items(const ExecutionSettings& settings, bool all_or_nothing) {
  constexpr std::int64_t kWaitedFor = 100'000;
  const Preflight mode = settings.preflight;
  if (mode == Preflight::complete || all_or_nothing || settings.rolls_back_failure() ||
      settings.is_dry_run() ||
      settings.mode == kTest)  // whose work is timed from where the listing has ended
    return std::numeric_limits<std::int64_t>::max();
  return mode == Preflight::streaming ? 0 : kWaitedFor;
}

coordinator::Config config_for(const Execution::Parts& parts, const Run* run) {
  const ExecutionSettings& settings = parts.plan.settings;
  coordinator::Config config;
  config.goal = parts.goal;
  if (parts.undo_selector) config.part = parts.row.rollback_part;
  config.parallel_batches = settings.parallel_batches;
  config.execution_scope = run != nullptr && run->commit_scope() == CommitScope::execution;
  config.verify = settings.verification_level != VerificationLevel::none && !settings.is_dry_run();
  config.stop_on_first_error = settings.stop_on_first_error;
  config.max_failures = settings.max_failures;
  config.max_failures_percent = settings.max_failures_percent;
  config.checkpoint = settings.checkpoint;
  config.hold_up_to_items = hold_up_to_items(settings, config.execution_scope);
  return config;
}

/// What a retry answers, in the same transaction.
std::vector<ItemId> answers_of(const std::vector<store::Mutation>& mutations) {
  std::vector<ItemId> items;
  for (const store::Mutation& mutation : mutations) {
    const auto* reopen = std::get_if<store::ReopenItems>(&mutation);
    if (reopen == nullptr || !reopen->answers || reopen->to != store::ItemStatus::pending) continue;
    items.insert(items.end(), reopen->items.begin(), reopen->items.end());
  }
  return items;
}

// Looks of the enumeration are short reads of the device's metadata.
constexpr std::size_t kThreadsAside = 8;

}  // namespace

/// An item in the works has up to two files and two directories open; as many descriptors are left
/// to ledgers, caches and flushes.
std::size_t Execution::Host::workers(int io_concurrency) {
  struct rlimit limit{};
  std::size_t most = static_cast<std::size_t>(std::max(1, io_concurrency));
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    most = std::min<std::size_t>(most, std::max<rlim_t>(1, limit.rlim_cur / 8));
  return most;
}

Execution::Host::Host(Parts given)
    : parts(std::move(given)),
      in_flight_(parts.clock, &meter_),
      gate_(parts.plan.settings.io_concurrency),
      limits_(parts.plan.settings, governor_, gate_),
      retry_(parts.plan.settings.retry, static_cast<std::uint64_t>(parts.clock.monotonic_ms())),
      row_(parts.row),
      phase_(parts.row.phase) {
  counters_ = parts.row.counters;
  meter_.begin(counters_.transferred_bytes);
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
  Result<std::unique_ptr<Run>> opened = open_run();
  std::optional<Error> open_error;
  if (opened.ok()) {
    run_ = *std::move(opened);
    reads_back_ = run_->reads_back(parts.plan.settings.verification_level);
  } else {
    open_error = opened.error();
  }
  make_parts();
  reader_ = std::make_unique<TaskThreads>(1);
  enumerator_ = std::make_unique<TaskThreads>(1);
  state_.config = config_for(parts, run_.get());
  batch_threads_ = std::make_unique<TaskThreads>(
      state_.config.execution_scope
          ? 1
          : static_cast<std::size_t>(std::max(1, state_.config.parallel_batches)));
  coordinator::Begin begin{parts.row,      {}, reopen_, reopen_to_, reopen_actor_, reopen_batches_,
                           reopen_answers_};
  if (const auto answered = parts.ledger->answered_items(); answered.ok()) {
    for (const ItemId item : *answered) answered_.add(item);
  }
  Result<std::vector<store::BatchRow>> open = parts.ledger->open_batches();
  if (open.ok()) begin.open = *std::move(open);
  if (const auto begun = parts.ledger->begun(); begun.ok()) begin.begun = *begun;
  anchor_audit(true);  // so that whoever is killed soon is known of
  post(std::move(begin));
  if (!cancel_actor_.empty())
    post(coordinator::Control{0, "cancel", "{}", cancel_actor_, {}, {}, false});
  poll_control_rows();  // a cancel given while nobody owned it is seen before any work
  start_control();
  publish("started", Json::object());
  loop();
  if (parts.undo_given_up && run_ && has_ended(finish_->status)) {
    PlainContext context(*shared_, cancel_.token());
    const Status released = run_->release(context);
    if (released.ok()) forget_kept();
    released.ignore("`dunlin accept` removes it");
  }

  close_requests();
  control_.reset();
  batch_threads_.reset();
  enumerator_.reset();
  aside_.reset();
  reader_.reset();
  run_.reset();
  pool_.reset();
  writer_.reset();
  Outcome outcome{finish_->status, exit_code(*finish_), finish_->reason, problems_, {}};
  if (state_.config.part) {
    const std::int64_t before = store::all_rolled_back(parts.row.counters);
    outcome.part = {store::all_rolled_back(state_.counters) - before, left_alone_};
  }
  if (open_error && finish_->status == store::ExecutionStatus::failed) outcome.reason = open_error;
  publish_summary();
  anchor_audit(true);
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

void Execution::Host::make_parts() {
  writer_ = std::make_unique<LedgerWriter>(*parts.ledger, parts.row.epoch);
  pool_ = std::make_unique<ItemPool>(workers(parts.plan.settings.io_concurrency));
  aside_ = std::make_unique<TaskThreads>(
      std::min(kThreadsAside, workers(parts.plan.settings.io_concurrency)));
  shared_ = std::make_unique<HostParts>(
      HostParts{parts.row.id,
                parts.row.epoch,
                parts.plan.settings,
                parts.clock,
                *parts.ledger,
                parts.lock,
                parts.state,
                *writer_,
                *pool_,
                governor_,
                gate_,
                limits_,
                retry_,
                meter_,
                in_flight_,
                stale_,
                parts.goal == Goal::verify,
                &answered_,
                aside_.get(),
                run_ != nullptr && run_->commit_scope() == CommitScope::execution,
                run_.get(),
                parts.undo_selector ? &*parts.undo_selector : nullptr,
                &events_});
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
      anchor_audit(false);
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
  std::vector<ItemId> answers = answers_of(command.mutations);
  writer_->submit(std::move(command.mutations),
                  [this, sequence, answers = std::move(answers)](LedgerWriter::Written written) {
                    coordinator::Event event;
                    if (written.results.ok()) {
                      for (const ItemId item : answers) answered_.add(item);
                      note_counters(written.counters, written.as_of);
                      event = coordinator::Persisted{sequence, *std::move(written.results),
                                                     written.counters, written.as_of};
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
  const bool ends = state_.target != store::ExecutionStatus::paused;
  call_once(*batch_threads_, command.call,
            [this, ends, call = command.call]() -> coordinator::Event {
              PlainContext context(*shared_, cancel_.token());
              if (run_) run_->close(context);
              // No end is recorded while something of it is left.
              if (run_ && ends && is_test()) remove_scratch(context);
              return coordinator::Closed{call};
            });
}

bool Execution::Host::is_test() const {
  return parts.plan.settings.mode == kTest;
}

/// Of a test. Where it cannot be removed, the milestone is missing, and `dunlin accept` tries
/// again.
void Execution::Host::remove_scratch(RunContext& context) {
  if (const Status removed = run_->release(context); !removed.ok()) {
    log_error("what the test has copied is still there: {}; `dunlin accept {}` removes it",
              removed.error().text(), parts.row.number);
    return;
  }
  std::vector<store::Mutation> gone;
  gone.emplace_back(store::AddAudit{"engine", "execution." + std::string(kScratchRemoved), "{}"});
  gone.emplace_back(store::AddMilestone{std::string(kScratchRemoved)});
  writer_->submit(std::move(gone), [](const LedgerWriter::Written&) {});
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

}  // namespace dunlin::engine
