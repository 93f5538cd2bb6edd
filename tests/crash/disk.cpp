#include "disk.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "content.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;

bool is_database(const std::string& path) {
  return path.ends_with(".db") || path.ends_with(".db-wal") || path.ends_with(".db-journal");
}

std::string parent_of(const std::string& path) {
  return fsys::path(path).parent_path().string();
}

bool any_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// `path_argument` is a string; an absolute one, or relative to nothing we follow.
std::string plain_path(const SystemCall& call, std::size_t path_argument) {
  return fsys::path(call.bytes(path_argument)).lexically_normal().string();
}

bool below(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

/// Moves the entries of `folder` and below; the map's keys are paths.
template <typename Entry>
void move_entries(std::map<std::string, Entry>& map, const std::string& from,
                  const std::string& to) {
  std::vector<std::string> keys;
  for (auto at = map.lower_bound(from); at != map.end() && at->first.starts_with(from); ++at)
    if (at->first == from || below(at->first, from)) keys.push_back(at->first);
  for (const std::string& key : keys) {
    auto node = map.extract(key);
    node.key() = to + key.substr(from.size());
    map.erase(node.key());
    map.insert(std::move(node));
  }
}

}  // namespace

Written written_by(const SystemCall& call) {
  const std::string& n = call.name;
  if (any_of(n, {"write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "ftruncate",
                 "fallocate"}))
    return {call.descriptor_path(0), true};
  if (any_of(n, {"copy_file_range", "splice"})) return {call.descriptor_path(2), true};
  if (n == "ioctl" && call.has(1, "FICLONE")) return {call.descriptor_path(0), true};
  if (n == "truncate") return {plain_path(call, 0), true};
  if (any_of(n, {"fchmod", "fchown", "fsetxattr", "fremovexattr"}))
    return {call.descriptor_path(0), false};
  if (any_of(n, {"chmod", "chown", "lchown", "setxattr"})) return {plain_path(call, 0), false};
  if (any_of(n, {"utimensat", "fchmodat", "fchownat"})) {
    // Without a path (NULL or "") it is the descriptor's own file.
    return {call.bytes(1).empty() ? call.descriptor_path(0) : call.path_at(0), false};
  }
  return {};
}

std::vector<std::string> names_changed_by(const SystemCall& call) {
  const std::string& n = call.name;
  if (n == "open" && call.has(1, "O_CREAT")) return {plain_path(call, 0)};
  if (n == "openat" && call.has(2, "O_CREAT")) return {call.path_at(0)};
  if (any_of(n, {"creat", "mknod", "mkdir", "rmdir", "unlink"})) return {plain_path(call, 0)};
  if (any_of(n, {"mknodat", "mkdirat", "unlinkat"})) return {call.path_at(0)};
  if (n == "symlink") return {plain_path(call, 1)};
  if (n == "symlinkat") return {call.path_at(1)};
  if (any_of(n, {"rename", "link"})) return {plain_path(call, 0), plain_path(call, 1)};
  if (any_of(n, {"renameat", "renameat2", "linkat"})) return {call.path_at(0), call.path_at(2)};
  return {};
}

Disk::Disk(std::vector<std::string> trees) : trees_(std::move(trees)) {
  for (const std::string& tree : trees_) read_tree(tree);
}

void Disk::read_tree(const std::string& tree) {
  if (!fsys::exists(tree)) return;
  for (const auto& entry : fsys::recursive_directory_iterator(tree)) {
    const std::string path = entry.path().string();
    Name& own = names_[path];
    own.present = own.safely_present = true;
    File& there = files_[path];
    there.node = !entry.is_directory() && !entry.is_regular_file();
    if (!is_database(path)) continue;
    there.now = there.safe = content_of(path);
  }
}

const std::string* Disk::tree_of(const std::string& path) const {
  for (const std::string& tree : trees_)
    if (path == tree || below(path, tree)) return &tree;
  return nullptr;
}

Disk::Name& Disk::name(const std::string& path) {
  return names_[path];
}

const Disk::Name* Disk::find_name(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : &found->second;
}

// ---- Changes ----

void Disk::create(const std::string& path) {
  Name& own = name(path);
  own.present = true;
  ++own.changes.under_way;
  files_[path] = File{};
}

