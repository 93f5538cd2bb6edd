// See help.h.
#include "cli/help.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "cli/text_layout.h"
#include "engine/roles.h"

namespace dunlin::cli {

namespace {

constexpr std::size_t kDefaultWidth = 100;
constexpr std::size_t kWidestName = 28;

struct Entry {
  std::string name;
  std::string help;
};

std::string entries_text(const std::vector<Entry>& entries, std::size_t width) {
  std::size_t widest = 0;
  for (const auto& entry : entries)
    if (const auto columns = display_width(entry.name); columns <= kWidestName)
      widest = std::max(widest, columns);
  const std::size_t column = widest + 4;
  const std::size_t room = width > column + 20 ? width - column : 20;
  std::string out;
  for (const auto& entry : entries) {
    std::string lead = "  " + pad_right(entry.name, widest) + "  ";
    if (display_width(entry.name) > widest) {
      out += lead.substr(0, lead.find_last_not_of(' ') + 1) + "\n";
      lead = std::string(column, ' ');
    }
    for (const auto& line : wrap(entry.help, room)) {
      out +=
          line.empty() ? lead.substr(0, lead.find_last_not_of(' ') + 1) + "\n" : lead + line + "\n";
      lead = std::string(column, ' ');
    }
  }
  return out;
}

/// "-n, --dry-run", "--batch-size N".
std::string names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  std::string out = fmt::format("{}", fmt::join(names, ", "));
  const std::string value = option.get_type_name();
  if (value.starts_with('[')) return out + value;
  if (option.get_type_size() != 0 && !value.empty()) out += " " + value;
  return out;
}

std::string usage_of(const Verbs& verbs, const CLI::App& app) {
  const Verb* verb = verbs.find(&app);
  std::string out = "dunlin" + (verb == nullptr ? "" : " " + verb->path);
  if (!verbs.words_after(app).empty()) return out + " VERB …";
  for (const auto* option : app.get_options())
    if (option->get_positional() && !option->get_group().empty())
      out += option->get_required() ? " " + option->get_name(true, false)
                                    : " [" + option->get_name(true, false) + "]";
  return out + " [FLAGS]";
}

std::vector<Entry> options_of(const CLI::App& app, bool positional, bool global) {
  std::vector<Entry> out;
  for (const auto* option : app.get_options()) {
    if (option->get_positional() != positional || option->get_group().empty()) continue;
    if ((option->get_group() == kGlobalGroup) != global) continue;
    if (option == app.get_help_ptr()) continue;
    out.push_back({positional ? option->get_name(true, false) : names_of(*option),
                   option->get_description()});
  }
  return out;
}

std::vector<Entry> verbs_below(const Verbs& verbs, const CLI::App& app) {
  std::vector<Entry> out;
  for (const auto& verb : verbs.all())
    if (verb.app->get_parent() == &app && !verb.internal)
      out.push_back({verb.app->get_name(), verb.app->get_description()});
  return out;
}

/// As in docs/command-line.md and the contract.
constexpr std::pair<int, std::string_view> kExitCodes[] = {
    {0, "done"},
    {1, "finished, but some items failed"},
    {2, "usage, invalid plan or invalid input"},
    {3, "refused before anything was changed"},
    {4, "paused or cancelled"},
    {5, "a lock is held, or another execution writes the same destination"},
    {6, "verification found differences"},
    {7, "fatal at source or destination (authentication, schema mismatch)"},
    {70, "a defect in the program"},
};

/// What the verbs of the first level are for; what stands nowhere comes last.
struct Family {
  std::string_view title;
  std::vector<std::string_view> verbs;
};
const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"Begin", {"copy", "move", "load", "migrate", "run", "plan"}},
      {"Look", {"ps", "status", "watch", "errors", "items", "tasks", "checkpoints", "report"}},
      {"Control", {"pause", "resume", "cancel", "stop", "limits", "priority", "retry", "skip"}},
      {"Prove and take back",
       {"verify", "manifest", "audit", "lineage", "rollback", "accept", "delete"}},
  };
  return all;
}

