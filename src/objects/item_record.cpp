// Encodings of what is recorded about an item; see item_record.h.
#include "objects/item_record.h"

#include <charconv>

#include "base/binary.h"

namespace dunlin::objects {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr const char* kItem = "dunlin-item";
constexpr const char* kSource = "dunlin-source";
constexpr const char* kReplaced = "dunlin-replaced";
constexpr const char* kUndo = "dunlin-undo";

std::string value_of(const Metadata& metadata, const char* name) {
  const auto at = metadata.find(name);
  return at == metadata.end() ? std::string() : at->second;
}

std::string owner_text(const std::string& execution, std::int64_t epoch, ItemId item) {
  return execution + "/" + std::to_string(epoch) + "/" + std::to_string(item.value);
}

std::string_view next_word(std::string_view& text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto word = text.substr(0, slash);
  text.remove_prefix(std::min(slash + 1, text.size()));
  return word;
}

bool parse_number(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// "execution/epoch/item" off the front of `text`; false when it is something else.
bool parse_owner(std::string_view& text, std::string& execution, std::int64_t& epoch,
                 ItemId& item) {
  execution = next_word(text);
  const auto epoch_text = next_word(text);
  const auto item_text = next_word(text);
  return !execution.empty() && parse_number(epoch_text, epoch) &&
         parse_number(item_text, item.value);
}

ByteReader versioned(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) in.fail();
  return in;
}

}  // namespace

std::string encode(const ItemDetail& detail) {
  ByteWriter out;
  out.u8(kVersion).bytes(detail.etag).zigzag(detail.modified_ms).bytes(detail.md5);
  out.u8(detail.onto ? 1 : 0);
  return out.take();
}

Result<ItemDetail> decode_detail(std::string_view bytes) {
  ByteReader in = versioned(bytes);
  ItemDetail detail;
  detail.etag = in.bytes();
  detail.modified_ms = in.zigzag();
  detail.md5 = in.bytes();
  detail.onto = in.u8() != 0;
  DUNLIN_TRY(in.finish("detail of an object"));
  return detail;
}

std::string encode(const UploadIntent& intent) {
  ByteWriter out;
  out.u8(kVersion).bytes(intent.key).bytes(intent.upload_id);
  return out.take();
}

Result<UploadIntent> decode_intent(std::string_view bytes) {
  ByteReader in = versioned(bytes);
  UploadIntent intent;
  intent.key = in.bytes();
  intent.upload_id = in.bytes();
  DUNLIN_TRY(in.finish("upload of an object"));
  return intent;
}

std::string encode(const UndoRecord& record) {
  ByteWriter out;
  out.u8(kVersion).bytes(record.etag).bytes(record.replaced);
  return out.take();
}

Result<UndoRecord> decode_undo(std::string_view bytes) {
  ByteReader in = versioned(bytes);
  UndoRecord record;
  record.etag = in.bytes();
  record.replaced = in.bytes();
  DUNLIN_TRY(in.finish("undo record of an object"));
  return record;
}

Metadata marked(const Metadata& source, const Mark& mark) {
  Metadata metadata;
  for (const auto& [name, value] : source) {
    if (!name.starts_with("dunlin-")) metadata[name] = value;
  }
  metadata[kItem] = owner_text(mark.execution, mark.epoch, mark.item);
  metadata[kSource] = mark.source_etag;
  if (!mark.replaced.empty()) metadata[kReplaced] = mark.replaced;
  return metadata;
}

std::optional<Mark> mark_of(const Metadata& metadata) {
  const std::string owner = value_of(metadata, kItem);
  std::string_view text = owner;
  Mark mark;
  if (!parse_owner(text, mark.execution, mark.epoch, mark.item) || !text.empty()) {
    return std::nullopt;
  }
  mark.source_etag = value_of(metadata, kSource);
  mark.replaced = value_of(metadata, kReplaced);
  return mark;
}

Metadata marked(const Metadata& old, const UndoMark& mark) {
  Metadata metadata = old;
  metadata[kUndo] = mark.execution + "/" + std::to_string(mark.item.value) + "/" + mark.etag;
  return metadata;
}

Metadata without_undo_mark(Metadata metadata) {
  metadata.erase(kUndo);
  return metadata;
}

std::optional<ItemId> item_of(const UploadInfo& upload, const ExecutionId& execution) {
  const auto mark = mark_of(upload.metadata);
  if (mark && mark->execution == execution.value) return mark->item;
  return std::nullopt;
}

}  // namespace dunlin::objects
