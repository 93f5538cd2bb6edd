// Loops round the system calls that may do less than they were asked.
#include "base/file_io.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace dunlin {
namespace {

// Linux transfers at most 0x7ffff000 bytes a call; smaller portions also bound the time of one.
constexpr std::size_t kPortion = 1U << 30U;

std::string quoted(const std::string& path) {
  return "'" + escape_bytes(path) + "'";
}

/// A path that is quoted when somebody is told of it.
struct Path {
  [[nodiscard]] static std::string shown(std::string_view path) {
    return quoted(std::string(path));
  }
};
constexpr Path kPath;

std::string operation(std::string_view verb, const Subject& what) {
  return std::string(verb) + ' ' + what.text();
}

template <typename Call>
Result<std::size_t> fill(std::size_t size, const Subject& what, Call call) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = call(done, std::min(size - done, kPortion));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno(errno, operation("read", what));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

template <typename Call>
Status drain(std::size_t size, const Subject& what, Call call) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t put = call(done, std::min(size - done, kPortion));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return error_from_errno(errno, operation("write", what), true);
    if (put == 0) return error_from_errno(EIO, operation("write", what), true);
    done += static_cast<std::size_t>(put);
  }
  return success();
}

Status whole(Result<std::size_t> got, std::size_t wanted, const Subject& what) {
  if (!got.ok()) return std::move(got).error();
  if (*got == wanted) return success();
  return Error(ErrorType::read_error, "read " + printable(what.text()) + ": ended after " +
                                          std::to_string(*got) + " of " + std::to_string(wanted) +
                                          " bytes");
}

Result<std::string> temporary_beside(const std::string& path) {
  char random[8];
  if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
    return error_from_errno(errno, "get random bytes");
  }
  return path + ".tmp-" + hex({random, sizeof random});
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_and_flush(int fd, std::string_view bytes, mode_t mode, const std::string& temporary) {
  // The mode asked for, whatever the umask.
  if (::fchmod(fd, mode) != 0)
    return error_from_errno(errno, "change mode of " + quoted(temporary), true);
  DUNLIN_TRY(write_all(fd, bytes, quoted(temporary)));
  return fsync_file(fd, quoted(temporary));
}

}  // namespace

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (fd.valid()) return fd;
    if (errno != EINTR)
      return error_from_errno(errno, "open " + quoted(path), (flags & O_ACCMODE) != O_RDONLY);
  }
}

Result<std::size_t> read_up_to(int fd, void* buffer, std::size_t size, const Subject& what) {
  return fill(size, what, [&](std::size_t done, std::size_t portion) {
    return ::read(fd, static_cast<char*>(buffer) + done, portion);
  });
}

Result<std::size_t> pread_up_to(int fd, void* buffer, std::size_t size, std::int64_t offset,
                                const Subject& what) {
  return fill(size, what, [&](std::size_t done, std::size_t portion) {
    return ::pread(fd, static_cast<char*>(buffer) + done, portion,
                   offset + static_cast<std::int64_t>(done));
  });
}

Status read_exactly(int fd, void* buffer, std::size_t size, const Subject& what) {
  return whole(read_up_to(fd, buffer, size, what), size, what);
}

Status pread_all(int fd, void* buffer, std::size_t size, std::int64_t offset, const Subject& what) {
  return whole(pread_up_to(fd, buffer, size, offset, what), size, what);
}

Status write_all(int fd, const void* buffer, std::size_t size, const Subject& what) {
  return drain(size, what, [&](std::size_t done, std::size_t portion) {
    return ::write(fd, static_cast<const char*>(buffer) + done, portion);
  });
}

Status pwrite_all(int fd, const void* buffer, std::size_t size, std::int64_t offset,
                  const Subject& what) {
  return drain(size, what, [&](std::size_t done, std::size_t portion) {
    return ::pwrite(fd, static_cast<const char*>(buffer) + done, portion,
                    offset + static_cast<std::int64_t>(done));
  });
}

Result<std::string> read_file(const std::string& path, std::int64_t max_bytes) {
  auto opened = open_file(path, O_RDONLY);
  if (!opened.ok()) {
    Error error = std::move(opened).error();
    if (error.native.code == "ENOENT") error.type = ErrorType::not_found;
    return error;
  }
  const Subject name(kPath, path);
  std::string content;
  constexpr std::size_t kStep = 64U << 10U;
  // By portions, since the size of a pipe or of a file in /proc is not known before. A file that
  // says it has ended once it has given that much.
  struct stat facts{};
  const bool says_size = ::fstat(opened->get(), &facts) == 0 && S_ISREG(facts.st_mode) &&
                         facts.st_size > 0 && facts.st_size < static_cast<off_t>(kStep);
  const std::size_t step = says_size ? static_cast<std::size_t>(facts.st_size) : kStep;
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + step);
    auto got = read_up_to(opened->get(), content.data() + before, step, name);
    if (!got.ok()) {
      Error error = std::move(got).error();
      if (error.native.code == "EISDIR") error.type = ErrorType::invalid_input;
      return error;
    }
    content.resize(before + *got);
    if (static_cast<std::int64_t>(content.size()) > max_bytes) {
      return Error(ErrorType::invalid_input,
                   name.text() + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
    if (*got < step || says_size) return content;
  }
}

Status write_file_durably(const std::string& path, std::string_view bytes, mode_t mode) {
  DUNLIN_ASSIGN(const std::string temporary, temporary_beside(path));
  {
    DUNLIN_ASSIGN(const UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (Status written = write_and_flush(fd.get(), bytes, mode, temporary); !written.ok()) {
      static_cast<void>(::unlink(temporary.c_str()));
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = error_from_errno(errno, "rename to " + quoted(path), true);
    static_cast<void>(::unlink(temporary.c_str()));
    return error;
  }
  return fsync_directory(parent_of(path));
}

Status fsync_file(int fd, const Subject& what) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) return error_from_errno(errno, operation("flush", what), true);
  }
  return success();
}

Status fsync_directory(const std::string& path) {
  DUNLIN_ASSIGN(const UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
  return fsync_file(fd.get(), quoted(path));
}

}  // namespace dunlin
