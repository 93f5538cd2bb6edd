// Mode `test`: which entries of the source are the sample (engine/test_run.h). The whole source is
// listed once, with the plan's rules, to count it and to draw; then the enumeration takes what was
// drawn and the directories that lead there, and nothing else.
//
// Files are told apart by size, in seven classes from empty to more than 256 MiB; each class that
// has any gives at least one file, the rest go to the classes by the number of their files. Which
// files of a class: those whose path, hashed with the id of the execution, gives the least numbers.
// So the sample is spread over the tree, is another one for each execution, and the same one after
// a crash. It never holds more than 1 GiB, so a class of large files may give none.
//
// Memory: seven times the size of the sample, and the directories that are still to be listed.
// Driven by the thread that enumerates.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "base/text.h"
#include "engine/run.h"
#include "engine/test_run.h"
#include "files/site.h"

namespace dunlin::files {

class Sample {
 public:
  /// Lists the source of `site` once; `items`: the most that are drawn.
  [[nodiscard]] static Result<Sample> draw(Site& site, engine::EnumerateContext& context,
                                           std::int64_t items);

  /// By the path below the root, as the ledger has it.
  [[nodiscard]] bool takes(const std::string& path) const { return files_.contains(path); }
  /// Does the directory hold some of it, however deep?
  [[nodiscard]] bool leads_there(const std::string& path) const {
    return directories_.contains(path);
  }
  /// An entry of that type, a directory for what it holds.
  [[nodiscard]] bool wants(const std::string& path, fs::EntryType type) const {
    return type == fs::EntryType::directory ? leads_there(path) : takes(path);
  }
  /// "100 of 51,574 files"
  [[nodiscard]] std::string words() const;
  [[nodiscard]] const engine::SampleCounts& counts() const { return counts_; }
  /// For people, with the counts.
  void name_place(const std::string& path) { counts_.place = escape_bytes(path); }

 private:
  std::unordered_set<std::string> files_;
  std::unordered_set<std::string> directories_;
  engine::SampleCounts counts_;
};

}  // namespace dunlin::files
