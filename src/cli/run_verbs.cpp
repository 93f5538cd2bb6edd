// run, resume, verify, rollback, retry: what owns an execution until it ends.
#include <csignal>

#include <fmt/format.h>

#include "base/process.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/detach.h"
#include "cli/exit_code.h"
#include "cli/foreground.h"
#include "cli/plan_input.h"
#include "cli/selector.h"
#include "cli/start.h"
#include "cli/verb_families.h"
#include "cli/waiting.h"
#include "engine/settings_convert.h"
#include "engine/settings_table.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

using engine::Goal;
using store::ExecutionStatus;

constexpr std::int64_t kOwnerLineEvery_ms = 60'000;  ///< in owner.log: an hour is a screenful

/// Keeps the status of a stored plan in step; one-line forms have none.
Status note_plan(engine::Engine& engine, const PlanId& id, std::string_view status,
                 std::int64_t now_ms) {
  auto row = engine.state().store().plan(id);
  if (!row.ok()) return success();
  row->status = std::string(status);
  row->updated_ms = now_ms;
  return engine.state().store().put_plan(*row);
}

std::string_view plan_status_of(ExecutionStatus status) {
  switch (status) {
    case ExecutionStatus::completed:
      return "completed";
    case ExecutionStatus::failed:
      return "failed";
    case ExecutionStatus::cancelled:
    case ExecutionStatus::rolled_back:
      return "cancelled";
    default:
      return "executing";
  }
}

Result<int> own(Session& session, ForegroundRun run) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  session.expire();
  DUNLIN_ASSIGN(const Ended end, run_in_foreground(session, run));
  const store::ExecutionRow& row = end.snapshot.row;
  note_plan(*engine, row.plan_id, plan_status_of(row.status), session.clock().wall_ms())
      .ignore("shown by `plan list` only; the execution itself is recorded");
  return end.exit_code;
}

Error not_allowed(const engine::Snapshot& snapshot, std::string_view verb) {
  if (snapshot.row.mode == engine::kDryRun && (verb == "verify" || verb == "rollback"))
    return engine::nothing_done(snapshot.row.number);
  if (snapshot.row.mode == engine::kTest && engine::has_ended(snapshot.row.status))
    return engine::only_a_test(snapshot.row.number);
  if (verb == "rollback" && snapshot.undo != engine::Undo::kept)
    return engine::undo_given_up(snapshot.row.number);
  std::string allowed = fmt::format("{}", fmt::join(snapshot.allowed_verbs, ", "));
  return Error(ErrorType::invalid_state,
               fmt::format("execution {} is {}: {} is not possible; allowed now: {}",
                           snapshot.row.number, store::to_string(snapshot.shown_status), verb,
                           allowed.empty() ? "nothing" : allowed));
}

bool allows(const engine::Snapshot& snapshot, std::string_view verb) {
  for (const auto& allowed : snapshot.allowed_verbs)
    if (allowed == verb) return true;
  return false;
}

std::string_view name_of(Goal goal) {
  switch (goal) {
    case Goal::migrate:
      return "migrate";
    case Goal::verify:
      return "verify";
    case Goal::roll_back:
      return "roll_back";
  }
  return "migrate";
}

/// A stopped owner (SIGSTOP, a suspended job) keeps its lock and answers nobody: let it go on.
void wake(engine::Engine& engine, const engine::Snapshot& snapshot, const engine::Asker& asker) {
  const auto answer = engine.control(snapshot.row.id, "resume", Json::object(), asker);
  if (answer.ok() && answer->by_owner) return;
  const auto owner = parse_json(snapshot.row.owner_json);
  if (!owner.ok()) return;
  ProcessIdentity identity;
  identity.pid = static_cast<pid_t>(integer_or(*owner, "pid", 0));
  identity.boot_id = string_or(*owner, "boot_id", "");
  identity.start_time = static_cast<std::uint64_t>(integer_or(*owner, "start_time", 0));
  if (identity.pid > 0)
    kill_process(identity, SIGCONT).ignore("it may run on another machine, or have ended");
}

/// Where nothing is left but what a person holds back, going on means going on with that.
bool only_held_left(const engine::Snapshot& snapshot) {
  const auto reason = parse_json(snapshot.row.reason_json);
  return snapshot.shown_status == ExecutionStatus::paused && reason.ok() &&
         string_or(*reason, "type", "") == "held_back";
}

