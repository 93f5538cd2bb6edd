// Each way to treat what stands at the destination already (files.md F-3), over every pair of
// types, as a user meets it: what is there afterwards, what is said, and that a rollback gives the
// start back.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <set>

#include "base/file_io.h"
#include "e2e/world.h"
#include "support/tree_compare.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

/// What stands at each name of a tree: "file: content", "link: target", "directory".
using Tree = std::map<std::string, std::string>;

class Conflicts : public World {
 protected:
  static constexpr time_t kOld = 1'000'000'000;
  static constexpr time_t kNew = 1'500'000'000;

  void SetUp() override {
    pair("same", "equal", kOld, "equal", kOld);
    pair("newer", "the newer one", kNew, "old", kOld);
    pair("older", "the older one", kOld, "new", kNew);
    file("src/alone", "only here", kOld);
    file("dst/kept", "only there", kOld);
    file("src/file_on_directory", "a file", kNew);
    file("dst/file_on_directory/inner", "in it", kOld);
    file("src/file_on_link", "a file", kNew);
    link("dst/file_on_link", "kept");
    link("src/link_on_file", "alone");
    file("dst/link_on_file", "a file", kOld);
    link("src/link_on_directory", "alone");
    file("dst/link_on_directory/inner", "in it", kOld);
    file("src/directory_on_file/inner", "newly in it", kNew);
    file("dst/directory_on_file", "a file", kOld);
    file("src/directory_on_link/inner", "newly in it", kNew);
    link("dst/directory_on_link", "file_on_directory");
    start_ = tree();
    fs::create_directory(path("before"));
    ASSERT_EQ(
        testing::run_process({{"/bin/cp", "-a", path("dst"), path("before")}, {}, "", 0}).code, 0);
  }

