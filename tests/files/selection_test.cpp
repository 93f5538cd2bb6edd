// What of the source is taken: each rule, their order, hard links, resumption, and what is said.
#include "files/selection.h"

#include <sys/mount.h>

#include "files/enumerate.h"
#include "files/fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Options = std::map<std::string, std::string>;

std::string joined(std::initializer_list<std::string> values) {
  std::string all;
  for (const std::string& value : values) all += (all.empty() ? "" : std::string(1, '\0')) + value;
  return all;
}

/// Relative paths of everything below `root`, directories with a slash.
std::vector<std::string> names_below(const std::string& root) {
  std::vector<std::string> names;
  for (const auto& entry : stdfs::recursive_directory_iterator(root)) {
    const bool directory = entry.is_directory() && !entry.is_symlink();
    names.push_back(entry.path().native().substr(root.size() + 1) + (directory ? "/" : ""));
  }
  return names;
}

std::string left_out_of(const LocalExecution& execution) {
  for (const auto& task : execution.ledger().tasks)
    if (task.task_type == kSelection) return task.description;
  return "";
}

class FilesSelection : public ::testing::Test {
 protected:
  /// Copies source/ with these options; what stands at the target then.
  std::vector<std::string> taken(const Options& options) {
    stdfs::remove_all(scratch.file("target"));
    CopyTest copy(scratch.file("source/"), scratch.file("target"), options);
    LocalExecution& execution = copy.start();
    EXPECT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    said = left_out_of(execution);
    return names_below(scratch.file("target"));
  }
  void file(const std::string& name, const std::string& content = "x",
            std::int64_t mtime = 1'500'000'000) {
    write_file(scratch.file("source/" + name), content, mtime);
  }
  std::string refusal(const Options& options) {
    const auto kind = make_files_kind();
    const auto plan =
        kind->plan_for({"copy", {scratch.file("source/"), scratch.file("target")}, options});
    return plan.ok() ? "accepted" : plan.error().message;
  }

  const ScratchDirectory scratch;
  std::string said;
};

TEST_F(FilesSelection, WhatIsExcludedIsNotEnteredAndNotMade) {
  file("keep.c");
  file("build/out.o");
  file("build/keep.c");
  file("src/a.o");
  file("src/a.c");
  EXPECT_THAT(taken({{"exclude", joined({"*.o", "/build/"})}}),
              UnorderedElementsAre("keep.c", "src/", "src/a.c"));
  EXPECT_EQ(said, "2 entries by --exclude") << "a directory counts once, with all it holds";
}

TEST_F(FilesSelection, TheLastPatternThatMatchesDecidesAndABangTakesBack) {
  file("a.o");
  file("keep.o");
  file("deep/keep.o");
  EXPECT_THAT(taken({{"exclude", joined({"*.o", "!keep.o"})}}),
              UnorderedElementsAre("keep.o", "deep/", "deep/keep.o"));
  EXPECT_THAT(taken({{"exclude", joined({"!keep.o", "*.o"})}}), UnorderedElementsAre("deep/"));
  EXPECT_THAT(taken({{"exclude", joined({"deep", "!keep.o"})}}),
              UnorderedElementsAre("a.o", "keep.o"))
      << "as in git: what lies in an excluded directory cannot be taken back";
}

TEST_F(FilesSelection, IncludeTakesOnlyWhatMatchesAndDirectoriesWithAllTheyHold) {
  file("a.jpg");
  file("notes.txt");
  file("albums/list.txt");
  file("albums/2023/b.png");
  file("other/c.jpg");
  file("other/d.txt");
  EXPECT_THAT(taken({{"include", joined({"*.jpg", "/albums/"})}}),
              UnorderedElementsAre("a.jpg", "albums/", "albums/list.txt", "albums/2023/",
                                   "albums/2023/b.png", "other/", "other/c.jpg"));
  EXPECT_EQ(said, "2 entries by --include");
}

TEST_F(FilesSelection, ADirectoryWhereAnIncludedNameMightBeIsMadeAlsoWhenThereIsNone) {
  file("a.jpg");
  file("texts/d.txt");
  stdfs::create_directories(scratch.file("source/empty"));
  EXPECT_THAT(taken({{"include", "*.jpg"}}), UnorderedElementsAre("a.jpg", "texts/", "empty/"));
  EXPECT_THAT(taken({{"include", "/photos/*.jpg"}}), IsEmpty())
      << "but not where no pattern could match";
}

