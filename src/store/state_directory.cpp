#include "store/state_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/hash.h"
#include "base/logging.h"
#include "base/text.h"
#include "store/sqlite_ledger.h"
#include "store/sqlite_state_store.h"
#include "store/state_files.h"

namespace dunlin::store {
namespace {

constexpr std::int64_t kReserveBytes =
    16LL << 20;  // ARCHITECTURE.md, "Processes": enough to record a cancel
// Below this much free space no reserve is made: it would take what the cancel is to be recorded
// with.
constexpr std::int64_t kRoomForReserve = 4 * kReserveBytes;
constexpr std::string_view kMaking = ".making-";  // ledgers that are not yet whole
// A ledger is made within a second; what is older than this was left by a crash.
constexpr std::int64_t kMakingExpiresSeconds = 3600;
constexpr std::string_view kTrash =
    ".deleted-";  // folders on their way out, see delete_execution()

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

/// Each name is flushed where it was made: a power cut after the first migration would otherwise
/// take the whole directory, and with it what recovery needs. Until the first use is complete
/// (`executions` is made last) also those that exist: who made them may have been killed before its
/// flush. Of them, one that we may not open was not made by us.
Status make_with_parents(const std::string& path) {
  const bool used = ::access((path + "/executions").c_str(), F_OK) == 0;
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string made = path.substr(0, slash);
    const std::string parent = made.substr(0, std::max<std::size_t>(made.rfind('/'), 1));
    if (::mkdir(made.c_str(), 0700) == 0) {
      DUNLIN_TRY(fsync_directory(parent));
    } else if (errno != EEXIST) {
      return state_file_error(fmt::format("mkdir '{}'", made));
    } else if (!used) {
      fsync_directory(parent).ignore("made by somebody else, or flushed by the next who opens it");
    }
    if (slash == std::string::npos) return success();
  }
}

/// Every failure to reach the directory itself tells the same thing to a person: choose another
/// one.
Error unusable(Error error) {
  if (error.type == ErrorType::disk_full || error.type == ErrorType::quota_exceeded) {
    error.type = ErrorType::state_write_failed;
  } else if (error.type != ErrorType::state_version && error.type != ErrorType::state_corrupt &&
             error.type != ErrorType::database_locked) {
    error.type = ErrorType::state_unusable;
  }
  return error;
}

Status check_directory(const std::string& path) {
  struct statfs system{};
  if (::statfs(path.c_str(), &system) != 0)
    return state_file_error(fmt::format("statfs '{}'", path));
  if (const std::string_view name = unsuitable_file_system(system.f_type); !name.empty()) {
    return Error(ErrorType::state_unusable,
                 fmt::format("the state directory '{}' lies on {}, where the write-ahead log is "
                             "not safe; name one on a "
                             "local file system with --state",
                             path, name));
  }
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return state_file_error(fmt::format("stat '{}'", path));
  if (!S_ISDIR(found.st_mode))
    return Error(ErrorType::state_unusable, fmt::format("'{}' is not a directory", path));
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(
        ErrorType::state_unusable,
        fmt::format("others may write to the state directory '{}': run `chmod 700` on it", path));
  }
  return success();
}

/// Makes openers of one state directory take turns while they create, move aside or rebuild
/// state.db.
Result<UniqueFd> lock_for_open(const std::string& path) {
  DUNLIN_ASSIGN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (::fcntl(fd.get(), F_OFD_SETLKW, &lock) != 0) {
    if (errno != EINTR) return state_file_error(fmt::format("lock '{}'", path));
  }
  return fd;
}

/// Opens state.db; one that is no database (or a damaged one) is kept beside and made anew: it is a
/// cache.
Result<std::unique_ptr<SqliteStateStore>> open_store(const std::string& path, const Clock& clock) {
  DUNLIN_ASSIGN(const bool there, is_plain(path, S_IFREG));
  auto opened = SqliteStateStore::open(path);
  Status fault = success();
  if (opened.ok()) {
    fault = there ? (*opened)->check() : success();
    if (fault.ok()) return opened;
    opened = fault.error();  // closes the file
  } else {
    fault = opened.error();
  }
  if (fault.error().type != ErrorType::state_corrupt) return fault.error();
  const std::string aside = fmt::format("{}.corrupt-{}", path, clock.wall_ms());
  log_warn(
      "{}; it is kept as '{}' and rebuilt from the executions' ledgers: plans that never ran, "
      "operators and their tokens are lost",
      fault.error().text(), aside);
  if (::rename(path.c_str(), aside.c_str()) != 0)
    return state_file_error(fmt::format("rename '{}'", path));
  // The log belongs to the damaged file; SQLite would apply it to the new one.
  if (::rename((path + "-wal").c_str(), (aside + "-wal").c_str()) != 0 && errno != ENOENT) {
    return state_file_error(fmt::format("rename '{}-wal'", path));
  }
  ::unlink((path + "-shm").c_str());
  return SqliteStateStore::open(path);
}

