// See detach.h.
#include "cli/detach.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/secret_ref.h"
#include "base/text.h"
#include "cli/exit_code.h"

namespace dunlin::cli {

namespace {

/// A slow disk needs seconds to open a large ledger; longer means that something is wrong.
constexpr std::int64_t kOwnedWithin_ms = 30'000;
constexpr std::chrono::milliseconds kOwnerEvery{10};
constexpr std::size_t kLogShown = 2000;

Result<std::vector<std::string>> words_of(Session& session, const Handover& handover) {
  std::vector<std::string> words = {"dunlin",
                                    "run-owner",
                                    handover.id.value,
                                    "--goal",
                                    handover.goal,
                                    "--state",
                                    std::filesystem::absolute(session.state_path()).string()};
  if (!handover.selector_json.empty()) {
    words.emplace_back("--select");
    words.push_back(handover.selector_json);
  }
  if (handover.wait) words.emplace_back("--wait");
  const auto& options = session.options();
  if (!options.config.empty()) {
    words.emplace_back("--config");
    words.push_back(std::filesystem::absolute(options.config).string());
  }
  if (!options.audit_key_file.empty()) {
    words.emplace_back("--audit-key-file");
    words.push_back(std::filesystem::absolute(options.audit_key_file).string());
  }
  if (!options.as_token.empty()) {
    // The reference, never what it refers to: a command line can be read by everybody.
    DUNLIN_ASSIGN(const SecretRef token, SecretRef::parse(options.as_token, "--as-token"));
    DUNLIN_ASSIGN(const SecretRef absolute, token.absolute());
    words.emplace_back("--as-token");
    words.push_back(absolute.text());
  }
  if (!options.log_level.empty()) {
    words.emplace_back("--log-level");
    words.push_back(options.log_level);
  }
  return words;
}

Result<pid_t> spawn(std::vector<std::string> words, const std::string& log) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  // Handlers are reset by exec, ignored signals are not: of those we have only SIGPIPE.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, "/proc/self/exe", &files, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) return error_from_errno(failed, "start a background process");
  return pid;
}

Error early_end(const std::string& log, int status) {
  const auto text = read_file(log, 1 << 20);
  std::string last = text.ok() ? *text : "";
  if (last.size() > kLogShown) last = last.substr(last.size() - kLogShown);
  // The owner's own words, when it has any: "dunlin: message".
  const auto at = last.rfind("dunlin: ");
  std::string words = at == std::string::npos ? last : last.substr(at + 8);
  words = words.substr(0, words.find('\n'));
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : kDefect;
  Error error(code == kLockHeld ? ErrorType::lock_held
              : code == kUsage  ? ErrorType::invalid_state
              : code == kDefect ? ErrorType::defect
                                : ErrorType::temporary_failure,
              words.empty() ? fmt::format("the background process ended at once (exit {})", code)
                            : printable(words));
  error.remediation = "look at " + printable(log);
  return error;
}

int announce(Session& session, const engine::Snapshot& snapshot, pid_t pid,
             const std::string& log) {
  const std::string number = std::to_string(snapshot.row.number);
  session.event("detached", {{"execution_id", snapshot.row.id.value},
                             {"plan_id", snapshot.row.plan_id.value},
                             {"number", snapshot.row.number},
                             {"pid", pid},
                             {"log", printable(log)}});
  session.print(
      fmt::format("execution {} {} in the background: {}\n"
                  "  id        {}\n"
                  "  follow    dunlin watch {}\n"
                  "  pause     dunlin pause {}\n",
                  number, snapshot.row.status == store::ExecutionStatus::pending ? "waits" : "runs",
                  printable(snapshot.row.description), snapshot.row.id.value, number, number));
  return kDone;
}

}  // namespace

Result<int> hand_over(Session& session, const Handover& handover) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const std::string log = engine->state().execution_path(handover.id) + "/owner.log";
  DUNLIN_ASSIGN(const auto before, engine->snapshot(handover.id));
  DUNLIN_ASSIGN(std::vector<std::string> words, words_of(session, handover));
  DUNLIN_ASSIGN(const pid_t pid, spawn(std::move(words), log));
  for (std::int64_t waited = 0; waited < kOwnedWithin_ms; waited += kOwnerEvery.count()) {
    int status = 0;
    const bool ended = ::waitpid(pid, &status, WNOHANG) == pid;
    DUNLIN_ASSIGN(const auto snapshot, engine->snapshot(handover.id));
    // A small migration may be over before we look: the epoch tells that it was owned.
    if (snapshot.row.epoch > before.row.epoch || (handover.wait && !ended))
      return announce(session, snapshot, pid, log);
    if (ended) return early_end(log, status);
    std::this_thread::sleep_for(kOwnerEvery);
  }
  return Error(ErrorType::temporary_failure,
               fmt::format("the background process {} does not take the execution over", pid));
}

}  // namespace dunlin::cli
