// See remedy.h.
#include "cli/remedy.h"

#include <algorithm>

namespace dunlin::cli {

namespace {

using engine::Snapshot;
using store::ExecutionStatus;

constexpr std::string_view kAgain = "run the command again";

bool allows(const Snapshot& snapshot, std::string_view verb) {
  const auto& verbs = snapshot.allowed_verbs;
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

/// Each "`dunlin VERB …`" becomes `command`; empty: "run `dunlin VERB …`" becomes kAgain.
std::string replaced(std::string text, std::string_view verb, std::string_view command) {
  const std::string begin = "`dunlin " + std::string(verb) + " ";
  for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    std::size_t end = text.find('`', at + 1);
    end = end == std::string::npos ? text.size() : end + 1;
    if (command.empty()) {
      constexpr std::string_view kRun = "run ";
      if (at >= kRun.size() && text.compare(at - kRun.size(), kRun.size(), kRun) == 0)
        at -= kRun.size();
    }
    const std::string by = command.empty() ? std::string(kAgain) : std::string(command);
    text.replace(at, end - at, by);
    at += by.size();
  }
  return text;
}

std::string of_execution(const Error& error, const Snapshot& snapshot, const std::string& number) {
  const std::string text = error.remedy(number);
  if (snapshot.shown_status == ExecutionStatus::completed)
    return "nothing to do: the execution has gone on since";
  if (!snapshot.live && !allows(snapshot, "resume"))
    return replaced(replaced(text, "retry", ""), "resume", "");
  // Whoever wrote an advice of its own knew what has failed.
  return error.remediation.empty() ? replaced(text, "retry", "`dunlin resume " + number + "`")
                                   : text;
}

std::string of_item(const Error& error, const Snapshot& snapshot, const std::string& number) {
  const bool any = store::all_failed(snapshot.row.counters) > 0 || snapshot.live;
  const std::string text = error.remedy(number);
  if (allows(snapshot, "retry") && any)
    return replaced(text, "resume", "`dunlin retry " + number + "`");
  return replaced(replaced(replaced(text, "retry", ""), "skip", ""), "resume", "");
}

}  // namespace

Concern concern_of(const store::ErrorRow& row) {
  if (row.pass == store::Pass::undo) return Concern::left_alone;
  if (row.pass == store::Pass::verify) return Concern::difference;
  return row.item.valid() || row.batch.valid() ? Concern::failed_item : Concern::execution;
}

std::string remedy_for(const Error& error, Concern concern, const Snapshot& snapshot) {
  const std::string number = std::to_string(snapshot.row.number);
  switch (concern) {
    case Concern::execution:
      return of_execution(error, snapshot, number);
    case Concern::failed_item:
      return of_item(error, snapshot, number);
    case Concern::difference:
      return allows(snapshot, "verify") ? "mend what differs, then run `dunlin verify " + number +
                                              "`; test the device if it comes again"
                                        : "";
    case Concern::left_alone: {
      const bool going_on = allows(snapshot, "resume") || snapshot.live;
      if (!going_on && !allows(snapshot, "rollback")) return "";
      return "mend what the message says, then run `dunlin " +
             std::string(going_on ? "resume " : "rollback ") + number + "`";
    }
  }
  return "";
}

std::string remedy_for_command(const Error& error, const std::string& subject) {
  const std::string text = replaced(error.remedy(subject), "retry", "");
  return subject.empty() && error.remediation.empty() ? replaced(text, "resume", "") : text;
}

}  // namespace dunlin::cli
