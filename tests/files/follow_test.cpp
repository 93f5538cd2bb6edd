// Symlinks that are copied as what they point to: within the tree, or wherever they lead.
#include "base/crash_point.h"
#include "files/fixture.h"
#include "support/self_exec.h"

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Options = std::map<std::string, std::string>;

class FilesFollow : public ::testing::Test {
 protected:
  std::string source(const std::string& name) const { return scratch.file("source/" + name); }
  std::string target(const std::string& name) const { return scratch.file("target/" + name); }
  void link(const std::string& to, const std::string& name) const {
    stdfs::create_directories(stdfs::path(source(name)).parent_path());
    stdfs::create_symlink(to, source(name));
  }
  /// As made, and what it is to read from.
  std::unique_ptr<CopyTest> copy(const std::string& how, Options options = {},
                                 fs::Features features = {}) const {
    options["follow-symlinks"] = how;
    return std::make_unique<CopyTest>(scratch.file("source/"), scratch.file("target"),
                                      std::move(options), features);
  }
  bool is_link(const std::string& name) const { return stdfs::is_symlink(target(name)); }
  void make() const {
    write_file(source("a/f"), "inside");
    write_file(scratch.file("outside/g"), "of elsewhere");
    link("a", "in");
    link("a/f", "in file");
    link("../outside", "out");
    link("../outside/g", "out file");
  }
  const ScratchDirectory scratch;
};

TEST_F(FilesFollow, InTreeCopiesWhatLiesInsideAndKeepsTheOtherLinks) {
  make();
  link("nowhere", "dangling");
  const auto test = copy("in_tree");
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_FALSE(is_link("in") || is_link("in file"));
  EXPECT_EQ(read_all(target("in/f")), "inside");
  EXPECT_EQ(read_all(target("in file")), "inside");
  struct stat one{};
  struct stat two{};
  ASSERT_EQ(::stat(target("a/f").c_str(), &one) | ::stat(target("in/f").c_str(), &two), 0);
  EXPECT_NE(one.st_ino, two.st_ino) << "reached twice, copied twice";
  EXPECT_EQ(one.st_mtim.tv_nsec, two.st_mtim.tv_nsec) << "with what is the file's own";
  EXPECT_EQ(stdfs::read_symlink(target("out")), "../outside");
  EXPECT_EQ(stdfs::read_symlink(target("out file")), "../outside/g");
  EXPECT_EQ(stdfs::read_symlink(target("dangling")), "nowhere");
}

TEST_F(FilesFollow, AlwaysCopiesWhateverIsPointedTo) {
  make();
  for (const bool openat2 : {true, false}) {
    stdfs::remove_all(scratch.file("target"));
    fs::Features features;
    features.openat2 = openat2;
    const auto test = copy("always", {}, features);
    LocalExecution& execution = test->start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(read_all(target("in/f")), "inside");
    EXPECT_EQ(read_all(target("out/g")), "of elsewhere");
    EXPECT_EQ(read_all(target("out file")), "of elsewhere");
    EXPECT_FALSE(is_link("in") || is_link("out") || is_link("out file"));
    ASSERT_TRUE(is_ok(execution.verify()));
    EXPECT_EQ(execution.differences(), 0);
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_FALSE(stdfs::exists(scratch.file("target")));
    EXPECT_EQ(read_all(scratch.file("outside/g")), "of elsewhere");
  }
}

TEST_F(FilesFollow, ALinkThatLeadsNowhereFailsAloneAndSaysSo) {
  write_file(source("z"), "x");
  link("nowhere", "dangling");
  link("circle", "circle");
  const auto test = copy("always");
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  for (const char* name : {"dangling", "circle"}) {
    const LocalItem* item = execution.item(name);
    ASSERT_NE(item, nullptr) << name;
    EXPECT_EQ(item->row.status, ItemStatus::failed) << name;
    ASSERT_TRUE(item->error);
    EXPECT_EQ(item->error->type, ErrorType::unsupported_item) << name;
    EXPECT_THAT(item->error->remediation, HasSubstr("--follow-symlinks never"));
  }
  EXPECT_EQ(read_all(target("z")), "x");
}

