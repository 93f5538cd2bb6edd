// Copying a batch; see copy_batch.h. How one entry is written is in write_item.cpp, what happens
// after a crash in settle.cpp.
#include "files/copy_batch.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/crash_point.h"
#include "base/text.h"
#include "files/decide.h"
#include "files/first_error.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using store::Proof;

namespace {

Proof proof_of(fs::Origin origin) {
  switch (origin) {
    case fs::Origin::device:
      return Proof::device;
    case fs::Origin::evicted:
      return Proof::evicted;
    case fs::Origin::cached:
      return Proof::cached;
  }
  return Proof::none;
}

}  // namespace

// ---- Common ----

std::string_view CopyBatch::action_of(const Witness& witness, bool moves) {
  if (witness.linked || witness.to_source) return "linked";
  if (!witness.name.empty()) return "kept_both";
  if (!witness.aside.empty()) return "renamed_existing";
  if (witness.replaced) return "overwritten";
  if (witness.renamed) return "renamed";
  if (witness.cloned && !moves) return "cloned";
  return moves ? "moved" : "created";
}

Status CopyBatch::prepare() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(destination_, site_.destination());
  DUNLIN_ASSIGN(traits_, site_.destination_traits());
  DUNLIN_ASSIGN(granularity_ns_, site_.time_granularity_ns());
  DUNLIN_ASSIGN(changed_since_, site_.changed_since());
  const bool verified = context_.settings().verification_level != engine::VerificationLevel::none;
  if (verified || site_.plan.hashes_named) hashes_ = site_.plan.hashes;
  // Where OpenSSL refuses MD5, each file says so as it would of any hash.
  md5_together_ = hashes_ == std::vector{HashKind::md5} && Hasher::create(HashKind::md5).ok();
  DUNLIN_ASSIGN(rows_, context_.items());
  copies_.resize(rows_.size());
  for (std::size_t n = 0; n < rows_.size(); ++n) {
    copies_[n].row = &rows_[n];
    DUNLIN_ASSIGN(copies_[n].target, site_.target_name(rows_[n].name));
    copies_[n].name = copies_[n].target;
    copies_[n].temporary = temporary_name(context_.execution(), context_.epoch(), rows_[n].id);
  }
  return success();
}

/// One wave over the items of a stage. A failing item is reported and leaves the others alone; an
/// end of this process (pause, take-over) ends the wave.
Status CopyBatch::each(Stage stage, Status (CopyBatch::*step)(Copy&)) {
  FirstError ended;
  const auto in_it = [stage](const Copy& copy) { return copy.stage == stage; };
  const auto first = std::find_if(copies_.begin(), copies_.end(), in_it);
  const auto end = std::find_if(copies_.rbegin(), copies_.rend(), in_it).base();
  const std::span<ItemRow> rows =
      std::span(rows_).subspan(static_cast<std::size_t>(first - copies_.begin()),
                               static_cast<std::size_t>(std::max<std::ptrdiff_t>(end - first, 0)));
  const auto one = [&](ItemRow& row) {
    Copy& copy = copies_[static_cast<std::size_t>(&row - rows_.data())];
    if (copy.stage != stage || ended.seen()) return;
    Status status = (this->*step)(copy);
    if (status.ok()) return;
    if (ends_the_process(status.error())) {
      ended.note(std::move(status).error());
    } else {
      fail(copy, std::move(status).error());
    }
  };
  // A rename holds its directory's lock from the beginning to the end, and who waits for it spins.
  const Status ran = stage == Stage::proven ? context_.for_each_by_directory(rows, one)
                                            : context_.for_each_item(rows, one);
  DUNLIN_TRY(ended.status());
  return ran;
}

std::vector<CopyBatch::Copy*> CopyBatch::in_stage(Stage stage) {
  std::vector<Copy*> found;
  for (Copy& copy : copies_) {
    if (copy.stage == stage) found.push_back(&copy);
  }
  return found;
}

