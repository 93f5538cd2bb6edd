// ItemChecks: what is asked of every listed item, and of all of them together, before the first one
// is begun (engine.md X-32, files.md F-7): may its source be read, may its place be written, can
// the destination hold its name and its size, would the plan refuse what stands there, and is there
// room for all. Changes nothing. One thread.
//
// What it cannot know (a file that changes, a quota of somebody else) is found again when the item
// is copied.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/run.h"
#include "files/decide.h"
#include "files/obstacles.h"
#include "files/site.h"
#include "files/source_trees.h"

namespace dunlin::files {

class ItemChecks {
 public:
  ItemChecks(Site& site, engine::ItemsContext& context) : site_(site), context_(context) {}
  [[nodiscard]] Result<std::vector<engine::Problem>> run();

 private:
  /// What the whole needs at the destination.
  struct Need {
    std::int64_t bytes = 0;
    std::int64_t inodes = 0;
  };

  [[nodiscard]] Status open();
  [[nodiscard]] Status check(const store::BatchRow& batch, const engine::ItemRow& item);
  [[nodiscard]] Status check_directory(const engine::ItemRow& item);
  [[nodiscard]] Status check_file(const engine::ItemRow& item);
  /// `name`: at the destination.
  void check_name(const engine::ItemRow& item, const std::string& name, const fs::FileInfo& info);
  void check_folding(const engine::ItemRow& item);
  void check_readable(const fs::Directory& from, const engine::ItemRow& item,
                      const fs::FileInfo& info);
  /// What would be done with it now; nullopt when nothing tells before.
  [[nodiscard]] Result<std::optional<Decision>> decision(const engine::ItemRow& item,
                                                         const fs::FileInfo& info);
  [[nodiscard]] Status add_need(const fs::Directory& from, const engine::ItemRow& item,
                                const Detail& detail, const std::optional<Decision>& decided);
  [[nodiscard]] Status check_room();
  [[nodiscard]] std::optional<std::string> short_of(const Need& need) const;
  [[nodiscard]] Status find_roomless();
  [[nodiscard]] bool all_or_nothing() const;
  void add(Error error);

  Site& site_;
  engine::ItemsContext& context_;
  std::optional<Nearest> nearest_;
  fs::FileSystemTraits traits_;
  fs::Space space_;
  SourceTrees* source_ = nullptr;
  fs::DirectoryCache* destination_ = nullptr;  ///< null: it does not stand yet
  std::int64_t granularity_ns_ = 1;
  std::shared_ptr<const ChangedSince> changed_since_;
  Holds holds_;
  bool folds_ = false;
  std::set<std::uint64_t> roomless_;  ///< devices from which no content is written
  bool exact_ = false;                ///< the sizes as listed are more than there is room for
  bool looks_ = false;                ///< at what stands at the destination
  Need need_;
  std::string checked_source_;  ///< of which directory the right to remove was looked at last
  std::string folding_in_;
  std::unordered_set<std::string> folded_;
  struct Kind {
    std::vector<Error> named;
    std::int64_t more = 0;
  };
  std::map<ErrorType, Kind> found_;
};

}  // namespace dunlin::files