/// Verbs by family, each under its title.
std::string families_text(const Verbs& verbs, std::size_t width) {
  std::vector<Entry> left = verbs_below(verbs, verbs.root());
  std::size_t widest = 0;
  for (const Entry& entry : left) widest = std::max(widest, entry.name.size());
  for (Entry& entry : left) entry.name = pad_right(entry.name, widest);  // one column for all
  const auto name_of = [](const Entry& entry) {
    return entry.name.substr(0, entry.name.find(' '));
  };
  std::string out;
  for (const Family& family : families()) {
    std::vector<Entry> mine;
    for (const std::string_view name : family.verbs)
      for (const Entry& entry : left)
        if (name_of(entry) == name) mine.push_back(entry);
    std::erase_if(left, [&](const Entry& entry) {
      return std::find(family.verbs.begin(), family.verbs.end(), name_of(entry)) !=
             family.verbs.end();
    });
    out += fmt::format("\n{}:\n{}", family.title, entries_text(mine, width));
  }
  return out + "\nOther:\n" + entries_text(left, width);
}

std::string indented(const std::string& lines) {
  std::string out;
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);) out += "  " + line + "\n";
  return out;
}

/// Empty for what touches no state.
std::string role_sentence(const Verb* verb) {
  if (verb == nullptr || !verb->action) return "";
  const store::Role role = engine::role_for(verb->path);
  if (role == store::Role::nobody) return "";
  return fmt::format("Role: {}, where there are operators (`dunlin user`).",
                     store::to_string(role));
}

constexpr std::string_view kRootExamples =
    "dunlin copy /data/photos /mnt/backup\n"
    "dunlin ps\n"
    "dunlin status last\n"
    "dunlin pause 3\n"
    "dunlin resume 3";

}  // namespace

std::string help_text(const Verbs& verbs, const CLI::App& app, std::size_t width) {
  if (width == 0 || width > kDefaultWidth) width = kDefaultWidth;
  const Verb* verb = verbs.find(&app);
  std::string out = "usage: " + usage_of(verbs, app) + "\n\n";
  const std::string summary = verb == nullptr
                                  ? "Moves files, objects, rows and schemas; can be stopped at any "
                                    "moment and goes on where it was."
                                  : app.get_description();
  for (const auto& line : wrap(summary, width)) out += line + "\n";
  if (const std::string role = role_sentence(verb); !role.empty()) out += "\n" + role + "\n";
  const auto section = [&](std::string_view title, const std::string& body) {
    if (!body.empty()) out += fmt::format("\n{}:\n{}", title, body);
  };
  if (verb == nullptr)
    out += families_text(verbs, width);
  else
    section("Verbs", entries_text(verbs_below(verbs, app), width));
  section("Arguments", entries_text(options_of(app, true, false), width));
  section("Flags", entries_text(options_of(app, false, false), width));
  section("Flags of every verb", entries_text(options_of(app, false, true), width));
  const std::string examples = verb == nullptr ? std::string(kRootExamples) : verb->examples;
  section("Examples", indented(examples));
  if (verb == nullptr || !verb->action)
    out += fmt::format("\n`{} VERB --help` says more about one verb.\n",
                       verb == nullptr ? "dunlin" : "dunlin " + verb->path);
  return out;
}

namespace {

/// As a text line of roff: no letter of it is a request, a hyphen stays one that can be typed.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\xE2' || c == '\x80')
      continue;  // of an ellipsis, whose last byte stands for it: not every roff reads UTF-8
    else if (c == '\xA6')
      out += "...";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string roff_entries(const std::vector<Entry>& entries) {
  std::string out;
  for (const auto& entry : entries)
    out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(entry.name), roff(entry.help));
  return out;
}

std::string roff_examples(const std::string& examples) {
  std::string out = ".PP\n.RS 4\n.nf\n";
  std::istringstream lines(examples);
  for (std::string line; std::getline(lines, line);) out += roff(line) + "\n";
  return out + ".fi\n.RE\n";
}

