// Two versions that are both kept: the newcomer under a numbered name (keep_both), or what stood
// there (rename). And hard links to sources instead of copies.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/crash_point.h"
#include "files/crash_child.h"
#include "files/fixture.h"
#include "files/free_name.h"
#include "files/records.h"
#include "support/denied_calls.h"
#include "support/self_exec.h"

#if !DUNLIN_CRASH_POINTS
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

namespace dunlin::files::testing {
namespace {

using dunlin::testing::run_self;
using dunlin::testing::was_killed;
using dunlin::testing::with_denied_calls;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Options = std::map<std::string, std::string>;

TEST(FilesFreeName, TheNumberStandsBeforeTheExtension) {
  EXPECT_EQ(numbered_name("a.txt", 2), "a (2).txt");
  EXPECT_EQ(numbered_name("a", 12), "a (12)");
  EXPECT_EQ(numbered_name("b.tar.gz", 2), "b (2).tar.gz");
  EXPECT_EQ(numbered_name(".tar.gz", 2), ".tar (2).gz");
  EXPECT_EQ(numbered_name(".profile", 2), ".profile (2)");
  EXPECT_EQ(numbered_name("a (2).txt", 2), "a (2) (2).txt");
  EXPECT_EQ(numbered_name("v1." + std::string(40, 'x'), 2), "v1." + std::string(40, 'x') + " (2)");
}

TEST(FilesFreeName, ALongNameIsCutBetweenCharactersAndKeepsItsExtension) {
  EXPECT_EQ(numbered_name(std::string(255, 'n'), 2), std::string(251, 'n') + " (2)");
  EXPECT_EQ(numbered_name(std::string(251, 'n') + ".txt", 1000),
            std::string(244, 'n') + " (1000).txt");
  std::string umlauts;
  for (int n = 0; n < 127; ++n) umlauts += "\xc3\xa4";  // 254 bytes
  const std::string cut = numbered_name(umlauts, 2);
  EXPECT_EQ(cut, umlauts.substr(0, 250) + " (2)") << "half a character is none";
  const std::string bytes = numbered_name(std::string(255, '\x80'), 2);
  EXPECT_EQ(bytes, std::string(251, '\x80') + " (2)") << "what is no UTF-8 is cut anywhere";
}

ino_t inode_of(const std::string& path) {
  struct stat raw{};
  EXPECT_EQ(::lstat(path.c_str(), &raw), 0) << path;
  return raw.st_ino;
}

/// Many flushes, no question about a disk. The odd tree has a directory that only root can empty as
/// it is.
class InMemory {
 public:
  InMemory() : scratch_(ScratchDirectory::in_memory()) {}
  ~InMemory() {
    for (const char* tree : {"source", "target"})
      static_cast<void>(::chmod(file(std::string(tree) + "/sub/deep").c_str(), 0755));
  }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
  [[nodiscard]] const std::string& path() const { return scratch_.path(); }
  [[nodiscard]] std::string file(const std::string& name) const { return scratch_.file(name); }

