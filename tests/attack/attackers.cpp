#include "attackers.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <grp.h>
#include <stdio.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/unique_fd.h"
#include "tree.h"

namespace dunlin::attack {

struct SharedCounts {
  std::atomic<std::int64_t> swaps{0};
  std::atomic<std::int64_t> temporaries{0};
  std::atomic<std::int64_t> undo_folders{0};
  std::atomic<int> ready{0};
};

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr int kAttackers = 2;
constexpr std::string_view kOurs = ".dunlin-";
constexpr std::string_view kUndo = ".dunlin-undo-";

const std::string kTop;  // of the tree, as a relative path

volatile sig_atomic_t stopping = 0;

void on_term(int) {
  stopping = 1;
}

/// Other processes get the processor meanwhile: there may be fewer of them than of us.
void wait_for(microseconds time) {
  const auto end = Clock::now() + time;
  while (stopping == 0 && Clock::now() < end) {
    if (end - Clock::now() > microseconds(300)) {
      ::usleep(100);
    } else {
      ::sched_yield();
    }
  }
}

int open_beneath(int base, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(
      ::syscall(SYS_openat2, base, path.empty() ? "." : path.c_str(), &how, sizeof how));
}

std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

/// A name with `prefix` in the directory, a different one each time if there are several.
std::optional<std::string> find_name(int directory, std::string_view prefix, Rng& rng) {
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), ::closedir);
  std::optional<std::string> found;
  std::uint64_t seen = 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (std::string_view(entry->d_name).starts_with(prefix) && rng.below(++seen) == 0)
      found = entry->d_name;
  }
  return found;
}

