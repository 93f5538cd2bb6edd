// Permits: leave to use a limited resource. `fs`, `http` and `sql` ask through this interface and
// never sleep on their own; the engine's governor implements it and shares rates among executions.
#pragma once

#include <cstdint>

#include "base/cancel.h"
#include "base/result.h"

namespace dunlin {

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
};

/// Grants everything at once, but still honours cancellation.
class UnlimitedPermits final : public Permits {
 public:
  [[nodiscard]] Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    return cancel.check();
  }
};

}  // namespace dunlin
