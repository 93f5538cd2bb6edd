// Entries; see entry_writer.h.
#include "files/entry_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <span>

#include "files/attributes.h"
#include "files/md5_queue.h"
#include "fs/clone.h"
#include "fs/metadata.h"

namespace dunlin::files {
namespace {

/// Same inode, nothing written and no name changed since.
bool untouched(const fs::FileInfo& before, const fs::FileInfo& after) {
  return before.same_content_as(after) && before.ctime == after.ctime;
}

/// By name, so that a file put in its place shows as well. Of what is taken back (`like`) other
/// names come and go meanwhile, which moves its ctime; its content is compared with the recorded
/// checksum.
bool unchanged(const fs::FileInfo& before, const fs::FileInfo& after, const fs::FileInfo* like) {
  return like != nullptr ? before.same_content_as(after) : untouched(before, after);
}

/// Changed so shortly ago that one more change may get the same time, and then no time tells of it:
/// clocks of file systems tick every 4 to 10 ms (finer since Linux 6.13), some every 2 s.
bool is_fresh(const fs::FileInfo& info, std::int64_t granularity_ns) {
  constexpr std::int64_t kTickNs = 10'000'000;
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  const std::int64_t window_ns = std::max(kTickNs, granularity_ns);
  timespec now{};
  if (::clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) return true;
  const std::int64_t seconds = now.tv_sec - info.ctime.seconds;
  if (std::abs(seconds) > window_ns / kSecondNs + 1) return false;
  const std::int64_t age_ns = seconds * kSecondNs + now.tv_nsec - info.ctime.nanoseconds;
  return std::abs(age_ns) <= window_ns;
}

/// A symlink, or a socket, stands where a file was listed.
Error not_the_file_any_more(const fs::Directory& from, const std::string& name, Error error) {
  const std::string& code = error.native.code;
  if (code == "ELOOP" || code == "ENXIO") return from.error(ESTALE, "copy", name);
  return error;
}

Error changed_meanwhile(const Subject& from_shown) {
  return {ErrorType::source_changed, from_shown.text() + " changed while it was copied"};
}

}  // namespace

bool EntryWriter::wants_extended() const {
  return plan_.preserve.xattrs || plan_.preserve.acls || plan_.preserve.flags;
}

Result<Written> EntryWriter::write(const fs::Directory& from, const std::string& name,
                                   fs::EntryType type, const fs::Directory& to,
                                   const std::string& temporary, const std::string& shown_name,
                                   const fs::FileInfo* like, const Part* part,
                                   engine::ItemInFlight* in_flight) {
  const Place place{to, temporary, shown_name, part, in_flight};
  return type == fs::EntryType::file ? write_file(from, name, place, like)
                                     : write_node(from, name, type, place, like);
}

fs::Transfer EntryWriter::transfer(const Place& to) {
  return {context_.permits(), context_.cancel(), [this, shown = to.in_flight](std::int64_t bytes) {
            context_.progress(bytes);
            if (shown != nullptr) shown->advance(bytes);
          }};
}

/// Copied in chunks that the ledger knows of.
bool EntryWriter::is_large(const Written& written, const Place& to) {
  return to.part != nullptr && written.source.size >= to.directory.features().large_file_bytes;
}

/// Sets `copied_bytes` and `proven`.
Status EntryWriter::copy_bytes(int in, const Subject& from_shown, const Temporary& out,
                               const Place& to, fs::HashSet& hashes, Written& written) {
  const fs::FileInfo& source = written.source;
  if (is_large(written, to)) return copy_large(in, from_shown, out, to, hashes, written);
  const Subject to_shown = to.directory.subject(to.shown_name);
  if (out.adopted) {
    DUNLIN_TRY(context_.fence());
    if (::ftruncate(out.file.get(), 0) != 0)
      return to.directory.error(errno, "truncate", to.shown_name);
  }
  if (plan_.preserve_holes && source.has_holes()) {
    DUNLIN_ASSIGN(written.copied_bytes, fs::copy_with_holes(in, from_shown, out.file.get(),
                                                            to_shown, hashes, transfer(to)));
    return success();
  }
  DUNLIN_ASSIGN(written.copied_bytes, fs::copy_content(in, from_shown, out.file.get(), to_shown,
                                                       source.size, hashes, transfer(to)));
  return success();
}

/// One call for the whole file, large or small, so there is no part of it to go on from. What an
/// earlier life has left of a copy is gone on with: cloning was declined then.
Result<bool> EntryWriter::make_clone(int in, const Subject& from_shown, const Temporary& out,
                                     const Place& to, const fs::FileInfo& source,
                                     fs::HashSet& hashes) {
  const bool wanted = plan_.reflink != Reflink::never && to.directory.features().reflink;
  if (!wanted || !plan_.preserve_holes || source.size == 0 || out.adopted) return false;
  DUNLIN_TRY(context_.permits().acquire(0, 1, context_.cancel()));
  DUNLIN_TRY(context_.cancel().check());
  const Subject to_shown = to.directory.subject(to.shown_name);
  const auto devices = std::pair(source.device, to.directory.device());
  fs::Clone done{clones_.declined(devices), 0};
  if (done.declined == 0) {
    DUNLIN_ASSIGN(done, fs::clone_content(in, from_shown, out.file.get(), to_shown));
    clones_.note(devices, done.declined);
  }
  if (done.declined != 0) {
    if (plan_.reflink == Reflink::always) return not_to_be_cloned(to, done.declined);
    if (done.bytes != 0 && ::ftruncate(out.file.get(), 0) != 0)
      return to.directory.error(errno, "truncate", to.shown_name);
    return false;
  }
  if (to.in_flight != nullptr) to.in_flight->enter(engine::ItemPhase::cloning);
  // What the destination has is now fixed; what the source has may change, and shows below.
  if (!hashes.empty()) DUNLIN_TRY(fs::hash_content(in, from_shown, hashes, transfer(to)));
  return true;
}

Error EntryWriter::not_to_be_cloned(const Place& to, int why) {
  const fs::Directory& directory = to.directory;
  Error error = directory.error(why, "clone to", to.shown_name);
  if (why == ENOSPC) return error;
  error.type = ErrorType::unsupported_item;
  error.remediation =
      "leave out --reflink=always (operation: reflink), so that what cannot be cloned is copied";
  return error;
}

/// Said to the ledger after each chunk; of a huge file more rarely, for each time all of them are.
Status EntryWriter::copy_large(int in, const Subject& from_shown, const Temporary& out,
                               const Place& to, fs::HashSet& hashes, Written& written) {
  const fs::FileInfo& source = written.source;
  constexpr std::int64_t kRecordsMax = 256;
  const std::int64_t chunk_bytes = to.directory.features().chunk_bytes;
  const std::int64_t stride = std::max<std::int64_t>(source.size / chunk_bytes / kRecordsMax, 1);
  DUNLIN_ASSIGN(const fs::FileInfo temporary,
                fs::info_of(out.file.get(), to.temporary, to.directory.side()));
  fs::ResumableCopy::Options options;
  options.chunk_bytes = chunk_bytes;
  options.holes = plan_.preserve_holes && source.has_holes();
  options.fence = [this] { return context_.fence(); };
  options.direct_io = to.directory.features().direct_io;
  DUNLIN_ASSIGN(options.to_traits, fs::traits_of(to.directory));
  options.read_back_blocks = to.part->read_back;
  options.chunk_done = [&](const fs::ChunkHashes& chunks) {
    const auto count = static_cast<std::int64_t>(chunks.size() / fs::kChunkHashBytes);
    if (count % stride != 0) return success();
    return to.part->record(source, temporary, chunks, chunk_bytes);
  };
  const bool same = out.adopted && untouched(to.part->source, source);
  const auto shown = to.in_flight;
  if (shown != nullptr && same) {
    shown->enter(engine::ItemPhase::resuming);
    options.read_back = [shown](std::int64_t bytes) { shown->advance(bytes); };
  }
  options.goes_on = [this, shown](std::int64_t kept_bytes) {
    context_.kept(kept_bytes);
    if (shown != nullptr) shown->enter(engine::ItemPhase::copying, kept_bytes);
  };
  fs::ResumableCopy copy({in, from_shown.text()},
                         {out.file.get(), to.directory.shown(to.shown_name)}, source.size,
                         std::move(options));
  DUNLIN_ASSIGN(written.copied_bytes,
                copy.run(same ? to.part->known : fs::ChunkHashes(), hashes, transfer(to)));
  written.proven = copy.proven();
  return success();
}

/// A new one, or what an earlier life has left, if it still is that.
Result<EntryWriter::Temporary> EntryWriter::open_temporary(const Place& to) {
  if (to.part != nullptr && to.part->adopted) {
    auto file = open_adopted(to);
    if (file.ok()) {
      DUNLIN_ASSIGN(const fs::FileInfo info,
                    fs::info_of(file->get(), to.temporary, to.directory.side()));
      const bool same = info.type == fs::EntryType::file && info.inode == to.part->inode;
      if (same && info.links == 1) return Temporary{std::move(file).value(), true};
    }
  }
  // As late as can be: a name made after a take-over changes the directory's time.
  DUNLIN_TRY(context_.fence());
  auto file = to.directory.open_file(to.temporary, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file.ok() && file.error().native.code == "EEXIST") {
    // What an earlier try has left.
    DUNLIN_TRY(to.directory.remove_file(to.temporary));
    DUNLIN_TRY(context_.fence());
    file = to.directory.open_file(to.temporary, O_RDWR | O_CREAT | O_EXCL, 0600);
  }
  if (!file.ok()) return std::move(file).error();
  return Temporary{std::move(file).value(), false};
}

/// One that was complete has its final mode already, which may forbid its owner to write.
Result<UniqueFd> EntryWriter::open_adopted(const Place& to) {
  auto file = to.directory.open_file(to.temporary, O_RDWR);
  if (file.ok() || file.error().native.code != "EACCES") return file;
  DUNLIN_ASSIGN(const UniqueFd node, fs::open_node(to.directory, to.temporary));
  DUNLIN_ASSIGN(const fs::FileInfo info,
                fs::info_of(node.get(), to.temporary, to.directory.side()));
  if (info.inode != to.part->inode || info.links != 1) return file;
  DUNLIN_TRY(context_.fence());
  if (const int refused = fs::change_mode({node.get(), true}, 0600); refused != 0)
    return to.directory.error(refused, "change mode of", to.temporary);
  return to.directory.open_file(to.temporary, O_RDWR);
}

/// Clones or copies; sets the checksums, or the content of which they are to be taken. Content that
/// may have changed within one tick of the clock is read twice.
Status EntryWriter::bring_content(int in, const Subject& from_shown, const Temporary& temporary,
                                  const Place& to, Written& written) {
  const UniqueFd& out = temporary.file;
  const bool fresh = is_fresh(written.source, granularity_ns_);
  const auto content_max = static_cast<std::int64_t>(Md5Queue::kContentMax);
  const bool left = leaves_md5_ && written.source.size <= content_max && !is_large(written, to);
  std::vector<HashKind> kinds = hashes_;
  // Taken in the same pass, the read-back need not be hashed as slowly once more.
  const bool for_read_back =
      context_.settings().verification_level == engine::VerificationLevel::full && !kinds.empty() &&
      std::find(kinds.begin(), kinds.end(), HashKind::xxh3) == kinds.end();
  if (left) kinds.clear();
  if (for_read_back || (fresh && kinds.empty())) kinds.push_back(HashKind::xxh3);
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(kinds));
  if (left) {
    written.content.emplace().reserve(static_cast<std::size_t>(written.source.size));
    hashes.keep(&*written.content, Md5Queue::kContentMax);
  }
  const Subject to_shown = to.directory.subject(to.shown_name);
  DUNLIN_ASSIGN(written.cloned, make_clone(in, from_shown, temporary, to, written.source, hashes));
  if (written.cloned) {
    DUNLIN_ASSIGN(const fs::FileInfo made, fs::info_of(out.get(), to_shown, to.directory.side()));
    written.copied_bytes = made.size;
    if (hashes.empty()) context_.kept(made.size);  // nothing was read, so nothing was told
  } else {
    DUNLIN_TRY(copy_bytes(in, from_shown, temporary, to, hashes, written));
  }
  std::string checksum = hashes.finish();
  hashes.keep(nullptr);
  if (fresh) {
    // A clone was made before the first look: it is what the second one has to be of.
    DUNLIN_TRY(fs::hash_content(written.cloned ? out.get() : in,
                                written.cloned ? to_shown : from_shown, hashes,
                                {context_.permits(), context_.cancel(), {}}));
    if (hashes.finish() != checksum) return changed_meanwhile(from_shown);
  }
  if (for_read_back) {
    const std::size_t last = checksum.rfind(' ');
    written.read_back = left ? checksum : checksum.substr(last + 1);
    checksum.resize(left ? 0 : last);
  }
  if (!hashes_.empty() && !left) written.checksum = std::move(checksum);
  return success();
}