TEST_F(FilesSelection, AnExclusionWinsOverAnInclusionInWhateverOrder) {
  file("a.jpg");
  file("cache/b.jpg");
  EXPECT_THAT(taken({{"include", "*.jpg"}, {"exclude", "cache/"}}), UnorderedElementsAre("a.jpg"));
  EXPECT_THAT(taken({{"include", joined({"/cache/", "a.jpg"})}, {"exclude", "*.jpg"}}),
              UnorderedElementsAre("cache/"));
}

TEST_F(FilesSelection, PatternsAreBytes) {
  file("caf\xe9");
  file("caf\xe8");
  EXPECT_THAT(taken({{"exclude", "caf\xe9"}}), UnorderedElementsAre("caf\xe8"));
}

TEST_F(FilesSelection, SizesAreOfFilesAlone) {
  file("small", "x");
  file("medium", std::string(1000, 'm'));
  file("large", std::string(3000, 'l'));
  stdfs::create_symlink("small", scratch.file("source/link"));
  stdfs::create_directory(scratch.file("source/directory"));
  EXPECT_THAT(taken({{"min-size", "1kB"}, {"max-size", "2KiB"}}),
              UnorderedElementsAre("medium", "link", "directory/"));
  EXPECT_EQ(said, "1 entry by --min-size, 1 entry by --max-size");
  EXPECT_THAT(refusal({{"min-size", "2K"}, {"max-size", "1K"}}), HasSubstr("below min_file_size"));
  EXPECT_THAT(refusal({{"min-size", "big"}}), HasSubstr("/source/min_file_size: "));
}

