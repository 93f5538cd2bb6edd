// Large files in several lives of the process: they go on where the last one ended.
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cstdlib>
#include <mutex>

#include "base/hash.h"
#include "files/fixture.h"
#include "files/records.h"
#include "support/short_calls.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kChunk = 128 << 10;
constexpr int kChunks = 16;

fs::Features small_limits() {
  fs::Features features;
  features.large_file_bytes = 4 * kChunk;
  features.chunk_bytes = kChunk;
  features.reflink = false;  // wherever the scratch folder is
  return features;
}

std::string content_of_size(std::int64_t size) {
  std::string content(static_cast<std::size_t>(size), '\0');
  std::uint32_t state = 11;
  for (char& byte : content) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return content;
}

ino_t inode_of(const std::string& path) {
  struct stat raw{};
  EXPECT_EQ(::lstat(path.c_str(), &raw), 0) << path;
  return raw.st_ino;
}

/// A tree with one large file, whose copy is paused or dies after some chunks.
class FilesLarge : public ::testing::Test {
 protected:
  static constexpr int kLivesFirst = 5;  ///< chunks of the first life

  /// Before the plan is made, which looks at the source.
  FilesLarge() {
    write_file(scratch.file("source/sub/large"), content);
    write_file(scratch.file("source/small"), "small");
    set_mtime(scratch.file("source/sub"), 1'200'000'000);
    set_mtime(scratch.file("source"), 1'200'000'000);
    plan();
  }
  void plan(std::map<std::string, std::string> options = {},
            fs::Features features = small_limits()) {
    plan_ = std::make_unique<CopyTest>(scratch.file("source/"), scratch.file("target"),
                                       std::move(options), features);
  }
  /// Ends with the pause, or the death, that the nth chunk brings.
  LocalExecution& first_life(CancelReason reason, LocalExecution::Options options = {}) {
    options.on_intents = [this, reason](const std::vector<engine::ItemIntent>& intents) -> Status {
      const auto witness = decode_witness(intents.front().intent);
      EXPECT_TRUE(witness.ok());
      const bool chunk = !witness->chunks.empty();
      if (!chunk || ++recorded != kLivesFirst) return success();
      copy_execution->cancel_source().request(reason);
      return success();
    };
    copy_execution = &plan_->start(std::move(options));
    EXPECT_FALSE(copy_execution->run_to_end().ok());
    return *copy_execution;
  }
  std::int64_t item_of_large() const { return copy_execution->item("sub/large")->row.id.value; }
  std::string part() const { return scratch.file("target/.dunlin-part-456789ab"); }

  ScratchDirectory scratch;
  std::string content = content_of_size(kChunks * kChunk + 17);
  std::unique_ptr<CopyTest> plan_;
  LocalExecution* copy_execution = nullptr;
  int recorded = 0;
};

/// Grants everything, and before each permit turns over a byte of the temporary, as soon as it is
/// there and as long as it may.
class Garbling final : public Permits {
 public:
  Garbling(std::string directory, std::int64_t offset, char right, int times)
      : directory_(std::move(directory)), offset_(offset), right_(right), left_(times) {}
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : own_names(directory_)) {
      const UniqueFd file(::open((directory_ + name).c_str(), O_RDWR));
      char byte = 0;
      if (left_ == 0 || ::pread(file.get(), &byte, 1, offset_) != 1 || byte != right_) continue;
      byte = static_cast<char>(~byte);
      EXPECT_EQ(::pwrite(file.get(), &byte, 1, offset_), 1);
      --left_;
    }
    return cancel.check();
  }
  int left() const { return left_; }

 private:
  std::mutex mutex_;
  const std::string directory_;
  const std::int64_t offset_;
  const char right_;
  int left_;
};

