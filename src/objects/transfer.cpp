// copy_object and what belongs to it; see transfer.h.
#include "objects/transfer.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/hash.h"

namespace dunlin::objects {
namespace {

using engine::BatchContext;
using engine::RunContext;

/// Permits want portions of at most 1 MiB, so that a changed limit takes effect soon.
Status spend(RunContext& context, std::int64_t bytes) {
  constexpr std::int64_t kPortion = 1 << 20;
  std::int64_t operations = 1;
  do {
    const std::int64_t portion = std::min(bytes, kPortion);
    DUNLIN_TRY(context.permits().acquire(portion, operations, context.cancel()));
    bytes -= portion;
    operations = 0;
  } while (bytes > 0);
  return success();
}

/// Exactly the range, of exactly this version: a store that ignores If-Match, sends less than it
/// was asked for, or another object's length is found out here.
Result<ObjectData> read_range(Backend& backend, const ObjectInfo& version, std::int64_t offset,
                              std::int64_t length, RunContext& context) {
  DUNLIN_TRY(spend(context, length));
  DUNLIN_ASSIGN(auto data,
                backend.get(version.key, offset, length, version.etag, context.cancel()));
  if (data.info.etag != version.etag || data.info.size != version.size) {
    return Error(ErrorType::source_changed, "the object changed while it was read");
  }
  if (static_cast<std::int64_t>(data.bytes.size()) != length) {
    return Error(ErrorType::connection_reset,
                 "only " + std::to_string(data.bytes.size()) + " of " + std::to_string(length) +
                     " bytes came from offset " + std::to_string(offset));
  }
  return data;
}

/// After an answer was lost: is the object there the one this attempt wrote?
Result<Copied> find_written(const CopyJob& job, const Metadata& metadata, std::string md5,
                            Error lost, RunContext& context) {
  auto found = job.destination.head(job.key, context.cancel());
  if (!found.ok()) return std::move(lost).with_context("and it could not be looked for");
  if (!*found || (*found)->metadata != metadata || (*found)->size != job.from.size) {
    // Not there: the request was lost, or may still arrive; its condition protects what comes then.
    lost.possibly_applied = false;
    return lost;
  }
  return Copied{std::move(**found), std::move(md5), false};
}

Result<Copied> put_whole(const CopyJob& job, const ObjectData& data, BatchContext& context) {
  DUNLIN_ASSIGN(std::string md5, hash_bytes(HashKind::md5, data.bytes));
  const Metadata metadata = job.metadata(data.info);
  DUNLIN_TRY(spend(context, job.from.size));
  DUNLIN_TRY(context.fence());
  DUNLIN_CRASH_POINT("objects.put.before");
  auto written =
      job.destination.put(job.key, data.bytes, job.condition, metadata, context.cancel());
  DUNLIN_CRASH_POINT("objects.put.after");
  if (!written.ok()) {
    if (!written.error().possibly_applied) return std::move(written).error();
    return find_written(job, metadata, std::move(md5), std::move(written).error(), context);
  }
  context.progress(job.from.size);
  const bool acknowledged = written->md5 == md5;
  return Copied{std::move(*written), std::move(md5), acknowledged};
}

Result<std::string> begin(const CopyJob& job, const Metadata& metadata, RunContext& context) {
  DUNLIN_CRASH_POINT("objects.begin_upload.before");
  auto id = job.destination.begin_upload(job.key, metadata, context.cancel());
  DUNLIN_CRASH_POINT("objects.begin_upload.after");
  if (!id.ok() && id.error().possibly_applied) {
    abort_uploads(
        job.destination, job.key,
        [&](const UploadInfo& upload) { return upload.metadata == metadata; }, context)
        .ignore("settle and release look for uploads of this execution again");
  }
  return id;
}

/// Every part, then complete. `first` is the first range, read already.
Result<Copied> send_parts(const CopyJob& job, const std::string& id, const Metadata& metadata,
                          ObjectData first, std::int64_t part_size, BatchContext& context) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::md5));
  std::vector<PartInfo> parts;
  bool acknowledged = true;
  ObjectData data = std::move(first);
  for (std::int64_t offset = 0;;) {
    hasher.update(data.bytes);
    DUNLIN_ASSIGN(const std::string part_md5, hash_bytes(HashKind::md5, data.bytes));
    DUNLIN_TRY(spend(context, static_cast<std::int64_t>(data.bytes.size())));
    DUNLIN_CRASH_POINT("objects.part.before");
    DUNLIN_ASSIGN(auto part,
                  job.destination.put_part(job.key, id, static_cast<std::int32_t>(parts.size() + 1),
                                           data.bytes, context.cancel()));
    DUNLIN_CRASH_POINT("objects.part.after");
    acknowledged = acknowledged && part.md5 == part_md5;
    parts.push_back(std::move(part));
    context.progress(static_cast<std::int64_t>(data.bytes.size()));
    if (job.in_flight != nullptr)
      job.in_flight->advance(static_cast<std::int64_t>(data.bytes.size()));
    offset += static_cast<std::int64_t>(data.bytes.size());
    if (offset >= job.from.size) break;
    DUNLIN_ASSIGN(data, read_range(job.source, job.from, offset,
                                   std::min(part_size, job.from.size - offset), context));
  }
  std::string md5 = hasher.finish();
  DUNLIN_TRY(context.fence());
  DUNLIN_CRASH_POINT("objects.complete.before");
  auto written =
      job.destination.complete_upload(job.key, id, parts, job.condition, context.cancel());
  DUNLIN_CRASH_POINT("objects.complete.after");
  // NoSuchUpload can also follow from a complete that had been applied and was sent twice below us.
  if (!written.ok()) {
    if (!written.error().possibly_applied && written.error().native.code != "NoSuchUpload") {
      return std::move(written).error();
    }
    return find_written(job, metadata, std::move(md5), std::move(written).error(), context);
  }
  return Copied{std::move(*written), std::move(md5), acknowledged};
}

