// See completion.h.
#include "cli/completion.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
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

bool has_place(const CLI::App& app, std::string_view name) {
  const auto options = app.get_options();
  return std::any_of(options.begin(), options.end(), [name](const CLI::Option* option) {
    return option->get_positional() && option->get_name(true, false) == name;
  });
}

/// Words that the value of a flag may be; those of other flags are names of files, or anybody's.
struct Values {
  std::string_view flag;
  std::string_view words;
};
constexpr Values kValues[] = {
    {"--verify", "none basic full"},
    {"--preflight", "auto complete streaming"},
    {"--conflict",
     "skip overwrite overwrite_if_newer overwrite_if_different rename keep_both fail ask"},
    {"--hash", "md5 sha256 xxh3"},
    {"--preserve",
     "times mode owner xattr acl flags links holes no-times no-mode no-owner no-xattr no-acl "
     "no-flags no-links no-holes"},
    {"--special-files", "copy skip"},
    {"--follow-symlinks", "never in_tree always"},
    {"--reflink", "auto always never"},
    {"--file-types", "image video audio document archive code other"},
    {"--transaction-mode", "per-batch single"},
    {"--format", "text json html"},
    {"--role", "viewer operator admin"},
    {"--log-level", "debug info warn error off"},
};
constexpr std::string_view kItemStatuses = "pending executing completed failed skipped rolled_back";
constexpr std::string_view kStatuses =
    "pending running paused completed failed cancelled rolling_back rolled_back";

std::string error_types() {
  std::vector<std::string> out;
  for (const auto& type : all_error_types()) out.emplace_back(type.name);
  return joined(out);
}

std::string values_of(const std::string& flag, const std::string& path) {
  if (flag == "--format" && path == "audit export") return "jsonl csv";
  if (flag == "--status") return std::string(path == "items" ? kItemStatuses : kStatuses);
  if (flag == "--type") return error_types() + " transient validation constraint system fatal";
  for (const Values& values : kValues)
    if (values.flag == flag) return std::string(values.words);
  return "";
}

/// Flags that have a value, with the words that it may be (none: files, or anything).
std::vector<std::pair<std::string, std::string>> flags_with_values(const CLI::App& app,
                                                                   const std::string& path) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty() || option->get_type_name().empty()) continue;
    for (const auto& name : option->get_lnames())
      out.emplace_back("--" + name, values_of("--" + name, path));
  }
  return out;
}

/// What may follow the verb at `path`: verbs below it or words for its place, its flags, and what
/// stands behind those flags.
std::string case_of(const Verbs& verbs, const CLI::App& app, const std::string& path) {
  std::string words = joined(verbs.words_after(app));
  if (has_place(app, "TYPE")) words = error_types();
  std::string out =
      fmt::format("    '{}') words='{}' flags='{}'", path, words, joined(flags_of(app)));
  if (has_place(app, "EXEC")) out += " executions=yes";
  std::string behind;
  for (const auto& [flag, values] : flags_with_values(app, path))
    behind += fmt::format(" {}) value=yes words='{}' ;;", flag, values);
  if (!behind.empty()) out += fmt::format("\n      case \"$before\" in{} esac", behind);
  return out + " ;;\n";
}

}  // namespace

std::string bash_completion(const Verbs& verbs) {
  std::string cases = fmt::format("    '') words='{}' flags='--help' ;;\n",
                                  joined(verbs.words_after(verbs.root())));
  std::string groups;
  for (const auto& verb : verbs.all()) {
    if (verb.internal) continue;
    cases += case_of(verbs, *verb.app, verb.path);
    if (!verb.action) groups += (groups.empty() ? "" : "|") + verb.path;
  }
  // A flag is offered where a '-' has been typed, else what stands in its place; where nothing is
  // known, files (-o default).
  return fmt::format(R"sh(# bash completion of dunlin: source it, or write it to
# /usr/share/bash-completion/completions/dunlin
_dunlin() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
  local path='' word words='' flags='' executions='' value='' i
  if [ "$current" = '=' ]; then current=''; elif [ "$before" = '=' ]; then before="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    case "$word" in -*) continue ;; esac
    if [ -z "$path" ]; then path="$word"; continue; fi
    case "$path" in {groups}) path="$path $word" ;; esac
    break
  done
  case "$path" in
{cases}  esac
  if [ -z "$value" ]; then
    case "$current" in -*) words="$flags" executions='' ;; esac
    if [ -n "$executions" ]; then
      words="last $(dunlin ps --json 2>/dev/null | grep -o '"number":[0-9]*' | cut -d: -f2 | tr '\n' ' ')"
    fi
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
      const std::string& flag = option->get_lnames().front();
      const std::string values = values_of("--" + flag, verb.path);
      out += fmt::format("complete -c dunlin -n '__fish_seen_subcommand_from {}' -l {}{}{} -d {}\n",
                         name, flag, option->get_type_name().empty() ? "" : " -r",
                         values.empty() ? "" : " -f -a " + shell_quote(values),
                         shell_quote(option->get_description()));
    }
  }
  return out;
}

}  // namespace dunlin::cli
