// What happens where an entry stands already: each rule as a table, and what needs both sides read.
#include "files/decide.h"

#include "files/fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;

fs::FileInfo entry(std::int64_t tenths, std::int64_t size = 10,
                   fs::EntryType type = fs::EntryType::file) {
  fs::FileInfo info;
  info.type = type;
  info.size = size;
  info.mtime = {tenths / 10, static_cast<std::uint32_t>(tenths % 10) * 100'000'000};
  return info;
}

Action action(const fs::FileInfo& source, const fs::FileInfo& there, const ConflictRules& rules) {
  return decide(source, there, rules).action;
}

TEST(FilesDecide, OverwriteIfNewerComparesAtTheCoarserGranularity) {
  const ConflictRules fine{Conflict::overwrite_if_newer};
  EXPECT_EQ(action(entry(101), entry(100), fine), Action::overwrite);
  EXPECT_EQ(action(entry(100), entry(100), fine), Action::skip);
  EXPECT_EQ(action(entry(99), entry(100), fine), Action::skip);
  EXPECT_EQ(action(entry(100, 10), entry(100, 11), fine), Action::skip) << "the size says nothing";
  const ConflictRules coarse{Conflict::overwrite_if_newer, false, 2'000'000'000};
  EXPECT_EQ(action(entry(119), entry(100), coarse), Action::skip) << "within the same two seconds";
  EXPECT_EQ(action(entry(120), entry(100), coarse), Action::overwrite);
  EXPECT_THAT(decide(entry(1), entry(2), fine).reason, HasSubstr("not newer"));
  EXPECT_EQ(action(entry(101), entry(100, 0, fs::EntryType::directory), fine), Action::refuse);
}

TEST(FilesDecide, ByContentOnlyWhatHasTheSameSizeIsRead) {
  const ConflictRules rules{Conflict::overwrite_if_different, true};
  EXPECT_EQ(action(entry(100), entry(100), rules), Action::compare) << "times are not believed";
  EXPECT_EQ(action(entry(100), entry(7), rules), Action::compare);
  EXPECT_EQ(action(entry(100, 10), entry(100, 11), rules), Action::overwrite);
  EXPECT_EQ(action(entry(100, 10), entry(100, 10, fs::EntryType::symlink), rules),
            Action::overwrite);
  EXPECT_EQ(
      action(entry(100, 10, fs::EntryType::symlink), entry(100, 10, fs::EntryType::symlink), rules),
      Action::compare);
  EXPECT_EQ(action(entry(1, 0, fs::EntryType::fifo), entry(2, 0, fs::EntryType::fifo), rules),
            Action::skip);
  EXPECT_EQ(action(entry(1), entry(1, 0, fs::EntryType::directory), rules), Action::refuse);
  EXPECT_EQ(decide_by_content(true).action, Action::skip);
  EXPECT_EQ(decide_by_content(false).action, Action::overwrite);
}

TEST(FilesDecide, WhatWasTouchedSinceIsNotTheSameForLookingSo) {
  fs::FileInfo touched = entry(100);
  touched.ctime = {50, 0};
  touched.device = 7;
  const auto since = [](std::int64_t seconds) {
    ChangedSince made;
    made.on_roots = {seconds, 0};
    made.elsewhere = {seconds - 10, 0};
    made.devices = {7};
    return std::make_shared<const ChangedSince>(std::move(made));
  };
  for (const Conflict rule :
       {Conflict::overwrite_if_different, Conflict::keep_both, Conflict::rename, Conflict::ask}) {
    ConflictRules rules{rule};
    rules.changed_since = since(51);
    EXPECT_EQ(action(touched, entry(100), rules), Action::skip);
    rules.changed_since = since(50);
    EXPECT_NE(action(touched, entry(100), rules), Action::skip) << "in the same instant";
    EXPECT_NE(action(entry(100), entry(100), rules), Action::skip) << "no ctime is known";
    rules.changed_since = since(55);
    EXPECT_EQ(action(touched, entry(100), rules), Action::skip);
    touched.device = 8;
    EXPECT_NE(action(touched, entry(100), rules), Action::skip) << "by another clock";
    touched.device = 7;
  }
  ConflictRules content{Conflict::overwrite_if_different, true};
  content.changed_since = since(1);
  EXPECT_EQ(action(touched, entry(100), content), Action::overwrite) << "its mode may be another";
  content.changed_since = since(51);
  EXPECT_EQ(action(touched, entry(100), content), Action::compare);
  ConflictRules rules{Conflict::skip};
  rules.changed_since = since(1);
  EXPECT_EQ(action(touched, entry(100), rules), Action::skip) << "never replaced";
}

TEST(FilesDecide, AskAsksOnlyAboutWhatDiffersAndTakesAnAnswer) {
  ConflictRules rules{Conflict::ask};
  EXPECT_EQ(action(entry(100), entry(100), rules), Action::skip);
  EXPECT_EQ(action(entry(100), entry(99), rules), Action::refuse);
  EXPECT_EQ(decide(entry(100), std::nullopt, rules).action, Action::create);
  rules.answered = true;
  EXPECT_EQ(action(entry(100), entry(99), rules), Action::overwrite);
  EXPECT_EQ(action(entry(100), entry(99, 0, fs::EntryType::directory), rules), Action::refuse);
}

class FilesChecksum : public ::testing::Test {
 protected:
  /// Copies source/ over target/ with --checksum; the item's outcome.
  ItemStatus outcome(const std::string& name) {
    CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"checksum", "true"}});
    LocalExecution& execution = copy.start();
    EXPECT_TRUE(is_ok(execution.enumerate()));
    const auto rehearsed = execution.rehearse();
    EXPECT_TRUE(rehearsed.ok());
    EXPECT_TRUE(is_ok(execution.execute()));
    const LocalItem* item = execution.item(name);
    message = item->row.message;
    for (const LocalItem& one : *rehearsed)
      if (one.row.id == item->row.id) planned = one.row.action;
    return item->row.status;
  }
  const ScratchDirectory scratch;
  std::string message;
  std::string planned;
};

