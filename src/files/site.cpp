// Site; see site.h.
#include "files/site.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/crash_point.h"
#include "base/text.h"
#include "files/records.h"

namespace dunlin::files {
namespace {

using engine::Problem;

Problem problem(Error error) {
  return {std::move(error), true, false};
}

/// Is `inner` the directory `outer`, or below it? By inodes, so bind mounts and symlinks do not
/// hide it.
Result<bool> lies_in(const fs::Directory& inner, const fs::Directory& outer) {
  UniqueFd held;
  int at = inner.fd();
  DUNLIN_ASSIGN(fs::FileInfo here, inner.info());
  const auto is_outer = [&] {
    return here.device == outer.device() && here.inode == outer.inode();
  };
  while (!is_outer()) {
    UniqueFd parent(::openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return inner.error(errno, "look at the parents of", "");
    DUNLIN_ASSIGN(const fs::FileInfo above,
                  fs::info_of(parent.get(), inner.shown_path(), inner.side()));
    if (above.device == here.device && above.inode == here.inode) return false;
    here = above;
    held = std::move(parent);
    at = held.get();
  }
  return true;
}

/// The root itself, below what the person has named; that is `base` when nothing is derived.
Result<fs::Directory> open_derived(fs::Directory base, const Layout& where) {
  if (where.destination_name.empty()) return base;
  DUNLIN_ASSIGN(const auto there, base.find(where.destination_name));
  if (there && there->type != fs::EntryType::directory) {
    Error error(ErrorType::destination_exists,
                base.shown(where.destination_name) + " is a " +
                    std::string(fs::to_string(there->type)) +
                    " at the destination, where the directory of this name would be copied to");
    error.remediation = "name the place itself: SRC/ DST/NAME copies the contents of SRC into it";
    return error;
  }
  return base.open_directory(where.destination_name);
}

/// Writes one byte into an unnamed file; where there are none, into a temporary that is removed
/// again, with the times of the directory put back.
Status probe_write(const fs::Directory& directory, const engine::RunContext& context) {
  const UniqueFd unnamed(::openat(directory.fd(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (unnamed) {
    if (::write(unnamed.get(), "x", 1) != 1) return directory.error(errno, "write into", "");
    return success();
  }
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return directory.error(errno, "create a file in", "");
  }
  DUNLIN_ASSIGN(const fs::FileInfo before, directory.info());
  const std::string name = temporary_name(context.execution(), context.epoch(), ItemId(0));
  DUNLIN_TRY(directory.remove_file(name));
  auto file = directory.open_file(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (!file.ok()) return std::move(file).error();
  const bool written = ::write(file->get(), "x", 1) == 1;
  const int write_errno = errno;
  DUNLIN_TRY(directory.remove_file(name));
  const timespec times[2] = {{before.atime.seconds, static_cast<long>(before.atime.nanoseconds)},
                             {before.mtime.seconds, static_cast<long>(before.mtime.nanoseconds)}};
  static_cast<void>(::futimens(directory.fd(), times));
  if (!written) return directory.error(write_errno, "write into", "");
  return success();
}

}  // namespace

Result<Layout> Site::layout_locked() {
  if (!layout_) {
    DUNLIN_ASSIGN(layout_, layout_of(plan));
  }
  return *layout_;
}

Result<Layout> Site::layout() {
  const std::scoped_lock lock(mutex_);
  return layout_locked();
}

Result<fs::DirectoryCache*> Site::source() {
  const std::scoped_lock lock(mutex_);
  if (!source_) {
    DUNLIN_ASSIGN(const Layout where, layout_locked());
    DUNLIN_ASSIGN(fs::Directory root,
                  fs::Directory::open_root(where.source_root, fs::Side::source, features_));
    source_ = std::make_unique<fs::DirectoryCache>(
        std::make_shared<const fs::Directory>(std::move(root)));
  }
  return source_.get();
}

Result<fs::DirectoryCache*> Site::destination() {
  const std::scoped_lock lock(mutex_);
  if (!destination_) {
    DUNLIN_ASSIGN(const Layout where, layout_locked());
    DUNLIN_ASSIGN(fs::Directory base, fs::Directory::open_root(where.destination_base(),
                                                               fs::Side::destination, features_));
    DUNLIN_ASSIGN(fs::Directory root, open_derived(std::move(base), where));
    destination_ = std::make_unique<fs::DirectoryCache>(
        std::make_shared<const fs::Directory>(std::move(root)));
  }
  return destination_.get();
}

void Site::keep_destination(fs::Directory root) {
  const std::scoped_lock lock(mutex_);
  if (destination_) return;
  destination_ =
      std::make_unique<fs::DirectoryCache>(std::make_shared<const fs::Directory>(std::move(root)));
}

Result<fs::FileSystemTraits> Site::destination_traits() {
  DUNLIN_ASSIGN(fs::DirectoryCache* const cache, destination());
  return fs::traits_of(cache->root());
}

Result<std::int64_t> Site::time_granularity_ns() {
  DUNLIN_ASSIGN(fs::FileSystemTraits to, destination_traits());
  if (!to.clock_known) {
    DUNLIN_ASSIGN(fs::DirectoryCache* const to_root, destination());
    const std::scoped_lock lock(mutex_);
    if (!probed_clock_ns_) {
      DUNLIN_ASSIGN(probed_clock_ns_, fs::probe_clock(to_root->root()));
    }
    to.time_granularity_ns = std::max(to.time_granularity_ns, *probed_clock_ns_);
  }
  DUNLIN_ASSIGN(fs::DirectoryCache* const from_root, source());
  DUNLIN_ASSIGN(const fs::FileSystemTraits from, fs::traits_of(from_root->root()));
  return std::max(to.time_granularity_ns, from.time_granularity_ns);
}

Result<std::string> Site::target_name(const std::string& name) {
  DUNLIN_ASSIGN(const Layout where, layout());
  return where.whole_tree() || name.empty() ? name : where.single_target;
}

Result<Nearest> Site::nearest_destination() {
  DUNLIN_ASSIGN(const Layout where, layout());
  std::string path = where.destination_base();
  std::vector<std::string> missing;
  if (!where.destination_name.empty()) missing.push_back(where.destination_name);
  while (true) {
    auto opened = fs::Directory::open_root(path, fs::Side::destination, features_);
    if (opened.ok() && missing.size() == 1 && !where.destination_name.empty()) {
      DUNLIN_ASSIGN(const auto there, opened->find(where.destination_name));
      if (there) {
        DUNLIN_ASSIGN(fs::Directory root, open_derived(std::move(opened).value(), where));
        return Nearest{std::move(root), {}};
      }
    }
    if (opened.ok()) {
      std::reverse(missing.begin(), missing.end());
      return Nearest{std::move(opened).value(), std::move(missing)};
    }
    if (opened.error().native.code != "ENOENT" || path == "/") return std::move(opened).error();
    const std::size_t slash = path.rfind('/');
    missing.push_back(path.substr(slash + 1));
    path = slash == 0 ? "/" : path.substr(0, slash);
  }
}

Result<std::string> Site::identity() {
  DUNLIN_ASSIGN(fs::DirectoryCache* const from, source());
  DUNLIN_ASSIGN(const std::string source_id, fs::file_system_id(from->root()));
  DUNLIN_ASSIGN(const Layout where, layout());
  Json json = Json::object();
  json["source"] = {{"file_system", source_id}, {"inode", from->root().inode()}};
  put_path(json["source"], "path", where.source_root);
  DUNLIN_ASSIGN(json["destination"], destination_identity());
  return dump_json(json);
}

/// Not the inode of the root: it comes into being during the execution, and identity() is not told
/// what was stored before. A disk that is not mounted any more shows in the file system.
Result<Json> Site::destination_identity() {
  DUNLIN_ASSIGN(const Nearest to, nearest_destination());
  DUNLIN_ASSIGN(const std::string file_system, fs::file_system_id(to.directory));
  DUNLIN_ASSIGN(const Layout where, layout());
  Json json = {{"file_system", file_system}};
  put_path(json, "path", where.destination_root);
  return json;
}

Result<bool> Site::same_destination(const std::string& identity) {
  DUNLIN_ASSIGN(const Json before, parse_json(identity, "identity of the roots"));
  DUNLIN_ASSIGN(const Json now, destination_identity());
  const Json* destination = find_member(before, "destination");
  return destination != nullptr && *destination == now;
}

Result<std::vector<Problem>> Site::problems(engine::RunContext& context) {
  std::vector<Problem> found;
  auto from = source();
  if (!from.ok()) {
    found.push_back(problem(std::move(from).error()));
    return found;
  }
  const fs::Directory& source_root = (*from)->root();
  DUNLIN_ASSIGN(const Layout where, layout());
  if (where.whole_tree()) {
    const auto listing = fs::Listing::open(source_root);
    if (!listing.ok()) found.push_back(problem(listing.error()));
  } else {
    const auto entry = source_root.info(where.single_name);
    if (!entry.ok()) found.push_back(problem(entry.error()));
  }
  auto to = nearest_destination();
  if (!to.ok()) {
    found.push_back(problem(std::move(to).error()));
    return found;
  }
  // What is mounted inside the source is no part of it when it is not entered.
  const bool entered =
      !plan.selection.one_file_system() || to->directory.device() == source_root.device();
  DUNLIN_ASSIGN(const bool below, lies_in(to->directory, source_root));
  const bool inside = below && entered;
  if (inside && where.whole_tree()) {
    found.push_back(problem(Error(ErrorType::invalid_input,
                                  "the destination '" + escape_bytes(where.destination_root) +
                                      "' lies inside the source: it would be copied into itself")));
  }
  DUNLIN_ASSIGN(const bool around, lies_in(source_root, to->directory));
  if (around && !below && to->missing.empty() && where.whole_tree()) {
    found.push_back({Error(ErrorType::destination_exists,
                           "the source lies inside the destination: entries of the same name "
                           "replace parts of the source"),
                     true, true});
  }
  DUNLIN_ASSIGN(const fs::Space space, fs::space_of(to->directory));
  if (space.read_only) {
    found.push_back(problem(to->directory.error(EROFS, "write into", "")));
  } else if (const Status probe = probe_write(to->directory, context); !probe.ok()) {
    found.push_back(problem(probe.error()));
  }
  std::int64_t needed = 1;
  if (!where.whole_tree()) {
    if (const auto entry = source_root.info(where.single_name); entry.ok()) needed = entry->size;
  }
  if (space.free_bytes < needed || space.free_inodes == 0) {
    found.push_back(problem(to->directory.error(ENOSPC, "make room in", "")));
  }
  return found;
}

}  // namespace dunlin::files