/// The removal of a temporary, before somebody is told that its item has ended: nobody looks for
/// one that a power cut brings back.
Status CopyBatch::discard_durably(Copy& copy) {
  const bool any = copy.stage == Stage::written || copy.stage == Stage::proven;
  DUNLIN_TRY(discard(copy));
  if (!any) return success();
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  fs::BatchFlush flush(true);
  DUNLIN_TRY(flush.prepare(*to));
  DUNLIN_TRY(flush.directory_changed(*to));
  return flush.flush_names();
}

void CopyBatch::fail(Copy& copy, Error error) {
  // A disk that is full pauses everything, and gets back what was written since. What an earlier
  // pause has kept stays, if there is room for its folder.
  const bool pauses = error.category() == ErrorCategory::system;
  const bool kept = pauses && copy.part && copy.stage == Stage::written && keep_part(copy).ok();
  const Status discarded = kept ? success() : discard_durably(copy);
  if (!discarded.ok()) error.with_context("its temporary stays: " + discarded.error().text());
  copy.stage = Stage::ended;
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  report(std::move(outcome));
}

void CopyBatch::skip(Copy& copy, std::string reason) {
  discard(copy).ignore("of an earlier life: release() or a rollback removes it");
  copy.stage = Stage::ended;
  report(skipped(copy, std::move(reason)));
}

ItemOutcome CopyBatch::skipped(const Copy& copy, std::string reason) {
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.status = ItemStatus::skipped;
  outcome.action = "skipped";
  outcome.message = std::move(reason);
  return outcome;
}

void CopyBatch::finish(Copy& copy) {
  copy.stage = Stage::ended;
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.transferred_bytes = copy.copied_bytes;
  outcome.checksum = std::move(copy.witness.checksum);
  outcome.proof = static_cast<Proof>(copy.witness.proof);
  outcome.action = action_of(copy.witness, site_.plan.moves());
  outcome.message = std::move(copy.witness.loss);
  if (!copy.witness.aside.empty())
    fs::add_loss(outcome.message,
                 "what stood there is now '" + escape_bytes(copy.witness.aside) + "'");
  outcome.placed_name = copy.witness.name;
  // Nothing of the file is lost: it is the device of which this has to be said.
  if (copy.witness.written_again)
    outcome.error = Error(ErrorType::lost_write,
                          "written twice: at first the device did not hold what it had taken");
  if (copy.doubt) outcome.error = std::move(copy.doubt);
  if (copy.witness.replaced && copy.witness.aside.empty())
    outcome.kept_bytes = copy.witness.replaced->size;
  copy.witness.checksum.clear();
  copy.witness.proof = 0;  // stands in the outcome
  copy.witness.loss.clear();
  copy.witness.written_again = false;
  outcome.undo = encode(copy.witness, copy.row->detail);
  report(std::move(outcome));
}

Result<CopyBatch::Handle> CopyBatch::destination_of(const Copy& copy) {
  return destination_->get(copy.row->directory_path);
}

Result<CopyBatch::Handle> CopyBatch::undo_folder(bool make) {
  const std::scoped_lock lock(undo_mutex_);
  if (undo_) return undo_;
  const fs::Directory& root = destination_->root();
  const std::string name = undo_folder_name(context_.execution());
  if (make) {
    const Status made = root.make_directory(name, 0700);
    if (!made.ok() && made.error().native.code != "EEXIST") return made.error();
    DUNLIN_TRY(flush_->directory_changed(root));
  }
  DUNLIN_ASSIGN(fs::Directory opened, root.open_directory(name));
  undo_ = std::make_shared<const fs::Directory>(std::move(opened));
  return undo_;
}

// ---- The steps of execute, in their order ----

Status CopyBatch::execute() {
  DUNLIN_TRY(prepare());
  if (context_.batch().token > 0 && !rows_.empty()) {
    DUNLIN_TRY(enter_recorded());
    DUNLIN_TRY(enter_all());
  }
  const bool tried = std::any_of(rows_.begin(), rows_.end(),
                                 [](const ItemRow& row) { return !row.intent.empty(); });
  if (tried) {
    const Status settled = settle_waiting();
    if (!settled.ok()) {
      DUNLIN_TRY(leave_all());
      return settled;
    }
  }
  return end(copy_all());
}