/// `part`: as PartFlags gives it, or {"held": true}; empty: none is let go.
Status let_go(Session& session, engine::Engine& engine, const engine::Snapshot& snapshot,
              Json part) {
  if (part.empty() && only_held_left(snapshot)) part["held"] = true;
  if (part.empty()) return success();
  DUNLIN_ASSIGN(const auto answer,
                engine.control(snapshot.row.id, "resume", part, session.asker()));
  const std::string message = printable(string_or(answer.body, "message", ""));
  session.event("resume", {{"execution_id", snapshot.row.id.value}, {"message", message}});
  session.print(fmt::format("execution {}: {}\n", snapshot.row.number, message));
  return success();
}

/// Goes on from a point that comes before where it was.
ForegroundRun resume_from_run(Session& session, const ExecutionId& id, const Json& point) {
  const auto prepare = [&session, id, point](engine::Execution& execution) -> Status {
    DUNLIN_ASSIGN(const auto doubted, execution.resume_from(point, session.actor()));
    if (doubted.batches == 0) return success();
    session.event("resume_from", {{"execution_id", id.value},
                                  {"batch_number", doubted.from.value},
                                  {"batches", doubted.batches},
                                  {"items", doubted.items}});
    session.print(fmt::format(
        "looks again at what was done from batch {} on: {} {}, {} {}; what holds stays as it is\n",
        format_count(doubted.from.value), format_count(doubted.batches),
        doubted.batches == 1 ? "batch" : "batches", format_count(doubted.items),
        doubted.items == 1 ? "item" : "items"));
    return success();
  };
  return {id, Goal::migrate, prepare};
}

Result<int> resume_from(Session& session, const engine::Snapshot& snapshot, const Json& point,
                        bool detach) {
  if (snapshot.live) {
    const std::string number = std::to_string(snapshot.row.number);
    Error error(ErrorType::invalid_state, "execution " + number + " runs");
    error.remediation = "`dunlin pause " + number + "` first";
    return error;
  }
  const ExecutionId& id = snapshot.row.id;
  if (detach) return hand_over(session, {id, "migrate", dump_json(Json{{"resume_from", point}})});
  return own(session, resume_from_run(session, id, point));
}

struct Resume {
  std::string execution;
  Json part = Json::object();
  Json from;  ///< not null: the point that what was done is trusted up to
  bool detach = false;
  bool take_over = false;
  bool wait = false;
};

Result<int> resume(Session& session, const Resume& given) {
  const auto& [text, part, from, detach, take_over, wait] = given;
  DUNLIN_ASSIGN(auto snapshot, session.snapshot(text));
  if (!from.is_null()) return resume_from(session, snapshot, from, detach);
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const ExecutionId id = snapshot.row.id;
  if (snapshot.live || allows(snapshot, "resume"))
    DUNLIN_TRY(let_go(session, *engine, snapshot, part));
  if (snapshot.live && !part.empty()) return kDone;
  if (take_over && snapshot.live) {
    ForegroundRun run{id, engine::goal_of(snapshot.row), {}};
    run.take_over = true;
    return own(session, run);
  }
  if (snapshot.live) {
    wake(*engine, snapshot, session.asker());
    session.print(fmt::format("execution {} runs in another process; this only watches it\n",
                              snapshot.row.number));
    if (detach) return kDone;
    DUNLIN_ASSIGN(const int code, follow(session, id, false, true));
    // Killed while it was watched, or just before: for as long as somebody else looks at its memory
    // (`ps`), the lock of a dead owner lasts.
    DUNLIN_ASSIGN(snapshot, session.snapshot(text));
    if (snapshot.live || !snapshot.interrupted) return code;
    session.print("its process has ended; it goes on here\n");
  }
  if (!allows(snapshot, "resume")) return not_allowed(snapshot, "resume");
  const bool failed = engine::is_to_be_taken_back(snapshot);
  const Goal goal = failed ? Goal::roll_back : engine::goal_of(snapshot.row);
  const bool waits = wait && snapshot.shown_status == ExecutionStatus::pending;
  if (detach) return hand_over(session, {id, std::string(name_of(goal)), "", waits});
  if (waits) {
    DUNLIN_ASSIGN(const bool begins, wait_for_dependencies(session, id));
    if (!begins) return kPausedOrCancelled;
  }
  const ForegroundRun plain{id, goal, {}};
  if (failed) {
    session.event("rolling_back", {{"execution_id", id.value}});
    session.print(
        fmt::format("execution {} has failed; what it did is taken back (on_failure: rollback)\n",
                    snapshot.row.number));
  }
  auto code = own(session, failed ? take_back_failure(session, plain) : plain);
  // Somebody else was faster: that is as good.
  if (!code.ok() && code.error().type == ErrorType::lock_held) return follow(session, id, false);
  return code;
}

