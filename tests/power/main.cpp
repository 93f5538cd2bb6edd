// power_cut: cuts the power under dunlin on ext4, xfs and btrfs, and looks at what is left. See
// README.md.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "disk_log.h"
#include "rounds.h"
#include "support/process.h"
#include "support/scratch.h"

namespace {

using dunlin::power::FileSystem;
using dunlin::power::Options;
using dunlin::power::Phase;
using dunlin::power::require;
using dunlin::power::Tally;

constexpr const char* kUsage =
    "usage: power_cut [--file-system ext4|xfs|btrfs]... [--cuts N] [--cuts-each N] [--seed S]\n"
    "                 [--binary PATH] [--scratch DIR] [--keep DIR]\n"
    "  --cuts: of each file system (default 15); --cuts-each: of one recording (default 10)\n"
    "  --scratch: where the images are made (default: in memory, if there is room)\n"
    "  --keep: a folder for the disks of the first cut that fails, as the cut left them\n"
    "  needs root, FUSE, loop devices\n";

constexpr std::uint64_t kRoom = 3ULL << 30;
/// A cut takes one to three seconds on a busy machine.
constexpr unsigned kPatienceSeconds = 300;
constexpr unsigned kPatienceSecondsEach = 30;

struct Arguments {
  Options options;
  std::vector<std::string> names;
};

std::string default_binary() {
  if (const char* named = std::getenv("DUNLIN_BINARY")) return named;
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string own(path, length > 0 ? static_cast<std::size_t>(length) : 0);
  return own.substr(0, own.rfind('/')) + "/dunlin";
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.options.binary = default_binary();
  const auto wrong = [] {
    std::fputs(kUsage, stderr);
    std::exit(2);
  };
  for (std::size_t n = 0; n < words.size(); n += 2) {
    if (n + 1 >= words.size()) wrong();
    const std::string& value = words[n + 1];
    if (words[n] == "--file-system") {
      arguments.names.push_back(value);
    } else if (words[n] == "--cuts") {
      arguments.options.cuts = std::stoi(value);
    } else if (words[n] == "--cuts-each") {
      arguments.options.cuts_each = std::stoi(value);
    } else if (words[n] == "--seed") {
      arguments.options.seed = std::stoull(value);
    } else if (words[n] == "--binary") {
      arguments.options.binary = value;
    } else if (words[n] == "--keep") {
      arguments.options.keep = value;
    } else if (words[n] == "--scratch") {
      arguments.options.scratch = value;
    } else {
      wrong();
    }
  }
  const auto& known = dunlin::power::file_systems();
  for (const std::string& name : arguments.names) {
    const auto is = [&](const FileSystem& one) { return one.name == name; };
    if (std::none_of(known.begin(), known.end(), is)) wrong();
  }
  return arguments;
}

std::string with_room() {
  struct statvfs space{};
  const bool memory = ::statvfs("/dev/shm", &space) == 0 && space.f_bavail * space.f_frsize > kRoom;
  return memory ? "/dev/shm" : std::filesystem::temp_directory_path().string();
}

void print(const Tally& tally, double seconds) {
  std::printf("%-6s %5d cuts in %d recordings of %zu writes and flushes, %.0f s\n",
              tally.file_system.c_str(), tally.cuts, tally.recordings, tally.events, seconds);
  std::printf(
      "       %d in moves; %d with the state on the same disk, %d in a resume, %d in or after a "
      "pause, %d in a rollback\n",
      tally.in_moves, tally.on_the_same_disk, tally.in_recovery, tally.in_pause, tally.in_rollback);
  std::printf("       left by the cut:");
  for (const Phase phase : dunlin::power::phases()) {
    const auto found = tally.phases.find(phase);
    std::printf(" %s %d%s", dunlin::power::to_string(phase),
                found == tally.phases.end() ? 0 : found->second,
                phase == Phase::ended ? "\n" : ",");
  }
  std::printf(
      "       %zu unflushed writes at stake; %zu items called done, all there; %zu complete "
      "names not yet called done, %zu temporaries\n",
      tally.at_stake, tally.completed, tally.names_ahead, tally.temporaries);
  std::printf("       afterwards: %d run anew, the others resumed; %d taken back; %zu failures\n",
              tally.again, tally.rollbacks, tally.failures.size());
  for (const std::string& failure : tally.failures) std::printf("FAILED %s\n", failure.c_str());
}

int work(Arguments arguments) {
  bool good = true;
  for (const FileSystem& file_system : dunlin::power::file_systems()) {
    const auto& names = arguments.names;
    const bool wanted =
        names.empty() || std::find(names.begin(), names.end(), file_system.name) != names.end();
    if (!wanted) continue;
    const std::string parent = arguments.options.scratch;
    Options options = arguments.options;
    options.scratch = parent + "/" + file_system.name;
    std::filesystem::create_directory(options.scratch);
    const auto started = std::chrono::steady_clock::now();
    const Tally tally = cut_power(options, file_system);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    print(tally, took.count());
    good = good && tally.failures.empty() && tally.cuts >= options.cuts;
    std::filesystem::remove_all(options.scratch);
  }
  return good ? 0 : 1;
}

/// What work_alone() waits for.
const sigset_t& handled() {
  static const sigset_t all = [] {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&set, number);
    return set;
  }();
  return all;
}

/// In namespaces of its own: the first process of one for processes, so that with it everything
/// ends that it has started, the daemon first of all, and its mounts go with it.
int work_alone(const Arguments& arguments) {
  const pid_t child = ::fork();
  require(child >= 0, "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::sigprocmask(SIG_UNBLOCK, &handled(), nullptr);  // dunlin inherits it
    try {
      require(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
      require(::mount("proc", "/proc", "proc", 0, nullptr) == 0, "mount /proc");
      const int code = work(arguments);
      std::fflush(stdout);
      ::_exit(code);
    } catch (const std::exception& error) {
      std::printf("FAILED %s\n", error.what());
      std::fflush(stdout);
      ::_exit(1);
    }
  }
  const unsigned file_systems =
      arguments.names.empty() ? 3 : static_cast<unsigned>(arguments.names.size());
  const timespec patience{
      static_cast<time_t>(kPatienceSeconds + file_systems * kPatienceSecondsEach *
                                                 static_cast<unsigned>(arguments.options.cuts)),
      0};
  int status = 0;
  const int number = ::sigtimedwait(&handled(), nullptr, &patience);
  if (number != SIGCHLD) {
    std::printf("FAILED %s\n", number < 0 ? "it takes too long" : "interrupted");
    ::kill(child, SIGKILL);
  }
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && number == SIGCHLD ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Arguments arguments = parse({argv + 1, argv + argc});
  if (::geteuid() != 0) {
    std::printf("FAILED power_cut needs root\n");
    return 1;
  }
  ::sigprocmask(SIG_BLOCK, &handled(), nullptr);
  try {
    const dunlin::testing::ScratchDirectory scratch(
        arguments.options.scratch.empty() ? with_room() : arguments.options.scratch);
    arguments.options.scratch = scratch.path();
    require(::unshare(CLONE_NEWNS | CLONE_NEWPID) == 0, "namespaces of our own");
    return work_alone(arguments);
  } catch (const std::exception& error) {
    std::printf("FAILED %s\n", error.what());
    return 1;
  }
}
