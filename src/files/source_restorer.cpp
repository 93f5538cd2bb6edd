// Sources made again; see source_restorer.h.
#include "files/source_restorer.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/crash_point.h"
#include "files/first_error.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

namespace {

bool needs_source(const Witness& witness) {
  return witness.source && !witness.renamed;
}

Error occupied(const fs::Directory& from, const std::string& name) {
  return {ErrorType::destination_changed,
          from.shown(name) + " stands where the file came from, and is another one"};
}

}  // namespace

Status SourceRestorer::take(std::vector<ItemRow>& rows) {
  for (ItemRow& row : rows) {
    DUNLIN_ASSIGN(Witness witness, decode_witness(row.undo, row.detail));
    if (needs_source(witness)) restored_.push_back({&row, std::move(witness)});
  }
  return success();
}

Status SourceRestorer::restore(std::vector<ItemRow>& rows) {
  DUNLIN_TRY(take(rows));
  if (restored_.empty()) return success();
  DUNLIN_TRY(prepare());
  const Status brought = bring_back();
  if (context_.cancel().reason() == CancelReason::stop) return brought;
  if (!brought.ok() && brought.error().type == ErrorType::stale_owner) return brought;
  DUNLIN_TRY(clear());
  DUNLIN_TRY(brought);
  DUNLIN_CRASH_POINT("files.restore_sources.after");
  std::vector<ItemId> failed;
  for (const Restored& one : restored_) {
    if (one.failed) failed.push_back(one.row->id);
  }
  std::erase_if(rows, [&](const ItemRow& row) {
    return std::find(failed.begin(), failed.end(), row.id) != failed.end();
  });
  return success();
}

Status SourceRestorer::bring_back() {
  DUNLIN_CRASH_POINT("files.restore_sources.before");
  DUNLIN_TRY(each(&SourceRestorer::write));
  DUNLIN_TRY(flush_->flush_files());
  DUNLIN_CRASH_POINT("files.restore_sources.written");
  return each(&SourceRestorer::publish);
}

/// The last step: what has no name goes, and all names are durable.
Status SourceRestorer::clear() {
  for (const Restored& one : restored_) {
    if (one.begun) DUNLIN_TRY(remove_half_made(one));
  }
  return flush_->flush_names();
}

Status SourceRestorer::settle() {
  DUNLIN_ASSIGN(auto rows, context_.items());
  DUNLIN_TRY(take(rows));
  if (restored_.empty()) return success();
  const auto source = site_.source();
  if (!source.ok()) return success();  // out of reach: a further rollback looks again
  source_ = *source;
  flush_ = std::make_unique<fs::BatchFlush>();
  for (Restored& one : restored_) one.begun = true;
  return clear();
}

/// Beside its own name, and beside the first name of its set, which it may have brought back.
Status SourceRestorer::remove_half_made(const Restored& one) {
  std::vector<Result<Handle>> holders{source_->holder(one.row->directory_path, one.row->name)};
  DUNLIN_ASSIGN(const Detail listed, decode_detail(one.row->detail));
  if (listed.first.valid()) {
    DUNLIN_ASSIGN(const ItemRow first, context_.item(listed.first));
    holders.push_back(source_->holder(first.directory_path, first.name));
  }
  for (const Result<Handle>& from : holders) {
    if (!from.ok()) {
      if (is_absent(from.error())) continue;
      return from.error();
    }
    DUNLIN_TRY(flush_->prepare(**from));
    DUNLIN_TRY(remove_temporaries(**from, one.row->id));
    DUNLIN_TRY(flush_->directory_changed(**from));
  }
  return success();
}

Status SourceRestorer::prepare() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(destination_, site_.destination());
  everything_ = site_.plan;
  everything_.preserve = fs::Preserve{};
  everything_.preserve_holes = true;
  flush_ = std::make_unique<fs::BatchFlush>();
  return success();  // write() prepares the flush of those directories that it writes into
}

