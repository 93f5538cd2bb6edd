// Disks as people name them: by mount point, label, UUID or device (files.md F-2), looked up among
// what is mounted. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dunlin::fs {

/// Where the kernel and udev say it; tests have their own.
struct DiskPlaces {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string by_label = "/dev/disk/by-label";
  std::string by_uuid = "/dev/disk/by-uuid";
};

/// Where a path lies, whatever it is reached by: "8:1:/photos", the device of its file system and
/// its place from the root of that on. The same for all mounts of a directory, bind mounts among
/// them, until the next boot. `path` is absolute, without symlinks and '..'; it need not be there.
/// `shown`: the same path with names as they are to appear in the answer, of the same lengths.
[[nodiscard]] Result<std::string> place_on_device(
    const std::string& path, const std::string& shown,
    const std::string& mountinfo = DiskPlaces{}.mountinfo);

class Disks {
 public:
  /// Reads what is mounted now. Labels and UUIDs are those of udev's links and, where there is no
  /// udev (containers), those that mounted file systems on devices tell themselves.
  [[nodiscard]] static Result<Disks> read(const DiskPlaces& places = {});

  /// Where the disk is mounted. `name`: a mount point, a device, a label or a UUID; "LABEL=…" and
  /// "UUID=…" mean the one alone. not_found: there is none, or it is not mounted; invalid_input: it
  /// may mean several. Both name those that there are.
  [[nodiscard]] Result<std::string> mount_point(const std::string& name) const;

  /// What bears the file system that a path is on, or would be made on: "disk 8:0" (of a partition
  /// its disk), "server name:/export", or "file system 0:25" where there is neither. The same for
  /// all paths on it, in all processes of the machine.
  [[nodiscard]] std::string bearer(const std::string& path) const;

 private:
  friend Result<std::string> place_on_device(const std::string& path, const std::string& shown,
                                             const std::string& mountinfo);
  struct Mount {
    std::string number;  ///< of the mount
    std::string device;  ///< "8:1"
    std::string root;    ///< of its file system; not "/": a bind mount or a subvolume
    std::string point;
    std::string source;  ///< "/dev/sda1", resolved where it is a device; "server:/path", "tmpfs"
  };
  /// A name of a device: of its file system.
  struct Name {
    bool label = false;  ///< else a UUID
    std::string text;
    std::string device_path;  ///< resolved
  };
  [[nodiscard]] static Result<std::vector<Mount>> mounts(const std::string& mountinfo);
  void add_links(const std::string& folder, bool label);
  void ask_mounted();
  [[nodiscard]] std::vector<const Mount*> mounts_of(const std::string& device_path) const;
  [[nodiscard]] Result<std::string> only_point(const std::string& name,
                                               const std::string& device_path) const;
  [[nodiscard]] std::string listed() const;

  std::vector<Mount> mounts_;
  std::vector<Name> names_;
};

}  // namespace dunlin::fs