TEST_F(FilesSelection, ModifiedSinceTakesATimeOrADuration) {
  const std::int64_t now = std::time(nullptr);
  file("old", "x", 1'500'000'000);
  file("exact", "x", 1'600'000'000);
  set_mtime(scratch.file("source/exact"), 1'600'000'000, 0);
  file("yesterday/new", "x", now - 86'000);
  set_mtime(scratch.file("source/yesterday"), 1'400'000'000);
  EXPECT_THAT(taken({{"modified-since", "2020-09-13T12:26:40Z"}}),
              UnorderedElementsAre("exact", "yesterday/", "yesterday/new"));
  EXPECT_THAT(taken({{"modified-since", "2020-09-13T14:26:40.001+02:00"}}),
              UnorderedElementsAre("yesterday/", "yesterday/new"));
  EXPECT_THAT(taken({{"modified-since", "1d"}}),
              UnorderedElementsAre("yesterday/", "yesterday/new"));
  EXPECT_THAT(taken({{"modified-since", "1h"}}), UnorderedElementsAre("yesterday/"));
  EXPECT_THAT(refusal({{"modified-since", "yesterday"}}), HasSubstr("neither a time"));
}

TEST_F(FilesSelection, TypesByExtension) {
  EXPECT_EQ(group_of("A.JPG"), FileGroup::image);
  EXPECT_EQ(group_of("a.tar.gz"), FileGroup::archive);
  EXPECT_EQ(group_of(".jpg"), FileGroup::other) << "a hidden file without extension";
  EXPECT_EQ(group_of("README"), FileGroup::other);
  for (const char* name : {"a.jpg", "b.mkv", "c.flac", "d.pdf", "e.zip", "f.cpp", "g.bin"})
    file(name);
  EXPECT_THAT(taken({{"file-types", "image,audio"}}), UnorderedElementsAre("a.jpg", "c.flac"));
  EXPECT_THAT(taken({{"file-types", "video,document,archive,code,other"}}),
              UnorderedElementsAre("b.mkv", "d.pdf", "e.zip", "f.cpp", "g.bin"));
  EXPECT_THAT(refusal({{"file-types", "image,vidoe"}}), HasSubstr("did you mean video?"));
}

TEST_F(FilesSelection, FilesFromTakesTheseAndTheDirectoriesOnTheWay) {
  file("a");
  file("b");
  file("d/e/f");
  file("d/e/g");
  file("d.x/h");
  file("whole/i/j");
  file("bare/k");
  write_file(scratch.file("list"), "a\n./d//e/f\n\nwhole/\nbare\n/d.x/h\n");
  EXPECT_THAT(taken({{"files-from", scratch.file("list")}}),
              UnorderedElementsAre("a", "d/", "d/e/", "d/e/f", "d.x/", "d.x/h", "whole/",
                                   "whole/i/", "whole/i/j", "bare/"));
  write_file(scratch.file("null"), std::string("a\0new\nline\0", 11));
  file("new\nline");
  EXPECT_THAT(taken({{"files-from", scratch.file("null")}, {"from0", "true"}}),
              UnorderedElementsAre("a", "new\nline"));
  EXPECT_THAT(refusal({{"files-from", scratch.file("null")}}), HasSubstr("holds NUL bytes"));
  EXPECT_THAT(refusal({{"from0", "true"}}), HasSubstr("give both"));
  write_file(scratch.file("out"), "a/../../b\n");
  EXPECT_THAT(refusal({{"files-from", scratch.file("out")}}), HasSubstr("leads out of the source"));
  write_file(scratch.file("large"), std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(refusal({{"files-from", scratch.file("large")}}), HasSubstr("--files-from: "));
  write_file(scratch.file("none"), "\n\n");
  EXPECT_THAT(refusal({{"files-from", scratch.file("none")}}), HasSubstr("is empty"));
}

TEST_F(FilesSelection, AListedNameThatIsNotThereFailsByItself) {
  file("a");
  file("d/b");
  write_file(scratch.file("list"), "a\nd/absent\nno/such/file\n");
  CopyTest copy(scratch.file("source/"), scratch.file("target"),
                {{"files-from", scratch.file("list")}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "d/absent"), ErrorType::source_vanished);
  EXPECT_EQ(error_of(execution, "no"), ErrorType::source_vanished);
  EXPECT_THAT(names_below(scratch.file("target")), UnorderedElementsAre("a", "d/"));
}

TEST_F(FilesSelection, AnEmptyResultIsSaidWithTheRule) {
  file("a.txt");
  file("b.txt");
  EXPECT_THAT(taken({{"include", "*.jpg"}}), IsEmpty());
  EXPECT_EQ(said, "nothing matched, all was left out, 2 entries by --include");
  CopyTest single(scratch.file("source/a.txt"), scratch.file("target2"), {{"exclude", "*.txt"}});
  LocalExecution& execution = single.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(left_out_of(execution), "nothing matched, all was left out, 1 entry by --exclude");
  EXPECT_FALSE(stdfs::exists(scratch.file("target2")) &&
               stdfs::is_regular_file(scratch.file("target2")));
}

TEST_F(FilesSelection, OfASetOfHardLinksTheFirstNameThatIsTakenIsCopied) {
  for (int n = 0; n < 20; ++n) {
    const std::string first = "source/d" + std::to_string(n) + "/first.skip";
    file("d" + std::to_string(n) + "/first.skip", "of several names");
    for (const char* name : {"/a.keep", "/b.keep", "/z.skip"})
      stdfs::create_hard_link(scratch.file(first),
                              scratch.file("source/d" + std::to_string(n) + name));
  }
  taken({{"exclude", "*.skip"}});
  for (int n = 0; n < 20; ++n) {
    const std::string at = scratch.file("target/d" + std::to_string(n));
    struct stat a{};
    struct stat b{};
    ASSERT_EQ(::stat((at + "/a.keep").c_str(), &a), 0);
    ASSERT_EQ(::stat((at + "/b.keep").c_str(), &b), 0);
    EXPECT_EQ(a.st_ino, b.st_ino);
    EXPECT_EQ(a.st_nlink, 2U);
  }
}

TEST_F(FilesSelection, AnEnumerationThatWasInterruptedAnywhereGivesTheSameSet) {
  const std::int64_t now = std::time(nullptr);
  for (int n = 0; n < 60; ++n) {
    const std::string name = "d" + std::to_string(n % 4) + "/f" + std::to_string(n);
    file(name + (n % 3 == 0 ? ".skip" : ".take"), "x", n % 5 == 0 ? now - 10'000 : now - 60);
  }
  const Options options{{"exclude", "*.skip"}, {"modified-since", "1h"}};
  const auto expected = taken(options);
  const std::string words = said;
  EXPECT_THAT(words, HasSubstr("20 entries by --exclude"));
  EXPECT_THAT(words, HasSubstr("8 entries by --modified-since"));
  // Ends the n-th commit of the enumeration with an error, as a kill between two would.
  for (int end = 1; end < 14; ++end) {
    SCOPED_TRACE("commit " + std::to_string(end));
    stdfs::remove_all(scratch.file("target"));
    CopyTest copy(scratch.file("source/"), scratch.file("target"), options);
    copy.settings.batch_size = 3;
    int commits = 0;
    LocalExecution::Options hooks;
    hooks.on_commit = [&] {
      return ++commits == end ? Status(Error(ErrorType::interrupted, "killed")) : success();
    };
    LocalExecution& execution = copy.start(hooks);
    static_cast<void>(execution.enumerate());
    LocalExecution& resumed = copy.take_over();
    ASSERT_TRUE(is_ok(resumed.run_to_end()));
    EXPECT_TRUE(all_ended(resumed));
    EXPECT_THAT(names_below(scratch.file("target")),
                ::testing::UnorderedElementsAreArray(expected));
    EXPECT_EQ(left_out_of(resumed), words);
  }
}

TEST_F(FilesSelection, ADurationCountsFromTheBeginAlsoAfterAResume) {
  Json source = *parse_json(R"({"modified_since": "1h"})");
  std::vector<std::string> problems;
  Selection selection;
  selection.decode(source, problems);
  EXPECT_THAT(problems, IsEmpty());
  const auto first = selection.modified_since(10'000'000'123);
  EXPECT_EQ(*first, (fs::Time{10'000'000 - 3600, 123'000'000}));
  selection.freeze(*first);
  EXPECT_EQ(selection.modified_since(99'000'000'000), first);
}

TEST_F(FilesSelection, ProblemsAreNamedWithTheirPlace) {
  const Json document = *parse_json(R"({"kind":"files","source":{"paths":["/a"],
    "include_patterns":["ok","[a"],"exclude_patterns":"*.o","min_file_size":-1,
    "one_file_system":"yes","file_types":["image",7],"files_from":["../x"]},
    "destination":{"base_path":"/b"}})");
  const auto problems = make_files_kind()->check(document);
  EXPECT_THAT(problems, Contains(HasSubstr("/source/include_patterns/1: the pattern '[a'")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/exclude_patterns: must be a list")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/min_file_size: ")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/one_file_system: must be true or false")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/file_types/1: must be text")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/files_from: ")));
}

class FilesSelectionNeedsRoot : public FilesSelection {};

TEST_F(FilesSelectionNeedsRoot, OneFileSystemLeavesWhatIsMountedInside) {
  file("here");
  stdfs::create_directories(scratch.file("source/disk"));
  ASSERT_EQ(::mount("none", scratch.file("source/disk").c_str(), "tmpfs", 0, "size=1M"), 0);
  file("disk/inside/f");
  const auto alone = taken({{"one-file-system", "true"}});
  const std::string words = said;
  const auto all = taken({});
  EXPECT_EQ(::umount2(scratch.file("source/disk").c_str(), MNT_DETACH), 0);
  EXPECT_THAT(alone, UnorderedElementsAre("here", "disk/"));
  EXPECT_EQ(words, "what is mounted on 1 directory by --one-file-system");
  EXPECT_THAT(all, UnorderedElementsAre("here", "disk/", "disk/inside/", "disk/inside/f"));
  EXPECT_EQ(said, "");
}

TEST_F(FilesSelectionNeedsRoot, OneFileSystemMayBeCopiedToADiskMountedInsideOfIt) {
  file("here");
  stdfs::create_directories(scratch.file("source/disk"));
  ASSERT_EQ(::mount("none", scratch.file("source/disk").c_str(), "tmpfs", 0, "size=1M"), 0);
  const auto problems = [&](const std::string& to, const Options& options) {
    CopyTest copy(scratch.file("source/"), scratch.file(to), options);
    LocalExecution& execution = copy.start();
    return copy.run().preflight(execution.context()).value().size();
  };
  const std::size_t refused = problems("source/disk/copy", {});
  const std::size_t same_disk = problems("source/copy", {{"one-file-system", "true"}});
  CopyTest copy(scratch.file("source/"), scratch.file("source/disk/copy"),
                {{"one-file-system", "true"}});
  LocalExecution& execution = copy.start();
  const auto accepted = copy.run().preflight(execution.context());
  EXPECT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  const auto names = names_below(scratch.file("source/disk/copy"));
  EXPECT_EQ(::umount2(scratch.file("source/disk").c_str(), MNT_DETACH), 0);
  EXPECT_EQ(refused, 1U);
  EXPECT_EQ(same_disk, 1U);
  EXPECT_THAT(accepted.value(), IsEmpty());
  EXPECT_THAT(names, UnorderedElementsAre("here", "disk/"));
}

}  // namespace
}  // namespace dunlin::files::testing