  void file(const std::string& name, const std::string& content, time_t mtime) const {
    write(name, content);
    const timespec times[] = {{mtime, 0}, {mtime, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
  }
  void pair(const std::string& name, const std::string& ours, time_t our_time,
            const std::string& theirs, time_t their_time) const {
    file("src/" + name, ours, our_time);
    file("dst/" + name, theirs, their_time);
  }
  void link(const std::string& name, const std::string& target) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    ASSERT_EQ(::symlink(target.c_str(), path(name).c_str()), 0);
    const timespec times[] = {{kOld, 0}, {kOld, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  [[nodiscard]] Tree tree() const {
    Tree found;
    for (const auto& entry : fs::recursive_directory_iterator(path("dst"))) {
      const std::string name =
          fs::relative(entry.path().parent_path(), path("dst")) / entry.path().filename();
      const std::string plain = name.starts_with("./") ? name.substr(2) : name;
      if (plain.starts_with(".dunlin")) continue;
      if (entry.is_symlink())
        found[plain] = "link: " + fs::read_symlink(entry.path()).string();
      else if (entry.is_directory())
        found[plain] = "directory";
      else
        found[plain] = "file: " + *read_file(entry.path());
    }
    return found;
  }

  /// Copies, and expects what stood there at first with these changes; an empty one: it is gone.
  Finished expect_after(const std::string& policy, int code, const Tree& changes) {
    Finished done = run({"copy", path("src") + "/", path("dst"), "--conflict", policy});
    EXPECT_EQ(done.code, code) << done.out << done.err;
    Tree expected = start_;
    for (const auto& [name, what] : changes) {
      expected[name] = what;
      if (what.empty()) expected.erase(name);
    }
    EXPECT_EQ(tree(), expected) << done.out;
    return done;
  }
  /// Of every strategy: a directory takes the place of nothing, and what goes into it waits for it.
  void expect_failures(std::vector<std::string> more = {}) const {
    for (const char* name : {"directory_on_file", "directory_on_file/inner", "directory_on_link",
                             "directory_on_link/inner"})
      more.emplace_back(name);
    std::set<std::string> names;  // a directory is made, and is given its times
    for (const Json& item : json({"items", "last", "--status", "failed", "--limit", "0"}))
      names.insert(item["path"]);
    EXPECT_THAT(names, UnorderedElementsAreArray(more));
  }
  /// `code`: 1 where something had failed, which stays counted.
  void expect_rollback_gives_the_start(int code = 1) {
    const Finished back = run({"rollback", "last", "--yes"});
    EXPECT_EQ(back.code, code) << back.out << back.err;
    EXPECT_EQ(tree(), start_);
    EXPECT_THAT(testing::tree_differences(path("before/dst"), path("dst")), IsEmpty());
    EXPECT_TRUE(leftovers("dst").empty());
  }

  Tree start_;
};

TEST_F(Conflicts, SkipLeavesWhatStandsThere) {
  expect_after("skip", 1, {{"alone", "file: only here"}});
  expect_failures();
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, OverwriteTakesItsPlaceAndNeverADirectorys) {
  expect_after("overwrite", 1,
               {{"alone", "file: only here"},
                {"newer", "file: the newer one"},
                {"older", "file: the older one"},
                {"file_on_link", "file: a file"},
                {"link_on_file", "link: alone"}});
  expect_failures({"file_on_directory", "link_on_directory"});
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, OverwriteIfNewerLooksAtTheTimesAlone) {
  expect_after("overwrite_if_newer", 1,
               {{"alone", "file: only here"},
                {"newer", "file: the newer one"},
                {"file_on_link", "file: a file"}});
  expect_failures();
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, OverwriteIfDifferentLeavesWhatIsTheSame) {
  const Finished done = expect_after("overwrite_if_different", 1,
                                     {{"alone", "file: only here"},
                                      {"newer", "file: the newer one"},
                                      {"older", "file: the older one"},
                                      {"file_on_link", "file: a file"},
                                      {"link_on_file", "link: alone"}});
  EXPECT_THAT(done.out, HasSubstr("unchanged"));
  expect_failures({"file_on_directory", "link_on_directory"});
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, RenameSetsAsideWhatStandsThere) {
  expect_after("rename", 1,
               {{"alone", "file: only here"},
                {"newer", "file: the newer one"},
                {"newer (2)", "file: old"},
                {"older", "file: the older one"},
                {"older (2)", "file: new"},
                {"file_on_link", "file: a file"},
                {"file_on_link (2)", "link: kept"},
                {"link_on_file", "link: alone"},
                {"link_on_file (2)", "file: a file"},
                {"file_on_directory", "file: a file"},
                {"file_on_directory/inner", ""},
                {"file_on_directory (2)", "directory"},
                {"file_on_directory (2)/inner", "file: in it"},
                {"link_on_directory", "link: alone"},
                {"link_on_directory/inner", ""},
                {"link_on_directory (2)", "directory"},
                {"link_on_directory (2)/inner", "file: in it"}});
  expect_failures();
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, KeepBothPutsTheNewOneBesideIt) {
  expect_after("keep_both", 1,
               {{"alone", "file: only here"},
                {"newer (2)", "file: the newer one"},
                {"older (2)", "file: the older one"},
                {"file_on_link (2)", "file: a file"},
                {"link_on_file (2)", "link: alone"},
                {"file_on_directory (2)", "file: a file"},
                {"link_on_directory (2)", "link: alone"}});
  expect_failures();
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, FailSaysSoOfEachAndCopiesTheOthers) {
  expect_after("fail", 1, {{"alone", "file: only here"}});
  expect_failures({"file_on_directory", "file_on_link", "link_on_directory", "link_on_file",
                   "newer", "older", "same"});
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("destination_exists"));
  expect_rollback_gives_the_start();
}

TEST_F(Conflicts, AskLeavesEachToAPersonWhoseAnswersAreTakenBackToo) {
  expect_after("ask", 1, {{"alone", "file: only here"}});
  expect_failures(
      {"file_on_directory", "file_on_link", "link_on_directory", "link_on_file", "newer", "older"});
  for (const Json& item : json({"items", "last", "--status", "failed", "--limit", "0"})) {
    const std::string id = std::to_string(item["item_id"].get<std::int64_t>());
    if (item["path"] == "newer" || item["path"] == "link_on_file" || item["path"] == "file_on_link")
      EXPECT_THAT(run({"retry", "last", "--item", id}).code, ::testing::AnyOf(0, 1));
    else
      EXPECT_EQ(run({"skip", "last", "--item", id}).code, 0);
  }
  Tree expected = start_;
  expected["alone"] = "file: only here";
  expected["newer"] = "file: the newer one";
  expected["link_on_file"] = "link: alone";
  expected["file_on_link"] = "file: a file";
  EXPECT_EQ(tree(), expected);
  expect_rollback_gives_the_start(0);
}

}  // namespace
}  // namespace dunlin::e2e
