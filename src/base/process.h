// Who a process is, in a way that survives the reuse of pids: used for owner records and for
// emergency stop.
//
// A pid alone may belong to somebody else by now; pid, start time and boot id together name one
// process of one machine for ever. Linux only (/proc, pidfd). Safe from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace dunlin {

/// The kernel's random id of this boot (/proc/sys/kernel/random/boot_id).
[[nodiscard]] Result<std::string> boot_id();
/// Start of a process in clock ticks since boot (field 22 of /proc/PID/stat); ErrorType::not_found
/// when there is none.
[[nodiscard]] Result<std::uint64_t> process_start_time(pid_t pid);
/// gethostname(2); "unknown" when the system has none.
[[nodiscard]] std::string host_name();

struct ProcessIdentity {
  pid_t pid = 0;
  std::string boot_id;
  std::uint64_t start_time = 0;
  std::string host;  ///< shown to people; not compared, because it can change
                     ///< while a process runs

  /// This very process.
  [[nodiscard]] static Result<ProcessIdentity> current();
  /// True while that process runs on this machine in this boot. A zombie does not run. An error of
  /// /proc other than "no such process" is an error, never "gone".
  [[nodiscard]] Result<bool> matches() const;

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// Signals exactly that process, through a pidfd taken before the comparison, so that nobody else
/// can be hit. ErrorType::not_found when it has ended or belongs to another boot or machine (the
/// message says which).
[[nodiscard]] Status kill_process(const ProcessIdentity& identity, int signal);

}  // namespace dunlin
