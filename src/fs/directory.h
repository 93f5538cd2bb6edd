// Directory: a handle on a directory, the only way dunlin reaches files of a migration.
//
// Everything below a root is opened relative to a held descriptor and never through a symlink
// (openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; where that is missing, component by
// component with O_NOFOLLOW), so a symlink planted or swapped in at any time cannot lead out of the
// root (files.md F-19). Names are bytes; paths may be longer than PATH_MAX.
//
// A source root may be opened to follow symlinks (follow.cpp): then every look, open and walk below
// it takes a link for what it points to. With Follow::in_tree a link is turned into a path without
// links first, which is then opened as above, so that what is swapped in meanwhile cannot lead out.
//
// Errors come from error_from_errno with the side of the directory: an absent name is
// source_vanished or destination_changed, a symlink or file in the way source_changed or
// destination_exists. Handles are immutable: all calls of one handle from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/subject.h"
#include "base/unique_fd.h"
#include "fs/types.h"

namespace dunlin::fs {

/// What a plain file begins with that this process makes in a directory: owner and group, and
/// neither attributes (as a default ACL would give) nor flags.
struct NewFile {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
/// How long that is believed: a directory may be given another group or a default ACL meanwhile.
inline constexpr std::int64_t kNewFileHolds_ns = 1'000'000'000;
inline constexpr std::int64_t kEmptyHolds_ns = 1'000'000'000;

class Directory {
 public:
  /// Opens the directory that a person named: symlinks in `path` are followed. Any length.
  [[nodiscard]] static Result<Directory> open_root(const std::string& path, Side side,
                                                   Features features = {},
                                                   Follow follow = Follow::never);
  /// Opens a directory below this one by a relative path ("a/b", "" is this one itself). A symlink,
  /// "." or ".." on the way is refused (a symlink: unless it is to be followed).
  [[nodiscard]] Result<Directory> open_directory(std::string_view relative) const;
  /// Opens a file by name: O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC and O_NOCTTY are added, so that a
  /// FIFO or device put there never blocks. The caller checks the type with info_of().
  [[nodiscard]] Result<UniqueFd> open_file(std::string_view name, int flags, mode_t mode = 0) const;

  /// The entry itself, not what a symlink points to unless it is to be followed; absence is an
  /// error, and so is a followed symlink that leads nowhere (unsupported_item).
  [[nodiscard]] Result<FileInfo> info(std::string_view name) const;
  /// As info(), absence (and nothing else) being nullopt.
  [[nodiscard]] Result<std::optional<FileInfo>> find(std::string_view name) const;
  /// Of the directory itself.
  [[nodiscard]] Result<FileInfo> info() const;

  [[nodiscard]] Status make_directory(std::string_view name, mode_t mode) const;
  [[nodiscard]] Status make_symlink(std::string_view target, std::string_view name) const;
  /// A FIFO, socket or device node like `like`, 0600. Device nodes need CAP_MKNOD.
  [[nodiscard]] Status make_special(const FileInfo& like, std::string_view name) const;
  /// The text of the link itself, also of one that is to be followed.
  [[nodiscard]] Result<std::string> read_link(std::string_view name) const;
  /// Removes anything but a directory; an absent name is success (so it may be repeated).
  [[nodiscard]] Status remove_file(std::string_view name) const;
  /// Removes an empty directory; an absent name is success. Not empty: destination_exists.
  [[nodiscard]] Status remove_directory(std::string_view name) const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Follow follow() const;
  [[nodiscard]] const Features& features() const { return features_; }
  [[nodiscard]] Side side() const { return side_; }
  /// Of the directory, as they were when it was opened (a held descriptor keeps them).
  [[nodiscard]] std::uint64_t device() const { return device_; }
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  /// For messages: as named by the person, with the relative path.
  [[nodiscard]] const std::string& shown_path() const { return shown_path_; }
  /// The kernel's own name of it, without symlinks, as it is now; empty when it has none.
  [[nodiscard]] std::string real_path() const;
  /// "'path/name'", escaped.
  [[nodiscard]] std::string shown(std::string_view name) const;
  /// The same where it is only wanted for a message; `name` must outlive it, and so must this.
  [[nodiscard]] Subject subject(std::string_view name) const { return {*this, name}; }
  /// What the last file of which it was asked began with, so that it need not be asked of each;
  /// nullopt: not known, for a second not asked, or there was more than that.
  [[nodiscard]] std::optional<NewFile> new_file() const;
  void note_new_file(const NewFile& made) const;
  /// Whether no name stood in it when that was first asked, less than a second ago: so that each
  /// file of a directory that is new need not be looked for. Whoever puts one there afterwards
  /// finds what came in between (rename_new).
  [[nodiscard]] bool was_empty() const;
  /// The last errno as Error, "VERB 'path/name'".
  [[nodiscard]] Error error(int errno_value, std::string_view verb, std::string_view name) const;