TEST_F(FilesChecksum, OtherContentOfTheSameSizeAndTimeIsFound) {
  write_file(scratch.file("source/f"), std::string(3 << 20, 'a') + "1");
  write_file(scratch.file("target/f"), std::string(3 << 20, 'a') + "2");
  EXPECT_EQ(outcome("f"), ItemStatus::completed);
  EXPECT_EQ(planned, "overwritten");
  EXPECT_EQ(read_all(scratch.file("target/f")).back(), '1');
}

TEST_F(FilesChecksum, TheSameContentWithAnotherTimeIsLeft) {
  write_file(scratch.file("source/f"), "same", 1'500'000'000);
  write_file(scratch.file("target/f"), "same", 1'600'000'000);
  EXPECT_EQ(outcome("f"), ItemStatus::skipped);
  EXPECT_EQ(planned, "skipped");
  EXPECT_EQ(message, "unchanged: same type, size and content");
}

TEST_F(FilesChecksum, SymlinksAreComparedByTheirTarget) {
  for (const char* root : {"source", "target"}) {
    stdfs::create_directory(scratch.file(root));
    stdfs::create_symlink("same", scratch.file(root + std::string("/one")));
  }
  stdfs::create_symlink("abc", scratch.file("source/two"));
  stdfs::create_symlink("xyz", scratch.file("target/two"));
  EXPECT_EQ(outcome("one"), ItemStatus::skipped);
  EXPECT_EQ(stdfs::read_symlink(scratch.file("target/two")), "abc");
}

TEST_F(FilesChecksum, ASetOfHardLinksWhoseFirstNameIsLeftStaysASet) {
  write_file(scratch.file("source/a"), "same", 1'500'000'000);
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  CopyTest first(scratch.file("source/"), scratch.file("target"));
  LocalExecution& before = first.start();
  ASSERT_TRUE(is_ok(before.run_to_end()));
  const bool a_is_first = before.item("a", "batch_file_operation") != nullptr;
  set_mtime(scratch.file("source/a"), 1'550'000'000);
  stdfs::remove(scratch.file(a_is_first ? "target/b" : "target/a"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"checksum", "true"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.count(ItemStatus::skipped, "batch_file_operation"), 1);
  EXPECT_EQ(execution.count(ItemStatus::completed, "link_set"), 1);
  EXPECT_EQ(stdfs::hard_link_count(scratch.file("target/a")), 2U);
}

TEST_F(FilesChecksum, GoesWithNoOtherRule) {
  write_file(scratch.file("source/f"), "x");
  const auto kind = make_files_kind();
  const auto plan = kind->plan_for({"copy",
                                    {scratch.file("source/"), scratch.file("target")},
                                    {{"checksum", "true"}, {"conflict", "skip"}}});
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message, HasSubstr("overwrite_if_different only"));
}

}  // namespace
}  // namespace dunlin::files::testing
