// Symlinks that are followed: the part of Directory that a source root opened with a Follow other
// than never adds.
//
// Follow::always asks the kernel, which follows each link to wherever it leads.
//
// Follow::in_tree never lets the kernel follow anything. A path is turned, link by link, into the
// path without links to which it leads, and that one is opened like every other: beneath the root,
// through no symlink. ".." goes back along the names that were walked, never through the kernel's,
// so neither a link nor a directory that is swapped for one meanwhile leads out of the root; at
// worst the open fails.
#include "fs/follow.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/text.h"
#include "fs/directory.h"

namespace dunlin::fs {
namespace {

// As the kernel's own walk (path_resolution(7)).
constexpr int kLinksAtMost = 40;

using Names = std::vector<std::string>;

/// "/a//b/" as "a", "b", "": an empty name at the end says that a directory is meant.
Names names_of(std::string_view path) {
  Names names;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t slash = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, slash - begin);
    begin = slash + 1;
    if (!name.empty()) names.emplace_back(name);
  }
  if (path.ends_with('/') && !names.empty()) names.emplace_back();
  return names;
}

std::string path_of(const Names& names) {
  std::string path;
  for (const std::string& name : names) path += (path.empty() ? "" : "/") + name;
  return path;
}

/// What of an absolute link's target lies below `root`; nullopt: it leads elsewhere.
std::optional<Names> below(const Names& target, const std::string& root) {
  const Names above = names_of(root);
  if (target.size() < above.size() || !std::equal(above.begin(), above.end(), target.begin()))
    return std::nullopt;
  return Names(target.begin() + static_cast<std::ptrdiff_t>(above.size()), target.end());
}

/// No way through this name: what leads here leads nowhere.
bool leads_nowhere(const Error& error) {
  const std::string& code = error.native.code;
  return code == "ENOTDIR" || code == "ENAMETOOLONG" || code == "EINVAL";
}

}  // namespace

struct Directory::Place {
  Directory directory;
  std::string name;
};

struct Directory::Tree {
  Follow follow;
  Directory root;  ///< follows nothing itself
  /// By which an absolute target may name the root: as the person did, and as the kernel does.
  std::vector<std::string> names;

  /// nullopt: it leads out of the root, or nowhere.
  [[nodiscard]] Result<std::optional<Names>> physical(std::string_view logical) const;
  /// Puts what the link points to in front of what is still to be walked. False: it leads out.
  [[nodiscard]] bool enter_link(const std::string& target, Names& walked, Names& rest) const;
  [[nodiscard]] Result<std::optional<Place>> place_of(const std::string& logical) const;
};

bool Directory::Tree::enter_link(const std::string& target, Names& walked, Names& rest) const {
  Names steps = names_of(target);
  if (target.starts_with('/')) {
    std::optional<Names> inside;
    for (const std::string& name : names)
      if (!inside) inside = below(steps, name);
    if (!inside) return false;
    steps = *std::move(inside);
    walked.clear();
  }
  rest.insert(rest.end(), steps.rbegin(), steps.rend());
  return true;
}

/// `rest` is what is still to be walked, the next name last.
Result<std::optional<Names>> Directory::Tree::physical(std::string_view logical) const {
  const std::optional<Names> nowhere;
  Names walked;
  Names rest = names_of(logical);
  std::reverse(rest.begin(), rest.end());
  DUNLIN_ASSIGN(Directory at, root.open_physical(""));
  for (int links = 0; !rest.empty();) {
    const std::string name = std::move(rest.back());
    rest.pop_back();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (walked.empty()) return nowhere;
      walked.pop_back();
      DUNLIN_ASSIGN(at, root.open_physical(path_of(walked)));
      continue;
    }
    const auto found = at.find(name);
    if (!found.ok() && leads_nowhere(found.error())) return nowhere;
    if (!found.ok()) return found.error();
    if (!*found) return nowhere;
    if ((*found)->type == EntryType::symlink) {
      DUNLIN_ASSIGN(const std::string target, at.read_link(name));
      const std::size_t before = walked.size();
      if (++links > kLinksAtMost || !enter_link(target, walked, rest)) return nowhere;
      if (walked.size() != before) {
        DUNLIN_ASSIGN(at, root.open_physical(""));
      }
      continue;
    }
    walked.push_back(name);
    if (rest.empty()) break;
    if ((*found)->type != EntryType::directory) return nowhere;
    DUNLIN_ASSIGN(at, at.open_physical(name));
  }
  return std::optional(std::move(walked));
}

