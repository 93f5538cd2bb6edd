// DirectoryCache; see directory.h.
#include <sys/resource.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>

#include "fs/directory.h"

namespace dunlin::fs {

std::size_t directories_to_hold() {
  constexpr rlim_t kMost = 64;
  constexpr rlim_t kLeast = 2;
  // Two caches, and one set to be flushed for each of four batches, leave three quarters to
  // everybody else.
  constexpr rlim_t kShare = 24;
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  return std::clamp(limit.rlim_cur / kShare, kLeast, kMost);
}

struct DirectoryCache::State {
  using Handle = std::shared_ptr<const Directory>;
  using Order = std::list<std::pair<std::string, Handle>>;  // most recently used first

  Handle root;
  std::size_t capacity;
  std::mutex mutex;
  Order order;
  std::unordered_map<std::string, Order::iterator> by_path;
};

DirectoryCache::DirectoryCache(std::shared_ptr<const Directory> root, std::size_t capacity)
    : state_(std::make_unique<State>()) {
  state_->root = std::move(root);
  state_->capacity = capacity;
}

DirectoryCache::~DirectoryCache() = default;

const Directory& DirectoryCache::root() const {
  return *state_->root;
}

Result<std::shared_ptr<const Directory>> DirectoryCache::get(const std::string& relative) {
  if (relative.empty()) return state_->root;
  {
    const std::scoped_lock lock(state_->mutex);
    if (const auto found = state_->by_path.find(relative); found != state_->by_path.end()) {
      state_->order.splice(state_->order.begin(), state_->order, found->second);
      return found->second->second;
    }
  }
  // Opened without the lock; when two threads open the same one, the second handle is dropped.
  DUNLIN_ASSIGN(Directory opened, state_->root->open_directory(relative));
  auto handle = std::make_shared<const Directory>(std::move(opened));
  State::Handle evicted;  // closed after the lock is released
  const std::scoped_lock lock(state_->mutex);
  if (const auto found = state_->by_path.find(relative); found != state_->by_path.end()) {
    return found->second->second;
  }
  state_->order.emplace_front(relative, handle);
  state_->by_path.emplace(relative, state_->order.begin());
  if (state_->order.size() > state_->capacity) {
    evicted = std::move(state_->order.back().second);
    state_->by_path.erase(state_->order.back().first);
    state_->order.pop_back();
  }
  return handle;
}

void DirectoryCache::forget(const std::string& relative) {
  State::Handle dropped;  // closed after the lock is released
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_path.find(relative);
  if (found == state_->by_path.end()) return;
  dropped = std::move(found->second->second);
  state_->order.erase(found->second);
  state_->by_path.erase(found);
}

}  // namespace dunlin::fs
