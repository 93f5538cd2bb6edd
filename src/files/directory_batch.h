// Batches of directories: made (parents first), given mode and times at the very end (deepest
// first), compared and taken back. Idempotent, so settle() has nothing to do for them; the intent
// of a creation says what stood there before the first attempt, for undo to know its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/obstacles.h"
#include "files/records.h"
#include "files/reopened.h"
#include "files/site.h"
#include "fs/flush.h"
#include "fs/metadata.h"

namespace dunlin::files {

class DirectoryBatch {
 public:
  DirectoryBatch(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}
  ~DirectoryBatch();
  DirectoryBatch(const DirectoryBatch&) = delete;
  DirectoryBatch& operator=(const DirectoryBatch&) = delete;

  [[nodiscard]] Status create();
  /// After a crash: parents that a second try had opened are finished again. Of what is in doubt:
  /// the directories that were made and are there.
  [[nodiscard]] Status settle_create();
  /// Of what is in doubt: those that are as they were set. All others are opened, so that what lies
  /// in them can be taken back, or done again.
  [[nodiscard]] Status settle_times();
  [[nodiscard]] Status rehearse();
  [[nodiscard]] Status undo_create();
  [[nodiscard]] Status set_times();
  [[nodiscard]] Status undo_times();
  /// Of both: existence, and for times also owner, mode and mtime as they were set.
  [[nodiscard]] Status verify();

 private:
  using Made = Result<engine::ItemOutcome>;
  [[nodiscard]] Status record_what_stands();
  /// Parents that are finished already (reopened.h), as CopyBatch does it with its directories.
  [[nodiscard]] Status enter_recorded();
  [[nodiscard]] Status open_parents();
  [[nodiscard]] Status leave_parents();
  [[nodiscard]] static engine::ItemOutcome outcome_of(const engine::ItemRow& row,
                                                      engine::ItemStatus status,
                                                      std::string action);
  [[nodiscard]] Status settle_doubted();
  [[nodiscard]] Made times_doubted(engine::ItemRow& row);
  [[nodiscard]] Made create_one(engine::ItemRow& row);
  [[nodiscard]] static engine::ItemOutcome made(const engine::ItemRow& row, const Witness& witness);
  [[nodiscard]] static Error no_directory(const fs::Directory& parent, const engine::ItemRow& row,
                                          const fs::FileInfo& there);
  [[nodiscard]] Made foresee_one(const engine::ItemRow& row, const Nearest& nearest,
                                 const Holds& holds);
  [[nodiscard]] Result<std::shared_ptr<const fs::Directory>> destination_directory(
      const std::string& path, const Nearest& nearest);
  [[nodiscard]] Made foresee_times(const engine::ItemRow& row, const Nearest& nearest);
  [[nodiscard]] Status create_root(std::int64_t levels);
  [[nodiscard]] Status undo_create_part();
  [[nodiscard]] Made undo_create_one(engine::ItemRow& row);
  [[nodiscard]] Made take_back(const engine::ItemRow& row);
  [[nodiscard]] Status all_sources_there();
  [[nodiscard]] Result<fs::Loss> restore_source(const engine::ItemRow& row);
  [[nodiscard]] Status remove_root(std::int64_t levels);
  [[nodiscard]] Status restore(const fs::Directory& directory, const Witness& witness);
  [[nodiscard]] Made times_one(engine::ItemRow& row);
  [[nodiscard]] Made undo_times_one(engine::ItemRow& row);
  [[nodiscard]] Result<std::optional<Error>> difference(const engine::ItemRow& row);

  Site& site_;
  engine::BatchContext& context_;
  std::vector<engine::ItemRow> rows_;
  fs::BatchFlush flush_;
  DirectoryStates reopened_;
};

}  // namespace dunlin::files
