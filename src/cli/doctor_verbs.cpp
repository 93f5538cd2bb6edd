// doctor: is the state directory sound, and what can be made sound again.
//
// The ledgers are the truth; summaries in state.db are a cache of them that --repair rewrites.
#include <algorithm>
#include <filesystem>

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
  void note(const std::string& what) { say("note", Colour::yellow, what); }
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

/// A state.db that could not be read was put aside when the directory was opened, and a new one
/// made from the ledgers; what only the old one held is lost, and has to be said.
void name_damaged(const std::string& state, Findings& findings) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(state, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("state.db.corrupt-") && !name.ends_with("-wal"))
      findings.note(
          "a damaged state.db was put aside as " + name +
          "; lost with it: plans that were never run, requests not yet seen, operators and "
          "their tokens");
  }
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
  DUNLIN_ASSIGN(const auto state,
                store::StateDirectory::open(session.state_path(), session.clock()));
  DUNLIN_TRY(session.authorize(*state, repair ? "doctor --repair" : "doctor"));
  findings.good("state directory " + state->path());
  name_damaged(state->path(), findings);
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
  *repair = add_flag(app, "--repair",
                     "rebuild what is only a cache of the ledgers; takes the role admin");
}

}  // namespace dunlin::cli
