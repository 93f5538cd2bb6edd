// Unchanged: plain files that the destination has already, found while the source is listed.
//
// The decision is that of execute() and the dry run (decide.h), from one look at each side. What is
// to be left as it stands needs no batch that begins, reads its items and ends: it is journaled as
// skipped with its listing. Whatever needs a second look (a type that is no plain file, a name that
// the destination may take for another one, content to be compared, an error) is left to its turn.
//
// In an incremental execution what has not changed since the one it builds on, and stands at the
// destination as it was left there, is no item at all.
//
// Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/decide.h"
#include "files/site.h"

namespace dunlin::files {

struct LookedAt;

class Unchanged {
 public:
  /// Null where nothing can be said at this time: a destination that does not stand yet, a plan
  /// that acts on sources too, a listing that an earlier process has begun, or nobody who wants to
  /// know.
  [[nodiscard]] static Result<std::unique_ptr<const Unchanged>> make(
      Site& site, engine::EnumerateContext& context);
  /// Sets `skip_reason` of those that are to be left, `left_out` of those that are no items of an
  /// incremental execution. `path`: of their directory.
  void mark(const std::string& path, std::vector<LookedAt>& entries) const;

 private:
  Unchanged(fs::DirectoryCache& destination, ConflictRules rules, bool links, bool skips)
      : destination_(destination), rules_(rules), links_(links), skips_(skips) {}
  void leave_out(const fs::Directory& directory, LookedAt& entry, const fs::FileInfo& source) const;
  void look(const fs::Directory& directory, LookedAt& entry) const;

  fs::DirectoryCache& destination_;
  const ConflictRules rules_;
  const bool links_;  ///< sets of hard links stay sets: their names are decided about together
  const bool skips_;  ///< what is skipped may be said with the listing
};

}  // namespace dunlin::files
