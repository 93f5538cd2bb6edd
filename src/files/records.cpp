// Encodings and names; see records.h.
#include "files/records.h"

#include <algorithm>

#include "base/binary.h"

namespace dunlin::files {
namespace {

constexpr std::uint8_t kVersion = 5;
// Beside the version in the first byte of a detail.
constexpr unsigned kVersionMask = 0x0f;
constexpr unsigned kFurther = 0x10;  ///< of a set of hard links, or dunlin's own: said at the end
constexpr unsigned kAtimeIsMtime = 0x20;
constexpr unsigned kWholeSeconds = 0x40;  ///< mtime
constexpr unsigned kGroupIsOwner = 0x80;  ///< the same number
constexpr unsigned kModeBits = 12;
// What of an entry is as in its base, and left out.
constexpr unsigned kSameType = 1;
constexpr unsigned kSameMode = 2;
constexpr unsigned kSameOwner = 4;
constexpr unsigned kSameSize = 8;
constexpr unsigned kSameMtime = 16;
constexpr unsigned kSameAtime = 32;
constexpr unsigned kSameDevice = 64;
// Marks of a witness: what is there. Those of a plain copy come first, they fit one byte.
constexpr unsigned kHasPlaced = 1;
constexpr unsigned kAsListed = 2;  ///< `placed` is told by the detail of its item
constexpr unsigned kHasChanged = 4;
constexpr unsigned kAttributes = 8;
constexpr unsigned kHasReplaced = 16;
constexpr unsigned kShared = 32;
constexpr unsigned kHasSource = 64;
constexpr unsigned kRenamed = 128;
constexpr unsigned kLinked = 256;
constexpr unsigned kReopened = 512;
constexpr unsigned kHasChunks = 1024;
constexpr unsigned kRemoving = 2048;
constexpr unsigned kHasLevels = 4096;
constexpr unsigned kHasProof = 8192;  ///< checksum, proof, loss
constexpr unsigned kHasFlags = 16384;
constexpr unsigned kHasExtended = 32768;
constexpr unsigned kCloned = 65536;
constexpr unsigned kToSource = 131072;
constexpr unsigned kNamed = 262144;
constexpr unsigned kAside = 524288;
constexpr unsigned kWrittenAgain = 1048576;
constexpr unsigned kAllMarks = 2 * kWrittenAgain - 1;
/// Seconds count from here (June 2025): near it they take four bytes, not five.
constexpr std::int64_t kOrigin_s = 1'750'000'000;
constexpr std::string_view kPrefix = ".dunlin-";
constexpr std::string_view kUndo = "undo-";
constexpr std::string_view kPart = "part-";
constexpr std::string_view kTest = "test-";
static_assert(kUndo.size() == kPart.size() && kPart.size() == kTest.size());
constexpr std::size_t kIdDigits = 8;

/// Times come from anybody's file system: what does not fit wraps, and comes back so.
std::int64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

void put(ByteWriter& out, const fs::Time& time) {
  out.zigzag(difference(time.seconds, kOrigin_s)).u32(time.nanoseconds);
}

fs::Time get_time(ByteReader& in) {
  fs::Time time;
  time.seconds = sum(in.zigzag(), kOrigin_s);
  time.nanoseconds = in.u32();
  return time;
}

/// What differs from `base`, and always the inode.
void put(ByteWriter& out, const fs::FileInfo& info, const fs::FileInfo& base) {
  const unsigned same =
      (info.type == base.type ? kSameType : 0U) | (info.mode == base.mode ? kSameMode : 0U) |
      (info.uid == base.uid && info.gid == base.gid ? kSameOwner : 0U) |
      (info.size == base.size ? kSameSize : 0U) | (info.mtime == base.mtime ? kSameMtime : 0U) |
      (info.atime == base.atime ? kSameAtime : 0U) |
      (!info.is_device() || info.special_device == base.special_device ? kSameDevice : 0U);
  out.u8(static_cast<std::uint8_t>(same)).varint(info.inode);
  if ((same & kSameType) == 0) out.u8(static_cast<std::uint8_t>(info.type));
  if ((same & kSameMode) == 0) out.varint(info.mode);
  if ((same & kSameOwner) == 0) out.varint(info.uid).varint(info.gid);
  if ((same & kSameSize) == 0) out.zigzag(info.size);
  if ((same & kSameMtime) == 0) put(out, info.mtime);
  if ((same & kSameAtime) == 0) put(out, info.atime);
  if ((same & kSameDevice) == 0) out.varint(info.special_device);
}

fs::FileInfo get(ByteReader& in, const fs::FileInfo& base) {
  fs::FileInfo info;
  const unsigned same = in.u8();
  if (same > 127) in.fail();
  info.inode = in.varint();
  info.type = (same & kSameType) != 0 ? base.type : static_cast<fs::EntryType>(in.u8());
  info.mode = (same & kSameMode) != 0 ? base.mode : static_cast<std::uint32_t>(in.varint());
  if ((same & kSameOwner) != 0) {
    info.uid = base.uid;
    info.gid = base.gid;
  } else {
    info.uid = static_cast<std::uint32_t>(in.varint());
    info.gid = static_cast<std::uint32_t>(in.varint());
  }
  info.size = (same & kSameSize) != 0 ? base.size : in.zigzag();
  info.mtime = (same & kSameMtime) != 0 ? base.mtime : get_time(in);
  info.atime = (same & kSameAtime) != 0 ? base.atime : get_time(in);
  if ((same & kSameDevice) == 0) {
    info.special_device = in.varint();
  } else if (info.is_device()) {
    info.special_device = base.special_device;
  }
  return info;
}

bool all_digits(std::string_view text, bool hexadecimal) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (hexadecimal && c >= 'a' && c <= 'f');
  });
}

}  // namespace

