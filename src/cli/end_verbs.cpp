// accept, delete: what is given up for good once an execution has ended.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

/// True when nothing has to be given up, or a person agrees.
bool may_give_up(Session& session, const engine::Snapshot& snapshot) {
  return session.confirm(
      fmt::format("give up what execution {} ({}) keeps for its rollback? it cannot be taken back "
                  "then",
                  snapshot.row.number, printable(snapshot.row.description)));
}

void tell(Session& session, std::string_view verb, const engine::Snapshot& snapshot,
          std::string_view message) {
  session.event(verb, {{"execution_id", snapshot.row.id.value}, {"message", message}});
  session.print(fmt::format("execution {}: {}\n", snapshot.row.number, message));
}

Result<int> accept(Session& session, const std::string& text) {
  DUNLIN_ASSIGN(const engine::Snapshot snapshot, session.snapshot(text));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  if (snapshot.undo == engine::Undo::kept && !may_give_up(session, snapshot))
    return kPausedOrCancelled;
  DUNLIN_TRY(engine->accept(snapshot.row.id, session.actor()));
  tell(session, "accept", snapshot, "accepted: nothing is kept for a rollback any more");
  session.expire();
  return kDone;
}

Result<int> remove(Session& session, const std::string& text) {
  DUNLIN_ASSIGN(const engine::Snapshot snapshot, session.snapshot(text));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const bool agreed = session.confirm(
      fmt::format("delete the record of execution {} ({}): its items, errors, proofs, audit?",
                  snapshot.row.number, printable(snapshot.row.description)));
  if (!agreed) return kPausedOrCancelled;
  DUNLIN_TRY(engine->remove(snapshot.row.id));
  tell(session, "delete", snapshot, "its record is deleted");
  session.expire();
  return kDone;
}

}  // namespace

void add_end_verbs(Verbs& verbs) {
  const auto verb = [&](const std::string& name, std::string_view summary,
                        std::string_view examples,
                        Result<int> (*act)(Session&, const std::string&)) {
    auto execution = std::make_shared<Text>();
    CLI::App& app = verbs.add(name, summary, examples, [execution, act](Session& session) {
      return act(session, **execution);
    });
    *execution =
        add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
  };
  verb("accept",
       "Gives up what an ended execution keeps for its rollback, and frees the room that it takes "
       "at the destination.",
       "dunlin accept last\ndunlin accept 3 --yes", accept);
  verb("delete",
       "Removes the record of an ended execution: its items, errors, proofs and audit. What it "
       "keeps for a rollback has to be given up before (`dunlin accept`).",
       "dunlin delete 3\ndunlin delete 3 --yes", remove);
}

}  // namespace dunlin::cli
