// One batch of entries that are no directories: copied, or linked to what an earlier stage copied;
// settled after a crash; shown by the dry run.
//
// The order of durable steps and what settle() finds after a crash in each is the table in
// README.md. Made for one pass and driven by one thread; the items run on the engine's pool.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/decide.h"
#include "files/records.h"
#include "files/site.h"
#include "fs/copy.h"
#include "fs/flush.h"
#include "fs/inode.h"

namespace dunlin::files {

class CopyBatch {
 public:
  CopyBatch(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}

  [[nodiscard]] Status execute();
  [[nodiscard]] Status settle();
  [[nodiscard]] Result<std::vector<engine::Operation>> operations();

 private:
  enum class Stage : std::uint8_t { waiting, written, proven, published, ended };
  struct Copy {
    engine::ItemRow* row = nullptr;
    Stage stage = Stage::waiting;
    std::string name;  ///< at the destination
    std::string temporary;
    Witness witness;
    std::int64_t copied_bytes = 0;
  };
  using Handle = std::shared_ptr<const fs::Directory>;
  /// The first name of a set of hard links, at the destination.
  struct First {
    Handle directory;
    std::string name;
    fs::FileInfo info;
    std::string checksum;
    std::uint8_t proof = 0;
  };

  [[nodiscard]] Status prepare();
  [[nodiscard]] Status each(Stage stage, Status (CopyBatch::*step)(Copy&));
  [[nodiscard]] std::vector<Copy*> in_stage(Stage stage);
  void fail(Copy& copy, Error error);
  void skip(Copy& copy, std::string reason);
  void finish(Copy& copy);

  [[nodiscard]] Status copy_all();
  [[nodiscard]] Status write_all(bool fsync_each);
  [[nodiscard]] Status write(Copy& copy);
  [[nodiscard]] Error refusal(const Copy& copy, const Decision& decision,
                              const fs::Directory& to) const;
  [[nodiscard]] Status write_file(Copy& copy, const fs::Directory& from, const fs::Directory& to);
  [[nodiscard]] Status write_node(Copy& copy, const fs::Directory& from, const fs::Directory& to);
  [[nodiscard]] Status write_link(Copy& copy, const First& first, const fs::Directory& to);
  [[nodiscard]] Error not_to_be_made(const Copy& copy, fs::EntryType type, Error error,
                                     const fs::Directory& to);
  void keep_final_flags(Copy& copy, const fs::Extended& extended);
  [[nodiscard]] Result<std::optional<First>> first_of_set(Copy& copy, const Detail& listed,
                                                          const fs::FileInfo& source);
  [[nodiscard]] Result<std::uint64_t> inode_of_first(const Detail& listed);
  [[nodiscard]] ConflictRules rules_for(const engine::ItemRow& row) const;
  /// decide() for an item that is copied by itself, with the comparison that it may ask for.
  /// `to` may be nullptr when nothing stands there.
  [[nodiscard]] Result<Decision> decide_alone(const engine::ItemRow& row,
                                              const fs::FileInfo& source, const std::string& name,
                                              const std::optional<fs::FileInfo>& there,
                                              const fs::Directory* to);
  [[nodiscard]] Status prove(Copy& copy);
  [[nodiscard]] Status record_intents();
  [[nodiscard]] Status publish(Copy& copy);
  [[nodiscard]] Status complete(Copy& copy, const fs::Directory& to);
  [[nodiscard]] Status end(Status status);
  [[nodiscard]] Status discard(Copy& copy);

  [[nodiscard]] Status settle_one(Copy& copy);
  [[nodiscard]] Status settle_waiting();
  [[nodiscard]] Result<bool> find_done(Copy& copy, const fs::Directory& directory,
                                       const Witness& intent);
  [[nodiscard]] Result<bool> content_holds(const fs::Directory& directory, const Copy& copy,
                                           Witness& intent);
  [[nodiscard]] Status remove_temporaries(const Copy& copy, const fs::Directory& directory);

  [[nodiscard]] Result<Handle> destination_of(const Copy& copy);
  [[nodiscard]] Result<Handle> undo_folder(bool make);
  [[nodiscard]] fs::Transfer transfer();

  Site& site_;
  engine::BatchContext& context_;
  std::vector<engine::ItemRow> rows_;
  std::vector<Copy> copies_;
  std::vector<HashKind> hashes_;
  fs::FileSystemTraits traits_;
  std::int64_t granularity_ns_ = 1;
  fs::DirectoryCache* source_ = nullptr;
  fs::DirectoryCache* destination_ = nullptr;
  std::unique_ptr<fs::BatchFlush> flush_;
  std::mutex undo_mutex_;
  Handle undo_;
};

}  // namespace dunlin::files
