// What was done to the disks of a recording, in the order in which it arrived: each write with its
// bytes, each flush. Written by the daemon of exported_disks.h, read when it is over; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dunlin::power {

enum class EventKind : std::uint32_t { write = 1, flush = 2 };

/// As in the file: the header, then `length` bytes for a write.
struct EventHeader {
  EventKind kind;
  std::uint32_t disk;
  std::uint64_t offset;
  std::uint64_t length;
};

struct Event {
  EventHeader header;
  std::uint64_t bytes_at;  ///< in the file of the log
};

class DiskLog {
 public:
  /// Maps the whole file; throws std::runtime_error when it is cut off in an event.
  explicit DiskLog(const std::string& path);
  ~DiskLog();
  DiskLog(const DiskLog&) = delete;
  DiskLog& operator=(const DiskLog&) = delete;

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] std::span<const char> bytes(const Event& event) const {
    return {mapped_ + event.bytes_at, event.header.length};
  }
  /// How many events had been logged when the file had this size.
  [[nodiscard]] std::size_t events_before(std::uint64_t file_size) const;

 private:
  const char* mapped_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Event> events_;
};

/// Throws std::runtime_error with errno unless `good`.
void require(bool good, const std::string& what);

}  // namespace dunlin::power