 private:
  const ScratchDirectory scratch_;
};

/// A source, and a destination in whose way something of every type stands.
void make_case(const std::string& source, const std::string& target) {
  make_odd_tree(source);
  write_file(target + "/a.txt", "their alpha", 1'100'000'000, 0600);
  write_file(target + "/z", "their z", 1'100'000'001);
  write_file(target + "/sub/script/inside", "a directory where a file should be", 1'100'000'002);
  stdfs::create_symlink("elsewhere", target + "/link");
  stdfs::create_directory(target + "/pipes");
  EXPECT_EQ(::mkfifo((target + "/pipes/fifo").c_str(), 0600), 0);
  for (const char* name : {"/link", "/pipes/fifo", "/sub/script"})
    set_mtime(target + name, 1'100'000'003);
  for (const char* name : {"/pipes", "/sub", ""}) set_mtime(target + name, 1'100'000'004);
}
const std::map<std::string, std::string> kInTheWay{{"a.txt", "a (2).txt"},
                                                   {"z", "z (2)"},
                                                   {"sub/script", "sub/script (2)"},
                                                   {"link", "link (2)"},
                                                   {"pipes/fifo", "pipes/fifo (2)"}};

/// For both policies, for copies and moves: `moved` says where what stood there is now, `placed`
/// where the newcomer is.
void expect_both(const std::string& policy, bool moves, bool across) {
  SCOPED_TRACE(policy + (moves ? across ? " move across" : " move" : " copy"));
  const ScratchDirectory scratch;
  std::optional<InMemory> memory;
  if (across) memory.emplace();
  const std::string source = (memory ? memory->path() : scratch.path()) + "/source";
  const std::string target = scratch.file("target");
  make_case(source, target);
  const auto source_before = snapshot(source, false);
  const auto before = snapshot(target);
  const auto theirs = snapshot(target, false);
  CopyTest copy(source + "/", target, {{"conflict", policy}}, {}, moves ? "move" : "copy");
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_THAT(own_names(target), IsEmpty()) << "both are kept in plain sight";
  const auto after = snapshot(target, false);
  const bool beside = policy == "keep_both";
  for (const auto& [name, number] : kInTheWay) {
    SCOPED_TRACE(name);
    const std::string old_name = beside ? name : number;
    const std::string new_name = beside ? number : name;
    EXPECT_EQ(after.at("/" + old_name), theirs.at("/" + name));
    const auto content = [](const std::string& line) { return line.substr(0, line.find(" = ")); };
    EXPECT_EQ(content(after.at("/" + new_name)), content(source_before.at("/" + name)));
    const LocalItem* item = execution.item(name);
    EXPECT_EQ(item->row.placed_name, beside ? stdfs::path(number).filename().string() : "");
    if (!beside) {
      EXPECT_THAT(item->row.message, HasSubstr(stdfs::path(number).filename().string()));
    }
  }
  EXPECT_EQ(read_all(target + (beside ? "/sub/script" : "/sub/script (2)") + "/inside"),
            "a directory where a file should be");
  if (beside) {
    EXPECT_EQ(inode_of(target + "/z (2)"), inode_of(target + "/shared")) << "the set stays one";
    EXPECT_EQ(copy.run().manifest_path(execution.item("a.txt")->row), "a (2).txt");
  }
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  if (!moves) {
    CopyTest again(source + "/", target, {{"conflict", policy}});
    ASSERT_TRUE(is_ok(again.start().run_to_end()));
    EXPECT_EQ(snapshot(target, false), after) << "a second copy makes no third version";
  }
  ASSERT_TRUE(is_ok(execution.undo()));
  ASSERT_TRUE(is_ok(execution.release()));
  EXPECT_EQ(snapshot(target), before);
  EXPECT_EQ(snapshot(source, false), source_before);
}

TEST(FilesKeepBoth, TheNewcomerStandsBesideWhateverIsInItsWay) {
  expect_both("keep_both", false, false);
  expect_both("keep_both", true, false);
  expect_both("keep_both", true, true);
}

TEST(FilesRenameExisting, WhateverIsInTheWayStandsBesideTheNewcomer) {
  expect_both("rename", false, false);
  expect_both("rename", true, false);
  expect_both("rename", true, true);
}

/// Where a destination keeps no links, each run would add one more.
TEST(FilesKeepBoth, AFurtherNameThatStandsThereAsAFileOfItsOwnIsLeft) {
  for (const char* const policy : {"keep_both", "rename"}) {
    SCOPED_TRACE(policy);
    const ScratchDirectory scratch;
    write_file(scratch.file("source/a"), "content");
    stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
    write_file(scratch.file("target/a"), "content");
    write_file(scratch.file("target/b"), "content");
    const auto before = snapshot(scratch.file("target"));
    CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", policy}});
    ASSERT_TRUE(is_ok(copy.start().run_to_end()));
    EXPECT_EQ(snapshot(scratch.file("target"), false).size(), before.size());
    EXPECT_FALSE(stdfs::exists(scratch.file("target/a (2)")));
    EXPECT_FALSE(stdfs::exists(scratch.file("target/b (2)")));
  }
}

TEST(FilesKeepBoth, ANameThatTheSourceHasItselfIsLeftToIt) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a.txt"), "new");
  write_file(scratch.file("source/a (2).txt"), "their own second");
  write_file(scratch.file("target/a.txt"), "old one");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", "keep_both"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/a (2).txt")), "their own second");
  EXPECT_EQ(read_all(scratch.file("target/a (3).txt")), "new");
}

/// Takes the numbered name once an intent has named it.
class FilesBothRace : public ::testing::TestWithParam<const char*> {};

TEST_P(FilesBothRace, ANumberedNameThatIsTakenInTheLastInstantIsNotReplaced) {
  for (const bool exchange : {true, false}) {
    const ScratchDirectory scratch;
    write_file(scratch.file("source/a.txt"), "new");
    write_file(scratch.file("target/a.txt"), "old one");
    fs::Features features;
    features.rename_exchange = features.rename_noreplace = exchange;
    CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", GetParam()}},
                  features);
    LocalExecution::Options options;
    options.on_intents = [&](const std::vector<engine::ItemIntent>&) {
      if (!own_names(scratch.file("target")).empty() &&
          !stdfs::exists(scratch.file("target/a (2).txt")))
        write_file(scratch.file("target/a (2).txt"), "theirs");
      return success();
    };
    LocalExecution& execution = copy.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(read_all(scratch.file("target/a (2).txt")), "theirs");
    const bool beside = std::string(GetParam()) == "keep_both";
    EXPECT_EQ(read_all(scratch.file("target/a (3).txt")), beside ? "new" : "old one");
    EXPECT_EQ(read_all(scratch.file("target/a.txt")), beside ? "old one" : "new");
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(read_all(scratch.file("target/a.txt")), "old one");
    EXPECT_FALSE(stdfs::exists(scratch.file("target/a (3).txt")));
  }
}

TEST_P(FilesBothRace, WhoeverIsAlwaysFasterDoesNotKeepAPauseFromComing) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a.txt"), "new");
  write_file(scratch.file("target/a.txt"), "old one");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", GetParam()}});
  LocalExecution::Options options;
  LocalExecution* running = nullptr;
  int named = 0;
  options.on_intents = [&](const std::vector<engine::ItemIntent>& intents) {
    for (const engine::ItemIntent& one : intents) {
      const auto witness = decode_witness(one.intent);
      const std::string name = witness.ok() ? witness->name + witness->aside : "";
      if (name.empty()) continue;
      if (++named == 3) running->cancel_source().request(CancelReason::pause);
      if (named < 10) write_file(scratch.file("target/" + name), "theirs");
    }
    return success();
  };
  running = &copy.start(options);
  EXPECT_FALSE(running->run_to_end().ok());
  EXPECT_EQ(named, 3) << "the pause came, and yet more names were tried";
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "old one");
  EXPECT_EQ(read_all(scratch.file("source/a.txt")), "new");
  LocalExecution& next = copy.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(all_ended(next));
  EXPECT_THAT(own_names(scratch.file("target")), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Policy, FilesBothRace, ::testing::Values("keep_both", "rename"));

TEST(FilesKeepBoth, AFileThatAppearsInTheLastInstantIsKeptToo) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new");
  stdfs::create_directory(scratch.file("target"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", "keep_both"}});
  LocalExecution::Options options;
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) {
    if (!own_names(scratch.file("target")).empty() && !stdfs::exists(scratch.file("target/f")))
      write_file(scratch.file("target/f"), "theirs");
    return success();
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "theirs");
  EXPECT_EQ(read_all(scratch.file("target/f (2)")), "new");
  EXPECT_EQ(execution.item("f")->row.placed_name, "f (2)");
}

TEST(FilesRenameExisting, AnOldVersionThatSomebodyReplacedIsNotPutBack) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new");
  write_file(scratch.file("target/f"), "old one");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", "rename"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  write_file(scratch.file("target/other"), "another");  // before the number of the old is free
  stdfs::rename(scratch.file("target/other"), scratch.file("target/f (2)"));
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(scratch.file("target/f (2)")), "another");
  EXPECT_EQ(read_all(scratch.file("target/f")), "new");
}

