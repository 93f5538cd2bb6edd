// Whole reads and writes on descriptors, and small files as a unit (configuration, keys, reports).
//
// Every call goes on after EINTR and short counts. `what` names the thing for the error ("'/a/b'");
// errors come from error_from_errno. Blocking and not cancellable: large transfers belong to `fs`.
// Safe from any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/subject.h"
#include "base/unique_fd.h"

namespace dunlin {

/// open(2) with O_CLOEXEC added.
[[nodiscard]] Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0600);

/// Reads until `size` bytes or the end of the file; returns how many there were.
[[nodiscard]] Result<std::size_t> read_up_to(int fd, void* buffer, std::size_t size,
                                             const Subject& what);
[[nodiscard]] Result<std::size_t> pread_up_to(int fd, void* buffer, std::size_t size,
                                              std::int64_t offset, const Subject& what);
/// As above, but an earlier end of the file is ErrorType::read_error.
[[nodiscard]] Status read_exactly(int fd, void* buffer, std::size_t size, const Subject& what);
[[nodiscard]] Status pread_all(int fd, void* buffer, std::size_t size, std::int64_t offset,
                               const Subject& what);

[[nodiscard]] Status write_all(int fd, const void* buffer, std::size_t size, const Subject& what);
[[nodiscard]] inline Status write_all(int fd, std::string_view bytes, const Subject& what) {
  return write_all(fd, bytes.data(), bytes.size(), what);
}
[[nodiscard]] Status pwrite_all(int fd, const void* buffer, std::size_t size, std::int64_t offset,
                                const Subject& what);

/// The content of a file; ErrorType::invalid_input when it holds more than `max_bytes`. ENOENT is
/// ErrorType::not_found here: the caller named this file.
[[nodiscard]] Result<std::string> read_file(const std::string& path,
                                            std::int64_t max_bytes = 64 << 20);

/// Replaces `path` in one step: temporary in the same directory, fsync, rename, fsync of the
/// directory. When it returns success the new content is on disk; on failure the old file is
/// untouched and the temporary removed. Repeatable.
[[nodiscard]] Status write_file_durably(const std::string& path, std::string_view bytes,
                                        mode_t mode = 0600);

/// fsync(2); a failure must never be answered by another fsync of the same descriptor (the kernel
/// drops the pages).
[[nodiscard]] Status fsync_file(int fd, const Subject& what);
[[nodiscard]] Status fsync_directory(const std::string& path);

}  // namespace dunlin
