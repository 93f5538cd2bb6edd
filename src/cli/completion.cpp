// See completion.h.
#include "cli/completion.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::cli {

namespace {

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out = {"--help"};
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames())
      if (name != "help") out.push_back("--" + name);
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

bool takes_execution(const CLI::App& app) {
  const auto options = app.get_options();
  return std::any_of(options.begin(), options.end(), [](const CLI::Option* option) {
    return option->get_positional() && option->get_name(true, false) == "EXEC";
  });
}

/// Words that fit after the verb at `path`: verbs below it, flags, numbers of executions.
std::string case_of(const Verbs& verbs, const CLI::App& app, const std::string& path) {
  std::vector<std::string> words = verbs.words_after(app);
  const auto flags = flags_of(app);
  words.insert(words.end(), flags.begin(), flags.end());
  std::string out = fmt::format("    '{}') words='{}'", path, joined(words));
  if (takes_execution(app)) out += "; executions=yes";
  return out + " ;;\n";
}

}  // namespace

std::string bash_completion(const Verbs& verbs) {
  std::string cases =
      fmt::format("    '') words='{} --help' ;;\n", joined(verbs.words_after(verbs.root())));
  std::string groups;
  for (const auto& verb : verbs.all()) {
    if (verb.internal) continue;
    cases += case_of(verbs, *verb.app, verb.path);
    if (!verb.action) groups += (groups.empty() ? "" : "|") + verb.path;
  }
  return fmt::format(R"sh(# bash completion of dunlin: source it, or write it to
# /usr/share/bash-completion/completions/dunlin
_dunlin() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path='' word words='' executions='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    case "$word" in -*) continue ;; esac
    if [ -z "$path" ]; then path="$word"; continue; fi
    case "$path" in {groups}) path="$path $word" ;; esac
    break
  done
  case "$path" in
{cases}  esac
  if [ -n "$executions" ]; then
    words="$words last $(dunlin ps --json 2>/dev/null | grep -o '"number":[0-9]*' | cut -d: -f2 | tr '\n' ' ')"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -o bashdefault -F _dunlin dunlin
)sh",
                     fmt::arg("groups", groups), fmt::arg("cases", cases));
}

std::string zsh_completion(const Verbs& verbs) {
  return "#compdef dunlin\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(verbs);
}

std::string fish_completion(const Verbs& verbs) {
  std::string out = "# fish completion of dunlin\n";
  for (const auto& verb : verbs.all()) {
    if (verb.internal) continue;
    const auto space = verb.path.find(' ');
    const std::string name = verb.app->get_name();
    const std::string condition = space == std::string::npos
                                      ? "__fish_use_subcommand"
                                      : "__fish_seen_subcommand_from " + verb.path.substr(0, space);
    out += fmt::format("complete -c dunlin -f -n '{}' -a {} -d {}\n", condition, name,
                       shell_quote(verb.app->get_description()));
    if (!verb.action) continue;
    for (const auto* option : verb.app->get_options()) {
      if (option->get_group().empty() || option->get_lnames().empty()) continue;
      out +=
          fmt::format("complete -c dunlin -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", name,
                      option->get_lnames().front(), shell_quote(option->get_description()));
    }
  }
  return out;
}

}  // namespace dunlin::cli
