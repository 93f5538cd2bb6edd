// The key of the audit log: where it lies, who may read it, how it comes to be, and that no seal
// serves for anything but what it was put on.
#include "store/audit_key.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_io.h"
#include "store/ledger_fixture.h"

namespace dunlin::store {
namespace {

using ::testing::HasSubstr;

const ExecutionId kOne("018bcfe5-6800-7000-8000-0000000000aa");
const ExecutionId kOther("018bcfe5-6800-7000-8000-0000000000ab");

class AuditKeyTest : public ::testing::Test {
 protected:
  /// The error of load(), which must name what to do.
  Error refusal(const std::string& path) {
    const auto key = AuditKey::load(path);
    EXPECT_FALSE(key.ok());
    if (key.ok()) return {};
    EXPECT_NE(key.error().remediation, "");
    return key.error();
  }
  test::ScratchFolder folder_;
  std::string path_ = folder_ / "config/dunlin/audit.key";
};

TEST_F(AuditKeyTest, IsMadeAtFirstUseForItsOwnerAloneAndStaysTheSame) {
  EXPECT_EQ(AuditKey::load(path_).error().type, ErrorType::not_found) << "load() makes none";
  const auto made = AuditKey::load_or_make(path_);
  ASSERT_TRUE(made.ok()) << made.error().text();
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_EQ(found.st_size, 65);
  ASSERT_EQ(::stat((folder_ / "config/dunlin").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0700U);
  EXPECT_EQ(AuditKey::load_or_make(path_)->name(), made->name());
  EXPECT_EQ(AuditKey::load(path_)->name(), made->name());
}

TEST_F(AuditKeyTest, ManyThatMakeItAtOnceGetTheSame) {
  std::vector<std::string> names(8);
  std::vector<std::thread> threads;
  for (std::string& name : names) {
    threads.emplace_back([&] {
      const auto key = AuditKey::load_or_make(path_);
      name = key.ok() ? key->name() : key.error().text();
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1U);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "config/dunlin"))
    files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 1U) << "a temporary is left";
}

TEST_F(AuditKeyTest, OneThatOthersMayReadIsRefusedWithWhatToType) {
  ASSERT_TRUE(AuditKey::load_or_make(path_).ok());
  for (const mode_t mode : {0640U, 0604U, 0620U, 0666U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    const Error error = refusal(path_);
    EXPECT_EQ(error.type, ErrorType::invalid_input);
    EXPECT_THAT(error.remediation, HasSubstr("chmod 600"));
    EXPECT_FALSE(AuditKey::load_or_make(path_).ok()) << "nor is it made anew";
  }
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  EXPECT_TRUE(AuditKey::load(path_).ok());
}

TEST_F(AuditKeyTest, WhatHoldsNoKeyIsRefusedAndNeverReplaced) {
  const std::string digits(64, 'a');
  for (const std::string& content :
       {std::string(), std::string("abc\n"), digits.substr(1) + "\n", digits + "a\n",
        std::string(63, 'a') + "x\n", digits + digits + "\n", std::string(10'000, 'a')}) {
    ASSERT_TRUE(write_file_durably(folder_ / "bad.key", content).ok());
    EXPECT_EQ(refusal(folder_ / "bad.key").type, ErrorType::invalid_input);
    EXPECT_FALSE(AuditKey::load_or_make(folder_ / "bad.key").ok());
    EXPECT_EQ(*read_file(folder_ / "bad.key"), content);
  }
  ASSERT_TRUE(write_file_durably(folder_ / "good.key", digits).ok());
  EXPECT_TRUE(AuditKey::load(folder_ / "good.key").ok()) << "the newline may be missing";
  EXPECT_EQ(refusal(folder_.path()).type, ErrorType::invalid_input) << "a directory";
  EXPECT_FALSE(AuditKey::load("/dev/null").ok());
}

TEST_F(AuditKeyTest, APlaceWhereNoneCanBeMadeIsNamedWithWhatToDo) {
  const auto made = AuditKey::load_or_make("/proc/dunlin/audit.key");
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().text(), HasSubstr("/proc/dunlin"));
  EXPECT_THAT(made.error().remediation, HasSubstr("--audit-key-file"));
}

TEST_F(AuditKeyTest, ASealServesForNothingElse) {
  const AuditKey key(std::string(32, 'k'));
  const AuditKey other(std::string(32, 'o'));
  const std::string hash(32, 'h');
  const std::string seal = *key.seal(Sealed::entry, kOne, 7, hash);
  const auto look = [&](const AuditKey& with, Sealed what, const ExecutionId& id,
                        std::int64_t sequence, const std::string& of, const std::string& shown) {
    return *look_at_seal({&with, 1}, what, id, sequence, of, shown);
  };
  EXPECT_EQ(look(key, Sealed::entry, kOne, 7, hash, seal), SealState::right);
  EXPECT_EQ(look(key, Sealed::anchor, kOne, 7, hash, seal), SealState::wrong);
  EXPECT_EQ(look(key, Sealed::entry, kOther, 7, hash, seal), SealState::wrong);
  EXPECT_EQ(look(key, Sealed::entry, kOne, 8, hash, seal), SealState::wrong);
  EXPECT_EQ(look(key, Sealed::entry, kOne, 7, std::string(32, 'x'), seal), SealState::wrong);
  EXPECT_EQ(look(key, Sealed::entry, kOne, 7, hash, ""), SealState::none);
  EXPECT_EQ(look(key, Sealed::entry, kOne, 7, hash, seal.substr(1)), SealState::wrong);
  EXPECT_EQ(look(other, Sealed::entry, kOne, 7, hash, seal), SealState::other_key);
  EXPECT_EQ(key_of_seal(seal), key.name());
  const std::vector<AuditKey> both{other, key};
  EXPECT_EQ(*look_at_seal(both, Sealed::entry, kOne, 7, hash, seal), SealState::right);
}

}  // namespace
}  // namespace dunlin::store