/// Trap 7.
TEST_F(FilesFollow, ADirectoryIsNeverCopiedInsideItself) {
  write_file(source("a/b/f"), "x");
  for (const char* how : {"in_tree", "always"}) {
    stdfs::remove_all(scratch.file("target"));
    for (const char* name : {"a/b/up", "a/self", "a/cousin", "b"}) stdfs::remove(source(name));
    link("../..", "a/b/up");
    link(".", "a/self");
    link("../b", "a/cousin");
    link("a/b", "b");
    const auto test = copy(how);
    LocalExecution& execution = test->start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    for (const char* name : {"a/b/up", "a/self", "b/up", "a/cousin/up"}) {
      EXPECT_EQ(error_of(execution, name), ErrorType::unsupported_item) << how << " " << name;
      EXPECT_FALSE(stdfs::exists(target(name))) << how << " " << name;
    }
    EXPECT_EQ(read_all(target("b/f")), "x");
    EXPECT_EQ(read_all(target("a/cousin/f")), "x") << "by a link to a link";
  }
}

/// As an ordinary user, who may list it and not look above it.
TEST_F(FilesFollow, ADirectoryThatMayNotBeEnteredDoesNotEndTheRest) {
  make();
  stdfs::create_directories(scratch.file("target"));
  write_file(source("listed/file"), "x");
  ASSERT_EQ(::chmod(source("listed").c_str(), 0444), 0);
  for (const char* how : {"in_tree", "always"}) {
    SCOPED_TRACE(how);
    const auto test = copy(how);
    LocalExecution& execution = test->start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_EQ(read_all(target("a/f")), "inside");
  }
  ASSERT_EQ(::chmod(source("listed").c_str(), 0755), 0);
  for (const char* const name : {"listed"}) static_cast<void>(::chmod(target(name).c_str(), 0755));
}

/// A directory that holds the source comes back without a link: it is known by its inode.
TEST_F(FilesFollow, ALinkToAParentOfTheSourceEndsAtTheSource) {
  write_file(source("f"), "x");
  link("..", "parent");
  stdfs::create_directory(scratch.file("target"));
  const auto test = copy("always");
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "parent/source"), ErrorType::unsupported_item);
  EXPECT_EQ(error_of(execution, "parent/target"), ErrorType::unsupported_item)
      << "the destination is not copied into itself";
  EXPECT_FALSE(stdfs::exists(target("parent/target/f")));
}

TEST_F(FilesFollow, ALinkIntoTheDestinationIsRefused) {
  write_file(source("sub/f"), "x");
  write_file(target("sub/old"), "y");
  link("../../target/sub", "sub/loop");
  const auto test = copy("always");
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "sub/loop"), ErrorType::unsupported_item);
  EXPECT_FALSE(stdfs::exists(target("sub/loop")));
}

TEST_F(FilesFollow, ASourceThatIsItselfALinkIsFollowedByAlwaysAlone) {
  write_file(scratch.file("real/f"), "x");
  stdfs::create_symlink("real", scratch.file("named"));
  for (const std::string how : {"never", "in_tree", "always"}) {
    stdfs::remove_all(scratch.file("target"));
    stdfs::create_directory(scratch.file("target"));
    CopyTest test(scratch.file("named"), scratch.file("target"), {{"follow-symlinks", how}});
    LocalExecution& execution = test.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(is_link("named"), how != "always") << how;
    EXPECT_TRUE(how != "always" || read_all(target("named/f")) == "x");
  }
}

TEST_F(FilesFollow, RulesAskAboutWhatALinkPointsTo) {
  write_file(scratch.file("outside/big"), std::string(4096, 'x'));
  write_file(source("small"), "x");
  link("../outside/big", "link");
  const auto test = copy("always", {{"max-size", "1KiB"}});
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(stdfs::exists(target("small")));
  EXPECT_FALSE(stdfs::exists(target("link")));
}

/// Of a link that is turned round while its file is copied nothing mixed arrives.
TEST_F(FilesFollow, ALinkThatIsTurnedMeanwhileIsASourceThatChanged) {
  write_file(scratch.file("outside/one"), "one");
  write_file(scratch.file("outside/two"), "two");
  link("../outside/one", "link");
  const auto test = copy("always");
  LocalExecution::Options options;
  int turns = 0;
  // The fence is asked between the look at the source and the copy.
  options.on_fence = [&] {
    if (turns++ < 6) {
      stdfs::remove(source("link"));
      link(turns % 2 == 0 ? "../outside/one" : "../outside/two", "link");
    }
    return success();
  };
  LocalExecution& execution = test->start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  const LocalItem* item = execution.item("link");
  ASSERT_NE(item, nullptr);
  if (item->row.status == ItemStatus::completed) {
    EXPECT_THAT(read_all(target("link")), ::testing::AnyOf("one", "two"));
  } else {
    EXPECT_EQ(error_of(execution, "link"), ErrorType::source_changed);
  }
  EXPECT_GT(turns, 0);
}