// ---- Hard links to sources ----

TEST(FilesHardlink, EveryEntryIsTheSourceItselfAndNothingIsSetThroughIt) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  write_file(scratch.file("target/a.txt"), "older", 1'100'000'000);
  write_file(scratch.file("target/sub/b.txt"), "beta\n", 1'400'000'000, 0640);  // looks the same
  const auto before = snapshot(scratch.file("target"));
  const auto source = snapshot(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"),
                {{"link", "true"}, {"preserve", "none"}});
  LocalExecution& execution = copy.start();
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok() && problems->empty());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  for (const char* name : {"/a.txt", "/sub/b.txt", "/shared", "/z", "/link", "/pipes/fifo",
                           "/sub/sparse", "/dangling"})
    EXPECT_EQ(inode_of(scratch.file("target") + name), inode_of(scratch.file("source") + name))
        << name;
  EXPECT_EQ(execution.item("a.txt")->row.action, "linked");
  EXPECT_EQ(execution.item("a.txt")->row.transferred_bytes, 0);
  EXPECT_EQ(execution.item("a.txt")->row.checksum, "") << "nothing was read";
  const auto shape = [](std::map<std::string, std::string> tree) {
    for (auto& [name, line] : tree) line = line.substr(0, line.find(" = "));
    return tree;
  };
  EXPECT_EQ(shape(snapshot(scratch.file("source"))), shape(source));
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  CopyTest again(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  LocalExecution& second = again.start();
  ASSERT_TRUE(is_ok(second.run_to_end()));
  EXPECT_EQ(second.item("a.txt")->row.status, ItemStatus::skipped);
  ASSERT_TRUE(is_ok(execution.undo()));
  ASSERT_TRUE(is_ok(execution.release()));
  EXPECT_EQ(snapshot(scratch.file("target")), before);
  EXPECT_EQ(snapshot(scratch.file("source")), source);
}

TEST(FilesHardlink, VerifyNamesALinkThatWasReplacedAndUndoLeavesIt) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "content");
  write_file(scratch.file("source/g"), "content");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::rename(scratch.file("target/f"), scratch.file("kept"));
  write_file(scratch.file("target/f"), "content");
  write_file(scratch.file("source/g"), "edited by either name");
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_THAT(execution.item("f")->difference->message, HasSubstr("no hard link"));
  EXPECT_FALSE(execution.item("g")->difference);
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_TRUE(stdfs::exists(scratch.file("target/f")));
  EXPECT_FALSE(stdfs::exists(scratch.file("target/g")));
  EXPECT_EQ(read_all(scratch.file("source/g")), "edited by either name");
}

