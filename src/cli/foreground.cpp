// See foreground.h.
//
// Threads: the caller runs the execution; one thread draws (or prints lines, or JSON events); the
// SignalWatch has its own. The display only reads progress(), so it cannot hold the engine up.
#include "cli/foreground.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/ledger_json.h"
#include "cli/progress_line.h"
#include "cli/remedy.h"
#include "cli/screens.h"
#include "cli/signals.h"
#include "cli/text_layout.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

constexpr std::chrono::milliseconds kRedraw{200};
constexpr std::int64_t kJsonProgressEvery_ms = 1000;
constexpr std::int64_t kTakesBackWithin_ms = 2000;

void show_live(Terminal& terminal, const engine::Progress& progress, std::string_view noun,
               std::string_view state) {
  const std::size_t width = terminal.width();
  const std::size_t height = terminal.height();
  terminal.set_live(live_lines(progress, noun, state, height > 1 ? height - 1 : 1,
                               {width > 1 ? width - 1 : 1, terminal.utf8(), terminal.colour()}));
}

/// For terminals that have no such signs.
std::string without_marks(std::string text) {
  constexpr std::string_view kDone = "✓";
  for (std::size_t at = text.find(kDone); at != std::string::npos; at = text.find(kDone, at))
    text.replace(at, kDone.size(), "ok");
  return text;
}

/// Shows the progress of an execution of this process until it is destroyed.
class Display {
 public:
  Display(Session& session, engine::Execution& execution, std::int64_t line_every_ms)
      : session_(session),
        execution_(execution),
        noun_(execution.kind().item_noun()),
        line_every_ms_(line_every_ms) {
    if (session.options().json) {
      events_ = execution.subscribe(4096);
      thread_ = std::thread([this] { stream_events(); });
    } else if (!session.options().quiet) {
      events_ = execution.subscribe(4096);
      if (session.shows_progress() && session.err().draws()) session.calm_log();
      thread_ = std::thread([this] { draw(); });
    }
  }
  ~Display() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    session_.err().set_live({});
  }
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  void set_state(std::string state) {
    const std::lock_guard lock(mutex_);
    state_ = std::move(state);
  }

 private:
  /// False when the display is to end.
  bool wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return ending_; });
  }
  std::string state() {
    const std::lock_guard lock(mutex_);
    return state_;
  }

  void draw() {
    Terminal& terminal = session_.err();
    std::int64_t last_line_ms = session_.clock().monotonic_ms();
    do {
      print_messages();
      if (!session_.shows_progress()) continue;
      const auto progress = execution_.progress();
      if (terminal.draws()) {
        show_live(terminal, progress, noun_, state());
      } else if (const auto now = session_.clock().monotonic_ms();
                 now - last_line_ms >= line_every_ms_) {
        last_line_ms = now;
        terminal.write(rfc3339(session_.clock().wall_ms()) + "  " +
                       progress_line(progress, noun_, state(), {}) + "\n");
      }
    } while (wait(kRedraw));
    print_messages();
  }

  /// What the kind has to tell; the live block is drawn again behind it.
  void print_messages() {
    while (const auto event = events_->next(0)) {
      if (event->name != "message") continue;
      session_.err().set_live({});
      std::string text = string_or(event->fields, "text", "") + "\n";
      if (!session_.out().utf8()) text = without_marks(std::move(text));
      session_.print(text);
    }
  }

  void stream_events() {
    std::int64_t last_ms = 0;
    const std::string id = execution_.id().value;
    for (;;) {
      const auto event = events_->next(100);
      // The bus's own "finished" comes before the rows are final; ours is the last word.
      if (event && event->name != "finished") {
        if (event->gap_before) session_.event("gap", {{"execution_id", id}});
        Json fields = {{"execution_id", id}};
        for (const auto& [key, value] : event->fields.items()) fields[key] = value;
        session_.event(event->name, fields);
      }
      if (!event && (events_->closed() || !wait(std::chrono::milliseconds(0)))) return;
      const auto now = session_.clock().monotonic_ms();
      if (session_.options().no_progress || now - last_ms < kJsonProgressEvery_ms) continue;
      last_ms = now;
      session_.event("progress",
                     {{"execution_id", id},
                      {"progress", engine::progress_json(execution_.progress(), noun_)}});
    }
  }

  Session& session_;
  engine::Execution& execution_;
  const std::string noun_;
  const std::int64_t line_every_ms_;
  std::shared_ptr<engine::Subscription> events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::string state_;
  std::thread thread_;
};