std::string encode(const Detail& detail) {
  const fs::FileInfo& info = detail.info;
  const bool left_out = detail.own_state || detail.unparsed != Unparsed::no;
  const bool further = detail.first.valid() || left_out;
  const unsigned marks = (further ? kFurther : 0U) |
                         (info.atime == info.mtime ? kAtimeIsMtime : 0U) |
                         (info.mtime.nanoseconds == 0 ? kWholeSeconds : 0U) |
                         (info.gid == info.uid ? kGroupIsOwner : 0U);
  ByteWriter out;
  const unsigned type_and_mode =
      static_cast<unsigned>(info.type) << kModeBits | (info.mode & ((1U << kModeBits) - 1));
  out.u8(static_cast<std::uint8_t>(kVersion | marks));
  out.u8(static_cast<std::uint8_t>(type_and_mode & 0xffU));
  out.u8(static_cast<std::uint8_t>(type_and_mode >> 8U)).varint(info.uid);
  if ((marks & kGroupIsOwner) == 0) out.varint(info.gid);
  out.varint(info.inode).zigzag(info.size);
  out.zigzag(difference(info.mtime.seconds, kOrigin_s));
  if ((marks & kWholeSeconds) == 0) out.u32(info.mtime.nanoseconds);
  if ((marks & kAtimeIsMtime) == 0)
    out.zigzag(difference(info.atime.seconds, info.mtime.seconds)).u32(info.atime.nanoseconds);
  if (info.is_device()) out.varint(info.special_device);
  if (further) {
    out.varint(static_cast<std::uint64_t>(detail.first.value) << 1U | (left_out ? 1U : 0U));
    if (left_out) out.u8(static_cast<std::uint8_t>(detail.unparsed));
  }
  return out.take();
}

Result<Detail> decode_detail(std::string_view bytes) {
  ByteReader in(bytes);
  Detail detail;
  const unsigned marks = in.u8();
  if ((marks & kVersionMask) != kVersion) in.fail();
  fs::FileInfo& info = detail.info;
  unsigned type_and_mode = in.u8();
  type_and_mode |= static_cast<unsigned>(in.u8()) << 8U;
  info.type = static_cast<fs::EntryType>(type_and_mode >> kModeBits);
  info.mode = type_and_mode & ((1U << kModeBits) - 1);
  info.uid = static_cast<std::uint32_t>(in.varint());
  info.gid = (marks & kGroupIsOwner) != 0 ? info.uid : static_cast<std::uint32_t>(in.varint());
  info.inode = in.varint();
  info.size = in.zigzag();
  info.mtime.seconds = sum(in.zigzag(), kOrigin_s);
  if ((marks & kWholeSeconds) == 0) info.mtime.nanoseconds = in.u32();
  info.atime = info.mtime;
  if ((marks & kAtimeIsMtime) == 0) {
    info.atime.seconds = sum(info.mtime.seconds, in.zigzag());
    info.atime.nanoseconds = in.u32();
  }
  if (info.is_device()) info.special_device = in.varint();
  if ((marks & kFurther) != 0) {
    const std::uint64_t first_and_own = in.varint();
    detail.first = ItemId(static_cast<std::int64_t>(first_and_own >> 1U));
    if ((first_and_own & 1U) != 0) {
      const std::uint8_t unparsed = in.u8();
      if (unparsed > static_cast<std::uint8_t>(Unparsed::too_slow)) in.fail();
      detail.unparsed = static_cast<Unparsed>(unparsed);
      detail.own_state = detail.unparsed == Unparsed::no;
    }
  }
  DUNLIN_TRY(in.finish("detail of a file"));
  return detail;
}

std::string link_set_key(const fs::FileInfo& info, std::uint64_t root_device) {
  ByteWriter out;
  out.varint(info.inode).zigzag(info.birth.seconds).varint(info.birth.nanoseconds);
  if (info.device != root_device) out.varint(info.device);
  return out.take();
}

