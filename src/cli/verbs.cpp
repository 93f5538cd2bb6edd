// See verbs.h.
#include "cli/verbs.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::cli {

namespace {

std::string command_of(const Verbs& verbs, const CLI::App& app) {
  const Verb* verb = verbs.find(&app);
  return verb == nullptr ? "dunlin" : "dunlin " + verb->path;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out = {"--help"};
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

/// What people type who come from other tools, where it is spelled quite otherwise.
struct Habit {
  std::string_view word;
  std::string_view verb;
};
constexpr Habit kHabits[] = {
    {"cp", "copy"},
    {"rsync", "copy"},
    {"sync", "copy"},
    {"mv", "move"},
    {"ls", "ps"},
    {"list", "ps"},
    {"jobs", "ps"},
    {"history", "ps"},
    {"undo", "rollback"},
    {"revert", "rollback"},
    {"continue", "resume"},
    {"start", "resume"},
    {"abort", "cancel"},
    {"kill", "stop"},
    {"halt", "stop"},
    {"check", "verify"},
    {"log", "report"},
    {"logs", "report"},
    {"show", "status"},
    {"info", "status"},
    {"progress", "watch"},
    {"tail", "watch"},
    {"limit", "limits"},
    {"failures", "errors"},
    {"checksums", "manifest"},
    {"import", "load"},
    {"up", "migrate"},
};

/// The word meant at the top of the tree; elsewhere, and for other words, the nearest in letters.
std::optional<std::string> meant(const std::string& word, const std::vector<std::string>& words,
                                 bool at_top) {
  for (const Habit& habit : kHabits) {
    if (at_top && habit.word == word &&
        std::find(words.begin(), words.end(), habit.verb) != words.end())
      return std::string(habit.verb);
  }
  return nearest_word(word, words);
}

Error unknown_word(const Verbs& verbs, const CLI::App& app, const std::string& word) {
  const auto words = verbs.words_after(app);
  const Verb* verb = verbs.find(&app);
  const auto near = meant(word, words, verb == nullptr);
  Error error(ErrorType::invalid_input,
              verb == nullptr ? fmt::format("unknown verb '{}'", escape_bytes(word))
                              : fmt::format("unknown word '{}' after '{}'", escape_bytes(word),
                                            command_of(verbs, app)));
  if (near) error.message += fmt::format("; did you mean '{}'?", *near);
  error.remediation = near ? fmt::format("{} {} --help", command_of(verbs, app), *near)
                           : command_of(verbs, app) + " --help";
  return error;
}

Error unexpected(const Verbs& verbs, const CLI::App& app, const std::string& word) {
  Error error(ErrorType::invalid_input, "");
  error.remediation = command_of(verbs, app) + " --help";
  if (!word.starts_with('-') || word == "-") {
    error.message = fmt::format("'{}' is one word too many for '{}'", escape_bytes(word),
                                command_of(verbs, app));
    return error;
  }
  const std::string name = word.substr(0, word.find('='));
  const auto near = nearest_word(name, flags_of(app));
  error.message =
      fmt::format("'{}' has no flag '{}'{}", command_of(verbs, app), escape_bytes(name),
                  near && *near != name ? fmt::format("; did you mean '{}'?", *near) : "");
  return error;
}

/// Places ("SRC") of the verb that no word was given for.
std::vector<std::string> missing_places(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* option : app.get_options())
    if (option->get_positional() && option->get_required() && option->count() == 0)
      out.push_back(option->get_name(true, false));
  for (std::string& name : out) {
    if (name.ends_with("…")) name.resize(name.size() - std::string_view("…").size());
  }
  return out;
}

}  // namespace

Verbs::Verbs(GlobalOptions& global) : global_(global), root_("", "dunlin") {
  root_.set_help_flag("-h,--help", "what can be typed here");
  add_global_flags(root_);
}

void Verbs::add_global_flags(CLI::App& app) {
  const auto mine = [](CLI::Option* option) { option->group(kGlobalGroup); };
  mine(app.add_option("--state", global_.state,
                      "state directory (default: $DUNLIN_STATE, else "
                      "dunlin in the user's state folder)")
           ->type_name("DIR"));
  mine(app.add_option("--config", global_.config, "file of defaults (docs/settings.md)")
           ->type_name("FILE"));
  mine(app.add_option("--audit-key-file", global_.audit_key_file,
                      "the key that seals the audit log (default: $DUNLIN_AUDIT_KEY_FILE, else "
                      "dunlin/audit.key in the user's configuration folder)")
           ->type_name("FILE"));
  mine(app.add_option("--as-token", global_.as_token,
                      "act as the operator whose token this is: env:NAME or file:PATH (default: "
                      "$DUNLIN_TOKEN, else whoever has your user id)")
           ->type_name("REF"));
  mine(app.add_flag("--json", global_.json, "machine-readable output on standard output"));
  mine(app.add_flag("-q,--quiet", global_.quiet, "errors only"));
  mine(app.add_flag("--no-progress", global_.no_progress, "no progress display"));
  mine(app.add_option("--log-level", global_.log_level, "debug, info, warn, error, off")
           ->type_name("LEVEL"));
  mine(app.add_flag("-y,--yes", global_.yes, "ask nothing"));
}

