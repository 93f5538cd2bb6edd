// See disks.h.
#include "fs/disks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "base/file_io.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace dunlin::fs {
namespace {

namespace stdfs = std::filesystem;

// Linux 6.9; older headers do not have it.
struct FsUuid {
  unsigned char length;
  unsigned char uuid[16];
};
constexpr unsigned long kGetFsUuid = _IOR(0x15, 0, FsUuid);

std::optional<char> digits_at(std::string_view text, std::size_t at, std::size_t count, int base) {
  if (at + count > text.size()) return std::nullopt;
  const std::string part(text.substr(at, count));
  char* end = nullptr;
  const long value = std::strtol(part.c_str(), &end, base);
  return end == part.c_str() + count ? std::optional(static_cast<char>(value)) : std::nullopt;
}

/// "\040" of mountinfo (proc(5)) and "\x20" of udev's links.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t n = 0; n < text.size(); ++n) {
    const bool hex = text[n] == '\\' && text.substr(n + 1).starts_with('x');
    const auto byte = text[n] != '\\' ? std::nullopt
                      : hex           ? digits_at(text, n + 2, 2, 16)
                                      : digits_at(text, n + 1, 3, 8);
    out += byte.value_or(text[n]);
    if (byte) n += 3;
  }
  return out;
}

/// As it is when it cannot be resolved.
std::string resolved(const std::string& path) {
  std::error_code code;
  const stdfs::path real = stdfs::canonical(path, code);
  return code ? path : real.native();
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin) words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string text_of(dev_t device) {
  return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

/// "8:1" of a device node; empty: it is none.
std::string device_number(const std::string& path) {
  struct stat raw{};
  if (::stat(path.c_str(), &raw) != 0 || !S_ISBLK(raw.st_mode)) return {};
  return text_of(raw.st_rdev);
}

/// "8:0" of the partition "8:1" (sysfs: the folder of a partition lies in that of its disk).
std::string whole_disk(const std::string& number) {
  const std::string folder = resolved("/sys/dev/block/" + number);
  std::error_code code;
  if (!stdfs::exists(folder + "/partition", code)) return number;
  const auto text = read_file(stdfs::path(folder).parent_path().native() + "/dev");
  return text.ok() ? text->substr(0, text->find('\n')) : number;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string quoted(const std::string& text) {
  return "'" + escape_bytes(text) + "'";
}

}  // namespace

Result<Disks> Disks::read(const DiskPlaces& places) {
  Disks disks;
  DUNLIN_ASSIGN(disks.mounts_, mounts(places.mountinfo));
  disks.add_links(places.by_label, true);
  disks.add_links(places.by_uuid, false);
  disks.ask_mounted();
  return disks;
}

/// proc(5): number, parent, device, root, mount point, options, optional fields, "-", type, source.
Result<std::vector<Disks::Mount>> Disks::mounts(const std::string& mountinfo) {
  DUNLIN_ASSIGN(const std::string text, read_file(mountinfo));
  std::vector<Mount> all;
  std::map<std::string, std::string, std::less<>> parents;  // by number, of hidden ones, too
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const auto words = words_of(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 5 || words.end() - dash < 3) continue;
    Mount mount{std::string(words[0]), std::string(words[2]), unescaped(words[3]),
                unescaped(words[4]), unescaped(dash[2])};
    parents[mount.number] = std::string(words[1]);
    if (mount.source.starts_with("/dev/")) mount.source = resolved(mount.source);
    // What is mounted over another one hides it.
    std::erase_if(all, [&](const Mount& other) { return other.point == mount.point; });
    all.push_back(std::move(mount));
  }
  // So does what is mounted over a directory above it.
  const auto stands_on = [&](std::string number, const std::string& other) {
    for (std::size_t steps = parents.size(); steps > 0; --steps) {
      const auto parent = parents.find(number);
      if (parent == parents.end()) return false;
      if (parent->second == other) return true;
      number = parent->second;
    }
    return false;
  };
  const std::vector<Mount> seen = all;
  std::erase_if(all, [&](const Mount& mount) {
    return std::any_of(seen.begin(), seen.end(), [&](const Mount& other) {
      return mount.point.starts_with(other.point + "/") && !stands_on(mount.number, other.number);
    });
  });
  return all;
}

