// parse_yaml on anything: no crash, no exception, no runaway; an accepted document printed as JSON
// is the same document to both parsers, and every refusal names the file.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dunlin::YamlLimits limits;
  limits.max_nodes = 20'000;
  const auto document = dunlin::parse_yaml(text, "plan.yaml", limits);
  if (!document.ok()) {
    DUNLIN_CHECK(document.error().message.starts_with("plan.yaml"), "an error without its place");
    return 0;
  }
  const std::string printed = dunlin::dump_json(document->root());
  const auto as_json = dunlin::parse_json(printed);
  DUNLIN_CHECK(as_json.ok(), as_json.error().text());
  DUNLIN_CHECK(*as_json == document->root(), "JSON changes the document");
  return 0;
}
