// One batch of entries that are no directories: copied, or linked to what an earlier stage copied;
// settled after a crash; shown by the dry run.
//
// The order of durable steps and what settle() finds after a crash in each is the table in
// README.md. Made for one pass and driven by one thread; the items run on the engine's pool.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/decide.h"
#include "files/entry_writer.h"
#include "files/md5_queue.h"
#include "files/obstacles.h"
#include "files/records.h"
#include "files/reopened.h"
#include "files/site.h"
#include "fs/copy.h"
#include "fs/flush.h"
#include "fs/inode.h"

namespace dunlin::files {

class CopyBatch {
 public:
  CopyBatch(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}
  ~CopyBatch();
  CopyBatch(const CopyBatch&) = delete;
  CopyBatch& operator=(const CopyBatch&) = delete;

  [[nodiscard]] Status execute();
  [[nodiscard]] Status settle();
  [[nodiscard]] Status rehearse();

 private:
  /// `moved`: published, and its source is gone. `refused`: published, then taken away again
  /// because its source could not be removed.
  enum class Stage : std::uint8_t { waiting, written, proven, published, moved, refused, ended };
  struct Copy {
    engine::ItemRow* row = nullptr;
    Stage stage = Stage::waiting;
    std::string target;  ///< its name at the destination
    std::string name;    ///< the one that it gets: `target`, or a numbered one
    std::string temporary;
    Witness witness;
    std::string read_back;  ///< what reading it back has to give, if that is not the checksum
    std::int64_t copied_bytes = 0;
    std::unique_ptr<Witness> part;  ///< of a large file: what an earlier life left of its temporary
    bool part_recorded = false;     ///< the ledger knows what the temporary is worth
    bool settled_removal = false;   ///< the removal of its source had begun in a process that died
    bool written_again = false;     ///< the device did not hold what was written first
    bool rename_refused = false;    ///< by the file system (EXDEV): the move is a copy
    std::optional<Error> refusal;   ///< of stage `refused`
    std::optional<Error> doubt;     ///< done once; why it does not hold and was not done again
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
  /// In one word, for outcomes.
  [[nodiscard]] static std::string_view action_of(const Witness& witness, bool moves);
  [[nodiscard]] static engine::ItemOutcome skipped(const Copy& copy, std::string reason);
  void finish(Copy& copy);
  void report_ended();

  [[nodiscard]] Status copy_all();
  [[nodiscard]] Status copy_waiting();
  [[nodiscard]] Status write_all(bool fsync_each);
  [[nodiscard]] Status write_waiting();
  [[nodiscard]] Status write(Copy& copy);
  [[nodiscard]] Result<fs::FileInfo> look_at_source(const engine::ItemRow& row,
                                                    const Detail& listed,
                                                    const fs::Directory& from);
  [[nodiscard]] static Error why_not_listed(const fs::Directory& from);
  [[nodiscard]] Error refusal(const Copy& copy, const Decision& decision,
                              const fs::Directory& to) const;
  [[nodiscard]] Status keep_reservation(const Copy& copy, const fs::Directory& from,
                                        const fs::Directory& to, const fs::FileInfo& source);
  /// Not empty: why there is nothing to write.
  [[nodiscard]] Result<std::optional<std::string>> act(Copy& copy, const Decision& decision,
                                                       const fs::FileInfo& source,
                                                       const std::optional<fs::FileInfo>& there,
                                                       const std::optional<First>& first,
                                                       const fs::Directory& to);
  [[nodiscard]] Status write_entry(Copy& copy, fs::EntryType type, const fs::Directory& from,
                                   const fs::Directory& to);
  [[nodiscard]] Status write_link(Copy& copy, const First& first, const fs::Directory& to);
  void keep_final_flags(Copy& copy, std::uint32_t flags);
  [[nodiscard]] Result<std::optional<First>> first_of_set(Copy& copy, const Detail& listed,
                                                          const fs::FileInfo& source);
  [[nodiscard]] ConflictRules rules_for(const engine::ItemRow& row) const;
  /// decide() for an item that is copied by itself, with the comparison that it may ask for.
  /// `to` may be nullptr when nothing stands there.
  [[nodiscard]] Result<Decision> decide_alone(const engine::ItemRow& row,
                                              const fs::FileInfo& source, const std::string& name,
                                              const std::optional<fs::FileInfo>& there,
                                              const fs::Directory* to);
  [[nodiscard]] Status prove(Copy& copy);
  [[nodiscard]] Status write_again(Copy& copy);
  [[nodiscard]] Status record_intents();
  [[nodiscard]] Status publish(Copy& copy);
  [[nodiscard]] Status complete(Copy& copy, const fs::Directory& to);
  [[nodiscard]] Status end(Status status);
  [[nodiscard]] Status discard(Copy& copy);
  [[nodiscard]] Status discard_durably(Copy& copy);

