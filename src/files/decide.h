// The one decision about what stands at the destination, shared by the dry run and
// execute(). Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "files/plan.h"
#include "files/records.h"
#include "fs/types.h"

namespace dunlin::files {

enum class Action : std::uint8_t {
  create,
  overwrite,
  skip,
  refuse,
  beside,   ///< create, under a numbered name
  aside,    ///< what stands there gets a numbered name, and ours its own
  compare,  ///< both sides are to be read; decide_by_content() then says what follows
};

struct Decision {
  Action action = Action::create;
  std::string reason;                              ///< of skip and refuse
  ErrorType type = ErrorType::destination_exists;  ///< of refuse
};

/// Mode incremental: which entries of the source may have been written, or given other attributes,
/// since the execution that is built on began.
struct ChangedSince {
  fs::Time on_roots;   ///< on the file systems of the roots
  fs::Time elsewhere;  ///< on others, which are mounted there or linked to: their clock is another
  std::vector<std::uint64_t> devices;  ///< of the roots
  /// By its ctime. True also where none is known.
  [[nodiscard]] bool takes(const fs::FileInfo& source) const;
};

/// By what is decided where an entry stands already.
struct ConflictRules {
  Conflict conflict = Conflict::overwrite_if_different;
  bool by_content = false;
  std::int64_t granularity_ns = 1;  ///< of times: the coarser of both file systems
  bool answered = false;            ///< Conflict::ask: a person has said to take the source's
  /// Conflict::rename and keep_both: what looks the same is left. Not so for a move, whose source
  /// may only go where its own content has been proven.
  bool leave_same = true;
  /// Mode incremental, null else: what looks the same is not, if it may have changed.
  std::shared_ptr<const ChangedSince> changed_since = nullptr;
};

/// For everything but directories.
[[nodiscard]] Decision decide(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                              const ConflictRules& rules);
/// After Action::compare.
[[nodiscard]] Decision decide_by_content(bool equal);
inline constexpr std::string_view kSameContent = "unchanged: same type, size and content";

/// For a further name of a set of hard links, whose first stands at the destination with the inode
/// `first_inode`: the same rules, but what is equal and no link to it is not unchanged.
[[nodiscard]] Decision decide_link(const fs::FileInfo& source,
                                   const std::optional<fs::FileInfo>& there,
                                   std::uint64_t first_inode, ConflictRules rules);

/// For an entry that is to become a hard link to its source.
[[nodiscard]] Decision decide_source_link(const fs::FileInfo& source,
                                          const std::optional<fs::FileInfo>& there,
                                          ConflictRules rules);

/// What tells, without reading it, that another entry is what the source is.
[[nodiscard]] bool same_attributes(const fs::FileInfo& source, const fs::FileInfo& there,
                                   std::int64_t granularity_ns);

/// What is never copied, whatever stands there: our own state, and special files when the plan
/// leaves them out. nullopt for all else.
[[nodiscard]] std::optional<std::string> reason_to_leave_out(const Detail& source,
                                                             SpecialFiles special_files);

}  // namespace dunlin::files