Result<int> verify(Session& session, const std::string& text, bool detach) {
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(text));
  const auto& id = snapshot.row.id;
  if (!allows(snapshot, "verify")) return not_allowed(snapshot, "verify");
  if (detach) return hand_over(session, {id, "verify", ""});
  return own(session, {id, Goal::verify, {}});
}

ForegroundRun roll_back_run(const ExecutionId& id, const Json& part) {
  return {id, Goal::roll_back,
          [part](engine::Execution& execution) { return execution.roll_back_part(part); }};
}

Result<int> roll_back(Session& session, const std::string& text, const Json& part, bool detach) {
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(text));
  const auto& id = snapshot.row.id;
  if (snapshot.live && engine::goal_of(snapshot.row) == Goal::roll_back && part.empty())
    return follow(session, id, false);
  const bool again = snapshot.shown_status == ExecutionStatus::rolled_back;
  if (again && !allows(snapshot, "rollback")) {
    const int code = exit_code_of(snapshot);
    session.print(fmt::format("execution {}: nothing is left to take back\n", snapshot.row.number));
    if (session.options().json) DUNLIN_TRY(print_end(session, snapshot, nullptr, code));
    return code;
  }
  if (!allows(snapshot, "rollback")) return not_allowed(snapshot, "rollback");
  if (!session.confirm(fmt::format("take back {}what execution {} {} ({})?",
                                   part.empty() ? "" : "a part of ", snapshot.row.number,
                                   again ? "still has done" : "did",
                                   printable(snapshot.row.description))))
    return kPausedOrCancelled;
  if (detach) return hand_over(session, {id, "roll_back", dump_json(part)});
  return own(session, roll_back_run(id, part));
}

ForegroundRun retry_run(const Session& session, const ExecutionId& id, const Json& selector) {
  return {id, Goal::migrate, [selector, actor = session.actor()](engine::Execution& execution) {
            auto count = execution.reopen_at_start(selector, store::ItemStatus::pending, actor);
            return count.ok() ? success() : Status(std::move(count).error());
          }};
}

Result<int> retry(Session& session, const std::string& text, const Json& selector, bool detach) {
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(text));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const auto& id = snapshot.row.id;
  if (!allows(snapshot, "retry")) return not_allowed(snapshot, "retry");
  if (snapshot.live) {
    DUNLIN_TRY(engine->control(id, "retry", selector, session.asker()));
    return detach ? Result<int>(kDone) : follow(session, id, false);
  }
  if (detach) return hand_over(session, {id, "migrate", dump_json(selector)});
  return own(session, retry_run(session, id, selector));
}

Result<int> run_owner(Session& session, const std::string& id, const std::string& goal,
                      const std::string& selector, bool wait) {
  ForegroundRun run{ExecutionId(id), Goal::migrate, {}};
  if (wait) {
    DUNLIN_ASSIGN(const bool begins, wait_for_dependencies(session, run.id));
    if (!begins) return kPausedOrCancelled;
  }
  if (!selector.empty()) {
    DUNLIN_ASSIGN(const Json json, parse_json(selector, "--select"));
    const Json* point = find_member(json, "resume_from");
    run = goal == "roll_back" ? roll_back_run(ExecutionId(id), json)
          : point != nullptr  ? resume_from_run(session, ExecutionId(id), *point)
                              : retry_run(session, ExecutionId(id), json);
  }
  run.goal = goal == "verify"      ? Goal::verify
             : goal == "roll_back" ? Goal::roll_back
                                   : Goal::migrate;
  if (run.goal == Goal::roll_back && selector.empty()) {
    DUNLIN_ASSIGN(const auto snapshot, session.snapshot(id));
    if (engine::is_to_be_taken_back(snapshot)) run = take_back_failure(session, run);
  }
  run.line_every_ms = kOwnerLineEvery_ms;
  return own(session, run);
}

Text add_execution(CLI::App& app) {
  return add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
}

Flag add_detach(CLI::App& app) {
  return add_flag(app, "--detach", "in the background, in a process of its own");
}

/// The flag that says the same as --mode.
std::string_view mode_flag(std::string_view mode) {
  if (mode == engine::kDryRun) return "--dry-run";
  return mode == engine::kTest ? "--test" : "--incremental";
}

