// Metadata of what was copied: owner, attributes, ACLs, mode, times, flags, in the only order that
// is safe (files.md F-10). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/directory.h"
#include "fs/inode.h"

namespace dunlin::fs {

/// What is taken over from the source (`--preserve`).
struct Preserve {
  bool times = true;
  bool mode = true;
  bool owner = true;
  bool xattrs = true;  ///< capabilities included
  bool acls = true;
  bool flags = true;
};

/// What could not be given to the destination, for the item's message; empty: everything was.
using Loss = std::string;
void add_loss(Loss& loss, std::string_view more);

/// Owner first (chown clears setuid and capabilities), then attributes, ACL, mode, and times last
/// (every earlier step may move them). Attributes of the user and ACLs that the source has not
/// (inherited from the directory) are removed. Without the right to give a file away the owner
/// stays ours and setuid and setgid are taken off: they would mean another user. An ACL that cannot
/// be set leaves a mode that grants nobody more than the ACL did. kFinalFlags are not set.
/// `name` is for messages. Returned is also what the entry is then, looked at once, at the end.
struct Applied {
  Loss loss;
  FileInfo info;
};
/// `just_made`: a plain file that the caller has made in `directory` through this very handle. What
/// one such file began with is not asked of those of the next second (kNewFileHolds_ns). A group
/// that the directory is given meanwhile shows in the owner, which is looked at in the end; a
/// default ACL stays on what was made within that second.
[[nodiscard]] Result<Applied> apply_metadata(InodeRef to, const FileInfo& from,
                                             const Extended& extended, const Preserve& preserve,
                                             const Directory& directory, std::string_view name,
                                             bool just_made = false);
/// As apply_metadata, for the directory itself; kFinalFlags too. They forbid all further work in
/// it.
[[nodiscard]] Result<Loss> apply_directory_metadata(const Directory& directory,
                                                    const FileInfo& from, const Extended& extended,
                                                    const Preserve& preserve);
/// Those of kFinalFlags that are in `flags`, of a file under its final name, durable on return;
/// success without a system call when there are none.
[[nodiscard]] Result<Loss> apply_final_flags(const Directory& directory, std::string_view name,
                                             std::uint32_t flags);
/// Takes kFinalFlags off, so that an entry can be removed or a directory worked in. Of `fd`.
[[nodiscard]] Status remove_final_flags(int fd, const Directory& directory, std::string_view name);

}  // namespace dunlin::fs
