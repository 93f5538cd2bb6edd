// explain, version, completion, reference: dunlin about itself.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/completion.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

Json type_json(const ErrorTypeInfo& type) {
  return Json{{"type", std::string(type.name)},
              {"category", std::string(to_string(type.category))},
              {"severity", std::string(to_string(type.severity))},
              {"retriable", type.retriable},
              {"user_action_required", type.user_action},
              {"scope", std::string(to_string(type.scope))},
              {"summary", std::string(type.summary)},
              {"remediation", std::string(type.remediation)}};
}

std::string_view handling_of(const ErrorTypeInfo& type) {
  switch (type.category) {
    case ErrorCategory::transient:
      return "tried again by itself, with growing waits";
    case ErrorCategory::validation:
      return "the item is left out, the others go on";
    case ErrorCategory::constraint:
      return "the item fails, the others go on";
    case ErrorCategory::system:
      return "the execution pauses; resume loses nothing";
    case ErrorCategory::fatal:
      return "stops at once";
  }
  return "";
}

Result<int> explain(Session& session, const std::string& name, bool list) {
  if (list || name.empty()) {
    Table table({{"TYPE", Align::left, false},
                 {"CATEGORY", Align::left, false},
                 {"MEANING", Align::left, true}});
    Json out = Json::array();
    for (const auto& type : all_error_types()) {
      table.add({std::string(type.name), std::string(to_string(type.category)),
                 std::string(type.summary)});
      out.push_back(type_json(type));
    }
    if (session.options().json)
      session.emit(out);
    else
      session.result(table.text(session.out().width(), session.out().charset()));
    return kDone;
  }
  const auto type = error_type_from_name(name);
  if (!type) {
    DUNLIN_TRY(error_type_name(name));  // says which is near
    return Error(
        ErrorType::invalid_input,
        fmt::format("'{}' is a category, not a type; `dunlin explain --list` shows both", name));
  }
  const ErrorTypeInfo& about = info(*type);
  if (session.options().json) {
    session.emit(type_json(about));
    return kDone;
  }
  std::string remedy(about.remediation);
  for (auto at = remedy.find("%E"); at != std::string::npos; at = remedy.find("%E"))
    remedy.replace(at, 2, "EXEC");
  session.result(
      fmt::format("{}: {}\n  category  {}, {}\n  handling  {}\n  concerns  {}\n  try       {}\n",
                  about.name, about.summary, to_string(about.category), to_string(about.severity),
                  handling_of(about), to_string(about.scope), remedy));
  return kDone;
}

}  // namespace

void add_about_verbs(Verbs& verbs) {
  struct Explain {
    Text type = std::make_shared<std::string>();
    Flag list;
  };
  auto given = std::make_shared<Explain>();
  CLI::App& app =
      verbs.add("explain", "Explains a type of error and what to do about it.",
                "dunlin explain disk_full\ndunlin explain --list",
                [given](Session& session) { return explain(session, *given->type, *given->list); });
  app.add_option("TYPE", *given->type, "as `dunlin errors` shows it")->type_name("");
  given->list = add_flag(app, "--list", "every type");

  verbs.add("version", "Prints the version.", "dunlin version",
            [](Session& session) -> Result<int> {
              if (session.options().json)
                session.emit({{"version", session.version()}});
              else
                session.result(fmt::format("dunlin {}\n", session.version()));
              return kDone;
            });

  CLI::App& completion = verbs.group("completion", "Prints a completion script for a shell.");
  const auto shell = [&](std::string_view name, std::string_view examples,
                         std::string (*make)(const Verbs&)) {
    verbs.add(completion, name, fmt::format("Prints the completion script for {}.", name), examples,
              [&verbs, make](Session& session) -> Result<int> {
                session.result(make(verbs));
                return kDone;
              });
  };
  shell("bash", "source <(dunlin completion bash)", bash_completion);
  shell("zsh", "source <(dunlin completion zsh)   # in ~/.zshrc, behind compinit", zsh_completion);
  shell("fish", "dunlin completion fish > ~/.config/fish/completions/dunlin.fish", fish_completion);

  verbs.add("man", "Prints the manual page.",
            "dunlin man | man -l -\n"
            "dunlin man > ~/.local/share/man/man1/dunlin.1   # from then on: man dunlin",
            [&verbs](Session& session) -> Result<int> {
              session.result(manual_page(verbs, session.version()));
              if (session.out().is_terminal())
                session.err().write("this is its source; to read it: dunlin man | man -l -\n");
              return kDone;
            });

  verbs.add("reference", "Prints docs/cli.md.", "", [&verbs](Session& session) -> Result<int> {
    session.result(reference_markdown(verbs));
    return kDone;
  });
  verbs.make_internal();
}

}  // namespace dunlin::cli