void add_run(Verbs& verbs) {
  struct RunPlan {
    Text plan, mode;
    std::unique_ptr<SettingsFlags> settings;
    Flag wait, detach;
  };
  auto run = std::make_shared<RunPlan>();
  CLI::App& run_app = verbs.add(
      "run", "Executes a plan.",
      "dunlin run photos.yaml\ndunlin run photos.yaml --detach\ndunlin run "
      "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10\n"
      "dunlin run photos.yaml --wait      # after what its depends_on names\n"
      "dunlin run photos.yaml --test 200  # a sample of 200 files, and how long all would take",
      [run](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(Json flags, run->settings->read());
        std::vector<std::string> problems;
        const std::string by_flag = string_or(flags, "mode", "");
        const std::string mode = engine::normal_key(*run->mode);
        // A dry run of what would be incremental; else the two have to say the same.
        const bool both = mode == engine::kIncremental && by_flag == engine::kDryRun;
        Json by_mode = Json::object();
        if (!mode.empty()) put_setting(by_mode, "mode", *run->mode, "--mode", problems);
        if (!by_flag.empty() && !mode.empty() && mode != by_flag && !both)
          problems.push_back(
              fmt::format("{} and --mode {} exclude each other", mode_flag(by_flag), *run->mode));
        flags = engine::merge_settings(by_mode, flags);
        if (!problems.empty()) return Error(ErrorType::invalid_input, problems.front());
        DUNLIN_ASSIGN(const engine::Plan plan, plan_from_word(session, *run->plan));
        DUNLIN_ASSIGN(const engine::Plan effective, with_settings(session, plan, flags));
        return start_plan(session, effective, *run->detach, *run->wait);
      });
  run->plan = add_place(run_app, "PLAN", "a plan file, or the id of a stored plan");
  run->mode =
      add_text(run_app, "--mode", "MODE",
               "full (default); dry_run: changes nothing, shows what would be done; test: tries "
               "a sample of test_items files (100) in a place of its own; incremental: takes only "
               "what has changed since the last time");
  run->settings = std::make_unique<SettingsFlags>(run_app);
  run->wait = add_flag(run_app, "--wait",
                       "until the plans that it depends on have completed; else it is refused");
  run->detach = add_detach(run_app);
}

void add_retry(Verbs& verbs) {
  struct Retry {
    Text execution;
    std::unique_ptr<SelectorFlags> selector;
    Flag detach;
  };
  auto again = std::make_shared<Retry>();
  CLI::App& retry_app = verbs.add(
      "retry", "Tries failed items again: all, or those that every given flag means.",
      "dunlin retry last\ndunlin retry 3 --type permission_denied\ndunlin retry 3 --path '*.raw'",
      [again](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(const Json selector, again->selector->read());
        return retry(session, *again->execution, selector, *again->detach);
      });
  again->execution = add_execution(retry_app);
  again->selector = std::make_unique<SelectorFlags>(retry_app);
  again->detach = add_detach(retry_app);
}

/// null: where it was.
Result<Json> point_from(const std::string& batch, const std::string& checkpoint) {
  if (batch.empty() && checkpoint.empty()) return Json();
  if (!batch.empty() && !checkpoint.empty())
    return Error(ErrorType::invalid_input, "--from-batch and --from-checkpoint exclude each other");
  const bool by_batch = !batch.empty();
  DUNLIN_ASSIGN(
      const std::int64_t number,
      whole_number(by_batch ? batch : checkpoint, by_batch ? "--from-batch" : "--from-checkpoint"));
  return Json{{by_batch ? "batch_number" : "checkpoint_id", number}};
}

