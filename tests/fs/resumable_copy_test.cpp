// Large files that go on in the middle: what is kept is what still has its hash.
#include "fs/resumable_copy.h"

#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "fs/fixture.h"
#include "support/process.h"

namespace dunlin::fs::testing {
namespace {

constexpr std::int64_t kChunk = 64 << 10;

std::string content_of_size(std::int64_t size) {
  std::string content(static_cast<std::size_t>(size), '\0');
  std::uint32_t state = 7;
  for (char& byte : content) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return content;
}

/// With and without direct I/O, where the scratch directory lies on a file system that has it.
class FsResumableCopy : public ::testing::TestWithParam<bool> {
 protected:
  /// One life: dies after `chunks_max` chunks; -1: comes to the end.
  Result<std::int64_t> life(int chunks_max = -1) {
    const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
    const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
    hashes = HashSet::create({HashKind::md5}).value();
    ResumableCopy::Options options;
    options.chunk_bytes = kChunk;
    options.holes = holes;
    options.direct_io = GetParam();
    options.to_traits = traits_of(open(scratch.path())).value();
    options.read_back_blocks = true;
    int chunks = 0;
    options.chunk_done = [&](const ChunkHashes& done) -> Status {
      recorded = done;
      if (++chunks == chunks_max) return Error(ErrorType::interrupted, "died");
      return success();
    };
    options.fence = [] { return success(); };
    struct stat info{};
    EXPECT_EQ(::fstat(in.get(), &info), 0);
    ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, info.st_size, options);
    progressed = 0;
    const ChunkHashes known = recorded;
    auto done = copy.run(known, hashes,
                         {permits, token, [this](std::int64_t bytes) { progressed += bytes; }});
    kept = copy.kept_bytes();
    proven = copy.proven();
    return done;
  }
  std::string hash_of(const std::string& content) {
    HashSet all = HashSet::create({HashKind::md5}).value();
    all.update(std::as_bytes(std::span(content)));
    return all.finish();
  }
  void expect_whole(const std::string& content) {
    EXPECT_EQ(read(scratch.file("to")), content);
    EXPECT_EQ(hashes.finish(), hash_of(content));
  }
  ScratchDirectory scratch;
  UnlimitedPermits permits;
  CancelSource source;
  CancelToken token = source.token();
  HashSet hashes;
  ChunkHashes recorded;
  bool holes = true;
  std::int64_t kept = 0;
  std::int64_t progressed = 0;
  bool proven = false;
};

/// ext4 with a kernel that reports direct I/O: there it has to be used.
bool on_ext4_with_direct_io(const std::string& path) {
  struct statfs raw{};
  if (::statfs(path.c_str(), &raw) != 0 || raw.f_type != 0xef53) return false;
  struct statx answer{};
  return ::statx(AT_FDCWD, path.c_str(), 0, STATX_DIOALIGN, &answer) == 0 &&
         (answer.stx_mask & STATX_DIOALIGN) != 0 && answer.stx_dio_offset_align != 0;
}

std::int64_t pages_in_memory(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDWR));
  const std::size_t size = stdfs::file_size(path);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  EXPECT_NE(mapped, MAP_FAILED);
  std::vector<unsigned char> pages(size / 4096 + 1);
  EXPECT_EQ(::mincore(mapped, size, pages.data()), 0);
  ::munmap(mapped, size);
  return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1U; });
}

TEST_P(FsResumableCopy, GoesOnAfterTheLastChunkAndHashesTheWhole) {
  for (const std::int64_t size :
       {std::int64_t{0}, std::int64_t{1}, kChunk - 1, kChunk, kChunk + 1, 10 * kChunk,
        10 * kChunk + 777, 150 * kChunk + 3}) {  // the last is preallocated
    SCOPED_TRACE(size);
    const std::string content = content_of_size(size);
    write(scratch.file("from"), content);
    stdfs::remove(scratch.file("to"));
    recorded.clear();
    const bool died = size >= 4 * kChunk;
    EXPECT_EQ(life(4).ok(), !died);
    const auto done = life();
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(*done, size);
    if (died) {
      EXPECT_EQ(kept, 4 * kChunk);
      EXPECT_EQ(progressed, size - 4 * kChunk);
    }
    expect_whole(content);
    EXPECT_EQ(proven, GetParam() && on_ext4_with_direct_io(scratch.file("to")));
  }
}

TEST_P(FsResumableCopy, WhatAPowerCutTookIsCopiedAgain) {
  const std::string content = content_of_size(8 * kChunk + 5);
  for (const std::int64_t lost : {std::int64_t{0}, kChunk, 3 * kChunk + 100, 5 * kChunk + 1}) {
    SCOPED_TRACE(lost);
    write(scratch.file("from"), content);
    stdfs::remove(scratch.file("to"));
    recorded.clear();
    ASSERT_FALSE(life(6).ok());
    {
      const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR));
      ASSERT_EQ(::pwrite(out.get(), "\0\0\0\0", 4, lost), 4);
    }
    ASSERT_TRUE(life().ok());
    EXPECT_EQ(kept, lost / kChunk * kChunk);
    expect_whole(content);
  }
}

