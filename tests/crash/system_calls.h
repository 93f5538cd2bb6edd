// The system calls of a run as strace(1) saw them. Kill -9 cannot show a flush that is missing,
// since the page cache survives the process; the order of the calls can.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "process.h"

namespace dunlin::crash {

/// Moments are places in the log: one call began, or ended, before another one when its moment is
/// the smaller one. strace holds a call back until its beginning is noted, and the program until
/// its end is, so this order is what happened.
using Moment = std::size_t;

struct SystemCall {
  std::string name;
  /// As strace shows them: `5</path>`, `"bytes"`, `O_RDWR|O_CREAT`.
  std::vector<std::string> arguments;
  std::int64_t returned = -1;
  Moment began = 0;
  Moment ended = 0;

  /// The path of a descriptor argument, or empty.
  [[nodiscard]] std::string descriptor_path(std::size_t argument) const;
  /// The bytes of a string argument; `complete` is false when strace cut them.
  [[nodiscard]] std::string bytes(std::size_t argument, bool* complete = nullptr) const;
  /// The path of a string argument after its directory's descriptor.
  [[nodiscard]] std::string path_at(std::size_t directory_argument) const;
  [[nodiscard]] std::uint64_t number(std::size_t argument) const;
  [[nodiscard]] bool has(std::size_t argument, const std::string& word) const;
};

/// What a run below strace did to files, in the order in which it began.
struct Trace {
  std::vector<SystemCall> calls;
  std::vector<SystemCall> cut_short;  ///< by a kill: they may have happened
  Moment ended = 0;
  bool killed = false;
};

/// Runs `command` below strace, whose own options may be more (`-e inject=…`). The first moment is
/// `from`, so that runs can be put together. An error when strace cannot trace here or when the
/// command fails; being killed is none.
[[nodiscard]] Result<Trace> trace(const std::vector<std::string>& command,
                                  const Environment& environment, const std::string& output_file,
                                  const std::vector<std::string>& strace_options = {},
                                  Moment from = 0);

}  // namespace dunlin::crash