Status CopyBatch::copy_all() {
  DUNLIN_TRY(copy_waiting());
  // What could not be renamed to its place waits again, to be copied there.
  if (in_stage(Stage::waiting).empty()) return success();
  DUNLIN_TRY(flush_->flush_names());  // the second pass has a flush of its own
  return copy_waiting();
}

Status CopyBatch::copy_waiting() {
  Status written = write_all(false);
  if (!written.ok() && written.error().type == ErrorType::write_error) {
    // The kernel has dropped what it could not write: flushing again would succeed over lost data.
    for (Copy* copy : in_stage(Stage::written)) {
      DUNLIN_TRY(discard(*copy));
      copy->stage = Stage::waiting;
    }
    written = write_all(true);
  }
  DUNLIN_TRY(written);
  DUNLIN_CRASH_POINT("files.read_back.before");
  DUNLIN_TRY(each(Stage::written, &CopyBatch::prove));
  if (!in_stage(Stage::waiting).empty()) {  // some device did not keep what it had taken
    flush_->fsync_each_file();
    DUNLIN_TRY(write_waiting());
    DUNLIN_TRY(each(Stage::written, &CopyBatch::prove));
  }
  DUNLIN_CRASH_POINT("files.read_back.after");
  DUNLIN_TRY(record_intents());
  DUNLIN_CRASH_POINT("files.publish.before");
  DUNLIN_TRY(each(Stage::proven, &CopyBatch::publish));
  DUNLIN_CRASH_POINT("files.publish.after");
  return success();
}

Status CopyBatch::write_all(bool fsync_each) {
  flush_ = std::make_unique<fs::BatchFlush>(fsync_each);
  DUNLIN_TRY(flush_->prepare(destination_->root()));
  DUNLIN_CRASH_POINT("files.write.before");
  DUNLIN_TRY(write_waiting());
  DUNLIN_CRASH_POINT("files.write.after");
  if (!in_stage(Stage::written).empty()) DUNLIN_TRY(flush_->flush_files());
  DUNLIN_CRASH_POINT("files.flush.after");
  return success();
}

/// Those that are written have their checksums on return.
Status CopyBatch::write_waiting() {
  Status written = each(Stage::waiting, &CopyBatch::write);
  md5_queue_.finish();
  return written;
}

Status CopyBatch::prove(Copy& copy) {
  const fs::EntryType type = copy.witness.placed->type;
  const bool has_content = type == fs::EntryType::file || type == fs::EntryType::symlink;
  const bool proven = copy.witness.proof != 0;  // while it was copied
  if (context_.settings().verification_level == engine::VerificationLevel::full && has_content &&
      !proven && !copy.witness.linked && !copy.witness.to_source) {
    DUNLIN_ASSIGN(const Handle to, destination_of(copy));
    Witness read_back = copy.witness;
    const auto holds = content_holds(*to, copy, read_back);
    const bool unreadable = !holds.ok() && holds.error().type == ErrorType::permission_denied;
    if (unreadable && !site_.plan.moves()) {
      // Readable at the source by another right than the owner's, which the copy has not.
      fs::add_loss(copy.witness.loss, "not read back: its mode forbids it");
      read_back.proof = static_cast<std::uint8_t>(Proof::none);
    } else {
      DUNLIN_TRY(holds);
    }
    if (holds.ok() && !*holds) {
      if (!copy.written_again) return write_again(copy);
      return Error(
          ErrorType::verification_mismatch,
          to->shown(copy.name) + ": the device does not hold what was read from the source");
    }
    copy.witness.proof = read_back.proof;
    if (copy.written_again) copy.witness.written_again = true;
  }
  copy.stage = Stage::proven;
  return success();
}

