// Copying one object between two backends, whole or in parts, up to the moment it is visible.
//
// The one writer of objects: copies, undo copies and restorations are all this. Durable order:
// begin_upload → `uploading` has recorded the id → parts → fence → conditional complete; or fence →
// conditional put. Never more than one part in memory. Safe from any thread.
#pragma once

#include <functional>
#include <string>

#include "engine/run.h"
#include "objects/backend.h"

namespace dunlin::objects {

struct CopyJob {
  Backend& source;
  ObjectInfo from;  ///< key, ETag and size of the version to copy; every range is asked If-Match
  Backend& destination;
  std::string key;
  WriteCondition condition;
  std::int64_t multipart_threshold = 0;
  std::int64_t part_size = 0;
  /// Metadata of the new object, made from the source version's. Must be of this attempt alone: it
  /// is how an object or upload found after a lost reply is known to be ours.
  std::function<Metadata(const ObjectInfo& from)> metadata;
  /// Records the upload durably; called between begin_upload and the first part.
  std::function<Status(const std::string& upload_id)> uploading;
  /// Told how far it is; nullptr: nobody watches.
  engine::ItemInFlight* in_flight = nullptr;
};

struct Copied {
  ObjectInfo written;
  std::string md5;            ///< raw, of the bytes read from the source
  bool acknowledged = false;  ///< the store's own MD5 of everything it received equals ours
};

/// Copies; on success the object is visible and its reply (or a later look) shows it to be ours.
/// Its content is not proven yet. Errors: those of Backend; source_changed, source_vanished;
/// connection_reset when the source ends early; possibly_applied when even the look failed. An
/// upload that was begun is aborted, or left to settle() where the process may not act any more.
[[nodiscard]] Result<Copied> copy_object(const CopyJob& job, engine::BatchContext& context);

/// MD5 (raw) of a version, read back in ranges of `part_size`. source_changed when it is another.
[[nodiscard]] Result<std::string> read_md5(Backend& backend, const ObjectInfo& version,
                                           std::int64_t part_size, engine::RunContext& context,
                                           engine::ItemInFlight* in_flight = nullptr);

/// Aborts the uploads below `prefix` whose metadata `ours` accepts; returns how many.
[[nodiscard]] Result<std::int64_t> abort_uploads(Backend& backend, std::string_view prefix,
                                                 const std::function<bool(const UploadInfo&)>& ours,
                                                 engine::RunContext& context);

}  // namespace dunlin::objects