CLI::App& Verbs::group(std::string_view name, std::string_view summary) {
  CLI::App* app = root_.add_subcommand(std::string(name), std::string(summary));
  verbs_.push_back({app, std::string(name), "", false, {}});
  return *app;
}

CLI::App& Verbs::add(CLI::App& parent, std::string_view name, std::string_view summary,
                     std::string_view examples, Action action) {
  CLI::App* app = parent.add_subcommand(std::string(name), std::string(summary));
  // The parent's flags are repeated instead of falling through: with fallthrough a file named like
  // a verb ("dunlin copy status /mnt") would be taken for that verb.
  app->fallthrough(false);
  add_global_flags(*app);
  const Verb* above = find(&parent);
  const std::string path = (above == nullptr ? "" : above->path + " ") + std::string(name);
  verbs_.push_back({app, path, std::string(examples), false, std::move(action)});
  return *app;
}

const Verb* Verbs::find(const CLI::App* app) const {
  const auto it = std::find_if(verbs_.begin(), verbs_.end(),
                               [app](const Verb& verb) { return verb.app == app; });
  return it == verbs_.end() ? nullptr : &*it;
}

CLI::App& Verbs::parsed() {
  CLI::App* app = &root_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

std::vector<std::string> Verbs::words_after(const CLI::App& app) const {
  std::vector<std::string> out;
  for (const auto& verb : verbs_)
    if (verb.app->get_parent() == &app && !verb.internal) out.push_back(verb.app->get_name());
  return out;
}

Text add_text(CLI::App& app, const std::string& names, const std::string& value_name,
              const std::string& help) {
  auto value = std::make_shared<std::string>();
  app.add_option(names, *value, help)->type_name(value_name);
  return value;
}

Texts add_texts(CLI::App& app, const std::string& names, const std::string& value_name,
                const std::string& help) {
  auto value = std::make_shared<std::vector<std::string>>();
  app.add_option(names, *value, help)->type_name(value_name)->allow_extra_args(false);
  return value;
}

Texts add_optional(CLI::App& app, const std::string& names, const std::string& value_name,
                   const std::string& alone, const std::string& help) {
  auto value = std::make_shared<std::vector<std::string>>();
  app.add_flag(names + "{" + alone + "}", *value, help)->type_name(value_name);
  return value;
}

Flag add_flag(CLI::App& app, const std::string& names, const std::string& help) {
  auto value = std::make_shared<bool>(false);
  app.add_flag(names, *value, help);
  return value;
}

Text add_place(CLI::App& app, const std::string& name, const std::string& help) {
  auto value = std::make_shared<std::string>();
  app.add_option(name, *value, help)->required()->type_name("");
  return value;
}

Texts add_optional_place(CLI::App& app, const std::string& name, const std::string& help) {
  auto values = std::make_shared<std::vector<std::string>>();
  app.add_option(name, *values, help)->expected(0, 1)->type_name("");
  return values;
}

Texts add_more_places(CLI::App& app) {
  auto values = std::make_shared<std::vector<std::string>>();
  app.add_option("MORE", *values, "")->type_name("")->group("");
  return values;
}

Error usage_error(Verbs& verbs, const CLI::ParseError& error) {
  CLI::App& app = verbs.parsed();
  const auto extra = app.remaining(false);
  const bool leads_on = !verbs.words_after(app).empty();
  if (!extra.empty()) {
    const auto word = std::find_if(extra.begin(), extra.end(),
                                   [](const std::string& w) { return !w.starts_with('-'); });
    if (leads_on && word != extra.end()) return unknown_word(verbs, app, *word);
    return unexpected(verbs, app, extra.front());
  }
  Error out(ErrorType::invalid_input, error.what());
  const auto missing = missing_places(app);
  if (!missing.empty())
    out.message = fmt::format("{} {} missing after '{}'", fmt::join(missing, " and "),
                              missing.size() > 1 ? "are" : "is", command_of(verbs, app));
  // CLI11: "--state: 1 required DIR missing"
  if (const auto at = out.message.find(": 1 required "); at != std::string::npos)
    out.message = out.message.substr(0, at) + " needs a value";
  out.message = printable(out.message);
  out.remediation = command_of(verbs, app) + " --help";
  if (missing == std::vector<std::string>{"EXEC"})
    out.remediation = command_of(verbs, app) + " last, or a number that `dunlin ps` shows";
  return out;
}

}  // namespace dunlin::cli
