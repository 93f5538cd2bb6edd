// Clone: content shared with its source instead of copied, where the file system can (FICLONE: XFS
// with reflink, btrfs, bcachefs and others). Any thread, each call on descriptors of its own.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::fs {

struct Clone {
  /// 0: `to` holds what `from` held at one instant. Else the errno by which kernel or file system
  /// declined: the content can still be copied.
  int declined = 0;
  std::int64_t bytes = 0;  ///< size of `to` after it
};

/// All of `from` into `to`, an empty file opened for writing. Errors are those that a copy would
/// meet, too (disk_full, quota_exceeded, write_error, a limit of the size). After an error, and
/// when it was declined, `to` may hold some of it.
///
/// XFS reports success for what it could clone before it ran out of room (FICLONE has no way to
/// say how much it did): a clone shorter than its source is declined with ENOSPC.
[[nodiscard]] Result<Clone> clone_content(int from, const Subject& from_shown, int to,
                                          const Subject& to_shown);

/// What whole file systems have declined, so that not every file asks again. Any thread.
class CloneRefusals {
 public:
  using Devices = std::pair<std::uint64_t, std::uint64_t>;  ///< from, to
  /// As errno; 0: a file has to be tried.
  [[nodiscard]] int declined(const Devices& devices) const;
  /// Kept when it says that no file between the two can be cloned.
  void note(const Devices& devices, int declined);

 private:
  mutable std::mutex mutex_;
  std::map<Devices, int> known_;
};

/// Why files of `from` cannot be cloned into `to`, as errno; 0 when they can, or when only trying
/// tells. Leaves nothing behind.
[[nodiscard]] int clone_obstacle(const Directory& from, const Directory& to);

}  // namespace dunlin::fs
