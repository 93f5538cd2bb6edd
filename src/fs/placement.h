// Atomic placement: a finished temporary becomes the file under its final name, or nothing changes.
//
// Any thread. Neither call flushes: the names are durable after BatchFlush::flush_names().
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::fs {

/// Renames `from` in one directory to `to` in another on the same file system. destination_exists
/// when `to` exists: nothing is ever replaced. Where RENAME_NOREPLACE is missing: link, then unlink
/// (a crash between leaves both names on one inode); where links are missing too, a look and a
/// rename, which a writer at the same instant can beat.
[[nodiscard]] Status rename_new(const Directory& from_directory, std::string_view from,
                                const Directory& to_directory, std::string_view to);

/// A second name for an inode of any type, never through a symlink. The error's native code says
/// why a file system refused: EMLINK (as many names as it allows), EXDEV, EPERM or EOPNOTSUPP
/// (hard links unknown there).
[[nodiscard]] Status make_link(const Directory& from_directory, std::string_view from,
                               const Directory& to_directory, std::string_view to);

/// The same by a descriptor (O_PATH will do): of the inode that is held, whatever stands under its
/// name by now. EPERM may also be fs.protected_hardlinks, or an immutable inode.
[[nodiscard]] Status make_link(int from, const Directory& to_directory, std::string_view to);

/// Of make_link: hard links are not to be had here, or not one more, or the first name has gone.
[[nodiscard]] bool link_impossible(const Error& error);

/// Puts `temporary` in place of `name` and keeps the old version as `kept_name` in `kept`, a
/// directory on the same file system. At every instant `name` is the old or the new version, whole.
///
/// `expected` is what the decision to overwrite was based on. When the entry is another by then
/// (same_content_as): destination_changed, and it stands as it was.
///
/// Crash states, all decided by inodes: before: nothing happened. Between: the old version stands
/// under `temporary` (RENAME_EXCHANGE), or under both `name` and `kept_name` (fallback: link to
/// `kept_name`, then rename). After: done. Without links either: the old version is renamed to
/// `kept_name` first, and for an instant `name` is absent.
[[nodiscard]] Status replace_keeping(const Directory& directory, std::string_view temporary,
                                     std::string_view name, const FileInfo& expected,
                                     const Directory& kept, std::string_view kept_name);

/// rename(2): replaces what `to` is, atomically. For putting a kept version back.
[[nodiscard]] Status rename_over(const Directory& from_directory, std::string_view from,
                                 const Directory& to_directory, std::string_view to);

}  // namespace dunlin::fs
