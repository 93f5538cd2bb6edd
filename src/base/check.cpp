// The end of a process whose invariant is broken. Uses only write(2) and abort(3): the heap may be
// damaged.
#include "base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace dunlin {
namespace {

void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void check_failed(const char* condition, const char* file, int line, std::string_view message) {
  char digits[16];
  std::size_t at = sizeof digits;
  for (unsigned rest = line > 0 ? static_cast<unsigned>(line) : 0U; at > 0; rest /= 10U) {
    digits[--at] = static_cast<char>('0' + rest % 10U);
    if (rest < 10U) break;
  }
  put("dunlin: defect: ");
  put(message);
  put(" (");
  put(condition);
  put(") at ");
  put(file);
  put(":");
  put({digits + at, sizeof digits - at});
  put("\n");
  std::abort();
}

}  // namespace dunlin
