// doctor: is the state directory sound, and what can be made sound again.
//
// The ledgers are the truth. state.db is a cache of them: when it cannot be read, --repair puts it
// aside and builds a new one; plans that were never run and requests not yet read are lost then,
// and said to be.
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

class Findings {
 public:
  explicit Findings(Session& session) : session_(session) {}

  void good(const std::string& what) { say("ok", Colour::green, what); }
  void repaired(const std::string& what) { say("repaired", Colour::yellow, what); }
  void bad(const std::string& what) {
    ++problems_;
    say("problem", Colour::red, what);
  }
  [[nodiscard]] int problems() const { return problems_; }

 private:
  void say(std::string_view result, Colour colour, const std::string& what) {
    session_.event("check", {{"result", std::string(result)}, {"message", printable(what)}});
    session_.print(session_.out().paint(colour, fmt::format("{:<9}", result)) + printable(what) +
                   "\n");
  }

  Session& session_;
  int problems_ = 0;
};

/// state.db and its companions get another name; nothing is deleted.
Status put_aside(const std::string& state, std::int64_t now_ms, Findings& findings) {
  const std::string suffix = ".damaged-" + std::to_string(now_ms);
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) {
    const std::string path = state + "/" + name;
    if (::access(path.c_str(), F_OK) != 0) continue;
    if (std::rename(path.c_str(), (path + suffix).c_str()) != 0)
      return error_from_errno(errno, "rename '" + escape_bytes(path) + "'", true);
    findings.repaired(path + " cannot be used; it is now " + name + suffix);
  }
  return success();
}

Result<std::unique_ptr<store::StateDirectory>> open_state(Session& session, bool repair,
                                                          Findings& findings) {
  const std::string path = session.state_path();
  auto state = store::StateDirectory::open(path, session.clock());
  if (state.ok() || !repair || state.error().type != ErrorType::state_corrupt) return state;
  DUNLIN_TRY(put_aside(path, session.clock().wall_ms(), findings));
  findings.repaired("lost: plans that were never run, requests that no owner had seen yet");
  return store::StateDirectory::open(path, session.clock());
}

void check_execution(store::StateDirectory& state, const ExecutionId& id, Findings& findings) {
  const auto ledger = state.open_ledger(id, true);
  if (!ledger.ok()) {
    findings.bad(fmt::format("execution {}: {}", id.value, ledger.error().text()));
    return;
  }
  const auto row = (*ledger)->execution();
  const std::string name = row.ok() ? std::to_string(row->number) : id.value;
  if (const Status sound = (*ledger)->check(); !sound.ok()) {
    findings.bad(fmt::format("execution {}: {}", name, sound.error().text()));
    return;
  }
  const auto summary = state.store().execution(id);
  if (!summary.ok() || !row.ok() || summary->counters != row->counters ||
      summary->status != row->status) {
    const auto owned = state.owned(id);
    if (!owned.ok() || !*owned) {
      findings.bad(fmt::format("execution {}: its line in `ps` is not that of its ledger", name));
      return;
    }
  }
  findings.good("execution " + name);
}

Result<int> examine(Session& session, bool repair) {
  Findings findings(session);
  DUNLIN_ASSIGN(const auto state, open_state(session, repair, findings));
  findings.good("state directory " + state->path());
  if (repair) {
    DUNLIN_TRY(state->rebuild_summaries());
    DUNLIN_TRY(state->make_reserve());
    findings.good("every summary is that of its ledger");
  }
  DUNLIN_ASSIGN(const auto ids, state->ledgers_on_disk());
  for (const auto& id : ids) check_execution(*state, id, findings);
  DUNLIN_ASSIGN(const auto summaries, state->store().executions());
  for (const auto& summary : summaries)
    if (std::find(ids.begin(), ids.end(), summary.id) == ids.end())
      findings.bad(fmt::format("execution {}: its folder is gone", summary.number));
  if (findings.problems() == 0) return kDone;
  if (!repair) session.print("  try:  dunlin doctor --repair\n");
  return kItemsFailed;
}

}  // namespace

void add_doctor_verbs(Verbs& verbs) {
  auto repair = std::make_shared<Flag>();
  CLI::App& app =
      verbs.add("doctor", "Checks the state directory; --repair mends what can be mended.",
                "dunlin doctor\ndunlin doctor --repair",
                [repair](Session& session) { return examine(session, **repair); });
  *repair = add_flag(app, "--repair", "rebuild what is only a cache of the ledgers");
}

}  // namespace dunlin::cli
