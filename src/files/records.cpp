// Encodings and names; see records.h.
#include "files/records.h"

#include <algorithm>

#include "base/binary.h"

namespace dunlin::files {
namespace {

constexpr std::uint8_t kVersion = 5;
// Marks of a witness; of the last ones, what they announce follows only when they are set.
constexpr unsigned kLinked = 1;
constexpr unsigned kShared = 2;
constexpr unsigned kReopened = 4;
constexpr unsigned kAttributes = 8;
constexpr unsigned kRenamed = 16;
constexpr unsigned kHasSource = 32;
constexpr unsigned kHasChunks = 64;
constexpr unsigned kRemoving = 128;
constexpr unsigned kCloned = 256;
constexpr unsigned kToSource = 512;
constexpr unsigned kNamed = 1024;
constexpr unsigned kAside = 2048;
constexpr std::string_view kPrefix = ".dunlin-";
constexpr std::string_view kUndo = "undo-";
constexpr std::string_view kPart = "part-";
static_assert(kUndo.size() == kPart.size());
constexpr std::size_t kIdDigits = 8;

void put(ByteWriter& out, const fs::FileInfo& info) {
  out.u8(static_cast<std::uint8_t>(info.type)).varint(info.mode).varint(info.uid).varint(info.gid);
  out.varint(info.inode).zigzag(info.size);
  out.zigzag(info.mtime.seconds).varint(info.mtime.nanoseconds);
  out.zigzag(info.atime.seconds - info.mtime.seconds).varint(info.atime.nanoseconds);
  if (info.is_device()) out.varint(info.special_device);
}

fs::FileInfo get(ByteReader& in) {
  fs::FileInfo info;
  info.type = static_cast<fs::EntryType>(in.u8());
  info.mode = static_cast<std::uint32_t>(in.varint());
  info.uid = static_cast<std::uint32_t>(in.varint());
  info.gid = static_cast<std::uint32_t>(in.varint());
  info.inode = in.varint();
  info.size = in.zigzag();
  info.mtime.seconds = in.zigzag();
  info.mtime.nanoseconds = static_cast<std::uint32_t>(in.varint());
  info.atime.seconds = info.mtime.seconds + in.zigzag();
  info.atime.nanoseconds = static_cast<std::uint32_t>(in.varint());
  if (info.is_device()) info.special_device = in.varint();
  return info;
}

void put(ByteWriter& out, const std::optional<fs::FileInfo>& info) {
  out.u8(info ? 1 : 0);
  if (info) put(out, *info);
}

std::optional<fs::FileInfo> get_optional(ByteReader& in) {
  if (in.u8() == 0) return std::nullopt;
  return get(in);
}

bool all_digits(std::string_view text, bool hexadecimal) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (hexadecimal && c >= 'a' && c <= 'f');
  });
}

}  // namespace

std::string encode(const Detail& detail) {
  ByteWriter out;
  put(out.u8(kVersion), detail.info);
  out.varint(static_cast<std::uint64_t>(detail.first.value) << 1U | (detail.own_state ? 1U : 0U));
  return out.take();
}

Result<Detail> decode_detail(std::string_view bytes) {
  ByteReader in(bytes);
  Detail detail;
  if (in.u8() != kVersion) in.fail();
  detail.info = get(in);
  const std::uint64_t first_and_own = in.varint();
  detail.first = ItemId(static_cast<std::int64_t>(first_and_own >> 1U));
  detail.own_state = (first_and_own & 1U) != 0;
  DUNLIN_TRY(in.finish("detail of a file"));
  return detail;
}

std::string link_set_key(const fs::FileInfo& info, std::uint64_t root_device) {
  ByteWriter out;
  out.varint(info.inode);
  if (info.device != root_device) out.varint(info.device);
  return out.take();
}

