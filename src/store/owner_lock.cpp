// Who owns an execution: an OFD write lock on executions/<id>/owner, held for the owner's whole
// life.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "store/state_directory.h"
#include "store/state_files.h"

namespace dunlin::store {
namespace {

/// One lock over a descriptor's open file description; it ends with the last copy of the
/// descriptor.
Result<bool> try_lock(int fd, std::string_view what) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return state_file_error(what);
}

/// The first byte of an owner's file: of its identity's JSON, or what a taker has put over it.
constexpr char kOwned = '{';
constexpr char kTakenOver = '!';

std::string identity_json(const ProcessIdentity& identity) {
  Json json = Json::object();
  json["pid"] = identity.pid;
  json["boot_id"] = identity.boot_id;
  json["start_time"] = identity.start_time;
  json["host"] = identity.host;
  return dump_json(json) + "\n";
}

Status write_identity(int fd, std::string_view path) {
  DUNLIN_ASSIGN(const ProcessIdentity self, ProcessIdentity::current());
  const std::string text = identity_json(self);
  // Written over the old one before the rest is cut off: who reads meanwhile finds a pid in any
  // case.
  DUNLIN_TRY(pwrite_all(fd, text.data(), text.size(), 0, path));
  if (::ftruncate(fd, static_cast<off_t>(text.size())) != 0)
    return state_file_error(fmt::format("truncate '{}'", path));
  return success();
}

std::optional<ProcessIdentity> identity_in(const std::string& path) {
  const auto text = read_file(path, 4096);
  if (!text) return std::nullopt;
  const auto json = parse_json(*text, "owner");
  if (!json.ok() || integer_or(*json, "pid", 0) <= 0) return std::nullopt;
  ProcessIdentity identity;
  identity.pid = static_cast<pid_t>(integer_or(*json, "pid", 0));
  identity.boot_id = string_or(*json, "boot_id", "");
  identity.start_time = static_cast<std::uint64_t>(integer_or(*json, "start_time", 0));
  identity.host = string_or(*json, "host", "this machine");
  return identity;
}

/// "process 123 on host" as far as the file tells.
std::string holder_of(const std::string& path) {
  const auto identity = identity_in(path);
  if (!identity) return "another process";
  return fmt::format("process {} on {}", identity->pid, identity->host);
}

bool same_file(int fd, const std::string& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace

OwnerLock::OwnerLock(UniqueFd fd) : fd_(std::move(fd)) {
  void* page = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (page != MAP_FAILED) mark_.reset(static_cast<const char*>(page));
}

void OwnerLock::Unmap::operator()(const char* page) const {
  ::munmap(const_cast<char*>(page), 1);
}

bool OwnerLock::still_held() const {
  // Asked twice for each item, so not by path: who takes over renames another file over this one,
  // which then has no name.
  struct stat held{};
  if (!fd_.valid() || ::fstat(fd_.get(), &held) != 0 || held.st_nlink == 0) return false;
  // Last, and no system call: a signal that stops the process is acted on when one returns.
  return mark_ == nullptr || __atomic_load_n(mark_.get(), __ATOMIC_ACQUIRE) == kOwned;
}

Result<OwnerLock> StateDirectory::acquire(const ExecutionId& id, bool force) {
  const std::string folder = execution_path(id);
  const std::string path = folder + "/owner";
  DUNLIN_ASSIGN(const bool there, is_plain(folder, S_IFDIR));
  if (!there)
    return Error(ErrorType::not_found, fmt::format("there is no execution '{}'", id.value));
  // Another process may replace the file between our open and our lock: then we locked a file that
  // no longer counts.
  for (int attempt = 0; attempt < 100; ++attempt) {
    DUNLIN_ASSIGN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW));
    DUNLIN_ASSIGN(const bool locked, try_lock(fd.get(), fmt::format("lock '{}'", path)));
    if (locked) {
      if (!same_file(fd.get(), path)) continue;
      DUNLIN_TRY(write_identity(fd.get(), path));
      return OwnerLock(std::move(fd));
    }
    if (!force) {
      return Error(ErrorType::lock_held,
                   fmt::format("{} owns execution '{}'", holder_of(path), id.value));
    }
    DUNLIN_ASSIGN(const std::string random,
                  hash_bytes(HashKind::xxh3, new_uuid_v7(clock_.wall_ms())));
    const std::string fresh = fmt::format("{}.{}", path, hex(random).substr(0, 12));
    DUNLIN_ASSIGN(UniqueFd replacement, open_file(fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW));
    DUNLIN_ASSIGN(const bool ours, try_lock(replacement.get(), fmt::format("lock '{}'", fresh)));
    if (!ours)
      return Error(ErrorType::defect, fmt::format("'{}' is locked although it is new", fresh));
    DUNLIN_TRY(write_identity(replacement.get(), fresh));
    // Before the rename: who dies in between leaves an execution without an owner, not one with
    // two.
    DUNLIN_TRY(pwrite_all(fd.get(), &kTakenOver, 1, 0, path));
    if (::rename(fresh.c_str(), path.c_str()) != 0)
      return state_file_error(fmt::format("rename '{}'", fresh));
    DUNLIN_TRY(fsync_directory(folder));
    return OwnerLock(std::move(replacement));
  }
  return Error(ErrorType::lock_held,
               fmt::format("the owner of execution '{}' changes all the time", id.value));
}

Result<ProcessIdentity> StateDirectory::owner(const ExecutionId& id) const {
  const auto identity = identity_in(execution_path(id) + "/owner");
  if (identity) return *identity;
  return Error(ErrorType::not_found,
               fmt::format("no owner of execution '{}' is recorded", id.value));
}

Result<bool> StateDirectory::owned(const ExecutionId& id) const {
  const std::string path = execution_path(id) + "/owner";
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return state_file_error(fmt::format("open '{}'", path));
  }
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0)
    return state_file_error(fmt::format("lock '{}'", path));
  return lock.l_type != F_UNLCK;
}

}  // namespace dunlin::store
