#include "old_kernel.h"

#include <linux/fs.h>
#include <unistd.h>

#include <cerrno>

#include "support/denied_calls.h"

namespace dunlin::attack {

int run_on_old_kernel(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  constexpr unsigned kFlags = 4;  // of renameat2; without one it is an ordinary rename
  testing::with_denied_calls({{SYS_openat2, ENOSYS},
                              {SYS_renameat2, EINVAL, kFlags, RENAME_NOREPLACE},
                              {SYS_renameat2, EINVAL, kFlags, RENAME_EXCHANGE}},
                             [&] { ::execv(arguments[0], arguments.data()); });
  return 127;
}

}  // namespace dunlin::attack