  // rehearsal.cpp
  struct Standing {
    Handle directory;  ///< none: it would be made
    std::optional<fs::FileInfo> there;
    bool clashes = false;  ///< with another name that the destination takes for the same
  };
  [[nodiscard]] Result<engine::ItemOutcome> foresee(engine::ItemRow& row);
  [[nodiscard]] Result<Standing> look_at_destination(const engine::ItemRow& row,
                                                     const std::string& name);
  [[nodiscard]] Result<std::optional<std::uint64_t>> foresee_first(Copy& copy, const Detail& listed,
                                                                   const fs::FileInfo& source);
  [[nodiscard]] Status obstacles(const Copy& copy, const fs::Directory& from,
                                 const fs::FileInfo& source, const Standing& standing);
  [[nodiscard]] engine::ItemOutcome foreseen(const Copy& copy, const fs::FileInfo& source) const;

  // both.cpp
  struct FreeName {
    std::string name;
    bool same = false;  ///< taken, by what would be put there
  };
  [[nodiscard]] Result<FreeName> free_name(const engine::ItemRow& row, const std::string& target,
                                           const fs::Directory& to,
                                           const std::function<bool(const fs::FileInfo&)>& same);
  [[nodiscard]] Status choose_again(Copy& copy, const fs::Directory& to, Witness& witness);
  struct Kept {
    Handle folder;
    std::string name;
  };
  [[nodiscard]] Result<Kept> kept_place(const Copy& copy, const Witness& witness, bool make);
  [[nodiscard]] bool name_taken(const Status& placed) const;
  [[nodiscard]] Status place_new(Copy& copy, const fs::Directory& from, const std::string& name,
                                 const fs::Directory& to);
  [[nodiscard]] Status place_over(Copy& copy, const fs::Directory& to);
  [[nodiscard]] Status keep_exchanged(Copy& copy, const fs::Directory& directory,
                                      const std::string& temporary, Witness& intent);
  [[nodiscard]] Status write_source_link(Copy& copy, const fs::Directory& from,
                                         const fs::Directory& to, const fs::FileInfo& source);
  [[nodiscard]] static Error not_to_be_linked(const fs::Directory& from, const std::string& name,
                                              Error error);
  /// As it is recorded: that of the first item carries what the batch knows of its directories.
  [[nodiscard]] std::string intent_of(const Copy& copy, Witness witness);

  // part.cpp
  [[nodiscard]] Result<Handle> part_folder(bool make);
  [[nodiscard]] Status adopt_part(Copy& copy);
  [[nodiscard]] Status drop_part_folder();
  [[nodiscard]] Status keep_part(const Copy& copy, const fs::Directory& to,
                                 const std::string& temporary);
  [[nodiscard]] Status keep_part(const Copy& copy);
  [[nodiscard]] Status settle_part(const Copy& copy, const fs::Directory& to,
                                   const Witness& intent);
  [[nodiscard]] Part part_of(Copy& copy);

  // move.cpp
  [[nodiscard]] Result<bool> prepare_rename(Copy& copy, const fs::Directory& from,
                                            const fs::Directory& to, const fs::FileInfo& source,
                                            const std::optional<fs::FileInfo>& there);
  [[nodiscard]] Status publish_renamed(Copy& copy, const fs::Directory& to);
  [[nodiscard]] Status bring_back(const Copy& copy, const Witness& intent);
  [[nodiscard]] Status settle_rename(const Copy& copy, const fs::Directory& to,
                                     const Witness& intent);
  [[nodiscard]] Status remove_sources();
  [[nodiscard]] Status record_removals();
  [[nodiscard]] Status remove_source(Copy& copy);
  [[nodiscard]] Status remove_as_copied(const Copy& copy, const fs::Directory& from,
                                        const fs::Directory& to);
  [[nodiscard]] Status refuse(Copy& copy, const fs::Directory& from, const fs::Directory& to,
                              const Error& error);
  /// A source under the name by which it was set aside, on its way out.
  struct Aside {
    std::string name;
    fs::FileInfo info;
  };
  [[nodiscard]] Result<std::optional<Aside>> find_aside(const Copy& copy,
                                                        const fs::Directory& from);
  [[nodiscard]] Status settle_aside(const Copy& copy, bool done);
  [[nodiscard]] Result<bool> as_copied(const Copy& copy, const fs::Directory& from,
                                       const fs::FileInfo& now, const Witness& witness);
  [[nodiscard]] Result<bool> source_moved_on(const Copy& copy, const Witness& intent);