Status SourceRestorer::each(Status (SourceRestorer::*step)(Restored&)) {
  std::vector<ItemRow> rows;
  for (const Restored& one : restored_) rows.push_back(*one.row);
  FirstError ended;
  const Status ran = context_.for_each_item(rows, [&](ItemRow& row) {
    Restored& one = restored_[static_cast<std::size_t>(&row - rows.data())];
    if (one.failed || ended.seen()) return;
    Status status = (this->*step)(one);
    if (status.ok()) return;
    if (ends_the_process(status.error())) {
      ended.note(std::move(status).error());
    } else {
      fail(one, std::move(status).error());
    }
  });
  DUNLIN_TRY(ended.status());
  return ran;
}

void SourceRestorer::fail(Restored& one, Error error) {
  one.failed = true;
  ItemOutcome outcome;
  outcome.item = one.row->id;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  context_.report(std::move(outcome));
}

/// True: under the source's name stands what it was. Another file there is an error.
Result<bool> SourceRestorer::stands(const ItemRow& row, const Witness& witness,
                                    const fs::Directory& from) {
  DUNLIN_ASSIGN(const auto there, from.find(row.name));
  if (!there) return false;
  const fs::FileInfo& was = *witness.source;
  if (there->type != was.type || there->size != was.size || there->mtime != was.mtime ||
      there->special_device != was.special_device) {
    return occupied(from, row.name);
  }
  if (row.checksum.empty()) return true;
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(site_.plan.hashes));
  if (was.type == fs::EntryType::symlink) {
    DUNLIN_ASSIGN(const std::string target, from.read_link(row.name));
    hashes.update(std::as_bytes(std::span(target)));
  } else {
    DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(from));
    DUNLIN_TRY(
        fs::read_back(from, row.name, traits, hashes, {context_.permits(), context_.cancel(), {}}));
  }
  if (hashes.finish() != row.checksum) return occupied(from, row.name);
  return true;
}

Status SourceRestorer::write(Restored& one) {
  const ItemRow& row = *one.row;
  DUNLIN_ASSIGN(const Handle from, source_->holder(row.directory_path, row.name));
  DUNLIN_TRY(flush_->prepare(*from));
  one.begun = true;
  DUNLIN_TRY(remove_temporaries(*from, row.id));
  DUNLIN_ASSIGN(const bool there, stands(row, one.witness, *from));
  if (there) {
    one.begun = false;
    return flush_->directory_changed(*from);
  }
  const std::string temporary = temporary_name(context_.execution(), context_.epoch(), row.id);
  DUNLIN_ASSIGN(const auto first, first_name(one));
  Status written = first ? write_link(one, *first, *from, temporary)
                         : write_copy(row, one.witness, *from, temporary, *flush_);
  if (first && !written.ok() && fs::link_impossible(written.error()))
    written = write_copy(row, one.witness, *from, temporary, *flush_);
  one.written = written.ok();
  return written;
}

/// The item whose source had the same inode, whatever became of the two at the destination. One
/// that has come back in an earlier rollback counts while it stands there as it was.
Result<std::optional<ItemRow>> SourceRestorer::first_name(const Restored& one) {
  DUNLIN_ASSIGN(const Detail listed, decode_detail(one.row->detail));
  if (!listed.first.valid()) return std::optional<ItemRow>();
  DUNLIN_ASSIGN(ItemRow first, context_.item(listed.first));
  const bool back = first.status == ItemStatus::rolled_back;
  if (!back && first.status != ItemStatus::completed) return std::optional<ItemRow>();
  DUNLIN_ASSIGN(const Witness witness, decode_witness(first.undo, first.detail));
  bool same = needs_source(witness) && witness.source->inode == one.witness.source->inode;
  if (same && back) {
    const auto from = source_->holder(first.directory_path, first.name);
    const auto there = from.ok() ? stands(first, one.witness, **from) : from.error();
    if (!there.ok() && ends_the_process(there.error())) return there.error();
    same = there.ok() && *there;
  }
  return same ? std::optional(std::move(first)) : std::nullopt;
}

