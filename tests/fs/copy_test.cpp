// Content, metadata, flush and read-back.
#include "fs/copy.h"

#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "fs/fixture.h"
#include "fs/flush.h"
#include "fs/metadata.h"
#include "support/process.h"

namespace dunlin::fs::testing {
namespace {

using ::testing::HasSubstr;

/// From here on the calling thread is told by every lseek(SEEK_DATA) that only a hole follows.
bool make_seek_data_lie() {
  constexpr auto kNumber = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  constexpr auto kWhence = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 16);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_lseek, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kWhence),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SEEK_DATA, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENXIO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class FsCopy : public ::testing::Test {
 protected:
  Result<std::int64_t> copy(const std::string& from, std::int64_t size_hint) {
    const UniqueFd in(::open(from.c_str(), O_RDONLY));
    const UniqueFd out(::open(scratch.file("copy").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    hashes = HashSet::create({HashKind::md5}).value();
    return copy_content(in.get(), "source", out.get(), "destination", size_hint, hashes, transfer);
  }
  ScratchDirectory scratch;
  UnlimitedPermits permits;
  CancelSource source;
  CancelToken token = source.token();
  Transfer transfer{permits, token, {}};
  HashSet hashes;
};

TEST_F(FsCopy, SizesAroundTheBlockArriveWithTheRightHash) {
  for (const std::size_t size :
       {0U, 1U, 4095U, 4096U, 4097U, (1U << 20) - 1, 1U << 20, (1U << 20) + 1, 3'333'333U}) {
    std::string content(size, '\0');
    for (std::size_t n = 0; n < size; ++n) content[n] = static_cast<char>(n * 31 + n / 251);
    write(scratch.file("f"), content);
    const auto copied = copy(scratch.file("f"), static_cast<std::int64_t>(size));
    ASSERT_TRUE(copied.ok());
    EXPECT_EQ(*copied, static_cast<std::int64_t>(size));
    EXPECT_TRUE(read(scratch.file("copy")) == content) << size;
    EXPECT_EQ(hashes.finish(), "md5:" + hex(*hash_bytes(HashKind::md5, content)));
  }
}

TEST_F(FsCopy, AFileOfProcWithoutASizeIsCopiedToItsEnd) {
  const auto copied = copy("/proc/self/status", 0);
  ASSERT_TRUE(copied.ok());
  EXPECT_GT(*copied, 100);
  EXPECT_THAT(read(scratch.file("copy")), HasSubstr("\nPid:"));
}

TEST_F(FsCopy, AFileThatGrowsOrShrinksIsCopiedToItsRealEnd) {
  write(scratch.file("f"), std::string(10'000, 'x'));
  EXPECT_EQ(*copy(scratch.file("f"), 100), 10'000);
  EXPECT_EQ(*copy(scratch.file("f"), 1'000'000), 10'000);
}

/// OpenZFS #15526: for a while data just written was called a hole, and programs that trusted it
/// left it out.
TEST_F(FsCopy, AFileSystemThatCallsDataAHoleLosesNothing) {
  std::string content(3 << 20, '\0');
  content.replace(5000, 5, "early");
  content.replace(2'000'000, 4, "late");
  write(scratch.file("from"), content);
  Result<std::int64_t> copied = Error(ErrorType::defect, "not run");
  std::thread lied_to([&] {  // the filter ends with its thread
    ASSERT_TRUE(make_seek_data_lie());
    const UniqueFd in(::open(scratch.file("from").c_str(), O_RDONLY));
    const UniqueFd out(::open(scratch.file("to").c_str(), O_RDWR | O_CREAT, 0600));
    hashes = HashSet::create({HashKind::md5}).value();
    copied = copy_with_holes(in.get(), "from", out.get(), "to", hashes, transfer);
  });
  lied_to.join();
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(*copied, 3 << 20);
  EXPECT_TRUE(read(scratch.file("to")) == content);
  EXPECT_EQ(hashes.finish(), "md5:" + hex(*hash_bytes(HashKind::md5, content)));
}

TEST_F(FsCopy, PermitsAreAskedForAtMostOneMebibyteAndCancelIsSeen) {
  class Counting final : public Permits {
   public:
    explicit Counting(CancelSource& cancel) : cancel_(cancel) {}
    Status acquire(std::int64_t bytes, std::int64_t, const CancelToken& cancel) override {
      EXPECT_LE(bytes, 1 << 20);
      if (++calls_ == 3) cancel_.request(CancelReason::pause);
      return cancel.check();
    }

   private:
    CancelSource& cancel_;
    int calls_ = 0;
  };
  write(scratch.file("f"), std::string(10 << 20, 'x'));
  Counting counting(source);
  const UniqueFd in(::open(scratch.file("f").c_str(), O_RDONLY));
  const UniqueFd out(::open(scratch.file("copy").c_str(), O_WRONLY | O_CREAT, 0600));
  hashes = HashSet::create({}).value();
  const auto copied =
      copy_content(in.get(), "s", out.get(), "d", 10 << 20, hashes, {counting, token, {}});
  EXPECT_EQ(type_of(copied), ErrorType::interrupted);
  EXPECT_EQ(stdfs::file_size(scratch.file("copy")), 2U << 20);
}

TEST_F(FsCopy, AReadErrorIsTheSourcesAndNamesTheOffset) {
  const UniqueFd in(::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY));
  const UniqueFd out(::open(scratch.file("copy").c_str(), O_WRONLY | O_CREAT, 0600));
  hashes = HashSet::create({}).value();
  const auto copied = copy_content(in.get(), "'/a'", out.get(), "d", 10, hashes, transfer);
  ASSERT_FALSE(copied.ok());
  EXPECT_THAT(copied.error().text(), HasSubstr("at offset 0"));
}

TEST_F(FsCopy, AFullDestinationIsDiskFull) {
  write(scratch.file("f"), std::string(1000, 'x'));
  const UniqueFd in(::open(scratch.file("f").c_str(), O_RDONLY));
  const UniqueFd out(::open("/dev/full", O_WRONLY));
  hashes = HashSet::create({}).value();
  EXPECT_EQ(type_of(copy_content(in.get(), "s", out.get(), "d", 1000, hashes, transfer)),
            ErrorType::disk_full);
}

/// What read_back may claim here, found out without asking the code under test.
bool on_tmpfs(const std::string& path) {
  struct statfs raw{};
  return ::statfs(path.c_str(), &raw) == 0 && raw.f_type == 0x01021994;
}

/// ext4 with a kernel that reports direct I/O: there `device` has to be reached.
bool on_ext4_with_direct_io(int fd) {
  struct statfs raw{};
  if (::fstatfs(fd, &raw) != 0 || raw.f_type != 0xef53) return false;
  struct statx answer{};
  return ::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) == 0 &&
         (answer.stx_mask & STATX_DIOALIGN) != 0 && answer.stx_dio_offset_align != 0;
}

TEST_F(FsCopy, ReadBackGivesTheContentAndTheBestOriginThatIsTrue) {
  for (const std::size_t size : {0U, 1U, 511U, 512U, 4097U, (1U << 20) + 13, 2U << 20}) {
    const std::string content(size, 'r');
    const UniqueFd file(::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    ASSERT_EQ(::write(file.get(), content.data(), size), static_cast<ssize_t>(size));
    ASSERT_EQ(::fsync(file.get()), 0);
    const std::string expected = "md5:" + hex(*hash_bytes(HashKind::md5, content));
    for (const bool direct : {true, false}) {
      for (const bool eviction : {true, false}) {
        Features features;
        features.direct_io = direct;
        features.eviction = eviction;
        const Directory directory = open(scratch.path(), features);
        hashes = HashSet::create({HashKind::md5}).value();
        const auto origin =
            read_back(directory, "f", traits_of(directory).value(), hashes, transfer);
        ASSERT_TRUE(origin.ok()) << origin.error().text();
        EXPECT_EQ(hashes.finish(), expected);
        if (direct && on_ext4_with_direct_io(file.get())) {
          EXPECT_EQ(*origin, Origin::device);
        } else if (!direct && eviction && on_ext4_with_direct_io(file.get())) {
          EXPECT_EQ(*origin, Origin::evicted);
        } else if (on_tmpfs(scratch.path())) {
          EXPECT_EQ(*origin, Origin::cached) << "memory is no device";
        } else if (!direct && !eviction) {
          EXPECT_EQ(*origin, Origin::cached);
        } else if (!direct) {
          EXPECT_NE(*origin, Origin::device);
        }
      }
    }
  }
}

TEST_F(FsCopy, DirtyPagesAreNeverCalledEvicted) {
  const UniqueFd file(::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
  const std::string content(1 << 20, 'd');
  ASSERT_EQ(::write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  // A mapped page in use cannot be dropped: the residency check has to see it.
  void* mapped =
      ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  Features features;
  features.direct_io = false;
  const Directory directory = open(scratch.path(), features);
  hashes = HashSet::create({}).value();
  EXPECT_EQ(*read_back(directory, "f", traits_of(directory).value(), hashes, transfer),
            Origin::cached);
  ::munmap(mapped, content.size());
}

TEST(FsFileSystem, TheTableFlushesByFileSystemAndOthersByFile) {
  for (const std::uint64_t magic : {0xef53U, 0x58465342U, 0x9123683eU, 0xf2f52010U}) {
    EXPECT_EQ(traits_of_magic(magic).flush, FlushMode::syncfs);
  }
  // FUSE, NFS, CIFS, overlay, tmpfs, and what nobody has heard of.
  for (const std::uint64_t magic :
       {0x65735546U, 0x6969U, 0xff534d42U, 0x794c7630U, 0x01021994U, 0x12345678U}) {
    EXPECT_EQ(traits_of_magic(magic).flush, FlushMode::fsync_each);
    EXPECT_FALSE(traits_of_magic(magic).evictable);
  }
  EXPECT_EQ(traits_of_magic(0x12345678).name, "0x12345678");
  EXPECT_FALSE(traits_of_magic(0x65735546).clock_known) << "FUSE: whose clock it is nobody knows";
  EXPECT_FALSE(traits_of_magic(0x65735546).exact_names);
  EXPECT_FALSE(traits_of_magic(0x4d44).exact_names) << "FAT folds case";
}

/// A destination of which nothing has been touched must not look as if.
TEST(FsFileSystem, TheProbeOfAClockLeavesNoTrace) {
  const ScratchDirectory scratch;
  write(scratch.file("d"), "");
  const timespec times[2] = {{1'000'000'000, 5}, {1'100'000'000, 987'654'321}};
  ASSERT_EQ(::utimensat(AT_FDCWD, scratch.path().c_str(), times, 0), 0);
  Features features;
  for (const bool unnamed : {true, false}) {
    features.unnamed_files = unnamed;
    const Directory directory = open(scratch.path(), features);
    const auto before = directory.info();
    const auto granularity = probe_clock(directory);
    ASSERT_TRUE(granularity.ok()) << granularity.error().text();
    EXPECT_EQ(*granularity, 1);
    const auto after = directory.info();
    EXPECT_EQ(after->mtime, before->mtime);
    EXPECT_EQ(after->atime, before->atime);
    // By the directory itself there is no other way.
    if (unnamed) {
      EXPECT_EQ(after->ctime, before->ctime);
    }
  }
}

TEST(FsFileSystem, TimesAreComparedAtTheCoarserGranularity) {
  EXPECT_TRUE(same_time({10, 5}, {10, 5}, 1));
  EXPECT_FALSE(same_time({10, 5}, {10, 6}, 1));
  EXPECT_TRUE(same_time({10, 199}, {10, 101}, 100));
  EXPECT_FALSE(same_time({10, 199}, {10, 201}, 100));
  EXPECT_TRUE(same_time({11, 5}, {10, 900}, 2'000'000'000));
  EXPECT_FALSE(same_time({12, 5}, {11, 900}, 2'000'000'000));
  EXPECT_TRUE(same_time({-1, 0}, {-2, 0}, 2'000'000'000));
  EXPECT_FALSE(same_time({-1, 0}, {0, 0}, 2'000'000'000));
}

TEST(FsFileSystem, IdentityIsTheSameThroughAnyDirectoryOfIt) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("d"));
  EXPECT_EQ(*file_system_id(open(scratch.path())), *file_system_id(open(scratch.file("d"))));
  EXPECT_NE(*file_system_id(open(scratch.path())), *file_system_id(open("/proc")));
  const auto space = space_of(open(scratch.path()));
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->free_bytes, 0);
  EXPECT_FALSE(space->read_only);
}

TEST(FsMetadata, ModeAndTimesAsTheSourceHasThem) {
  const ScratchDirectory scratch;
  write(scratch.file("f"), "x");
  const Directory directory = open(scratch.path());
  FileInfo wanted = directory.info("f").value();
  wanted.mode = 0751;
  wanted.mtime = {-3, 7};
  wanted.atime = {3'000'000'000, 1};
  const UniqueFd file(::open(scratch.file("f").c_str(), O_RDWR));
  const auto applied = apply_metadata({file.get(), false}, wanted, {}, {}, directory, "f");
  ASSERT_TRUE(applied.ok());
  EXPECT_EQ(applied->loss, "");
  EXPECT_EQ(applied->info.mode, 0751U);
  const FileInfo now = directory.info("f").value();
  EXPECT_EQ(now.mode, 0751U);
  EXPECT_EQ(now.mtime, wanted.mtime);
  EXPECT_EQ(now.atime, wanted.atime);
}

TEST(FsMetadata, WithoutTheRightToGiveAwayTheLossIsNamedAndSetuidTakenOff) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may give files away";
  const ScratchDirectory scratch;
  write(scratch.file("f"), "x");
  const Directory directory = open(scratch.path());
  FileInfo wanted = directory.info("f").value();
  wanted.uid = 0;
  wanted.mode = 06755;
  const UniqueFd file(::open(scratch.file("f").c_str(), O_RDWR));
  const auto applied = apply_metadata({file.get(), false}, wanted, {}, {}, directory, "f");
  ASSERT_TRUE(applied.ok());
  EXPECT_THAT(applied->loss, HasSubstr("owner not preserved"));
  EXPECT_THAT(applied->loss, HasSubstr("setuid"));
  EXPECT_EQ(directory.info("f")->mode, 0755U);
}

TEST(FsMetadataNeedsRoot, OwnerComesBeforeModeSoThatSetuidStays) {
  const ScratchDirectory scratch;
  write(scratch.file("f"), "x");
  const Directory directory = open(scratch.path());
  FileInfo wanted = directory.info("f").value();
  wanted.uid = 12345;
  wanted.gid = 54321;
  wanted.mode = 06755;
  const UniqueFd file(::open(scratch.file("f").c_str(), O_RDWR));
  ASSERT_EQ(apply_metadata({file.get(), false}, wanted, {}, {}, directory, "f").value().loss, "");
  const FileInfo now = directory.info("f").value();
  EXPECT_EQ(now.uid, 12345U);
  EXPECT_EQ(now.gid, 54321U);
  EXPECT_EQ(now.mode, 06755U);
}

/// A file made in the directory as a copy makes its temporaries, dressed as `like`.
FileInfo made_in(const Directory& directory, const std::string& name, const FileInfo& like) {
  const UniqueFd file = directory.open_file(name, O_RDWR | O_CREAT | O_EXCL, 0600).value();
  const Extended plain{{}, 0U};
  const auto applied = apply_metadata({file.get(), false}, like, plain, {}, directory, name, true);
  EXPECT_TRUE(applied.ok()) << name;
  return applied->info;
}

/// owner rw, user 1 rwx, group r, mask rwx, others nothing (linux/posix_acl_xattr.h)
void give_default_acl(const std::string& path) {
  const std::string acl(
      "\2\0\0\0\1\0\6\0\377\377\377\377\2\0\7\0\1\0\0\0\4\0\4\0\377\377\377\377"
      "\20\0\7\0\377\377\377\377\40\0\0\0\377\377\377\377",
      44);
  ASSERT_EQ(::setxattr(path.c_str(), "system.posix_acl_default", acl.data(), acl.size(), 0), 0);
}

/// After a file more, or some on a machine that stands still for seconds.
bool learns(const Directory& directory, const FileInfo& like) {
  int number = 0;
  return dunlin::testing::eventually([&] {
    made_in(directory, "learned " + std::to_string(number++), like);
    return directory.new_file().has_value();
  });
}

TEST(FsMetadata, WhatTheFirstFileOfADirectoryBeganWithIsNotAskedOfTheOthers) {
  const ScratchDirectory scratch;
  write(scratch.file("like"), "x");
  const Directory directory = open(scratch.path());
  FileInfo like = directory.info("like").value();
  like.mode = 0640;
  EXPECT_FALSE(directory.new_file());
  ASSERT_TRUE(learns(directory, like));
  for (const char* const name : {"one", "two", "three"}) {
    const FileInfo made = made_in(directory, name, like);
    EXPECT_EQ(made.mode, 0640U);
    EXPECT_EQ(made.uid, like.uid);
    EXPECT_EQ(directory.info(name)->mtime, like.mtime);
  }
}

TEST(FsMetadata, WhereADirectoryGivesAttributesOrFlagsEachFileIsAsked) {
  const ScratchDirectory scratch;
  write(scratch.file("like"), "x");
  stdfs::create_directory(scratch.file("acl"));
  give_default_acl(scratch.file("acl"));
  stdfs::create_directory(scratch.file("flag"));
  const UniqueFd flagged(::open(scratch.file("flag").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(change_flags(flagged.get(), FS_NODUMP_FL, FS_NODUMP_FL), 0);
  const FileInfo like = open(scratch.path()).info("like").value();
  for (const char* const folder : {"acl", "flag"}) {
    const Directory directory = open(scratch.file(folder));
    for (const char* const name : {"one", "two", "three"}) {
      made_in(directory, name, like);
      EXPECT_FALSE(directory.new_file()) << folder;
      const UniqueFd file = directory.open_file(name, O_RDONLY).value();
      const auto there = read_extended({file.get(), false}, directory, name);
      ASSERT_TRUE(there.ok());
      EXPECT_TRUE(there->xattrs.empty()) << folder << '/' << name;
      EXPECT_EQ(there->flags.value_or(0), 0U) << folder << '/' << name;
    }
  }
}

TEST(FsMetadata, ADefaultAclThatTheDirectoryIsGivenMeanwhileIsSeenWithinASecond) {
  const ScratchDirectory scratch;
  write(scratch.file("like"), "x");
  const Directory directory = open(scratch.path());
  const FileInfo like = directory.info("like").value();
  ASSERT_TRUE(learns(directory, like));
  give_default_acl(scratch.path());
  EXPECT_TRUE(dunlin::testing::eventually([&] { return !directory.new_file(); }));
  made_in(directory, "two", like);
  EXPECT_FALSE(directory.new_file());
  const UniqueFd file = directory.open_file("two", O_RDONLY).value();
  EXPECT_TRUE(read_extended({file.get(), false}, directory, "two").value().xattrs.empty());
}

TEST(FsMetadataNeedsRoot, AGroupThatTheDirectoryIsGivenMeanwhileIsSeen) {
  const ScratchDirectory scratch;
  write(scratch.file("like"), "x");
  const Directory directory = open(scratch.path());
  FileInfo like = directory.info("like").value();
  like.mode = 0640;
  ASSERT_TRUE(learns(directory, like));
  ASSERT_EQ(::chown(scratch.path().c_str(), 0, 4321), 0);
  ASSERT_EQ(::chmod(scratch.path().c_str(), 02755), 0);
  const FileInfo two = made_in(directory, "two", like);
  EXPECT_EQ(two.gid, like.gid);
  EXPECT_EQ(two.mode, 0640U);
}

TEST(FsFlush, BothModesCarryABatchThroughTheirSteps) {
  for (const bool each : {false, true}) {
    const ScratchDirectory scratch;
    stdfs::create_directory(scratch.file("d"));
    const Directory directory = open(scratch.file("d"));
    BatchFlush flush(each);
    ASSERT_TRUE(is_ok(flush.prepare(directory)));
    write(scratch.file("d/f"), "x");
    const UniqueFd file(::open(scratch.file("d/f").c_str(), O_RDWR));
    EXPECT_TRUE(flush.file_written(directory, file.get(), "f").ok());
    EXPECT_TRUE(is_ok(flush.flush_files()));
    EXPECT_TRUE(is_ok(flush.directory_changed(directory)));
    EXPECT_TRUE(is_ok(flush.flush_names()));
  }
}

TEST(FsFlush, ManyDirectoriesDoNotHoldManyDescriptors) {
  const ScratchDirectory scratch;
  BatchFlush flush(true);
  const auto descriptors = [] {
    return std::distance(stdfs::directory_iterator("/proc/self/fd"), stdfs::directory_iterator());
  };
  const auto before = descriptors();
  for (int n = 0; n < 300; ++n) {
    stdfs::create_directory(scratch.file(std::to_string(n)));
    const Directory directory = open(scratch.file(std::to_string(n)));
    ASSERT_TRUE(is_ok(flush.prepare(directory)));
    ASSERT_TRUE(is_ok(flush.directory_changed(directory)));
  }
  EXPECT_LE(descriptors(), before + 70);
  EXPECT_TRUE(is_ok(flush.flush_names()));
  EXPECT_EQ(descriptors(), before);
}

}  // namespace
}  // namespace dunlin::fs::testing
