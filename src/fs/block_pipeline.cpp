// BlockPipeline; see block_pipeline.h.
#include "fs/block_pipeline.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace dunlin::fs {
namespace {

constexpr int kThreadsMax = 8;
/// No wait is without end: glibc can lose a wake-up where several threads wait
/// (https://sourceware.org/bugzilla/show_bug.cgi?id=25847, up to 2.41).
constexpr std::chrono::milliseconds kWaitMax{200};

template <typename Condition>
void wait_until(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                const Condition& holds) {
  while (!holds()) changed.wait_for(lock, kWaitMax);
}

}  // namespace

BlockPipeline::Size BlockPipeline::size_within(int blocks, bool with_use) {
  // Two blocks a thread, so that one can wait for a hash while the next is read; a third to
  // compare.
  const int each = with_use ? 3 : 2;
  const int threads = std::clamp(blocks / each, 1, kThreadsMax);
  return {threads, std::max(with_use ? blocks - threads : blocks, threads)};
}

/// A ring of slots. Block n lies in slot n modulo their number from when it is handed out until
/// done() has returned.
struct BlockPipeline::State {
  struct Slot {
    Block block;
    AlignedBuffer buffer;
    bool filled = false;
    bool used = false;
  };
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

  Steps steps;
  std::vector<Slot> slots;
  std::size_t threads_wanted = 0;
  std::vector<AlignedBuffer> spares;
  std::vector<std::thread> threads;

  std::mutex mutex;
  std::condition_variable room;    ///< for the threads that read: a slot is free, or it is over
  std::condition_variable filled;  ///< for the lanes
  std::condition_variable ready;   ///< for the caller
  std::int64_t handed_out = 0;
  std::int64_t finished = 0;       ///< done() has returned
  std::int64_t end = kNone;        ///< blocks from here on are not wanted
  std::int64_t failed_at = kNone;  ///< of `error`
  std::optional<Error> error;
  std::vector<std::int64_t> hashed;  ///< by lane: blocks that it has seen

  Slot& slot(std::int64_t n) { return slots[static_cast<std::size_t>(n) % slots.size()]; }
  void wake_all() {
    room.notify_all();
    filled.notify_all();
    ready.notify_all();
  }
  /// The earliest counts: what lies behind it may have failed because of it.
  void fail_locked(std::int64_t n, Error why) {
    if (n < failed_at) {
      failed_at = n;
      error = std::move(why);
    }
    end = std::min(end, n);
    wake_all();
  }
  void end_locked(std::int64_t n) {
    if (n >= end) return;
    end = n;
    wake_all();
  }
  [[nodiscard]] std::int64_t hand_out();
  void read_and_use(std::byte* spare);
  void hash(std::size_t lane);
  [[nodiscard]] bool hashed_all(std::int64_t n) const {
    return std::all_of(hashed.begin(), hashed.end(), [n](std::int64_t seen) { return seen > n; });
  }
  [[nodiscard]] Status start();
  void finish_all();
};

BlockPipeline::BlockPipeline(Steps steps, Size size) : state_(std::make_unique<State>()) {
  state_->steps = std::move(steps);
  state_->slots.resize(static_cast<std::size_t>(size.blocks));
  state_->threads_wanted = static_cast<std::size_t>(size.threads);
  state_->hashed.resize(state_->steps.lanes.size());
}
BlockPipeline::~BlockPipeline() = default;

/// The number of a block that is to be read now; kNone: there is no more.
std::int64_t BlockPipeline::State::hand_out() {
  std::unique_lock lock(mutex);
  const auto in_flight_max = static_cast<std::int64_t>(slots.size());
  wait_until(room, lock,
             [&] { return handed_out >= end || handed_out - finished < in_flight_max; });
  if (handed_out >= end) return kNone;
  Slot& free = slot(handed_out);
  free.block = {};
  free.block.data = free.buffer.get();
  free.filled = free.used = false;
  if (!steps.next(free.block)) {
    end_locked(handed_out);
    return kNone;
  }
  return handed_out++;
}

void BlockPipeline::State::read_and_use(std::byte* spare) {
  for (std::int64_t n = hand_out(); n != kNone; n = hand_out()) {
    Slot& mine = slot(n);
    Status status = steps.fill(mine.block);
    if (status.ok()) {
      const std::lock_guard lock(mutex);
      mine.filled = true;
      if (mine.block.got < mine.block.wanted) end_locked(n + 1);
      filled.notify_all();
      if (!steps.use) {
        mine.used = true;
        ready.notify_one();
      }
    }
    if (status.ok() && steps.use) {
      status = steps.use(mine.block, spare);
      const std::lock_guard lock(mutex);
      mine.used = status.ok();
      ready.notify_one();
    }
    if (status.ok()) continue;
    const std::lock_guard lock(mutex);
    fail_locked(n, std::move(status).error());
    return;
  }
}

void BlockPipeline::State::hash(std::size_t lane) {
  for (std::int64_t n = 0;; ++n) {
    std::unique_lock lock(mutex);
    Slot& next = slot(n);
    wait_until(filled, lock, [&] { return n >= end || (n < handed_out && next.filled); });
    if (n >= end) return;
    lock.unlock();
    steps.lanes[lane]({next.block.data, next.block.got});
    lock.lock();
    hashed[lane] = n + 1;
    ready.notify_one();
  }
}

Status BlockPipeline::State::start() {
  for (Slot& each : slots) {
    each.buffer = aligned_buffer(static_cast<std::size_t>(kBlockBytes));
    if (!each.buffer) return error_from_errno(ENOMEM, "get memory for a copy");
  }
  spares.resize(threads_wanted);
  for (AlignedBuffer& each : spares) {
    if (!steps.use) break;
    each = aligned_buffer(static_cast<std::size_t>(kBlockBytes));
    if (!each) return error_from_errno(ENOMEM, "get memory for a copy");
  }
  try {
    for (std::size_t lane = 0; lane < steps.lanes.size(); ++lane)
      threads.emplace_back([this, lane] { hash(lane); });
    for (std::size_t n = 0; n < threads_wanted; ++n)
      threads.emplace_back([this, spare = spares[n].get()] { read_and_use(spare); });
  } catch (const std::system_error& refused) {
    // Fewer threads that read are slower and no error; a hash has to have its own.
    if (threads.size() > steps.lanes.size()) return success();
    return error_from_errno(refused.code().value(), "start a thread");
  }
  return success();
}

/// The calling thread's part.
void BlockPipeline::State::finish_all() {
  for (std::int64_t n = 0;; ++n) {
    std::unique_lock lock(mutex);
    Slot& next = slot(n);
    wait_until(ready, lock, [&] {
      return n >= end || (n < handed_out && next.filled && next.used && hashed_all(n));
    });
    if (n >= end) return;
    lock.unlock();
    auto more = steps.done(next.block);
    lock.lock();
    if (!more.ok()) {
      fail_locked(n, std::move(more).error());
      return;
    }
    finished = n + 1;
    if (!*more) end_locked(n + 1);
    room.notify_one();
  }
}

Status BlockPipeline::run() {
  State& state = *state_;
  Status started = state.start();
  if (started.ok()) {
    state.finish_all();
  } else {
    const std::lock_guard lock(state.mutex);
    state.fail_locked(0, std::move(started).error());
  }
  for (std::thread& each : state.threads) each.join();
  if (state.error) return *std::move(state.error);
  return success();
}

}  // namespace dunlin::fs
