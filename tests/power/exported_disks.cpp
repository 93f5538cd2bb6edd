// The daemon; see exported_disks.h. Every answer is an errno of the kernel's; nothing here throws.
#define FUSE_USE_VERSION 35

#include "exported_disks.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <fuse_lowlevel.h>

#include "disk_log.h"
#include "support/process.h"

namespace dunlin::power {
namespace {

struct Daemon {
  std::vector<int> images;
  int log = -1;
};

constexpr double kValidForSeconds = 3600;  // nothing ever changes but the bytes

Daemon& daemon_of(fuse_req_t request) {
  return *static_cast<Daemon*>(fuse_req_userdata(request));
}

/// Inode 1 is the folder, disk n is inode n + 2; -1: no disk.
int disk_of(const Daemon& daemon, fuse_ino_t inode) {
  const bool is_disk = inode >= 2 && inode - 2 < daemon.images.size();
  return is_disk ? static_cast<int>(inode) - 2 : -1;
}

int image_of(const Daemon& daemon, fuse_ino_t inode) {
  const int disk = disk_of(daemon, inode);
  return disk < 0 ? -1 : daemon.images[static_cast<std::size_t>(disk)];
}

bool attributes(const Daemon& daemon, fuse_ino_t inode, struct stat& info) {
  info = {};
  info.st_ino = inode;
  info.st_nlink = 1;
  info.st_mode = S_IFDIR | 0700;
  if (inode == FUSE_ROOT_ID) return true;
  struct stat image{};
  if (disk_of(daemon, inode) < 0 || ::fstat(image_of(daemon, inode), &image) != 0) return false;
  info.st_mode = S_IFREG | 0600;
  info.st_size = image.st_size;
  return true;
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  struct stat info{};
  if (!attributes(daemon_of(request), inode, info)) {
    fuse_reply_err(request, ENOENT);
  } else {
    fuse_reply_attr(request, &info, kValidForSeconds);
  }
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry{};
  const bool digit = name[0] >= '0' && name[0] <= '9' && name[1] == '\0';
  if (parent == FUSE_ROOT_ID && digit) entry.ino = static_cast<fuse_ino_t>(name[0] - '0') + 2;
  if (entry.ino == 0 || !attributes(daemon_of(request), entry.ino, entry.attr)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  entry.attr_timeout = entry.entry_timeout = kValidForSeconds;
  fuse_reply_entry(request, &entry);
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  if (disk_of(daemon_of(request), inode) < 0) {
    fuse_reply_err(request, EISDIR);
    return;
  }
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info*) {
  std::vector<char> bytes(size);
  const ssize_t got = ::pread(image_of(daemon_of(request), inode), bytes.data(), size, offset);
  if (got < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_buf(request, bytes.data(), static_cast<std::size_t>(got));
  }
}

/// The log first: what the image holds is never ahead of it.
bool append(int log, const EventHeader& header, const char* bytes) {
  iovec parts[2] = {{const_cast<EventHeader*>(&header), sizeof header},  // NOLINT: writev reads it
                    {const_cast<char*>(bytes), header.length}};          // NOLINT
  const bool write = header.kind == EventKind::write;
  const std::size_t whole = sizeof header + (write ? header.length : 0);
  return ::writev(log, parts, write ? 2 : 1) == static_cast<ssize_t>(whole);
}

void on_write(fuse_req_t request, fuse_ino_t inode, const char* bytes, std::size_t size,
              off_t offset, fuse_file_info*) {
  Daemon& daemon = daemon_of(request);
  const EventHeader header{EventKind::write, static_cast<std::uint32_t>(disk_of(daemon, inode)),
                           static_cast<std::uint64_t>(offset), size};
  if (!append(daemon.log, header, bytes) ||
      ::pwrite(image_of(daemon, inode), bytes, size, offset) != static_cast<ssize_t>(size)) {
    fuse_reply_err(request, EIO);
  } else {
    fuse_reply_write(request, size);
  }
}

void on_fsync(fuse_req_t request, fuse_ino_t inode, int, fuse_file_info*) {
  Daemon& daemon = daemon_of(request);
  const EventHeader header{EventKind::flush, static_cast<std::uint32_t>(disk_of(daemon, inode)), 0,
                           0};
  fuse_reply_err(request, append(daemon.log, header, nullptr) ? 0 : EIO);
}

int serve(Daemon& daemon, const std::string& folder) {
  fuse_lowlevel_ops operations{};
  operations.lookup = on_lookup;
  operations.getattr = on_getattr;
  operations.open = on_open;
  operations.read = on_read;
  operations.write = on_write;
  operations.fsync = on_fsync;
  std::string words[] = {"power_cut", "-o", "fsname=dunlin-power-cut"};
  char* pointers[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, pointers);
  fuse_session* const session =
      fuse_session_new(&arguments, &operations, sizeof operations, &daemon);
  if (session == nullptr || fuse_session_mount(session, folder.c_str()) != 0) return 1;
  return fuse_session_loop(session);
}

}  // namespace

ExportedDisks::ExportedDisks(std::string folder, const std::vector<std::string>& images,
                             std::string log)
    : folder_(std::move(folder)), log_(std::move(log)) {
  Daemon daemon;
  for (const std::string& image : images) {
    daemon.images.push_back(::open(image.c_str(), O_RDWR | O_CLOEXEC));
    require(daemon.images.back() >= 0, image);
  }
  daemon.log = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  require(daemon.log >= 0, log_);
  daemon_ = ::fork();
  require(daemon_ >= 0, "fork");
  if (daemon_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(serve(daemon, folder_));
  }
  ::close(daemon.log);
  for (const int image : daemon.images) ::close(image);
  const auto there = [&] { return ::access(path(0).c_str(), F_OK) == 0; };
  const auto dead = [&] {
    siginfo_t info{};
    const auto id = static_cast<id_t>(daemon_);
    return ::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  };
  if (testing::eventually([&] { return there() || dead(); }) && there()) return;
  ::kill(daemon_, SIGKILL);
  ::waitpid(daemon_, nullptr, 0);
  throw std::runtime_error("FUSE cannot be mounted at " + folder_ +
                           " (needs root, /dev/fuse and the right to mount)");
}

ExportedDisks::~ExportedDisks() {
  ::umount2(folder_.c_str(), MNT_DETACH);
  // Whoever still waits for a disk gets an error: the connection ends with the process.
  ::kill(daemon_, SIGKILL);
  ::waitpid(daemon_, nullptr, 0);
}

std::uint64_t ExportedDisks::log_size() const {
  struct stat info{};
  require(::stat(log_.c_str(), &info) == 0, log_);
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace dunlin::power