/// There are devices that say they have written and have not (a loop device whose file finds no
/// room), and say so when they are asked again. Once.
Status CopyBatch::write_again(Copy& copy) {
  DUNLIN_TRY(discard(copy));
  copy.part.reset();
  copy.stage = Stage::waiting;
  copy.written_again = true;
  return success();
}

/// Reads what stands under the temporary name, or once published under the final one, and compares.
Result<bool> CopyBatch::content_holds(const fs::Directory& directory, const Copy& copy,
                                      Witness& intent) {
  const std::string& name = copy.stage == Stage::written ? copy.temporary : copy.name;
  const bool quick = !copy.read_back.empty() && copy.stage == Stage::written;
  DUNLIN_ASSIGN(fs::HashSet hashes,
                fs::HashSet::create(quick ? std::vector{HashKind::xxh3} : hashes_));
  if (intent.placed->type == fs::EntryType::symlink) {
    DUNLIN_ASSIGN(const std::string target, directory.read_link(name));
    hashes.update(std::as_bytes(std::span(target)));
    intent.proof = static_cast<std::uint8_t>(Proof::cached);
  } else {
    engine::ItemInFlight in_flight(context_.in_flight(), *copy.row, engine::ItemPhase::verifying,
                                   intent.placed->size);
    const auto tell = [&in_flight](std::int64_t bytes) { in_flight.advance(bytes); };
    DUNLIN_ASSIGN(const fs::Origin origin,
                  fs::read_back(directory, name, traits_, hashes,
                                {context_.permits(), context_.cancel(), tell}));
    intent.proof = static_cast<std::uint8_t>(proof_of(origin));
  }
  return hashes.finish() == (quick ? copy.read_back : intent.checksum);
}

Status CopyBatch::record_intents() {
  std::vector<engine::ItemIntent> intents;
  for (Copy* copy : in_stage(Stage::proven)) {
    intents.push_back({copy->row->id, intent_of(*copy, copy->witness)});
  }
  DUNLIN_CRASH_POINT("files.intents.before");
  DUNLIN_TRY(context_.record_intents(std::move(intents)));
  DUNLIN_CRASH_POINT("files.intents.after");
  return success();
}

std::string CopyBatch::intent_of(const Copy& copy, Witness witness) {
  if (&copy == &copies_.front() && !reopened_.empty()) {
    carrier_ = witness;
    witness.reopened = encode(reopened_);
  }
  return encode(witness);
}

Status CopyBatch::publish(Copy& copy) {
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  if (copy.witness.renamed) return publish_renamed(copy, *to);
  if (copy.witness.replaced) {
    DUNLIN_TRY(place_over(copy, *to));
  } else {
    const Status placed = place_new(copy, *to, copy.temporary, *to);
    if (!placed.ok() && placed.error().native.code == "EEXIST") {
      DUNLIN_ASSIGN(auto clash, site_.names.clash(*to, copy.row->directory_path, copy.name));
      if (clash) return *std::move(clash);
    }
    if (!placed.ok()) return as_name_error(placed.error(), copy.name);
  }
  copy.stage = Stage::published;
  DUNLIN_TRY(flush_->directory_changed(*to));
  return complete(copy, *to);
}

/// What belongs to the final name: flags that would have forbidden the rename, and the time of
/// change by which undo knows that nobody has touched it since.
Status CopyBatch::complete(Copy& copy, const fs::Directory& to) {
  if (copy.witness.final_flags != 0) {
    DUNLIN_TRY(context_.fence());
    DUNLIN_ASSIGN(const fs::Loss loss,
                  fs::apply_final_flags(to, copy.name, copy.witness.final_flags));
    if (!loss.empty()) copy.witness.final_flags = 0;
    fs::add_loss(copy.witness.loss, loss);
  }
  const auto there = to.find(copy.name);
  if (there.ok() && *there) copy.witness.changed = (*there)->ctime;
  return success();
}

