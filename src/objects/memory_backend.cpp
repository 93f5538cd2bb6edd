// MemoryBackend; see memory_backend.h.
#include "objects/memory_backend.h"

#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "base/text.h"

namespace dunlin::objects {
namespace {

constexpr std::int64_t kMaxPutBytes = 64LL << 20;
constexpr std::size_t kMaxMetadataBytes = 2048;
constexpr std::array<std::string_view, 8> kFaultNames = {"none",         "refuse",     "throttle",
                                                         "lose_request", "lose_reply", "short_body",
                                                         "any_version",  "corrupt"};

std::string quoted(std::string_view key) {
  return "'" + escape_bytes(key) + "'";
}

Error with_code(ErrorType type, std::string message, std::string code) {
  Error error(type, std::move(message));
  error.native = {"object_store", std::move(code)};
  return error;
}

Error lost(Call call, std::string_view key) {
  Error error(ErrorType::connection_reset, "the connection was cut during " +
                                               std::string(to_string(call)) + " of " + quoted(key));
  error.possibly_applied = changes_something(call);
  return error;
}

Status check_key(std::string_view key) {
  if (key.empty() || key.size() > 1024 || !is_utf8(key)) {
    return with_code(ErrorType::invalid_name,
                     "the key " + quoted(key) + " is empty, longer than 1024 bytes or no UTF-8",
                     "InvalidKey");
  }
  return success();
}

Status check_write(std::string_view key, std::size_t size, const Metadata& metadata) {
  DUNLIN_TRY(check_key(key));
  if (size > static_cast<std::size_t>(kMaxPutBytes)) {
    return with_code(ErrorType::unsupported_item, quoted(key) + " is too large for one request",
                     "EntityTooLarge");
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  if (bytes > kMaxMetadataBytes) {
    return with_code(ErrorType::unsupported_item, quoted(key) + " has more than 2 KiB of metadata",
                     "MetadataTooLarge");
  }
  return success();
}

}  // namespace

std::optional<Fault> fault_from_name(std::string_view name) {
  const auto* found = std::find(kFaultNames.begin(), kFaultNames.end(), name);
  if (found == kFaultNames.end()) return std::nullopt;
  return static_cast<Fault>(found - kFaultNames.begin());
}

MemoryBackend::MemoryBackend(const Clock& clock, std::string identity)
    : clock_(clock), identity_(std::move(identity)) {}

void MemoryBackend::set_fault_hook(FaultHook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
  calls_ = {};
}

Fault MemoryBackend::next_fault(Call call, std::string_view key) {
  FaultHook hook;
  std::int64_t nth = 0;
  {
    const std::lock_guard lock(mutex_);
    nth = ++calls_.at(static_cast<std::size_t>(call));
    hook = hook_;
  }
  return hook ? hook(call, key, nth) : Fault::none;
}

template <typename T, typename Apply>
Result<T> MemoryBackend::guarded(Call call, std::string_view key, const CancelToken& cancel,
                                 Apply apply) {
  DUNLIN_TRY(cancel.check());
  const Fault fault = next_fault(call, key);
  if (fault == Fault::refuse) {
    return with_code(ErrorType::temporary_failure, "the store failed internally", "InternalError");
  }
  if (fault == Fault::throttle) {
    Error error = with_code(ErrorType::throttled, "the store is busy", "SlowDown");
    error.retry_after_ms = 50;
    return error;
  }
  if (fault == Fault::lose_request) return lost(call, key);
  Result<T> result = [&]() -> Result<T> {
    const std::lock_guard lock(mutex_);
    return apply(fault);
  }();
  if (fault == Fault::lose_reply) return lost(call, key);
  return result;
}

Limits MemoryBackend::limits() const {
  Limits limits;
  limits.max_put_bytes = kMaxPutBytes;
  return limits;
}

Result<std::string> MemoryBackend::identity(const CancelToken& cancel) {
  return guarded<std::string>(Call::identity, "", cancel,
                              [&](Fault) -> Result<std::string> { return identity_; });
}

Result<ListPage> MemoryBackend::list(std::string_view prefix, std::string_view after,
                                     std::int32_t limit, const CancelToken& cancel) {
  return guarded<ListPage>(Call::list, prefix, cancel, [&](Fault) -> Result<ListPage> {
    ListPage page;
    auto at = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
    for (; at != objects_.end() && at->first.starts_with(prefix); ++at) {
      if (page.objects.size() >= static_cast<std::size_t>(std::max(limit, 1))) {
        page.next = page.objects.back().key;
        break;
      }
      page.objects.push_back(at->second.info);
      page.objects.back().metadata.clear();
    }
    return page;
  });
}

Result<std::optional<ObjectInfo>> MemoryBackend::head(std::string_view key,
                                                      const CancelToken& cancel) {
  using Found = std::optional<ObjectInfo>;
  return guarded<Found>(Call::head, key, cancel, [&](Fault) -> Result<Found> {
    const auto at = objects_.find(key);
    return at == objects_.end() ? Found() : Found(at->second.info);
  });
}

Result<const MemoryBackend::Object*> MemoryBackend::find_version(std::string_view key,
                                                                 std::string_view if_match) const {
  const auto at = objects_.find(key);
  if (at == objects_.end()) {
    return with_code(ErrorType::source_vanished, quoted(key) + " does not exist", "NoSuchKey");
  }
  if (!if_match.empty() && at->second.info.etag != if_match) {
    return with_code(ErrorType::source_changed, quoted(key) + " is not the version asked for",
                     "PreconditionFailed");
  }
  return &at->second;
}

Result<ObjectData> MemoryBackend::get(std::string_view key, std::int64_t offset,
                                      std::int64_t length, std::string_view if_match,
                                      const CancelToken& cancel) {
  return guarded<ObjectData>(Call::get, key, cancel, [&](Fault fault) -> Result<ObjectData> {
    DUNLIN_ASSIGN(const Object* found,
                  find_version(key, fault == Fault::any_version ? "" : if_match));
    const Object& object = *found;
    const auto begin = std::clamp<std::int64_t>(offset, 0, object.info.size);
    auto count = std::clamp<std::int64_t>(length, 0, object.info.size - begin);
    count = std::min(count, kMaxPutBytes);
    if (fault == Fault::short_body) count /= 2;
    return ObjectData{object.info, object.bytes.substr(static_cast<std::size_t>(begin),
                                                       static_cast<std::size_t>(count))};
  });
}

Status MemoryBackend::check_condition(std::string_view key, const WriteCondition& condition) const {
  const auto at = objects_.find(key);
  if (condition.kind == WriteCondition::Kind::if_absent && at != objects_.end()) {
    return with_code(ErrorType::destination_exists, quoted(key) + " exists already",
                     "PreconditionFailed");
  }
  if (condition.kind == WriteCondition::Kind::if_match &&
      (at == objects_.end() || at->second.info.etag != condition.etag)) {
    return with_code(ErrorType::destination_changed, quoted(key) + " was changed by somebody else",
                     "PreconditionFailed");
  }
  return success();
}

ObjectInfo MemoryBackend::store(ObjectInfo info, std::string bytes) {
  info.size = static_cast<std::int64_t>(bytes.size());
  info.modified_ms = clock_.wall_ms();
  objects_[info.key] = Object{info, std::move(bytes)};
  return info;
}

/// As one part: the ETag is the content's MD5.
Result<ObjectInfo> MemoryBackend::put_new(std::string_view key, std::string_view bytes,
                                          const Metadata& metadata, Fault fault) {
  ObjectInfo info;
  DUNLIN_ASSIGN(info.md5, hash_bytes(HashKind::md5, bytes));
  info.key = key;
  info.etag = hex(info.md5);
  info.metadata = metadata;
  std::string content(bytes);
  if (fault == Fault::corrupt && !content.empty()) content.front() ^= 1;
  return store(std::move(info), std::move(content));
}

Result<ObjectInfo> MemoryBackend::put(std::string_view key, std::string_view bytes,
                                      const WriteCondition& condition, const Metadata& metadata,
                                      const CancelToken& cancel) {
  return guarded<ObjectInfo>(Call::put, key, cancel, [&](Fault fault) -> Result<ObjectInfo> {
    DUNLIN_TRY(check_write(key, bytes.size(), metadata));
    DUNLIN_TRY(check_condition(key, condition));
    return put_new(key, bytes, metadata, fault);
  });
}

Result<ObjectInfo> MemoryBackend::copy(std::string_view from, std::string_view if_match,
                                       std::string_view to, const WriteCondition& condition,
                                       const Metadata& metadata, const CancelToken& cancel) {
  return guarded<ObjectInfo>(Call::copy, to, cancel, [&](Fault fault) -> Result<ObjectInfo> {
    DUNLIN_TRY(check_write(to, 0, metadata));
    DUNLIN_ASSIGN(const Object* object, find_version(from, if_match));
    DUNLIN_TRY(check_condition(to, condition));
    return put_new(to, object->bytes, metadata, fault);
  });
}

Result<std::string> MemoryBackend::begin_upload(std::string_view key, const Metadata& metadata,
                                                const CancelToken& cancel) {
  return guarded<std::string>(Call::begin_upload, key, cancel, [&](Fault) -> Result<std::string> {
    DUNLIN_TRY(check_write(key, 0, metadata));
    const std::string id = "upload-" + std::to_string(++last_upload_);
    uploads_[id].info = {std::string(key), id, clock_.wall_ms(), metadata};
    return id;
  });
}

Result<MemoryBackend::Upload*> MemoryBackend::find_upload(std::string_view key,
                                                          std::string_view upload_id) {
  const auto at = uploads_.find(upload_id);
  if (at == uploads_.end() || at->second.info.key != key) {
    return with_code(ErrorType::temporary_failure,
                     "the upload of " + quoted(key) + " was aborted or completed meanwhile",
                     "NoSuchUpload");
  }
  return &at->second;
}

Result<PartInfo> MemoryBackend::put_part(std::string_view key, std::string_view upload_id,
                                         std::int32_t number, std::string_view bytes,
                                         const CancelToken& cancel) {
  return guarded<PartInfo>(Call::put_part, key, cancel, [&](Fault fault) -> Result<PartInfo> {
    DUNLIN_ASSIGN(Upload * upload, find_upload(key, upload_id));
    if (number < 1 || number > limits().max_parts) {
      return with_code(ErrorType::unsupported_item, "there is no part " + std::to_string(number),
                       "InvalidPart");
    }
    DUNLIN_TRY(check_write(key, bytes.size(), {}));
    DUNLIN_ASSIGN(const std::string md5, hash_bytes(HashKind::md5, bytes));
    const PartInfo info{number, static_cast<std::int64_t>(bytes.size()), hex(md5), md5};
    std::string content(bytes);
    if (fault == Fault::corrupt && !content.empty()) content.front() ^= 1;
    upload->parts[number] = {info, std::move(content)};
    return info;
  });
}

Result<std::vector<PartInfo>> MemoryBackend::list_parts(std::string_view key,
                                                        std::string_view upload_id,
                                                        const CancelToken& cancel) {
  using Parts = std::vector<PartInfo>;
  return guarded<Parts>(Call::list_parts, key, cancel, [&](Fault) -> Result<Parts> {
    DUNLIN_ASSIGN(const Upload* upload, find_upload(key, upload_id));
    Parts parts;
    for (const auto& [number, part] : upload->parts) parts.push_back(part.info);
    return parts;
  });
}

/// The parts as one object; refuses what S3 refuses: none, out of order, unknown, another ETag.
Result<MemoryBackend::Joined> MemoryBackend::join(const Upload& upload,
                                                  const std::vector<PartInfo>& parts) const {
  Joined joined;
  std::string digests;
  std::int32_t before = 0;
  for (const auto& part : parts) {
    const auto at = upload.parts.find(part.number);
    if (part.number <= before || at == upload.parts.end() || at->second.info.etag != part.etag) {
      return with_code(ErrorType::temporary_failure,
                       "part " + std::to_string(part.number) + " is not as it was announced",
                       "InvalidPart");
    }
    before = part.number;
    joined.bytes += at->second.bytes;
    digests += at->second.info.md5;
  }
  if (parts.empty()) {
    return with_code(ErrorType::temporary_failure, "an upload without parts", "InvalidPart");
  }
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::md5, digests));
  joined.etag = hex(digest) + "-" + std::to_string(parts.size());
  return joined;
}

