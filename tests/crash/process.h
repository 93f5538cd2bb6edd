// Runs the program under test: arguments, environment, output, a limit of time. Any thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace dunlin::crash {

using Environment = std::map<std::string, std::string>;

struct Ended {
  bool killed = false;     ///< by SIGKILL
  bool stopped = false;    ///< by SIGSTOP: it is still there
  bool timed_out = false;  ///< and was killed for it
  int exit_code = -1;
  std::string output;  ///< standard output and error
};

/// A running program; its destructor kills it. `environment` is put over this process's own.
class Process {
 public:
  Process(const std::vector<std::string>& command, const Environment& environment,
          const std::string& output_file);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Until it ends, or stops when `or_stopped`; kills it after `limit_ms`.
  [[nodiscard]] Ended wait(std::int64_t limit_ms, bool or_stopped = false);
  [[nodiscard]] bool running();

 private:
  std::string output_file_;
  pid_t pid_ = -1;
};

[[nodiscard]] Ended run(const std::vector<std::string>& command, const Environment& environment,
                        const std::string& output_file, std::int64_t limit_ms = 60'000);

}  // namespace dunlin::crash
