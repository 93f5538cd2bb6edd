// parse_document on anything, as YAML and as JSON: no crash, no runaway; what is refused is refused
// with a place and a reason, in one printable line; what is accepted as JSON is what the JSON
// parser says.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/document.h"
#include "base/json.h"
#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view file : {"plan.json", "plan.yaml"}) {
    const auto document = dunlin::parse_document(text, file);
    if (!document.ok()) {
      const auto told = dunlin::placed_message(document.error(), file);
      DUNLIN_CHECK(!told.why.empty(), "a refusal without a reason");
      DUNLIN_CHECK(dunlin::printable(told.why) == told.why,
                   "a message that no terminal should get");
      continue;
    }
    if (file.ends_with(".yaml")) continue;
    const auto json = dunlin::parse_json(text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text);
    DUNLIN_CHECK(json.ok() && *json == document->root(), "another document than the JSON parser's");
  }
  return 0;
}