void Disk::remove(const std::string& path) {
  Name& own = name(path);
  const File& there = file(path);
  if (own.safely_present && !own.old_bytes) own.old_bytes = there.safe;
  own.present = false;
  ++own.changes.under_way;
  files_.erase(path);
}

void Disk::rename(const std::string& from, const std::string& to, bool exchange) {
  if (exchange) {
    std::swap(files_[from], files_[to]);
  } else {
    const Name before = name(from);
    Name target = name(to);
    if (target.safely_present && !target.old_bytes) target.old_bytes = file(to).safe;
    move_entries(files_, from, to);
    move_entries(names_, from, to);  // those below a directory keep what they are
    Name left = before;
    if (left.safely_present && !left.old_bytes) left.old_bytes = file(to).safe;
    left.present = false;
    target.present = true;
    names_[from] = left;
    names_[to] = target;
  }
  ++name(from).changes.under_way;
  ++name(to).changes.under_way;
}

void Disk::write_bytes(const SystemCall& call, const std::string& path) {
  File& there = file(path);
  if (call.name == "ftruncate") {
    there.now.resize(call.number(1));
    return;
  }
  if (call.name != "pwrite64") {
    if (confused_by_.empty()) confused_by_ = call.name + " to the database " + path;
    return;
  }
  bool complete = false;
  std::string bytes = call.bytes(1, &complete);
  const auto offset = static_cast<std::size_t>(call.number(3));
  if (!complete || static_cast<std::int64_t>(bytes.size()) < call.returned) {
    if (confused_by_.empty())
      confused_by_ = "a write of " + std::to_string(call.returned) + " bytes to " + path;
    return;
  }
  bytes.resize(static_cast<std::size_t>(call.returned));  // a kill can cut a write short
  if (there.now.size() < offset + bytes.size()) there.now.resize(offset + bytes.size());
  there.now.replace(offset, bytes.size(), bytes);
}

void Disk::begin(const SystemCall& call) {
  if (const Written written = written_by(call); tree_of(written.path) != nullptr) {
    File& there = file(written.path);
    ++(written.content ? there.content : there.metadata).under_way;
    if (written.content && is_database(written.path)) write_bytes(call, written.path);
  }
  std::vector<std::string> names = names_changed_by(call);
  const bool ours = std::any_of(names.begin(), names.end(), [this](const std::string& path) {
    return tree_of(path) != nullptr;
  });
  if (ours && call.name.starts_with("rename")) {
    rename(names[0], names[1], call.has(4, "RENAME_EXCHANGE"));
  } else if (ours && call.name.starts_with("link")) {
    files_[names[1]] = file(names[0]);
    names.erase(names.begin());
    name(names[0]).present = true;
    ++name(names[0]).changes.under_way;
  } else if (ours && any_of(call.name, {"unlink", "unlinkat", "rmdir"})) {
    remove(names[0]);
  } else if (ours) {
    if (name(names[0]).present) return;  // O_CREAT of what is there
    create(names[0]);
    file(names[0]).node = call.name.starts_with("symlink") || call.name.starts_with("mknod");
  }
  if (ours) created_by_[call.began] = names;
  if (call.name == "fsync" || call.name == "fdatasync")
    begin_flush(call, call.descriptor_path(0), false);
  if (call.name == "syncfs") begin_flush(call, call.descriptor_path(0), true);
}

void Disk::end(const SystemCall& call) {
  if (const Written written = written_by(call); tree_of(written.path) != nullptr) {
    File& there = file(written.path);
    Changes& changes = written.content ? there.content : there.metadata;
    changes.under_way = std::max(0, changes.under_way - 1);
    changes.last = std::max(changes.last, call.ended);
  }
  if (const auto changed = created_by_.find(call.began); changed != created_by_.end()) {
    for (const std::string& path : changed->second) {
      Changes& changes = name(path).changes;
      --changes.under_way;
      changes.last = std::max(changes.last, call.ended);
    }
    created_by_.erase(changed);
  }
  if (call.name == "fsync" || call.name == "fdatasync")
    end_flush(call, call.descriptor_path(0), false);
  if (call.name == "syncfs") end_flush(call, call.descriptor_path(0), true);
}

void Disk::Changes::cut_short(Moment moment) {
  if (under_way > 0) last = moment;
  under_way = 0;
}

