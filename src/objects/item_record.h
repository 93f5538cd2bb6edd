// What this kind leaves about an item, in the ledger and at the destination, and its encodings.
//
// At the destination the truth is in the object itself: user metadata says which execution and item
// wrote it, from which version of the source, in place of what. The ledger holds the same in short,
// plus the upload in progress. Values and pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/run.h"
#include "objects/backend.h"

namespace dunlin::objects {

/// NewItem::detail: the source object as listed.
struct ItemDetail {
  std::string etag;
  std::int64_t modified_ms = 0;
  std::string md5;    ///< raw, may be empty
  bool onto = false;  ///< the destination address is itself the key
};
[[nodiscard]] std::string encode(const ItemDetail& detail);
[[nodiscard]] Result<ItemDetail> decode_detail(std::string_view bytes);

/// ItemIntent::intent: an upload at the destination. With an empty id: one may have been begun.
struct UploadIntent {
  std::string key;
  std::string upload_id;
};
[[nodiscard]] std::string encode(const UploadIntent& intent);
[[nodiscard]] Result<UploadIntent> decode_intent(std::string_view bytes);

/// ItemOutcome::undo.
struct UndoRecord {
  std::string etag;      ///< of what was written
  std::string replaced;  ///< ETag of the old version, which is kept; empty: there was none
};
[[nodiscard]] std::string encode(const UndoRecord& record);
[[nodiscard]] Result<UndoRecord> decode_undo(std::string_view bytes);

/// Who wrote an object or began an upload: metadata `dunlin-item` ("execution/epoch/item"),
/// `dunlin-source` and `dunlin-replaced` (ETags); on kept old versions `dunlin-undo`
/// ("execution/item/ETag") beside their own metadata.
struct Mark {
  std::string execution;
  std::int64_t epoch = 0;
  ItemId item;
  std::string source_etag;
  std::string replaced;
};
/// Metadata of the source carried over, older marks of dunlin taken out, this one put in.
[[nodiscard]] Metadata marked(const Metadata& source, const Mark& mark);
[[nodiscard]] std::optional<Mark> mark_of(const Metadata& metadata);

struct UndoMark {
  std::string execution;
  ItemId item;
  std::string etag;  ///< that the version had
};
[[nodiscard]] Metadata marked(const Metadata& old, const UndoMark& mark);
/// The metadata as they were before the undo mark.
[[nodiscard]] Metadata without_undo_mark(Metadata metadata);

/// The item of `execution` that an upload belongs to; nullopt: not ours.
[[nodiscard]] std::optional<ItemId> item_of(const UploadInfo& upload, const ExecutionId& execution);

}  // namespace dunlin::objects