/// What was made gets its metadata, and is looked at.
Status EntryWriter::dress(fs::InodeRef made, const fs::FileInfo& metadata,
                          const fs::Extended& extended, const Place& to, bool just_made,
                          Written& written) {
  DUNLIN_ASSIGN(fs::Applied applied, fs::apply_metadata(made, metadata, extended, plan_.preserve,
                                                        to.directory, to.shown_name, just_made));
  written.loss = std::move(applied.loss);
  written.placed = applied.info;
  DUNLIN_ASSIGN(written.attributes, placed_attributes(made, extended, plan_.preserve, written.loss,
                                                      to.directory, to.shown_name));
  return success();
}

Result<Written> EntryWriter::write_file(const fs::Directory& from, const std::string& name,
                                        const Place& to, const fs::FileInfo* like) {
  Written written;
  auto opened = from.open_file(name, O_RDONLY | O_NOATIME);
  if (!opened.ok()) return not_the_file_any_more(from, name, std::move(opened).error());
  const UniqueFd in = std::move(opened).value();
  DUNLIN_ASSIGN(written.source, fs::info_of(in.get(), from.subject(name), from.side()));
  if (written.source.type != fs::EntryType::file) return from.error(ESTALE, "copy", name);
  DUNLIN_ASSIGN(const Temporary temporary, open_temporary(to));
  const UniqueFd& out = temporary.file;
  const Subject to_shown = to.directory.subject(to.shown_name);
  DUNLIN_TRY(bring_content(in.get(), from.subject(name), temporary, to, written));
  fs::Extended extended;
  if (wants_extended()) {
    DUNLIN_ASSIGN(extended, fs::read_extended({in.get(), false}, from, name));
  }
  DUNLIN_ASSIGN(const fs::FileInfo after, from.info(name));
  if (!unchanged(written.source, after, like) || written.copied_bytes != written.source.size)
    return changed_meanwhile(from.subject(name));
  const fs::FileInfo metadata = like != nullptr ? *like : plan_.owners.mapped(written.source);
  DUNLIN_TRY(dress({out.get(), false}, metadata, extended, to, !temporary.adopted, written));
  if (plan_.preserve.flags) written.final_flags = extended.flags.value_or(0) & fs::kFinalFlags;
  DUNLIN_ASSIGN(const bool flushed, flush_.file_written(to.directory, out.get(), to.temporary));
  if (flushed) {
    // Some file systems keep times more coarsely than they have them in memory.
    DUNLIN_ASSIGN(written.placed, fs::info_of(out.get(), to_shown, to.directory.side()));
  }
  const bool took_time =
      !plan_.preserve.times || fs::same_time(written.placed.mtime, metadata.mtime, granularity_ns_);
  if (written.placed.size != written.source.size || !took_time) {
    return Error(ErrorType::verification_mismatch,
                 to_shown.text() + " did not take the size or time of its source");
  }
  return written;
}

