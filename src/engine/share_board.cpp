#include "engine/share_board.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "base/file_io.h"

namespace dunlin::engine {
namespace {

/// Another layout gets another name: two versions of the program may run side by side.
constexpr const char* kFileName = "/shares-1";
constexpr std::size_t kSlots = 64;

/// The byte of the file that stands for a slot. Locks of open file descriptions, so that two owners
/// in one process (tests) are two.
struct flock lock_of(std::size_t place) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(place);
  lock.l_len = 1;
  return lock;
}

/// Never 0, which is no device. The same in every process of this program.
std::uint64_t hash_of(const std::string& name) {
  return std::max<std::uint64_t>(std::hash<std::string>{}(name), 1);
}

}  // namespace

Result<std::unique_ptr<ShareBoard>> ShareBoard::join(const std::string& directory,
                                                     const std::vector<std::string>& devices) {
  DUNLIN_ASSIGN(UniqueFd file, open_file(directory + kFileName, O_RDWR | O_CREAT | O_NOFOLLOW));
  for (std::size_t place = 0; place < kSlots; ++place) {
    struct flock lock = lock_of(place);
    if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) continue;
    std::unique_ptr<ShareBoard> board(new ShareBoard(std::move(file), place));
    const std::size_t count = std::min(devices.size(), ShareSlot::kDevices);
    std::transform(devices.begin(), devices.begin() + static_cast<std::ptrdiff_t>(count),
                   board->own_.devices.begin(), hash_of);
    DUNLIN_TRY(board->publish());  // over what a dead one has left there
    return board;
  }
  return Error(ErrorType::temporary_failure, "too many executions share their devices already");
}

ShareBoard::~ShareBoard() = default;  // the lock goes with the descriptor

Status ShareBoard::publish() {
  return pwrite_all(file_.get(), &own_, sizeof own_,
                    static_cast<std::int64_t>(place_ * sizeof own_), "the board of shares");
}

bool ShareBoard::lives(std::size_t place) const {
  struct flock lock = lock_of(place);
  return ::fcntl(file_.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool ShareBoard::shares_a_device(const ShareSlot& other) const {
  return std::any_of(own_.devices.begin(), own_.devices.end(), [&](std::uint64_t device) {
    return device != 0 &&
           std::find(other.devices.begin(), other.devices.end(), device) != other.devices.end();
  });
}

/// As many as there are; nothing when they cannot be read.
std::vector<ShareSlot> ShareBoard::read() const {
  std::array<char, kSlots * sizeof(ShareSlot)> bytes;
  const auto size = pread_up_to(file_.get(), bytes.data(), bytes.size(), 0, "the board of shares");
  if (!size.ok()) return {};
  std::vector<ShareSlot> slots(*size / sizeof(ShareSlot));
  if (!slots.empty()) std::memcpy(slots.data(), bytes.data(), slots.size() * sizeof(ShareSlot));
  return slots;
}

void ShareBoard::find_rivals() {
  rivals_.clear();
  const std::vector<ShareSlot> slots = read();
  for (std::size_t place = 0; place < slots.size(); ++place) {
    if (place != place_ && shares_a_device(slots[place]) && lives(place)) rivals_.push_back(place);
  }
}

std::vector<ShareSlot> ShareBoard::rivals() const {
  std::vector<ShareSlot> found;
  if (rivals_.empty()) return found;
  const std::vector<ShareSlot> slots = read();
  for (const std::size_t place : rivals_) {
    if (place < slots.size()) found.push_back(slots[place]);
  }
  return found;
}

}  // namespace dunlin::engine
