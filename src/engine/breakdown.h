// Results of one execution by where its items lie, what they are, what their names end in, how
// large they are and in which batch.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/ledger.h"

namespace dunlin::engine {

/// Items and bytes. What has neither succeeded nor failed nor been skipped waits, or was taken
/// back.
struct ResultSums {
  std::int64_t items = 0;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
  std::int64_t skipped = 0;
  std::int64_t bytes = 0;  ///< sizes as they were listed
  std::int64_t transferred_bytes = 0;
  ResultSums& operator+=(const ResultSums& other);
};

struct ResultGroup {
  std::string name;         ///< bytes
  std::int64_t groups = 1;  ///< above 1: the sum of so many that are not named
  ResultSums sums;
};

struct Breakdown {
  std::string below;  ///< the directory that all items lie in, bytes; "" the root
  std::vector<ResultGroup> by_directory;  ///< its children, most items first; "" is itself
  std::vector<ResultGroup> by_type;       ///< "symlink", most items first; "" where none is known
  std::vector<ResultGroup> by_batch;      ///< by number: most failures first, then the first ones
  std::vector<ResultGroup> by_ending;     ///< ".jpg", most items first; "" for names without one
  std::vector<ResultGroup> by_size;       ///< "4 KiB", the upper end of each class, smallest first
};

/// Adds up items, in any order. Its memory is bounded whatever there are. One thread.
class BreakdownBuilder {
 public:
  /// `type`: a word for what it is (Run::type_of); there are few.
  void add(const store::ItemRow& item, std::string_view type = {});
  /// At most `most` groups by directory, ending and batch; the others are summed up as the last
  /// one.
  [[nodiscard]] Breakdown finish(std::size_t most) const;

 private:
  using Groups = std::map<std::string, ResultSums, std::less<>>;
  void add_batch(BatchId batch, const ResultSums& sums);
  void add_directory(std::string_view directory, const ResultSums& sums);
  void climb_to(std::size_t length);
  bool any_ = false;
  std::string common_;  ///< all items so far lie in it or below
  ResultSums here_;     ///< of those in itself
  Groups children_;
  Groups endings_;
  Groups types_;
  std::map<std::int64_t, ResultSums> batches_;
  ResultSums unnamed_batch_items_;  ///< of batches that are too many to be kept apart
  std::int64_t unnamed_batches_ = 0;
  BatchId last_unnamed_;
  std::map<int, ResultSums> sizes_;
  ResultSums unnamed_;  ///< of children that are too many to be kept apart
  std::int64_t unnamed_groups_ = 0;
};

/// Calls `fn` for every item and what it counts as, page by page; its first error ends it. Some
/// seconds for a million.
[[nodiscard]] Status for_each_item(
    const store::Ledger& ledger,
    const std::function<Status(const store::ItemRow&, store::CountAs)>& fn);

/// What was done, or by a dry run would be, in one word of outcomes ("created", "overwritten").
struct ActionResults {
  std::string action;
  std::int64_t items = 0;
  std::int64_t directories = 0;
  std::int64_t transferred_bytes = 0;
  std::vector<std::string> samples;  ///< paths of the first few, bytes
};
/// Of items that have completed, in the order of their words; steps are not counted. Reads every
/// item.
[[nodiscard]] Result<std::vector<ActionResults>> results_by_action(const store::Ledger& ledger,
                                                                   std::size_t samples);

/// Reads every item: some seconds for a million. Only those that count as items: directories and
/// steps do not. `most` as in BreakdownBuilder::finish().
/// `type_of`: a word for what an item is; none: nobody knows.
using TypeOf = std::function<std::string(const store::ItemRow&)>;
[[nodiscard]] Result<Breakdown> breakdown_of(const store::Ledger& ledger, std::size_t most,
                                             const TypeOf& type_of = {});

}  // namespace dunlin::engine
