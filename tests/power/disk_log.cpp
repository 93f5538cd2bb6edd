// See disk_log.h.
#include "disk_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace dunlin::power {

void require(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + ": " + std::strerror(errno));
}

DiskLog::DiskLog(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info{};
  require(fd >= 0 && ::fstat(fd, &info) == 0, path);
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ > 0) {
    void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    require(mapped != MAP_FAILED, "map " + path);
    mapped_ = static_cast<const char*>(mapped);
  }
  ::close(fd);
  for (std::size_t at = 0; at < size_;) {
    Event event{};
    if (size_ - at < sizeof event.header) throw std::runtime_error(path + " is cut off");
    std::memcpy(&event.header, mapped_ + at, sizeof event.header);
    event.bytes_at = at + sizeof event.header;
    at = event.bytes_at;
    if (event.header.kind == EventKind::write) at += event.header.length;
    if (at > size_) throw std::runtime_error(path + " is cut off");
    events_.push_back(event);
  }
}

DiskLog::~DiskLog() {
  if (mapped_ != nullptr) ::munmap(const_cast<char*>(mapped_), size_);  // NOLINT: as mmap gave it
}

std::size_t DiskLog::events_before(std::uint64_t file_size) const {
  const auto end = std::partition_point(events_.begin(), events_.end(), [&](const Event& event) {
    return event.bytes_at <= file_size;
  });
  return static_cast<std::size_t>(end - events_.begin());
}

}  // namespace dunlin::power
