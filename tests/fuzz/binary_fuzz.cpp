// ByteReader on hostile blobs: never outside of the input (the sanitizers see to it), and whatever
// it accepts is the one encoding of what it returned, so writing it again gives the same bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/binary.h"
#include "base/check.h"

namespace {

// The first half of the input chooses the reads, the second is read.
void read_and_write_again(std::string_view script, std::string_view blob) {
  dunlin::ByteReader reader(blob);
  dunlin::ByteWriter writer;
  for (const char step : script) {
    const std::size_t accepted = writer.size();
    switch (static_cast<unsigned char>(step) % 7) {
      case 0:
        writer.u8(reader.u8());
        break;
      case 1:
        writer.u32(reader.u32());
        break;
      case 2:
        writer.u64(reader.u64());
        break;
      case 3:
        writer.varint(reader.varint());
        break;
      case 4:
        writer.zigzag(reader.zigzag());
        break;
      case 5:
        writer.bytes(reader.bytes());
        break;
      default:
        writer.raw(reader.raw(static_cast<unsigned char>(step) / 7U));
        break;
    }
    if (!reader.ok()) {
      DUNLIN_CHECK(reader.remaining() == 0 && !reader.finish("blob").ok(),
                   "a failed reader goes on");
      DUNLIN_CHECK(writer.view().substr(0, accepted) == blob.substr(0, accepted), "not canonical");
      return;
    }
  }
  DUNLIN_CHECK(writer.view() == blob.substr(0, reader.position()), "not canonical");
  DUNLIN_CHECK(reader.finish("blob").ok() == (reader.remaining() == 0),
               "what is left over is not noticed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_and_write_again(input.substr(0, size / 2), input.substr(size / 2));
  return 0;
}