/// A file system that knows no entries of this type says so in many ways. The daemon of exFAT makes
/// a file where a FIFO was asked for, and the kernel calls that EIO: the device is well.
Error EntryWriter::not_to_be_made(const Place& to, fs::EntryType type, Error error) {
  const std::string& code = error.native.code;
  bool unknown = code == "ENOSYS" || code == "EOPNOTSUPP";
  const bool device =
      type == fs::EntryType::character_device || type == fs::EntryType::block_device;
  if (code == "EPERM") unknown = !device;  // a device may just not be allowed to us
  if (code == "EIO") {
    const auto there = to.directory.find(to.temporary);
    unknown = there.ok() && *there && (*there)->type != type;
    if (unknown) to.directory.remove_file(to.temporary).ignore("who calls tries once more");
  }
  if (!unknown) return error;
  const auto traits = fs::traits_of(to.directory);
  error.type = ErrorType::unsupported_item;
  error.message = to.directory.shown(to.shown_name) + ": the file system of the destination (" +
                  (traits.ok() ? traits->name : "unknown") + ") has no " +
                  std::string(fs::to_string(type)) + "s";
  return error;
}

/// A symlink, FIFO, socket or device node: never opened, only held by a descriptor, on both sides,
/// so that owner and mode reach what was made here and nothing that was put in its place.
Result<Written> EntryWriter::write_node(const fs::Directory& from, const std::string& name,
                                        fs::EntryType type, const Place& to,
                                        const fs::FileInfo* like) {
  Written written;
  DUNLIN_ASSIGN(const UniqueFd in, fs::open_node(from, name));
  DUNLIN_ASSIGN(written.source, fs::info_of(in.get(), from.subject(name), from.side()));
  if (written.source.type != type) return from.error(ESTALE, "copy", name);
  const bool symlink = written.source.type == fs::EntryType::symlink;
  std::string target;
  if (symlink) {
    DUNLIN_ASSIGN(target, from.read_link(name));
  }
  fs::Extended extended;
  if (wants_extended()) {
    DUNLIN_ASSIGN(extended, fs::read_extended({in.get(), true}, from, name));
  }
  DUNLIN_ASSIGN(const fs::FileInfo after, from.info(name));
  if (!unchanged(written.source, after, like)) return changed_meanwhile(from.subject(name));
  DUNLIN_TRY(to.directory.remove_file(to.temporary));
  DUNLIN_TRY(context_.fence());
  const Status made_it = symlink ? to.directory.make_symlink(target, to.temporary)
                                 : to.directory.make_special(written.source, to.temporary);
  if (!made_it.ok()) return not_to_be_made(to, written.source.type, made_it.error());
  const Subject to_shown = to.directory.subject(to.shown_name);
  DUNLIN_ASSIGN(const UniqueFd out, fs::open_node(to.directory, to.temporary));
  DUNLIN_ASSIGN(const fs::FileInfo made, fs::info_of(out.get(), to_shown, to.directory.side()));
  if (made.type != written.source.type || made.links != 1)
    return to.directory.error(ESTALE, "create", to.shown_name);
  const fs::FileInfo metadata = like != nullptr ? *like : plan_.owners.mapped(written.source);
  DUNLIN_TRY(dress({out.get(), true}, metadata, extended, to, false, written));
  if (symlink) {
    DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
    hashes.update(std::as_bytes(std::span(target)));
    written.checksum = hashes.finish();
  }
  return written;
}

}  // namespace dunlin::files