TEST_F(FilesFollow, AMoveIsRefused) {
  write_file(source("f"), "x");
  const auto kind = make_files_kind();
  for (const Options& options :
       {Options{{"follow-symlinks", "in_tree"}}, Options{{"copy-links", "true"}}}) {
    const auto plan =
        kind->plan_for({"move", {scratch.file("source"), scratch.file("t")}, options});
    ASSERT_FALSE(plan.ok());
    EXPECT_THAT(plan.error().message, HasSubstr("not its to remove"));
  }
  const auto both = kind->plan_for({"copy",
                                    {scratch.file("source"), scratch.file("t")},
                                    {{"follow-symlinks", "never"}, {"copy-links", "true"}}});
  ASSERT_FALSE(both.ok());
  const auto wrong = kind->plan_for(
      {"copy", {scratch.file("source"), scratch.file("t")}, {{"follow-symlinks", "alway"}}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().message, HasSubstr("did you mean always?"));
}

TEST_F(FilesFollow, TheDryRunNamesWhatCannotBeFollowed) {
  write_file(source("f"), "x");
  link("nowhere", "dangling");
  link(".", "loop");
  const auto test = copy("always");
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  const auto rehearsed = execution.rehearse();
  ASSERT_TRUE(rehearsed.ok()) << rehearsed.error().text();
  int refused = 0;
  for (const LocalItem& one : *rehearsed)
    if (one.row.status == ItemStatus::failed) ++refused;
  EXPECT_EQ(refused, 2);
}

#if DUNLIN_CRASH_POINTS

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

TEST(FilesFollowChild, DISABLED_Runs) {
  const std::string directory = variable("DUNLIN_TEST_DIRECTORY");
  CopyTest copy(directory + "/source/", directory + "/target",
                {{"follow-symlinks", variable("DUNLIN_TEST_HOW")}});
  copy.settings.batch_size = 2;
  LocalExecution::Options options;
  options.journal_path = directory + "/journal";
  if (!stdfs::exists(options.journal_path)) {
    ASSERT_TRUE(is_ok(copy.start(options).run_to_end()));
    return;
  }
  const auto taken = copy.take_over_from(options);
  ASSERT_TRUE(is_ok(taken->run_to_end()));
}

/// Killed at each step of a copy of followed links, and resumed: the tree is that of an undisturbed
/// copy.
TEST_F(FilesFollow, KilledAtAnyPointItArrivesAllTheSame) {
  using dunlin::testing::run_self;
  for (const char* how : {"in_tree", "always"}) {
    std::map<std::string, std::string> whole;
    for (const char* point :
         {"", "files.write.after", "files.read_back.after", "files.intents.after",
          "fs.rename_new.after", "files.flush_names.after", "files.directory_times.before"}) {
      const ScratchDirectory place;
      const std::string from = place.file("source");
      write_file(from + "/a/f", "inside");
      write_file(from + "/a/g", "inside too");
      write_file(place.file("outside/h"), "of elsewhere");
      for (const auto& [to, name] : std::map<std::string, std::string>{
               {"a", "in"}, {"a/f", "in file"}, {"../outside", "out"}, {"../outside/h", "hh"}}) {
        stdfs::create_symlink(to, from + "/" + name);
        set_mtime(from + "/" + name, 1'300'000'000);
      }
      for (const std::string& name : {place.file("outside"), from + "/a", from})
        set_mtime(name, 1'200'000'000);
      std::map<std::string, std::string> environment{{"DUNLIN_TEST_DIRECTORY", place.path()},
                                                     {"DUNLIN_TEST_HOW", how}};
      if (*point != '\0') {
        environment["DUNLIN_CRASH_AT"] = std::string(point) + ":1";
        EXPECT_TRUE(
            dunlin::testing::was_killed(run_self("FilesFollowChild.DISABLED_Runs", environment)))
            << point;
        environment.erase("DUNLIN_CRASH_AT");
      }
      EXPECT_EQ(run_self("FilesFollowChild.DISABLED_Runs", environment), 0) << point;
      const auto tree = snapshot(place.file("target"));
      if (*point == '\0') whole = tree;
      EXPECT_EQ(tree, whole) << how << " " << point;
      EXPECT_THAT(own_names(place.file("target")), IsEmpty()) << point;
    }
    EXPECT_EQ(whole.contains("/out/h"), std::string(how) == "always");
    EXPECT_TRUE(whole.contains("/in/f"));
  }
}

#endif

}  // namespace
}  // namespace dunlin::files::testing
