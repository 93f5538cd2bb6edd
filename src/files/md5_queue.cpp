// Contents whose turn it is; see md5_queue.h.
#include "files/md5_queue.h"

#include <string_view>
#include <utility>

#include "base/md5_lanes.h"
#include "base/text.h"

namespace dunlin::files {
namespace {

/// Four for each of 16 lanes: that they differ in length leaves few of them idle.
constexpr std::size_t kEnoughFiles = 64;
constexpr std::size_t kEnoughBytes = std::size_t{1} << 20;

}  // namespace

void Md5Queue::add(std::string content, std::string& checksum) {
  std::vector<Waiting> all;
  {
    const std::scoped_lock lock(mutex_);
    bytes_ += content.size();
    waiting_.push_back({std::move(content), &checksum});
    if (waiting_.size() < kEnoughFiles && bytes_ < kEnoughBytes) return;
    all.swap(waiting_);
    bytes_ = 0;
  }
  take(all);
}

void Md5Queue::finish() {
  const std::scoped_lock lock(mutex_);
  bytes_ = 0;
  take(std::exchange(waiting_, {}));
}

void Md5Queue::take(const std::vector<Waiting>& all) {
  std::vector<std::string_view> contents;
  contents.reserve(all.size());
  for (const Waiting& one : all) contents.emplace_back(one.content);
  const std::vector<std::string> digests = md5_of_each(contents);
  for (std::size_t n = 0; n < all.size(); ++n) *all[n].checksum = "md5:" + hex(digests[n]);
}

}  // namespace dunlin::files
