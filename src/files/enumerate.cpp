// Enumeration: the source tree becomes three tasks (four where there are hard links), chunk by
// chunk, in bounded memory.
//
// Of a set of hard links the first name that is found is copied; the others become links to it in a
// stage of their own, once every copy has ended. The ledger remembers the first item of each set,
// so the sets hold across chunks and across a crash without a map in memory.
//
// A chunk holds up to one batch of files, the directories found meanwhile, and their two batches.
// What is found but not read yet stays in the ledger as open directories (the frontier); a getdents
// position is never stored. The cursor names the directories that were left half read (one per
// crash at most): they are read again, and has_item() tells what was journaled already.
//
// Where a move also removes what it has emptied, the directories are journaled once more when all
// are known, the last found first: a child is found after its parent. Each batch of them waits for
// the one before.
//
// With a selection (selection.h), or in an incremental execution (unchanged.h), the cursor also
// keeps the moment from which `modified_since` counts, and what was left out of the directories
// that were read to their end: a half-read one is counted again with its second reading. Of a set
// of hard links the first name that is taken is the one that is copied.
//
// Several sources are read as if they were the entries of one directory: their names are listed,
// each is looked at where it stands, and the rest is as with one.
#include "files/enumerate.h"

#include <fcntl.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/binary.h"
#include "files/listed.h"
#include "files/look_ahead.h"
#include "files/own_state.h"
#include "files/paths.h"
#include "files/records.h"
#include "files/root_directories.h"
#include "files/sample.h"
#include "files/unchanged.h"

