// The tree of verbs: what each is called, its options, examples and action.
//
// A verb family (copy_verbs.cpp, control_verbs.cpp …) adds its verbs; help, completion, error
// messages and the reference in docs/ are all made from this tree, so a verb that is not built is
// named nowhere. One thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "cli/options.h"

namespace dunlin::cli {

class Session;

/// Does what the verb says; the exit code, or the error that kept it from it.
using Action = std::function<Result<int>(Session&)>;

struct Verb {
  CLI::App* app = nullptr;
  std::string path;       ///< "copy", "plan check"
  std::string examples;   ///< whole command lines, one per line
  bool internal = false;  ///< for dunlin itself: works, and is shown nowhere
  Action action;          ///< empty for a group ("plan")
};

class Verbs {
 public:
  explicit Verbs(GlobalOptions& global);

  /// A word that only leads to others.
  CLI::App& group(std::string_view name, std::string_view summary);
  /// A verb below `parent` (the root, or a group).
  CLI::App& add(CLI::App& parent, std::string_view name, std::string_view summary,
                std::string_view examples, Action action);
  CLI::App& add(std::string_view name, std::string_view summary, std::string_view examples,
                Action action) {
    return add(root_, name, summary, examples, std::move(action));
  }
  /// Hides the verb added last.
  void make_internal() { verbs_.back().internal = true; }

  [[nodiscard]] CLI::App& root() { return root_; }
  [[nodiscard]] const CLI::App& root() const { return root_; }
  [[nodiscard]] const std::deque<Verb>& all() const { return verbs_; }
  /// The entry of that part of the tree; nullptr for the root.
  [[nodiscard]] const Verb* find(const CLI::App* app) const;
  /// The deepest verb or group of the command line that was parsed last; the root when none.
  [[nodiscard]] CLI::App& parsed();
  /// Words that may follow `app`.
  [[nodiscard]] std::vector<std::string> words_after(const CLI::App& app) const;

 private:
  void add_global_flags(CLI::App& app);

  GlobalOptions& global_;
  CLI::App root_;
  std::deque<Verb> verbs_;
};

/// The group under which the flags of every verb stand in help texts.
inline constexpr const char* kGlobalGroup = "Every verb";

// Options whose values are kept by the action that reads them.
using Text = std::shared_ptr<std::string>;
using Texts = std::shared_ptr<std::vector<std::string>>;
using Flag = std::shared_ptr<bool>;

Text add_text(CLI::App& app, const std::string& names, const std::string& value_name,
              const std::string& help);
/// May be given more than once.
Texts add_texts(CLI::App& app, const std::string& names, const std::string& value_name,
                const std::string& help);
/// May stand alone and means `alone` then; a value is joined to it by '='.
Texts add_optional(CLI::App& app, const std::string& names, const std::string& value_name,
                   const std::string& alone, const std::string& help);
Flag add_flag(CLI::App& app, const std::string& names, const std::string& help);
/// A word in its place ("SRC"), required.
Text add_place(CLI::App& app, const std::string& name, const std::string& help);

/// A place that may be left out.
Texts add_optional_place(CLI::App& app, const std::string& name, const std::string& help);

/// The words behind the last place, which then was not the last: "SRC… DST" for several SRC. They
/// show in no help text.
Texts add_more_places(CLI::App& app);

/// What CLI11 found wrong, as a person says it, with the nearest right word.
[[nodiscard]] Error usage_error(Verbs& verbs, const CLI::ParseError& error);

}  // namespace dunlin::cli
