// The encoding of blobs, byte by byte, independent of the machine's byte order.
#include "base/binary.h"

#include "base/text.h"

namespace dunlin {

ByteWriter& ByteWriter::u8(std::uint8_t value) {
  buffer_ += static_cast<char>(value);
  return *this;
}

ByteWriter& ByteWriter::u32(std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) buffer_ += static_cast<char>(value >> shift);
  return *this;
}

ByteWriter& ByteWriter::u64(std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) buffer_ += static_cast<char>(value >> shift);
  return *this;
}

ByteWriter& ByteWriter::varint(std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) buffer_ += static_cast<char>(value | 0x80U);
  buffer_ += static_cast<char>(value);
  return *this;
}

ByteWriter& ByteWriter::zigzag(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return varint((bits << 1U) ^ (value < 0 ? ~std::uint64_t{0} : 0));
}

ByteWriter& ByteWriter::bytes(std::string_view value) {
  return varint(value.size()).raw(value);
}

ByteWriter& ByteWriter::raw(std::string_view value) {
  buffer_ += value;
  return *this;
}

bool ByteReader::take(std::size_t size) {
  if (!ok_ || size > input_.size() - position_) {
    ok_ = false;
    return false;
  }
  position_ += size;
  return true;
}

std::uint8_t ByteReader::u8() {
  return take(1) ? static_cast<std::uint8_t>(input_[position_ - 1]) : std::uint8_t{0};
}

std::uint32_t ByteReader::u32() {
  if (!take(4)) return 0;
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(input_[position_ - 4 + i]))
             << (8 * i);
  }
  return value;
}

std::uint64_t ByteReader::u64() {
  const std::uint64_t low = u32();
  const std::uint64_t high = u32();
  return ok_ ? low | (high << 32U) : 0;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t byte = u8();
    if (!ok_) return 0;
    const bool last = (byte & 0x80U) == 0;
    // The tenth byte holds one bit; a last byte of zero would be a longer form of the same number.
    if ((shift == 63 && byte > 1) || (last && byte == 0 && shift > 0)) break;
    value |= (byte & 0x7fU) << shift;
    if (last) return value;
  }
  ok_ = false;
  return 0;
}

std::int64_t ByteReader::zigzag() {
  const std::uint64_t bits = varint();
  return static_cast<std::int64_t>((bits >> 1U) ^ (0 - (bits & 1U)));
}

std::string_view ByteReader::bytes() {
  const std::uint64_t size = varint();
  if (size > remaining()) {
    ok_ = false;
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

std::string_view ByteReader::raw(std::size_t size) {
  return take(size) ? input_.substr(position_ - size, size) : std::string_view{};
}

std::size_t ByteReader::count(std::size_t min_size) {
  DUNLIN_CHECK(min_size > 0, "elements of no bytes cannot be counted");
  const std::uint64_t announced = varint();
  if (announced > remaining() / min_size) ok_ = false;
  return ok_ ? static_cast<std::size_t>(announced) : 0;
}

Status ByteReader::finish(std::string_view what, ErrorType type) const {
  if (ok_ && position_ == input_.size()) return success();
  std::string message = printable(what);
  message += ok_ ? ": bytes left over at " : ": damaged at or after byte ";
  message += std::to_string(position_) + " of " + std::to_string(input_.size());
  return Error(type, std::move(message));
}

}  // namespace dunlin
