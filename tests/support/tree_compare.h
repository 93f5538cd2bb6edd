// An independent judge of two file trees: all that a user could lose in a copy, by system calls.
//
// It shares no line with what it judges, so that a mistake there is not made here again. One thread
// per call; nothing below the roots may change meanwhile (a directory that moves away throws).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dunlin::testing {

struct CompareOptions {
  bool owner = true;            ///< uid and gid
  bool xattrs = true;           ///< all but ACLs, of every type of entry
  bool acls = true;             ///< system.posix_acl_*, byte by byte
  bool flags = true;            ///< nodump, noatime, append, immutable of files and directories
  bool holes = true;            ///< holes of the first side stay holes, and no room is wasted
  bool links = true;            ///< the same paths are one inode on both sides
  bool directory_times = true;  ///< mtime of directories, the roots' too
  /// Entries of these names, anywhere, that only the second side has are no difference.
  std::vector<std::string> ignore_names = {};
};

/// One line for each difference, "<path>: <what>: <one> | <other>", the path relative to the roots
/// and escaped, "." for the roots themselves. Empty: equal. An entry that is missing, or of another
/// type, is one line, and nothing of it or below it is looked at.
///
/// Compared: names in both directions, type, mode (07777; not of symlinks), owner, mtime in
/// nanoseconds, size, content, target, device number, xattrs, flags, the partition into hard links,
/// holes (each hole of the first side, cut to whole blocks of 64 KiB; at most 128 KiB more is
/// allocated). Not compared: atime, ctime, sizes of directories, links to names outside.
/// What cannot be read is a difference: an unread file is not known to be equal.
///
/// Holds at most eight descriptors, at any depth; needs /proc. Opens no FIFO, socket or device,
/// follows no symlink but one that is a root, goes into mounts. Memory: the names of the
/// directories from the root to here, and the paths of hard links. Throws std::runtime_error if a
/// directory is moved meanwhile.
std::vector<std::string> tree_differences(const std::string& one, const std::string& other,
                                          const CompareOptions& options = {});

/// Fit for a line of a terminal: control bytes, bytes from 0x7F on and backslashes as \xNN.
std::string escaped(std::string_view bytes);

}  // namespace dunlin::testing