  /// What was found where a copy belongs.
  struct Placed {
    std::optional<fs::FileInfo> at_name;
    bool ours = false;      ///< `at_name` is what we put there
    Kept kept;              ///< where the old version is kept; no folder: it is not
    bool have_old = false;  ///< it is there
  };
  [[nodiscard]] Result<bool> still_holds(Copy& copy, const fs::Directory& directory,
                                         const Witness& intent);
  [[nodiscard]] Status source_is_there(const Copy& copy, const fs::Directory& to,
                                       const Witness& intent);
  [[nodiscard]] Status take_away(const Copy& copy, const fs::Directory& directory,
                                 const Witness& intent, const Placed& found);
  [[nodiscard]] Status settle_one(Copy& copy);
  // doubt.cpp
  [[nodiscard]] Status keep_recorded();
  [[nodiscard]] Status settle_doubted(Copy& copy, const fs::Directory* directory);
  [[nodiscard]] Status look_again(Copy& copy, const fs::Directory* directory, Witness& intent);
  [[nodiscard]] Result<bool> still_as_done(Copy& copy, const fs::Directory& directory,
                                           const fs::FileInfo& there, Witness& intent);
  [[nodiscard]] bool can_be_done_again(const Copy& copy) const;
  void end_as_done(Copy& copy, Witness intent);
  [[nodiscard]] Status call_done(Copy& copy, const fs::Directory& directory, Witness intent);
  void leave_as_it_is(Copy& copy, Witness intent, Error why);
  [[nodiscard]] Result<std::optional<bool>> is_inode_of_first(const Copy& copy,
                                                              const Witness& intent);
  [[nodiscard]] Status settle_waiting();
  [[nodiscard]] Result<bool> find_done(Copy& copy, const fs::Directory& directory, Witness& intent);
  [[nodiscard]] Result<bool> content_holds(const fs::Directory& directory, const Copy& copy,
                                           Witness& intent);
  [[nodiscard]] Status remove_temporaries(const Copy& copy, const fs::Directory& directory);

  [[nodiscard]] Status enter_recorded();
  [[nodiscard]] Status enter_all();
  [[nodiscard]] Status enter(const std::string& path,
                             const std::optional<DirectoryState>& recorded);
  [[nodiscard]] Status leave_all();
  void report(engine::ItemOutcome outcome);

  [[nodiscard]] Result<Handle> destination_of(const Copy& copy);
  [[nodiscard]] Result<Handle> undo_folder(bool make);

  Site& site_;
  engine::BatchContext& context_;
  std::vector<engine::ItemRow> rows_;
  std::vector<Copy> copies_;
  std::vector<HashKind> hashes_;
  bool md5_together_ = false;  ///< of small files by md5_queue_
  fs::FileSystemTraits traits_;
  std::int64_t granularity_ns_ = 1;
  std::shared_ptr<const ChangedSince> changed_since_;
  SourceTrees* source_ = nullptr;
  fs::DirectoryCache* destination_ = nullptr;
  std::optional<Nearest> nearest_;  ///< of a rehearsal, as what it holds
  Holds holds_;
  std::unique_ptr<fs::BatchFlush> flush_;
  Md5Queue md5_queue_;
  /// Not empty: the batch had been started before, and reports when it has left them.
  DirectoryStates reopened_;
  Witness carrier_;  ///< the intent of the first item, whose record they go with, without them
  std::mutex kept_back_mutex_;
  std::vector<engine::ItemOutcome> kept_back_;
  std::mutex undo_mutex_;
  Handle undo_;
};

}  // namespace dunlin::files
