// Site; see site.h.
#include "files/site.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <utility>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "base/text.h"
#include "base/units.h"
#include "files/records.h"
#include "fs/clone.h"

namespace dunlin::files {
namespace {

using engine::Problem;

Problem problem(Error error) {
  return {std::move(error), true, false};
}

/// By handles that are held: neither number can have been given to another directory meanwhile.
bool same_directory(const fs::Directory& one, const fs::Directory& other) {
  return one.device() == other.device() && one.inode() == other.inode();
}

/// Does `is_it` say so of the directory, or of one above it? From inside out.
Result<bool> any_above(const fs::Directory& directory,
                       const std::function<bool(const fs::FileInfo&)>& is_it) {
  UniqueFd held;
  int at = directory.fd();
  DUNLIN_ASSIGN(fs::FileInfo here, directory.info());
  while (!is_it(here)) {
    UniqueFd parent(::openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return directory.error(errno, "look at the parents of", "");
    DUNLIN_ASSIGN(const fs::FileInfo above,
                  fs::info_of(parent.get(), directory.shown_path(), directory.side()));
    if (above.device == here.device && above.inode == here.inode) return false;
    here = above;
    held = std::move(parent);
    at = held.get();
  }
  return true;
}

/// Is `inner` the directory `outer`, or below it? By inodes, so bind mounts and symlinks do not
/// hide it.
Result<bool> lies_in(const fs::Directory& inner, const fs::Directory& outer) {
  return any_above(inner, [&](const fs::FileInfo& above) {
    return above.device == outer.device() && above.inode == outer.inode();
  });
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

/// Where a directory among several sources goes, if it is there.
Result<std::optional<fs::Directory>> target_of(const fs::Directory& destination, bool exists,
                                               const std::string& name) {
  if (!exists) return std::optional<fs::Directory>();
  DUNLIN_ASSIGN(const auto there, destination.find(name));
  if (!there) return std::optional<fs::Directory>();
  Layout where;
  where.destination_name = name;
  DUNLIN_ASSIGN(fs::Directory again, destination.open_directory(""));
  DUNLIN_ASSIGN(fs::Directory opened, open_derived(std::move(again), where));
  return std::optional(std::move(opened));
}

/// Sources that are one directory, or lie in another source, whatever their paths say.
Status look_for_nested(const SourceTrees& trees, std::vector<Problem>& found) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, const SourceTrees::Root*> by_inode;
  for (const SourceTrees::Root& root : trees.roots()) {
    if (!root.whole_tree) continue;
    const fs::Directory& one = root.directory();
    const auto [known, fresh] = by_inode.try_emplace({one.device(), one.inode()}, &root);
    if (!fresh)
      found.push_back(problem(Error(ErrorType::invalid_input,
                                    known->second->directory().shown("") + " and " + one.shown("") +
                                        " are the same directory: leave one of them out")));
  }
  for (const SourceTrees::Root& root : trees.roots()) {
    const auto look = [&](const fs::FileInfo& above) {
      const auto outer = by_inode.find({above.device, above.inode});
      if (outer == by_inode.end() || outer->second == &root ||
          (root.whole_tree && same_directory(outer->second->directory(), root.directory())))
        return false;
      const std::string inner = root.directory().shown(root.whole_tree ? "" : root.names.front());
      found.push_back(
          problem(Error(ErrorType::invalid_input,
                        inner + " lies inside of " + outer->second->directory().shown("") +
                            ", which is a source as well: leave one of them out")));
      return true;
    };
    DUNLIN_TRY(any_above(root.directory(), look));
  }
  return success();
}

/// A source that may not be emptied, or whose copies nobody would compare.
std::vector<Error> problems_of_move(const fs::Directory& source, const fs::Directory& destination,
                                    const engine::ExecutionSettings& settings) {
  std::vector<Error> found;
  if (const auto space = fs::space_of(source); space.ok() && space->read_only) {
    found.push_back(source.error(EROFS, "remove from", ""));
  } else if (::faccessat(source.fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    found.push_back(source.error(errno, "remove from", ""));
  }
  const bool unverified = settings.verification_level == engine::VerificationLevel::none;
  if (unverified && source.device() != destination.device()) {
    Error error(ErrorType::invalid_input,
                "source and destination are on different file systems: without a verification "
                "nothing would tell whether a copy is good before its source is removed");
    error.remediation = "leave out --verify none, or copy instead of move";
    found.push_back(std::move(error));
  }
  return found;
}

/// Files that could only fail, one by one.
std::optional<Error> problem_of_clones(const fs::Directory& source,
                                       const fs::Directory& destination) {
  const int why = fs::clone_obstacle(source, destination);
  if (why == 0) return std::nullopt;
  Error error = destination.error(why, "clone into", "");
  error.type = ErrorType::invalid_input;
  error.message += why == EXDEV ? ": source and destination are not on one file system"
                                : ": its file system has no clones (reflinks)";
  error.remediation =
      "leave out --reflink=always (operation: reflink): with auto what cannot be cloned is copied";
  return error;
}

/// Hard links need one file system, and one mount of it.
std::optional<Error> problem_of_links(const fs::Directory& source,
                                      const fs::Directory& destination) {
  const auto mount_of = [](const fs::Directory& directory) -> std::uint64_t {
    struct statx raw{};
    const int done = ::statx(directory.fd(), "", AT_EMPTY_PATH, STATX_MNT_ID, &raw);
    return done == 0 && (raw.stx_mask & STATX_MNT_ID) != 0 ? raw.stx_mnt_id : 0;
  };
  const bool one_device = source.device() == destination.device();
  if (one_device && mount_of(source) == mount_of(destination)) return std::nullopt;
  Error error(ErrorType::invalid_input, destination.shown("") +
                                            (one_device ? " is reached through another mount than "
                                                        : " is on another file system than ") +
                                            source.shown("") + ": no hard link leads there");
  error.remediation = "copy without --link (operation: copy)";
  return error;
}

bool is_absent(const Error& error) {
  return error.native.code == "ENOENT";
}

bool is_no_directory(const Error& error) {
  return is_absent(error) || error.native.code == "ENOTDIR" ||
         error.type == ErrorType::destination_exists;
}

Error gone(const Error& why) {
  Error error(ErrorType::root_changed, why.message + ": it was there when this execution started");
  error.native = why.native;
  return error;
}

Error another(std::string_view side, const fs::Directory& there) {
  return Error(
      ErrorType::root_changed,
      there.shown("") + " is not the " + std::string(side) +
          " directory that this execution has worked with: another one stands in its place");
}

/// Writes one byte into an unnamed file; where there are none, into a temporary that is removed
/// again, with the times of the directory put back. The time that the file system gave it.
Result<fs::Time> probe_write(const fs::Directory& directory, const engine::RunContext& context) {
  const auto write = [&](int fd) -> Result<fs::Time> {
    DUNLIN_TRY(write_all(fd, "x", 1, directory.shown("")));
    DUNLIN_ASSIGN(const fs::FileInfo written,
                  fs::info_of(fd, directory.shown_path(), directory.side()));
    return written.mtime;
  };
  const UniqueFd unnamed(::openat(directory.fd(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (unnamed) return write(unnamed.get());
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return directory.error(errno, "create a file in", "");
  }
  DUNLIN_ASSIGN(const fs::FileInfo before, directory.info());
  const std::string name = temporary_name(context.execution(), context.epoch(), ItemId(0));
  DUNLIN_TRY(directory.remove_file(name));
  auto file = directory.open_file(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (!file.ok()) return std::move(file).error();
  const Result<fs::Time> written = write(file->get());
  DUNLIN_TRY(directory.remove_file(name));
  const timespec times[2] = {{before.atime.seconds, static_cast<long>(before.atime.nanoseconds)},
                             {before.mtime.seconds, static_cast<long>(before.mtime.nanoseconds)}};
  static_cast<void>(::futimens(directory.fd(), times));
  return written;
}

}  // namespace

std::optional<Error> clock_skew(const fs::Time& given, std::int64_t wall_ms,
                                std::string_view shown) {
  constexpr std::int64_t kToleratedS = 3;  // FAT rounds to 2 s
  const std::int64_t ahead_s = given.seconds - wall_ms / 1000;
  if (ahead_s >= -kToleratedS && ahead_s <= kToleratedS) return std::nullopt;
  const auto apart = std::chrono::seconds(ahead_s < 0 ? -ahead_s : ahead_s);
  Error error(ErrorType::invalid_input,
              std::string(shown) + ": its clock is " + format_duration(apart) +
                  (ahead_s < 0 ? " behind" : " ahead of") + " this machine's");
  error.remediation =
      "set the clocks; until then what compares times (--conflict overwrite_if_newer) may be wrong "
      "about files that are written there by others";
  return error;
}

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

Result<fs::Directory> Site::open_destination_root(const Layout& where) const {
  DUNLIN_ASSIGN(fs::Directory base, fs::Directory::open_root(where.destination_base(),
                                                             fs::Side::destination, features_));
  return open_derived(std::move(base), where);
}

Result<SourceTrees*> Site::source() {
  const std::scoped_lock lock(mutex_);
  if (!source_) {
    DUNLIN_ASSIGN(const Layout where, layout_locked());
    DUNLIN_ASSIGN(source_, SourceTrees::open(plan, where, features_));
  }
  return source_.get();
}

Result<fs::DirectoryCache*> Site::destination() {
  const std::scoped_lock lock(mutex_);
  if (!destination_) {
    DUNLIN_ASSIGN(const Layout where, layout_locked());
    DUNLIN_ASSIGN(fs::Directory root, open_destination_root(where));
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
  std::int64_t coarsest = to.time_granularity_ns;
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    DUNLIN_ASSIGN(const fs::FileSystemTraits from, fs::traits_of(root.directory()));
    coarsest = std::max(coarsest, from.time_granularity_ns);
  }
  return coarsest;
}

Result<std::string> Site::target_name(const std::string& name) {
  DUNLIN_ASSIGN(const Layout where, layout());
  return where.whole_tree() || name.empty() ? name : where.single_target;
}

Result<std::optional<Error>> Site::refuse_to_enter(const std::string& parent, std::string_view name,
                                                   const fs::FileInfo& directory) {
  if (plan.follows(fs::Follow::never)) return std::optional<Error>();
  const auto is = [&](const fs::Directory& other) {
    return directory.device == other.device() && directory.inode == other.inode();
  };
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  const fs::Directory& root = trees->root_of(parent).directory();
  const std::string below(trees->below_root(parent));
  bool inside_itself = is(root);
  for (std::size_t slash = parent.size() - below.size(); !inside_itself && slash < parent.size();) {
    slash = std::min(parent.find('/', slash + 1), parent.size());
    const auto above = trees->get(parent.substr(0, slash));
    if (!above.ok()) return std::optional<Error>();  // as below
    inside_itself = is(**above);
  }
  const std::string shown =
      root.shown(below.empty() ? std::string(name) : below + "/" + std::string(name));
  Error error(ErrorType::unsupported_item, shown);
  error.remediation =
      "leave it out with --exclude, or copy links as links: --follow-symlinks never";
  if (inside_itself) {
    error.message += " leads back to a directory that it lies in: followed, it would have no end";
    return std::optional(std::move(error));
  }
  if (!plan.follows(fs::Follow::always)) return std::optional<Error>();
  const auto to = nearest_destination();
  if (!to.ok() || !to->missing.empty()) return std::optional<Error>();
  const auto opened =
      trees->get(parent.empty() ? std::string(name) : parent + "/" + std::string(name));
  if (!opened.ok()) return std::optional<Error>();  // its listing will fail with the reason
  const auto inside_destination = lies_in(**opened, to->directory);
  if (!inside_destination.ok() || !*inside_destination) return std::optional<Error>();
  error.message += " leads into the destination, which would be copied into itself";
  return std::optional(std::move(error));
}

Result<std::string> Site::placed_name(const engine::ItemRow& row) {
  if (row.status == engine::ItemStatus::completed && !row.undo.empty()) {
    DUNLIN_ASSIGN(Witness witness, decode_witness(row.undo, row.detail));
    if (!witness.name.empty()) return std::move(witness.name);
  }
  return target_name(row.name);
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
  auto held = source();
  if (!held.ok()) return is_no_directory(held.error()) ? gone(held.error()) : held.error();
  Json sources = Json::array();
  for (const SourceTrees::Root& root : (*held)->roots()) {
    DUNLIN_ASSIGN(const std::string file_system, fs::file_system_id(root.directory()));
    Json one = {{"file_system", file_system}, {"inode", root.directory().inode()}};
    put_path(one, "path", root.path);
    sources.push_back(std::move(one));
  }
  Json json = Json::object();
  if (plan.several()) {
    json["sources"] = std::move(sources);
  } else {
    json["source"] = std::move(sources.front());
  }
  DUNLIN_ASSIGN(json["destination"], destination_identity());
  return dump_json(json);
}

std::optional<std::string> Site::changed_source(const std::string& before, const std::string& now) {
  const auto old_json = parse_json(before, "identity of the roots");
  const auto new_json = parse_json(now, "identity of the roots");
  if (!old_json.ok() || !new_json.ok()) return std::nullopt;
  const Json* one = find_member(*old_json, "sources");
  const Json* other = find_member(*new_json, "sources");
  if (one == nullptr || other == nullptr || !one->is_array() || one->size() != other->size())
    return std::nullopt;
  for (std::size_t n = 0; n < one->size(); ++n) {
    const auto path = get_path((*one)[n], "path");
    if ((*one)[n] != (*other)[n] && path.ok()) return *path;
  }
  return std::nullopt;
}

/// Not the inode of the root, which comes into being during the execution: check_roots() compares
/// it. A disk that is not mounted any more shows in the file system.
Result<Json> Site::destination_identity() {
  auto nearest = nearest_destination();
  if (!nearest.ok())
    return is_no_directory(nearest.error()) ? gone(nearest.error()) : nearest.error();
  const Nearest& to = *nearest;
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

Status Site::check_roots(engine::BatchContext& context) {
  DUNLIN_TRY(check_sources());
  return check_destination(context);
}

Status Site::check_sources() {
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    const auto now = trees->look_again(root);
    if (!now.ok()) return is_no_directory(now.error()) ? gone(now.error()) : now.error();
    if (!same_directory(*now, root.directory())) return another("source", *now);
  }
  return success();
}

Status Site::check_destination(engine::BatchContext& context, bool may_be_gone) {
  DUNLIN_ASSIGN(const Layout where, layout());
  DUNLIN_ASSIGN(const auto recorded, recorded_root(context));
  if (!recorded) return success();  // it is made by the batch that is about to run
  const auto now = open_destination_root(where);
  if (!now.ok()) {
    if (is_absent(now.error()) && may_be_gone) return success();
    return is_no_directory(now.error()) ? gone(now.error()) : now.error();
  }
  DUNLIN_ASSIGN(fs::DirectoryCache* const held, destination());
  if (!same_directory(*now, held->root())) return another("destination", *now);
  DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(*now));
  if (traits.lasting_inodes && now->inode() != *recorded) return another("destination", *now);
  return success();
}

/// The first item of every execution is the root: see enumerate.cpp.
Result<std::optional<std::uint64_t>> Site::recorded_root(engine::BatchContext& context) {
  {
    const std::scoped_lock lock(mutex_);
    if (recorded_root_) return recorded_root_;
  }
  DUNLIN_ASSIGN(const engine::ItemRow root, context.item(kRootItem));
  if (root.status != engine::ItemStatus::completed || root.undo.empty())
    return std::optional<std::uint64_t>();
  DUNLIN_ASSIGN(const Witness witness, decode_witness(root.undo, root.detail));
  const std::scoped_lock lock(mutex_);
  recorded_root_ = witness.placed->inode;
  return recorded_root_;
}

Result<std::vector<Problem>> Site::problems(engine::RunContext& context) {
  std::vector<Problem> found;
  auto from = source();
  if (!from.ok()) {
    found.push_back(problem(std::move(from).error()));
    return found;
  }
  if (plan.selection.asks_content()) {
    if (const Status ready = parser_.ready(context.cancel()); !ready.ok())
      found.push_back(problem(ready.error()));
  }
  auto to = nearest_destination();
  DUNLIN_TRY(look_at_sources(context, to.ok() ? &*to : nullptr, found));
  if (!to.ok()) {
    found.push_back(problem(std::move(to).error()));
    return found;
  }
  DUNLIN_ASSIGN(const fs::Space space, fs::space_of(to->directory));
  if (space.read_only) {
    found.push_back(problem(to->directory.error(EROFS, "write into", "")));
  } else if (const auto probe = probe_write(to->directory, context); !probe.ok()) {
    found.push_back(problem(probe.error()));
  } else if (auto skew = clock_skew(*probe, context.clock().wall_ms(), to->directory.shown(""))) {
    found.push_back({*std::move(skew), false, true});
  }
  std::int64_t needed = 1;
  DUNLIN_ASSIGN(const Layout where, layout());
  if (!where.whole_tree()) {
    const auto entry = (*from)->roots().front().directory().info(where.single_name);
    if (entry.ok()) needed = entry->size;
  }
  if (space.free_bytes < needed || space.free_inodes == 0) {
    found.push_back(problem(to->directory.error(ENOSPC, "make room in", "")));
  }
  return found;
}

/// Each by itself and beside the destination (nullptr: it cannot be opened), then among each other.
Status Site::look_at_sources(engine::RunContext& context, const Nearest* to,
                             std::vector<Problem>& found) {
  DUNLIN_ASSIGN(const Layout where, layout());
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    const fs::Directory& source_root = root.directory();
    if (root.whole_tree) {
      const auto listing = fs::Listing::open(source_root);
      if (!listing.ok()) found.push_back(problem(listing.error()));
    } else {
      const auto wanted = plan.several() ? root.names : std::vector{where.single_name};
      for (const std::string& name : wanted) {
        const auto entry = source_root.info(name);
        if (!entry.ok()) found.push_back(problem(entry.error()));
      }
    }
    if (to == nullptr) continue;
    if (plan.moves()) {
      for (Error& error : problems_of_move(source_root, to->directory, context.settings()))
        found.push_back(problem(std::move(error)));
    }
    if (plan.links()) {
      if (auto error = problem_of_links(source_root, to->directory))
        found.push_back(problem(*std::move(error)));
    }
    if (plan.reflink == Reflink::always) {
      if (auto error = problem_of_clones(source_root, to->directory))
        found.push_back(problem(*std::move(error)));
    }
    if (!root.whole_tree) continue;
    if (!plan.several()) {
      DUNLIN_TRY(look_at_tree(root, to->directory, to->missing.empty(), found));
      continue;
    }
    auto target = target_of(to->directory, to->missing.empty(), root.names.front());
    if (!target.ok()) {
      found.push_back(problem(std::move(target).error()));
      continue;
    }
    DUNLIN_TRY(look_at_tree(root, *target ? **target : to->directory, target->has_value(), found));
  }
  if (plan.several()) DUNLIN_TRY(look_for_nested(*trees, found));
  return success();
}

/// A source that is a directory, beside the deepest directory that exists of what it becomes.
/// `exists`: that is what it becomes.
Status Site::look_at_tree(const SourceTrees::Root& root, const fs::Directory& near, bool exists,
                          std::vector<Problem>& found) {
  const fs::Directory& source_root = root.directory();
  const std::string named = plan.several() ? "the source " + source_root.shown("") : "the source";
  // What is mounted inside the source is no part of it when it is not entered.
  const bool entered = !plan.selection.one_file_system() || near.device() == source_root.device();
  DUNLIN_ASSIGN(const bool below, lies_in(near, source_root));
  if (below && entered) {
    DUNLIN_ASSIGN(const Layout where, layout());
    found.push_back(
        problem(Error(ErrorType::invalid_input,
                      "the destination '" + escape_bytes(where.destination_root) +
                          "' lies inside " + named + ": it would be copied into itself")));
  }
  DUNLIN_ASSIGN(const bool around, lies_in(source_root, near));
  if (around && !below && exists) {
    found.push_back({Error(ErrorType::destination_exists,
                           named + " lies inside the destination: entries of the same name replace "
                                   "parts of the source"),
                     true, !plan.moves()});
  }
  return success();
}

}  // namespace dunlin::files