class Attacker {
 public:
  Attacker(const Target& target, int number, std::uint64_t seed, SharedCounts& counter)
      : target_(target),
        number_(number),
        rng_(seed),
        counter_(counter),
        beside_(".attacker-" + std::to_string(number)),
        source_(::open(target.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
        destination_(::open(target.destination.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    DUNLIN_CHECK(source_ && destination_, "an attacker has nothing to attack");
    choose();
  }

  void run() {
    while (stopping == 0) {
      swap_something();
      wait_for(microseconds(rng_.below(idle_us_)));
    }
  }

 private:
  /// What this one aims at: all of its half, or a few directories more often. And how fast it is.
  void choose() {
    constexpr std::uint64_t kHoldUs[] = {5, 60, 600, 5000};
    constexpr std::uint64_t kIdleUs[] = {5, 100, 1000};
    hold_us_ = kHoldUs[rng_.below(std::size(kHoldUs))];
    idle_us_ = kIdleUs[rng_.below(std::size(kIdleUs))];
    for (std::size_t n = static_cast<std::size_t>(number_); n < directories().size();
         n += kAttackers)
      mine_.push_back(directories()[n]);
    rng_.shuffle(mine_);
    constexpr std::uint64_t kFew[] = {1, 4, 1000};
    const std::uint64_t most = kFew[rng_.below(std::size(kFew))];
    if (mine_.size() > most) mine_.resize(most);
  }

  void swap_something() {
    // The root itself is looked up once or twice in a run: it needs to be swapped often.
    const bool top = number_ == 0 && !target_.prefix.empty() && rng_.chance(0.5);
    const std::string& directory = top ? kTop : mine_[rng_.below(mine_.size())];
    const bool source = rng_.below(100) < target_.source_share;
    const int root = source ? source_.get() : destination_.get();
    const std::string prefix = source ? "" : target_.prefix;
    if (directory.empty() && source) return;  // a root that a person named
    const std::uint64_t what = rng_.below(100);
    if (!source && what < 30) {
      ours(root, prefix, directory);
    } else if (what < 45 && !directory.empty()) {
      const std::string file = file_name(static_cast<int>(rng_.below(kFilesInDirectory)));
      const UniqueFd parent(open_beneath(root, below(prefix, directory)));
      if (parent) exchange(parent.get(), file, below(directory, file));
    } else {
      const auto [above, name] = split(below(prefix, directory));
      const UniqueFd parent(open_beneath(root, above));
      if (!parent) return;
      if (what < 85) {
        exchange(parent.get(), name, directory);
      } else {
        move_away(parent.get(), name, directory);
      }
    }
  }

  /// What dunlin itself has put at the destination.
  void ours(int root, const std::string& prefix, const std::string& directory) {
    if (number_ == 0 && rng_.below(3) == 0) {
      const UniqueFd top(open_beneath(root, prefix));
      const auto undo = top ? find_name(top.get(), kUndo, rng_) : std::nullopt;
      if (undo && exchange(top.get(), *undo, std::string(kUndoNames))) ++counter_.undo_folders;
      return;
    }
    const UniqueFd parent(open_beneath(root, below(prefix, directory)));
    const auto temporary = parent ? find_name(parent.get(), kOurs, rng_) : std::nullopt;
    if (!temporary || temporary->starts_with(kUndo)) return;
    const std::string file = file_name(static_cast<int>(rng_.below(kFilesInDirectory)));
    if (exchange(parent.get(), *temporary, below(directory, file))) ++counter_.temporaries;
  }

  /// Puts a symlink to `outside` under `name` in one step and takes it away in one.
  bool exchange(int parent, const std::string& name, const std::string& outside) {
    if (!prepare(parent, outside)) return false;
    if (::renameat2(parent, beside_.c_str(), parent, name.c_str(), RENAME_EXCHANGE) != 0) {
      ::unlinkat(parent, beside_.c_str(), 0);
      return false;
    }
    ++counter_.swaps;
    wait_for(microseconds(rng_.below(hold_us_)));
    put_back(parent, name);
    return true;
  }

  /// For a moment nothing stands under `name`; then a symlink does.
  void move_away(int parent, const std::string& name, const std::string& outside) {
    if (::renameat2(parent, name.c_str(), parent, beside_.c_str(), RENAME_NOREPLACE) != 0) return;
    const std::string to = below(target_.outside, outside);
    if (::symlinkat(to.c_str(), parent, name.c_str()) == 0) ++counter_.swaps;
    wait_for(microseconds(rng_.below(hold_us_)));
    put_back(parent, name);
  }

  bool prepare(int parent, const std::string& outside) {
    const std::string to = below(target_.outside, outside);
    return ::symlinkat(to.c_str(), parent, beside_.c_str()) == 0;
  }

  /// dunlin may have moved or replaced the symlink meanwhile, at the destination: then what was
  /// swapped goes back as far as it can, and what stands in its way is lost or left.
  void put_back(int parent, const std::string& name) {
    const auto back = [&](unsigned how) {
      return ::renameat2(parent, beside_.c_str(), parent, name.c_str(), how) == 0;
    };
    if (back(RENAME_EXCHANGE) || !back(RENAME_NOREPLACE)) ::unlinkat(parent, beside_.c_str(), 0);
    struct stat info{};
    if (::fstatat(parent, beside_.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    const std::string left = ".left-" + std::to_string(number_) + "-" + std::to_string(++left_);
    ::renameat2(parent, beside_.c_str(), parent, left.c_str(), RENAME_NOREPLACE);
  }

  const Target& target_;
  int number_;
  Rng rng_;
  SharedCounts& counter_;
  std::string beside_;
  UniqueFd source_;
  UniqueFd destination_;
  std::vector<std::string> mine_;
  std::uint64_t hold_us_ = 1;
  std::uint64_t idle_us_ = 1;
  int left_ = 0;
};

void become_nobody() {
  if (::geteuid() != 0) return;
  const bool done = ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                    ::setresuid(kNobody, kNobody, kNobody) == 0;
  DUNLIN_CHECK(done, "an attacker cannot become nobody");
}

}  // namespace

Counts& Counts::operator+=(const Counts& more) {
  swaps += more.swaps;
  temporaries += more.temporaries;
  undo_folders += more.undo_folders;
  return *this;
}

Attackers::Attackers(const Target& target, std::uint64_t seed) {
  void* memory = ::mmap(nullptr, sizeof(SharedCounts), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  DUNLIN_CHECK(memory != MAP_FAILED, "mmap");
  shared_ = new (memory) SharedCounts;
  const pid_t parent = ::getpid();
  for (int n = 0; n < kAttackers; ++n) {
    const pid_t child = ::fork();
    DUNLIN_CHECK(child >= 0, "fork");
    if (child > 0) {
      children_.push_back(child);
      continue;
    }
    struct sigaction action{};
    action.sa_handler = on_term;
    ::sigaction(SIGTERM, &action, nullptr);
    Attacker attacker(target, n, seed + static_cast<std::uint64_t>(n), *shared_);
    become_nobody();
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    ++shared_->ready;
    attacker.run();
    ::_exit(0);
  }
  const auto end = Clock::now() + std::chrono::seconds(10);
  while (shared_->ready < kAttackers) {
    DUNLIN_CHECK(Clock::now() < end, "an attacker does not begin");
    ::usleep(200);
  }
}

Attackers::~Attackers() {
  static_cast<void>(stop());
  ::munmap(shared_, sizeof(SharedCounts));
}

Counts Attackers::counts() const {
  return {shared_->swaps, shared_->temporaries, shared_->undo_folders};
}

std::string Attackers::stop() {
  std::string wrong;
  for (const pid_t child : children_) ::kill(child, SIGTERM);
  for (const pid_t child : children_) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0)
      wrong = "an attacker ended with status " + std::to_string(status);
  }
  children_.clear();
  return wrong;
}

}  // namespace dunlin::attack
