// What proves a copy long after it was made: lists of checksums that coreutils checks, and a
// verification that finds what has rotted on the device.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "base/unique_fd.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;

class Proof : public World {
 protected:
  [[nodiscard]] Finished checked(const std::string& program, const std::string& manifest) const {
    ProcessOptions options;
    options.words = {"/usr/bin/" + program, "--strict", "--quiet", "-c", path(manifest)};
    options.folder = path("dst");
    return testing::run_process(options);
  }
};

TEST_F(Proof, ManifestsAreWhatCoreutilsCheck) {
  make_tree("src", 30, 1000);
  for (const char* name : {"new\nline", "back\\slash", "carriage\rreturn", "-dash", " blank ",
                           "\xff\xfe no utf-8", "\\\n\r"}) {
    write(std::string("src/odd/") + name, name);
  }
  std::filesystem::create_symlink("nowhere", path("src/link"));
  std::filesystem::create_hard_link(path("src/odd/-dash"), path("src/second name"));
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst"), "--hash", "md5,sha256"}).code, 0);
  const Finished written = run({"manifest", "last", "-o", path("MD5SUMS")});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, HasSubstr("(38 files)"));
  EXPECT_THAT(written.out, HasSubstr("md5sum -c"));
  ASSERT_EQ(run({"manifest", "last", "--hash", "sha256", "-o", path("SHA256SUMS")}).code, 0);
  for (const auto& [program, list] :
       {std::pair("md5sum", "MD5SUMS"), std::pair("sha256sum", "SHA256SUMS")}) {
    const Finished equal = checked(program, list);
    EXPECT_EQ(equal.code, 0) << equal.out << equal.err;
    EXPECT_EQ(equal.out + equal.err, "") << program;
  }
  write("dst/odd/new\nline", "other");
  EXPECT_EQ(checked("md5sum", "MD5SUMS").code, 1);
  EXPECT_EQ(checked("sha256sum", "SHA256SUMS").code, 1);
}

TEST_F(Proof, AManifestWithoutChecksumsSaysHowToGetThem) {
  make_tree("src", 3, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const Finished refused = run({"manifest", "last", "--hash", "sha256"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--hash sha256"));
  write("SHA256SUMS", "an older list");
  EXPECT_EQ(run({"manifest", "last", "--hash", "sha256", "-o", path("SHA256SUMS")}).code, 2);
  EXPECT_EQ(std::filesystem::file_size(path("SHA256SUMS")), 13U) << "it is not replaced";
  EXPECT_EQ(run({"manifest", "last", "--json"}).code, 2) << "standard output is for JSON alone";
  EXPECT_EQ(run({"manifest", "last", "--hash", "crc"}).code, 2);
  EXPECT_NE(run({"manifest", "last", "-o", path("no/such/folder")}).code, 0);
}

/// Where the first byte of a file lies on its device; -1 when the file system does not say.
std::int64_t place_on_device(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  alignas(fiemap) std::byte memory[sizeof(fiemap) + sizeof(fiemap_extent)]{};
  auto* map = reinterpret_cast<fiemap*>(memory);
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = 1;
  if (::ioctl(fd.get(), FS_IOC_FIEMAP, map) != 0 || map->fm_mapped_extents == 0) return -1;
  return static_cast<std::int64_t>(map->fm_extents[0].fe_physical);
}

class ProofNeedsRoot : public Proof {
 protected:
  void SetUp() override {
    std::ofstream(path("image")).close();
    std::filesystem::resize_file(path("image"), 64 << 20);
    ASSERT_EQ(tool({"/sbin/mkfs.ext4", "-q", "-F", path("image")}), 0);
    std::filesystem::create_directory(path("dst"));
    mount();
  }
  void TearDown() override { unmount(); }
  void mount() {
    ASSERT_EQ(tool({"/bin/mount", "-o", "loop", path("image"), path("dst")}), 0);
    mounted_ = true;
  }
  void unmount() {
    if (!mounted_) return;
    EXPECT_EQ(tool({"/bin/umount", path("dst")}), 0);
    mounted_ = false;
  }
  void flip_a_bit(std::int64_t at) const {
    const UniqueFd image(::open(path("image").c_str(), O_RDWR | O_CLOEXEC));
    char byte = 0;
    ASSERT_EQ(::pread(image.get(), &byte, 1, at), 1);
    byte = static_cast<char>(byte ^ 0x10);
    ASSERT_EQ(::pwrite(image.get(), &byte, 1, at), 1);
  }

 private:
  static int tool(const std::vector<std::string>& words) {
    ProcessOptions options;
    options.words = words;
    const Finished done = testing::run_process(options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code;
  }
  bool mounted_ = false;
};

TEST_F(ProofNeedsRoot, VerifyNamesExactlyTheFilesThatRottedOnTheDevice) {
  make_tree("src", 300, 6000);
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst/here")}).code, 0);
  ASSERT_EQ(run({"verify", "last"}).code, 0);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("dst/here")))
    if (entry.is_regular_file()) files.push_back(entry.path());
  ASSERT_EQ(files.size(), 300U);
  std::sort(files.begin(), files.end());
  std::set<std::string> damaged;
  std::vector<std::int64_t> places;
  for (std::size_t n = 0; n < files.size(); n += 3) {
    places.push_back(place_on_device(files[n]) + static_cast<std::int64_t>(n % 6000));
    ASSERT_GE(places.back(), 0);
    damaged.insert(files[n].substr(path("dst/here/").size()));
  }
  unmount();
  for (const std::int64_t place : places) flip_a_bit(place);
  mount();
  const Finished verified = run({"verify", "last"});
  EXPECT_EQ(verified.code, 6) << verified.out << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("100 files differ"));
  std::set<std::string> named;
  for (const Json& row : json({"errors", "last", "--limit", "0"})) {
    EXPECT_EQ(row["type"], "verification_mismatch");
    named.insert(row["path"].get<std::string>());
  }
  EXPECT_EQ(named, damaged);
}

}  // namespace
}  // namespace dunlin::e2e