TEST_P(FsResumableCopy, WhatWasWrittenBehindTheLastChunkOrIsMissingCountsForNothing) {
  const std::string content = content_of_size(6 * kChunk);
  write(scratch.file("from"), content);
  ASSERT_FALSE(life(3).ok());
  ASSERT_EQ(::truncate(scratch.file("to").c_str(), 2 * kChunk + 10), 0);
  ASSERT_TRUE(life().ok());
  EXPECT_EQ(kept, 2 * kChunk);
  expect_whole(content);

  stdfs::remove(scratch.file("to"));
  recorded.clear();
  ASSERT_FALSE(life(3).ok());
  {
    const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR));
    ASSERT_EQ(::pwrite(out.get(), "garbage", 7, 9 * kChunk), 7);
  }
  ASSERT_TRUE(life().ok());
  EXPECT_EQ(kept, 3 * kChunk);
  expect_whole(content);
}

TEST_P(FsResumableCopy, HolesStayHolesAcrossLives) {
  const std::string content =
      std::string(3 * kChunk, '\0') + content_of_size(kChunk + 9) + std::string(6 * kChunk, '\0');
  write(scratch.file("from"), "");
  {
    const UniqueFd from(::open(scratch.file("from").c_str(), O_RDWR));
    ASSERT_EQ(::pwrite(from.get(), content.data() + 3 * kChunk, kChunk + 9, 3 * kChunk),
              kChunk + 9);
    ASSERT_EQ(::ftruncate(from.get(), static_cast<off_t>(content.size())), 0);
  }
  ASSERT_FALSE(life(5).ok());
  ASSERT_TRUE(life().ok());
  EXPECT_EQ(kept, 5 * kChunk);
  expect_whole(content);
  struct stat info{};
  ASSERT_EQ(::stat(scratch.file("to").c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 3 * kChunk);
}

TEST_P(FsResumableCopy, AFileThatHasGrownMeanwhileIsSeen) {
  write(scratch.file("from"), content_of_size(3 * kChunk));
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
  HashSet none = HashSet::create({}).value();
  ResumableCopy::Options options;
  options.chunk_bytes = kChunk;
  options.chunk_done = [](const ChunkHashes&) { return success(); };
  options.fence = [] { return success(); };
  ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 2 * kChunk, options);
  const auto done = copy.run({}, none, {permits, token, {}});
  ASSERT_TRUE(done.ok());
  EXPECT_GT(*done, 2 * kChunk);
}

/// An owner that was replaced while it copied writes no further block into what the new one goes on
/// with.
TEST_P(FsResumableCopy, AfterTheFenceHasFallenNothingIsWritten) {
  write(scratch.file("from"), content_of_size(40 * kChunk));
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
  HashSet none = HashSet::create({}).value();
  ResumableCopy::Options options;
  options.chunk_bytes = kChunk;
  options.direct_io = GetParam();
  options.to_traits = traits_of(open(scratch.path())).value();
  options.chunk_done = [](const ChunkHashes&) { return success(); };
  std::atomic<int> asked{0};
  constexpr int kPassed = 5;  // before the file is emptied and gets its size, and three blocks
  options.fence = [&asked]() -> Status {
    if (++asked > kPassed) return Error(ErrorType::stale_owner, "replaced");
    return success();
  };
  ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 40 * kChunk, options);
  EXPECT_EQ(type_of(copy.run({}, none, {permits, token, {}})), ErrorType::stale_owner);
  const std::string there = read(scratch.file("to"));
  int written = 0;
  for (std::size_t at = 0; at < there.size(); at += kChunk)
    written += there.find_first_not_of('\0', at) < at + kChunk;
  EXPECT_EQ(written, kPassed - 2);
}

/// Grants everything, and counts where the thread of the item may be held.
class CountingPauses final : public Permits {
 public:
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    return cancel.check();
  }
  void pause_if_too_many(const CancelToken&) override {
    if (std::this_thread::get_id() == item_) ++pauses;
  }
  int pauses = 0;

 private:
  std::thread::id item_ = std::this_thread::get_id();
};

TEST_P(FsResumableCopy, TheThreadOfTheItemMayBeHeldAtEachBlock) {
  write(scratch.file("from"), content_of_size(5 * kChunk));
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
  HashSet none = HashSet::create({}).value();
  ResumableCopy::Options options;
  options.chunk_bytes = kChunk;
  options.direct_io = GetParam();
  options.to_traits = traits_of(open(scratch.path())).value();
  options.chunk_done = [](const ChunkHashes&) { return success(); };
  options.fence = [] { return success(); };
  CountingPauses counting;
  ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 5 * kChunk, options);
  ASSERT_TRUE(copy.run({}, none, {counting, token, {}}).ok());
  EXPECT_GE(counting.pauses, 5);
}

