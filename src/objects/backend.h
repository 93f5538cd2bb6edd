// Backend: one bucket of an object store, reduced to what moving objects needs.
//
// The seam between ObjectsRun, which knows about executions, and stores, which know about objects.
// A new store is one implementation of this class; the conformance suite in
// tests/objects/backend_conformance.h is the contract, run against every implementation.
//
// Rules for all calls:
//   - Safe from any thread at once. Each blocks; `cancel` is looked at at least every 100 ms and
//     ends the call with ErrorType::interrupted.
//   - A call is sent once: retrying is the engine's. An Error with `possibly_applied` (the write
//     was sent, the answer lost) has to be read back before anything is sent again.
//   - Absence of an object is a value (head) or a failed precondition, never a listing error.
//   - Errors: throttled (with retry_after_ms), temporary_failure, connection_reset,
//     endpoint_unreachable, not_found (the bucket), invalid_name (a key the store cannot hold);
//     from get: source_vanished, source_changed (If-Match failed); from writes: destination_exists
//     (If-None-Match failed), destination_changed (If-Match failed). An upload that does not exist
//     is temporary_failure with native code "NoSuchUpload": somebody aborted it, begin again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace dunlin::objects {

/// User metadata: names in lower-case ASCII, values of bytes; at most 2 KiB together (S3's limit).
using Metadata = std::map<std::string, std::string>;

struct ObjectInfo {
  std::string key;  ///< bytes of UTF-8, taken literally: "//", "..", a leading "/" mean nothing
  std::int64_t size = 0;         ///< bytes
  std::string etag;              ///< names a version; opaque, not always a hash of the content
  std::int64_t modified_ms = 0;  ///< the store's wall clock
  std::string md5;  ///< of the whole content, raw, where the store knows it; else empty (multipart)
  Metadata metadata;  ///< from head, get and writes; listings leave it empty
};

struct ListPage {
  std::vector<ObjectInfo>
      objects;       ///< in ascending order of key bytes; may be empty before the end
  std::string next;  ///< pass it as `after` for the next page; empty: this was the last
};

struct ObjectData {
  ObjectInfo info;    ///< of the version read; `size` is that of the whole object
  std::string bytes;  ///< the range, cut off at the object's end. Callers check the count
};

/// What must hold at the destination when a write takes effect; checked by the store in one step.
struct WriteCondition {
  enum class Kind : std::uint8_t { always, if_absent, if_match };
  Kind kind = Kind::always;
  std::string etag;  ///< for if_match

  [[nodiscard]] static WriteCondition absent() { return {Kind::if_absent, {}}; }
  [[nodiscard]] static WriteCondition match(std::string etag) {
    return {Kind::if_match, std::move(etag)};
  }
};

struct PartInfo {
  std::int32_t number = 0;  ///< from 1
  std::int64_t size = 0;
  std::string etag;
  std::string md5;  ///< raw, of what the store received; empty when it does not say
};

struct UploadInfo {
  std::string key;
  std::string id;
  std::int64_t begun_ms = 0;
  Metadata metadata;  ///< as given to begin_upload; a store that does not list it leaves it empty
};

/// What the store can hold; sizes in bytes.
struct Limits {
  std::int64_t max_put_bytes = 0;   ///< by put and per part
  std::int64_t min_part_bytes = 1;  ///< but for the last part
  std::int32_t max_parts = 10000;
  std::size_t max_key_bytes = 1024;
};

class Backend {
 public:
  virtual ~Backend() = default;

  [[nodiscard]] virtual Limits limits() const = 0;
  /// Names store and bucket for as long as their content lives: a bucket made anew has another one.
  [[nodiscard]] virtual Result<std::string> identity(const CancelToken& cancel) = 0;
  /// Keys that begin with `prefix` and are greater than `after`, at most `limit` (> 0) of them.
  [[nodiscard]] virtual Result<ListPage> list(std::string_view prefix, std::string_view after,
                                              std::int32_t limit, const CancelToken& cancel) = 0;
  [[nodiscard]] virtual Result<std::optional<ObjectInfo>> head(std::string_view key,
                                                               const CancelToken& cancel) = 0;
  /// A range; `if_match` empty: whatever version is there.
  [[nodiscard]] virtual Result<ObjectData> get(std::string_view key, std::int64_t offset,
                                               std::int64_t length, std::string_view if_match,
                                               const CancelToken& cancel) = 0;
  /// The whole object in one step. Returns it as stored.
  [[nodiscard]] virtual Result<ObjectInfo> put(std::string_view key, std::string_view bytes,
                                               const WriteCondition& condition,
                                               const Metadata& metadata,
                                               const CancelToken& cancel) = 0;
  /// Copies a version within the bucket, at the store, in one step: `from` as long as `if_match`
  /// names it (else source_changed or source_vanished), `condition` as for put. Returns the copy.
  [[nodiscard]] virtual Result<ObjectInfo> copy(std::string_view from, std::string_view if_match,
                                                std::string_view to,
                                                const WriteCondition& condition,
                                                const Metadata& metadata,
                                                const CancelToken& cancel) = 0;
  /// Begins a multipart upload; nothing is visible at `key` before complete_upload. Returns the id.
  [[nodiscard]] virtual Result<std::string> begin_upload(std::string_view key,
                                                         const Metadata& metadata,
                                                         const CancelToken& cancel) = 0;
  /// Repeatable: a part given again replaces the one of that number.
  [[nodiscard]] virtual Result<PartInfo> put_part(std::string_view key, std::string_view upload_id,
                                                  std::int32_t number, std::string_view bytes,
                                                  const CancelToken& cancel) = 0;
  [[nodiscard]] virtual Result<std::vector<PartInfo>> list_parts(std::string_view key,
                                                                 std::string_view upload_id,
                                                                 const CancelToken& cancel) = 0;
  /// Makes the parts, in this order, the object. When the condition fails the upload stays open.
  [[nodiscard]] virtual Result<ObjectInfo> complete_upload(std::string_view key,
                                                           std::string_view upload_id,
                                                           const std::vector<PartInfo>& parts,
                                                           const WriteCondition& condition,
                                                           const CancelToken& cancel) = 0;
  /// Repeatable: success when there is no such upload (any more).
  [[nodiscard]] virtual Status abort_upload(std::string_view key, std::string_view upload_id,
                                            const CancelToken& cancel) = 0;
  /// Every open upload whose key begins with `prefix`, by key and id.
  [[nodiscard]] virtual Result<std::vector<UploadInfo>> list_uploads(std::string_view prefix,
                                                                     const CancelToken& cancel) = 0;
  /// Removes the version that `if_match` names; destination_changed when another or none is there.
  [[nodiscard]] virtual Status remove(std::string_view key, std::string_view if_match,
                                      const CancelToken& cancel) = 0;
};

/// The calls of a Backend, by name and by number; the wire protocol uses the numbers.
enum class Call : std::uint8_t {
  identity,
  list,
  head,
  get,
  put,
  begin_upload,
  put_part,
  list_parts,
  complete_upload,
  abort_upload,
  list_uploads,
  remove,
  copy,
};
inline constexpr std::size_t kCallCount = 13;
[[nodiscard]] std::string_view to_string(Call call);
[[nodiscard]] std::optional<Call> call_from_name(std::string_view name);
/// True for calls whose lost answer leaves open whether something changed.
[[nodiscard]] bool changes_something(Call call);

}  // namespace dunlin::objects