void ask_to_pause(Session& session, engine::Execution& execution, Display& display, int signal) {
  display.set_state("pausing");
  if (session.shows_progress())
    session.err().write(signal == SIGINT ? "pausing; press Ctrl-C again to stop at once\n"
                                         : "pausing\n");
  const std::string name = signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
  const Json answer = execution.request("pause", Json::object(), session.actor("cli, " + name));
  if (!boolean_or(answer, "accepted", false) && !session.options().quiet)
    session.err().write("dunlin: " + printable(string_or(answer, "message", "not paused")) + "\n");
}

void stop_now(Session& session, engine::Execution& execution) {
  // The process may end within this call: everything that has to be said is said before.
  session.err().end_live();
  if (!session.options().quiet)
    session.err().write("stopping at once; go on with: dunlin resume " + execution.id().value +
                        "\n");
  const Json answer = execution.request("stop", Json::object(), session.actor());
  static_cast<void>(answer);
}

/// Shows an execution of another process, as long as it lives.
class Follower {
 public:
  Follower(Session& session, engine::Engine& engine, ExecutionId id, bool screen, bool goes_on)
      : session_(session),
        engine_(engine),
        id_(std::move(id)),
        screen_(screen),
        goes_on_(goes_on) {}

  Result<int> run() {
    SignalWatch signals;  // so that nothing of the display is left behind
    signals.start([this](int signal) { leave(signal); }, [] {});
    auto code = follow();
    signals.end();
    return code;
  }

 private:
  void leave(int signal) {
    {
      const std::lock_guard lock(mutex_);
      left_by_ = signal;
    }
    left_.notify_all();
  }

  /// How watching was ended from outside; 0: it was not.
  int left_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    left_.wait_for(lock, time, [this] { return left_by_ != 0; });
    return left_by_;
  }

  Result<int> follow() {
    for (;;) {
      auto snapshot = engine_.snapshot(id_);
      if (!snapshot.ok()) return std::move(snapshot).error();
      if (!snapshot->live && goes_on_soon(*snapshot)) continue;
      if (!snapshot->live) {
        clear();
        const int code = exit_code_of(*snapshot);
        if (goes_on_ && snapshot->interrupted) return code;
        DUNLIN_TRY(print_end(session_, *snapshot, nullptr, code));
        return code;
      }
      show(*snapshot);
      if (const int signal = left_within(screen_ ? kRedraw * 2 : kRedraw); signal != 0) {
        clear();
        return 128 + signal;
      }
    }
  }

  /// Its owner takes back what has failed, and has let go of it for a moment.
  bool goes_on_soon(const engine::Snapshot& snapshot) {
    if (goes_on_ || !engine::is_to_be_taken_back(snapshot)) return false;
    const auto now = session_.clock().monotonic_ms();
    if (failed_ms_ < 0) failed_ms_ = now;
    return now - failed_ms_ < kTakesBackWithin_ms && left_within(kRedraw) == 0;
  }

  void show(const engine::Snapshot& snapshot) {
    const auto now = session_.clock().monotonic_ms();
    if (session_.options().json) {
      if (now - last_ms_ < kJsonProgressEvery_ms) return;
      last_ms_ = now;
      session_.event("progress",
                     {{"execution_id", id_.value},
                      {"status", std::string(store::to_string(snapshot.shown_status))},
                      {"progress", engine::progress_json(snapshot.progress, snapshot.noun)}});
      return;
    }
    if (!session_.shows_progress()) return;
    Terminal& terminal = screen_ ? session_.out() : session_.err();
    const std::string state =
        snapshot.pending_request.empty() ? "" : snapshot.pending_request + " requested";
    if (!terminal.draws()) {
      if (now - last_ms_ < 5000) return;
      last_ms_ = now;
      terminal.write(rfc3339(session_.clock().wall_ms()) + "  " +
                     progress_line(snapshot.progress, snapshot.noun, state, {}) + "\n");
    } else if (screen_) {
      terminal.set_live(lines_of(
          status_screen({snapshot, {}, {}, session_.clock().wall_ms(), -1, {}}, terminal)));
    } else {
      show_live(terminal, snapshot.progress, snapshot.noun, state);
    }
  }

  static std::vector<std::string> lines_of(const std::string& screen) {
    std::vector<std::string> lines;
    std::istringstream in(screen);
    for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
    return lines;
  }

  void clear() {
    session_.err().set_live({});
    session_.out().set_live({});
  }

  Session& session_;
  engine::Engine& engine_;
  const ExecutionId id_;
  const bool screen_;
  const bool goes_on_;
  std::int64_t last_ms_ = 0;
  std::int64_t failed_ms_ = -1;
  std::mutex mutex_;
  std::condition_variable left_;
  int left_by_ = 0;
};