TEST(FilesHardlink, TheOnlyNameThatIsLeftIsNotTakenBack) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "content");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove(scratch.file("source/f"));
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "content");
  EXPECT_EQ(error_of(execution, "f"), ErrorType::destination_changed);
}

/// Each of two that are taken back at once would see the other one's name.
TEST(FilesHardlink, TwoNamesThatAreTakenBackAtOnceAreNotBothRemoved) {
  const ScratchDirectory scratch;
  const std::vector<std::string> names{"f", "g", "h"};
  write_file(scratch.file("source/f"), "content");
  stdfs::create_hard_link(scratch.file("source/f"), scratch.file("source/g"));
  stdfs::create_hard_link(scratch.file("source/f"), scratch.file("source/h"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  std::mutex mutex;
  std::condition_variable met;
  bool taking_back = false;
  int inside = 0;
  LocalExecution::Options options;
  options.threads = 2;
  options.on_fence = [&] {
    std::unique_lock lock(mutex);
    if (!taking_back) return success();
    ++inside;
    met.notify_all();
    if (!met.wait_for(lock, std::chrono::milliseconds(300), [&] { return inside == 2; })) --inside;
    return success();
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  // What is left are the further names of the set, which one batch takes back.
  for (const std::string& name : names) {
    stdfs::remove(scratch.file("source/" + name));
    if (execution.item(name, "link_set") == nullptr) stdfs::remove(scratch.file("target/" + name));
  }
  ASSERT_EQ(execution.items("link_set").size(), 2U);
  taking_back = true;
  ASSERT_TRUE(is_ok(execution.undo()));
  std::vector<std::string> left;
  for (const std::string& name : names) {
    if (stdfs::exists(scratch.file("target/" + name))) left.push_back(name);
  }
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(read_all(scratch.file("target/" + left.front())), "content");
  EXPECT_EQ(error_of(execution, left.front()), ErrorType::destination_changed);
}

TEST(FilesHardlink, ASymlinkPutInPlaceOfTheSourceLeadsNowhere) {
  const ScratchDirectory scratch;
  write_file(scratch.file("secret"), "outside");
  write_file(scratch.file("source/f"), "content");
  const ino_t inode = inode_of(scratch.file("source/f"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  LocalExecution::Options options;
  bool armed = false;
  options.on_item = [&](const engine::ItemRow& row) { armed = armed || row.name == "f"; };
  options.on_fence = [&] {
    if (std::exchange(armed, false)) {
      stdfs::rename(scratch.file("source/f"), scratch.file("hidden"));
      stdfs::create_symlink(scratch.file("secret"), scratch.file("source/f"));
    }
    return success();
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_TRUE(stdfs::exists(scratch.file("hidden"))) << "nothing was shown";
  EXPECT_EQ(inode_of(scratch.file("target/f")), inode) << "another than was looked at";
}

TEST(FilesHardlink, AnotherFileSystemIsRefusedBeforeAnythingIsDone) {
  const ScratchDirectory scratch;
  const ScratchDirectory memory("/dev/shm");
  write_file(scratch.file("source/f"), "content");
  CopyTest copy(scratch.file("source/"), memory.file("target"), {{"link", "true"}});
  LocalExecution& execution = copy.start();
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT(problems->front().error.message, HasSubstr("another file system"));
  EXPECT_THAT(problems->front().error.remediation, HasSubstr("--link"));
}

TEST(FilesHardlink, BeyondTheLimitOfLinksACopyIsMadeAndSaysSo) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "content", 1'500'000'000, 0640);
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"link", "true"}});
  LocalExecution& execution = copy.start();
  Status status = success();
  with_denied_calls({{__NR_linkat, EMLINK}}, [&] { status = execution.run_to_end(); });
  ASSERT_TRUE(is_ok(status));
  EXPECT_NE(inode_of(scratch.file("target/f")), inode_of(scratch.file("source/f")));
  EXPECT_EQ(read_all(scratch.file("target/f")), "content");
  EXPECT_EQ(execution.item("f")->row.action, "created");
  EXPECT_THAT(execution.item("f")->row.message, HasSubstr("copied, not linked"));
}

/// Which as root does not hold: the child gives up its rights. fs.protected_hardlinks is on
/// everywhere.
TEST(FilesHardlinkChild, DISABLED_Runs) {
  const std::string directory = std::getenv("DUNLIN_TEST_DIRECTORY");
  ASSERT_EQ(::setresgid(65534, 65534, 65534), 0);
  ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
  CopyTest copy(directory + "/source/", directory + "/target", {{"link", "true"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_EQ(error_of(execution, "roots"), ErrorType::permission_denied);
  ASSERT_THAT(execution.item("roots")->error->remediation, HasSubstr("protected_hardlinks"));
  ASSERT_EQ(execution.item("own")->row.action, "linked");
}

TEST(FilesHardlinkNeedsRoot, AFileOfAnothersFailsAloneAndSaysWhatToDo) {
  const ScratchDirectory scratch("/dev/shm");  // TMPDIR may lie where only root may enter
  ASSERT_EQ(::chmod(scratch.path().c_str(), 0777), 0);
  write_file(scratch.file("source/roots"), "root's");
  write_file(scratch.file("source/own"), "one's own");
  for (const char* name : {"source", "source/own"})
    ASSERT_EQ(::chown(scratch.file(name).c_str(), 65534, 65534), 0);
  ASSERT_EQ(
      run_self("FilesHardlinkChild.DISABLED_Runs", {{"DUNLIN_TEST_DIRECTORY", scratch.path()}}), 0);
}

// ---- Killed anywhere ----

struct Way {
  const char* name;
  const char* verb;
  Options options;
  bool fallback = false;
};
const std::vector<Way>& ways() {
  static const std::vector<Way> all{
      {"keep_both", "copy", {{"conflict", "keep_both"}}},
      {"keep_both_fallback", "copy", {{"conflict", "keep_both"}}, true},
      {"keep_both_move", "move", {{"conflict", "keep_both"}}},
      {"rename", "copy", {{"conflict", "rename"}}},
      {"rename_fallback", "copy", {{"conflict", "rename"}}, true},
      {"rename_move", "move", {{"conflict", "rename"}}},
      {"hardlink", "copy", {{"link", "true"}, {"conflict", "rename"}}},
      {"hardlink_fallback", "copy", {{"link", "true"}, {"conflict", "keep_both"}}, true}};
  return all;
}

/// The child's life: begins or takes over, and goes to the end of a copy or its undo.
TEST(FilesBothCrashChild, DISABLED_Runs) {
  const std::string directory = std::getenv("DUNLIN_TEST_DIRECTORY");
  const Way& way = ways().at(std::stoul(std::getenv("DUNLIN_TEST_WAY")));
  fs::Features features;
  if (way.fallback) features.rename_noreplace = features.rename_exchange = false;
  CopyTest copy(directory + "/source/", directory + "/target", way.options, features, way.verb);
  copy.settings.batch_size = 6;
  LocalExecution::Options options;
  options.journal_path = directory + "/journal";
  if (std::getenv("DUNLIN_TEST_RACE") != nullptr) {
    options.on_intents = [&](const std::vector<engine::ItemIntent>& intents) {
      const std::string taken = directory + "/target/a (2).txt";
      for (const engine::ItemIntent& one : intents) {
        const auto witness = decode_witness(one.intent);
        if (witness.ok() && !(witness->name + witness->aside).empty() && !stdfs::exists(taken))
          write_file(taken, "theirs");
      }
      return success();
    };
  }
  std::unique_ptr<LocalExecution> taken;
  if (stdfs::exists(options.journal_path)) taken = copy.take_over_from(options);
  LocalExecution& execution = taken ? *taken : copy.start(options);
  if (std::string(std::getenv("DUNLIN_TEST_WHAT")) == "undo") {
    ASSERT_TRUE(is_ok(execution.undo()));
    ASSERT_TRUE(is_ok(execution.release()));
  } else {
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    ASSERT_TRUE(all_ended(execution));
  }
}

#if DUNLIN_CRASH_POINTS
class FilesBothCrash : public ::testing::TestWithParam<std::size_t> {
 protected:
  static int child(const std::string& directory, const std::string& what, Options more = {}) {
    more["DUNLIN_TEST_DIRECTORY"] = directory;
    more["DUNLIN_TEST_WAY"] = std::to_string(GetParam());
    more["DUNLIN_TEST_WHAT"] = what;
    return run_self("FilesBothCrashChild.DISABLED_Runs", more);
  }
  /// Both trees, but for the undo folder and times of directories at a source.
  static std::map<std::string, std::string> state(const std::string& directory) {
    auto all = snapshot(directory + "/target", true);
    std::erase_if(all, [](const auto& entry) { return entry.first.starts_with("/.dunlin-undo-"); });
    for (const auto& [name, line] : snapshot(directory + "/source", false))
      all["src" + name] = line;
    return all;
  }
  static std::vector<std::string> deaths_of(const std::map<std::string, int>& points) {
    return deaths(points, !ways()[GetParam()].fallback, GetParam());
  }
  static void make(const std::string& directory) {
    make_case(directory + "/source", directory + "/target");
  }
  /// Points of an undisturbed run, with how often each was hit.
  static std::map<std::string, int> points(const std::string& what) {
    const InMemory scratch;
    make(scratch.path());
    if (what == "undo") {
      EXPECT_EQ(child(scratch.path(), "copy"), 0);
    }
    EXPECT_EQ(child(scratch.path(), what, {{"DUNLIN_CRASH_LOG", scratch.file("log")}}), 0);
    return points_in(scratch.file("log"));
  }
};

TEST_P(FilesBothCrash, KilledAnywhereThereIsNoThirdVersionAndAllIsTakenBack) {
  const InMemory reference;
  make(reference.path());
  const auto before = state(reference.path());
  ASSERT_EQ(child(reference.path(), "copy"), 0);
  const auto expected = state(reference.path());
  for (const std::string& death : deaths_of(points("copy"))) {
    SCOPED_TRACE(death);
    const InMemory scratch;
    make(scratch.path());
    ASSERT_TRUE(was_killed(child(scratch.path(), "copy", {{"DUNLIN_CRASH_AT", death}})));
    child(scratch.path(), "copy", {{"DUNLIN_CRASH_AT", "files.settle.after:1"}});
    ASSERT_EQ(child(scratch.path(), "copy"), 0);
    ASSERT_EQ(state(scratch.path()), expected);
    ASSERT_EQ(child(scratch.path(), "undo"), 0);
    ASSERT_EQ(state(scratch.path()), before);
  }
}

TEST_P(FilesBothCrash, AnUndoKilledAnywhereEndsAsIfItHadNotBeen) {
  const InMemory reference;
  make(reference.path());
  const auto before = state(reference.path());
  for (const std::string& death : deaths_of(points("undo"))) {
    SCOPED_TRACE(death);
    const InMemory scratch;
    make(scratch.path());
    ASSERT_EQ(child(scratch.path(), "copy"), 0);
    ASSERT_TRUE(was_killed(child(scratch.path(), "undo", {{"DUNLIN_CRASH_AT", death}})));
    ASSERT_EQ(child(scratch.path(), "undo"), 0);
    ASSERT_EQ(state(scratch.path()), before);
  }
}

/// The number that was chosen second is on record before it is used.
TEST_P(FilesBothCrash, KilledAfterARaceForTheNumberThereIsNoThirdVersion) {
  const bool beside = ways()[GetParam()].options.at("conflict") == "keep_both";
  int kills = 0;
  for (const char* point : {"files.publish.after:1", "fs.rename_new.after:1", "fs.keep_old.after:1",
                            "fs.rename_over.after:1", "fs.exchange.after:1"}) {
    const InMemory scratch;
    write_file(scratch.file("source/a.txt"), "new");
    write_file(scratch.file("target/a.txt"), "old one");
    const auto before = state(scratch.path());
    SCOPED_TRACE(point);
    if (!was_killed(
            child(scratch.path(), "copy", {{"DUNLIN_CRASH_AT", point}, {"DUNLIN_TEST_RACE", "1"}})))
      continue;  // a way that does not come by this point
    ++kills;
    ASSERT_EQ(child(scratch.path(), "copy"), 0);
    EXPECT_EQ(read_all(scratch.file("target/a (2).txt")), "theirs");
    EXPECT_EQ(read_all(scratch.file("target/a (3).txt")), beside ? "new" : "old one");
    EXPECT_EQ(read_all(scratch.file("target/a.txt")), beside ? "old one" : "new");
    EXPECT_FALSE(stdfs::exists(scratch.file("target/a (4).txt")));
    ASSERT_EQ(child(scratch.path(), "undo"), 0);
    stdfs::remove(scratch.file("target/a (2).txt"));
    auto after = state(scratch.path());
    auto expected = before;
    for (auto* tree : {&after, &expected}) tree->erase("");  // the root's time is the race's
    EXPECT_EQ(after, expected);
  }
  EXPECT_GT(kills, 1);
}

INSTANTIATE_TEST_SUITE_P(Ways, FilesBothCrash, ::testing::Range<std::size_t>(0, 8),
                         [](const auto& tested) { return std::string(ways()[tested.param].name); });

/// Two of those ways. A device that lied about its flush: ours goes, what was renamed aside comes
/// back, and all is done again. Also where that is a directory.
class FilesRenameCrash : public FilesBothCrash {};

TEST_P(FilesRenameCrash, ContentLostInTheCrashIsSeenAndNothingElseIsLost) {
  const InMemory scratch;
  write_file(scratch.file("source/a.txt"), "new");
  write_file(scratch.file("source/d"), "a file");
  write_file(scratch.file("target/a.txt"), "old one");
  write_file(scratch.file("target/d/inside"), "kept");
  ASSERT_TRUE(
      was_killed(child(scratch.path(), "copy", {{"DUNLIN_CRASH_AT", "files.publish.after:1"}})));
  for (const char* name : {"target/a.txt", "target/d"}) {
    struct stat raw{};
    ASSERT_EQ(::stat(scratch.file(name).c_str(), &raw), 0);
    const UniqueFd file(::open(scratch.file(name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), "#", 1, 0), 1);
    const timespec times[2] = {raw.st_atim, raw.st_mtim};
    ASSERT_EQ(::futimens(file.get(), times), 0);
  }
  ASSERT_EQ(child(scratch.path(), "copy"), 0);
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "new");
  EXPECT_EQ(read_all(scratch.file("target/d")), "a file");
  EXPECT_EQ(read_all(scratch.file("target/a (2).txt")), "old one");
  EXPECT_EQ(read_all(scratch.file("target/d (2)/inside")), "kept");
  EXPECT_FALSE(stdfs::exists(scratch.file("target/a (3).txt")));
  ASSERT_EQ(child(scratch.path(), "undo"), 0);
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "old one");
  EXPECT_EQ(read_all(scratch.file("target/d/inside")), "kept");
}

INSTANTIATE_TEST_SUITE_P(Ways, FilesRenameCrash, ::testing::Values<std::size_t>(3, 4),
                         [](const auto& tested) { return std::string(ways()[tested.param].name); });
#endif

}  // namespace
}  // namespace dunlin::files::testing