/// What deletions and creations that died have left under executions/.
void remove_leftovers(const std::string& executions) {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(executions, problem)) {
    const std::string name = entry.path().filename().string();
    struct stat found{};
    const bool abandoned = name.starts_with(kMaking) &&
                           ::lstat(entry.path().c_str(), &found) == 0 &&
                           found.st_mtime < ::time(nullptr) - kMakingExpiresSeconds;
    if (abandoned || name.starts_with(kTrash)) remove_tree(entry.path().string());
  }
  if (problem) log_warn("cannot list '{}': {}", executions, problem.message());
}

ExecutionSummary summary_of(const ExecutionRow& row) {
  ExecutionSummary summary;
  summary.id = row.id;
  summary.number = row.number;
  summary.plan_id = row.plan_id;
  summary.kind = row.kind;
  summary.description = row.description;
  summary.status = row.status;
  summary.phase = row.phase;
  summary.claims = row.claims;
  summary.depends_on = row.depends_on;
  summary.created_ms = row.created_ms;
  summary.updated_ms = row.updated_ms;
  summary.counters = row.counters;
  summary.keeps_until_ms = keeps_until_ms(row);
  return summary;
}

bool same_summary(const ExecutionSummary& a, const ExecutionSummary& b) {
  return a.number == b.number && a.plan_id == b.plan_id && a.kind == b.kind &&
         a.description == b.description && a.status == b.status && a.phase == b.phase &&
         a.claims == b.claims && a.depends_on == b.depends_on && a.created_ms == b.created_ms &&
         a.updated_ms == b.updated_ms && a.counters == b.counters &&
         a.keeps_until_ms == b.keeps_until_ms;
}

}  // namespace

std::string_view unsuitable_file_system(std::int64_t f_type) {
  // Magic numbers: statfs(2) and linux/magic.h; Lustre and GPFS from their own headers.
  switch (static_cast<std::uint32_t>(f_type)) {
    case 0x6969:
      return "nfs";
    case 0x517B:
    case 0xFE534D42:
    case 0xFF534D42:
      return "cifs";
    case 0x0BD00BD0:
      return "lustre";
    case 0x47504653:
      return "gpfs";
    case 0x65735546:
      return "fuse";
    case 0x01021997:
      return "9p";
    default:
      return {};
  }
}

std::string default_state_path(std::string_view option) {
  if (!option.empty()) return std::string(option);
  if (std::string path = env("DUNLIN_STATE"); !path.empty()) return path;
  // The specification of base directories: a relative value is to be ignored.
  if (const std::string path = env("XDG_STATE_HOME"); path.starts_with('/'))
    return path + "/dunlin";
  if (const std::string home = env("HOME"); home.starts_with('/') && home != "/")
    return home + "/.local/state/dunlin";
  return "/var/lib/dunlin";
}

StateDirectory::StateDirectory(std::string path, const Clock& clock)
    : path_(std::move(path)), clock_(clock) {}
StateDirectory::~StateDirectory() = default;