TEST_F(FilesLarge, WhatTheDeviceDidNotKeepIsWrittenOnceMore) {
  const std::int64_t offset = 3 * kChunk + 77;
  for (const int times : {1, 1000}) {
    plan();
    Garbling garbling(scratch.file("target/sub"), offset, content[offset], times);
    LocalExecution::Options options;
    options.permits = &garbling;
    LocalExecution& execution = plan_->start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    if (times == 1) {
      EXPECT_EQ(garbling.left(), 0);
      EXPECT_EQ(read_all(scratch.file("target/sub/large")), content);
      EXPECT_EQ(error_of(execution, "sub/large"), ErrorType::lost_write);
      ASSERT_TRUE(is_ok(execution.undo()));
    } else {
      EXPECT_LE(garbling.left(), times - 2);
      EXPECT_EQ(error_of(execution, "sub/large"), ErrorType::verification_mismatch);
      EXPECT_FALSE(stdfs::exists(scratch.file("target/sub/large")));
    }
    EXPECT_EQ(own_names(scratch.file("target")), std::vector<std::string>());
  }
}

TEST_F(FilesLarge, APauseKeepsWhatIsThereAndTheNextLifeGoesOn) {
  first_life(CancelReason::pause);
  ASSERT_TRUE(stdfs::is_directory(part()));
  const std::string kept = stdfs::directory_iterator(part())->path();
  const ino_t inode = inode_of(kept);
  EXPECT_GE(stdfs::file_size(kept), static_cast<std::uintmax_t>(kLivesFirst * kChunk));
  EXPECT_FALSE(stdfs::exists(scratch.file("target/sub/large")));
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_EQ(inode_of(scratch.file("target/sub/large")), inode) << "it was begun anew";
  EXPECT_EQ(recorded, kChunks) << "each chunk once";
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  ASSERT_TRUE(is_ok(next.verify()));
  EXPECT_EQ(next.differences(), 0);
}

/// Notes what a display would show, before each block; several of one file are on their way.
class Watching final : public Permits {
 public:
  explicit Watching(engine::ItemsInFlight& all) : all_(all) {}
  [[nodiscard]] Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    const std::lock_guard lock(mutex_);
    for (engine::CurrentItem& one : all_.list()) seen.push_back(std::move(one));
    return cancel.check();
  }
  /// The least and the most that was shown as done in a phase.
  [[nodiscard]] std::optional<std::pair<std::int64_t, std::int64_t>> range(
      engine::ItemPhase phase) const {
    std::optional<std::pair<std::int64_t, std::int64_t>> found;
    for (const engine::CurrentItem& one : seen) {
      if (one.phase != phase) continue;
      if (!found) found = {one.done_bytes, one.done_bytes};
      found->first = std::min(found->first, one.done_bytes);
      found->second = std::max(found->second, one.done_bytes);
    }
    return found;
  }
  std::vector<engine::CurrentItem> seen;

 private:
  engine::ItemsInFlight& all_;
  std::mutex mutex_;
};

TEST_F(FilesLarge, ItsProgressIsShownAndAfterAPauseBeginsAtWhatHolds) {
  using engine::ItemPhase;
  fs::Features features = small_limits();
  features.direct_io = false;  // with it the read-back has no phase of its own
  plan({}, features);
  const SystemClock clock;
  const auto size = static_cast<std::int64_t>(content.size());
  engine::ItemsInFlight all(clock, {4 * kChunk, 1'000'000, 16, 4096});
  Watching watching(all);
  std::int64_t kept = 0;
  LocalExecution::Options options;
  options.permits = &watching;
  options.in_flight = &all;
  options.on_kept = [&kept](std::int64_t bytes) { kept += bytes; };
  first_life(CancelReason::pause, options);
  for (const engine::CurrentItem& one : watching.seen) {
    EXPECT_EQ(one.path, "sub/large");
    EXPECT_EQ(one.item.value, item_of_large());
    EXPECT_EQ(one.total_bytes, size);
  }
  ASSERT_TRUE(watching.range(ItemPhase::copying));
  EXPECT_EQ(watching.range(ItemPhase::copying)->first, 0);
  EXPECT_LT(watching.range(ItemPhase::copying)->second, size);
  EXPECT_FALSE(watching.range(ItemPhase::resuming));
  EXPECT_EQ(kept, 0);

  watching.seen.clear();
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  ASSERT_TRUE(watching.range(ItemPhase::resuming));
  EXPECT_EQ(watching.range(ItemPhase::resuming)->first, 0);
  EXPECT_LT(watching.range(ItemPhase::resuming)->second, kLivesFirst * kChunk);
  ASSERT_TRUE(watching.range(ItemPhase::copying));
  EXPECT_EQ(watching.range(ItemPhase::copying)->first, kLivesFirst * kChunk);
  EXPECT_EQ(watching.range(ItemPhase::copying)->second, size);
  EXPECT_EQ(kept, kLivesFirst * kChunk);
  ASSERT_TRUE(watching.range(ItemPhase::verifying));
  EXPECT_EQ(watching.range(ItemPhase::verifying)->first, 0);
  EXPECT_TRUE(all.list().empty());
}

