// pause, cancel, stop, limits, priority, skip: verbs that reach the owner wherever it lives and
// return at once.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/plan_input.h"
#include "cli/screens.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/verb_families.h"
#include "engine/selector.h"

namespace dunlin::cli {

namespace {

using store::ExecutionStatus;

/// A verb takes effect within a second; a little longer is waited, to show the result
/// instead of a request.
constexpr std::int64_t kEffectWithin_ms = 3000;
constexpr std::chrono::milliseconds kAnswerEvery{20};

/// `part`: the verb was given for a part of the work, and has its effect when it is answered.
bool took_effect(const engine::Snapshot& snapshot, std::string_view verb, bool part) {
  if (part || verb == "skip" || verb == "limits" || verb == "priority") return true;
  if (verb == "pause" || verb == "stop") return !snapshot.live;
  return snapshot.shown_status == ExecutionStatus::cancelled;
}

/// What has become of a request, in words and as an event.
Result<int> show_effect(Session& session, const ExecutionId& id, std::string_view verb,
                        const engine::ControlAnswer& answer, bool part) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(auto snapshot, engine->snapshot(id));
  for (std::int64_t waited = 0; waited < kEffectWithin_ms && !took_effect(snapshot, verb, part);
       waited += kAnswerEvery.count()) {
    std::this_thread::sleep_for(kAnswerEvery);
    DUNLIN_ASSIGN(snapshot, engine->snapshot(id));
  }
  const bool effective = took_effect(snapshot, verb, part);
  const std::string message = printable(string_or(answer.body, "message", ""));
  session.event(verb, {{"execution_id", id.value},
                       {"accepted", true},
                       {"effective", effective},
                       {"status", std::string(store::to_string(snapshot.shown_status))},
                       {"message", message}});
  std::string text = fmt::format("execution {}: {}", snapshot.row.number,
                                 session.out().paint(colour_of(snapshot), status_words(snapshot)));
  if (!effective) text += fmt::format("; {} is requested", verb);
  const bool says_more =
      part || verb == "skip" || verb == "limits" || verb == "priority" || !effective;
  if (!message.empty() && says_more) text += " (" + message + ")";
  text += "\n";
  for (const auto& next : next_commands(snapshot))
    text += fmt::format("  {:<20}  {}\n", next.command, next.purpose);
  session.print(text);
  return kDone;
}

Result<int> control(Session& session, const std::string& text, const std::string& verb,
                    const Json& arguments) {
  DUNLIN_ASSIGN(const ExecutionId id, session.execution(text));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto answer, engine->control(id, verb, arguments, session.asker()));
  return show_effect(session, id, verb, answer, engine::names_part(arguments));
}

Result<int> stop_all(Session& session) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  // Not as `ps` lists them: that reads ledgers, and a process to be stopped may hold its own.
  DUNLIN_ASSIGN(const auto summaries, engine->state().store().executions());
  int stopped = 0;
  std::optional<Error> first_error;
  for (const auto& summary : summaries) {
    const auto live = engine->state().owned(summary.id);
    if (live.ok() && !*live) continue;
    if (!live.ok()) {
      if (!first_error) first_error = live.error();
      continue;
    }
    auto code = control(session, summary.id.value, "stop", Json::object());
    if (code.ok())
      ++stopped;
    else if (!first_error)
      first_error = std::move(code).error();
  }
  if (first_error) return *first_error;
  if (stopped == 0) session.print("nothing is running\n");
  return kDone;
}

Text add_execution(CLI::App& app) {
  return add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
}

void add_stop(Verbs& verbs) {
  struct Stop {
    Text execution;
    Flag now, all;
  };
  auto stop = std::make_shared<Stop>();
  CLI::App& app = verbs.add(
      "stop", "Emergency stop: the process ends within a second; `dunlin resume` goes on.",
      "dunlin stop --now 3\ndunlin stop --now --all", [stop](Session& session) -> Result<int> {
        if (!*stop->now) {
          Error error(ErrorType::invalid_input, "stop is for emergencies and asks for --now");
          error.remediation = "dunlin pause EXEC, or dunlin stop --now EXEC";
          return error;
        }
        if (*stop->all == !stop->execution->empty())
          return Error(ErrorType::invalid_input, "name one execution, or --all");
        if (*stop->all) return stop_all(session);
        return control(session, *stop->execution, "stop", Json::object());
      });
  stop->execution = std::make_shared<std::string>();
  app.add_option("EXEC", *stop->execution, "the execution")->type_name("");
  stop->now = add_flag(app, "--now", "required: work in flight is abandoned");
  stop->all = add_flag(app, "--all", "everything that runs from this state directory");
}

class LimitFlags {
 public:
  explicit LimitFlags(CLI::App& app)
      : io_(add_text(app, "--io", "RATE", "at most so many bytes a second: 200MB/s, 10MiB")),
        iops_(add_text(app, "--iops", "N", "at most so many operations a second")),
        cpu_(add_text(app, "--cpu", "PERCENT", "at most this share of the CPUs it may use")),
        memory_(add_text(app, "--memory", "SIZE", "at most so much memory, from 64MB")),
        concurrency_(add_text(app, "--concurrency", "N", "at most so many items at the same time")),
        batch_size_(
            add_text(app, "--batch-size", "N", "items of a batch that is made from now on")) {}

