// Mode `test` (engine.md X-3): a bounded sample goes the way of every execution, only into a
// scratch place of its own; what it took tells how long the whole will take. This is what a kind
// has to give for it, and what is made of its numbers. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "engine/kind.h"
#include "store/ledger.h"

namespace dunlin::engine {

inline constexpr std::string_view kTest = "test";
inline constexpr std::int64_t kTestItems = 100;  ///< settings.test_items where nobody says another
inline constexpr std::int64_t kTestItemsMax = 10'000;

/// Implemented by kinds (Kind) whose plans can be tried on a sample.
class TestableKind {
 public:
  virtual ~TestableKind() = default;
  /// Why this plan cannot, all the same, in words behind "cannot be tested: "; empty: it can.
  [[nodiscard]] virtual std::string why_no_test(const Plan& plan) const = 0;
};

/// Implemented by the Run of such a kind.
class TestableRun {
 public:
  virtual ~TestableRun() = default;
  /// Works on a sample of at most `items` items, drawn by the id of the execution, in a scratch
  /// place on the destination's file system whose name carries that id; changes nothing else on
  /// either side. Journals a task kSampleTask with the numbers of SampleCounts. Run::release()
  /// removes the place, and the engine calls it before it records the end. Called before anything
  /// but started_with().
  virtual void begin_test(const ExecutionId& execution, std::int64_t items) = 0;
};

/// The type of the task without batches whose parameters are SampleCounts::json().
inline constexpr std::string_view kSampleTask = "sample";

struct SampleCounts {
  std::int64_t items = 0;  ///< of the whole
  std::int64_t bytes = 0;
  std::int64_t directories = 0;
  std::int64_t sample_items = 0;
  std::int64_t sample_bytes = 0;
  std::int64_t sample_directories = 0;
  std::int64_t listing_ms = 0;  ///< of listing the whole
  std::string place;            ///< the scratch place, for people; escaped

  [[nodiscard]] Json json() const;
  [[nodiscard]] static SampleCounts of(const Json& json);
};

/// How long the whole would take, were nothing of it there yet.
struct TestEstimate {
  std::int64_t likely_ms = 0;
  std::int64_t low_ms = 0;
  std::int64_t high_ms = 0;
};

/// What a sample that took `sample_ms` says. Time is taken for a sum of shares for each item, byte,
/// directory and batch, whatever these are: then the whole takes between the least and the largest
/// of the four ratios of whole to sample. Chance widens that by one part in the root of the
/// sample's items; the listing, which was measured, is added. `likely` is the geometric mean.
[[nodiscard]] TestEstimate estimate_whole(const SampleCounts& counts, std::int64_t sample_ms,
                                          std::int64_t batch_items, std::int64_t batch_bytes);

/// The numbers of a test for people and programs; null where the execution is none, or has not
/// drawn its sample yet. The estimate is null until it has ended well, and where it was
/// interrupted: then its times measure nothing.
[[nodiscard]] Result<Json> test_result(const store::Ledger& ledger);

/// invalid_input where such a plan cannot be tested, naming --dry-run.
[[nodiscard]] Status check_test(const Kind& kind, const Plan& plan);
[[nodiscard]] std::int64_t test_items(const Plan& plan);
/// Why a test cannot be verified, taken back, retried …
[[nodiscard]] Error only_a_test(std::int64_t number);
/// The milestone of a test whose scratch place is gone, as `dunlin accept` records it.
inline constexpr std::string_view kScratchRemoved = "undo_removed";

}  // namespace dunlin::engine
