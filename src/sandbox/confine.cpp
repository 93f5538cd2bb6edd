// Confinement; see confine.h.
#include "sandbox/confine.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include <grp.h>

namespace dunlin::sandbox {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;  // no filter is known: confine() refuses
#endif

constexpr uid_t kNobody = 65534;
// libmagic maps 8 MiB and reads a quarter of one; nothing honest comes near.
constexpr rlim_t kMemoryBytes = 512U << 20U;
constexpr rlim_t kDescriptors = 16;

// The sanitizers' runtime reserves terabytes of addresses and calls more than a parser does.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

/// Reading, memory, time, the socket, and the end. Nothing here names a file, a process or an
/// address.
constexpr std::array kAllowed{
    SYS_read,    SYS_pread64,    SYS_lseek,     SYS_close,         SYS_recvmsg,
    SYS_sendto,  SYS_sendmsg,    SYS_brk,       SYS_munmap,        SYS_mremap,
    SYS_madvise, SYS_futex,      SYS_setitimer, SYS_rt_sigreturn,  SYS_restart_syscall,
    SYS_exit,    SYS_exit_group, SYS_getrandom, SYS_clock_gettime, SYS_gettimeofday,
};
/// Allowed while their third argument asks for no executable memory.
constexpr std::array kAllowedWithoutExec{SYS_mmap, SYS_mprotect};
/// What the sanitizers' runtime needs besides.
constexpr std::array kSanitizerCalls{SYS_sigaltstack, SYS_rt_sigprocmask, SYS_rt_sigaction,
                                     SYS_gettid,      SYS_getpid,         SYS_sched_yield,
                                     SYS_write};

using Program = std::vector<sock_filter>;

constexpr std::uint32_t offset_of_argument(unsigned n) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + n * 8;  // the lower half
}

void allow(Program& program, long number) {
  const auto call = static_cast<std::uint32_t>(number);
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

void allow_without_exec(Program& program, long number) {
  const auto call = static_cast<std::uint32_t>(number);
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4));
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument(2)));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

Program filter() {
  const auto architecture = static_cast<std::uint32_t>(offsetof(seccomp_data, arch));
  const auto number = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  Program program{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, architecture),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
  };
  for (const long call : kAllowed) allow(program, call);
  if (kSanitized)
    for (const long call : kSanitizerCalls) allow(program, call);
  for (const long call : kAllowedWithoutExec) allow_without_exec(program, call);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  return program;
}

Error failed(const char* what) {
  return error_from_errno(errno, std::string("confine the parser: ") + what);
}

Status limit(__rlimit_resource resource, rlim_t most) {
  const struct rlimit both{most, most};
  return ::setrlimit(resource, &both) == 0 ? success() : Status(failed("limit its resources"));
}

Status limit_resources() {
  DUNLIN_TRY(limit(RLIMIT_CORE, 0));
  DUNLIN_TRY(limit(RLIMIT_FSIZE, 0));
  DUNLIN_TRY(limit(RLIMIT_NPROC, 0));
  DUNLIN_TRY(limit(RLIMIT_NOFILE, kDescriptors));
  return kSanitized ? success() : limit(RLIMIT_AS, kMemoryBytes);
}

Status drop_privileges() {
  const bool is_nobody = ::geteuid() != 0 || (::setgroups(0, nullptr) == 0 &&
                                              ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                                              ::setresuid(kNobody, kNobody, kNobody) == 0);
  // A user namespace may know no user but its root: that one keeps its number, and no capability.
  if (!is_nobody && errno != EINVAL && errno != EPERM) return failed("become another user");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) return failed("drop its capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("forbid new privileges");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("keep it from being inspected");
  return success();
}

}  // namespace

Status confine(int socket) {
  if (kArchitecture == 0)
    return Error(ErrorType::unsupported_item, "this processor has no filter for parsers");
  if (socket != STDERR_FILENO + 1)
    return Error(ErrorType::defect, "the parser's socket is descriptor 3");
  if (::syscall(SYS_close_range, socket + 1, ~0U, 0) != 0 && errno != ENOSYS)
    return failed("close what it was not handed");
  DUNLIN_TRY(limit_resources());
  DUNLIN_TRY(drop_privileges());
  Program program = filter();
  const sock_fprog loaded{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded, 0, 0) != 0)
    return failed("load its filter");
  return success();
}

}  // namespace dunlin::sandbox
