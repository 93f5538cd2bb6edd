// Several sources: each arrives as an entry of the destination under its own name, as `cp -a A B
// DST` does it, and one plan, one ledger and one undo cover them all.
#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "engine/claims.h"
#include "files/several_fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Options = std::map<std::string, std::string>;

std::string refusal(std::vector<std::string> words, Options options = {},
                    const std::string& verb = "copy") {
  const auto document =
      make_files_kind({}, {})->plan_for({verb, std::move(words), std::move(options)});
  if (document.ok()) return "";
  EXPECT_EQ(document.error().type, ErrorType::invalid_input);
  return document.error().message;
}

std::vector<std::string> problems_of(CopyTest& test) {
  LocalExecution& execution = test.start();
  auto found = test.run().preflight(execution.context());
  EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().text());
  std::vector<std::string> messages;
  for (const engine::Problem& one : *found) {
    if (!one.can_continue) messages.push_back(one.error.message);
  }
  return messages;
}

// ---- Copies ----

TEST(FilesSeveral, EachArrivesUnderItsOwnNameAndGoesAgain) {
  const Three three;
  three.make();
  const auto before = three.at_sources();
  CopyTest copy = three.test();
  EXPECT_THAT(problems_of(copy), IsEmpty());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(three.at_target(), before);
  EXPECT_EQ(three.at_sources(), before);
  EXPECT_THAT(own_names(three.target()), IsEmpty());
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  ASSERT_NE(execution.item("more/in/c.txt"), nullptr);
  ASSERT_NE(execution.item("list.txt"), nullptr);
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(three.target()));
}