/// Of a dry run: an event for each item that has been decided upon.
Status print_operations(Session& session, const ExecutionId& id, const store::Ledger& ledger) {
  return engine::for_each_item(ledger, [&](const store::ItemRow& item, store::CountAs) {
    if (item.status == store::ItemStatus::pending) return success();
    Json fields = item_json(item);
    fields["execution_id"] = id.value;
    session.event("operation", fields);
    return success();
  });
}

}  // namespace

namespace {

std::string part_text(const engine::Outcome::PartTaken& part, std::int64_t number) {
  std::string text = fmt::format("took back {} of what was done\n", part.back);
  if (part.left_alone == 0) return text;
  return text + fmt::format("{} left alone, changed since; why: dunlin errors {}\n",
                            part.left_alone, number);
}

}  // namespace

Status print_end(Session& session, const engine::Snapshot& snapshot, const engine::Outcome* outcome,
                 int exit_code, std::int64_t attempt_ms) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const ExecutionId& id = snapshot.row.id;
  const bool dry = snapshot.row.mode == engine::kDryRun;
  if (session.options().json) {
    DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(id));
    if (dry && outcome != nullptr) DUNLIN_TRY(print_operations(session, id, *ledger));
    Json fields = finished_fields(snapshot, *ledger, exit_code);
    if (outcome != nullptr && outcome->part)
      fields["part"] = {{"rolled_back", outcome->part->back},
                        {"left_alone", outcome->part->left_alone}};
    if (outcome != nullptr && !outcome->problems.empty()) {
      fields["problems"] = Json::array();
      for (const auto& problem : outcome->problems)
        fields["problems"].push_back(
            {{"type", std::string(to_string(problem.error.type))},
             {"severity", problem.critical ? "critical" : "warning"},
             {"can_continue", problem.can_continue || !problem.critical},
             {"description", problem.error.text()},
             {"remediation",
              remedy_for(problem.error,
                         problem.critical ? Concern::execution : Concern::failed_item, snapshot)},
             {"differences", problem.differences}});
    }
    session.event("finished", fields);
    return success();
  }
  if (session.options().quiet) return success();  // what is noted would be counted for nobody
  Shown shown{snapshot, {}, {}, session.clock().wall_ms(), attempt_ms, {}};
  // Of one that goes on they are not complete.
  if (shown.snapshot.shown_status != store::ExecutionStatus::paused) {
    DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(id));
    DUNLIN_ASSIGN(shown.remarks, ledger->remarks());
    DUNLIN_ASSIGN(shown.test, engine::test_result(*ledger));
    constexpr std::size_t kSamples = 3;
    if (dry) {
      DUNLIN_ASSIGN(shown.actions, engine::results_by_action(*ledger, kSamples));
    }
  }
  if (outcome != nullptr) {
    shown.reason = outcome->reason;
    shown.problems = outcome->problems;
  }
  if (outcome != nullptr && outcome->part)
    session.print(part_text(*outcome->part, shown.snapshot.row.number));
  session.print(summary_text(shown, session.out()));
  return success();
}

