// BatchFlush; see flush.h.
#include "fs/flush.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
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
    std::uint64_t number = 0;
    std::atomic<bool> names_changed{false};
  };
  std::atomic<bool> each{false};
  /// Descriptors kept for flushing by directory; the lowest is flushed early when there are more.
  const std::size_t held_directories = directories_to_hold();
  std::mutex mutex;
  std::map<std::uint64_t, Device> devices;
  /// The one that was prepared first, mostly the only one: found without the lock.
  std::atomic<Device*> first{nullptr};
  /// fsync_each: (device, inode) of directories with changed names, and a descriptor to flush by.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<const Directory>> directories;

  /// nullptr: not prepared.
  Device* device_of(const Directory& directory) {
    Device* const known = first.load(std::memory_order_acquire);
    if (known != nullptr && known->number == directory.device()) return known;
    const std::scoped_lock lock(mutex);
    const auto found = devices.find(directory.device());
    return found == devices.end() ? nullptr : &found->second;
  }
};

BatchFlush::BatchFlush(bool each) : state_(std::make_unique<State>()) {
  state_->each = each;
}
BatchFlush::~BatchFlush() = default;

bool BatchFlush::flushes_files_together(const Directory& directory) {
  const State::Device* const device = state_->device_of(directory);
  DUNLIN_CHECK(device != nullptr, "a batch wrote where its flush was not prepared");
  return device->mode == FlushMode::syncfs && !state_->each;
}

Status BatchFlush::prepare(const Directory& directory) {
  if (state_->device_of(directory) != nullptr) return success();
  const std::scoped_lock lock(state_->mutex);
  if (state_->devices.contains(directory.device())) return success();
  DUNLIN_ASSIGN(const FileSystemTraits traits, traits_of(directory));
  const bool together = !state_->each && directory.features().syncfs;
  const FlushMode mode = together ? traits.flush : FlushMode::fsync_each;
  UniqueFd fd;
  if (mode == FlushMode::syncfs) {
    fd.reset(::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return directory.error(errno, "open directory", "");
  }
  State::Device& device = state_->devices[directory.device()];
  device.number = directory.device();
  device.mode = mode;
  device.fd = std::move(fd);
  device.shown_path = directory.shown_path();
  State::Device* none = nullptr;
  state_->first.compare_exchange_strong(none, &device, std::memory_order_release);
  return success();
}

void BatchFlush::fsync_each_file() {
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
  State::Device* const device = state_->device_of(directory);
  DUNLIN_CHECK(device != nullptr, "a batch published where its flush was not prepared");
  device->names_changed = true;
  if (device->mode == FlushMode::syncfs) return success();
  std::shared_ptr<const Directory> crowded_out;
  const std::scoped_lock lock(state_->mutex);
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
