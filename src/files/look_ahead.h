// LookAhead: entries of directories, listed and looked at before the enumeration gets to them.
//
// On a cold cache a look is a read of the device, and one thread waits for each in turn. Here the
// engine's threads look at a few hundred names of one directory, and at the first ones of the
// directories that come next, while the enumeration journals what was looked at before. What it
// gets is what it would have found itself, in the same order: a look is as old as a listing. The
// same threads look at what stands at the destination under the same names (unchanged.h).
//
// Driven by the thread that enumerates.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/source_trees.h"
#include "files/unchanged.h"
#include "fs/directory.h"

namespace dunlin::files {

/// An entry as it was when it was looked at; nullopt: gone again since it was listed.
struct LookedAt {
  std::string name;
  fs::EntryType type = fs::EntryType::unknown;  ///< as listed, for one that cannot be looked at
  Result<std::optional<fs::FileInfo>> info;
  std::string skip_reason = {};  ///< not empty: the destination has it, and it is to be left there
  bool left_out = false;         ///< of an incremental execution: nothing has happened to it
};

class LookAhead {
 public:
  /// All outlive it. `unchanged` may be null.
  LookAhead(SourceTrees& source, const Unchanged* unchanged, engine::EnumerateContext& context);
  /// Waits for the looks that have begun.
  ~LookAhead();
  LookAhead(const LookAhead&) = delete;
  LookAhead& operator=(const LookAhead&) = delete;

  /// These will be read next, in this order; repeated names cost nothing.
  void announce(const std::deque<store::DirectoryRow>& next);
  /// Begins to read a directory; what was read of another one is dropped.
  void begin(const std::string& path);
  /// The next entry of it; nullopt at the end. The error of opening or listing it, or of a cancel.
  [[nodiscard]] Result<std::optional<LookedAt>> next();
  /// The directory that is being read; only after next() has given an entry of it.
  [[nodiscard]] const fs::Directory& directory() const;

 private:
  struct Reading;
  [[nodiscard]] std::shared_ptr<Reading> start(const std::string& path);
  void ask_for_slice(const std::shared_ptr<Reading>& reading);

  SourceTrees& source_;
  const Unchanged* unchanged_;
  engine::EnumerateContext& context_;
  std::size_t directories_ahead_;
  std::map<std::string, std::shared_ptr<Reading>> ahead_;
  std::shared_ptr<Reading> current_;
  std::vector<LookedAt> entries_;  ///< of the slice that is handed out
  std::size_t position_ = 0;
  std::optional<Error> error_;  ///< of the listing, after `entries_`
  /// How many jobs run, shared with them.
  struct Running;
  std::shared_ptr<Running> running_;
};

}  // namespace dunlin::files
