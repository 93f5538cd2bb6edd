// The one decision about what stands at the destination, shared by operations() (the dry run) and
// execute(). Pure.
#pragma once

#include <optional>
#include <string>

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
  compare,  ///< both sides are to be read; decide_by_content() then says what follows
};
[[nodiscard]] std::string_view to_string(Action action);

struct Decision {
  Action action = Action::create;
  std::string reason;                              ///< of skip and refuse
  ErrorType type = ErrorType::destination_exists;  ///< of refuse
};

/// By what is decided where an entry stands already.
struct ConflictRules {
  Conflict conflict = Conflict::overwrite_if_different;
  bool by_content = false;
  std::int64_t granularity_ns = 1;  ///< of times: the coarser of both file systems
  bool answered = false;            ///< Conflict::ask: a person has said to take the source's
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

/// What is never copied, whatever stands there: our own state, and special files when the plan
/// leaves them out. nullopt for all else.
[[nodiscard]] std::optional<std::string> reason_to_leave_out(const Detail& source,
                                                             SpecialFiles special_files);

}  // namespace dunlin::files
