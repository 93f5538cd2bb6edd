// See application.h.
#include "cli/application.h"

#include <sys/resource.h>

#include <algorithm>
#include <exception>

#include "base/redact.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

/// "dunlin help copy" is "dunlin copy --help"; "dunlin --version" is "dunlin version".
std::vector<std::string> with_habits(std::vector<std::string> words) {
  if (words.empty()) return {"--help"};
  if (words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  } else if (words.front() == "--version") {
    words.front() = "version";
  }
  return words;
}

void add_all(Verbs& verbs) {
  add_copy_verbs(verbs);
  add_run_verbs(verbs);
  add_control_verbs(verbs);
  add_end_verbs(verbs);
  add_watch_verbs(verbs);
  add_detail_verbs(verbs);
  add_report_verbs(verbs);
  add_manifest_verb(verbs);
  add_audit_verbs(verbs);
  add_lineage_verb(verbs);
  add_plan_verbs(verbs);
  add_user_verbs(verbs);
  add_doctor_verbs(verbs);
  add_about_verbs(verbs);
}

/// The usual soft limit of 1,024 is for programs that use select(2); what the hard one allows is
/// ours to use. What is left is what the caches are cut to (fs::directories_to_hold).
void claim_descriptors() {
  constexpr rlim_t kEnough = 4096;
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

int fail(Session& session, const Error& error) {
  session.report(error);
  return exit_code_of(error);
}

/// On a terminal that may have no other letters.
std::string in_letters_of(const Terminal& terminal, std::string text) {
  constexpr std::string_view kDots = "…";
  if (!terminal.is_terminal() || terminal.utf8()) return text;
  for (std::size_t at = 0; (at = text.find(kDots, at)) != std::string::npos;)
    text.replace(at, kDots.size(), "...");
  return text;
}

void print_help(Terminal& terminal, const Verbs& verbs, const CLI::App& app) {
  terminal.write(in_letters_of(terminal, help_text(verbs, app, terminal.width())));
}

/// What was typed for EXEC; empty: the verb takes none.
std::string execution_of(const CLI::App& app) {
  const CLI::Option* option = app.get_option_no_throw("EXEC");
  if (option == nullptr || option->results().empty()) return "";
  return option->results().front();
}

/// No password of an address goes any further: not into a plan, an error, a log or a display.
std::vector<std::string> without_secrets(std::vector<std::string> words) {
  for (std::string& word : words) word = redact(word, SecretsIn::value);
  return words;
}

int act(Session& session, Verbs& verbs) {
  CLI::App& app = verbs.parsed();
  const Verb* verb = verbs.find(&app);
  if (verb == nullptr || !verb->action) {
    print_help(session.err(), verbs, app);
    return kUsage;
  }
  if (const Status begun = session.begin(verb->path, execution_of(app)); !begun.ok())
    return fail(session, begun.error());
  const auto code = verb->action(session);
  return code.ok() ? *code : fail(session, code.error());
}

int parse_and_act(Session& session, Verbs& verbs, std::vector<std::string> words) {
  try {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    verbs.root().parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    print_help(session.out(), verbs, verbs.parsed());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return fail(session, usage_error(verbs, error));
  }
  return act(session, verbs);
}

}  // namespace

int Application::run(const std::vector<std::string>& words) {
  ignore_signals_of_writes();
  claim_descriptors();
  GlobalOptions options;
  Session session(kinds_, clock_, options, version_);
  try {
    Verbs verbs(options);
    add_all(verbs);
    return parse_and_act(session, verbs, with_habits(without_secrets(words)));
  } catch (const std::exception& exception) {
    // Third-party seams are closed where they are; what comes through is a defect of ours.
    return fail(session, Error(ErrorType::defect, exception.what()));
  }
}

}  // namespace dunlin::cli
