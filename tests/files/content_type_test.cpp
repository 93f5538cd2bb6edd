// Selection by what files hold, and what becomes of a file that its parser does not survive.
#include <csignal>

#include "files/enumerate.h"
#include "files/fixture.h"
#include "sandbox/content_parsers.h"

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const std::string kJpeg = "\xff\xd8\xff\xe0 JFIF and so on";

/// As the true one, but "crash" makes it crash, "open" open a file, and "hang" hang.
std::string fragile(const sandbox::Parser& parser, int fd) {
  char start[5] = {};
  const ssize_t got = ::pread(fd, start, sizeof start, 0);
  const std::string word(start, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (word == "crash") ::raise(SIGSEGV);
  if (word.starts_with("open")) static_cast<void>(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  for (volatile bool on = word.starts_with("hang"); on;) continue;
  return parser(fd);
}

TEST(ContentTypeChild, DISABLED_Serves) {
  ::_exit(sandbox::content_parser_main());
}
TEST(ContentTypeChild, DISABLED_IsFragile) {
  auto parsers = sandbox::content_parsers();
  if (!parsers.ok()) ::_exit(sandbox::refuse_to_serve(parsers.error().message));
  const sandbox::Parser real = parsers->at(sandbox::kMimeType);
  (*parsers)[sandbox::kMimeType] = [real](int fd) { return fragile(real, fd); };
  ::_exit(sandbox::serve_parsers(*parsers));
}
TEST(ContentTypeChild, DISABLED_Refuses) {
  ::_exit(sandbox::refuse_to_serve("no database"));
}

sandbox::ParserCommand child(const std::string& test) {
  return {{"/proc/self/exe", "--gtest_filter=ContentTypeChild.DISABLED_" + test,
           "--gtest_also_run_disabled_tests"},
          sandbox::kParserLimit};
}

class FilesContentType : public ::testing::Test {
 protected:
  void file(const std::string& name, const std::string& content) const {
    write_file(scratch.file("source/" + name), content);
  }
  std::unique_ptr<CopyTest> copy(const std::string& types, sandbox::ParserCommand command,
                                 std::map<std::string, std::string> options = {}) const {
    options["file-types"] = types;
    return std::make_unique<CopyTest>(scratch.file("source/"), scratch.file("target"),
                                      std::move(options), fs::Features{}, "copy",
                                      std::move(command));
  }
  /// What stands at the target after a copy of these types, and what was said.
  std::vector<std::string> taken(const std::string& types,
                                 const std::map<std::string, std::string>& options = {}) {
    stdfs::remove_all(scratch.file("target"));
    const auto test = copy(types, child("Serves"), options);
    LocalExecution& execution = test->start();
    EXPECT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    said.clear();
    for (const auto& task : execution.ledger().tasks)
      if (task.task_type == kSelection) said = task.description;
    std::vector<std::string> names;
    for (const auto& entry : stdfs::recursive_directory_iterator(scratch.file("target")))
      if (!entry.is_directory()) names.push_back(entry.path().filename());
    return names;
  }
  const ScratchDirectory scratch;
  std::string said;
};

TEST_F(FilesContentType, WhatAFileHoldsDecidesAndNotItsName) {
  file("photo", kJpeg);
  file("words.jpg", "just words\n");
  file("d/paper.txt", "%PDF-1.7\n");
  file("empty.jpg", "");
  ASSERT_EQ(::mkfifo(scratch.file("source/pipe.jpg").c_str(), 0600), 0);
  stdfs::create_symlink("photo", scratch.file("source/link.jpg"));
  EXPECT_THAT(taken("image/jpeg"), ElementsAre("photo"));
  EXPECT_EQ(said, "5 entries by --file-types") << "a FIFO and a link hold nothing";
  EXPECT_THAT(taken("IMAGE/*,application/pdf"), UnorderedElementsAre("photo", "paper.txt"));
  EXPECT_THAT(taken("inode/x-empty"), ElementsAre("empty.jpg"));
  EXPECT_THAT(taken("image,application/pdf"),
              UnorderedElementsAre("words.jpg", "empty.jpg", "pipe.jpg", "link.jpg", "paper.txt"))
      << "a group goes by the name, whatever it is";
  EXPECT_THAT(taken("image/jpeg", {{"follow-symlinks", "in_tree"}}),
              UnorderedElementsAre("photo", "link.jpg"));
  EXPECT_THAT(taken("image/jpeg", {{"max-size", "3"}}), ::testing::IsEmpty());
}

TEST_F(FilesContentType, ASingleFileIsAskedToo) {
  file("photo", kJpeg);
  for (const auto& [types, there] :
       std::map<std::string, bool>{{"image/*", true}, {"audio/*", false}}) {
    stdfs::remove_all(scratch.file("target"));
    CopyTest test(scratch.file("source/photo"), scratch.file("target/"), {{"file-types", types}},
                  {}, "copy", child("Serves"));
    ASSERT_TRUE(is_ok(test.start().run_to_end()));
    EXPECT_EQ(stdfs::exists(scratch.file("target/photo")), there) << types;
  }
}

/// A crash, a breach of the confinement, a parser that hangs: the file is left out and says so, the
/// others are told by the next child.
TEST_F(FilesContentType, AFileThatItsParserDoesNotSurviveIsSkippedAndSaysSo) {
  file("a photo", kJpeg);
  file("b", "crash");
  file("c", "open, says the parser");
  file("d photo", kJpeg);
  file("e", "hang");
  file("f photo", kJpeg);
  sandbox::ParserCommand command = child("IsFragile");
  command.limit = std::chrono::milliseconds(1500);
  const auto test = copy("image/jpeg", command);
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  for (const auto& [name, why] : std::map<std::string, std::string>{
           {"b", "crashed over it"}, {"c", "crashed over it"}, {"e", "longer than 5 s"}}) {
    const LocalItem* item = execution.item(name);
    ASSERT_NE(item, nullptr) << name;
    EXPECT_EQ(item->row.status, ItemStatus::skipped) << name;
    EXPECT_THAT(item->row.message, HasSubstr(why)) << name;
    EXPECT_FALSE(stdfs::exists(scratch.file("target/" + name)));
  }
  for (const char* name : {"a photo", "d photo", "f photo"})
    EXPECT_EQ(read_all(scratch.file("target/" + std::string(name))), kJpeg) << name;
}

/// Nobody can tell what it holds: it is no silent absence.
TEST_F(FilesContentType, AFileThatCannotBeReadOrHasVanishedFailsWithTheReason) {
  if (::geteuid() != 0) {
    file("locked", kJpeg);
    ASSERT_EQ(::chmod(scratch.file("source/locked").c_str(), 0), 0);
  }
  file("gone", kJpeg);
  const auto test = copy("image/jpeg", child("Serves"));
  LocalExecution& execution = test->start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  stdfs::remove(scratch.file("source/gone"));
  ASSERT_TRUE(is_ok(execution.execute()));
  EXPECT_EQ(error_of(execution, "gone"), ErrorType::source_vanished);
  if (::geteuid() != 0) {
    EXPECT_EQ(error_of(execution, "locked"), ErrorType::permission_denied);
  }
}

class CountingPermits final : public Permits {
 public:
  Status acquire(std::int64_t bytes, std::int64_t, const CancelToken&) override {
    asked += bytes;
    return success();
  }
  std::int64_t asked = 0;
};

TEST_F(FilesContentType, WhatIsReadForItCountsAgainstTheLimitOfInputAndOutput) {
  file("large", kJpeg + std::string(1 << 20, 'x'));
  file("small", kJpeg);
  CountingPermits permits;
  LocalExecution::Options options;
  options.permits = &permits;
  const auto test = copy("image/jpeg", child("Serves"));
  ASSERT_TRUE(is_ok(test->start(options).enumerate()));
  EXPECT_EQ(permits.asked, sandbox::kLookedAtBytes + static_cast<std::int64_t>(kJpeg.size()));
}

TEST_F(FilesContentType, WithoutAParserNothingIsBegun) {
  file("photo", kJpeg);
  const auto test = copy("image/jpeg", child("Refuses"));
  LocalExecution& execution = test->start();
  const auto problems = test->run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT(problems->front().error.message, HasSubstr("no database"));
  const auto by_name = copy("image", child("Refuses"));
  LocalExecution& other = by_name->start();
  EXPECT_TRUE(by_name->run().preflight(other.context())->empty()) << "it is not needed";
}

TEST_F(FilesContentType, WhatIsNoTypeIsRefused) {
  file("f", "x");
  const auto kind = make_files_kind();
  for (const std::string types :
       {"image/", "/jpeg", "a/b/c", "vid*/x", "video/m*", "imag", "*/*"}) {
    const auto plan = kind->plan_for(
        {"copy", {scratch.file("source/"), scratch.file("target")}, {{"file-types", types}}});
    ASSERT_FALSE(plan.ok()) << types;
    EXPECT_THAT(plan.error().message, HasSubstr("no type such as image/jpeg")) << types;
  }
}

}  // namespace
}  // namespace dunlin::files::testing