TEST(FilesSeveral, ADirectoryThatStandsThereIsKeptAsItIsAndSharedWithWhatIsInIt) {
  const Three three;
  three.make();
  write_file(three.target("/more/d.txt"), "an older delta", 1'100'000'000);
  write_file(three.target("/theirs"), "not ours", 1'100'000'000);
  ASSERT_EQ(::chmod(three.target().c_str(), 0711), 0);
  set_mtime(three.target(), 1'150'000'000);
  const auto before = snapshot(three.target());
  CopyTest copy = three.test();
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  struct stat raw{};
  ASSERT_EQ(::stat(three.target().c_str(), &raw), 0);
  EXPECT_EQ(raw.st_mode & 07777, 0711U) << "none of the sources describes it";
  EXPECT_EQ(read_all(three.target("/theirs")), "not ours");
  EXPECT_EQ(read_all(three.target("/more/d.txt")), "delta\n");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(snapshot(three.target()), before);
}

TEST(FilesSeveral, ASetOfHardLinksThroughAllOfThemStaysASet) {
  const Three three;
  three.make();
  stdfs::create_hard_link(three.tree() + "/shared", three.more() + "/in/of the set");
  stdfs::remove(three.list());
  stdfs::create_hard_link(three.tree() + "/shared", three.list());
  CopyTest copy = three.test();
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  struct stat one{};
  struct stat other{};
  struct stat third{};
  ASSERT_EQ(::stat(three.target("/tree/shared").c_str(), &one), 0);
  ASSERT_EQ(::stat(three.target("/more/in/of the set").c_str(), &other), 0);
  ASSERT_EQ(::stat(three.target("/list.txt").c_str(), &third), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_EQ(one.st_ino, third.st_ino);
  EXPECT_EQ(one.st_nlink, 5U);
}

TEST(FilesSeveral, PatternsAreMatchedBelowEachSource) {
  const Three three;
  three.make();
  write_file(three.tree() + "/in/c.txt", "not excluded by its depth\n");
  write_file(three.tree() + "/d.txt", "excluded\n");
  CopyTest copy = three.test({{"exclude", std::string("/d.txt\0more\0/in/\0!nothing", 24)}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_FALSE(stdfs::exists(three.target("/tree/d.txt")));
  EXPECT_FALSE(stdfs::exists(three.target("/more/d.txt")));
  EXPECT_FALSE(stdfs::exists(three.target("/tree/in")));
  EXPECT_FALSE(stdfs::exists(three.target("/more/in")));
  EXPECT_TRUE(stdfs::exists(three.target("/more"))) << "a source itself is no entry of itself";
  EXPECT_TRUE(stdfs::exists(three.target("/tree/sub/b.txt")));
  const Three other;
  other.make();
  CopyTest without = other.test({{"exclude", "*.txt"}});
  ASSERT_TRUE(is_ok(without.start().run_to_end()));
  EXPECT_TRUE(stdfs::exists(other.target("/tree/sub/script")));
  EXPECT_FALSE(stdfs::exists(other.target("/list.txt"))) << "as for a file that is the only source";
}

TEST(FilesSeveral, OneFileSystemIsThatOfEachSource) {
  const Three three(true);
  three.make();
  CopyTest copy = three.test({{"one-file-system", "true"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(three.target("/more/in/c.txt")), "gamma\n");
  EXPECT_EQ(read_all(three.target("/tree/sub/b.txt")), "beta\n");
}

TEST(FilesSeveral, ANumberedNameIsNeverThatOfAnotherSource) {
  const ScratchDirectory scratch;
  write_file(scratch.file("x/a.txt"), "one");
  write_file(scratch.file("y/a (2).txt"), "two");
  write_file(scratch.file("target/a.txt"), "stands there");
  CopyTest copy =
      several({scratch.file("x/a.txt"), scratch.file("y/a (2).txt"), scratch.file("target")},
              {{"conflict", "keep_both"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "stands there");
  EXPECT_EQ(read_all(scratch.file("target/a (2).txt")), "two");
  EXPECT_EQ(read_all(scratch.file("target/a (3).txt")), "one");
}

/// More sources than a batch holds; every commit of the listing fails once.
TEST(FilesSeveral, AListingThatDiesAmongTheSourcesGoesOnWithoutDuplicates) {
  const ScratchDirectory scratch;
  std::vector<std::string> words;
  for (int n = 0; n < 17; ++n) {
    words.push_back(scratch.file("in " + std::to_string(n % 3) + "/f" + std::to_string(n)));
    write_file(words.back(), "file " + std::to_string(n));
  }
  write_file(scratch.file("tree/sub/g"), "g");
  words.push_back(scratch.file("tree"));
  words.push_back(scratch.file("target"));
  for (int dies_at = 1; dies_at < 8; ++dies_at) {
    SCOPED_TRACE(dies_at);
    stdfs::remove_all(scratch.file("target"));
    CopyTest copy = several(words);
    copy.settings.batch_size = 4;
    int commits = 0;
    LocalExecution::Options options;
    options.on_commit = [&]() -> Status {
      if (++commits == dies_at) return Error(ErrorType::stale_owner, "dies");
      return success();
    };
    LocalExecution& execution = copy.start(options);
    const Status first = execution.enumerate();
    if (!first.ok()) copy.take_over();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    std::set<std::string> names;
    for (const LocalItem* item : execution.items("batch_file_operation"))
      EXPECT_TRUE(names.insert(item->row.directory_path + "/" + item->row.name).second)
          << item->row.name;
    EXPECT_EQ(names.size(), 18U);
    EXPECT_EQ(read_all(scratch.file("target/f16")), "file 16");
    EXPECT_EQ(read_all(scratch.file("target/tree/sub/g")), "g");
  }
}

// ---- What cannot be ----

TEST(FilesSeveral, WhatCannotBeToldApartIsRefusedWithItsName) {
  const ScratchDirectory scratch;
  for (const char* name : {"a/x", "b/x", "c/y"})
    write_file(scratch.file(std::string(name) + "/file"), "content");
  const auto at = [&](const std::string& name) { return scratch.file(name); };
  EXPECT_THAT(refusal({at("a/x"), at("b/x"), at("dst")}),
              AllOf(HasSubstr(at("a/x")), HasSubstr(at("b/x")), HasSubstr("both arrive as 'x'")));
  EXPECT_THAT(refusal({at("a/x"), at("c/y/"), at("dst")}),
              AllOf(HasSubstr(at("c/y/")), HasSubstr("without a slash at its end")));
  EXPECT_THAT(refusal({at("a/x"), at("c/y/."), at("dst")}), HasSubstr("contents of a directory"));
  EXPECT_THAT(refusal({at("a/x"), at("a/x"), at("dst")}),
              AllOf(HasSubstr(at("a/x")), HasSubstr("given twice")));
  EXPECT_THAT(refusal({at("a/x/file"), at("a/x"), at("dst")}),
              AllOf(HasSubstr(at("a/x/file")), HasSubstr("lies inside of")));
  EXPECT_THAT(refusal({at("a/x"), at("gone"), at("dst")}), HasSubstr(at("gone")));
  EXPECT_THAT(refusal({"/", at("a/x"), at("dst")}), HasSubstr("'/' has no name"));
  EXPECT_THAT(refusal({at("a/x"), at("c/y"), at("b/x/file")}), HasSubstr("is no directory"));
  const std::string names = at("names");
  write_file(names, "file\n");
  EXPECT_THAT(refusal({at("a/x"), at("c/y"), at("dst")}, {{"files-from", names}}),
              HasSubstr("relative to one SRC"));
  EXPECT_EQ(refusal({at("a/x"), at("c/y"), at("dst")}), "");
}

TEST(FilesSeveral, ADestinationThatIsOrLiesInASourceIsRefusedBeforeAnythingHappens) {
  const Three three;
  three.make();
  CopyTest into = several({three.tree(), three.more(), three.more() + "/in/new"});
  EXPECT_THAT(problems_of(into),
              ElementsAre(AllOf(HasSubstr(three.more()), HasSubstr("copied into itself"))));
  CopyTest onto = several({three.tree(), three.more(), stdfs::path(three.more()).parent_path()});
  EXPECT_THAT(problems_of(onto),
              ElementsAre(AllOf(HasSubstr(three.more()), HasSubstr("copied into itself"))));
  write_file(three.target("/more"), "a file where a directory would go");
  CopyTest over = three.test();
  EXPECT_THAT(problems_of(over), ElementsAre(HasSubstr("is a file at the destination")));
}

/// A plan may name them by other paths than the one that both have.
TEST(FilesSeveral, SourcesThatAreOneOrNestedByInodeAreRefused) {
  const Three three;
  three.make();
  stdfs::create_symlink(three.tree(), three.side.file("again"));
  stdfs::create_symlink(three.side.file("one"), three.side.file("way"));
  const auto replaced = [&](const std::string& path) {
    CopyTest copy = three.test();
    copy.plan().document["source"]["paths"][1] = path;
    return problems_of(copy);
  };
  EXPECT_THAT(replaced(three.side.file("way/tree/sub")),
              ElementsAre(AllOf(HasSubstr("way/tree/sub"), HasSubstr("lies inside of"))));
  EXPECT_THAT(replaced(three.side.file("way/tree/a.txt")),
              ElementsAre(AllOf(HasSubstr("a.txt"), HasSubstr("lies inside of"))));
}

TEST(FilesSeveralNeedsRoot, OneDirectoryByTwoMountsIsRefused) {
  const Three three;
  three.make();
  ASSERT_EQ(::mount(three.tree().c_str(), three.more().c_str(), nullptr, MS_BIND, nullptr), 0);
  CopyTest copy = three.test();
  EXPECT_THAT(problems_of(copy), ElementsAre(HasSubstr("are the same directory")));
  ASSERT_EQ(::umount2(three.more().c_str(), MNT_DETACH), 0) << "handles are held";
}

/// Each of them is looked at before each batch.
TEST(FilesSeveral, ASourceThatIsExchangedIsNamedAndNothingOfItIsTaken) {
  for (const bool moves : {false, true}) {
    const Three three;
    three.make();
    CopyTest copy = three.test({}, moves ? "move" : "copy");
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.enumerate()));
    const auto stored = copy.run().root_identity(execution.context());
    ASSERT_TRUE(stored.ok());
    stdfs::rename(three.more(), three.more() + " aside");
    write_file(three.more() + "/in/c.txt", "another");
    const Status done = execution.execute();
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().type, ErrorType::root_changed);
    EXPECT_THAT(done.error().message, HasSubstr(three.more()));
    EXPECT_FALSE(stdfs::exists(three.target("/more/in/c.txt")));
    EXPECT_EQ(read_all(three.more() + "/in/c.txt"), "another");
    // The same at the next start.
    LocalExecution& next = copy.take_over();
    const auto now = copy.run().root_identity(next.context());
    ASSERT_TRUE(now.ok());
    EXPECT_NE(*now, *stored);
    EXPECT_THAT(copy.run().changed_roots(*stored, *now), HasSubstr(three.more()));
  }
}

// ---- Words ----

TEST(FilesSeveral, PlansSayWhatTheyMean) {
  const Three three;
  three.make();
  CopyTest move = three.test({}, "move");
  const Json paths = move.plan().document["source"]["paths"];
  EXPECT_EQ(paths, Json::array({three.tree(), three.more(), three.list()}));
  EXPECT_EQ(move.kind().describe(move.plan()), "move " + three.tree() + ", " + three.more() + ", " +
                                                   three.list() + " to " + three.target());
  const auto meanings = move.kind().meanings(move.plan());
  EXPECT_EQ(meanings.front().topic, "paths");
  EXPECT_THAT(meanings.front().words,
              AllOf(HasSubstr(three.tree() + "/NAME is moved to " + three.target("/tree/NAME")),
                    HasSubstr(three.list() + " is moved to " + three.target("/list.txt"))));
  const auto claims = move.kind().claims(move.plan());
  ASSERT_TRUE(claims.ok());
  EXPECT_THAT(engine::shown_claims(*claims),
              ElementsAre("file:" + three.target("/tree"), "file:" + three.target("/more"),
                          "file:" + three.target("/list.txt"), "file:" + three.tree(),
                          "file:" + three.more(), "file:" + three.list()));
}

TEST(FilesSeveral, AnExecutionThatDoesNotSayWhatItsSourcesWereIsRefused) {
  const Three three;
  three.make();
  CopyTest copy = three.test();
  LocalExecution& execution = copy.start();
  const auto roots = copy.run().root_identity(execution.context());
  ASSERT_TRUE(roots.ok());
  Json older = Json::parse(*roots);
  older.erase("trees");
  LocalExecution& next = copy.start();
  copy.run().started_with(dump_json(older));
  const auto now = copy.run().root_identity(next.context());
  ASSERT_FALSE(now.ok());
  EXPECT_EQ(now.error().type, ErrorType::state_corrupt);
}

/// As a glob names it beside the others.
TEST(FilesSeveral, DunlinsOwnStateIsNoSource) {
  for (const char* const verb : {"copy", "move"}) {
    SCOPED_TRACE(verb);
    const ScratchDirectory scratch;
    write_file(scratch.file("data/a/f"), "content");
    write_file(scratch.file("data/state/state.db"), "a ledger");
    CopyTest test = several(
        {scratch.file("data/a"), scratch.file("data/state"), scratch.file("target")}, {}, verb);
    LocalExecution::Options options;
    options.state_path = scratch.file("data/state");
    LocalExecution& execution = test.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_EQ(read_all(scratch.file("target/a/f")), "content");
    EXPECT_FALSE(stdfs::exists(scratch.file("target/state")));
    EXPECT_EQ(read_all(scratch.file("data/state/state.db")), "a ledger");
    EXPECT_EQ(execution.item("state")->row.status, engine::ItemStatus::skipped);
  }
}

/// Problems of a plan whose state directory is `state`.
std::vector<std::string> problems_beside_state(const std::string& state,
                                               const std::vector<std::string>& words,
                                               const std::string& verb = "copy") {
  CopyTest test = words.size() > 2 ? several(words, {}, verb)
                                   : CopyTest(words.front(), words.back(), {}, {}, verb);
  LocalExecution::Options options;
  options.state_path = state;
  LocalExecution& execution = test.start(options);
  const auto found = test.run().preflight(execution.context());
  EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().text());
  std::vector<std::string> messages;
  for (const engine::Problem& one : *found) {
    if (one.can_continue) continue;
    messages.push_back(one.error.message);
    if (one.error.message.find("own state") != std::string::npos) {
      EXPECT_THAT(one.error.remediation, HasSubstr("--state DIR"));
    }
  }
  return messages;
}

TEST(FilesSeveral, TheStateDirectoryIsNeitherSourceNorDestination) {
  const ScratchDirectory scratch;
  const std::string state = scratch.file("data/state");
  const std::string target = scratch.file("target");
  write_file(scratch.file("data/a/f"), "content");
  write_file(state + "/executions/1/ledger.db", "a ledger");
  stdfs::create_symlink(state, scratch.file("way"));
  const auto is = [](const std::string& path) {
    return ElementsAre(AllOf(HasSubstr("'" + path + "'"), HasSubstr("own state directory")));
  };
  for (const char* const verb : {"copy", "move"}) {
    SCOPED_TRACE(verb);
    const auto problems = [&](const std::vector<std::string>& words) {
      return problems_beside_state(state, words, verb);
    };
    const std::string a = scratch.file("data/a");
    EXPECT_THAT(problems({state, target}), is(state));
    EXPECT_THAT(problems({state + "/", target}), is(state));
    EXPECT_THAT(problems({scratch.file("way/executions"), target}), is(state + "/executions"));
    const std::string ledger = state + "/executions/1/ledger.db";
    EXPECT_THAT(problems({ledger, target}), is(ledger));
    EXPECT_THAT(problems({a, state, target}), is(state));
    EXPECT_THAT(problems({a, ledger, target}), is(ledger));
    // Where it would arrive.
    EXPECT_THAT(problems({a, state}), is(state));
    EXPECT_THAT(problems({a, state + "/new/"}), is(state));
    EXPECT_THAT(problems({a + "/f", state + "/new"}), is(state));
    write_file(scratch.file("other/state/g"), "content");
    EXPECT_THAT(problems({a, scratch.file("other/state"), scratch.file("data")}),
                Contains(AllOf(HasSubstr("'" + state + "'"), HasSubstr("own state directory"))));
    // What holds it leaves it out.
    EXPECT_THAT(problems({scratch.file("data"), target}), IsEmpty());
    EXPECT_THAT(problems({a, scratch.file("other"), target}), IsEmpty());
  }
}

/// As `ulimit -n` for as long as it lives.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t most) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    struct rlimit few = before_;
    few.rlim_cur = most;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  struct rlimit before_{};
};

TEST(FilesSeveral, ManySourcesInAsManyPlacesDoWithFewDescriptors) {
  for (const char* const verb : {"copy", "move"}) {
    SCOPED_TRACE(verb);
    const ScratchDirectory scratch;
    std::vector<std::string> words;
    for (int n = 0; n < 500; ++n) {
      const std::string number = std::to_string(n);
      words.push_back(scratch.file("in " + number + (n % 2 == 0 ? "/tree " : "/file ") + number));
      write_file(words.back() + (n % 2 == 0 ? "/sub/f" : ""), "content of " + number);
    }
    words.push_back(scratch.file("target"));
    const FewDescriptors few(64);
    CopyTest test = several(words, {}, verb);
    LocalExecution& first = test.start();
    const auto problems = test.run().preflight(first.context());
    ASSERT_TRUE(problems.ok()) << problems.error().text();
    EXPECT_TRUE(problems->empty()) << problems->front().error.text();
    LocalExecution& execution = test.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(read_all(scratch.file("target/tree 498/sub/f")), "content of 498");
    EXPECT_EQ(read_all(scratch.file("target/file 499")), "content of 499");
    ASSERT_TRUE(is_ok(execution.verify()));
    EXPECT_EQ(execution.differences(), 0);
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_FALSE(stdfs::exists(scratch.file("target")));
    EXPECT_EQ(read_all(scratch.file("in 498/tree 498/sub/f")), "content of 498");
    EXPECT_EQ(read_all(scratch.file("in 499/file 499")), "content of 499");
  }
}

/// One that is no longer held is told from another one by its numbers.
TEST(FilesSeveral, ASourceThatIsNotHeldOpenIsNoticedWhenItIsExchanged) {
  const ScratchDirectory scratch;
  std::vector<std::string> words;
  for (int n = 0; n < 40; ++n) {
    words.push_back(scratch.file("in/" + std::to_string(n)));
    write_file(words.back() + "/f", "content");
  }
  words.push_back(scratch.file("target"));
  const FewDescriptors few(64);
  CopyTest test = several(words);
  LocalExecution& execution = test.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  stdfs::rename(scratch.file("in/7"), scratch.file("in/away"));
  write_file(scratch.file("in/7/f"), "another");
  const Status done = execution.execute();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().type, ErrorType::root_changed);
  EXPECT_THAT(done.error().message, HasSubstr(scratch.file("in/7")));
}

TEST(FilesSeveral, ASourceThatLiesWhereAnotherOneGoesIsSaidAndNotMoved) {
  const ScratchDirectory scratch;
  write_file(scratch.file("y/A/B/g"), "of y");
  write_file(scratch.file("x/A/B/g"), "of x");
  const std::vector<std::string> words{scratch.file("y/A"), scratch.file("x/A/B"),
                                       scratch.file("x")};
  for (const char* const verb : {"copy", "move"}) {
    SCOPED_TRACE(verb);
    CopyTest test = several(words, {}, verb);
    LocalExecution& execution = test.start();
    const auto problems = test.run().preflight(execution.context());
    ASSERT_TRUE(problems.ok());
    const auto found = std::find_if(problems->begin(), problems->end(), [](const auto& problem) {
      return problem.error.message.find("into which another source goes") != std::string::npos;
    });
    ASSERT_NE(found, problems->end());
    EXPECT_EQ(found->can_continue, std::string(verb) == "copy");
  }
}

TEST(FilesSeveral, ASourceThatHasGoneBeforeItIsListedFailsAlone) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "content");
  write_file(scratch.file("source/b"), "content");
  CopyTest test =
      several({scratch.file("source/a"), scratch.file("source/b"), scratch.file("target")});
  stdfs::remove(scratch.file("source/b"));
  LocalExecution& execution = test.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/a")), "content");
  EXPECT_EQ(execution.item("b")->row.status, engine::ItemStatus::failed);
}

}  // namespace
}  // namespace dunlin::files::testing