void add_resume(Verbs& verbs) {
  struct Given {
    Text execution;
    std::unique_ptr<PartFlags> part;
    Flag held, wait, detach, take_over;
    Text from_batch, from_checkpoint;
  };
  auto given = std::make_shared<Given>();
  CLI::App& app = verbs.add(
      "resume",
      "Goes on with an execution where it was, after a pause, a crash or a failure. With a part of "
      "the work: lets that part go, as `dunlin pause` has named it. From a batch or a checkpoint: "
      "also of one that has ended; what was done since is looked at again, and done again where it "
      "does not hold.",
      "dunlin resume last\ndunlin resume 3 --detach\ndunlin resume 3 --path 'videos/*'\n"
      "dunlin resume 3 --from-checkpoint 7  # the disk has lost what was written since",
      [given](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(Json part, given->part->read());
        DUNLIN_ASSIGN(Json from, point_from(*given->from_batch, *given->from_checkpoint));
        if (!from.is_null() && (!part.empty() || *given->held || *given->wait || *given->take_over))
          return Error(ErrorType::invalid_input,
                       "--from-batch and --from-checkpoint go with --detach only");
        if (*given->held && !part.empty())
          return Error(ErrorType::invalid_input,
                       "--held lets go all that is held back, or name a part");
        if (*given->held) part["held"] = true;
        return resume(session, {*given->execution, std::move(part), std::move(from), *given->detach,
                                *given->take_over, *given->wait});
      });
  given->part = std::make_unique<PartFlags>(app);
  given->from_batch = add_text(app, "--from-batch", "N",
                               "trust nothing that was done from this batch on (`dunlin items "
                               "EXEC --batch N` shows what is in one)");
  given->from_checkpoint =
      add_text(app, "--from-checkpoint", "ID",
               "trust nothing that was done after this checkpoint (`dunlin checkpoints`)");
  given->held = add_flag(app, "--held", "also with all that is held back");
  given->wait = add_flag(app, "--wait",
                         "of one that has not begun: until what its plan depends on has completed");
  given->execution = add_execution(app);
  given->detach = add_detach(app);
  given->take_over =
      add_flag(app, "--take-over",
               "from an owner that cannot be reached (another container); `dunlin stop --now` ends "
               "one on this machine");
}

/// What --detach starts.
void add_owner(Verbs& verbs) {
  struct Owner {
    Text id, goal, selector;
    Flag wait;
  };
  auto owner = std::make_shared<Owner>();
  CLI::App& owner_app = verbs.add(
      "run-owner", "Owns one execution; started by --detach.", "", [owner](Session& session) {
        return run_owner(session, *owner->id, *owner->goal, *owner->selector, *owner->wait);
      });
  verbs.make_internal();
  owner->id = add_place(owner_app, "ID", "full id");
  owner->goal = add_text(owner_app, "--goal", "GOAL", "migrate, verify or roll_back");
  owner->selector = add_text(owner_app, "--select", "JSON", "what to reopen first");
  owner->wait = add_flag(owner_app, "--wait", "for what its plan depends on");
}

}  // namespace

Result<int> start_plan(Session& session, const engine::Plan& plan, bool detach, bool wait) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const bool waits, has_to_wait(*engine, plan, wait));
  const engine::Kind* const kind = session.kinds().find(plan.kind);
  if (kind != nullptr && !detach && !waits) kind->expect(plan);
  DUNLIN_ASSIGN(const ExecutionId id, engine->create(plan));
  if (plan.id.valid()) {
    DUNLIN_TRY(note_plan(*engine, plan.id, "executing", session.clock().wall_ms()));
  }
  if (detach) return hand_over(session, {id, "migrate", "", waits});
  if (waits) {
    DUNLIN_ASSIGN(const bool begins, wait_for_dependencies(session, id));
    if (!begins) return kPausedOrCancelled;
  }
  return own(session, {id, Goal::migrate, {}});
}

void add_roll_back(Verbs& verbs) {
  struct Given {
    Text execution;
    Flag detach;
    std::unique_ptr<UndoFlags> part;
  };
  auto given = std::make_shared<Given>();
  CLI::App& app =
      verbs.add("rollback",
                "Takes back what an execution did, or a part of it; leaves alone what others "
                "changed since. Said again, it tries what it left alone.",
                "dunlin rollback 3\ndunlin rollback last --yes\n"
                "dunlin rollback 3 --path 'photos/2019/*'\ndunlin rollback 3 --batch 12",
                [given](Session& session) -> Result<int> {
                  DUNLIN_ASSIGN(const Json part, given->part->read());
                  return roll_back(session, *given->execution, part, *given->detach);
                });
  given->execution = add_execution(app);
  given->detach = add_detach(app);
  given->part = std::make_unique<UndoFlags>(app);
}

void add_run_verbs(Verbs& verbs) {
  add_run(verbs);
  struct OnExecution {
    Text execution;
    Flag detach;
  };
  const auto verb = [&](std::string_view name, std::string_view summary, std::string_view examples,
                        Result<int> (*act)(Session&, const std::string&, bool)) {
    auto given = std::make_shared<OnExecution>();
    CLI::App& app = verbs.add(name, summary, examples, [given, act](Session& session) {
      return act(session, *given->execution, *given->detach);
    });
    given->execution = add_execution(app);
    given->detach = add_detach(app);
  };
  add_resume(verbs);
  verb("verify", "Compares again what an execution wrote.", "dunlin verify last", verify);
  add_roll_back(verbs);
  add_retry(verbs);
  add_owner(verbs);
}

}  // namespace dunlin::cli
