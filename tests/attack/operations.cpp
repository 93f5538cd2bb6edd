#include "operations.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/rng.h"
#include "support/adversarial_tree.h"
#include "support/process.h"
#include "support/scratch.h"
#include "tree.h"

namespace dunlin::attack {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using testing::Process;

constexpr milliseconds kPatience(60'000);
constexpr int kInternalError = 70;
constexpr int kSignalled = 128;
constexpr std::size_t kMostFailures = 5;

/// Of a process that does not end: its threads, and their stacks where there is a debugger.
std::string where_it_is(pid_t pid) {
  std::string text;
  const std::string process = "/proc/" + std::to_string(pid);
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(process + "/task", gone)) {
    for (const char* const name : {"/comm", "/wchan"}) {
      std::string line;
      std::getline(std::ifstream(task.path().string() + name), line);
      text += (name == std::string("/comm") ? "\n  " : " in ") + line;
    }
  }
  testing::ProcessOptions debugger;
  debugger.words = {"/usr/bin/gdb", "-p",  std::to_string(pid),
                    "-batch",       "-ex", "thread apply all bt 15"};
  try {
    text += "\n" + testing::run_process(debugger).out;
  } catch (const std::exception&) {
    // There is none.
  }
  return text;
}

class Arena {
 public:
  Arena(const Options& options, const std::string& operation)
      : options_(options),
        rng_(options.seed ^ std::hash<std::string>{}(operation)),
        source_(options.scratch + "/source"),
        destination_(options.scratch + "/destination"),
        state_(options.scratch + "/state"),
        outside_root_(options.scratch + "/outside") {
    tally_.operation = operation;
    if (operation == "move-across") {
      memory_.emplace("/dev/shm");
      // Entered by the ordinary user, who owns the trees in it.
      DUNLIN_CHECK(::chmod(memory_->path().c_str(), 0755) == 0, memory_->path());
      destination_ = memory_->file("destination");
    }
    make_source(source_);
    remake_outside();
  }
  ~Arena() {
    for (const std::string& path : {source_, destination_, state_, outside_root_})
      testing::remove_tree(path);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  Tally run() {
    const auto end = Clock::now() + std::chrono::duration<double>(options_.seconds);
    do {
      ++tally_.rounds;
      old_kernel_ = !options_.old_kernel.empty() && rng_.chance(0.25);
      if (old_kernel_) ++tally_.old_kernel;
      round();
    } while (Clock::now() < end && !enough());
    if (!options_.naive && tally_.rounds >= 10 && tally_.refused == 0)
      fail("in no round has the attack met dunlin: this proves nothing");
    return std::move(tally_);
  }

 private:
  using Words = std::vector<std::string>;

  void round() {
    if (tally_.operation == "copy") return copy_round();
    if (tally_.operation == "follow") return follow_round();
    if (tally_.operation == "overwrite") return overwrite_round();
    if (tally_.operation == "verify") return verify_round();
    if (tally_.operation == "rollback") return rollback_round();
    if (tally_.operation == "resume") return resume_round();
    if (tally_.operation == "link") return link_round();
    if (tally_.operation == "keep-both") return keep_both_round();
    if (moves()) return move_round();
    return into_round();
  }

  // ---- The operations ----

  void copy_round() {
    fresh(rng_.chance(0.5) ? make_empty : make_directories);
    attacked(50, {copy_words()});
  }

  /// With symlinks followed, but none that leads out: each one of the attackers does.
  void follow_round() {
    fresh(rng_.chance(0.5) ? make_empty : make_directories);
    Words copy = copy_words();
    copy.insert(copy.end(), {"--follow-symlinks", "in_tree"});
    attacked(90, {copy});
  }

  void overwrite_round() {
    fresh(make_older);
    attacked(50, {overwrite_words()});
  }

  void verify_round() {
    constexpr int kRoundsOfOneCopy = 20;
    if (tally_.rounds % kRoundsOfOneCopy == 1 || !changed_shape(destination_).empty()) {
      fresh(make_empty);
      run_alone(copy_words());
    }
    attacked(10, {{"verify", "last"}});
  }

  void rollback_round() {
    const bool over = rng_.chance(0.5);
    fresh(over ? make_older : make_empty);
    const Words copy = over ? overwrite_words() : copy_words();
    if (rng_.chance(0.3)) {
      attacked(50, {copy});
    } else {
      run_alone(copy);
    }
    attacked(10, {{"rollback", "last", "--yes"}});
  }

  void resume_round() {
    const bool over = rng_.chance(0.5);
    fresh(over ? make_older : make_empty);
    const Words copy = over ? overwrite_words() : copy_words();
    attacked(30, {copy, {"resume", "last"}, {"resume", "last"}}, true);
  }

  void move_round() {
    make_source(source_);  // the round before has emptied it
    fresh(rng_.chance(0.5) ? make_older : make_empty);
    Words move = with_retries({"move", source_ + "/", destination_});
    if (rng_.chance(0.3)) move.emplace_back("--delete-empty-src-dirs");
    if (rng_.chance(0.3)) {
      attacked(50, {move, {"resume", "last"}}, true);
    } else {
      attacked(50, {move});
    }
    attacked(50, {{"rollback", "last", "--yes"}});
  }

  void link_round() {
    fresh(rng_.chance(0.5) ? make_empty : make_older);
    Words link = copy_words();
    link.emplace_back("--link");
    attacked(50, {link});
    attacked(10, {{"rollback", "last", "--yes"}});
  }

  void keep_both_round() {
    fresh(make_older);
    Words copy = copy_words();
    copy.insert(copy.end(), {"--conflict", rng_.chance(0.5) ? "keep_both" : "rename"});
    if (rng_.chance(0.3)) {
      attacked(50, {copy, {"resume", "last"}}, true);
    } else {
      attacked(50, {copy});
    }
    attacked(10, {{"rollback", "last", "--yes"}});
  }

  void into_round() {
    fresh(make_empty);
    prefix_ = std::filesystem::path(source_).filename();
    const bool over = rng_.chance(0.5);
    if (over) make_older(below(destination_, prefix_));
    Words copy = {"copy", source_, destination_};
    if (over) copy.insert(copy.end(), {"--conflict", "overwrite"});
    copy = with_retries(copy);
    if (rng_.chance(0.3)) {
      attacked(40, {copy, {"resume", "last"}}, true);
    } else {
      attacked(40, {copy});
    }
    attacked(10, {{"verify", "last"}});
    attacked(10, {{"rollback", "last", "--yes"}});
    prefix_.clear();
  }

  /// Mostly without a second try: its waits would take the time of many rounds.
  Words with_retries(Words words) {
    if (rng_.chance(0.9)) words.insert(words.end(), {"--retries", "0"});
    return words;
  }
  Words copy_words() { return with_retries({"copy", source_ + "/", destination_}); }
  Words overwrite_words() {
    return with_retries({"copy", source_ + "/", destination_, "--conflict", "overwrite"});
  }

  [[nodiscard]] bool moves() const { return tally_.operation.starts_with("move"); }

  // ---- Running ----

  void fresh(void (*make)(const std::string&)) {
    make(destination_);
    testing::remove_tree(state_);
  }

  /// Runs one after the other with the attackers at work. `killed`: each but the last at a random
  /// moment.
  void attacked(unsigned source_share, const std::vector<Words>& commands, bool killed = false) {
    const Target target{source_, destination_, prefix_, outside_root_, source_share};
    Attackers attackers(target, rng_.next());
    for (std::size_t n = 0; n < commands.size(); ++n) {
      const Counts before = attackers.counts();
      const bool kill = killed && n + 1 < commands.size();
      const int code = run_program(commands[n], kill);
      Counts during = attackers.counts();
      during.swaps -= before.swaps;
      during.temporaries -= before.temporaries;
      during.undo_folders -= before.undo_folders;
      tally_.working += during;
      if (code > 0 && code < kSignalled) ++tally_.refused;
    }
    if (const std::string wrong = attackers.stop(); !wrong.empty()) fail(wrong);
    const auto changed = moves() ? std::vector<std::string>() : changed_shape(source_);
    if (!changed.empty()) {
      // Nobody but the attackers changes the source: this is a fault of the proof.
      fail("the attackers left the source changed: " + changed.front());
      make_source(source_);
    }
    judge(commands.back()[0]);
  }

  void run_alone(const Words& words) {
    if (run_program(words, false) != 0) fail(words[0] + " failed though nobody attacked it");
  }

  int run_program(const Words& words, bool kill) {
    testing::ProcessOptions how;
    const auto append = [&](const Words& more) {
      how.words.insert(how.words.end(), more.begin(), more.end());
    };
    if (old_kernel_) append(options_.old_kernel);
    append(options_.program);
    append(words);
    append({"--state", state_, "--no-progress"});
    how.environment = {{"HOME", options_.scratch}, {"TMPDIR", options_.scratch}};
    const auto begin = Clock::now();
    Process process(how);
    std::optional<int> code;
    if (kill) {
      const auto longest = std::chrono::duration_cast<std::chrono::microseconds>(last_run_);
      code = process.wait(
          milliseconds(rng_.below(static_cast<std::uint64_t>(longest.count() / 1000) + 1)));
      if (!code) {
        process.signal(SIGKILL);
        ++tally_.kills;
        static_cast<void>(process.wait(kPatience));
        return kSignalled + SIGKILL;
      }
    } else {
      code = process.wait(kPatience);
    }
    last_run_ =
        std::clamp<Clock::duration>(Clock::now() - begin, milliseconds(30), milliseconds(1500));
    const std::string said = process.out() + process.err();
    if (!code) {
      fail(words[0] + " hangs: it did not end within 60 s; it said: " + process.out() +
           process.err() + where_it_is(process.pid()));
    } else if (*code == kInternalError || *code >= kSignalled - 2) {
      fail(words[0] + " ended with " + std::to_string(*code) + ": " + said);
    }
    if (said.find(kMarker) != std::string::npos)
      found(words[0], {Witness::marker, "its output: " + said});
    return code.value_or(-1);
  }

  // ---- Judging ----

  void judge(const std::string& verb) {
    std::vector<Finding> findings = outside_->touched();
    if (!findings.empty()) remake_outside();
    for (const std::string& folder : {destination_, state_}) {
      if (!std::filesystem::exists(folder)) continue;
      const std::vector<Finding> more = carried_in(folder);
      findings.insert(findings.end(), more.begin(), more.end());
    }
    for (const Finding& finding : findings) found(verb, finding);
  }

  void found(const std::string& verb, const Finding& finding) {
    tally_.witnesses.insert(finding.witness);
    fail(verb + ": by " + to_string(finding.witness) + ": " + finding.text);
  }

  void fail(const std::string& text) {
    tally_.failures.push_back("round " + std::to_string(tally_.rounds) + ", seed " +
                              std::to_string(options_.seed) + ": " + text);
  }

  [[nodiscard]] bool enough() const {
    if (!options_.naive) return tally_.failures.size() >= kMostFailures;
    const std::set<Witness> expected = expected_witnesses(tally_.operation);
    return std::includes(tally_.witnesses.begin(), tally_.witnesses.end(), expected.begin(),
                         expected.end());
  }

  void remake_outside() {
    outside_.reset();
    make_outside(outside_root_);
    outside_ = std::make_unique<Outside>(outside_root_);
  }

  const Options& options_;
  Rng rng_;
  std::string source_;
  std::string destination_;
  std::string state_;
  std::string outside_root_;
  std::optional<testing::ScratchDirectory> memory_;  ///< of move-across: where the destination is
  std::string prefix_;
  bool old_kernel_ = false;
  std::unique_ptr<Outside> outside_;
  Clock::duration last_run_ = milliseconds(300);
  Tally tally_;
};

}  // namespace

const std::vector<std::string>& operation_names() {
  static const std::vector<std::string> names = {"copy",        "follow", "overwrite", "verify",
                                                 "rollback",    "resume", "into",      "move",
                                                 "move-across", "link",   "keep-both"};
  return names;
}

std::set<Witness> expected_witnesses(const std::string& operation) {
  if (operation == "verify") return {Witness::event};
  if (operation == "rollback") return {Witness::event, Witness::picture};
  return {Witness::event, Witness::picture, Witness::marker};
}

Tally attack(const Options& options, const std::string& operation) {
  return Arena(options, operation).run();
}

}  // namespace dunlin::attack