Result<std::unique_ptr<StateDirectory>> StateDirectory::open(const std::string& path,
                                                             const Clock& clock) {
  const auto enter = [&]() -> Result<std::unique_ptr<StateDirectory>> {
    std::string absolute = path;
    if (!absolute.starts_with('/')) {
      std::array<char, PATH_MAX> folder{};
      if (::getcwd(folder.data(), folder.size()) == nullptr) return state_file_error("getcwd");
      absolute = std::string(folder.data()) + "/" + path;
    }
    while (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
    DUNLIN_TRY(make_with_parents(absolute));
    DUNLIN_TRY(check_directory(absolute));
    std::array<char, PATH_MAX> real{};
    if (::realpath(absolute.c_str(), real.data()) == nullptr)
      return state_file_error(fmt::format("open '{}'", absolute));
    std::unique_ptr<StateDirectory> directory(new StateDirectory(real.data(), clock));
    DUNLIN_ASSIGN(const bool fresh, make_folder(directory->path_ + "/executions"));
    DUNLIN_ASSIGN(const UniqueFd turn, lock_for_open(directory->path_ + "/open.lock"));
    auto opened = open_store(directory->path_ + "/state.db", clock);
    if (!opened && opened.error().type == ErrorType::state_write_failed &&
        directory->release_reserve()) {
      log_warn("{}: the state directory's reserve is given up", opened.error().text());
      opened = open_store(directory->path_ + "/state.db", clock);
    }
    DUNLIN_ASSIGN(auto store, std::move(opened));
    const bool made = store->created() || fresh;
    const bool rebuild = store->created() && !fresh;
    directory->store_ = std::move(store);
    // Not with each: behind a large copy a flush takes a second, and `dunlin pause` opens it, too.
    if (made) DUNLIN_TRY(fsync_directory(directory->path_));
    if (const Status reserve = directory->make_reserve(); !reserve) {
      log_warn("no reserve in the state directory: {}",
               reserve.error().text());  // a full disk must not stop a cancel
    }
    if (rebuild) DUNLIN_TRY(directory->rebuild_summaries());
    return directory;
  };
  auto entered = enter();
  if (!entered) return unusable(std::move(entered).error());
  return entered;
}

Result<uid_t> StateDirectory::owner() const {
  struct stat found{};
  if (::stat(path_.c_str(), &found) != 0) return state_file_error(fmt::format("stat '{}'", path_));
  return found.st_uid;
}

std::string StateDirectory::execution_path(const ExecutionId& id) const {
  return path_ + "/executions/" + id.value;
}

Result<std::string> StateDirectory::run_directory() const {
  std::string parent = path_;
  std::string folder = path_ + "/run";
  if (const std::string runtime = env("XDG_RUNTIME_DIR"); runtime.starts_with('/')) {
    struct stat found{};
    if (::stat(runtime.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
        found.st_uid == ::geteuid()) {
      DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::xxh3, path_));
      parent = runtime + "/dunlin";
      DUNLIN_TRY(make_folder(parent));
      folder = parent + "/" + hex(digest).substr(0, 16);  // short: a socket's path has 107 bytes
    }
  }
  DUNLIN_TRY(make_folder(folder));
  struct stat found{};
  if (::lstat(folder.c_str(), &found) != 0)
    return state_file_error(fmt::format("stat '{}'", folder));
  if (found.st_uid != ::geteuid() || (found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Error(ErrorType::state_unusable, fmt::format("'{}' is open to others", folder));
  }
  return folder;
}

Status StateDirectory::create_ledger(const ExecutionRow& row) {
  if (parse_uuid(row.id.value) != row.id.value) {
    return Error(ErrorType::defect, fmt::format("'{}' is no execution id", row.id.value));
  }
  // Before anything is made: with a key that is no good it could not be opened.
  DUNLIN_TRY(audit_key());
  // Made under another name and renamed: a ledger is there as a whole or not at all. It is not open
  // meanwhile, because SQLite knows its files by their paths.
  const std::string folder = execution_path(row.id);
  const std::string making = path_ + "/executions/" + std::string(kMaking) + row.id.value;
  DUNLIN_ASSIGN(const bool there, is_plain(folder, S_IFDIR));
  if (there) {
    DUNLIN_ASSIGN(const bool whole, has_ledger(row.id));
    if (whole) {
      return Error(ErrorType::invalid_state,
                   fmt::format("execution '{}' has a ledger already", row.id.value));
    }
  }
  remove_tree(making);  // of an earlier attempt that died
  DUNLIN_TRY(make_folder(making));
  DUNLIN_TRY(SqliteLedger::make(making + "/ledger.db", row));
  DUNLIN_TRY(fsync_directory(making));
  if (::rename(making.c_str(), folder.c_str()) != 0) {
    return state_file_error(fmt::format("rename '{}' to '{}'", making, folder));
  }
  DUNLIN_TRY(fsync_directory(path_ + "/executions"));
  // Who made state.db may have been killed before its flush.
  return fsync_directory(path_);
}

Result<std::unique_ptr<Ledger>> StateDirectory::open_ledger(const ExecutionId& id, bool read_only) {
  DUNLIN_ASSIGN(const bool there, has_ledger(id));
  if (!there)
    return Error(ErrorType::not_found,
                 fmt::format("there is no ledger of execution '{}'", id.value));
  const std::string file = execution_path(id) + "/ledger.db";
  DUNLIN_ASSIGN(auto ledger, SqliteLedger::open(file, read_only, clock_));
  if (!read_only) DUNLIN_TRY(seal_with_key(*ledger));
  return std::unique_ptr<Ledger>(std::move(ledger));
}

Result<bool> StateDirectory::has_ledger(const ExecutionId& id) const {
  if (parse_uuid(id.value) != id.value) return false;
  const std::string folder = execution_path(id);
  DUNLIN_ASSIGN(const bool has_folder, is_plain(folder, S_IFDIR));
  if (!has_folder) return false;
  return is_plain(folder + "/ledger.db", S_IFREG);
}

Result<std::vector<ExecutionId>> StateDirectory::ledgers_on_disk() const {
  const std::string folder = path_ + "/executions";
  std::vector<ExecutionId> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), &::closedir);
  if (stream == nullptr) return state_file_error(fmt::format("open '{}'", folder));
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (parse_uuid(name) != name) continue;
    DUNLIN_ASSIGN(const bool whole, has_ledger(ExecutionId(name)));
    if (whole) ids.emplace_back(name);
  }
  if (errno != 0) return state_file_error(fmt::format("read '{}'", folder));
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status StateDirectory::delete_execution(const ExecutionId& id) {
  const std::string folder = execution_path(id);
  DUNLIN_ASSIGN(const bool there, is_plain(folder, S_IFDIR));
  if (there && parse_uuid(id.value) == id.value) {
    DUNLIN_ASSIGN(const OwnerLock lock, acquire(id));
    // Out of sight in one step; what a crash leaves of it is removed by the next deletion.
    const std::string trash = path_ + "/executions/" + std::string(kTrash) + id.value;
    if (::rename(folder.c_str(), trash.c_str()) != 0)
      return state_file_error(fmt::format("rename '{}'", folder));
    DUNLIN_TRY(fsync_directory(path_ + "/executions"));
  }
  const Status row = store_->delete_execution(id);
  if (!row && (row.error().type != ErrorType::not_found || !there)) return row;
  remove_leftovers(path_ + "/executions");
  return success();
}