void Disk::killed(Moment moment, const std::vector<SystemCall>& cut_short) {
  flushing_.clear();
  created_by_.clear();
  for (auto& [path, own] : names_) {
    own.changes.cut_short(moment);
    const bool there = fsys::exists(fsys::symlink_status(path));
    if (there == own.present) continue;
    if (!there) {
      remove(path);
      own.changes.cut_short(moment);
    }
    own.present = there;
    own.changes.last = moment;
  }
  for (const std::string& tree : trees_) {
    for (const auto& entry : fsys::recursive_directory_iterator(tree)) {
      if (names_.contains(entry.path().string())) continue;
      create(entry.path().string());
      names_[entry.path().string()].changes.cut_short(moment);
    }
  }
  for (const SystemCall& call : cut_short) {
    for (const std::string& path : names_changed_by(call)) {
      if (const auto own = names_.find(path); own != names_.end())
        own->second.changes.last = moment;
    }
  }
  for (auto& [path, there] : files_) {
    there.content.cut_short(moment);
    there.metadata.cut_short(moment);
    if (!is_database(path) || !fsys::exists(path)) continue;
    std::string bytes = content_of(path);
    if (bytes == there.now) continue;
    there.now = std::move(bytes);
    there.content.last = moment;
  }
}

// ---- Flushes ----

void Disk::begin_flush(const SystemCall& call, const std::string& path, bool whole_tree) {
  const std::string* tree = tree_of(path);
  if (tree == nullptr) return;
  Snapshot& snapshot = flushing_[call.began];
  for (const auto& [key, there] : files_) {
    const bool covered = whole_tree ? below(key, *tree) : key == path;
    if (covered && there.content.under_way == 0) snapshot[key] = there.now;
  }
}

void Disk::end_flush(const SystemCall& call, const std::string& path, bool whole_tree) {
  const std::string* tree = tree_of(path);
  if (tree == nullptr) return;
  ++flushes_;
  const Snapshot snapshot = std::move(flushing_[call.began]);
  flushing_.erase(call.began);
  for (auto& [key, there] : files_) {
    if (whole_tree ? !below(key, *tree) && key != *tree : key != path) continue;
    there.content.flushed = std::max(there.content.flushed, call.began);
    if (call.name != "fdatasync")
      there.metadata.flushed = std::max(there.metadata.flushed, call.began);
    if (const auto seen = snapshot.find(key); seen != snapshot.end()) there.safe = seen->second;
  }
  for (auto& [key, own] : names_) {
    if (whole_tree ? !below(key, *tree) : parent_of(key) != path) continue;
    own.changes.flushed = std::max(own.changes.flushed, call.began);
    if (!own.changes.safe_since(call.began)) continue;
    own.safely_present = own.present;
    own.old_bytes.reset();
  }
}

// ---- Answers ----

bool Disk::content_flushed(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() || found->second.content.safe();
}

bool Disk::metadata_flushed(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() || found->second.metadata.safe();
}

bool Disk::name_flushed(const std::string& path) const {
  const Name* own = find_name(path);
  return own == nullptr || own->changes.safe();
}

bool Disk::path_flushed(const std::string& path) const {
  const std::string* tree = tree_of(path);
  if (tree == nullptr) return true;
  for (std::string at = path; below(at, *tree); at = parent_of(at))
    if (!name_flushed(at)) return false;
  return true;
}

bool Disk::name_changed(const std::string& path) const {
  const Name* own = find_name(path);
  return own != nullptr && (own->changes.last > 0 || own->changes.under_way > 0);
}

bool Disk::is_node(const std::string& path) const {
  const auto found = files_.find(path);
  return found != files_.end() && found->second.node;
}

std::optional<std::string> Disk::bytes_now(const std::string& path) const {
  const Name* own = find_name(path);
  const auto found = files_.find(path);
  if (own == nullptr || !own->present || found == files_.end()) return std::nullopt;
  return found->second.now;
}

std::optional<std::string> Disk::bytes_after_cut(const std::string& path) const {
  const Name* own = find_name(path);
  if (own == nullptr || !own->safely_present) return std::nullopt;
  const std::string* tree = tree_of(path);
  for (std::string at = parent_of(path); tree != nullptr && below(at, *tree); at = parent_of(at)) {
    const Name* above = find_name(at);
    if (above == nullptr || !above->safely_present) return std::nullopt;
  }
  if (own->old_bytes) return own->old_bytes;
  const auto found = files_.find(path);
  return found == files_.end() ? std::string() : found->second.safe;
}

}  // namespace dunlin::crash
