// Process: a child process of a test: its words, environment, output, signals, end.
//
// Output goes to memory files, so that a child never blocks on us; with `terminal` it goes to a
// pseudo-terminal of that many columns instead, all of it in out(). A Process that is dropped is
// killed and reaped. One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dunlin::testing {

using std::chrono::milliseconds;

/// Every wait of a test ends here: a hang is a failure, not a hang.
inline constexpr milliseconds kPatience{60'000};

struct ProcessOptions {
  std::vector<std::string> words;                  ///< words[0] is the program
  std::map<std::string, std::string> environment;  ///< beside PATH; nothing else is inherited
  std::string folder;                              ///< to start in; empty: ours
  int terminal_columns = 0;                        ///< above 0: on a pseudo-terminal
};

class Process {
 public:
  explicit Process(const ProcessOptions& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// The exit code, 128 + n for a death by signal n; nullopt when it still runs after `patience`.
  [[nodiscard]] std::optional<int> wait(milliseconds patience = kPatience);
  [[nodiscard]] bool running() { return !wait(milliseconds(0)).has_value(); }
  /// What it has written so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  /// True once `text` stands in out() or err().
  [[nodiscard]] bool says(const std::string& text, milliseconds patience = kPatience);

 private:
  struct Streams;
  std::unique_ptr<Streams> streams_;
  pid_t pid_ = -1;
  std::optional<int> code_;
};

struct Finished {
  int code = -1;
  std::string out;
  std::string err;
};

/// Runs to the end; code -1 when it did not end in time (it is killed then).
[[nodiscard]] Finished run_process(const ProcessOptions& options,
                                   milliseconds patience = kPatience);

/// Asks again and again until it is true; false when `patience` is over.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition, milliseconds patience = kPatience);

void sleep_for(milliseconds time);

template <typename Condition>
bool eventually(Condition condition, milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    sleep_for(milliseconds(10));
  }
  return true;
}

}  // namespace dunlin::testing