std::string encode(const Witness& witness) {
  ByteWriter out;
  out.u8(kVersion).zigzag(witness.epoch).zigzag(witness.levels);
  put(out, witness.placed);
  put(out, witness.replaced);
  out.zigzag(witness.changed.seconds).varint(witness.changed.nanoseconds);
  out.bytes(witness.checksum).u8(witness.proof).bytes(witness.loss);
  const unsigned marks =
      (witness.linked ? kLinked : 0U) | (witness.shared ? kShared : 0U) |
      (witness.reopened.empty() ? 0U : kReopened) | (witness.attributes == 0 ? 0U : kAttributes) |
      (witness.renamed ? kRenamed : 0U) | (witness.source ? kHasSource : 0U) |
      (witness.chunks.empty() ? 0U : kHasChunks) | (witness.removing ? kRemoving : 0U) |
      (witness.cloned ? kCloned : 0U) | (witness.to_source ? kToSource : 0U) |
      (witness.name.empty() ? 0U : kNamed) | (witness.aside.empty() ? 0U : kAside);
  out.varint(marks).varint(witness.final_flags).bytes(witness.extended_before);
  if (!witness.reopened.empty()) out.bytes(witness.reopened);
  if (witness.attributes != 0) out.u64(witness.attributes);
  if (!witness.chunks.empty()) out.zigzag(witness.chunk_bytes).bytes(witness.chunks);
  if (!witness.name.empty()) out.bytes(witness.name);
  if (!witness.aside.empty()) out.bytes(witness.aside);
  if (witness.source) {
    put(out, *witness.source);
    out.zigzag(witness.source->ctime.seconds).varint(witness.source->ctime.nanoseconds);
  }
  return out.take();
}

Result<Witness> decode_witness(std::string_view bytes) {
  ByteReader in(bytes);
  Witness witness;
  if (in.u8() != kVersion) in.fail();
  witness.epoch = in.zigzag();
  witness.levels = in.zigzag();
  witness.placed = get_optional(in);
  witness.replaced = get_optional(in);
  witness.changed.seconds = in.zigzag();
  witness.changed.nanoseconds = static_cast<std::uint32_t>(in.varint());
  witness.checksum = in.bytes();
  witness.proof = in.u8();
  witness.loss = in.bytes();
  const std::uint64_t marks = in.varint();
  witness.linked = (marks & kLinked) != 0;
  witness.shared = (marks & kShared) != 0;
  witness.renamed = (marks & kRenamed) != 0;
  witness.removing = (marks & kRemoving) != 0;
  witness.cloned = (marks & kCloned) != 0;
  witness.final_flags = static_cast<std::uint32_t>(in.varint());
  witness.extended_before = in.bytes();
  if ((marks & kReopened) != 0) witness.reopened = in.bytes();
  if ((marks & kAttributes) != 0) witness.attributes = in.u64();
  if ((marks & kHasChunks) != 0) {
    witness.chunk_bytes = in.zigzag();
    witness.chunks = in.bytes();
  }
  witness.to_source = (marks & kToSource) != 0;
  if ((marks & kNamed) != 0) witness.name = in.bytes();
  if ((marks & kAside) != 0) witness.aside = in.bytes();
  if ((marks & kHasSource) != 0) {
    witness.source = get(in);
    witness.source->ctime.seconds = in.zigzag();
    witness.source->ctime.nanoseconds = static_cast<std::uint32_t>(in.varint());
  }
  DUNLIN_TRY(in.finish("witness of a file"));
  return witness;
}

std::string temporary_name(const ExecutionId& execution, std::int64_t epoch, ItemId item) {
  return std::string(kPrefix) + short_id(execution) + "-" + std::to_string(epoch) + "-" +
         std::to_string(item.value);
}

std::string undo_folder_name(const ExecutionId& execution) {
  return std::string(kPrefix) + std::string(kUndo) + short_id(execution);
}

std::string part_folder_name(const ExecutionId& execution) {
  return std::string(kPrefix) + std::string(kPart) + short_id(execution);
}

std::string_view execution_in_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  if (name.starts_with(kUndo) || name.starts_with(kPart)) {
    name.remove_prefix(kUndo.size());
    return name.size() == kIdDigits && all_digits(name, true) ? name : std::string_view();
  }
  const std::size_t dash = name.rfind('-');
  if (name.size() < kIdDigits + 4 || name[kIdDigits] != '-' || dash == kIdDigits) return {};
  const bool ours = all_digits(name.substr(0, kIdDigits), true) &&
                    all_digits(name.substr(kIdDigits + 1, dash - kIdDigits - 1), false) &&
                    all_digits(name.substr(dash + 1), false);
  return ours ? name.substr(0, kIdDigits) : std::string_view();
}

}  // namespace dunlin::files