std::string Disks::bearer(const std::string& path) const {
  struct stat raw{};
  std::string there = path;
  while (::stat(there.c_str(), &raw) != 0) {
    const std::string above = stdfs::path(there).parent_path();
    if (above == there || above.empty()) return {};
    there = above;
  }
  const std::string number = text_of(raw.st_dev);
  if (major(raw.st_dev) != 0) return "disk " + whole_disk(number);
  const auto mount = std::find_if(mounts_.begin(), mounts_.end(),
                                  [&](const Mount& one) { return one.device == number; });
  if (mount == mounts_.end()) return "file system " + number;
  const std::string device = device_number(mount->source);  // btrfs and the like
  if (!device.empty()) return "disk " + whole_disk(device);
  const bool remote = mount->source.find(':') != std::string::npos;
  return remote ? "server " + mount->source : "file system " + number;
}

Result<std::string> place_on_device(const std::string& path, const std::string& shown,
                                    const std::string& mountinfo) {
  DUNLIN_ASSIGN(const auto mounts, Disks::mounts(mountinfo));
  const Disks::Mount* holder = nullptr;
  for (const Disks::Mount& mount : mounts) {
    const std::string& point = mount.point;
    const bool holds = point == "/" || path == point || path.starts_with(point + "/");
    if (holds && (holder == nullptr || point.size() > holder->point.size())) holder = &mount;
  }
  if (holder == nullptr)
    return Error(ErrorType::not_found, "no mount holds '" + escape_bytes(path) + "'");
  std::string place = holder->root == "/" ? "" : holder->root;
  place += holder->point == "/" ? shown : shown.substr(holder->point.size());
  return holder->device + ":" + (place.empty() ? "/" : place);
}

/// A folder that is not there names nothing: there is no udev.
void Disks::add_links(const std::string& folder, bool label) {
  std::error_code code;
  for (const auto& entry : stdfs::directory_iterator(folder, code))
    names_.push_back(
        {label, unescaped(entry.path().filename().native()), resolved(entry.path().native())});
}

/// What no link names. Only of devices: a server that does not answer would be waited for.
void Disks::ask_mounted() {
  for (const Mount& mount : mounts_) {
    if (!mount.source.starts_with("/dev/")) continue;
    const auto known = [&](bool label) {
      return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
        return name.label == label && name.device_path == mount.source;
      });
    };
    if (known(true) && known(false)) continue;
    const UniqueFd directory(::open(mount.point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) continue;
    char label[FSLABEL_MAX] = {};
    if (!known(true) && ::ioctl(directory.get(), FS_IOC_GETFSLABEL, label) == 0 && label[0] != 0) {
      label[FSLABEL_MAX - 1] = 0;
      names_.push_back({true, label, mount.source});
    }
    FsUuid uuid{};
    if (known(false) || ::ioctl(directory.get(), kGetFsUuid, &uuid) != 0 || uuid.length != 16)
      continue;
    if (std::all_of(std::begin(uuid.uuid), std::end(uuid.uuid),
                    [](auto byte) { return byte == 0; }))
      continue;  // not set
    std::string text = hex(std::string_view(reinterpret_cast<const char*>(uuid.uuid), 16));
    for (const std::size_t dash : {8U, 13U, 18U, 23U}) text.insert(dash, "-");
    names_.push_back({false, std::move(text), mount.source});
  }
}

