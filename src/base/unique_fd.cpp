#include "base/unique_fd.h"

#include <unistd.h>

#include <cerrno>

namespace dunlin {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old < 0 || old == fd) return;
  const int saved = errno;
  ::close(old);  // never repeated after EINTR: on Linux the descriptor is gone by then
  errno = saved;
}

}  // namespace dunlin
