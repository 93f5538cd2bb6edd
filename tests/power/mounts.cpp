// See mounts.h.
#include "mounts.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/unique_fd.h"
#include "disk_log.h"
#include "support/process.h"

namespace dunlin::power {
namespace {

constexpr std::int64_t kMib = 1 << 20;
constexpr int kLoopTries = 50;
constexpr testing::milliseconds kUnmountPatience{20'000};

/// Attached to a free loop device that lets go at its last close; {descriptor, path}.
std::pair<UniqueFd, std::string> attach(const std::string& image) {
  const UniqueFd file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  require(file.valid(), image);
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  require(control.valid(), "/dev/loop-control");
  for (int tries = 0; tries < kLoopTries; ++tries) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    require(number >= 0, "a free loop device");
    const std::string path = "/dev/loop" + std::to_string(number);
    if (::access(path.c_str(), F_OK) != 0)  // a container without devtmpfs
      ::mknod(path.c_str(), S_IFBLK | 0600, makedev(7, static_cast<unsigned>(number)));
    UniqueFd device(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    require(device.valid(), path);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return {std::move(device), path};
    require(errno == EBUSY, "attach " + path);  // somebody else was faster
    testing::sleep_for(testing::milliseconds(20));
  }
  throw std::runtime_error("no free loop device");
}

/// Btrfs remembers devices that it has seen by the identity of their file system, which all cuts
/// of one recording share.
void forget(const std::string& device) {
  const UniqueFd control(::open("/dev/btrfs-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return;
  btrfs_ioctl_vol_args arguments{};
  device.copy(arguments.name, sizeof arguments.name - 1);
  ::ioctl(control.get(), BTRFS_IOC_FORGET_DEV, &arguments);  // an error: it is not known
}

}  // namespace

const std::vector<FileSystem>& file_systems() {
  // ext4: blocks and inodes as on a large disk, all of it made at once, so that nothing is
  // written later that no test asked for. xfs: the least that mkfs allows;
  // made for sectors of 4 KiB, because it does not mount over a block of its own that is half old
  // (its log leaves out what looks newer by its first sector). btrfs: room for its
  // chunks, two copies of metadata and the reserve of the state directory.
  static const std::vector<FileSystem> all = {
      {"ext4",
       192 * kMib,
       {"mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-E",
        "nodiscard,lazy_itable_init=0,lazy_journal_init=0"},
       512,
       {{1024, 1024}},
       {}},
      {"xfs",
       320 * kMib,
       {"mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096"},
       4096,
       {},
       // targets of up to 1023 bytes, devices of 14 and 18 bits
       {"symlinks/4095", "specials/large-numbers"}},
      {"btrfs",
       512 * kMib,
       {"mkfs.btrfs", "-q", "-f", "-K"},
       512,
       {{64 << 10, 4096}, {64 << 20, 4096}},
       {}},
  };
  return all;
}

void run_tool(const std::vector<std::string>& words) {
  std::vector<std::string> through = {"/usr/bin/env"};
  through.insert(through.end(), words.begin(), words.end());
  const testing::Finished done = testing::run_process(
      {.words = through, .environment = {{"LC_ALL", "C.UTF-8"}}, .folder = {}});
  if (done.code != 0)
    throw std::runtime_error(words[0] + " ends with " + std::to_string(done.code) + ": " +
                             done.out + done.err);
}

void make_image(const FileSystem& file_system, const std::string& image) {
  ::unlink(image.c_str());
  const UniqueFd file(::open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  require(file.valid() && ::ftruncate(file.get(), file_system.image_bytes) == 0, image);
  std::vector<std::string> words = file_system.mkfs;
  words.push_back(image);
  run_tool(words);
}

Mounted::Mounted(const std::string& type, const std::string& image, std::string point)
    : type_(type), point_(std::move(point)) {
  const auto [device, path] = attach(image);
  device_ = path;
  ::mkdir(point_.c_str(), 0700);
  const int mounted = ::mount(path.c_str(), point_.c_str(), type.c_str(), 0, "");
  const int error = errno;
  if (mounted != 0 && type == "btrfs") forget(path);
  errno = error;
  require(mounted == 0, "mount " + type);
}

Mounted::~Mounted() {
  if (point_.empty()) return;
  ::umount2(point_.c_str(), MNT_DETACH);
}

void Mounted::unmount() {
  const bool gone = testing::eventually(
      [&] { return ::umount(point_.c_str()) == 0 || errno != EBUSY; }, kUnmountPatience);
  struct stat here{};
  struct stat above{};
  require(gone && ::stat(point_.c_str(), &here) == 0 &&
              ::stat((point_ + "/..").c_str(), &above) == 0 && here.st_dev == above.st_dev,
          "unmount " + point_);
  if (type_ == "btrfs") forget(device_);
  point_.clear();
}

}  // namespace dunlin::power