  /// Of rates, CPU and memory "none" and 0 take the limit away.
  [[nodiscard]] Result<Json> read() const {
    Json out = Json::object();
    if (!io_->empty()) {
      DUNLIN_ASSIGN(out["io"], *io_ == "none" ? Result<std::int64_t>(0) : parse_rate(*io_));
    }
    if (!memory_->empty()) {
      DUNLIN_ASSIGN(out["memory"], memory_megabytes(*memory_));
    }
    const auto number = [&out](const Text& text, const char* key, std::string_view flag) -> Status {
      if (text->empty()) return success();
      std::string digits = *text;
      if (flag == "--cpu" && digits.ends_with('%')) digits.pop_back();
      const bool none = digits == "none" || digits == "0";
      if (none && (flag == "--iops" || flag == "--cpu")) {
        out[key] = 0;
        return success();
      }
      DUNLIN_ASSIGN(out[key], whole_number(digits, flag));
      return success();
    };
    DUNLIN_TRY(number(iops_, "iops", "--iops"));
    DUNLIN_TRY(number(cpu_, "cpu", "--cpu"));
    DUNLIN_TRY(number(concurrency_, "concurrency", "--concurrency"));
    DUNLIN_TRY(number(batch_size_, "batch_size", "--batch-size"));
    if (out.empty()) {
      Error error(ErrorType::invalid_input, "limits takes at least one of them");
      error.remediation = "dunlin limits EXEC --io 200MB/s";
      return error;
    }
    return out;
  }

 private:
  Text io_, iops_, cpu_, memory_, concurrency_, batch_size_;
};

void add_limits(Verbs& verbs) {
  struct Limits {
    Text execution;
    std::unique_ptr<LimitFlags> flags;
  };
  auto limits = std::make_shared<Limits>();
  CLI::App& app = verbs.add(
      "limits",
      "Changes the limits of an execution: of a running one within a second, else from its start.",
      "dunlin limits last --io 200MB/s\ndunlin limits 3 --io none --concurrency 4\n"
      "dunlin limits 3 --cpu 50% --memory 200MB",
      [limits](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(const Json changes, limits->flags->read());
        return control(session, *limits->execution, "limits", changes);
      });
  limits->execution = add_execution(app);
  limits->flags = std::make_unique<LimitFlags>(app);
}

void add_priority(Verbs& verbs) {
  struct Priority {
    Text execution, name, batch, task;
    std::unique_ptr<PartFlags> part;
  };
  auto priority = std::make_shared<Priority>();
  CLI::App& app = verbs.add(
      "priority",
      "Says who is served first where executions use the same disks: each step is due twice as "
      "much as the one below it, and nobody starves. With a part of the work: what of it comes "
      "first; that moves whole batches, of what is listed and has not begun.",
      "dunlin priority last high\ndunlin priority 3 low\n"
      "dunlin priority 3 immediate --path 'photos/*'",
      [priority](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(Json arguments, priority->part->read());
        const int given = (arguments.empty() ? 0 : 1) + (priority->batch->empty() ? 0 : 1) +
                          (priority->task->empty() ? 0 : 1);
        if (given > 1)
          return Error(ErrorType::invalid_input,
                       "name a part by --batch, by --task, or by what its items are");
        if (!priority->batch->empty()) {
          DUNLIN_ASSIGN(arguments["batch"], whole_number(*priority->batch, "--batch"));
        }
        if (!priority->task->empty()) {
          DUNLIN_ASSIGN(arguments["task"], task_number(*priority->task));
        }
        arguments["priority"] = *priority->name;
        return control(session, *priority->execution, "priority", arguments);
      });
  priority->execution = add_execution(app);
  priority->name = add_place(app, "PRIORITY", "immediate, high, normal or low");
  priority->part = std::make_unique<PartFlags>(app);
  priority->batch = add_text(app, "--batch", "N", "this batch");
  priority->task = add_text(app, "--task", "UID", "all of this task, also what is listed later");
}

void add_pause(Verbs& verbs) {
  struct Pause {
    Text execution;
    std::unique_ptr<PartFlags> part;
  };
  auto pause = std::make_shared<Pause>();
  CLI::App& app = verbs.add(
      "pause",
      "Pauses an execution within a second; nothing is lost. With a part of the work: holds that "
      "part back, while all else goes on.",
      "dunlin pause last\ndunlin pause 3 --path 'videos/*'\ndunlin pause 3 --type symlink",
      [pause](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(const Json part, pause->part->read());
        return control(session, *pause->execution, "pause", part);
      });
  pause->execution = add_execution(app);
  pause->part = std::make_unique<PartFlags>(app);
}

}  // namespace

void add_control_verbs(Verbs& verbs) {
  const auto verb = [&](const std::string& name, std::string_view summary,
                        std::string_view examples) {
    auto execution = std::make_shared<Text>();
    CLI::App& app = verbs.add(name, summary, examples, [execution, name](Session& session) {
      return control(session, **execution, name, Json::object());
    });
    *execution = add_execution(app);
  };
  add_pause(verbs);
  verb("cancel", "Gives an execution up; what is done stays, what is half done is cleaned up.",
       "dunlin cancel 3");
  add_stop(verbs);
  add_limits(verbs);
  add_priority(verbs);

  struct Skip {
    Text execution;
    std::unique_ptr<SelectorFlags> selector;
  };
  auto skip = std::make_shared<Skip>();
  CLI::App& app = verbs.add(
      "skip", "Counts failed items as skipped: all, or those that every given flag means.",
      "dunlin skip 3 --item 17\ndunlin skip 3 --type permission_denied",
      [skip](Session& session) -> Result<int> {
        DUNLIN_ASSIGN(const Json selector, skip->selector->read());
        return control(session, *skip->execution, "skip", selector);
      });
  skip->execution = add_execution(app);
  skip->selector = std::make_unique<SelectorFlags>(app);
}

}  // namespace dunlin::cli
