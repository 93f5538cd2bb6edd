// See waiting.h.
//
// Threads: the caller looks every half second; SignalWatch has its own, which ends the wait.
#include "cli/waiting.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/signals.h"
#include "engine/dependencies.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

using engine::Dependency;

constexpr std::chrono::milliseconds kWaitEvery{500};

bool any_is_hopeless(const std::vector<Dependency>& dependencies) {
  return std::any_of(dependencies.begin(), dependencies.end(),
                     [](const Dependency& one) { return !one.met && !one.may_come; });
}

/// What is not met yet, in one line each.
std::string words_of(const std::vector<Dependency>& dependencies) {
  std::string text;
  for (const Dependency& one : dependencies)
    if (!one.met) text += fmt::format("  for {}: {}\n", one.name, one.state);
  return text;
}

class Waiting {
 public:
  Waiting(Session& session, engine::Engine& engine, ExecutionId id)
      : session_(session), engine_(engine), id_(std::move(id)) {}

  Result<bool> run() {
    SignalWatch signals;
    signals.start([this](int) { leave(); }, [this] { leave(); });
    auto met = look_until_met();
    signals.end();
    return met;
  }

 private:
  void leave() {
    {
      const std::lock_guard lock(mutex_);
      left_ = true;
    }
    changed_.notify_all();
  }

  /// True when somebody has ended the wait.
  bool pause() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kWaitEvery, [this] { return left_; });
  }

  Result<bool> look_until_met() {
    do {
      DUNLIN_ASSIGN(const auto ledger, engine_.open_ledger(id_));
      DUNLIN_ASSIGN(const store::ExecutionRow row, ledger->execution());
      number_ = std::to_string(row.number);
      if (row.status != store::ExecutionStatus::pending) {
        session_.print(fmt::format("execution {} does not wait any more: it is {}\n", number_,
                                   store::to_string(row.status)));
        return false;
      }
      DUNLIN_ASSIGN(const auto dependencies,
                    engine::dependencies_of(engine_.state(), row.depends_on, row.plan_id));
      Status met = engine::all_met(dependencies);
      if (met.ok()) return true;
      if (any_is_hopeless(dependencies)) {
        Error error = std::move(met).error();
        error.remediation += fmt::format(
            "; then `dunlin resume {} --wait` goes on, and `dunlin cancel {}` gives it up", number_,
            number_);
        return error;
      }
      say(dependencies);
    } while (!pause());
    session_.print(
        fmt::format("nothing was begun; go on with `dunlin resume {} --wait`, or give it up with "
                    "`dunlin cancel {}`\n",
                    number_, number_));
    return false;
  }

  /// Once, and again when something of it has changed.
  void say(const std::vector<Dependency>& dependencies) {
    const std::string words = words_of(dependencies);
    if (words == said_) return;
    said_ = words;
    Json for_what = Json::array();
    for (const Dependency& one : dependencies)
      if (!one.met) for_what.push_back({{"id", one.id}, {"name", one.name}, {"state", one.state}});
    session_.event("waiting", {{"execution_id", id_.value}, {"for", std::move(for_what)}});
    session_.print(fmt::format("execution {} waits; Ctrl-C ends the wait and loses nothing\n{}",
                               number_, words));
  }

  Session& session_;
  engine::Engine& engine_;
  const ExecutionId id_;
  std::string number_;
  std::string said_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool left_ = false;
};

}  // namespace

Result<bool> has_to_wait(engine::Engine& engine, const engine::Plan& plan, bool may_wait) {
  if (plan.settings.is_dry_run() || plan.settings.mode == engine::kTest) return false;
  DUNLIN_ASSIGN(const auto dependencies,
                engine::dependencies_of(engine.state(), plan.depends_on, plan.id));
  Status met = engine::all_met(dependencies);
  if (met.ok()) return false;
  if (may_wait && !any_is_hopeless(dependencies)) return true;
  Error error = std::move(met).error();
  if (!any_is_hopeless(dependencies)) error.remediation += "; --wait begins when it has";
  return error;
}

Result<bool> wait_for_dependencies(Session& session, const ExecutionId& id) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  return Waiting(session, *engine, id).run();
}

}  // namespace dunlin::cli
