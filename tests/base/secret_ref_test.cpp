// A secret that is named by a reference: where it comes from, what is said when it cannot be read,
// and that the reference itself is never taken for it.
#include "base/secret_ref.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"

namespace dunlin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Result<Secret> resolve(const std::string& text) {
  DUNLIN_ASSIGN(const SecretRef reference, SecretRef::parse(text, "--as-token"));
  return reference.resolve();
}

TEST(SecretRef, IsReadFromTheEnvironmentOrAFileWhenItIsUsed) {
  const testing::ScratchDirectory folder;
  ::setenv("DUNLIN_TEST_SECRET", "of the environment", 1);
  EXPECT_EQ(resolve("env:DUNLIN_TEST_SECRET")->reveal(), "of the environment");
  std::ofstream(folder.file("a b")) << "of the file\r\n\n";
  EXPECT_EQ(resolve("file:" + folder.file("a b"))->reveal(), "of the file");
}

TEST(SecretRef, AnythingElseIsRefusedAndNotRepeated) {
  for (const char* text : {"hunter2", "env:", "file:", "env:1A", "env:A-B", "", "ENV:hunter2"}) {
    const auto made = SecretRef::parse(text, "--as-token");
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().type, ErrorType::invalid_input);
    EXPECT_THAT(made.error().text(), Not(HasSubstr("hunter2")));
    EXPECT_THAT(made.error().text(), HasSubstr("--as-token takes env:NAME or file:PATH"));
  }
}

TEST(SecretRef, SaysWhatIsMissing) {
  const testing::ScratchDirectory folder;
  ::unsetenv("DUNLIN_TEST_NOTHING");
  EXPECT_THAT(resolve("env:DUNLIN_TEST_NOTHING").error().text(), HasSubstr("is not set"));
  EXPECT_THAT(resolve("file:" + folder.file("none")).error().text(), HasSubstr("cannot be read"));
  std::ofstream(folder.file("empty")) << "\n";
  EXPECT_THAT(resolve("file:" + folder.file("empty")).error().text(), HasSubstr("it is empty"));
}

TEST(SecretRef, AFileThatOthersMayReadIsWarnedOf) {
  const testing::ScratchDirectory folder;
  const std::string file = folder.file("token");
  std::ofstream(file) << "hunter2";
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(resolve("file:" + file).ok());
  const std::string warned = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(warned, HasSubstr("chmod 600"));
  EXPECT_THAT(warned, Not(HasSubstr("hunter2")));
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(resolve("file:" + file).ok());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(SecretRef, AnAbsoluteOneMeansTheSameFromAnywhere) {
  const auto made = SecretRef::parse("file:a/token", "--as-token");
  ASSERT_TRUE(made.ok());
  const std::string folder = std::filesystem::current_path();
  EXPECT_EQ(made->absolute()->text(), "file:" + folder + "/a/token");
  EXPECT_EQ(SecretRef::parse("env:A", "--as-token")->absolute()->text(), "env:A");
}

}  // namespace
}  // namespace dunlin