/// However the waves ended: what was published is made durable and reported, what was not leaves no
/// temporary. After an emergency stop nothing is touched: recovery is the clean-up. After a
/// take-over that clean-up may be over already, so an owner that was stopped removes what it made
/// since: names that carry its epoch, which nobody else will look for.
Status CopyBatch::end(Status status) {
  const Status owner = context_.fence();
  if (!owner.ok() && owner.error().type == ErrorType::stale_owner) {
    for (const Stage stage : {Stage::written, Stage::proven}) {
      for (Copy* copy : in_stage(stage)) discard(*copy).ignore("the new owner has it");
    }
    return owner;
  }
  if (context_.cancel().reason() == CancelReason::stop) return status;
  Status flushed = success();
  if (!in_stage(Stage::published).empty() || !in_stage(Stage::moved).empty()) {
    flushed = flush_->flush_names();
    if (flushed.ok()) {
      DUNLIN_CRASH_POINT("files.flush_names.after");
      const Status removed = remove_sources();
      if (status.ok()) status = removed;
      report_ended();
      DUNLIN_CRASH_POINT("files.outcomes.after");
    }
  }
  const bool pausing = context_.cancel().reason() == CancelReason::pause;
  Status cleaned = success();
  for (const Stage stage : {Stage::written, Stage::proven}) {
    for (Copy* copy : in_stage(stage)) {
      // One that is proven has an intent to be published, which says nothing of its chunks any
      // more.
      const bool keep = pausing && stage == Stage::written && copy->part_recorded;
      const Status one = keep ? keep_part(*copy) : discard(*copy);
      if (cleaned.ok()) cleaned = one;  // the others are looked at all the same
    }
  }
  DUNLIN_TRY(flushed);  // what is published stays open; whoever settles it looks at it again
  // A temporary that a power cut brings back would be found by nobody: the batch is open no more.
  DUNLIN_TRY(flush_->flush_names());
  DUNLIN_TRY(leave_all());
  DUNLIN_TRY(cleaned);
  return status;
}

/// What is in place, and for a move gone from the source, is done. What is in place while its
/// source could not be looked at yet (a pause) stays open: settle() goes on with it.
void CopyBatch::report_ended() {
  for (Copy& copy : copies_) {
    const Stage done = site_.plan.moves() ? Stage::moved : Stage::published;
    if (copy.stage == done) {
      finish(copy);
    } else if (copy.stage == Stage::refused) {
      fail(copy, *std::exchange(copy.refusal, std::nullopt));
    }
  }
}

// ---- Directories that were finished before (reopened.h) ----

/// What was not left: who tries the batch next has the record.
CopyBatch::~CopyBatch() {
  for (const auto& [path, state] : reopened_) site_.reopened.forget(path);
}

/// Those that an earlier try has recorded, perhaps in a process that died with them open.
Status CopyBatch::enter_recorded() {
  if (!rows_.empty() && !rows_.front().intent.empty()) {
    DUNLIN_ASSIGN(carrier_, decode_witness(rows_.front().intent, rows_.front().detail));
    carrier_.reopened.clear();
  }
  for (const ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(const Witness intent, decode_witness(row.intent, row.detail));
    if (intent.reopened.empty()) continue;
    DUNLIN_ASSIGN(const DirectoryStates recorded, decode_directory_states(intent.reopened));
    for (const auto& [path, state] : recorded) DUNLIN_TRY(enter(path, state));
  }
  return success();
}

/// The rest of those that this batch may write into; the root has the undo folder. Their record
/// goes with the first item, which like all others is reported after leave_all().
Status CopyBatch::enter_all() {
  DUNLIN_TRY(enter("", std::nullopt));
  for (const ItemRow& row : rows_) DUNLIN_TRY(enter(row.directory_path, std::nullopt));
  Witness intent = carrier_;
  intent.reopened = encode(reopened_);
  rows_.front().intent = encode(intent);
  DUNLIN_TRY(context_.record_intents({{rows_.front().id, rows_.front().intent}}));
  DUNLIN_TRY(context_.fence());
  for (const auto& [path, state] : reopened_) {
    DUNLIN_ASSIGN(const Handle directory, destination_->get(path));
    DUNLIN_TRY(ReopenedDirectories::open(*directory, state));
  }
  return success();
}