constexpr std::string_view kManualEnd = R"(.SH ENVIRONMENT
.TP
\fBDUNLIN_STATE\fR
the state directory, unless \fB\-\-state\fR names one
.TP
\fBXDG_STATE_HOME\fR
the state directory is \fIdunlin\fR in there, else \fI~/.local/state/dunlin\fR
.TP
\fBDUNLIN_AUDIT_KEY_FILE\fR
the key that seals the audit log, unless \fB\-\-audit\-key\-file\fR names one
.TP
\fBDUNLIN_TOKEN\fR
the token of the operator to act as, or file:PATH, unless \fB\-\-as\-token\fR refers to one
.TP
\fBXDG_CONFIG_HOME\fR
that key is \fIdunlin/audit.key\fR in there, else \fI~/.config/dunlin/audit.key\fR
.TP
\fBNO_COLOR\fR
set and not empty: nothing is coloured
)";

}  // namespace

std::string manual_page(const Verbs& verbs, const std::string& version) {
  std::string out = fmt::format(
      ".\\\" Made by `dunlin man`.\n.TH DUNLIN 1 \"\" \"dunlin {}\" \"User Commands\"\n"
      ".SH NAME\ndunlin \\- moves files, objects, rows and schemas, and loses nothing\n"
      ".SH SYNOPSIS\n\\fBdunlin\\fR \\fIVERB\\fR [\\fIFLAGS\\fR]\n"
      ".SH DESCRIPTION\nWhat is begun is an \\fIexecution\\fR with a number. It can be stopped at "
      "any moment, by a verb, a signal or a power cut, and goes on where it was with "
      "\\fBdunlin resume\\fR. What was written is read back and compared before it counts as "
      "done.\n.PP\n\\fIEXEC\\fR is an execution: the number that \\fBdunlin ps\\fR shows, its full "
      "id, or \\fBlast\\fR.\n",
      roff(version));
  out += ".SH EXAMPLES\n" + roff_examples(std::string(kRootExamples));
  out += ".SH VERBS\n";
  for (const auto& verb : verbs.all()) {
    if (verb.internal || !verb.action) continue;
    out += fmt::format(".SS {}\n{}\n", roff(usage_of(verbs, *verb.app)),
                       roff(verb.app->get_description()));
    out += roff_entries(options_of(*verb.app, true, false));
    out += roff_entries(options_of(*verb.app, false, false));
    out += roff_examples(verb.examples);
  }
  out += ".SH FLAGS OF EVERY VERB\n" + roff_entries(options_of(verbs.root(), false, true));
  out += ".SH EXIT STATUS\n";
  for (const auto& [code, meaning] : kExitCodes) out += fmt::format(".TP\n{}\n{}\n", code, meaning);
  return out + std::string(kManualEnd);
}

std::string reference_markdown(const Verbs& verbs) {
  std::string out =
      "# Command line\n\n"
      "What `dunlin VERB --help` says, in one place; made by `dunlin reference` and checked by a\n"
      "test. For a task-by-task introduction see [Getting started](getting-started.md).\n\n"
      "EXEC is an execution: its full id, the running number that `dunlin ps` shows, or `last`.\n\n"
      "## Flags of every verb\n\n";
  const auto list = [&out](const std::vector<Entry>& entries) {
    for (const auto& entry : entries) out += fmt::format("- `{}`: {}\n", entry.name, entry.help);
    if (!entries.empty()) out += "\n";
  };
  list(options_of(verbs.root(), false, true));
  for (const auto& verb : verbs.all()) {
    if (verb.internal || !verb.action) continue;
    out += fmt::format("## dunlin {}\n\n`{}`\n\n{}\n\n", verb.path, usage_of(verbs, *verb.app),
                       verb.app->get_description());
    if (const std::string role = role_sentence(&verb); !role.empty()) out += role + "\n\n";
    list(options_of(*verb.app, true, false));
    list(options_of(*verb.app, false, false));
    out += "```sh\n" + verb.examples + "\n```\n\n";
  }
  out += "## Exit codes\n\n| Code | Meaning |\n| --- | --- |\n";
  for (const auto& [code, meaning] : kExitCodes) out += fmt::format("| {} | {} |\n", code, meaning);
  return out;
}

}  // namespace dunlin::cli