Result<std::optional<Directory::Place>> Directory::Tree::place_of(
    const std::string& logical) const {
  DUNLIN_ASSIGN(auto walked, physical(logical));
  if (!walked) return std::optional<Place>();
  std::string name;
  if (!walked->empty()) {
    name = std::move(walked->back());
    walked->pop_back();
  }
  DUNLIN_ASSIGN(Directory directory, root.open_physical(path_of(*walked)));
  return std::optional(Place{std::move(directory), std::move(name)});
}

Follow Directory::follow() const {
  return tree_ ? tree_->follow : Follow::never;
}

Status Directory::follow_links(Follow follow) {
  DUNLIN_ASSIGN(Directory root, open_physical(""));
  std::vector<std::string> names{shown_path_, real_path()};
  std::erase_if(names, [](const std::string& name) { return !name.starts_with('/'); });
  for (std::string& name : names)
    while (name.ends_with('/')) name.pop_back();
  tree_ = std::make_shared<const Tree>(Tree{follow, std::move(root), std::move(names)});
  return success();
}

/// What the link stands for; in_tree: the link itself where it leads out or nowhere.
Result<FileInfo> Directory::followed(std::string_view name, const FileInfo& link) const {
  if (tree_->follow == Follow::always) {
    FileInfo info;
    if (stat_at(fd_.get(), std::string(name).c_str(), 0, info)) return info;
    const int why_not = errno;
    Error failed = error(why_not, "follow symlink", name);
    if (why_not != ENOENT && why_not != ELOOP && why_not != ENOTDIR) return failed;
    failed.type = ErrorType::unsupported_item;
    failed.message = shown(name) + " is a symlink that was to be followed, and it leads " +
                     (why_not == ELOOP ? "in a circle" : "nowhere");
    failed.remediation =
        "mend the link, leave it out with --exclude, or copy links as links: --follow-symlinks "
        "never";
    return failed;
  }
  DUNLIN_ASSIGN(
      const auto place,
      tree_->place_of(relative_.empty() ? std::string(name) : relative_ + "/" + std::string(name)));
  if (!place) return link;
  return place->name.empty() ? place->directory.info() : place->directory.info(place->name);
}

Result<UniqueFd> Directory::open_followed(std::string_view name, int flags) const {
  const int quiet = flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  const std::string text(name);
  if (tree_->follow == Follow::in_tree) {
    FileInfo info;
    const bool looked = stat_at(fd_.get(), text.c_str(), AT_SYMLINK_NOFOLLOW, info);
    if (looked && info.type == EntryType::symlink) {
      DUNLIN_ASSIGN(const auto place,
                    tree_->place_of(relative_.empty() ? text : relative_ + "/" + text));
      if (place && !place->name.empty()) return place->directory.open_file(place->name, flags);
    }
  }
  const bool through = tree_->follow == Follow::always;
  const int fd = open_quietly(fd_.get(), text.c_str(), through ? quiet : quiet | O_NOFOLLOW);
  if (fd < 0) return error(errno, "open", name);
  return UniqueFd(fd);
}

Result<Directory> Directory::open_through_links(std::string_view relative) const {
  if (tree_->follow == Follow::in_tree) {
    const std::string logical =
        relative_.empty() ? std::string(relative) : relative_ + "/" + std::string(relative);
    DUNLIN_ASSIGN(const auto walked, tree_->physical(logical));
    if (!walked) return error(ESTALE, "open directory", relative);
    return tree_->root.open_physical(path_of(*walked));
  }
  // Name by name: neither the length of a path nor the kernel's limit of links in one counts.
  UniqueFd held;
  int at = fd_.get();
  for (const std::string& name : names_of(relative)) {
    const int fd = ::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error(errno, "open directory", relative);
    held.reset(fd);
    at = held.get();
  }
  const int fd = ::openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return error(errno, "open directory", relative);
  return opened(fd, side_, features_, shown_path_);
}

}  // namespace dunlin::fs
