// Decoding of the objects sections of a plan; see objects_plan.h.
#include "objects/objects_plan.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "base/units.h"

namespace dunlin::objects {
namespace {

constexpr std::array<std::string_view, 5> kConflicts = {"skip", "overwrite", "overwrite_if_newer",
                                                        "overwrite_if_different", "fail"};
constexpr std::int64_t kMaxPartBytes = 64LL << 20;

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = nearest_word(word, candidates);
  return near ? "; did you mean " + *near + "?" : "";
}

void check_keys(const Json& section, const std::string& where,
                std::span<const std::string_view> known, std::vector<std::string>& problems) {
  for (const auto& [key, value] : section.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    problems.push_back(where + "/" + json_pointer_token(key) + ": unknown key" +
                       did_you_mean(key, known));
  }
}

Address decode_address(const Json& document, std::string_view name,
                       std::vector<std::string>& problems) {
  constexpr std::array<std::string_view, 1> known = {"address"};
  const std::string where = "/" + std::string(name);
  const Json* section = find_member(document, name);
  if (section == nullptr || !section->is_object()) {
    problems.push_back(where + ": is missing; write address: mem:SOCKET#BUCKET/PREFIX below it");
    return {};
  }
  check_keys(*section, where, known, problems);
  auto address = parse_address(string_or(*section, "address", ""));
  if (!address.ok()) {
    problems.push_back(where + "/address: " + address.error().message);
    return {};
  }
  if (!address->socket_path.starts_with('/')) {
    problems.push_back(where +
                       "/address: the socket's path must begin with '/', for a plan may be "
                       "resumed from another directory");
  }
  return *address;
}

void decode_size(const Json& section, std::string_view key, std::int64_t most, std::int64_t& size,
                 std::vector<std::string>& problems) {
  const Json* value = find_member(section, key);
  if (value == nullptr) return;
  std::optional<std::int64_t> bytes;
  if (value->is_number_integer()) bytes = value->get<std::int64_t>();
  if (value->is_string()) {
    if (auto parsed = parse_size(value->get<std::string>()); parsed.ok()) bytes = *parsed;
  }
  if (!bytes || *bytes < 1 || *bytes > most) {
    problems.push_back("/strategy/" + std::string(key) + ": must be a size from 1 byte to " +
                       format_bytes(most) + "; write 8MiB, or take it out for the default");
    return;
  }
  size = *bytes;
}

}  // namespace

ObjectsPlan decode_objects_plan(const Json& document, std::vector<std::string>& problems) {
  constexpr std::array<std::string_view, 3> known = {"conflict_resolution", "multipart_threshold",
                                                     "part_size"};
  ObjectsPlan plan;
  plan.source = decode_address(document, "source", problems);
  plan.destination = decode_address(document, "destination", problems);
  const Json* strategy = find_member(document, "strategy");
  if (strategy == nullptr || strategy->is_null()) return plan;
  if (!strategy->is_object()) {
    problems.emplace_back("/strategy: must be an object");
    return plan;
  }
  check_keys(*strategy, "/strategy", known, problems);
  decode_size(*strategy, "multipart_threshold", kMaxPartBytes, plan.multipart_threshold, problems);
  decode_size(*strategy, "part_size", kMaxPartBytes, plan.part_size, problems);
  if (const Json* value = find_member(*strategy, "conflict_resolution")) {
    const std::string word = value->is_string() ? value->get<std::string>() : dump_json(*value);
    const auto* at = std::find(kConflicts.begin(), kConflicts.end(), word);
    if (at != kConflicts.end()) {
      plan.conflict = static_cast<Conflict>(at - kConflicts.begin());
    } else {
      problems.push_back(
          "/strategy/conflict_resolution: '" + printable(word) +
          "' is none of skip, overwrite, overwrite_if_newer, overwrite_if_different, "
          "fail" +
          did_you_mean(word, kConflicts));
    }
  }
  return plan;
}

Json objects_schema() {
  constexpr const char* kExample = "mem:/run/store.sock#photos/2026/";
  const Json address = {{"type", "object"},
                        {"required", {"address"}},
                        {"additionalProperties", false},
                        {"examples", {{{"address", kExample}}}},
                        {"properties",
                         {{"address",
                           {{"type", "string"},
                            {"examples", {kExample}},
                            {"pattern", "^mem:/[^#]*#[^/]+(/.*)?$"}}}}}};
  const Json size = {{"type", {"integer", "string"}},
                     {"description", "bytes, or with a unit: 8MiB; at most 64MiB"},
                     {"minimum", 1},
                     {"maximum", kMaxPartBytes}};
  return {{"required", {"source", "destination"}},
          {"properties",
           {{"source", address},
            {"destination", address},
            {"strategy",
             {{"type", "object"},
              {"additionalProperties", false},
              {"x-not-built", {"delete_source_after_verify", "storage_class", "restore"}},
              {"properties",
               {{"conflict_resolution", {{"enum", kConflicts}}},
                {"multipart_threshold", size},
                {"part_size", size}}}}}}}};
}

}  // namespace dunlin::objects
