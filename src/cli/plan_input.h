// From words on the command line to a plan: settings flags, flags of kinds, plan files and ids.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/session.h"
#include "cli/verbs.h"

namespace dunlin::cli {

/// A limit of memory in MB: a size, or "none", which is 0.
[[nodiscard]] Result<std::int64_t> memory_megabytes(const std::string& text);

/// The flags that mean settings; the same for every verb that starts something.
class SettingsFlags {
 public:
  explicit SettingsFlags(CLI::App& app);
  /// What was given, canonical; invalid_input names each flag that cannot be used.
  [[nodiscard]] Result<Json> read() const;

 private:
  struct TextFlag {
    std::string path;
    std::string name;
    Text value;
  };
  std::vector<TextFlag> texts_;
  Text concurrency_;
  Text bandwidth_kib_;
  Text memory_;
  Flag stop_on_first_error_;
  Flag dry_run_, incremental_;
  Text test_;
};

/// The flags of kinds for one verb: which there are, and which of them the kind that takes the
/// command line acts on. A flag of the contract that nothing acts on yet is known, hidden and
/// refused.
class KindFlags {
 public:
  KindFlags(CLI::App& app, std::string_view verb);
  /// Options for Kind::plan_for; invalid_input when a flag was given that `kind` does not have.
  [[nodiscard]] Result<std::map<std::string, std::string>> read(std::string_view kind) const;
  /// Refuses flags that this version does not have.
  [[nodiscard]] Status check_built() const;

 private:
  struct Given {
    std::string name;
    std::vector<std::string_view> kinds;
    Texts value;
    Flag flag;
    bool repeated = false;
  };
  std::vector<Given> given_;
  std::vector<std::pair<std::string, CLI::Option*>> not_built_;
};

/// The plan of a one-line form, with configuration and flags laid under and over its settings.
[[nodiscard]] Result<engine::Plan> plan_from_line(Session& session, const engine::CommandLine& line,
                                                  const KindFlags& kind_flags,
                                                  const SettingsFlags& settings_flags);

/// The plan in a file; what is wrong with it is also an event with the problems one by one.
[[nodiscard]] Result<engine::Plan> plan_from_file(Session& session, const std::string& file);

/// False for what can only be a file.
[[nodiscard]] bool is_plan_id(const std::string& word);

/// The plan that PLAN means: the id of a stored one, or a file.
[[nodiscard]] Result<engine::Plan> plan_from_word(Session& session, const std::string& word);

/// Settings from configuration and flags under and over those of the plan.
[[nodiscard]] Result<engine::Plan> with_settings(Session& session, const engine::Plan& plan,
                                                 const Json& flags);

/// The row of a stored plan; not_found lists what is accepted.
[[nodiscard]] Result<store::PlanRow> stored_plan(Session& session, const std::string& id);

}  // namespace dunlin::cli