Result<ObjectInfo> MemoryBackend::complete_upload(std::string_view key, std::string_view upload_id,
                                                  const std::vector<PartInfo>& parts,
                                                  const WriteCondition& condition,
                                                  const CancelToken& cancel) {
  return guarded<ObjectInfo>(Call::complete_upload, key, cancel, [&](Fault) -> Result<ObjectInfo> {
    DUNLIN_ASSIGN(Upload * upload, find_upload(key, upload_id));
    DUNLIN_TRY(check_condition(key, condition));
    DUNLIN_ASSIGN(Joined joined, join(*upload, parts));
    ObjectInfo info;
    info.key = key;
    info.etag = std::move(joined.etag);
    info.metadata = upload->info.metadata;
    info = store(std::move(info), std::move(joined.bytes));
    uploads_.erase(uploads_.find(upload_id));
    return info;
  });
}

Status MemoryBackend::abort_upload(std::string_view key, std::string_view upload_id,
                                   const CancelToken& cancel) {
  const auto done = guarded<bool>(Call::abort_upload, key, cancel, [&](Fault) -> Result<bool> {
    const auto at = uploads_.find(upload_id);
    if (at != uploads_.end() && at->second.info.key == key) uploads_.erase(at);
    return true;
  });
  if (!done.ok()) return done.error();
  return success();
}

Result<std::vector<UploadInfo>> MemoryBackend::list_uploads(std::string_view prefix,
                                                            const CancelToken& cancel) {
  using Uploads = std::vector<UploadInfo>;
  return guarded<Uploads>(Call::list_uploads, prefix, cancel, [&](Fault) -> Result<Uploads> {
    Uploads uploads;
    for (const auto& [id, upload] : uploads_) {
      if (upload.info.key.starts_with(prefix)) uploads.push_back(upload.info);
    }
    std::sort(uploads.begin(), uploads.end(), [](const UploadInfo& a, const UploadInfo& b) {
      return std::tie(a.key, a.id) < std::tie(b.key, b.id);
    });
    return uploads;
  });
}

Status MemoryBackend::remove(std::string_view key, std::string_view if_match,
                             const CancelToken& cancel) {
  const auto done = guarded<bool>(Call::remove, key, cancel, [&](Fault) -> Result<bool> {
    DUNLIN_TRY(check_condition(key, WriteCondition::match(std::string(if_match))));
    objects_.erase(objects_.find(key));
    return true;
  });
  if (!done.ok()) return done.error();
  return success();
}

}  // namespace dunlin::objects