Status CopyBatch::enter(const std::string& path, const std::optional<DirectoryState>& recorded) {
  if (reopened_.contains(path)) return success();
  auto directory = destination_->get(path);
  if (!directory.ok()) return success();  // its items will fail with the reason
  DUNLIN_ASSIGN(const DirectoryState state, site_.reopened.enter(path, **directory, recorded));
  reopened_.emplace(path, state);
  return success();
}

Status CopyBatch::leave_all() {
  if (reopened_.empty()) return success();
  DUNLIN_TRY(context_.fence());
  // Children first: a parent that is closed again may not be entered.
  while (!reopened_.empty()) {
    const auto left = std::prev(reopened_.end());
    DUNLIN_ASSIGN(const Handle directory, destination_->get(left->first));
    DUNLIN_TRY(flush_->prepare(*directory));
    DUNLIN_TRY(site_.reopened.leave(left->first, *directory));
    DUNLIN_TRY(flush_->directory_changed(*directory));
    reopened_.erase(left);
  }
  DUNLIN_TRY(flush_->flush_names());
  // A later try must not take this record for its own.
  DUNLIN_TRY(context_.record_intents({{rows_.front().id, encode(carrier_)}}));
  for (ItemOutcome& outcome : kept_back_) context_.report(std::move(outcome));
  kept_back_.clear();
  return success();
}

void CopyBatch::report(ItemOutcome outcome) {
  if (reopened_.empty()) {
    context_.report(std::move(outcome));
    return;
  }
  const std::scoped_lock lock(kept_back_mutex_);
  kept_back_.push_back(std::move(outcome));
}

/// Removes the temporary, but only when it is ours: after a replacement that could not be put back
/// the old version stands under this name, and settle() will find it by its inode.
Status CopyBatch::discard(Copy& copy) {
  if (copy.stage != Stage::written && copy.stage != Stage::proven) return success();
  if (copy.witness.renamed) return bring_back(copy, copy.witness);
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_ASSIGN(const auto there, to->find(copy.temporary));
  if (!there) return success();
  if (copy.witness.replaced && there->inode == copy.witness.replaced->inode) {
    return Error(ErrorType::in_doubt,
                 to->shown(copy.temporary) + " is the old version of " + to->shown(copy.name));
  }
  DUNLIN_TRY(to->remove_file(copy.temporary));
  return flush_->directory_changed(*to);
}

ConflictRules CopyBatch::rules_for(const ItemRow& row) const {
  return {site_.plan.conflict_rule(),    site_.plan.by_content, granularity_ns_,
          context_.was_answered(row.id), !site_.plan.moves(),   changed_since_};
}

Result<Decision> CopyBatch::decide_alone(const ItemRow& row, const fs::FileInfo& source,
                                         const std::string& name,
                                         const std::optional<fs::FileInfo>& there,
                                         const fs::Directory* to) {
  Decision decision = decide(source, there, rules_for(row));
  if (decision.action != Action::compare) return decision;
  DUNLIN_ASSIGN(const Handle from, source_->holder(row.directory_path, row.name));
  if (source.type == fs::EntryType::symlink) {
    DUNLIN_ASSIGN(const std::string target, from->read_link(row.name));
    DUNLIN_ASSIGN(const std::string standing, to->read_link(name));
    return decide_by_content(target == standing);
  }
  engine::ItemInFlight in_flight(context_.in_flight(), row, engine::ItemPhase::comparing,
                                 source.size + there->size);
  const auto tell = [&in_flight](std::int64_t bytes) { in_flight.advance(bytes); };
  DUNLIN_ASSIGN(const bool equal, fs::same_content(*from, row.name, *to, name, traits_,
                                                   {context_.permits(), context_.cancel(), tell}));
  return decide_by_content(equal);
}

}  // namespace dunlin::files
