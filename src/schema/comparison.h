// How the migrations of a directory and those that a target has applied fit together.
// Pure functions; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "schema/checksum.h"
#include "schema/discovery.h"
#include "schema/history.h"

namespace dunlin::schema {

/// Looks up one version after the other in a map, at once where they come in their order.
template <class Map>
class FindInOrder {
 public:
  explicit FindInOrder(Map& map) : map_(map), next_(map.begin()) {}
  /// nullptr: it is not there.
  auto* find(const Version& version) {
    if (next_ == map_.end() || next_->first != version) next_ = map_.lower_bound(version);
    const auto here = next_;
    if (here == map_.end() || here->first != version) return static_cast<Value*>(nullptr);
    ++next_;
    return &here->second;
  }

 private:
  using Value = std::remove_reference_t<decltype((std::declval<Map&>().begin()->second))>;
  Map& map_;
  decltype(std::declval<Map&>().begin()) next_;
};

/// Applied, and its file is not what it was.
struct Changed {
  std::string words;
  const Migration* migration = nullptr;
  Change change = Change::none;
};

/// How they do not, a sentence each. `changed` alone is never acceptable.
struct Misfits {
  std::vector<Changed> changed;           ///< applied, but the file is another one now
  std::vector<Changed> retouched;         ///< applied, and the file does the same still
  std::vector<std::string> missing;       ///< applied, but the file is gone
  std::vector<std::string> out_of_order;  ///< not applied, but older than one that is
};

/// "bytes", "text", "statements", "algorithm": for programs.
[[nodiscard]] std::string_view name_of(Change change);

/// A repeatable one whose statements have changed since it was applied.
[[nodiscard]] bool is_to_be_repeated(const Migration& migration, const Applied& applied);

[[nodiscard]] Misfits compare(const Migrations& migrations,
                              const std::map<Version, Applied>& applied);

/// Empty: the history has the migration as its file is. `row`: what it has of it.
[[nodiscard]] std::string difference_of(const Migrations& migrations, const Version& version,
                                        const std::optional<Applied>& row);

}  // namespace dunlin::schema