namespace {

unsigned marks_of(const Witness& witness, bool as_listed) {
  const bool proof = !witness.checksum.empty() || witness.proof != 0 || !witness.loss.empty();
  return (witness.placed ? kHasPlaced : 0U) | (as_listed ? kAsListed : 0U) |
         (witness.changed != fs::Time() ? kHasChanged : 0U) |
         (witness.attributes == 0 ? 0U : kAttributes) | (witness.replaced ? kHasReplaced : 0U) |
         (witness.shared ? kShared : 0U) | (witness.source ? kHasSource : 0U) |
         (witness.renamed ? kRenamed : 0U) | (witness.linked ? kLinked : 0U) |
         (witness.reopened.empty() ? 0U : kReopened) | (witness.chunks.empty() ? 0U : kHasChunks) |
         (witness.removing ? kRemoving : 0U) | (witness.levels == 0 ? 0U : kHasLevels) |
         (proof ? kHasProof : 0U) | (witness.final_flags == 0 ? 0U : kHasFlags) |
         (witness.extended_before.empty() ? 0U : kHasExtended) | (witness.cloned ? kCloned : 0U) |
         (witness.to_source ? kToSource : 0U) | (witness.name.empty() ? 0U : kNamed) |
         (witness.aside.empty() ? 0U : kAside) | (witness.written_again ? kWrittenAgain : 0U);
}

}  // namespace

std::string encode(const Witness& witness, std::string_view detail) {
  std::optional<Detail> listed;
  if (witness.placed && !detail.empty()) {
    auto decoded = decode_detail(detail);
    if (decoded.ok()) listed = std::move(decoded).value();  // else nothing is left out
  }
  const bool as_listed = listed.has_value();
  const fs::FileInfo base = as_listed ? listed->info : fs::FileInfo();
  const unsigned marks = marks_of(witness, as_listed);
  ByteWriter out;
  out.u8(kVersion).varint(marks).zigzag(witness.epoch);
  if (witness.placed) put(out, *witness.placed, base);
  if ((marks & kHasChanged) != 0) put(out, witness.changed);
  if ((marks & kAttributes) != 0) out.u64(witness.attributes);
  if (witness.replaced) put(out, *witness.replaced, base);
  if (witness.source) {
    put(out, *witness.source, base);
    put(out, witness.source->ctime);
  }
  if ((marks & kReopened) != 0) out.bytes(witness.reopened);
  if ((marks & kHasChunks) != 0) out.zigzag(witness.chunk_bytes).bytes(witness.chunks);
  if ((marks & kHasLevels) != 0) out.zigzag(witness.levels);
  if ((marks & kHasProof) != 0) out.bytes(witness.checksum).u8(witness.proof).bytes(witness.loss);
  if ((marks & kHasFlags) != 0) out.varint(witness.final_flags);
  if ((marks & kHasExtended) != 0) out.bytes(witness.extended_before);
  if ((marks & kNamed) != 0) out.bytes(witness.name);
  if ((marks & kAside) != 0) out.bytes(witness.aside);
  return out.take();
}

Result<Witness> decode_witness(std::string_view bytes, std::string_view detail) {
  ByteReader in(bytes);
  Witness witness;
  if (in.u8() != kVersion) in.fail();
  const std::uint64_t marks = in.varint();
  if (marks > kAllMarks) in.fail();
  fs::FileInfo base;
  if ((marks & kAsListed) != 0) {
    DUNLIN_ASSIGN(const Detail listed, decode_detail(detail));
    base = listed.info;
  }
  witness.epoch = in.zigzag();
  if ((marks & kHasPlaced) != 0) witness.placed = get(in, base);
  if ((marks & kHasChanged) != 0) witness.changed = get_time(in);
  if ((marks & kAttributes) != 0) witness.attributes = in.u64();
  if ((marks & kHasReplaced) != 0) witness.replaced = get(in, base);
  if ((marks & kHasSource) != 0) {
    witness.source = get(in, base);
    witness.source->ctime = get_time(in);
  }
  if ((marks & kReopened) != 0) witness.reopened = in.bytes();
  if ((marks & kHasChunks) != 0) {
    witness.chunk_bytes = in.zigzag();
    witness.chunks = in.bytes();
  }
  if ((marks & kHasLevels) != 0) witness.levels = in.zigzag();
  if ((marks & kHasProof) != 0) {
    witness.checksum = in.bytes();
    witness.proof = in.u8();
    witness.loss = in.bytes();
  }
  if ((marks & kHasFlags) != 0) witness.final_flags = static_cast<std::uint32_t>(in.varint());
  if ((marks & kHasExtended) != 0) witness.extended_before = in.bytes();
  if ((marks & kNamed) != 0) witness.name = in.bytes();
  if ((marks & kAside) != 0) witness.aside = in.bytes();
  witness.shared = (marks & kShared) != 0;
  witness.renamed = (marks & kRenamed) != 0;
  witness.linked = (marks & kLinked) != 0;
  witness.removing = (marks & kRemoving) != 0;
  witness.cloned = (marks & kCloned) != 0;
  witness.to_source = (marks & kToSource) != 0;
  witness.written_again = (marks & kWrittenAgain) != 0;
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

std::string test_folder_name(const ExecutionId& execution) {
  return std::string(kPrefix) + std::string(kTest) + short_id(execution);
}

std::string_view execution_in_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  if (name.starts_with(kUndo) || name.starts_with(kPart) || name.starts_with(kTest)) {
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
