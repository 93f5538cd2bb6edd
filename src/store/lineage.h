// LineageReader: which items of one ledger stand for a path, at the source or at the destination.
//
// A ledger is made to be written: items have no index by name. So a search reads the items' rows
// once, in id order, a piece at a time, and keeps only what matches: bounded memory, and no lock
// that an owner would wait for. Where the ledger says what its paths mean (`place`: files) a path
// is matched exactly, through directory and name; elsewhere an item is meant by its name, or by an
// address that ends in it.
//
// Opens the ledger by itself and for reading only. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "store/ledger.h"

namespace dunlin::store {

/// One item that has to do with the path.
struct LineageItem {
  bool from_it = false;  ///< the path is its source
  bool into_it = false;  ///< the path is its destination
  ItemRow item;
  std::string task_type;
  CountAs count_as = CountAs::items;
  std::string source;       ///< bytes; whole where the ledger says it, else the item's path
  std::string destination;  ///< the same
};

class LineageReader {
 public:
  /// The errors of Ledger's own opening.
  [[nodiscard]] static Result<std::unique_ptr<LineageReader>> open(const std::string& ledger_file);
  ~LineageReader();

  [[nodiscard]] Result<ExecutionRow> execution();

  /// Called between pieces with the number of items looked at since the last call; an error ends
  /// the search.
  using Progress = std::function<Status(std::int64_t items)>;
  /// The items that `paths` mean (bytes; absolute and relative spellings of one thing), at most
  /// `limit`, in id order.
  [[nodiscard]] Result<std::vector<LineageItem>> find(const std::vector<std::string>& paths,
                                                      std::size_t limit, const Progress& progress);
  /// One item; not_found.
  [[nodiscard]] Result<LineageItem> item(ItemId id);

 private:
  struct Parts;
  explicit LineageReader(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace dunlin::store
