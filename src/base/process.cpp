// Identities from /proc, signals through pidfds.
#include "base/process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>

#include "base/file_io.h"

namespace dunlin {
namespace {

struct ProcStat {
  char state = '?';
  std::uint64_t start_time = 0;
};

/// The 3rd and 22nd field. The 2nd, the program's name in parentheses, may itself hold blanks and
/// parentheses, so fields are counted from the last ')'.
std::optional<ProcStat> parse_stat(std::string_view text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(name_end + 2);
  ProcStat stat;
  stat.state = text[0];
  for (int field = 3; field < 22; ++field) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), stat.start_time);
  if (parsed.ec != std::errc()) return std::nullopt;
  return stat;
}

Result<ProcStat> read_stat(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  auto text = read_file(path, 64 << 10);
  if (!text.ok()) {
    Error error = std::move(text).error();
    // ESRCH: it ended between open and read.
    if (error.type == ErrorType::not_found)
      error.message = "there is no process " + std::to_string(pid);
    return error;
  }
  const auto stat = parse_stat(*text);
  if (!stat) return Error(ErrorType::defect, path + " has an unknown form");
  return *stat;
}

Error gone(const ProcessIdentity& identity, std::string_view why) {
  return {ErrorType::not_found, "process " + std::to_string(identity.pid) + " on " + identity.host +
                                    ' ' + std::string(why)};
}

}  // namespace

Result<std::string> boot_id() {
  DUNLIN_ASSIGN(std::string id, read_file("/proc/sys/kernel/random/boot_id", 4096));
  while (!id.empty() && (id.back() == '\n' || id.back() == ' ')) id.pop_back();
  return id;
}

Result<std::uint64_t> process_start_time(pid_t pid) {
  DUNLIN_ASSIGN(const ProcStat stat, read_stat(pid));
  return stat.start_time;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "unknown";
  return name;
}

Result<ProcessIdentity> ProcessIdentity::current() {
  ProcessIdentity identity;
  identity.pid = ::getpid();
  DUNLIN_ASSIGN(identity.boot_id, dunlin::boot_id());
  DUNLIN_ASSIGN(identity.start_time, process_start_time(identity.pid));
  identity.host = host_name();
  return identity;
}

Result<bool> ProcessIdentity::matches() const {
  DUNLIN_ASSIGN(const std::string boot, dunlin::boot_id());
  if (boot != boot_id || pid <= 0) return false;
  auto stat = read_stat(pid);
  if (!stat.ok()) {
    if (stat.error().type == ErrorType::not_found) return false;
    return std::move(stat).error();
  }
  return stat->start_time == start_time && stat->state != 'Z' && stat->state != 'X';
}

Status kill_process(const ProcessIdentity& identity, int signal) {
  DUNLIN_ASSIGN(const std::string boot, boot_id());
  if (boot != identity.boot_id)
    return gone(identity, "belongs to another machine or an earlier boot");
  if (identity.pid <= 0) return gone(identity, "does not exist");
  // glibc's wrappers are not available everywhere that the kernel has the calls (5.3).
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
  if (!handle.valid()) {
    if (errno == ESRCH) return gone(identity, "has ended");
    return error_from_errno(errno, "open process " + std::to_string(identity.pid));
  }
  // From here on the handle names one process for good; compare who it is.
  DUNLIN_ASSIGN(const bool same, identity.matches());
  if (!same) return gone(identity, "has ended");
  if (::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) != 0) {
    if (errno == ESRCH) return gone(identity, "has ended");
    return error_from_errno(errno, "signal process " + std::to_string(identity.pid));
  }
  return success();
}

}  // namespace dunlin
