// The seam, first half: Kind, one per kind of migration, registered by main.cpp in a KindRegistry.
//
// A Kind decodes its part of the plan, says which destinations a plan writes, describes it in words
// and opens a Run. Stateless; all calls from any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"

namespace dunlin::engine {

/// A plan as executed: the whole document, decoded settings, secrets by reference only.
struct Plan {
  PlanId id;
  std::string name;
  std::string kind;
  Json document;  ///< {kind, name, source, destination, strategy, settings, …}
  ExecutionSettings settings;
  std::vector<std::string> depends_on;
};

/// A canonical destination ("file:/canonical/path", "sqlite:/path#main.table"). Two claims collide
/// when they are equal or one is an ancestor of the other, components being separated by '/'.
using Claim = std::string;

/// One of the one-line forms: `dunlin copy SRC DST`, `dunlin load SOURCE TARGET`, `dunlin migrate
/// up --db URL`.
struct CommandLine {
  std::string verb;                     ///< copy, move, load, migrate
  std::vector<std::string> positional;  ///< as typed; for migrate the first is up, down …
  std::map<std::string, std::string>
      options;  ///< kind options by long name without dashes ("verify", "table", "db"); the values
                ///< of one that was given several times with a NUL between
};

/// One thing that a plan means, in words for its paths: {"symlinks", "stay symlinks …"}.
struct Meaning {
  std::string_view topic;
  std::string words;
};

/// What a look at a destination found.
struct Findings {
  std::function<Json()> json;  ///< for programs; made when it is asked for
  std::string text;            ///< lines for people, escaped
  /// What was changed, as `diff -u` writes it: a text each, escaped, without colours.
  std::vector<std::string> differences;
  /// What was asked for itself, byte for byte.
  std::optional<std::string> content;
  bool good = true;  ///< nothing of it has to be put right
};

class Kind {
 public:
  virtual ~Kind() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  ///< files, objects, records, schema
  /// What its progress calls an item: files, objects, records, migrations (total_files …).
  [[nodiscard]] virtual std::string_view item_noun() const = 0;
  /// True when this one-line form is this kind's (told apart by the addresses).
  [[nodiscard]] virtual bool accepts(const CommandLine& line) const = 0;
  /// The plan document for a one-line form; invalid_input says what to type instead.
  [[nodiscard]] virtual Result<Json> plan_for(const CommandLine& line) const = 0;
  /// Decodes the kind's sections; one line per problem, naming the key (as a JSON pointer) and the
  /// nearest valid one.
  [[nodiscard]] virtual std::vector<std::string> check(const Json& document) const = 0;
  /// A one-line form that changes nothing and is no execution (`dunlin migrate status`); may wait
  /// for a server. invalid_input where the kind has no such form.
  [[nodiscard]] virtual Result<Findings> look(const CommandLine& /*line*/,
                                              const CancelToken& /*cancel*/) const {
    return Error(ErrorType::invalid_input, "there is nothing to look at");
  }
  [[nodiscard]] virtual Result<std::vector<Claim>> claims(const Plan& plan) const = 0;
  /// "copy /a/b to /c/b": printed by `plan check`, shown by `ps`.
  [[nodiscard]] virtual std::string describe(const Plan& plan) const = 0;
  /// What people ask before they dare: printed by `plan check`. Paths are escaped.
  [[nodiscard]] virtual std::vector<Meaning> meanings(const Plan& /*plan*/) const { return {}; }
  /// Why this plan cannot be run as `incremental`, in words behind "cannot be incremental: ";
  /// empty: it can, and its Run does Run::build_on().
  [[nodiscard]] virtual std::string why_not_incremental(const Plan& /*plan*/) const {
    return "what has changed since an earlier execution cannot be told";
  }
  /// Of such a plan: are both sides now the ones of `roots` (ExecutionRow::roots)? May look at
  /// them; the error of what is not there.
  [[nodiscard]] virtual Result<bool> has_roots_of(const Plan& /*plan*/,
                                                  const std::string& /*roots*/) const {
    return false;
  }
  /// The kind's part of the plan's JSON Schema: properties by section.
  [[nodiscard]] virtual Json schema() const = 0;
  /// This process is about to create an execution of `plan` and to open it: what takes time,
  /// changes nothing and fails without a word may begin. Returns at once; what has begun ends with
  /// the kind at the latest. Any thread.
  virtual void expect(const Plan& /*plan*/) const {}
  /// Cheap: connects to nothing that can block; preflight does.
  [[nodiscard]] virtual Result<std::unique_ptr<Run>> open(const Plan& plan) const = 0;
};

/// The kinds of this program, in order of registration. Filled by main.cpp (and by tests),
/// read-only afterwards.
class KindRegistry {
 public:
  void add(std::unique_ptr<Kind> kind) { kinds_.push_back(std::move(kind)); }
  [[nodiscard]] const Kind* find(std::string_view name) const;
  [[nodiscard]] const Kind* for_command(const CommandLine& line) const;
  [[nodiscard]] const std::vector<std::unique_ptr<Kind>>& all() const { return kinds_; }

 private:
  std::vector<std::unique_ptr<Kind>> kinds_;
};

}  // namespace dunlin::engine