/// ext4 with a kernel that reports direct I/O: what is written there is proven on its way.
TEST_F(FilesLarge, ItIsReadBackWhileItIsCopiedAndOnlyOnce) {
  struct statx answer{};
  ASSERT_EQ(::statx(AT_FDCWD, scratch.file("source/sub/large").c_str(), 0, STATX_DIOALIGN, &answer),
            0);
  struct statfs raw{};
  ASSERT_EQ(::statfs(scratch.path().c_str(), &raw), 0);
  const bool direct = raw.f_type == 0xef53 && (answer.stx_mask & STATX_DIOALIGN) != 0 &&
                      answer.stx_dio_offset_align != 0;
  const SystemClock clock;
  engine::ItemsInFlight all(clock, {4 * kChunk, 1'000'000, 16, 4096});
  Watching watching(all);
  LocalExecution::Options options;
  options.permits = &watching;
  options.in_flight = &all;
  for (const bool verified : {true, false}) {
    plan({{"verify", verified ? "full" : "basic"}});
    watching.seen.clear();
    LocalExecution& execution = plan_->start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    const engine::ItemRow& row = execution.item("sub/large")->row;
    EXPECT_EQ(row.checksum, "md5:" + hex(*hash_bytes(HashKind::md5, content)));
    EXPECT_EQ(watching.range(engine::ItemPhase::verifying).has_value(), verified && !direct);
    if (!verified || direct) {
      EXPECT_EQ(row.proof, verified ? store::Proof::device : store::Proof::none);
    }
    stdfs::remove_all(scratch.file("target"));
  }
}

/// A direct call that comes back short between two sectors cannot be gone on with as such.
TEST_F(FilesLarge, ShortCallsInItsMidstChangeNothing) {
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    plan();
    LocalExecution& execution = plan_->start();
    {
      const dunlin::testing::ShortCalls calls(seed, true);
      ASSERT_TRUE(is_ok(execution.run_to_end()));
    }
    EXPECT_EQ(execution.item("sub/large")->row.attempt, 0) << "nothing of this is a failure";
    EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
    stdfs::remove_all(scratch.file("target"));
  }
}

