// See cut.h.
#include "cut.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.h"

namespace dunlin::power {
namespace {

UniqueFd open_image(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  require(fd.valid(), path);
  return fd;
}

}  // namespace

const char* to_string(Loss loss) {
  switch (loss) {
    case Loss::all:
      return "all";
    case Loss::none:
      return "none";
    case Loss::some:
      return "some";
    case Loss::latest:
      return "latest";
    case Loss::torn:
      return "torn";
  }
  return "";
}

const std::vector<Loss>& losses() {
  static const std::vector<Loss> every = {Loss::all, Loss::none, Loss::some, Loss::latest,
                                          Loss::torn};
  return every;
}

void copy_image(const std::string& from, const std::string& to) {
  const UniqueFd in = open_image(from, O_RDONLY);
  const UniqueFd out = open_image(to, O_WRONLY | O_CREAT | O_TRUNC);
  struct stat info{};
  require(::fstat(in.get(), &info) == 0 && ::ftruncate(out.get(), info.st_size) == 0, to);
  std::vector<char> buffer(1 << 20);
  for (off_t at = 0; at < info.st_size;) {
    const off_t data = ::lseek(in.get(), at, SEEK_DATA);
    if (data < 0) break;
    off_t end = ::lseek(in.get(), data, SEEK_HOLE);
    for (at = data; at < end;) {
      const auto wanted = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at));
      const ssize_t got = ::pread(in.get(), buffer.data(), wanted, at);
      require(
          got > 0 && ::pwrite(out.get(), buffer.data(), static_cast<std::size_t>(got), at) == got,
          "copy " + from);
      at += got;
    }
  }
}

CutDisk::CutDisk(const DiskLog& log, std::uint32_t disk, std::string image,
                 const FileSystem& file_system)
    : log_(log), disk_(disk), image_(std::move(image)), file_system_(file_system) {}

void CutDisk::advance(std::size_t event) {
  UniqueFd fd;
  for (; next_ < event; ++next_) {
    const Event& done = log_.events()[next_];
    if (done.header.disk != disk_) continue;
    if (done.header.kind == EventKind::write) {
      unflushed_.push_back(&done);
      continue;
    }
    if (!fd) fd = open_image(image_, O_WRONLY);
    for (const Event* const safe : unflushed_) write(fd.get(), *safe, 0, safe->header.length);
    unflushed_.clear();
  }
}

std::size_t CutDisk::cut(Loss loss, Rng& rng, const std::string& image) const {
  copy_image(image_, image);
  const UniqueFd fd = open_image(image, O_WRONLY);
  const std::size_t earliest = unflushed_.empty() ? 0 : rng.below(unflushed_.size() + 1);
  for (std::size_t n = 0; n < unflushed_.size(); ++n) {
    const Event& event = *unflushed_[n];
    const bool by_chance = rng.chance(0.5);
    if (loss == Loss::all || (loss == Loss::latest && n >= earliest)) continue;
    if ((loss == Loss::some || loss == Loss::torn) && !by_chance) continue;
    if (loss == Loss::torn && rng.chance(0.5) && !is_atomic(event)) {
      tear(fd.get(), event, rng);
    } else {
      write(fd.get(), event, 0, event.header.length);
    }
  }
  return unflushed_.size();
}

bool CutDisk::is_atomic(const Event& event) const {
  const auto [unused_kind, unused_disk, offset, length] = event.header;
  return std::any_of(file_system_.atomic.begin(), file_system_.atomic.end(),
                     [&](const auto& place) {
                       return offset < place.first + place.second && place.first < offset + length;
                     });
}

void CutDisk::write(int fd, const Event& event, std::uint64_t from, std::uint64_t length) const {
  const auto bytes = log_.bytes(event).subspan(from, length);
  require(::pwrite(fd, bytes.data(), length, static_cast<off_t>(event.header.offset + from)) ==
              static_cast<ssize_t>(length),
          "write to " + image_);
}

/// The first sectors, or each by chance.
void CutDisk::tear(int fd, const Event& event, Rng& rng) const {
  const std::uint64_t sector = file_system_.sector;
  const std::uint64_t sectors = event.header.length / sector;
  const bool first_ones = rng.chance(0.5);
  const std::uint64_t kept = rng.below(sectors + 1);
  for (std::uint64_t n = 0; n < sectors; ++n) {
    if (first_ones ? n < kept : rng.chance(0.5)) write(fd, event, n * sector, sector);
  }
}

}  // namespace dunlin::power
