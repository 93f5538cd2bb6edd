#include "system_calls.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace dunlin::crash {
namespace {

/// What changes files and names, and what flushes them. sync_file_range is not among them: it
/// promises nothing about the device's cache nor about metadata.
constexpr const char* kCalls =
    "trace=write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice,truncate,"
    "ftruncate,fallocate,ioctl,open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,mknod,mknodat,mkdir,mkdirat,rmdir,unlink,unlinkat,chmod,fchmod,fchmodat,chown,"
    "fchown,"
    "lchown,fchownat,utimensat,setxattr,fsetxattr,removexattr,fremovexattr,fsync,fdatasync,syncfs,"
    "sync";

/// A page of SQLite, which is replayed, and some more; contents of files are not looked at.
constexpr const char* kMostBytes = "4200";

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    folder.append("/").append(name);
    if (::access(folder.c_str(), X_OK) == 0) return folder;
  }
  return std::nullopt;
}

/// The escapes of C, with one to three octal digits.
std::string unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      bytes += text[at];
      continue;
    }
    const char next = text[++at];
    if (next >= '0' && next <= '7') {
      unsigned value = 0;
      std::size_t digits = 0;
      for (; digits < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++digits)
        value = value * 8 + static_cast<unsigned>(text[at++] - '0');
      --at;
      bytes += static_cast<char>(value);
      continue;
    }
    constexpr std::string_view kLetters = "ntrvf";
    constexpr std::string_view kMeant = "\n\t\r\v\f";
    const std::size_t letter = kLetters.find(next);
    bytes += letter == std::string_view::npos ? next : kMeant[letter];
  }
  return bytes;
}

/// At the commas outside of strings, paths and brackets.
std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  std::string one;
  int depth = 0;
  bool quoted = false;
  bool in_path = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if (byte == '\\' && (quoted || in_path) && at + 1 < text.size()) {
      one += byte;
      one += text[++at];
      continue;
    }
    if (byte == '"' && !in_path) quoted = !quoted;
    if (!quoted && byte == '<') in_path = true;
    if (!quoted && byte == '>') in_path = false;
    if (!quoted && !in_path) {
      if (byte == '[' || byte == '{' || byte == '(') ++depth;
      if (byte == ']' || byte == '}' || byte == ')') --depth;
      if (byte == ',' && depth == 0) {
        arguments.push_back(std::move(one));
        one.clear();
        if (at + 1 < text.size() && text[at + 1] == ' ') ++at;
        continue;
      }
    }
    one += byte;
  }
  if (!one.empty()) arguments.push_back(std::move(one));
  return arguments;
}

/// "…) = 4096", "…) = -1 ENOENT (…)", "…) = 3</path>": where the arguments end, and the value.
struct Tail {
  std::size_t arguments_end = 0;
  std::int64_t returned = -1;
  bool unknown = false;
};

std::optional<Tail> tail_of(std::string_view text) {
  // strace aligns the result, so there may be more than one blank; an argument that holds ") = "
  // stands before it.
  const std::size_t equals = text.rfind(" = ");
  if (equals == std::string_view::npos) return std::nullopt;
  std::size_t end = equals;
  while (end > 0 && text[end - 1] == ' ') --end;
  if (end == 0 || text[end - 1] != ')') return std::nullopt;
  Tail tail;
  tail.arguments_end = end - 1;
  const std::string_view value = text.substr(equals + 3);
  std::from_chars(value.data(), value.data() + value.size(), tail.returned);
  tail.unknown = value.starts_with('?');
  return tail;
}

class LogReader {
 public:
  explicit LogReader(Moment from) : line_(from / 2 + 1) {}
  Status read(std::istream& in) {
    for (std::string line; std::getline(in, line); line_ += 1) {
      if (!read_line(line))
        return Error(ErrorType::defect,
                     "a line of strace is not understood: " + line.substr(0, 200));
    }
    return success();
  }
  std::vector<SystemCall> take_cut_short() {
    for (const auto& [thread, call] : unfinished_) {
      SystemCall& cut = cut_short_.emplace_back();
      cut.name = call.name;
      cut.arguments = split_arguments(call.arguments);
      cut.began = call.began;
    }
    return std::move(cut_short_);
  }
  [[nodiscard]] Moment ended() const { return 2 * line_ + 2; }
  std::vector<SystemCall> take() {
    std::sort(calls_.begin(), calls_.end(), [](const SystemCall& one, const SystemCall& other) {
      return one.began < other.began;
    });
    return std::move(calls_);
  }

 private:
  struct Unfinished {
    std::string name;
    std::string arguments;
    Moment began;
  };

