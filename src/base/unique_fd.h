// UniqueFd: the one owner of a file descriptor.
//
// Every descriptor of dunlin is opened with O_CLOEXEC and held by one of these. No thread rule: a
// plain value.
#pragma once

#include <utility>

namespace dunlin {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  /// Gives the descriptor away without closing it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  /// Closes the present descriptor and takes `fd`. Leaves errno alone. The result of close(2) is
  /// not looked at: what has to be durable is flushed before, with its error checked.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace dunlin
