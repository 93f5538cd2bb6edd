// Session: one run of the program: its streams, its configuration, the engine once it is needed,
// and how results and errors leave it. The main thread's, but for print, event and log_*.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/config.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "engine/engine.h"

namespace dunlin::cli {

class Session {
 public:
  Session(const engine::KindRegistry& kinds, const Clock& clock, const GlobalOptions& options,
          std::string version);

  /// Reads the configuration; sets up logging. Before anything below. `verb`: whose role is asked
  /// for when the state is opened; `execution`: what was typed for EXEC, if it takes one.
  [[nodiscard]] Status begin(std::string verb, std::string execution);

  [[nodiscard]] const engine::KindRegistry& kinds() const { return kinds_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] const GlobalOptions& options() const { return options_; }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] std::string state_path() const;
  /// The key that seals the audit log, absolute.
  [[nodiscard]] store::AuditKeyPlace audit_key_place() const;
  /// Opens the state directory at the first call. role_refused when whoever asks may not say the
  /// verb; that stands in the record of the execution then.
  [[nodiscard]] Result<engine::Engine*> engine();
  /// Gives up what ended executions keep for their rollbacks longer than they are to: what is due,
  /// as far as 200 ms reach. For verbs that change something, when they are through.
  void expire();
  /// The same check for a verb that opens the state by itself, or for a part of a verb.
  [[nodiscard]] Status authorize(store::StateDirectory& state, const std::string& verb);
  /// What is asked with, for requests to owners.
  [[nodiscard]] const engine::Asker& asker() const { return asker_; }
  /// Whom dunlin takes the person for; after engine().
  [[nodiscard]] const engine::Caller& caller() const { return caller_; }
  /// The execution that EXEC means; remembered, so that remedies can name it.
  [[nodiscard]] Result<ExecutionId> execution(const std::string& text);
  [[nodiscard]] Result<engine::Snapshot> snapshot(const std::string& text);
  /// Who is asking, for the audit: "anna, uid 1000 (cli)". After engine().
  [[nodiscard]] std::string actor(std::string_view by = "cli") const;

  [[nodiscard]] Terminal& out() { return out_; }
  [[nodiscard]] Terminal& err() { return err_; }
  /// Text for a person on standard output; nothing with --json or --quiet.
  void print(std::string_view text);
  /// What a listing or query was asked for: also with --quiet. With --json call emit().
  void result(std::string_view text) { out_.write(text); }
  /// One line of JSON on standard output.
  void emit(const Json& json);
  /// {"event", "time", …fields}, when --json is given.
  void event(std::string_view name, const Json& fields);
  /// "dunlin: message" and what to type, on standard error; with --json also an event.
  void report(const Error& error);
  /// True when the person says yes, when --yes is given, and where nobody can be asked.
  [[nodiscard]] bool confirm(std::string_view question);
  /// A live display may be drawn, or lines printed.
  [[nodiscard]] bool shows_progress() const;
  /// No log lines into a live display, unless a level was asked for.
  void calm_log();

 private:
  const engine::KindRegistry& kinds_;
  const Clock& clock_;
  const GlobalOptions& options_;
  const std::string version_;
  Config config_;
  Terminal out_;
  Terminal err_;
  [[nodiscard]] Result<Secret> token() const;

  std::unique_ptr<engine::Engine> engine_;
  std::string verb_;
  std::string verb_execution_;
  engine::Asker asker_ = engine::Asker::here();
  engine::Caller caller_;
  std::string subject_ = "last";
};

}  // namespace dunlin::cli