std::vector<const Disks::Mount*> Disks::mounts_of(const std::string& device_path) const {
  const std::string number = device_number(device_path);
  std::vector<const Mount*> found;
  for (const Mount& mount : mounts_) {
    if (mount.source == device_path || (!number.empty() && mount.device == number))
      found.push_back(&mount);
  }
  // Bind mounts show a part of what another mount shows whole.
  const auto whole = [](const Mount* mount) { return mount->root == "/"; };
  if (std::any_of(found.begin(), found.end(), whole))
    std::erase_if(found, [&](const Mount* mount) { return !whole(mount); });
  return found;
}

/// "'/mnt/a' (/dev/sda1, LABEL=photos)", the first of them.
std::string Disks::listed() const {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> shown;
  for (const Mount& mount : mounts_) {
    if (!mount.source.starts_with('/')) continue;
    std::string text = quoted(mount.point) + " (" + escape_bytes(mount.source);
    for (const Name& name : names_) {
      if (name.device_path == mount.source)
        text += (name.label ? ", LABEL=" : ", UUID=") + escape_bytes(name.text);
    }
    shown.push_back(text + ")");
  }
  std::string text;
  for (std::size_t n = 0; n < std::min(shown.size(), kShown); ++n)
    text += (n == 0 ? "mounted are " : ", ") + shown[n];
  if (shown.size() > kShown) text += " and " + std::to_string(shown.size() - kShown) + " more";
  return text.empty() ? "no disk is mounted" : text;
}

Result<std::string> Disks::only_point(const std::string& name,
                                      const std::string& device_path) const {
  const auto found = mounts_of(device_path);
  if (found.size() == 1) return found.front()->point;
  if (found.empty()) {
    Error error(ErrorType::not_found, "the disk " + quoted(name) + " (" +
                                          escape_bytes(device_path) + ") is not mounted; " +
                                          listed());
    error.remediation = "mount it, then try again";
    return error;
  }
  std::string points;
  for (const Mount* mount : found) points += (points.empty() ? "" : ", ") + quoted(mount->point);
  Error error(ErrorType::invalid_input,
              "the disk " + quoted(name) + " is mounted at several places: " + points);
  error.remediation = "name it by the mount point that you mean";
  return error;
}

Result<std::string> Disks::mount_point(const std::string& name) const {
  if (name.starts_with('/')) {
    const std::string real = resolved(name);
    const bool mounted = std::any_of(mounts_.begin(), mounts_.end(),
                                     [&](const Mount& mount) { return mount.point == real; });
    if (mounted) return real;
    const bool device = std::any_of(mounts_.begin(), mounts_.end(),
                                    [&](const Mount& mount) { return mount.source == real; }) ||
                        std::any_of(names_.begin(), names_.end(),
                                    [&](const Name& one) { return one.device_path == real; });
    if (device || !device_number(real).empty() || real.starts_with("/dev/"))
      return only_point(name, real);
    Error error(ErrorType::not_found, "no disk is mounted at " + quoted(name) + "; " + listed());
    error.remediation = "mount it, or name a directory that is no disk by its path alone";
    return error;
  }
  const bool label = !name.starts_with("UUID=");
  const bool uuid = !name.starts_with("LABEL=");
  const std::string text = label && uuid ? name : name.substr(name.find('=') + 1);
  std::vector<std::string> devices;
  for (const Name& one : names_) {
    const bool meant =
        one.label ? label && one.text == text : uuid && lower(one.text) == lower(text);
    if (meant && std::find(devices.begin(), devices.end(), one.device_path) == devices.end())
      devices.push_back(one.device_path);
  }
  if (devices.size() == 1) return only_point(name, devices.front());
  if (devices.empty()) {
    Error error(ErrorType::not_found, "no disk is called " + quoted(name) + "; " + listed());
    error.remediation = "name it by its mount point, label, UUID or device";
    return error;
  }
  std::string all;
  for (const std::string& device : devices) all += (all.empty() ? "" : ", ") + escape_bytes(device);
  Error error(ErrorType::invalid_input, quoted(name) + " is the name of several disks: " + all);
  error.remediation = "name the one that you mean by its device or mount point";
  return error;
}

}  // namespace dunlin::fs
