// ParserProcess: asks a parser about an open file, in a child process that can do nothing else.
//
// The child is started when it is first needed and serves many files; one that crashes, breaks its
// confinement or takes longer than kParserLimit is killed, and the next question gets a new one.
// One thread at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace dunlin::sandbox {

/// files.md F-4: as long as one file may take.
inline constexpr std::chrono::milliseconds kParserLimit{5000};
/// Of one answer.
inline constexpr std::size_t kMostAnswerBytes = 4096;
/// As long as a child may take to be gone once it was killed. One that takes longer (it hangs in a
/// call of a dead disk or server, which no signal ends) is left behind, and looked for later.
inline constexpr std::chrono::milliseconds kGoneLimit{5000};
/// The first word of a command line that makes a program the child: main() asks for it.
inline constexpr char kParserWord[] = "content-parser-child";

enum class Outcome : std::uint8_t { told, crashed, too_slow };
struct Answer {
  Outcome outcome = Outcome::told;
  std::string text;  ///< of a parser: anything, at most kMostAnswerBytes
};

/// The child: a program and its words. It finds its socket as descriptor 3 and calls
/// serve_parsers(). Tests have others than this very program.
struct ParserCommand {
  std::vector<std::string> words{"/proc/self/exe", kParserWord};
  std::chrono::milliseconds limit = kParserLimit;
};

/// Waits until `child` has ended and takes its end from the kernel's table. False when it is still
/// there after `limit`.
[[nodiscard]] bool reap_within(pid_t child, std::chrono::milliseconds limit);

class ParserProcess {
 public:
  explicit ParserProcess(ParserCommand command = {})
      : command_(std::move(command.words)), limit_(command.limit) {}
  ~ParserProcess();
  ParserProcess(const ParserProcess&) = delete;
  ParserProcess& operator=(const ParserProcess&) = delete;

  /// Asks parser `letter` about `fd`, whose offset the child may move. An error: no child could be
  /// started or confined, or the wait was cancelled; nothing is said about the file then.
  [[nodiscard]] Result<Answer> ask(char letter, int fd, const CancelToken& cancel);
  /// Is there a child, confined and ready? Starts one when there is none.
  [[nodiscard]] Status ready(const CancelToken& cancel);

 private:
  [[nodiscard]] Status start(const CancelToken& cancel);
  [[nodiscard]] Result<Answer> receive(const CancelToken& cancel, std::chrono::milliseconds limit);
  void end();

  const std::vector<std::string> command_;
  const std::chrono::milliseconds limit_;
  UniqueFd socket_;
  pid_t child_ = -1;
  std::vector<pid_t> left_behind_;  ///< killed, and not gone in time
};

}  // namespace dunlin::sandbox
