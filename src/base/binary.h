// ByteWriter and ByteReader: the compact encoding of blobs in the ledger (cursors, outcomes,
// segments).
//
// Fixed-width integers are little-endian; a varint is LEB128 (7 bits a byte, least first, at most
// 10 bytes, shortest form only, so that equal values have equal bytes); a zigzag maps 0,-1,1,-2 to
// 0,1,2,3; bytes are a varint length and the bytes. No self-description: the first byte of a blob
// is its format version, by convention of its owner. Values; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin {

class ByteWriter {
 public:
  ByteWriter& u8(std::uint8_t value);
  ByteWriter& u32(std::uint32_t value);
  ByteWriter& u64(std::uint64_t value);
  ByteWriter& varint(std::uint64_t value);
  ByteWriter& zigzag(std::int64_t value);
  ByteWriter& bytes(std::string_view value);
  /// Without a length: for digests and other parts whose size the reader knows.
  ByteWriter& raw(std::string_view value);

  [[nodiscard]] std::string_view view() const { return buffer_; }
  [[nodiscard]] std::size_t size() const { return buffer_.size(); }
  [[nodiscard]] std::string take() { return std::move(buffer_); }
  /// Keeps the capacity: a writer is reused for the next blob without allocating.
  void clear() { buffer_.clear(); }

 private:
  std::string buffer_;
};

/// Reads what ByteWriter wrote. The first read that does not fit makes ok() false for good; that
/// read and all later ones give 0 or empty. Never reads outside of the input and never allocates by
/// a length found in it, so hostile blobs are harmless. The views returned by bytes() and raw()
/// point into the input.
class ByteReader {
 public:
  explicit ByteReader(std::string_view input) : input_(input) {}

  [[nodiscard]] std::uint8_t u8();
  [[nodiscard]] std::uint32_t u32();
  [[nodiscard]] std::uint64_t u64();
  [[nodiscard]] std::uint64_t varint();
  [[nodiscard]] std::int64_t zigzag();
  [[nodiscard]] std::string_view bytes();
  [[nodiscard]] std::string_view raw(std::size_t size);
  /// A varint that announces `count` elements of at least `min_size` bytes (>= 1): fails when the
  /// rest of the input cannot hold them, so that a vector may be reserved by it.
  [[nodiscard]] std::size_t count(std::size_t min_size = 1);

  [[nodiscard]] bool ok() const { return ok_; }
  /// For a value that is well-formed but makes no sense to the caller.
  void fail() { ok_ = false; }
  [[nodiscard]] std::size_t remaining() const { return ok_ ? input_.size() - position_ : 0; }
  [[nodiscard]] std::size_t position() const { return position_; }
  /// Success when everything was read and nothing is left; else `type` naming `what` and the
  /// position.
  [[nodiscard]] Status finish(std::string_view what,
                              ErrorType type = ErrorType::state_corrupt) const;

 private:
  [[nodiscard]] bool take(std::size_t size);

  std::string_view input_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace dunlin