bool StateDirectory::release_reserve() {
  return ::unlink((path_ + "/reserve").c_str()) == 0;
}

Status StateDirectory::make_reserve() {
  const std::string path = path_ + "/reserve";
  DUNLIN_ASSIGN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW));
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) return state_file_error(fmt::format("stat '{}'", path));
  if (found.st_size >= kReserveBytes && found.st_blocks * 512 >= kReserveBytes) return success();
  struct statvfs space{};
  if (::fstatvfs(fd.get(), &space) != 0) return state_file_error(fmt::format("statvfs '{}'", path));
  if (static_cast<std::int64_t>(space.f_bavail * space.f_frsize) < kRoomForReserve) {
    release_reserve();
    return Error(ErrorType::state_write_failed,
                 fmt::format("less than {} MiB are free in '{}'", kRoomForReserve >> 20, path_));
  }
  // Allocates real blocks, writing zeros where the file system knows no fallocate(2): a sparse file
  // reserves nothing.
  const int code = ::posix_fallocate(fd.get(), 0, kReserveBytes);
  if (code != 0) {
    release_reserve();  // half a reserve only takes the space that is missing already
    Error error = error_from_errno(code, fmt::format("allocate '{}'", path), true);
    error.type = ErrorType::state_write_failed;
    return error;
  }
  return fsync_file(fd.get(), fmt::format("'{}'", path));
}

Status StateDirectory::rebuild_summaries() {
  DUNLIN_ASSIGN(const std::vector<ExecutionId> ids, ledgers_on_disk());
  DUNLIN_ASSIGN(const std::vector<ExecutionSummary> known, store_->executions());
  for (const ExecutionId& id : ids) {
    const auto ledger = open_ledger(id, true);
    const auto row = ledger.ok() ? (*ledger)->execution() : Result<ExecutionRow>(ledger.error());
    if (!row) {  // one damaged ledger must not hide the others
      log_warn("the summary of execution '{}' cannot be rebuilt: {}", id.value, row.error().text());
      continue;
    }
    ExecutionSummary summary = summary_of(*row);
    const auto old =
        std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.id == id; });
    if (old != known.end()) {
      summary.number = old->number;
      if (summary.claims.empty()) summary.claims = old->claims;
      if (summary.depends_on.empty()) summary.depends_on = old->depends_on;
      if (same_summary(summary, *old)) continue;
    }
    DUNLIN_TRY(store_->put_execution(summary));
  }
  return success();
}

}  // namespace dunlin::store
