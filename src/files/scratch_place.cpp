// See scratch_place.h.
#include "files/scratch_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/crash_point.h"
#include "files/paths.h"
#include "files/records.h"
#include "fs/inode.h"
#include "fs/metadata.h"

namespace dunlin::files {
namespace {

constexpr mode_t kOurs = 0700;

/// For its owner, who may have been shut out. Where this is refused, opening it says why.
void let_in(const fs::Directory& holder, const std::string& name) {
  if (::fchmodat(holder.fd(), name.c_str(), kOurs, AT_SYMLINK_NOFOLLOW) != 0) return;
}

/// Directories are entered one at a time, by their paths below the place: one descriptor whatever
/// the depth.
class Removal {
 public:
  Removal(const fs::Directory& place, engine::RunContext& context)
      : place_(place), context_(context) {}

  Status run() {
    std::vector<std::string> waiting{""};  // a directory stands before those in it
    for (std::size_t n = 0; n < waiting.size(); ++n) {
      DUNLIN_TRY(context_.fence());
      DUNLIN_TRY(empty(std::string(waiting[n]), waiting));
    }
    for (; waiting.size() > 1; waiting.pop_back()) {
      const auto [above, name] = split(waiting.back());
      DUNLIN_ASSIGN(const fs::Directory holder, place_.open_directory(above));
      DUNLIN_TRY(holder.remove_directory(name));
    }
    return success();
  }

 private:
  static std::pair<std::string, std::string> split(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::pair(std::string(), path)
                                      : std::pair(path.substr(0, slash), path.substr(slash + 1));
  }

  /// Its mode was that of the source, by which even its owner may be shut out.
  Result<fs::Directory> enter(const std::string& path) {
    if (!path.empty()) {
      const auto [above, name] = split(path);
      DUNLIN_ASSIGN(const fs::Directory holder, place_.open_directory(above));
      let_in(holder, name);
    }
    auto directory = place_.open_directory(path);
    if (!directory.ok()) return directory;
    DUNLIN_TRY(fs::remove_final_flags(directory->fd(), *directory, ""));
    struct stat raw{};
    const bool open = ::fstat(directory->fd(), &raw) == 0 && (raw.st_mode & kOurs) == kOurs;
    if (!open && ::fchmod(directory->fd(), kOurs) != 0)
      return directory->error(errno, "open for removal", "");
    return directory;
  }

  Status empty(const std::string& path, std::vector<std::string>& waiting) {
    DUNLIN_ASSIGN(const fs::Directory directory, enter(path));
    DUNLIN_ASSIGN(fs::Listing listing, fs::Listing::open(directory));
    std::vector<std::string> names;
    while (true) {
      DUNLIN_ASSIGN(const auto entry, listing.next());
      if (!entry) break;
      names.emplace_back(entry->name);
    }
    for (const std::string& name : names) {
      DUNLIN_ASSIGN(const auto info, directory.find(name));
      if (!info) continue;
      if (info->type == fs::EntryType::directory) {
        waiting.push_back(joined_below(path, name));
        continue;
      }
      DUNLIN_TRY(remove(directory, name, *info));
    }
    return success();
  }

  static std::string joined_below(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "/" + name;
  }

  static Status remove(const fs::Directory& directory, const std::string& name,
                       const fs::FileInfo& info) {
    const Status removed = directory.remove_file(name);
    if (removed.ok() || removed.error().native.code != "EPERM" || info.type != fs::EntryType::file)
      return removed;
    DUNLIN_ASSIGN(const UniqueFd file, directory.open_file(name, O_RDONLY));
    DUNLIN_TRY(fs::remove_final_flags(file.get(), directory, name));
    return directory.remove_file(name);
  }