namespace dunlin::files {
namespace {

using engine::DirectoryRow;
using engine::EnumerateContext;
using engine::NewBatch;
using engine::NewDirectory;
using engine::NewItem;
using engine::NewTask;
using store::CountAs;

constexpr std::size_t kFrontierWindow = 1000;
/// What needs nothing is only written down: fewer and larger commits, for each waits for the disk.
/// Some 300 bytes an item while it waits. Not where a person has named a size.
constexpr std::size_t kUnchangedInBatch = 8192;

std::string below(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

class Enumerator {
 public:
  Enumerator(Site& site, EnumerateContext& context, const Sample* sample)
      : site_(site), context_(context), sample_(sample), own_state_(context) {}

  Status run();

 private:
  /// One batch in the making; its items get their ids when the chunk is complete.
  struct Draft {
    TaskId task;
    BatchId id;
    std::vector<NewItem> items;
    std::set<BatchId> depends_on;
    std::string skip_reason;
  };
  /// A further name: its item, and the set it belongs to when the first is of this chunk, too.
  struct Link {
    Detail detail;
    std::string key;
  };

  Status begin();
  Status find_tasks();
  Status read(const DirectoryRow& row);
  Status read_sources(const DirectoryRow& row);
  Status add_source(const DirectoryRow& row, BatchId made_by, const Layout::Source& source);
  Status close(const DirectoryRow& row);
  [[nodiscard]] std::string key_of(const fs::FileInfo& info);
  bool leaves_out(const DirectoryRow& row, std::string_view name, const fs::FileInfo& info,
                  bool looked);
  Result<bool> left_out_by_content(const DirectoryRow& row, std::string_view name,
                                   const fs::FileInfo& info, const fs::Directory& directory);
  Status add_missing(const DirectoryRow& row, BatchId made_by,
                     const std::set<std::string>& missing);
  void say_what_was_left_out();
  Status add_entry(const DirectoryRow& row, BatchId made_by, const LookedAt& entry);
  Status add_unchanged(const DirectoryRow& row, const LookedAt& entry, const fs::FileInfo& info);
  void add_directory(const DirectoryRow& parent, BatchId made_by, std::string_view name,
                     const fs::FileInfo& info);
  void add(Draft& draft, DirectoryId directory, std::string_view name, const Detail& detail);
  Status add_file(const DirectoryRow& row, std::string_view name, const fs::FileInfo& info);
  void resolve_links(ItemId first_copied);
  TaskId new_task(std::string_view type, int stage, bool barrier, std::string_view description,
                  CountAs count_as);
  Status commit(bool complete);
  Status read_cursor();
  Status list_emptied();
  void move_into(EnumerateContext::Chunk& chunk, Draft& draft);
  [[nodiscard]] bool full() const;
  [[nodiscard]] bool makes_directories(const Draft& draft) const {
    return &draft == &create_ || &draft == &root_;
  }

  Site& site_;
  EnumerateContext& context_;
  const Sample* const sample_;  ///< null: everything is taken
  /// `root_`: of several sources, the directory that they go into; nothing that was asked for.
  /// `unchanged_`: what the destination has (unchanged.h); copy_files as well.
  Draft root_, create_, copy_, unchanged_, links_, times_, emptied_;
  bool left_out_said_ = false;  ///< journaled; the tasks of a process that died count
  DirectoryId emptied_before_;  ///< those from this one on are journaled for removal
  BatchId last_emptied_;
  std::vector<Link> link_details_;                     ///< of links_.items
  std::map<std::string, std::size_t> first_of_chunk_;  ///< key of a set: index in copy_.items
  std::uint64_t root_device_ = 0;                      ///< of the source that is being read
  SourceTrees* source_ = nullptr;
  OwnState own_state_;
  std::int64_t copy_bytes_ = 0;
  EnumerateContext::Chunk chunk_;
  std::deque<DirectoryRow> waiting_;
  std::unique_ptr<const Unchanged> at_destination_;
  std::optional<LookAhead> ahead_;
  std::set<DirectoryId> half_read_;
  Selection selection_;
  Selection::Inside inside_;      ///< of the directory that is being read
  SelectionCounts in_directory_;  ///< of it, until it is read to its end
  SelectionCounts counts_;
  bool counts_what_is_left_out_ = false;
};

void Enumerator::add(Draft& draft, DirectoryId directory, std::string_view name,
                     const Detail& detail) {
  // Only the directories' batch is named before it is full: the others depend on it, and a batch
  // may depend on older ones alone.
  if (makes_directories(draft) && draft.items.empty()) draft.id = context_.new_batch_id();
  NewItem item;
  item.directory = directory;
  item.name = name;
  item.size = detail.info.type == fs::EntryType::file ? detail.info.size : 0;
  item.detail = encode(detail);
  draft.items.push_back(std::move(item));
}

/// Everything but a directory. With more names than this one it is the first of its set, or a link.
/// In a move the last name of a set stands alone once the others have gone.
Status Enumerator::add_file(const DirectoryRow& row, std::string_view name,
                            const fs::FileInfo& info) {
  if ((info.links > 1 || site_.plan.moves()) && site_.plan.preserve_links) {
    std::string key = key_of(info);
    Link link{{info, {}, false}, ""};
    if (first_of_chunk_.contains(key)) {
      link.key = std::move(key);
    } else {
      DUNLIN_ASSIGN(const auto first, context_.first_item(key));
      if (!first && info.links > 1) {
        first_of_chunk_.emplace(std::move(key), copy_.items.size());
      } else if (first) {
        link.detail.first = *first;
      }
    }
    if (link.detail.first.valid() || !link.key.empty()) {
      if (!links_.task.valid())
        links_.task = new_task(kLinkSets, 2, true, "link the further names of hard-linked files",
                               CountAs::items);
      add(links_, row.id, name, link.detail);
      links_.items.back().size = 0;  // the first name counts its bytes
      link_details_.push_back(std::move(link));
      return success();
    }
  }
  add(copy_, row.id, name, {info, {}, false});
  if (info.type == fs::EntryType::file) copy_bytes_ += info.size;
  return success();
}

/// The copies of this chunk have their ids now: what refers to them is complete.
void Enumerator::resolve_links(ItemId first_copied) {
  const auto id_of = [&](std::size_t index) {
    return ItemId(first_copied.value + static_cast<std::int64_t>(index));
  };
  for (std::size_t n = 0; n < link_details_.size(); ++n) {
    Link& link = link_details_[n];
    if (!link.key.empty()) link.detail.first = id_of(first_of_chunk_.at(link.key));
    links_.items[n].detail = encode(link.detail);
  }
  for (const auto& [key, index] : first_of_chunk_)
    chunk_.first_items.push_back({key, id_of(index)});
  link_details_.clear();
  first_of_chunk_.clear();
}

bool Enumerator::full() const {
  const auto limit = static_cast<std::size_t>(context_.settings().batch_size);
  const std::size_t unchanged =
      context_.settings().batch_size_set ? limit : std::max(limit, kUnchangedInBatch);
  return copy_.items.size() >= limit || create_.items.size() >= limit ||
         unchanged_.items.size() >= unchanged || links_.items.size() >= limit ||
         copy_bytes_ >= context_.settings().batch_bytes;
}

void Enumerator::move_into(EnumerateContext::Chunk& chunk, Draft& draft) {
  if (draft.items.empty()) return;
  NewBatch batch;
  batch.id = makes_directories(draft) ? draft.id : context_.new_batch_id();
  batch.task = draft.task;
  batch.items = std::exchange(draft.items, {});
  batch.skip_reason = draft.skip_reason;
  for (NewItem& item : batch.items) item.id = context_.new_item_id();
  const std::int64_t first = batch.items.front().id.value;
  if (first < site_.first_listed.load()) site_.first_listed = first;
  draft.depends_on.erase(batch.id);
  batch.depends_on.assign(draft.depends_on.begin(), draft.depends_on.end());
  draft.depends_on.clear();
  chunk.batches.push_back(std::move(batch));
}

Status Enumerator::commit(bool complete) {
  move_into(chunk_, root_);
  move_into(chunk_, create_);
  const bool copies = !copy_.items.empty();
  move_into(chunk_, copy_);
  resolve_links(copies ? chunk_.batches.back().items.front().id : ItemId());
  unchanged_.task = copy_.task;
  move_into(chunk_, unchanged_);
  move_into(chunk_, links_);
  move_into(chunk_, times_);
  copy_bytes_ = 0;
  ByteWriter cursor;
  cursor.varint(half_read_.size());
  for (const DirectoryId id : half_read_) cursor.varint(static_cast<std::uint64_t>(id.value));
  cursor.varint(static_cast<std::uint64_t>(emptied_before_.value));
  cursor.varint(static_cast<std::uint64_t>(last_emptied_.value));
  if (counts_what_is_left_out_) {
    const auto since = selection_.modified_since(0);
    cursor.u8(since ? 1 : 0);
    if (since) cursor.zigzag(since->seconds).varint(since->nanoseconds);
    put(cursor, counts_);
  }
  chunk_.cursor_after = cursor.take();
  chunk_.complete = complete;
  DUNLIN_TRY(context_.commit(std::exchange(chunk_, {})));
  // What waits is in the ledger now and comes back from there.
  if (waiting_.size() > kFrontierWindow) waiting_.resize(kFrontierWindow);
  return success();
}

Status Enumerator::find_tasks() {
  DUNLIN_ASSIGN(const auto tasks, context_.tasks());
  for (const auto& task : tasks) {
    if (task.task_type == kCreateDirectory) create_.task = task.id;
    if (task.task_type == kCopyFiles) copy_.task = task.id;
    if (task.task_type == kLinkSets) links_.task = task.id;
    if (task.task_type == kDirectoryTimes) times_.task = task.id;
    if (task.task_type == kRemoveDirectories) emptied_.task = task.id;
    if (task.task_type == kSelection) left_out_said_ = true;
  }
  return success();
}

Status Enumerator::read_cursor() {
  ByteReader in(context_.cursor());
  for (std::size_t n = in.count(); n > 0; --n) {
    half_read_.emplace(static_cast<std::int64_t>(in.varint()));
  }
  emptied_before_ = DirectoryId(static_cast<std::int64_t>(in.varint()));
  last_emptied_ = BatchId(static_cast<std::int64_t>(in.varint()));
  if (counts_what_is_left_out_) {
    if (in.u8() != 0) {
      const std::int64_t seconds = in.zigzag();
      selection_.freeze({seconds, static_cast<std::uint32_t>(in.varint())});
    }
    counts_ = get_selection_counts(in);
  }
  return in.finish("cursor of the enumeration");
}

TaskId Enumerator::new_task(std::string_view type, int stage, bool barrier,
                            std::string_view description, CountAs count_as) {
  NewTask fresh;
  fresh.id = context_.new_task_id();
  fresh.task_type = type;
  fresh.stage = stage;
  fresh.barrier = barrier;
  fresh.priority = stage == 0 ? store::Priority::immediate : store::Priority::normal;
  fresh.description = description;
  fresh.count_as = count_as;
  chunk_.tasks.push_back(fresh);
  return fresh.id;
}

/// The tasks, the root, and for a single file the whole work.
Status Enumerator::begin() {
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  DUNLIN_ASSIGN(const SourceTrees::Handle first, source_->open_root(source_->roots().front()));
  root_device_ = first->device();
  if (layout->several())
    root_.task = new_task(kCreateDirectory, 0, false, "create the directory that all go into",
                          CountAs::steps);
  // The directory that a single file goes into is nothing that was asked for.
  create_.task = new_task(kCreateDirectory, 0, false, "create directories, parents first",
                          layout->whole_tree() ? CountAs::directories : CountAs::steps);
  copy_.task = new_task(kCopyFiles, 1, false, "copy files", CountAs::items);
  times_.task = new_task(kDirectoryTimes, 3, true,
                         "set mode and times of directories, deepest first", CountAs::steps);
  fs::FileInfo info;
  info.type = fs::EntryType::directory;
  if (!layout->several()) {
    DUNLIN_ASSIGN(info, first->info());
  }
  if (sample_ != nullptr) {
    new_task(engine::kSampleTask, 0, false, sample_->words(), CountAs::steps);
    chunk_.tasks.back().parameters_json = dump_json(sample_->counts().json());
  }
  chunk_.places = places_of(*layout);
  Draft& made_by = layout->several() ? root_ : create_;
  DirectoryRow root;
  root.id = context_.new_directory_id();
  add(made_by, root.id, "", {info, {}, false});
  root.detail = encode_batch(made_by.id);
  root.open = layout->whole_tree();
  chunk_.directories.push_back(root);
  if (layout->whole_tree()) {
    // What several sources go into is described by none of them.
    if (!layout->several()) add(times_, root.id, "", {info, {}, false});
    waiting_.push_back(std::move(root));
    return success();
  }
  DUNLIN_ASSIGN(const fs::FileInfo single, first->info(layout->single_name));
  copy_.depends_on.insert(create_.id);
  if (!leaves_out(root, layout->single_name, single, true)) {
    DUNLIN_ASSIGN(const bool left_out,
                  left_out_by_content(root, layout->single_name, single, *first));
    if (!left_out) add(copy_, root.id, layout->single_name, {single, {}, false});
  }
  counts_.add(in_directory_);
  say_what_was_left_out();
  return commit(true);
}

void Enumerator::add_directory(const DirectoryRow& parent, BatchId made_by, std::string_view name,
                               const fs::FileInfo& info) {
  add(create_, parent.id, name, {info, {}, false});
  create_.depends_on.insert(made_by);
  DirectoryRow row;
  row.id = context_.new_directory_id();
  row.parent = parent.id;
  row.name = name;
  row.detail = encode_batch(create_.id);
  // As rsync -x: the directory is made, what is mounted on it stays where it is.
  row.open = !selection_.one_file_system() || info.device == root_device_;
  if (!row.open) ++in_directory_.left_out[static_cast<std::size_t>(Rule::one_file_system)];
  row.path = below(parent.path, name);
  add(times_, row.id, "", {info, {}, false});
  chunk_.directories.push_back(row);
  if (row.open) waiting_.push_back(std::move(row));
}

/// Counts as well.
bool Enumerator::leaves_out(const DirectoryRow& row, std::string_view name,
                            const fs::FileInfo& info, bool looked) {
  if (sample_ != nullptr && !sample_->wants(below(row.path, name), info.type)) return true;
  if (selection_.takes_everything()) return false;
  const std::string path = below(std::string(source_->below_root(row.path)), name);
  const auto rule = selection_.leaves_out(inside_, path, name, info, looked);
  if (rule) ++in_directory_.left_out[static_cast<std::size_t>(*rule)];
  if (!rule && info.type != fs::EntryType::directory) ++in_directory_.taken;
  return rule.has_value();
}

/// Of a file that everything else takes. What cannot be opened is taken: its turn will fail with
/// the reason. What the parser did not survive is an item that is skipped and says so.
Result<bool> Enumerator::left_out_by_content(const DirectoryRow& row, std::string_view name,
                                             const fs::FileInfo& info,
                                             const fs::Directory& directory) {
  if (info.type != fs::EntryType::file || !selection_.asks_content(name)) return false;
  const auto file = directory.open_file(name, O_RDONLY | O_NOATIME);
  if (!file.ok()) return false;
  const auto opened = fs::info_of(file->get(), directory.shown(name), fs::Side::source);
  if (!opened.ok() || opened->type != fs::EntryType::file) return false;
  DUNLIN_TRY(context_.permits().acquire(std::min(opened->size, sandbox::kLookedAtBytes), 1,
                                        context_.cancel()));
  DUNLIN_ASSIGN(const sandbox::Answer answer,
                site_.type_by_content(file->get(), context_.cancel()));
  if (answer.outcome == sandbox::Outcome::told && selection_.takes_content(answer.text))
    return false;
  --in_directory_.taken;
  if (answer.outcome == sandbox::Outcome::told) {
    ++in_directory_.left_out[static_cast<std::size_t>(Rule::file_types)];
    return true;
  }
  const bool crashed = answer.outcome == sandbox::Outcome::crashed;
  add(copy_, row.id, name, {info, {}, false, crashed ? Unparsed::crashed : Unparsed::too_slow});
  return true;
}

/// Names that `files_from` wants and that are not there: items that fail with this reason.
Status Enumerator::add_missing(const DirectoryRow& row, BatchId made_by,
                               const std::set<std::string>& missing) {
  const bool again = half_read_.contains(row.id);
  for (const std::string& name : missing) {
    if (sample_ != nullptr && !sample_->takes(below(row.path, name))) continue;
    if (again) {
      DUNLIN_ASSIGN(const bool known, context_.has_item(row.id, name));
      if (known) continue;
    }
    copy_.depends_on.insert(made_by);
    add(copy_, row.id, name, {{}, {}, false});
    ++in_directory_.taken;
    if (full()) {
      half_read_.insert(row.id);
      DUNLIN_TRY(commit(false));
    }
  }
  return success();
}

void Enumerator::say_what_was_left_out() {
  const std::string text = counts_.text();
  if (!text.empty() && !left_out_said_) new_task(kSelection, 0, false, text, CountAs::steps);
}

Status Enumerator::add_entry(const DirectoryRow& row, BatchId made_by, const LookedAt& entry) {
  const auto& looked = entry.info;
  fs::FileInfo info;
  if (looked.ok()) {
    if (!*looked) return success();  // gone again before it was listed
    info = **looked;
  }
  // Set aside by our own move just now: its name is journaled already.
  if (site_.plan.moves() && execution_in_name(entry.name) == short_id(context_.execution()))
    return success();
  fs::FileInfo known = info;
  if (!looked.ok()) known.type = entry.type;
  if (leaves_out(row, entry.name, known, looked.ok())) return success();
  DUNLIN_ASSIGN(const bool own_state, own_state_.is_it(row.path, entry.name, info));
  if (own_state) {
    copy_.depends_on.insert(made_by);
    add(copy_, row.id, entry.name, {info, {}, true});
    return success();
  }
  // What cannot be looked at is an item all the same: its turn will fail with the reason.
  if (info.type == fs::EntryType::directory) {
    DUNLIN_ASSIGN(const auto refused, site_.refuse_to_enter(row.path, entry.name, info));
    if (!refused) {
      add_directory(row, made_by, entry.name, info);
      return success();
    }
    copy_.depends_on.insert(made_by);
    add(copy_, row.id, entry.name, {{}, {}, false});
    return success();
  }
  if (looked.ok()) {
    DUNLIN_ASSIGN(const bool left_out,
                  left_out_by_content(row, entry.name, info, ahead_->directory()));
    // What its parser crashed over is an item all the same.
    if (left_out) copy_.depends_on.insert(made_by);
    if (left_out) return success();
  }
  if (entry.left_out) {
    ++in_directory_.left_out[static_cast<std::size_t>(Rule::incremental)];
    return success();
  }
  if (!entry.skip_reason.empty()) return add_unchanged(row, entry, info);
  copy_.depends_on.insert(made_by);
  return add_file(row, entry.name, info);
}

/// One plan gives one reason.
Status Enumerator::add_unchanged(const DirectoryRow& row, const LookedAt& entry,
                                 const fs::FileInfo& info) {
  if (unchanged_.skip_reason.empty()) unchanged_.skip_reason = entry.skip_reason;
  DUNLIN_CHECK(unchanged_.skip_reason == entry.skip_reason, "one plan has two reasons to skip");
  add(unchanged_, row.id, entry.name, {info, {}, false});
  return success();
}

/// One directory, to its end. A listing that fails becomes an item that fails (its name is empty):
/// the rest of the tree goes on, and nothing takes the error for an empty directory.
Status Enumerator::read(const DirectoryRow& row) {
  const bool again = half_read_.contains(row.id);
  DUNLIN_ASSIGN(const BatchId made_by, decode_batch(row.detail));
  const std::string below_root(source_->below_root(row.path));
  root_device_ = source_->root_of(row.path).device;
  inside_ = selection_.inside(below_root);
  in_directory_ = {};
  const auto wanted = selection_.wanted_in(below_root);
  std::set<std::string> missing(wanted.begin(), wanted.end());
  Status listed = success();
  ahead_->begin(row.path);
  while (listed.ok()) {
    DUNLIN_TRY(context_.cancel().check());
    auto entry = ahead_->next();
    if (!entry.ok()) {
      DUNLIN_TRY(context_.cancel().check());
      listed = std::move(entry).error();
      break;
    }
    if (!*entry) break;
    if (!missing.empty()) missing.erase((*entry)->name);
    if (again) {
      DUNLIN_ASSIGN(const bool known, context_.has_item(row.id, (*entry)->name));
      if (known && (*entry)->type != fs::EntryType::directory) ++in_directory_.taken;
      if (known) continue;
    }
    DUNLIN_TRY(add_entry(row, made_by, **entry));
    if (full()) {
      half_read_.insert(row.id);
      DUNLIN_TRY(commit(false));
    }
  }
  if (listed.ok()) DUNLIN_TRY(add_missing(row, made_by, missing));
  if (!listed.ok()) {
    if (!row.parent.valid()) return listed;
    fs::FileInfo unread;
    unread.type = fs::EntryType::directory;
    copy_.depends_on.insert(made_by);
    add(copy_, row.id, "", {unread, {}, false});
  }
  return close(row);
}

/// Read to its end.
Status Enumerator::close(const DirectoryRow& row) {
  half_read_.erase(row.id);
  counts_.add(in_directory_);
  // A directory first seen in this chunk is journaled as read; an older one is closed.
  for (NewDirectory& fresh : chunk_.directories) {
    if (fresh.id != row.id) continue;
    fresh.open = false;
    return success();
  }
  chunk_.closed_directories.push_back(row.id);
  return success();
}

/// The root of several sources: what they are is its listing.
Status Enumerator::read_sources(const DirectoryRow& row) {
  const bool again = half_read_.contains(row.id);
  DUNLIN_ASSIGN(const BatchId made_by, decode_batch(row.detail));
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  inside_ = {};
  in_directory_ = {};
  for (const Layout::Source& source : layout->sources) {
    DUNLIN_TRY(context_.cancel().check());
    if (again) {
      DUNLIN_ASSIGN(const bool known, context_.has_item(row.id, source.name));
      if (known && !source.whole_tree) ++in_directory_.taken;
      if (known) continue;
    }
    DUNLIN_TRY(add_source(row, made_by, source));
    if (full()) {
      half_read_.insert(row.id);
      DUNLIN_TRY(commit(false));
    }
  }
  return close(row);
}

/// As the only source is treated: rules that ask about names and paths are not asked about a
/// directory that was named, only about what is below it.
Status Enumerator::add_source(const DirectoryRow& row, BatchId made_by,
                              const Layout::Source& source) {
  DUNLIN_ASSIGN(const auto holder, source_->holder("", source.name));
  root_device_ = holder->device();
  const auto looked = source.whole_tree ? holder->info() : holder->info(source.name);
  // What cannot be looked at is an item all the same: its turn will fail with the reason.
  const fs::FileInfo info = looked.ok() ? *looked : fs::FileInfo{};
  DUNLIN_ASSIGN(const bool own_state, own_state_.is_it(row.path, source.name, info));
  if (own_state || !looked.ok()) {
    copy_.depends_on.insert(made_by);
    add(copy_, row.id, source.name, {info, {}, own_state});
    return success();
  }
  if (source.whole_tree) {
    add_directory(row, made_by, source.name, info);
    return success();
  }
  if (leaves_out(row, source.name, info, true)) return success();
  DUNLIN_ASSIGN(const bool left_out, left_out_by_content(row, source.name, info, *holder));
  if (left_out) return success();
  copy_.depends_on.insert(made_by);
  return add_file(row, source.name, info);
}

/// Of a set of hard links. With several sources on several file systems the key names the first
/// source on the file's own, for device numbers are others after the next start.
std::string Enumerator::key_of(const fs::FileInfo& info) {
  if (!site_.plan.several()) return link_set_key(info, root_device_);
  const std::size_t first = source_->first_root_on(info.device);
  if (first == source_->roots().size()) return link_set_key(info, 0);
  std::string key = link_set_key(info, info.device);
  if (first == 0) return key;
  // Apart from any number of a device, which is never 0.
  ByteWriter place;
  place.varint(0).varint(first);
  return key + place.take();
}

Status Enumerator::list_emptied() {
  if (!emptied_.task.valid()) {
    emptied_.task = new_task(kRemoveDirectories, 4, true,
                             "remove source directories that are empty now", CountAs::steps);
    chunk_.tasks.back().follows_contents = true;
  }
  const auto limit = static_cast<std::size_t>(context_.settings().batch_size);
  while (true) {
    DUNLIN_ASSIGN(const auto rows, context_.directories_before(emptied_before_, limit));
    for (const DirectoryRow& row : rows) {
      emptied_before_ = row.id;
      // What a person named stays.
      if (!row.parent.valid() || source_->is_named(row.path)) continue;
      NewItem item;
      item.directory = row.id;
      emptied_.items.push_back(std::move(item));
    }
    if (last_emptied_.valid()) emptied_.depends_on.insert(last_emptied_);
    const bool any = !emptied_.items.empty();
    move_into(chunk_, emptied_);
    if (any) last_emptied_ = chunk_.batches.back().id;
    if (rows.size() < limit) return commit(true);
    DUNLIN_TRY(commit(false));
  }
}

Status Enumerator::run() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(at_destination_, Unchanged::make(site_, context_));
  ahead_.emplace(*source_, at_destination_.get(), context_);
  selection_ = site_.plan.selection;
  DUNLIN_ASSIGN(const auto changed, site_.changed_since());
  counts_what_is_left_out_ = !selection_.takes_everything() || changed != nullptr;
  DUNLIN_TRY(own_state_.find(site_));
  if (context_.continued()) {
    DUNLIN_TRY(find_tasks());
    DUNLIN_TRY(read_cursor());
  } else {
    if (const auto since = selection_.modified_since(context_.clock().wall_ms()))
      selection_.freeze(*since);
    DUNLIN_TRY(begin());
    DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
    if (!layout->whole_tree()) return success();
  }
  while (true) {
    if (waiting_.empty()) {
      if (!chunk_.directories.empty() || !chunk_.closed_directories.empty())
        DUNLIN_TRY(commit(false));
      DUNLIN_ASSIGN(const auto open, context_.open_directories(kFrontierWindow));
      if (open.empty()) {
        say_what_was_left_out();
        return site_.plan.remove_emptied ? list_emptied() : commit(true);
      }
      waiting_.assign(open.begin(), open.end());
    }
    const DirectoryRow row = std::move(waiting_.front());
    waiting_.pop_front();
    ahead_->announce(waiting_);
    DUNLIN_TRY(source_->is_virtual(row.path) ? read_sources(row) : read(row));
    if (full()) DUNLIN_TRY(commit(false));
  }
}

}  // namespace

Status list_into(Site& site, EnumerateContext& context, const Sample* sample) {
  return Enumerator(site, context, sample).run();
}

}  // namespace dunlin::files
