// BatchFlush; see flush.h.
#include "fs/flush.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>

#include "base/crash_point.h"

namespace dunlin::fs {
namespace {

Status flush_directory(const Directory& directory) {
  DUNLIN_CRASH_POINT("fs.fsync_directory.before");
  // EINVAL: the file system has nothing to flush for directories (some FUSE).
  if (TEMP_FAILURE_RETRY(::fsync(directory.fd())) != 0 && errno != EINVAL)
    return directory.error(errno, "flush", "");
  DUNLIN_CRASH_POINT("fs.fsync_directory.after");
  return success();
}

}  // namespace

struct BatchFlush::State {
  struct Device {
    FlushMode mode = FlushMode::fsync_each;
    UniqueFd fd;  ///< syncfs: opened before the first write
    std::string shown_path;
    bool names_changed = false;
  };
  bool each = false;
  /// Descriptors kept for flushing by directory; the lowest is flushed early when there are more.
  const std::size_t held_directories = directories_to_hold();
  std::mutex mutex;
  std::map<std::uint64_t, Device> devices;
  /// fsync_each: (device, inode) of directories with changed names, and a descriptor to flush by.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<const Directory>> directories;
};

BatchFlush::BatchFlush(bool each) : state_(std::make_unique<State>()) {
  state_->each = each;
}
BatchFlush::~BatchFlush() = default;

bool BatchFlush::flushes_files_together(const Directory& directory) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->devices.find(directory.device());
  DUNLIN_CHECK(found != state_->devices.end(), "a batch wrote where its flush was not prepared");
  return found->second.mode == FlushMode::syncfs && !state_->each;
}

Status BatchFlush::prepare(const Directory& directory) {
  const std::scoped_lock lock(state_->mutex);
  if (state_->devices.contains(directory.device())) return success();
  State::Device device;
  device.shown_path = directory.shown_path();
  DUNLIN_ASSIGN(const FileSystemTraits traits, traits_of(directory));
  if (!state_->each && directory.features().syncfs) device.mode = traits.flush;
  if (device.mode == FlushMode::syncfs) {
    device.fd.reset(::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!device.fd) return directory.error(errno, "open directory", "");
  }
  state_->devices.emplace(directory.device(), std::move(device));
  return success();
}

void BatchFlush::fsync_each_file() {
  const std::scoped_lock lock(state_->mutex);
  state_->each = true;
}

Result<bool> BatchFlush::file_written(const Directory& directory, int fd, std::string_view name) {
  if (flushes_files_together(directory)) return false;
  DUNLIN_CRASH_POINT("fs.fsync_file.before");
  if (TEMP_FAILURE_RETRY(::fsync(fd)) != 0) return directory.error(errno, "flush", name);
  DUNLIN_CRASH_POINT("fs.fsync_file.after");
  return true;
}

Status BatchFlush::flush_files() {
  for (const auto& [number, device] : state_->devices) {
    if (device.mode != FlushMode::syncfs) continue;
    DUNLIN_CRASH_POINT("fs.syncfs.before");
    if (TEMP_FAILURE_RETRY(::syncfs(device.fd.get())) != 0) {
      return error_from_errno(errno, "flush the file system of '" + device.shown_path + "'", true);
    }
    DUNLIN_CRASH_POINT("fs.syncfs.after");
  }
  return success();
}

Status BatchFlush::directory_changed(const Directory& directory) {
  std::shared_ptr<const Directory> crowded_out;
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->devices.find(directory.device());
  DUNLIN_CHECK(found != state_->devices.end(),
               "a batch published where its flush was not prepared");
  found->second.names_changed = true;
  if (found->second.mode == FlushMode::syncfs) return success();
  const auto key = std::pair(directory.device(), directory.inode());
  if (state_->directories.contains(key)) return success();
  if (state_->directories.size() >= state_->held_directories) {
    DUNLIN_TRY(flush_directory(*state_->directories.begin()->second));
    crowded_out = std::move(state_->directories.begin()->second);
    state_->directories.erase(state_->directories.begin());
  }
  // Its own descriptor: opening it again by path at the flush could meet another directory.
  DUNLIN_ASSIGN(Directory held, directory.open_directory(""));
  state_->directories.emplace(key, std::make_shared<const Directory>(std::move(held)));
  return success();
}

Status BatchFlush::flush_names() {
  for (auto& [number, device] : state_->devices) {
    if (device.mode != FlushMode::syncfs || !device.names_changed) continue;
    DUNLIN_CRASH_POINT("fs.syncfs_names.before");
    if (TEMP_FAILURE_RETRY(::syncfs(device.fd.get())) != 0) {
      return error_from_errno(errno, "flush the file system of '" + device.shown_path + "'", true);
    }
    DUNLIN_CRASH_POINT("fs.syncfs_names.after");
    device.names_changed = false;
  }
  for (const auto& [key, directory] : state_->directories) {
    DUNLIN_TRY(flush_directory(*directory));
  }
  state_->directories.clear();
  return success();
}

}  // namespace dunlin::fs
