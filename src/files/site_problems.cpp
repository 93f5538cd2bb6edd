// What Site finds before anything is listed (engine.md X-32, first part): both roots, the way
// between them, a write probe.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "base/file_io.h"
#include "base/text.h"
#include "base/units.h"
#include "files/obstacles.h"
#include "files/records.h"
#include "files/root_directories.h"
#include "files/site.h"
#include "fs/clone.h"

namespace dunlin::files {

using engine::Problem;

namespace {

Problem problem(Error error) {
  return {std::move(error), true, false};
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

/// Of a directory of a root, or of an entry of it (`name`): is it dunlin's own? `place` says what
/// the person has to exchange for another one.
Status look_whether_state(const fs::Directory& directory, const std::string& name,
                          const fs::Directory& state, const std::string& place,
                          std::vector<Problem>& found) {
  DUNLIN_ASSIGN(const bool own, lies_in(directory, state));
  if (!own) return success();
  const bool itself = name.empty() && same_directory(directory, state);
  Error error(ErrorType::invalid_input,
              directory.shown(name) +
                  (itself ? " is dunlin's own state directory"
                          : " lies inside of dunlin's own state directory " + state.shown("")));
  error.remediation = "name another " + place +
                      ", or keep the state of this execution elsewhere with --state DIR; a "
                      "directory that holds the state leaves it out by itself";
  found.push_back(problem(std::move(error)));
  return success();
}

/// Sources that are one directory, or lie in another source, whatever their paths say.
Status look_for_nested(SourceTrees& trees, std::vector<Problem>& found) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, const SourceTrees::Root*> by_inode;
  for (const SourceTrees::Root& root : trees.roots()) {
    if (!root.whole_tree) continue;
    const auto [known, fresh] = by_inode.try_emplace({root.device, root.inode}, &root);
    if (!fresh)
      found.push_back(problem(
          Error(ErrorType::invalid_input, known->second->shown() + " and " + root.shown() +
                                              " are the same directory: leave one of them out")));
  }
  for (const SourceTrees::Root& root : trees.roots()) {
    const auto look = [&](const fs::FileInfo& above) {
      const auto outer = by_inode.find({above.device, above.inode});
      if (outer == by_inode.end() || outer->second == &root ||
          (root.whole_tree && outer->second->device == root.device &&
           outer->second->inode == root.inode))
        return false;
      found.push_back(problem(Error(ErrorType::invalid_input,
                                    root.shown() + " lies inside of " + outer->second->shown() +
                                        ", which is a source as well: leave one of them out")));
      return true;
    };
    DUNLIN_ASSIGN(const SourceTrees::Handle directory, trees.open_root(root));
    DUNLIN_TRY(any_above(*directory, look));
  }
  return success();
}

/// A source that lies where another one goes: what that one writes would be taken for its own.
Status look_for_targets(SourceTrees& trees, const Nearest& to, bool moves,
                        std::vector<Problem>& found) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, const SourceTrees::Root*> targets;
  for (const SourceTrees::Root& root : trees.roots()) {
    if (!root.whole_tree) continue;
    const auto target = target_of(to.directory, to.missing.empty(), root.names.front());
    if (target.ok() && *target)
      targets.emplace(std::pair((*target)->device(), (*target)->inode()), &root);
  }
  for (const SourceTrees::Root& root : trees.roots()) {
    const auto look = [&](const fs::FileInfo& above) {
      const auto target = targets.find({above.device, above.inode});
      if (target == targets.end() || target->second == &root) return false;
      Error error(ErrorType::destination_exists,
                  root.shown() + " lies inside of " +
                      to.directory.shown(target->second->names.front()) +
                      ", into which another source goes: entries of the same name replace parts "
                      "of it");
      error.remediation = "take the two one after the other, each by a command of its own";
      found.push_back({std::move(error), true, !moves});
      return true;
    };
    DUNLIN_ASSIGN(const SourceTrees::Handle directory, trees.open_root(root));
    DUNLIN_TRY(any_above(*directory, look));
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

/// Writes one byte into an unnamed file; where there are none, into a temporary that is removed
/// again, with the times of the directory put back. The time that the file system gave it.
Result<fs::Time> probe_write(const fs::Directory& directory, const engine::RunContext& context) {
  const auto write = [&](int fd) -> Result<fs::Time> {
    DUNLIN_TRY(write_all(fd, "x", 1, directory.shown("")));
    DUNLIN_ASSIGN(const fs::FileInfo written,
                  fs::info_of(fd, directory.shown_path(), directory.side()));
    return written.mtime;
  };
  const bool may = directory.features().unnamed_files;
  const UniqueFd unnamed(may ? ::openat(directory.fd(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)
                             : -1);
  if (unnamed) return write(unnamed.get());
  if (may && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return directory.error(errno, "create a file in", "");
  }
  if (context.settings().is_dry_run()) {  // leaves no trace, and does without the clock's
    if (auto refused = write_obstacle(directory)) return *std::move(refused);
    return fs::Time{context.clock().wall_ms() / 1000, 0};
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
  DUNLIN_TRY(look_for_state(context.state_path(), to.ok() ? &*to : nullptr, found));
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
  DUNLIN_ASSIGN(const Layout* const where, layout());
  if (!where->whole_tree()) {
    DUNLIN_ASSIGN(const auto holder, (*from)->get(""));
    const auto entry = holder->info(where->single_name);
    if (entry.ok()) needed = entry->size;
  }
  if (space.free_bytes < needed || space.free_inodes == 0) {
    found.push_back(problem(to->directory.error(ENOSPC, "make room in", "")));
  }
  return found;
}

/// What an execution writes into its state would be taken along, or taken away, or mixed with what
/// arrives.
Status Site::look_for_state(const std::string& state_path, const Nearest* to,
                            std::vector<Problem>& found) {
  if (state_path.empty()) return success();
  DUNLIN_ASSIGN(const fs::Directory state, fs::Directory::open_root(state_path, fs::Side::source));
  DUNLIN_ASSIGN(const Layout* const where, layout());
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    if (root.missing) continue;
    const auto entries = root.whole_tree  ? std::vector<std::string>{""}
                         : plan.several() ? root.names
                                          : std::vector{where->single_name};
    DUNLIN_ASSIGN(const SourceTrees::Handle held, trees->open_root(root));
    for (const std::string& name : entries)
      DUNLIN_TRY(look_whether_state(*held, name, state, "source", found));
  }
  if (to == nullptr) return success();
  DUNLIN_TRY(look_whether_state(to->directory, "", state, "destination", found));
  for (const Layout::Source& one : where->sources) {
    const auto target = target_of(to->directory, to->missing.empty(), one.name);
    if (one.whole_tree && target.ok() && *target && !same_directory(to->directory, state))
      DUNLIN_TRY(look_whether_state(**target, "", state, "destination", found));
  }
  return success();
}

/// Each by itself and beside the destination (nullptr: it cannot be opened), then among each other.
Status Site::look_at_sources(engine::RunContext& context, const Nearest* to,
                             std::vector<Problem>& found) {
  DUNLIN_ASSIGN(const Layout* const where, layout());
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  const std::size_t before = found.size();
  for (const SourceTrees::Root& root : trees->roots()) {
    if (root.missing) found.push_back(problem(*root.missing));
  }
  if (found.size() > before) return success();
  for (const SourceTrees::Root& root : trees->roots()) {
    DUNLIN_ASSIGN(const SourceTrees::Handle held, trees->open_root(root));
    const fs::Directory& source_root = *held;
    if (root.whole_tree) {
      const auto listing = fs::Listing::open(source_root);
      if (!listing.ok()) found.push_back(problem(listing.error()));
    } else {
      const auto wanted = plan.several() ? root.names : std::vector{where->single_name};
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
  if (plan.several()) {
    DUNLIN_TRY(look_for_nested(*trees, found));
    if (to != nullptr) DUNLIN_TRY(look_for_targets(*trees, *to, plan.moves(), found));
  }
  return success();
}

/// A source that is a directory, beside the deepest directory that exists of what it becomes.
/// `exists`: that is what it becomes.
Status Site::look_at_tree(const SourceTrees::Root& root, const fs::Directory& near, bool exists,
                          std::vector<Problem>& found) {
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  DUNLIN_ASSIGN(const SourceTrees::Handle held, trees->open_root(root));
  const fs::Directory& source_root = *held;
  const std::string named = plan.several() ? "the source " + source_root.shown("") : "the source";
  // What is mounted inside the source is no part of it when it is not entered.
  const bool entered = !plan.selection.one_file_system() || near.device() == source_root.device();
  DUNLIN_ASSIGN(const bool below, lies_in(near, source_root));
  if (below && entered) {
    DUNLIN_ASSIGN(const Layout* const where, layout());
    found.push_back(
        problem(Error(ErrorType::invalid_input,
                      "the destination '" + escape_bytes(where->destination_root) +
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
