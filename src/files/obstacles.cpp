// See obstacles.h.
#include "files/obstacles.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/units.h"

namespace dunlin::files {

namespace {

/// FAT keeps sizes in 32 bits.
constexpr std::int64_t kFatLargest = 0xffff'ffff;

bool may(const fs::Directory& directory, const std::string& name, int how) {
  const char* const at = name.empty() ? "." : name.c_str();
  const int flags = AT_EACCESS | (name.empty() ? 0 : AT_SYMLINK_NOFOLLOW);
  return ::faccessat(directory.fd(), at, how, flags) == 0;
}

/// Of FAT, exFAT and NTFS as Windows reads them: what their drivers refuse, or what would not come
/// back.
bool is_windows_name(std::string_view name) {
  if (name.ends_with('.') || name.ends_with(' ')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 &&
           std::string_view("\"*/:<>?\\|").find(c) == std::string_view::npos;
  });
}

}  // namespace

bool is_of_windows(std::string_view file_system) {
  return file_system == "vfat" || file_system == "exfat" || file_system == "ntfs" ||
         file_system == "ntfs3";
}

Holds Holds::of(const fs::Directory& directory, const fs::FileSystemTraits& traits) {
  Holds holds{traits.name};
  struct statvfs raw{};
  const bool told = ::fstatvfs(directory.fd(), &raw) == 0 && raw.f_namemax > 0;
  if (told) holds.longest_name = static_cast<std::int64_t>(raw.f_namemax);
  return holds;
}

std::optional<Error> name_obstacle(const Holds& destination, const std::string& path,
                                   const std::string& name, const fs::FileInfo& info) {
  const auto shown = [&] { return "'" + escape_bytes(path) + "'"; };
  const std::string& file_system = destination.file_system;
  if (static_cast<std::int64_t>(name.size()) > destination.longest_name) {
    return Error(ErrorType::invalid_name, shown() + ": its name is longer than the " +
                                              std::to_string(destination.longest_name) +
                                              " bytes that the destination's " + file_system +
                                              " holds");
  }
  // ntfs3 holds them unless it was told otherwise.
  const bool refuses = is_of_windows(file_system) && file_system != "ntfs3";
  if (refuses && !is_windows_name(name)) {
    return Error(ErrorType::invalid_name,
                 shown() + ": the destination's " + file_system + " cannot hold this name");
  }
  if (file_system == "vfat" && info.size > kFatLargest) {
    return Error(ErrorType::unsupported_item,
                 shown() + ": " + format_bytes(info.size) +
                     " are more than a file of the destination's vfat can hold (4 GiB)");
  }
  return std::nullopt;
}

std::optional<Error> write_obstacle(const fs::Directory& directory) {
  if (may(directory, "", W_OK | X_OK)) return std::nullopt;
  const auto standing = directory.info();
  if (!standing.ok() || standing->uid == ::geteuid()) return std::nullopt;
  return directory.error(EACCES, "write into", "");
}

std::optional<Error> read_obstacle(const fs::Directory& directory, const std::string& name) {
  if (::geteuid() == 0 || may(directory, name, R_OK)) return std::nullopt;
  return directory.error(errno, "read", name);
}

std::optional<Error> removal_obstacle(const fs::Directory& directory) {
  if (::geteuid() == 0 || may(directory, "", W_OK | X_OK)) return std::nullopt;
  return directory.error(errno, "remove from", "");
}

}  // namespace dunlin::files
