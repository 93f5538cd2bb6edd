// SourceTrees; see source_trees.h.
#include "files/source_trees.h"

#include <sys/resource.h>

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/text.h"
#include "files/paths.h"

namespace dunlin::files {
namespace {

constexpr std::size_t kLeastShare = 2;

/// Of roots; with each two directories below it. Of the descriptors most are left to those that
/// copy at the same time.
std::size_t roots_to_hold() {
  struct rlimit limit{};
  constexpr rlim_t kLeast = 4;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  return std::max(limit.rlim_cur / 16, kLeast);
}

/// "NAME/a/b" is "NAME".
std::string_view first_of(std::string_view path) {
  return path.substr(0, path.find('/'));
}

}  // namespace

Result<std::unique_ptr<SourceTrees>> SourceTrees::open(const FilesPlan& plan, const Layout& layout,
                                                       fs::Features features) {
  std::unique_ptr<SourceTrees> trees(new SourceTrees(features, layout.several()));
  std::vector<Layout::Source> sources = layout.sources;
  if (!layout.several()) sources = {{layout.source_root, "", layout.whole_tree()}};
  std::map<std::string, std::size_t> holders;  // path: index of a root that is no source itself
  for (const Layout::Source& source : sources) {
    const auto known = source.whole_tree ? holders.end() : holders.find(source.root);
    std::size_t index = trees->roots_.size();
    if (known != holders.end()) {
      index = known->second;
    } else {
      // What a person names is no part of a tree: that one link leads out of it by what it is.
      const bool alone = !source.whole_tree && plan.follows(fs::Follow::in_tree);
      Root root;
      root.path = source.root;
      root.follow = alone ? fs::Follow::never : plan.selection.follow_symlinks();
      root.whole_tree = source.whole_tree;
      trees->roots_.push_back(std::move(root));
      if (!source.whole_tree) holders.emplace(source.root, index);
    }
    if (!layout.several()) continue;
    trees->by_name_.emplace(source.name, index);
    trees->roots_[index].names.push_back(source.name);
  }
  const std::size_t count = trees->roots_.size();
  // All together no more than one source has.
  trees->share_ = std::max(fs::directories_to_hold() / count, kLeastShare);
  trees->held_by_.assign(count, trees->held_.end());
  for (std::size_t index = 0; index < count; ++index) {
    Root& root = trees->roots_[index];
    auto opened = trees->look_again(root);
    if (!opened.ok() && !layout.several()) return std::move(opened).error();
    if (!opened.ok()) {
      root.missing = std::move(opened).error();
      continue;
    }
    root.device = opened->device();
    root.inode = opened->inode();
    static_cast<void>(trees->keep(index, std::move(opened).value()));
  }
  return trees;
}

std::string SourceTrees::Root::shown() const {
  const std::string whole = whole_tree || names.empty() ? path : joined(path, names.front());
  return "'" + escape_bytes(whole) + "'";
}

Result<SourceTrees::Cache> SourceTrees::hold(std::size_t index) {
  const Root& root = roots_[index];
  if (root.missing) return *root.missing;
  {
    const std::scoped_lock lock(mutex_);
    if (held_by_[index] != held_.end()) {
      held_.splice(held_.begin(), held_, held_by_[index]);
      return held_.front().second;
    }
  }
  DUNLIN_ASSIGN(fs::Directory opened, look_again(root));
  if (!root.is(opened))
    return Error(ErrorType::root_changed,
                 opened.shown("") + " is another directory than it was before");
  return keep(index, std::move(opened));
}

/// When two threads open the same one, the second handle is dropped.
SourceTrees::Cache SourceTrees::keep(std::size_t index, fs::Directory opened) {
  const std::size_t most = roots_to_hold();
  std::list<std::pair<std::size_t, Cache>> dropped;  // closed after the lock is released
  auto fresh = std::make_shared<fs::DirectoryCache>(
      std::make_shared<const fs::Directory>(std::move(opened)), share_);
  const std::scoped_lock lock(mutex_);
  if (held_by_[index] != held_.end()) return held_by_[index]->second;
  held_.emplace_front(index, fresh);
  held_by_[index] = held_.begin();
  if (held_.size() > most) {
    held_by_[held_.back().first] = held_.end();
    dropped.splice(dropped.begin(), held_, std::prev(held_.end()));
  }
  return fresh;
}

Result<SourceTrees::Handle> SourceTrees::open_root(const Root& root) {
  DUNLIN_ASSIGN(const Cache cache, hold(static_cast<std::size_t>(&root - roots_.data())));
  return cache->get("");
}

Result<fs::Directory> SourceTrees::look_again(const Root& root) const {
  return fs::Directory::open_root(root.path, fs::Side::source, features_, root.follow);
}

/// By the ledger's own paths: one that begins with no source's name is a defect.
std::size_t SourceTrees::index_of(std::string_view directory_path, const std::string& name) const {
  if (!several_) return 0;
  const auto found =
      by_name_.find(directory_path.empty() ? std::string_view(name) : first_of(directory_path));
  DUNLIN_CHECK(found != by_name_.end(), "a path of the ledger belongs to no source");
  return found->second;
}

const SourceTrees::Root& SourceTrees::root_of(const std::string& directory_path) const {
  return roots_[index_of(directory_path, "")];
}

std::string_view SourceTrees::below_root(const std::string& directory_path) const {
  if (!several_) return directory_path;
  const std::string_view path = directory_path;
  return path.substr(std::min(first_of(path).size() + 1, path.size()));
}

Result<SourceTrees::Handle> SourceTrees::get(const std::string& directory_path) {
  const std::size_t index = index_of(directory_path, "");
  DUNLIN_ASSIGN(const Cache cache, hold(index));
  if (several_ && !roots_[index].whole_tree) {
    Error error = cache->root().error(ENOTDIR, "open", first_of(directory_path));
    return error;  // it was a directory when it was listed
  }
  return cache->get(std::string(below_root(directory_path)));
}

Result<SourceTrees::Handle> SourceTrees::holder(const std::string& directory_path,
                                                const std::string& name) {
  if (!is_virtual(directory_path)) return get(directory_path);
  DUNLIN_ASSIGN(const Cache cache, hold(index_of(directory_path, name)));
  return cache->get("");
}

Result<bool> SourceTrees::has_entry(const std::string& directory_path, const std::string& name) {
  if (is_virtual(directory_path)) return by_name_.contains(name);
  const auto directory = get(directory_path);
  if (!directory.ok()) return false;
  DUNLIN_ASSIGN(const auto there, (*directory)->find(name));
  return there.has_value();
}

void SourceTrees::forget(const std::string& directory_path) {
  const std::size_t index = index_of(directory_path, "");
  const std::scoped_lock lock(mutex_);
  if (held_by_[index] != held_.end())
    held_by_[index]->second->forget(std::string(below_root(directory_path)));
}

std::size_t SourceTrees::first_root_on(std::uint64_t device) const {
  const auto found = std::find_if(roots_.begin(), roots_.end(), [&](const Root& root) {
    return !root.missing && root.device == device;
  });
  return static_cast<std::size_t>(found - roots_.begin());
}

}  // namespace dunlin::files
