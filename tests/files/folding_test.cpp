// A destination that folds case, knows neither owners nor modes nor links, has a coarse clock and
// cannot hold every name: exFAT, by its daemon for FUSE, since not every kernel has a driver for
// it or for FAT.
#include <set>

#include "files/fixture.h"
#include "support/process.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::run_process;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FoldingDiskNeedsRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(scratch.file("image")).close();
    stdfs::resize_file(scratch.file("image"), 64 << 20);
    stdfs::create_directory(scratch.file("disk"));
    tool({"/usr/sbin/mkfs.exfat", scratch.file("image")});
    device_ = tool({"/sbin/losetup", "--find", "--show", scratch.file("image")});
    while (device_.ends_with('\n')) device_.pop_back();
    mount();
  }
  void TearDown() override {
    unmount();
    if (!device_.empty()) tool({"/sbin/losetup", "--detach", device_});
  }
  void mount() {
    tool({"/usr/sbin/mount.exfat-fuse", device_, scratch.file("disk")});
    mounted_ = true;
  }
  void unmount() {
    if (mounted_) tool({"/bin/umount", scratch.file("disk")});
    mounted_ = false;
  }
  static std::string tool(const std::vector<std::string>& words) {
    const auto done = run_process({words, {}, "", 0});
    EXPECT_EQ(done.code, 0) << words.front() << ": " << done.err;
    return done.out;
  }
  void file(const std::string& name, const std::string& content,
            std::int64_t mtime = 1'500'000'001) {
    write_file(scratch.file("source/" + name), content, mtime);
  }
  [[nodiscard]] std::string target(const std::string& name = "") const {
    return scratch.file("disk/target" + (name.empty() ? "" : "/" + name));
  }
  const ScratchDirectory scratch;

 private:
  std::string device_;
  bool mounted_ = false;
};

TEST_F(FoldingDiskNeedsRoot, NamesThatFoldIntoOneNeverReplaceEachOther) {
  for (const bool one_batch : {true, false}) {
    SCOPED_TRACE(one_batch ? "in one batch" : "in batches of their own");
    const std::string pair = one_batch ? "one" : "each";
    for (int n = 0; n < 20; ++n) {
      const std::string at = pair + "/" + std::to_string(n);
      file(at + "/A.txt", "the capital one");
      file(at + "/a.txt", "the small one");
      file(at + "/same size", "one");
      file(at + "/Same Size", "two");
    }
    CopyTest copy(scratch.file("source/" + pair + "/"), scratch.file("disk/" + pair));
    if (!one_batch) copy.settings.batch_size = 1;
    LocalExecution::Options options;
    options.threads = 4;
    LocalExecution& execution = copy.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    for (int n = 0; n < 20; ++n) {
      const std::string at = std::to_string(n);
      for (const auto& [one, other] :
           {std::pair{"/A.txt", "/a.txt"}, {"/same size", "/Same Size"}}) {
        const LocalItem* first = execution.item(at + one, "batch_file_operation");
        const LocalItem* second = execution.item(at + other, "batch_file_operation");
        if (first->row.status != ItemStatus::completed) std::swap(first, second);
        EXPECT_EQ(first->row.status, ItemStatus::completed);
        EXPECT_EQ(second->row.status, ItemStatus::failed) << second->row.message;
        ASSERT_TRUE(second->error.has_value());
        EXPECT_EQ(second->error->type, ErrorType::name_clash) << second->error->text();
        EXPECT_THAT(second->error->remedy("7"), HasSubstr("dunlin retry 7"));
        const std::string name = at + "/" + first->row.name;
        EXPECT_EQ(read_all(scratch.file("disk/" + pair + "/" + name)),
                  read_all(scratch.file("source/" + pair + "/" + name)));
      }
    }
    EXPECT_THAT(own_names(scratch.file("disk/" + pair)), IsEmpty());
    ASSERT_TRUE(is_ok(execution.verify()));
    EXPECT_EQ(execution.differences(), 0);
  }
}

