// Which directory of the source becomes which of the destination (the trailing slash rule of
// conventions.md). Values; any thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "files/plan.h"

namespace dunlin::files {

/// What a layout depends on besides its plan: what stood at the plan's paths when the execution
/// began. Kept with it from then on (Site::identity), for a move takes the sources away, and what
/// stands at the destination later tells nothing of them.
struct Found {
  std::vector<bool> trees;  ///< by the plan's order: a directory, or what is taken for one
  bool into = false;        ///< a file that is the only source goes into the directory DST

  [[nodiscard]] bool operator==(const Found&) const = default;
  /// Looks. A source that is not there is no error: who needs it will not find it.
  [[nodiscard]] static Result<Found> look(const FilesPlan& plan);
  /// Members of an object, as JSON keeps them over a restart.
  void put(Json& object) const;
  /// state_corrupt when they are not there, or are of another plan.
  [[nodiscard]] static Result<Found> get(const Json& object, const FilesPlan& plan);
};

/// Where things go. Roots are directories; nothing outside of them is touched.
struct Layout {
  /// One of several sources.
  struct Source {
    std::string root;  ///< the directory itself, or the one that holds what is no directory
    std::string name;  ///< of its entry in the destination root, and its own
    bool whole_tree = false;
    /// As the person named it.
    [[nodiscard]] std::string path() const;
  };
  std::string source_root;       ///< of the only source; empty when there are several
  std::string destination_root;  ///< made when missing, with its parents
  /// The last name of destination_root when nobody typed it (SRC's own, "copied as DST/name"). What
  /// a person names may be a symlink and is followed; this may not, as no name below it may.
  std::string destination_name;
  /// Set when the source is one entry and no directory: its name in either root.
  std::string single_name;
  std::string single_target;
  /// Each an entry of the destination root under its own name (docs/adr/0009). Empty: only one.
  std::vector<Source> sources;
  std::map<std::string, std::size_t, std::less<>> by_name;  ///< index in sources
  Found found;                                              ///< what it was made of

  [[nodiscard]] bool whole_tree() const { return single_name.empty(); }
  [[nodiscard]] bool several() const { return !sources.empty(); }
  /// Where an entry comes from, by its path in the ledger; for people.
  [[nodiscard]] std::string source_path(const std::string& relative) const;
  /// destination_root without destination_name.
  [[nodiscard]] std::string destination_base() const;
};

[[nodiscard]] Layout layout_of(const FilesPlan& plan, Found found);
/// Of a plan that nothing has begun yet.
[[nodiscard]] Result<Layout> layout_now(const FilesPlan& plan);

}  // namespace dunlin::files
