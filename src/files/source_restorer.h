// SourceRestorer: the undo of a move across file systems makes each source again, from what stands
// at the destination, before that is taken away.
//
// Decides by looking, so it may be repeated after any crash: a source that stands there with the
// size, time and content of the one that went is restored; another one is left alone. One for one
// pass over one batch, driven by one thread; the items run on the engine's pool.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "engine/run.h"
#include "files/entry_writer.h"
#include "files/records.h"
#include "files/site.h"

namespace dunlin::files {

class SourceRestorer {
 public:
  SourceRestorer(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}

  /// Every source of `rows` stands under its name, durable, on return, but for those reported as
  /// failed here. Rows that need nothing (renamed, or not of a move) are left alone. `rows` keeps
  /// those that may be taken back at the destination. However it ends, but for a stop at once,
  /// nothing half made stays at the source.
  [[nodiscard]] Status restore(std::vector<engine::ItemRow>& rows);
  /// What a restore() that was killed has left half made is removed, durably; nothing is restored.
  /// Where the source cannot be reached, nothing is done. Repeatable.
  [[nodiscard]] Status settle();

 private:
  using Handle = std::shared_ptr<const fs::Directory>;
  struct Restored {
    engine::ItemRow* row = nullptr;
    Witness witness;
    bool begun = false;    ///< something of it may stand under its temporary name
    bool written = false;  ///< complete under its temporary name
    bool failed = false;
  };
  [[nodiscard]] Status take(std::vector<engine::ItemRow>& rows);
  [[nodiscard]] Status prepare();
  [[nodiscard]] Status bring_back();
  [[nodiscard]] Status clear();
  [[nodiscard]] Status remove_half_made(const Restored& one);
  [[nodiscard]] Status each(Status (SourceRestorer::*step)(Restored&));
  [[nodiscard]] Status write(Restored& one);
  [[nodiscard]] Status publish(Restored& one);
  [[nodiscard]] Result<std::optional<engine::ItemRow>> first_name(const Restored& one);
  [[nodiscard]] Status write_link(const Restored& one, const engine::ItemRow& first,
                                  const fs::Directory& from, const std::string& temporary);
  [[nodiscard]] Status restore_first(const engine::ItemRow& first, const Restored& one,
                                     const std::string& temporary);
  [[nodiscard]] Status write_copy(const engine::ItemRow& row, const Witness& witness,
                                  const fs::Directory& from, const std::string& temporary,
                                  fs::BatchFlush& flush);
  [[nodiscard]] Status remove_temporaries(const fs::Directory& from, ItemId item);
  [[nodiscard]] Result<bool> stands(const engine::ItemRow& row, const Witness& witness,
                                    const fs::Directory& from);
  void fail(Restored& one, Error error);

  Site& site_;
  engine::BatchContext& context_;
  SourceTrees* source_ = nullptr;
  fs::DirectoryCache* destination_ = nullptr;
  FilesPlan everything_;  ///< preserved, whatever the move was told to
  std::unique_ptr<fs::BatchFlush> flush_;
  std::vector<Restored> restored_;
  std::mutex first_mutex_;
};

}  // namespace dunlin::files
