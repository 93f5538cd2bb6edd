// See session.h.
#include "cli/session.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "base/logging.h"
#include "base/redact.h"
#include "base/text.h"
#include "cli/remedy.h"
#include "cli/text_layout.h"

namespace dunlin::cli {

namespace {

Result<ExecutionId> not_named() {
  return Error(ErrorType::not_found, "no execution is named");
}

}  // namespace

Session::Session(const engine::KindRegistry& kinds, const Clock& clock,
                 const GlobalOptions& options, std::string version)
    : kinds_(kinds),
      clock_(clock),
      options_(options),
      version_(std::move(version)),
      out_(STDOUT_FILENO, colour_wanted()),
      err_(STDERR_FILENO, colour_wanted()) {}

Status Session::begin(std::string verb, std::string execution) {
  verb_ = std::move(verb);
  verb_execution_ = std::move(execution);
  DUNLIN_ASSIGN(config_, load_config(options_.config, [](const char* name) -> const char* {
                  return std::getenv(name);
                }));
  const std::string name = options_.log_level.empty() ? config_.log_level : options_.log_level;
  if (name.empty()) return success();
  const auto level = log_level_from_name(name);
  if (!level) {
    const std::vector<std::string> names = {"debug", "info", "warn", "error", "off"};
    const auto near = nearest_word(name, names);
    return Error(ErrorType::invalid_input,
                 "there is no log level '" + escape_bytes(name) + "'; " +
                     (near ? "did you mean " + *near + "?" : "debug, info, warn, error or off"));
  }
  log_init(*level, options_.json);
  return success();
}

std::string Session::state_path() const {
  const char* variable = std::getenv("DUNLIN_STATE");
  const bool set = variable != nullptr && *variable != '\0';
  return store::default_state_path(options_.state.empty() && !set ? config_.state : options_.state);
}

store::AuditKeyPlace Session::audit_key_place() const {
  store::AuditKeyPlace place =
      store::audit_key_place(options_.audit_key_file, config_.audit_key_file);
  std::error_code problem;
  const std::filesystem::path absolute = std::filesystem::absolute(place.path, problem);
  if (!problem) place.path = absolute.string();
  return place;
}

Result<engine::Engine*> Session::engine() {
  if (engine_) return engine_.get();
  DUNLIN_ASSIGN(auto engine, engine::Engine::open(state_path(), kinds_, clock_));
  engine->state().use_audit_key(audit_key_place());
  if (const Status may = authorize(engine->state(), verb_); !may.ok()) {
    const bool named = may.error().type == ErrorType::role_refused && !verb_execution_.empty();
    if (const auto id = named ? engine->resolve(verb_execution_) : not_named(); id.ok())
      engine->record_refusal(*id, asker_, verb_);
    return may.error();
  }
  engine->act_for(asker_, caller_);
  engine_ = std::move(engine);
  return engine_.get();
}

void Session::expire() {
  constexpr std::chrono::milliseconds kBudget{200};
  if (!engine_) return;
  for (const std::int64_t number : engine_->expire(kBudget)) {
    event("undo_expired", {{"number", number}});
    if (!options_.json && !options_.quiet)
      err_.write("execution " + std::to_string(number) +
                 ": what it kept for its rollback is given up, its undo_retention is over\n");
  }
}

Status Session::authorize(store::StateDirectory& state, const std::string& verb) {
  DUNLIN_ASSIGN(Secret given, token());
  asker_ = engine::Asker::here("cli", std::move(given));
  DUNLIN_ASSIGN(caller_, engine::authorize(state, asker_, verb, clock_.wall_ms()));
  return success();
}

/// The variable may also hold a reference, so that one export serves where a file has the token.
Result<Secret> Session::token() const {
  std::string reference = options_.as_token;
  if (reference.empty()) {
    const char* variable = std::getenv("DUNLIN_TOKEN");
    reference = variable == nullptr ? "" : variable;
    if (!reference.starts_with("file:")) return Secret(reference);
  }
  DUNLIN_ASSIGN(const SecretRef place, SecretRef::parse(reference, "--as-token"));
  return place.resolve();
}

Result<ExecutionId> Session::execution(const std::string& text) {
  DUNLIN_ASSIGN(engine::Engine * engine, this->engine());
  DUNLIN_ASSIGN(ExecutionId id, engine->resolve(text));
  subject_ = text;
  return id;
}

Result<engine::Snapshot> Session::snapshot(const std::string& text) {
  DUNLIN_ASSIGN(const ExecutionId id, execution(text));
  auto snapshot = engine_->snapshot(id);
  if (snapshot.ok()) subject_ = std::to_string(snapshot->row.number);
  return snapshot;
}

std::string Session::actor(std::string_view by) const {
  return caller_.actor(by);
}

void Session::print(std::string_view text) {
  if (!options_.json && !options_.quiet) out_.write(text);
}

void Session::emit(const Json& json) {
  out_.write(dump_json(json) + "\n");
}

void Session::event(std::string_view name, const Json& fields) {
  if (!options_.json) return;
  Json line = {{"event", std::string(name)}, {"time", rfc3339(clock_.wall_ms())}};
  for (const auto& [key, value] : fields.items()) line[key] = value;
  emit(line);
}

void Session::report(const Error& error) {
  const std::string remedy = printable(remedy_for_command(error, subject_));
  std::string text;
  // A plan's problems are one line each; anything else is one line by its nature.
  std::istringstream lines(error.message.find('\n') == std::string::npos ? error.text()
                                                                         : redact(error.message));
  constexpr std::size_t kIndent = 8;
  const auto wrapped = [this](std::string_view line) {
    return wrap_below(line, err_.width(), kIndent) + "\n";
  };
  for (std::string line; std::getline(lines, line);)
    text += (text.empty() ? err_.paint(Colour::red, "dunlin: ") : std::string(kIndent, ' ')) +
            wrapped(printable(line));
  if (!remedy.empty()) text += "  try:  " + wrapped(remedy);
  err_.write(text);
  event("error", {{"type", std::string(to_string(error.type))},
                  {"category", std::string(to_string(error.category()))},
                  {"message", error.text()},
                  {"recoverable", error.retriable()},
                  {"remediation", remedy}});
}

bool Session::confirm(std::string_view question) {
  if (options_.yes || ::isatty(STDIN_FILENO) != 1 || !err_.is_terminal()) return true;
  err_.write(std::string(question) + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

bool Session::shows_progress() const {
  return !options_.json && !options_.quiet && !options_.no_progress;
}

void Session::calm_log() {
  if (options_.log_level.empty() && config_.log_level.empty()) log_init(LogLevel::off, false);
}

}  // namespace dunlin::cli
