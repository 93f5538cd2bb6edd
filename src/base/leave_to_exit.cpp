#include "base/leave_to_exit.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace dunlin {
namespace {

constexpr std::size_t kKeptMost = 8;

std::atomic<bool> ends_with_its_command{false};
std::array<std::atomic<const void*>, kKeptMost> kept_objects{};  // so that they are not lost
std::atomic<std::size_t> kept_count{0};

}  // namespace

void process_ends_with_its_command() {
  ends_with_its_command = true;
}

bool detail::may_keep_until_exit() {
  return ends_with_its_command && kept_count < kKeptMost;
}

bool detail::keep_until_exit(const void* object) {
  const std::size_t place = kept_count.fetch_add(1);
  if (place >= kKeptMost) return false;
  kept_objects[place] = object;
  return true;
}

}  // namespace dunlin
