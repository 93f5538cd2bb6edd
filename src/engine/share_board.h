// ShareBoard: where the executions of a state directory see what the others take of the devices
// that they use, too. A small file of the run directory that every owner reads and writes its own
// part of; not mapped, for a full disk would end a process that writes to a mapping.
//
// A slot counts while its owner holds the kernel's lock on it (fcntl(2), F_OFD_SETLK), so nothing
// has to be cleaned up after a kill. What is read there may be anything: whoever decides by it
// keeps the harm of a wrong value to a wait that ends.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace dunlin::engine {

/// Of one execution, as it stands in the file. Times are CLOCK_MONOTONIC in nanoseconds.
struct ShareSlot {
  static constexpr std::size_t kDevices = 8;

  std::int64_t virtual_time = 0;  ///< what it was granted, by its weight
  std::int64_t granted = 0;       ///< the same as it is
  std::int64_t asked_ns = 0;      ///< when it last wanted something
  std::int64_t bounded_ns = 0;    ///< until then something of its own holds it up
  std::int64_t weight = 0;
  std::int64_t reserved[3] = {};
  std::array<std::uint64_t, kDevices> devices{};  ///< hashes of their names; 0: none
};
static_assert(sizeof(ShareSlot) == 128);

class ShareBoard {
 public:
  /// Takes a free slot. `directory`: of the run files. temporary_failure when all are taken.
  [[nodiscard]] static Result<std::unique_ptr<ShareBoard>> join(
      const std::string& directory, const std::vector<std::string>& devices);
  ~ShareBoard();
  ShareBoard(const ShareBoard&) = delete;
  ShareBoard& operator=(const ShareBoard&) = delete;

  /// Its own, to be changed; the others see it after publish().
  [[nodiscard]] ShareSlot& own() { return own_; }
  /// An error is that of the file's disk.
  [[nodiscard]] Status publish();
  /// Finds out who else lives and has a device in common: asks the kernel for each slot that may
  /// be one, so for every tenth of a second, not for every look.
  void find_rivals();
  /// Those found last, as they are now.
  [[nodiscard]] std::vector<ShareSlot> rivals() const;

 private:
  ShareBoard(UniqueFd file, std::size_t place) : file_(std::move(file)), place_(place) {}
  [[nodiscard]] bool lives(std::size_t place) const;
  [[nodiscard]] bool shares_a_device(const ShareSlot& other) const;
  [[nodiscard]] std::vector<ShareSlot> read() const;

  UniqueFd file_;
  std::size_t place_;
  ShareSlot own_;
  std::vector<std::size_t> rivals_;
};

}  // namespace dunlin::engine