Result<Copied> put_in_parts(const CopyJob& job, ObjectData first, std::int64_t part_size,
                            BatchContext& context) {
  const Metadata metadata = job.metadata(first.info);
  DUNLIN_ASSIGN(const std::string id, begin(job, metadata, context));
  DUNLIN_CRASH_POINT("objects.upload_id.before");
  Status recorded = job.uploading(id);
  DUNLIN_CRASH_POINT("objects.upload_id.after");
  if (!recorded.ok()) {
    // Nobody but this try knows the upload: whoever has taken over may have looked for it before it
    // was begun. So not even a stale or interrupted owner leaves it.
    job.destination.abort_upload(job.key, id, CancelToken())
        .ignore("it carries our mark: release finds it");
    return std::move(recorded).error();
  }
  auto copied = send_parts(job, id, metadata, std::move(first), part_size, context);
  // A stale owner touches nothing any more, and an interrupted one has no time: both leave the
  // upload to whoever goes on. With possibly_applied a look failed: aborting now is harmless either
  // way.
  if (!copied.ok() && copied.error().type != ErrorType::stale_owner &&
      copied.error().type != ErrorType::interrupted) {
    job.destination.abort_upload(job.key, id, context.cancel())
        .ignore("the recorded id is aborted when the item is tried again");
  }
  return copied;
}

}  // namespace

Result<Copied> copy_object(const CopyJob& job, BatchContext& context) {
  const std::int64_t size = job.from.size;
  if (size < job.multipart_threshold) {
    DUNLIN_ASSIGN(const MemoryLease lease, context.permits().memory(size, size, context.cancel()));
    DUNLIN_ASSIGN(auto data, read_range(job.source, job.from, 0, size, context));
    return put_whole(job, data, context);
  }
  const Limits limits = job.destination.limits();
  const std::int64_t needed = (size + limits.max_parts - 1) / limits.max_parts;
  const std::int64_t part_size = std::max({job.part_size, needed, limits.min_part_bytes});
  if (part_size > limits.max_put_bytes) {
    return Error(ErrorType::unsupported_item, "the object is larger than the destination can hold");
  }
  const std::int64_t held = std::min(part_size, size);
  DUNLIN_ASSIGN(const MemoryLease lease, context.permits().memory(held, held, context.cancel()));
  DUNLIN_ASSIGN(auto first,
                read_range(job.source, job.from, 0, std::min(part_size, size), context));
  return put_in_parts(job, std::move(first), part_size, context);
}

Result<std::string> read_md5(Backend& backend, const ObjectInfo& version, std::int64_t part_size,
                             RunContext& context, engine::ItemInFlight* in_flight) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::md5));
  const std::int64_t held = std::min(part_size, version.size);
  DUNLIN_ASSIGN(const MemoryLease lease, context.permits().memory(held, held, context.cancel()));
  for (std::int64_t offset = 0; offset < version.size;) {
    const std::int64_t length = std::min(part_size, version.size - offset);
    DUNLIN_ASSIGN(auto data, read_range(backend, version, offset, length, context));
    hasher.update(data.bytes);
    offset += length;
    if (in_flight != nullptr) in_flight->advance(length);
  }
  return hasher.finish();
}

Result<std::int64_t> abort_uploads(Backend& backend, std::string_view prefix,
                                   const std::function<bool(const UploadInfo&)>& ours,
                                   RunContext& context) {
  DUNLIN_ASSIGN(auto uploads, backend.list_uploads(prefix, context.cancel()));
  std::int64_t aborted = 0;
  for (const auto& upload : uploads) {
    if (!ours(upload)) continue;
    DUNLIN_TRY(context.fence());
    DUNLIN_TRY(backend.abort_upload(upload.key, upload.id, context.cancel()));
    ++aborted;
  }
  return aborted;
}

}  // namespace dunlin::objects