/// The temporary at the source; its content must be what went from there.
Status SourceRestorer::write_copy(const ItemRow& row, const Witness& witness,
                                  const fs::Directory& from, const std::string& temporary,
                                  fs::BatchFlush& flush) {
  DUNLIN_ASSIGN(const Handle to, destination_->get(row.directory_path));
  DUNLIN_ASSIGN(const std::string name, site_.placed_name(row));
  EntryWriter writer(everything_, site_.plan.hashes, 1, context_, flush, site_.clones);
  fs::FileInfo like = *witness.source;
  // With an ACL the group bits are its mask: without it they would grant the group more.
  constexpr std::uint32_t kGroupBits = 070;
  if (!site_.plan.preserve.acls || !row.message.empty())
    like.mode &= ~kGroupBits | (witness.placed->mode & kGroupBits);
  engine::ItemInFlight in_flight(context_.in_flight(), row, engine::ItemPhase::copying, row.size);
  const auto written = writer.write(*to, name, witness.placed->type, from, temporary, row.name,
                                    &like, nullptr, &in_flight);
  DUNLIN_TRY(written);
  if (row.checksum.empty() || written->checksum == row.checksum) return success();
  DUNLIN_TRY(from.remove_file(temporary));
  return Error(ErrorType::destination_changed, to->shown(name) + " was changed since it was moved");
}

/// A further name of a set: the first one has to stand, whichever batch it belongs to.
Status SourceRestorer::write_link(const Restored& one, const ItemRow& first,
                                  const fs::Directory& from, const std::string& temporary) {
  DUNLIN_ASSIGN(const Handle first_from, source_->holder(first.directory_path, first.name));
  {
    const std::scoped_lock lock(first_mutex_);
    DUNLIN_TRY(restore_first(first, one, temporary));
  }
  DUNLIN_TRY(context_.fence());
  return fs::make_link(*first_from, first.name, from, temporary);
}

/// Whichever of its names is restored first brings the content; a writer in another batch that is
/// faster has brought the same. The temporary is the restored one's: each writer has its own.
Status SourceRestorer::restore_first(const ItemRow& first, const Restored& one,
                                     const std::string& temporary) {
  DUNLIN_ASSIGN(const Handle from, source_->holder(first.directory_path, first.name));
  DUNLIN_TRY(flush_->prepare(*from));
  DUNLIN_TRY(remove_temporaries(*from, one.row->id));
  // It gets its name at once, so what it holds has to be durable at once.
  fs::BatchFlush now(true);
  DUNLIN_TRY(now.prepare(*from));
  Status written = success();
  for (int attempt = 0; attempt < 2; ++attempt) {
    DUNLIN_ASSIGN(const bool there, stands(first, one.witness, *from));
    if (there) return from->remove_file(temporary);
    written = write_copy(first, one.witness, *from, temporary, now);
    // Where the first's own batch was faster, the copy has gone and the source stands.
    if (written.ok() || ends_the_process(written.error())) break;
  }
  DUNLIN_TRY(written);
  const Status named = fs::rename_new(*from, temporary, *from, first.name);
  if (!named.ok() && named.error().native.code == "EEXIST") return from->remove_file(temporary);
  DUNLIN_TRY(named);
  return flush_->directory_changed(*from);
}

Status SourceRestorer::remove_temporaries(const fs::Directory& from, ItemId item) {
  for (std::int64_t epoch = 1; epoch <= context_.epoch(); ++epoch)
    DUNLIN_TRY(from.remove_file(temporary_name(context_.execution(), epoch, item)));
  return success();
}

Status SourceRestorer::publish(Restored& one) {
  if (!one.written) return success();
  const ItemRow& row = *one.row;
  DUNLIN_ASSIGN(const Handle from, source_->holder(row.directory_path, row.name));
  DUNLIN_TRY(context_.fence());
  const std::string temporary = temporary_name(context_.execution(), context_.epoch(), row.id);
  const Status named = fs::rename_new(*from, temporary, *from, row.name);
  if (!named.ok() && named.error().native.code == "EEXIST") {
    DUNLIN_TRY(from->remove_file(temporary));
    DUNLIN_ASSIGN(const bool there, stands(row, one.witness, *from));
    if (!there) return from->error(ESTALE, "restore", row.name);
  } else {
    DUNLIN_TRY(named);
  }
  one.begun = false;
  if (one.witness.final_flags != 0) {
    DUNLIN_ASSIGN(const fs::Loss loss,
                  fs::apply_final_flags(*from, row.name, one.witness.final_flags));
    static_cast<void>(loss);  // they were there before: whoever could move them can set them
  }
  return flush_->directory_changed(*from);
}

}  // namespace dunlin::files