namespace {

/// To its end, without the last words.
Result<engine::Outcome> run_to_end(Session& session, const ForegroundRun& run) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  SignalWatch signals;
  engine::Outcome outcome;
  {
    DUNLIN_ASSIGN(const auto execution, engine->attach(run.id, run.goal, run.take_over));
    if (run.prepare) DUNLIN_TRY(run.prepare(*execution));
    {
      Display display(session, *execution, run.line_every_ms);
      signals.start([&](int signal) { ask_to_pause(session, *execution, display, signal); },
                    [&] { stop_now(session, *execution); });
      outcome = execution->run();
      signals.end();
    }
  }  // the lock is free before anybody reads that it ended
  // Not the summary: what the ledger says now is the new owner's doing.
  if (outcome.reason && outcome.reason->type == ErrorType::stale_owner)
    return std::move(*outcome.reason);
  return outcome;
}

/// Nothing is kept for a rollback of one that has completed, where its settings say so: then true.
bool drop_undo(Session& session, engine::Engine& engine, const engine::Snapshot& snapshot) {
  if (!snapshot.row.drops_undo || snapshot.row.status != store::ExecutionStatus::completed)
    return false;
  const Status dropped = engine.accept(snapshot.row.id, session.actor());
  if (!dropped.ok() && !session.options().quiet)
    session.err().write("dunlin: what a rollback would need stays for now: " +
                        printable(dropped.error().text()) + "\n");
  return true;
}

/// Takes back what was done; the outcome of that, or nullopt where it could not begin: then the
/// execution stays failed, and `resume` takes it back.
std::optional<engine::Outcome> after_failure(Session& session, const ForegroundRun& run,
                                             const engine::Outcome& failed) {
  const std::string why = failed.reason ? failed.reason->text() : "";
  session.event("rolling_back", {{"execution_id", run.id.value}, {"reason", why}});
  session.print("failed: " + printable(why) +
                "; what was done is taken back (on_failure: rollback)\n");
  auto outcome = run_to_end(session, take_back_failure(session, run));
  if (outcome.ok()) return *std::move(outcome);
  session.err().write("dunlin: it cannot be taken back now: " + printable(outcome.error().text()) +
                      "\n");
  return std::nullopt;
}

}  // namespace

ForegroundRun take_back_failure(const Session& session, const ForegroundRun& failed) {
  ForegroundRun back = failed;
  back.goal = engine::Goal::roll_back;
  back.take_over = false;
  back.prepare = [actor = session.actor()](engine::Execution& execution) {
    return execution.take_back_failure(actor);
  };
  return back;
}

Result<Ended> run_in_foreground(Session& session, const ForegroundRun& run) {
  const std::int64_t begin_ms = session.clock().monotonic_ms();
  DUNLIN_ASSIGN(engine::Outcome outcome, run_to_end(session, run));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  Ended end;
  DUNLIN_ASSIGN(end.snapshot, engine->snapshot(run.id));
  if (run.goal == engine::Goal::migrate) {
    bool changed = drop_undo(session, *engine, end.snapshot);
    if (engine::is_to_be_taken_back(end.snapshot)) {
      if (auto back = after_failure(session, run, outcome)) outcome = *std::move(back);
      changed = true;
    }
    if (changed) {
      DUNLIN_ASSIGN(end.snapshot, engine->snapshot(run.id));
    }
  }
  end.exit_code = outcome.exit_code;
  if (end.snapshot.failure_taken_back && end.exit_code == kDone)
    end.exit_code = exit_code_of(end.snapshot);
  DUNLIN_TRY(print_end(session, end.snapshot, &outcome, end.exit_code,
                       session.clock().monotonic_ms() - begin_ms));
  return end;
}

Result<int> follow(Session& session, const ExecutionId& id, bool screen, bool goes_on) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  return Follower(session, *engine, id, screen, goes_on).run();
}

}  // namespace dunlin::cli