TEST_F(FoldingDiskNeedsRoot, WhatAnEarlierCopyPutThereUnderAnotherNameIsNotReplaced) {
  file("a.txt", "the small one");
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("source/"), target()).start().run_to_end()));
  stdfs::rename(scratch.file("source/a.txt"), scratch.file("source/A.TXT"));
  for (const char* policy : {"overwrite", "overwrite_if_different", "overwrite_if_newer", "skip"}) {
    CopyTest copy(scratch.file("source/"), target(), {{"conflict", policy}});
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_EQ(error_of(execution, "A.TXT"), ErrorType::name_clash) << policy;
  }
  EXPECT_EQ(read_all(target("a.txt")), "the small one");
}

TEST_F(FoldingDiskNeedsRoot, WithKeepBothNamesThatFoldStandBesideEachOther) {
  file("a.txt", "small");
  file("A.txt", "large one");
  CopyTest copy(scratch.file("source/"), target(), {{"conflict", "keep_both"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  std::set<std::string> contents;
  std::set<std::string> names;
  for (const auto& entry : stdfs::directory_iterator(target())) {
    contents.insert(read_all(entry.path()));
    names.insert(entry.path().filename());
  }
  EXPECT_EQ(contents, (std::set<std::string>{"small", "large one"}));
  EXPECT_THAT(names, AnyOf(std::set<std::string>{"a.txt", "A (2).txt"},
                           std::set<std::string>{"A.txt", "a (2).txt"}));
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  CopyTest again(scratch.file("source/"), target(), {{"conflict", "keep_both"}});
  ASSERT_TRUE(is_ok(again.start().run_to_end()));
  EXPECT_EQ(std::distance(stdfs::directory_iterator(target()), stdfs::directory_iterator()), 2);
}

TEST_F(FoldingDiskNeedsRoot, DirectoriesThatFoldIntoOneAreNotMixed) {
  file("Photos/capital", "1");
  file("photos/small", "2");
  CopyTest copy(scratch.file("source/"), target());
  copy.settings.batch_size = 1;
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  const auto made = [&](const char* name) {
    return execution.item(name, "create_directory")->row.status == ItemStatus::completed;
  };
  ASSERT_NE(made("Photos"), made("photos"));
  const bool capital = made("Photos");
  EXPECT_EQ(error_of(execution, capital ? "photos" : "Photos", "create_directory"),
            ErrorType::name_clash);
  EXPECT_EQ(error_of(execution, capital ? "photos/small" : "Photos/capital"),
            ErrorType::name_clash);
  EXPECT_EQ(execution.item(capital ? "Photos/capital" : "photos/small")->row.status,
            ItemStatus::completed);
  std::vector<std::string> names;
  for (const auto& entry : stdfs::recursive_directory_iterator(target()))
    names.push_back(entry.path().native().substr(target().size()));
  EXPECT_THAT(names,
              ::testing::UnorderedElementsAre(capital ? "/Photos" : "/photos",
                                              capital ? "/Photos/capital" : "/photos/small"));
}

TEST_F(FoldingDiskNeedsRoot, WhatItCannotKeepIsALossAndNoFailure) {
  file("f", "content");
  ASSERT_EQ(::chmod(scratch.file("source/f").c_str(), 0640), 0);
  ASSERT_EQ(::chown(scratch.file("source/f").c_str(), 4321, 1234), 0);
  ASSERT_EQ(::setxattr(scratch.file("source/f").c_str(), "user.note", "x", 1, 0), 0);
  set_mtime(scratch.file("source/f"), 1'500'000'001, 123'456'789);
  file("linked", "of two names");
  stdfs::create_hard_link(scratch.file("source/linked"), scratch.file("source/linked again"));
  file("directory/inner", "x");
  ASSERT_EQ(::chmod(scratch.file("source/directory").c_str(), 0710), 0);
  ASSERT_EQ(::chown(scratch.file("source/directory").c_str(), 4321, 1234), 0);
  CopyTest copy(scratch.file("source/"), target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(target("f")), "content");
  for (const char* lost : {"owner not preserved", "mode not preserved", "user.note not preserved"})
    EXPECT_THAT(execution.item("f")->row.message, HasSubstr(lost));
  EXPECT_EQ(read_all(target("linked again")), "of two names");
  EXPECT_EQ(execution.count(ItemStatus::completed, "link_set"), 1);
  for (const LocalItem* item : execution.items("link_set"))
    EXPECT_THAT(item->row.message, HasSubstr("hard link not preserved"));
  const LocalItem* directory = nullptr;
  for (const LocalItem* item : execution.items("directory_times"))
    if (item->row.directory_path == "directory") directory = item;
  ASSERT_NE(directory, nullptr);
  EXPECT_THAT(directory->row.message, HasSubstr("owner not preserved"));
  EXPECT_THAT(directory->row.message, HasSubstr("mode not preserved"));
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
}

TEST_F(FoldingDiskNeedsRoot, ASecondCopyFindsEverythingUnchanged) {
  for (int n = 0; n < 5; ++n) {
    file("f" + std::to_string(n), "x");
    set_mtime(scratch.file("source/f" + std::to_string(n)), 1'500'000'000 + n, 123'456'789L * n);
  }
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("source/"), target()).start().run_to_end()));
  unmount();
  mount();
  CopyTest again(scratch.file("source/"), target());
  LocalExecution& execution = again.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.count(ItemStatus::skipped, "batch_file_operation"), 5);
  set_mtime(scratch.file("source/f3"), 1'500'000'010, 0);
  CopyTest changed(scratch.file("source/"), target());
  LocalExecution& third = changed.start();
  ASSERT_TRUE(is_ok(third.run_to_end()));
  EXPECT_EQ(third.count(ItemStatus::completed, "batch_file_operation"), 1);
}

TEST_F(FoldingDiskNeedsRoot, NamesThatItCannotHoldFailOneByOne) {
  const std::vector<std::string> bad{"a:b",     "what?",     "a*b",      "back\\slash",
                                     "bad\xff", "new\nline", "d:r/inner"};
  for (const std::string& name : bad) file(name, "x");
  file("good", "x");
  CopyTest copy(scratch.file("source/"), target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.item("good")->row.status, ItemStatus::completed);
  for (const std::string& name : bad) {
    const LocalItem* item = execution.item(name, "batch_file_operation");
    ASSERT_NE(item, nullptr) << name;
    ASSERT_TRUE(item->error.has_value()) << name;
    EXPECT_THAT(item->error->type, AnyOf(ErrorType::invalid_name, ErrorType::dependency_failed))
        << item->error->text();
  }
  EXPECT_EQ(error_of(execution, "d:r", "create_directory"), ErrorType::invalid_name);
  EXPECT_THAT(own_names(target()), IsEmpty());
}

TEST_F(FoldingDiskNeedsRoot, SymlinksAndSpecialFilesFailAloneAndLeaveNothing) {
  file("good", "x");
  stdfs::create_symlink("good", scratch.file("source/link"));
  ASSERT_EQ(::mkfifo(scratch.file("source/pipe").c_str(), 0600), 0);
  ASSERT_EQ(::mknod(scratch.file("source/device").c_str(), S_IFCHR | 0600, 0x103), 0);
  CopyTest copy(scratch.file("source/"), target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.item("good")->row.status, ItemStatus::completed);
  for (const char* name : {"link", "pipe", "device"}) {
    EXPECT_EQ(error_of(execution, name), ErrorType::unsupported_item)
        << name << ": " << execution.item(name)->row.message;
    EXPECT_FALSE(stdfs::exists(stdfs::symlink_status(target(name)))) << name;
  }
  EXPECT_THAT(own_names(target()), IsEmpty());
}

TEST_F(FoldingDiskNeedsRoot, ACopyIsTakenBackAndAnOldVersionComesBack) {
  file("f", "new content");
  file("d/g", "x");
  write_file(target("f"), "old", 1'400'000'000, 0755);
  CopyTest copy(scratch.file("source/"), target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(target("f")), "new content");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(target("f")), "old");
  EXPECT_FALSE(stdfs::exists(target("d")));
}

}  // namespace
}  // namespace dunlin::files::testing
