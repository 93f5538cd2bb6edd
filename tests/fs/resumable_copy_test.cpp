// Large files that go on in the middle: what is kept is what still has its hash.
#include "fs/resumable_copy.h"

#include "fs/fixture.h"

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

class FsResumableCopy : public ::testing::Test {
 protected:
  /// One life: dies after `chunks_max` chunks; -1: comes to the end.
  Result<std::int64_t> life(int chunks_max = -1) {
    const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
    const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
    hashes = HashSet::create({HashKind::md5}).value();
    ResumableCopy::Options options;
    options.chunk_bytes = kChunk;
    options.holes = holes;
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
};

TEST_F(FsResumableCopy, GoesOnAfterTheLastChunkAndHashesTheWhole) {
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1}, kChunk - 1, kChunk, kChunk + 1,
                                  10 * kChunk, 10 * kChunk + 777}) {
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
  }
}

TEST_F(FsResumableCopy, WhatAPowerCutTookIsCopiedAgain) {
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

TEST_F(FsResumableCopy, WhatWasWrittenBehindTheLastChunkOrIsMissingCountsForNothing) {
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

TEST_F(FsResumableCopy, HolesStayHolesAcrossLives) {
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

TEST_F(FsResumableCopy, AFileThatHasGrownMeanwhileIsSeen) {
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
TEST_F(FsResumableCopy, AfterTheFenceHasFallenNothingIsWritten) {
  write(scratch.file("from"), content_of_size(4 * kChunk));
  const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
  HashSet none = HashSet::create({}).value();
  ResumableCopy::Options options;
  options.chunk_bytes = kChunk;
  options.holes = false;  // it would have its size from the start
  bool replaced = false;
  options.chunk_done = [&](const ChunkHashes&) {
    replaced = true;
    return success();
  };
  options.fence = [&]() -> Status {
    if (replaced) return Error(ErrorType::stale_owner, "replaced");
    return success();
  };
  ResumableCopy copy({in.get(), "from"}, {out.get(), "to"}, 4 * kChunk, options);
  EXPECT_EQ(type_of(copy.run({}, none, {permits, token, {}})), ErrorType::stale_owner);
  EXPECT_EQ(stdfs::file_size(scratch.file("to")), static_cast<std::uintmax_t>(kChunk));
}

}  // namespace
}  // namespace dunlin::fs::testing
