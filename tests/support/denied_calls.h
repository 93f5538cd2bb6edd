// System calls that fail for one thread, as they would on another kernel or a failing device.
//
// seccomp(2), so whatever is called is what a real kernel would answer, also inside libraries. The
// filter holds for the thread and those it starts, until they end; it cannot be taken off.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.h"

namespace dunlin::testing {

/// One call that fails with `error` (0: claims to have done it); `argument`: only when that
/// argument (its lower 32 bits) is `value`.
struct DeniedCall {
  long number = 0;
  int error = 0;
  std::optional<unsigned> argument = {};
  std::uint32_t value = 0;
};

/// Runs `work` in a thread of its own in which these calls fail.
inline void with_denied_calls(const std::vector<DeniedCall>& calls,
                              const std::function<void()>& work) {
  std::vector<sock_filter> filter;
  const auto add = [&](std::uint16_t code, std::uint32_t k, std::uint8_t jt, std::uint8_t jf) {
    filter.push_back(sock_filter{code, jt, jf, k});
  };
  constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
  constexpr std::uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
  for (const DeniedCall& call : calls) {
    add(kLoad, offsetof(seccomp_data, nr), 0, 0);
    add(kIfEqual, static_cast<std::uint32_t>(call.number), 0, call.argument ? 3 : 1);
    if (call.argument) {
      add(kLoad, static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + *call.argument * 8, 0,
          0);
      add(kIfEqual, call.value, 0, 1);
    }
    add(kReturn, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(call.error), 0, 0);
  }
  add(kReturn, SECCOMP_RET_ALLOW, 0, 0);
  std::thread denied([&] {
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    DUNLIN_CHECK(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    DUNLIN_CHECK(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
    work();
  });
  denied.join();
}

}  // namespace dunlin::testing