  const fs::Directory& place_;
  engine::RunContext& context_;
};

/// Making the place was the last change of its holder: both have the same time then, but for the
/// coarse clock of the kernel.
bool only_we_changed(const fs::FileInfo& holder, const fs::FileInfo& place) {
  if (place.birth.seconds == 0) return false;  // not told: then it is not known
  const std::int64_t later_ns =
      (holder.mtime.seconds - place.birth.seconds) * 1'000'000'000 +
      (static_cast<std::int64_t>(holder.mtime.nanoseconds) - place.birth.nanoseconds);
  constexpr std::int64_t kCoarseNs = 20'000'000;
  return later_ns >= -kCoarseNs && later_ns <= kCoarseNs;
}

Json time_json(const fs::Time& time) {
  return Json::array({time.seconds, time.nanoseconds});
}

std::optional<fs::Time> time_of(const Json* json) {
  if (json == nullptr || !json->is_array() || json->size() != 2 ||
      !(*json)[0].is_number_integer() || !(*json)[1].is_number_integer())
    return std::nullopt;
  return fs::Time{(*json)[0].get<std::int64_t>(), (*json)[1].get<std::uint32_t>()};
}

}  // namespace

Result<ScratchHolder> ScratchHolder::look(const Layout& plan) {
  // What nobody typed may be a symlink, which is not followed.
  std::string path = plan.destination_base();
  if (!plan.destination_name.empty() && is_directory(plan.destination_root, false))
    path = plan.destination_root;
  while (!is_directory(path, true) && path != "/") path = split_path(path).first;
  struct stat raw{};
  if (::stat(path.c_str(), &raw) != 0) return error_from_errno(errno, "look at '" + path + "'");
  ScratchHolder holder;
  holder.path = std::move(path);
  holder.atime = {raw.st_atim.tv_sec, static_cast<std::uint32_t>(raw.st_atim.tv_nsec)};
  holder.mtime = {raw.st_mtim.tv_sec, static_cast<std::uint32_t>(raw.st_mtim.tv_nsec)};
  return holder;
}

void ScratchHolder::put(Json& identity) const {
  Json test = Json::object();
  put_path(test, "holder", path);
  test["atime"] = time_json(atime);
  test["mtime"] = time_json(mtime);
  identity["test"] = std::move(test);
}

Result<ScratchHolder> ScratchHolder::get(const Json& identity) {
  const Json* const test = find_member(identity, "test");
  const auto atime = test == nullptr ? std::nullopt : time_of(find_member(*test, "atime"));
  const auto mtime = test == nullptr ? std::nullopt : time_of(find_member(*test, "mtime"));
  if (!atime || !mtime)
    return Error(ErrorType::state_corrupt, "the ledger does not say where the test has its place");
  ScratchHolder holder;
  DUNLIN_ASSIGN(holder.path, get_path(*test, "holder"));
  holder.atime = *atime;
  holder.mtime = *mtime;
  return holder;
}

void put_into_scratch(Layout& layout, const ScratchHolder& holder, const ExecutionId& execution) {
  layout.destination_name = test_folder_name(execution);
  layout.destination_root = joined(holder.path, layout.destination_name);
}

Status remove_scratch(const ScratchHolder& holder, engine::RunContext& context,
                      fs::Features features) {
  const auto opened = fs::Directory::open_root(holder.path, fs::Side::destination, features);
  if (!opened.ok()) return is_absent(opened.error()) ? success() : Status(opened.error());
  const std::string name = test_folder_name(context.execution());
  DUNLIN_ASSIGN(const auto there, opened->find(name));
  if (!there) return success();
  DUNLIN_ASSIGN(const fs::FileInfo before, opened->info());
  {
    let_in(*opened, name);
    DUNLIN_ASSIGN(const fs::Directory place, opened->open_directory(name));
    DUNLIN_TRY(Removal(place, context).run());
  }
  DUNLIN_CRASH_POINT("files.remove_scratch.before");
  DUNLIN_TRY(context.fence());
  DUNLIN_TRY(opened->remove_directory(name));
  DUNLIN_CRASH_POINT("files.remove_scratch.after");
  if (!only_we_changed(before, *there)) return success();
  const int refused = fs::change_times({opened->fd(), false}, holder.atime, holder.mtime);
  if (refused == 0 || refused == EPERM) return success();
  return opened->error(refused, "change times of", "");
}

}  // namespace dunlin::files