  bool read_line(const std::string& line) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) return false;
    const std::string thread = line.substr(0, blank);
    std::string_view text = std::string_view(line).substr(line.find_first_not_of(' ', blank));
    if (text.starts_with("+++") || text.starts_with("---")) return true;
    if (text.starts_with("<... ")) return resume(thread, text);
    const std::size_t open = text.find('(');
    if (open == std::string_view::npos) return false;
    const std::string name(text.substr(0, open));
    text.remove_prefix(open + 1);
    // Detached: strace let go of it, since the program was killed.
    if (text.ends_with(" <unfinished ...>") || text.ends_with(" <detached ...>")) {
      text = text.substr(0, text.rfind(" <"));
      unfinished_[thread] = {name, std::string(text), 2 * line_};
      return true;
    }
    return finish(name, std::string(text), 2 * line_);
  }

  bool resume(const std::string& thread, std::string_view text) {
    const auto found = unfinished_.find(thread);
    constexpr std::string_view kResumed = " resumed>";
    const std::size_t at = text.find(kResumed);
    if (found == unfinished_.end() || at == std::string_view::npos) return false;
    Unfinished call = std::move(found->second);
    unfinished_.erase(found);
    if (text.substr(5, at - 5) != call.name) return false;
    return finish(call.name, call.arguments + std::string(text.substr(at + kResumed.size())),
                  call.began);
  }

  bool finish(const std::string& name, const std::string& text, Moment began) {
    const auto tail = tail_of(text);
    if (!tail) return false;
    SystemCall call;
    call.name = name;
    call.arguments = split_arguments(std::string_view(text).substr(0, tail->arguments_end));
    call.returned = tail->returned;
    call.began = began;
    call.ended = 2 * line_ + 1;
    (tail->unknown ? cut_short_ : calls_).push_back(std::move(call));
    return true;
  }

  std::size_t line_;
  std::map<std::string, Unfinished> unfinished_;
  std::vector<SystemCall> calls_;
  std::vector<SystemCall> cut_short_;
};

constexpr const char* kRemedy =
    " (install the package strace; in a container allow ptrace, for example --cap-add=SYS_PTRACE)";

}  // namespace

std::string SystemCall::descriptor_path(std::size_t argument) const {
  if (argument >= arguments.size()) return {};
  const std::string& text = arguments[argument];
  const std::size_t open = text.find('<');
  const std::size_t close = text.rfind('>');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return unescaped(std::string_view(text).substr(open + 1, close - open - 1));
}

std::string SystemCall::bytes(std::size_t argument, bool* complete) const {
  if (complete != nullptr) *complete = false;
  if (argument >= arguments.size()) return {};
  const std::string& text = arguments[argument];
  if (!text.starts_with('"')) return {};
  const std::size_t close = text.rfind('"');
  if (complete != nullptr) *complete = close + 1 == text.size();
  return unescaped(std::string_view(text).substr(1, close - 1));
}

std::string SystemCall::path_at(std::size_t directory_argument) const {
  const std::filesystem::path folder = descriptor_path(directory_argument);
  return (folder / bytes(directory_argument + 1)).lexically_normal().string();
}

std::uint64_t SystemCall::number(std::size_t argument) const {
  std::uint64_t value = 0;
  if (argument < arguments.size()) {
    const std::string& text = arguments[argument];
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

bool SystemCall::has(std::size_t argument, const std::string& word) const {
  return argument < arguments.size() && arguments[argument].find(word) != std::string::npos;
}

Result<Trace> trace(const std::vector<std::string>& command, const Environment& environment,
                    const std::string& output_file, const std::vector<std::string>& strace_options,
                    Moment from) {
  const auto strace = find_program("strace");
  if (!strace)
    return Error(ErrorType::preflight_refused,
                 "not run: there is no strace here" + std::string(kRemedy));
  const std::string log = output_file + ".strace";
  std::vector<std::string> words = {*strace, "-f",          "-y", "-qq",      "-e", kCalls,
                                    "-e",    "signal=none", "-s", kMostBytes, "-o", log};
  // Faster, but strace 6.1 injects nothing then.
  if (strace_options.empty()) words.emplace_back("--seccomp-bpf");
  words.insert(words.end(), strace_options.begin(), strace_options.end());
  words.insert(words.end(), command.begin(), command.end());
  std::filesystem::remove(log);
  const Ended ended = run(words, environment, output_file);
  std::ifstream in(log, std::ios::binary);
  if (!in || in.peek() == std::ifstream::traits_type::eof()) {
    return Error(ErrorType::preflight_refused,
                 "not run: strace cannot trace here: " + ended.output + kRemedy);
  }
  if (ended.exit_code != 0 && !ended.killed) {
    return Error(ErrorType::defect, "the run below strace ended with " +
                                        std::to_string(ended.exit_code) + ": " + ended.output);
  }
  LogReader reader(from);
  DUNLIN_TRY(reader.read(in));
  return Trace{reader.take(), reader.take_cut_short(), reader.ended(), ended.killed};
}

}  // namespace dunlin::crash
