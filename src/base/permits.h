// Permits: leave to use a limited resource. `fs`, `http` and `sql` ask through this interface and
// never sleep on their own; the engine's governor implements it and shares rates among executions.
#pragma once

#include <cstdint>
#include <utility>

#include "base/cancel.h"
#include "base/result.h"

namespace dunlin {

class Permits;

/// Leave to hold some memory, given back at the end. An empty one holds none.
class MemoryLease {
 public:
  MemoryLease() = default;
  MemoryLease(Permits& from, std::int64_t bytes) : from_(&from), bytes_(bytes) {}
  ~MemoryLease();
  MemoryLease(MemoryLease&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryLease& operator=(MemoryLease&&) = delete;
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  Permits* from_ = nullptr;
  std::int64_t bytes_ = 0;
};

class Permits {
 public:
  virtual ~Permits() = default;
  /// Waits until `bytes` bytes and `operations` operations may be spent. Returns
  /// ErrorType::interrupted as soon as `cancel` is raised (nothing is spent then). Safe from any
  /// thread. Ask in portions of at most 1 MiB, so that a changed limit takes effect within a
  /// second.
  [[nodiscard]] virtual Status acquire(std::int64_t bytes, std::int64_t operations,
                                       const CancelToken& cancel) = 0;
  /// Waits while the item that the calling thread works on is one too many, after their number was
  /// lowered; acquire() does so, too. For an item whose bytes other threads acquire.
  virtual void pause_if_too_many(const CancelToken&) {}
  /// Leave to hold buffers of `wanted` bytes, or of what is left but at least `least`. Under a
  /// limit of memory it waits while less is left and others hold any; interrupted as soon as
  /// `cancel` is raised. Whoever holds some asks for no more.
  [[nodiscard]] virtual Result<MemoryLease> memory(std::int64_t wanted, std::int64_t /*least*/,
                                                   const CancelToken& cancel) {
    DUNLIN_TRY(cancel.check());
    return MemoryLease(*this, wanted);
  }

 protected:
  friend class MemoryLease;
  virtual void give_back(std::int64_t /*bytes*/) {}
};

inline MemoryLease::~MemoryLease() {
  if (from_ != nullptr) from_->give_back(bytes_);
}

/// Grants everything at once, but still honours cancellation.
class UnlimitedPermits final : public Permits {
 public:
  [[nodiscard]] Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    return cancel.check();
  }
};

}  // namespace dunlin