TEST_P(FsResumableCopy, NoSizeIsChangedOnceTheFenceHasFallen) {
  const std::string content = content_of_size(2 * kChunk);
  write(scratch.file("from"), content);
  write(scratch.file("to"), "of the new owner");
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR));
  HashSet none = HashSet::create({}).value();
  for (int held = 0; held < 2; ++held) {
    ResumableCopy::Options options;
    options.chunk_bytes = kChunk;
    options.holes = true;  // it has its size from the start
    options.direct_io = GetParam();
    options.to_traits = traits_of(open(scratch.path())).value();
    options.chunk_done = [](const ChunkHashes&) { return success(); };
    int asked = 0;
    options.fence = [&]() -> Status {
      if (asked++ == held) return Error(ErrorType::stale_owner, "taken over");
      return success();
    };
    ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 2 * kChunk, options);
    EXPECT_FALSE(copy.run({}, none, {permits, token, {}}).ok());
    EXPECT_EQ(read(scratch.file("to")), held == 0 ? "of the new owner" : "");
  }
}

/// Grants everything; before each permit to read a block back (the second for a block) `before`.
class BeforeReadBack final : public Permits {
 public:
  explicit BeforeReadBack(std::function<void()> before) : before_(std::move(before)) {}
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    const std::lock_guard lock(mutex_);
    before_();
    return cancel.check();
  }

 private:
  std::mutex mutex_;
  std::function<void()> before_;
};

TEST_P(FsResumableCopy, WhatTheDeviceDoesNotHoldIsNoticedWhileItIsCopied) {
  const std::string content = content_of_size(3 * kChunk);
  write(scratch.file("from"), content);
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
  HashSet none = HashSet::create({}).value();
  ResumableCopy::Options options;
  options.chunk_bytes = kChunk;
  options.direct_io = GetParam();
  options.to_traits = traits_of(open(scratch.path())).value();
  options.read_back_blocks = true;
  options.chunk_done = [](const ChunkHashes&) { return success(); };
  options.fence = [] { return success(); };
  // Somebody writes into the middle chunk as soon as it is there.
  const UniqueFd other(::open(scratch.file("to").c_str(), O_RDWR));
  BeforeReadBack garbling([&] {
    char byte = 0;
    if (::pread(other.get(), &byte, 1, kChunk + 77) != 1 || byte != content[kChunk + 77]) return;
    byte = static_cast<char>(~byte);
    EXPECT_EQ(::pwrite(other.get(), &byte, 1, kChunk + 77), 1);
  });
  ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 3 * kChunk, options);
  const auto done = copy.run({}, none, {garbling, token, {}});
  if (GetParam() && on_ext4_with_direct_io(scratch.file("to"))) {
    EXPECT_EQ(type_of(done), ErrorType::verification_mismatch);
    EXPECT_NE(done.error().text().find("at offset 65536"), std::string::npos);
  } else {
    EXPECT_TRUE(done.ok()) << "it is read back afterwards";
    EXPECT_FALSE(copy.proven());
  }
}

TEST_P(FsResumableCopy, DirectIoLeavesTheMemoryOfTheHostToOthers) {
  const std::string content = content_of_size(32 * kChunk + 100);
  write(scratch.file("from"), content);
  // It is advice: a page that somebody just then holds stays.
  ASSERT_TRUE(dunlin::testing::eventually([&] {
    const UniqueFd from(::open(scratch.file("from").c_str(), O_RDWR));
    EXPECT_EQ(::fsync(from.get()), 0);
    EXPECT_EQ(::posix_fadvise(from.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    return pages_in_memory(scratch.file("from")) == 0;
  }));
  ASSERT_TRUE(life().ok());
  if (!GetParam() || !on_ext4_with_direct_io(scratch.file("to"))) return;
  EXPECT_LE(pages_in_memory(scratch.file("from")), 0);
  EXPECT_LE(pages_in_memory(scratch.file("to")), 1) << "the unaligned end";
  expect_whole(content);
}

TEST_P(FsResumableCopy, ASourceThatEndsEarlierIsSeen) {
  for (const std::int64_t end : {std::int64_t{0}, kChunk, 2 * kChunk + 5}) {
    write(scratch.file("from"), content_of_size(end));
    stdfs::remove(scratch.file("to"));
    const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
    const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
    HashSet none = HashSet::create({}).value();
    ResumableCopy::Options options;
    options.chunk_bytes = kChunk;
    options.holes = false;
    options.direct_io = GetParam();
    options.to_traits = traits_of(open(scratch.path())).value();
    options.chunk_done = [](const ChunkHashes&) { return success(); };
    options.fence = [] { return success(); };
    ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 30 * kChunk, options);
    const auto done = copy.run({}, none, {permits, token, {}});
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_EQ(*done, end);
    EXPECT_TRUE(read(scratch.file("to")) == content_of_size(end));
  }
}

INSTANTIATE_TEST_SUITE_P(Io, FsResumableCopy, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Direct" : "Cached"; });

}  // namespace
}  // namespace dunlin::fs::testing
