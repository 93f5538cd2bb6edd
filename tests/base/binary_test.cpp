#include "base/binary.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"

namespace dunlin {
namespace {

// Golden: these bytes are in ledgers.
TEST(Binary, TheEncodingIsFixed) {
  ByteWriter writer;
  writer.u8(1).u32(0x01020304).u64(0x0102030405060708).varint(300).zigzag(-2).bytes("ab").raw("z");
  EXPECT_EQ(hex(writer.view()),
            "01"
            "04030201"
            "0807060504030201"
            "ac02"
            "03"
            "026162"
            "7a");
}

TEST(Binary, VarintsAtTheirEdges) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{16'383},
        std::uint64_t{16'384}, std::uint64_t{1} << 63U, ~std::uint64_t{0}}) {
    ByteWriter writer;
    writer.varint(value);
    ByteReader reader(writer.view());
    EXPECT_EQ(reader.varint(), value);
    EXPECT_TRUE(reader.finish("x").ok());
  }
}

TEST(Binary, ZigzagsAtTheirEdges) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, std::int64_t{-64},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    ByteWriter writer;
    writer.zigzag(value);
    ByteReader reader(writer.view());
    EXPECT_EQ(reader.zigzag(), value);
    EXPECT_TRUE(reader.finish("x").ok());
  }
}

TEST(Binary, OnlyTheShortestVarintIsAccepted) {
  using std::string_literals::operator""s;
  for (const std::string& bad :
       {"\x80"s, "\x80\x00"s, "\xff\x00"s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s,
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, ""s}) {
    ByteReader reader(bad);
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok()) << hex(bad);
  }
}

TEST(Binary, ALengthBeyondTheEndIsNoRead) {
  ByteWriter writer;
  writer.varint(~std::uint64_t{0}).raw("abc");
  ByteReader reader(writer.view());
  EXPECT_EQ(reader.bytes(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(Binary, ACountIsBelievedOnlyIfItFits) {
  ByteWriter writer;
  writer.varint(3).raw("123456");
  EXPECT_EQ(ByteReader(writer.view()).count(2), 3U);
  ByteReader greedy(writer.view());
  EXPECT_EQ(greedy.count(3), 0U);
  EXPECT_FALSE(greedy.ok());
}

TEST(Binary, FinishNamesTheBlobAndThePlace) {
  ByteReader rest("ab");
  static_cast<void>(rest.u8());
  EXPECT_EQ(rest.finish("cursor").error().message, "cursor: bytes left over at 1 of 2");
  EXPECT_EQ(rest.finish("cursor").error().type, ErrorType::state_corrupt);
  ByteReader refused("a");
  static_cast<void>(refused.u8());
  refused.fail();
  EXPECT_EQ(refused.finish("message", ErrorType::invalid_input).error().type,
            ErrorType::invalid_input);
}

RC_GTEST_PROP(BinaryProperty, RoundTripAndEveryTruncation,
              (std::uint8_t a, std::uint32_t b, std::uint64_t c, std::uint64_t d, std::int64_t e,
               const std::string& f)) {
  ByteWriter writer;
  writer.u8(a).u32(b).u64(c).varint(d).zigzag(e).bytes(f);
  const auto read = [&](std::string_view blob) {
    ByteReader reader(blob);
    const bool equal = reader.u8() == a && reader.u32() == b && reader.u64() == c &&
                       reader.varint() == d && reader.zigzag() == e && reader.bytes() == f;
    return reader.finish("blob").ok() && equal;
  };
  RC_ASSERT(read(writer.view()));
  for (std::size_t size = 0; size < writer.size(); ++size)
    RC_ASSERT(!read(writer.view().substr(0, size)));
}

}  // namespace
}  // namespace dunlin