 private:
  Directory(UniqueFd fd, Side side, Features features, std::string shown_path)
      : fd_(std::move(fd)), side_(side), features_(features), shown_path_(std::move(shown_path)) {}
  [[nodiscard]] static Result<Directory> opened(int fd, Side side, Features features,
                                                std::string shown_path);

  /// The root below which symlinks are followed, and how.
  struct Tree;
  /// An entry by the directory that holds it. No name: the root itself.
  struct Place;
  [[nodiscard]] Result<FileInfo> followed(std::string_view name, const FileInfo& link) const;
  [[nodiscard]] Result<UniqueFd> open_followed(std::string_view name, int flags) const;
  [[nodiscard]] Result<Directory> open_through_links(std::string_view relative) const;
  [[nodiscard]] Result<Directory> open_physical(std::string_view relative) const;
  [[nodiscard]] Status check_relative(std::string_view relative) const;
  [[nodiscard]] Status follow_links(Follow follow);

  UniqueFd fd_;
  Side side_;
  Features features_;
  std::string shown_path_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  /// The only thing that changes.
  struct Learned;
  std::shared_ptr<Learned> learned_;
  std::shared_ptr<const Tree> tree_;  ///< null: none is followed
  std::string relative_;              ///< from the tree's root, as walked, links included
};

/// statx(2) of an open descriptor; `what` and `side` are for the error.
[[nodiscard]] Result<FileInfo> info_of(int fd, const Subject& what, Side side);

/// Streams the entries of a directory by getdents64 through one buffer of 32 KiB, in the kernel's
/// order, without "." and "..". An error is an error of the listing: it never means that nothing
/// is left. One thread.
class Listing {
 public:
  struct Entry {
    std::string_view name;                ///< valid until the next call of next()
    EntryType type = EntryType::unknown;  ///< unknown where the file system does not say
    std::uint64_t inode = 0;
  };
  [[nodiscard]] static Result<Listing> open(const Directory& directory);
  /// nullopt at the end.
  [[nodiscard]] Result<std::optional<Entry>> next();

 private:
  Listing(UniqueFd fd, Side side, std::string shown_path);
  UniqueFd fd_;
  Side side_;
  std::string shown_path_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  std::size_t position_ = 0;
};

/// How many directories a cache may keep open: 64, fewer where the process may not open many files.
[[nodiscard]] std::size_t directories_to_hold();

/// Handles of the directories below one root that are in use now, at most `capacity` of them: a
/// batch of 1,000 files in 1,000 directories must not need 1,000 descriptors. Any thread.
class DirectoryCache {
 public:
  explicit DirectoryCache(std::shared_ptr<const Directory> root,
                          std::size_t capacity = directories_to_hold());
  ~DirectoryCache();
  /// The directory by its path relative to the root.
  [[nodiscard]] Result<std::shared_ptr<const Directory>> get(const std::string& relative);
  [[nodiscard]] const Directory& root() const;
  /// It was removed: what is made under its path later is another one.
  void forget(const std::string& relative);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dunlin::fs