TEST_F(FilesLarge, WhatADeadProcessHasLeftIsGoneOnWith) {
  first_life(CancelReason::stop);
  EXPECT_FALSE(stdfs::exists(part()));
  const std::string temporary =
      scratch.file("target/sub/") + ".dunlin-456789ab-1-" + std::to_string(item_of_large());
  const ino_t inode = inode_of(temporary);
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_EQ(inode_of(scratch.file("target/sub/large")), inode) << "it was begun anew";
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST_F(FilesLarge, ThirdAndFourthLivesGoOnToo) {
  first_life(CancelReason::pause);
  for (int life = 0; life < 2; ++life) {
    LocalExecution& next = plan_->take_over();
    copy_execution = &next;
    recorded = 0;
    EXPECT_FALSE(next.run_to_end().ok());
  }
  recorded = 2 * kChunks;
  LocalExecution& last = plan_->take_over();
  ASSERT_TRUE(is_ok(last.run_to_end()));
  EXPECT_EQ(recorded - 2 * kChunks, kChunks - 3 * kLivesFirst);
  EXPECT_EQ(read_all(scratch.file("target/sub/large")), content);
}

TEST_F(FilesLarge, ASourceThatWasWrittenBetweenTheLivesIsCopiedFromItsStart) {
  first_life(CancelReason::pause);
  const std::string other = content_of_size(kChunks * kChunk + 18).substr(1);
  write_file(scratch.file("source/sub/large"), other);
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(read_all(scratch.file("target/sub/large")) == other);
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST_F(FilesLarge, WhatWasLostOrSwappedWhileItWasPausedIsNotBelieved) {
  first_life(CancelReason::pause);
  const std::string kept = stdfs::directory_iterator(part())->path();
  {
    const UniqueFd file(::open(kept.c_str(), O_WRONLY));
    ASSERT_EQ(::pwrite(file.get(), "lost", 4, kChunk + 5), 4);
  }
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(read_all(scratch.file("target/sub/large")) == content);
}

TEST_F(FilesLarge, AFileOfOthersInItsPlaceIsNotTakenForIt) {
  first_life(CancelReason::pause);
  const std::string kept = stdfs::directory_iterator(part())->path();
  stdfs::remove(kept);
  write_file(kept, content.substr(0, kLivesFirst * kChunk));
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(read_all(scratch.file("target/sub/large")) == content);
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST_F(FilesLarge, APauseBeforeTheNextChunkIsRecordedLosesNothing) {
  first_life(CancelReason::pause);
  const ino_t inode = inode_of(stdfs::directory_iterator(part())->path());
  LocalExecution& second = plan_->take_over();
  second.cancel_source().request(CancelReason::pause);
  EXPECT_FALSE(second.run_to_end().ok());
  LocalExecution& third = plan_->take_over();
  ASSERT_TRUE(is_ok(third.run_to_end()));
  EXPECT_EQ(inode_of(scratch.file("target/sub/large")), inode) << "it was begun anew";
}

TEST_F(FilesLarge, SeveralOfThemArePausedTwice) {
  for (const char* name : {"source/a", "source/b", "source/sub/c"})
    write_file(scratch.file(name), content);
  plan();
  plan_->settings.batch_size = 1;
  first_life(CancelReason::pause);
  for (int life = 0; life < 3; ++life) {
    LocalExecution& next = plan_->take_over();
    copy_execution = &next;
    recorded = 0;
    EXPECT_FALSE(next.run_to_end().ok());
    for (const LocalItem* item : next.items()) EXPECT_FALSE(item->error) << item->row.name;
  }
  recorded = 100 * kChunks;
  ASSERT_TRUE(is_ok(plan_->take_over().run_to_end()));
  for (const char* name : {"target/a", "target/b", "target/sub/c", "target/sub/large"})
    EXPECT_TRUE(read_all(scratch.file(name)) == content) << name;
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST_F(FilesLarge, AFileThatItsOwnerMayNotWriteIsGoneOnWithAfterItWasComplete) {
  ASSERT_EQ(::chmod(scratch.file("source/sub/large").c_str(), 0444), 0);
  LocalExecution::Options options;
  bool dead = false;
  options.on_fence = [&] {
    // The whole file is there, with its final mode: the death comes while it is read back.
    const std::string name = scratch.file("target/sub/.dunlin-456789ab-1-") + "4";
    struct stat raw{};
    const bool complete = ::stat(name.c_str(), &raw) == 0 && (raw.st_mode & 0777) == 0444;
    if (complete && !std::exchange(dead, true))
      copy_execution->cancel_source().request(CancelReason::stop);
    return success();
  };
  copy_execution = &plan_->start(options);
  static_cast<void>(copy_execution->run_to_end());
  ASSERT_TRUE(dead);
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
}

TEST_F(FilesLarge, AfterACancelNothingOfItIsLeft) {
  first_life(CancelReason::pause);
  ASSERT_TRUE(stdfs::is_directory(part()));
  LocalExecution& next = plan_->take_over();
  next.cancel_source().request(CancelReason::cancel);
  ASSERT_TRUE(is_ok(next.settle()));
  next.close();
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST_F(FilesLarge, ARollbackOfWhatWasPausedTakesItAway) {
  first_life(CancelReason::pause);
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_FALSE(stdfs::exists(scratch.file("target")));
}

TEST_F(FilesLarge, WhereSomebodyElseWasFasterThePartGoes) {
  plan({{"conflict", "skip"}});
  first_life(CancelReason::pause);
  write_file(scratch.file("target/sub/large"), "theirs");
  LocalExecution& next = plan_->take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/sub/large")), "theirs");
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

/// An ext4 of its own, with room for 20 MiB beside what takes the rest.
class FilesLargeNeedsRoot : public FilesLarge {
 protected:
  static constexpr std::int64_t kMebibyte = 1 << 20;

  void SetUp() override {
    const std::string image = "'" + scratch.file("image") + "'";
    stdfs::create_directory(scratch.file("target"));
    const std::string make = "truncate -s 64M " + image + " && mkfs.ext4 -q -F -m 0 " + image +
                             " && mount -o loop " + image + " '" + scratch.file("target") + "'";
    ASSERT_EQ(std::system(make.c_str()), 0) << "needs e2fsprogs and a loop device";
    stdfs::remove(scratch.file("target/lost+found"));
    content = content_of_size(32 * kMebibyte + 17);
    write_file(scratch.file("source/sub/large"), content);
    features.large_file_bytes = 16 * kMebibyte;
    features.chunk_bytes = kMebibyte;
    plan({}, features);
  }
  void TearDown() override { ::umount2(scratch.file("target").c_str(), MNT_DETACH); }
  std::int64_t free_bytes() const {
    struct statfs room{};
    EXPECT_EQ(::statfs(scratch.file("target").c_str(), &room), 0);
    return static_cast<std::int64_t>(room.f_bavail) * room.f_bsize;
  }
  std::string hog() const { return scratch.file("target/hog"); }
  void leave_room_for(std::int64_t bytes) {
    write_file(hog(), std::string(static_cast<std::size_t>(free_bytes() - bytes), 'h'));
  }
  void expect_full() {
    const Status full = plan_->take_over().run_to_end();
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().type, ErrorType::disk_full);
    EXPECT_FALSE(stdfs::exists(scratch.file("target/sub/large")));
  }

  fs::Features features;
};

TEST_F(FilesLargeNeedsRoot, WithoutRoomForTheWholeItPausesAtOnceAndLeavesTheRoomToOthers) {
  leave_room_for(20 * kMebibyte);
  plan_->start();
  expect_full();
  EXPECT_EQ(free_bytes() >> 20, 19) << "a directory was made";
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  stdfs::remove(hog());
  EXPECT_TRUE(is_ok(plan_->take_over().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/sub/large")), content);
}

TEST_F(FilesLargeNeedsRoot, WhatAPauseHasKeptOutlivesAFullDisk) {
  first_life(CancelReason::pause);
  ASSERT_TRUE(stdfs::is_directory(part()));
  const std::string kept = stdfs::directory_iterator(part())->path();
  const ino_t inode = inode_of(kept);
  {  // where no room was reserved, as when it was not asked for
    const UniqueFd file(::open(kept.c_str(), O_RDWR));
    ASSERT_EQ(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * kMebibyte,
                          24 * kMebibyte),
              0);
  }
  leave_room_for(4 * kMebibyte);
  expect_full();
  expect_full();
  ASSERT_TRUE(stdfs::exists(kept));
  stdfs::remove(hog());
  EXPECT_TRUE(is_ok(plan_->take_over().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/sub/large")), content);
  EXPECT_EQ(inode_of(scratch.file("target/sub/large")), inode);
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

}  // namespace
}  // namespace dunlin::files::testing
