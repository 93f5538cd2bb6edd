// See short_calls.h.
#include "support/short_calls.h"

#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>

#include <dlfcn.h>

namespace dunlin::testing {
namespace {

constexpr std::size_t kOneEntryBytes = 280;  // of getdents64: the longest name and what is before

std::atomic<bool> active{false};
std::atomic<bool> with_flushes{false};
std::atomic<std::uint64_t> state{0};
std::atomic<std::int64_t> shortened_calls{0};
std::atomic<std::int64_t> interrupted_calls{0};
std::atomic<ino_t> broken_directory{0};

/// Steele and others, "Fast splittable pseudorandom number generators": one addition per draw, so
/// threads need no lock.
std::uint64_t draw() {
  std::uint64_t z = state.fetch_add(0x9e3779b97f4a7c15U) + 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool is_file(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

bool interrupts() {
  if (draw() % 8 != 0) return false;
  ++interrupted_calls;
  errno = EINTR;
  return true;
}

/// How much of `size` a call may do; `least` of it in any case.
std::size_t some_of(std::size_t size, std::size_t least) {
  if (size <= least || draw() % 2 == 0) return size;
  ++shortened_calls;
  return least + draw() % (size - least);
}

/// True when the call is to be interrupted; else perhaps less of `size` is left.
bool disturbed(int fd, std::size_t& size) {
  if (!active || size == 0 || !is_file(fd)) return false;
  if (interrupts()) return true;
  size = some_of(size, 1);
  return false;
}

/// The position of a directory that was not listed yet is 0 on every file system.
bool is_broken(int fd) {
  struct stat info{};
  return broken_directory != 0 && ::fstat(fd, &info) == 0 && info.st_ino == broken_directory &&
         ::lseek(fd, 0, SEEK_CUR) != 0;
}

}  // namespace

BrokenListing::BrokenListing(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) broken_directory = info.st_ino;
}

BrokenListing::~BrokenListing() {
  broken_directory = 0;
}

ShortCalls::ShortCalls(std::uint64_t seed, bool flushes) {
  state = seed;
  with_flushes = flushes;
  shortened_calls = 0;
  interrupted_calls = 0;
  active = true;
}

ShortCalls::~ShortCalls() {
  active = false;
}

std::int64_t ShortCalls::shortened() {
  return shortened_calls;
}

std::int64_t ShortCalls::interrupted() {
  return interrupted_calls;
}

// The names of libc, by label: its headers declare them with attributes of their own.

extern "C" {

ssize_t short_read(int fd, void* buffer, std::size_t size) __asm__("read");
ssize_t short_read(int fd, void* buffer, std::size_t size) {
  static auto* const real = next<ssize_t(int, void*, std::size_t)>("read");
  return disturbed(fd, size) ? -1 : real(fd, buffer, size);
}

ssize_t short_write(int fd, const void* buffer, std::size_t size) __asm__("write");
ssize_t short_write(int fd, const void* buffer, std::size_t size) {
  static auto* const real = next<ssize_t(int, const void*, std::size_t)>("write");
  return disturbed(fd, size) ? -1 : real(fd, buffer, size);
}

ssize_t short_pread(int fd, void* buffer, std::size_t size, off_t offset) __asm__("pread");
ssize_t short_pread(int fd, void* buffer, std::size_t size, off_t offset) {
  static auto* const real = next<ssize_t(int, void*, std::size_t, off_t)>("pread");
  return disturbed(fd, size) ? -1 : real(fd, buffer, size, offset);
}

ssize_t short_pwrite(int fd, const void* buffer, std::size_t size, off_t offset) __asm__("pwrite");
ssize_t short_pwrite(int fd, const void* buffer, std::size_t size, off_t offset) {
  static auto* const real = next<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  return disturbed(fd, size) ? -1 : real(fd, buffer, size, offset);
}

int short_fsync(int fd) __asm__("fsync");
int short_fsync(int fd) {
  static auto* const real = next<int(int)>("fsync");
  return active && with_flushes && interrupts() ? -1 : real(fd);
}

int short_syncfs(int fd) __asm__("syncfs");
int short_syncfs(int fd) {
  static auto* const real = next<int(int)>("syncfs");
  return active && with_flushes && interrupts() ? -1 : real(fd);
}

long short_syscall(long number, ...) __asm__("syscall");
long short_syscall(long number, ...) {
  static auto* const real = next<long(long, ...)>("syscall");
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_getdents64 && is_broken(static_cast<int>(arguments[0]))) {
    errno = EIO;
    return -1;
  }
  if (active && number == SYS_getdents64) {
    if (interrupts()) return -1;
    arguments[2] =
        static_cast<long>(some_of(static_cast<std::size_t>(arguments[2]), kOneEntryBytes));
  }
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

// FICLONE of less than the whole file is no error of the kernel's, and nothing tells how much it
// was.
int short_ioctl(int fd, unsigned long request, ...) __asm__("ioctl");
int short_ioctl(int fd, unsigned long request, ...) {
  static auto* const real = next<int(int, unsigned long, ...)>("ioctl");
  va_list list;
  va_start(list, request);
  const unsigned long argument = va_arg(list, unsigned long);
  va_end(list);
  if (!active || request != FICLONE) return real(fd, request, argument);
  if (interrupts()) return -1;
  struct stat info{};
  constexpr long kBlock = 4096;
  if (draw() % 2 == 0 || ::fstat(static_cast<int>(argument), &info) != 0 || info.st_size <= kBlock)
    return real(fd, request, argument);
  ++shortened_calls;
  file_clone_range range{};
  range.src_fd = static_cast<long>(argument);
  range.src_length = kBlock;
  return real(fd, FICLONERANGE, &range);
}

}  // extern "C"

}  // namespace dunlin::testing
