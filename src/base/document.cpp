// See document.h.
#include "base/document.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "base/yaml_explain.h"

namespace dunlin {

namespace {

constexpr std::string_view kBlank = " \t\r\n";

YamlPosition position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line = before.rfind('\n');
  const std::size_t begin = line == std::string_view::npos ? 0 : line + 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(offset - begin) + 1};
}

std::size_t offset_of(std::string_view text, YamlPosition at) {
  std::size_t begin = 0;
  for (int line = 1; line < at.line; ++line) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    begin = end + 1;
  }
  return std::min(begin + static_cast<std::size_t>(std::max(at.column, 1)) - 1, text.size());
}

/// Where the innermost bracket stands that is open at the end of the text.
std::optional<std::size_t> open_bracket(std::string_view text) {
  std::vector<std::size_t> open;
  bool quoted = false;
  for (std::size_t n = 0; n < text.size(); ++n) {
    const char c = text[n];
    if (quoted) {
      if (c == '\\') ++n;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') open.push_back(n);
    if ((c == ']' || c == '}') && !open.empty()) open.pop_back();
  }
  if (open.empty()) return std::nullopt;
  return open.back();
}

struct Complaint {
  std::size_t offset;
  std::string why;
};

/// What a person did who wrote no JSON at `offset`, where the parser stopped.
Complaint explain_json(std::string_view text, std::size_t offset, const std::string& why) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {0, "the file is empty"};
  if (why.find("is given twice") != std::string::npos)
    return {offset, why + "; join the two, or take one out"};
  if (why.find("nested deeper") != std::string::npos) return {offset, why};
  // The parser stops at the last character of a word that it does not know.
  while (offset > 0 && kBlank.find(text[offset - 1]) == std::string_view::npos &&
         std::string_view(",:[]{}\"").find(text[offset - 1]) == std::string_view::npos)
    --offset;
  offset = std::min(text.find_first_not_of(kBlank, offset), text.size());
  // Inside of a text: it begins with the quote before.
  if (offset > 1 && text[offset - 1] == '"' && offset < text.size() && text[offset] != ':' &&
      kBlank.find(text[offset - 2]) != std::string_view::npos)
    --offset;
  const char c = offset < text.size() ? text[offset] : '\0';
  if (c == '/' || c == '#')
    return {offset,
            "JSON has no comments; take it out, or name the file .yaml and begin it with #"};
  if (text[first] != '{' && text[first] != '[')
    return {first, fmt::format("this is no JSON: it begins with '{}' and not with '{{'; if it is "
                               "YAML, name the file .yaml",
                               escape_bytes(text.substr(first, 1)))};
  if (c == '\0') {
    const auto open = open_bracket(text);
    if (!open) return {offset, "the text ends too early: a quote is not closed"};
    return {*open,
            fmt::format("the '{}' here is not closed before the text ends; write the missing "
                        "'{}'",
                        text[*open], text[*open] == '{' ? '}' : ']')};
  }
  const std::size_t before =
      offset == 0 ? std::string_view::npos : text.find_last_not_of(kBlank, offset - 1);
  const char last = before == std::string_view::npos ? '\0' : text[before];
  if ((c == '}' || c == ']') && last == ',')
    return {before, fmt::format("JSON has no comma before '{}'; take this one out", c)};
  if (c == '\'') return {offset, "JSON has double quotes only; write \" instead of '"};
  const bool value_before =
      last == '"' || last == '}' || last == ']' || (last >= '0' && last <= '9');
  if (value_before && (c == '"' || c == '{' || c == '['))
    return {before + 1, "a comma is missing here, between two members"};
  const auto word = text.substr(offset, text.find_first_of(" \t\r\n,:]}", offset) - offset);
  for (const auto& [wrong, right] :
       {std::pair("True", "true"), std::pair("False", "false"), std::pair("None", "null")})
    if (word == wrong) return {offset, fmt::format("JSON writes {}, not {}", right, wrong)};
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (letter)
    return {offset, fmt::format("{0} stands without quotes; JSON wants \"{0}\"",
                                escape_bytes(word.substr(0, 40)))};
  return {offset, why};
}

}  // namespace

PlacedMessage placed_message(const Error& error, std::string_view file) {
  PlacedMessage out;
  std::string_view rest = error.message;
  const std::string label = printable(file);
  if (rest.starts_with(label)) rest.remove_prefix(label.size());
  for (int* const number : {&out.at.line, &out.at.column}) {
    if (!rest.starts_with(':')) break;
    const auto parsed = std::from_chars(rest.data() + 1, rest.data() + rest.size(), *number);
    if (parsed.ec != std::errc()) break;
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  }
  if (rest.starts_with(": ")) rest.remove_prefix(2);
  out.why = std::string(rest);
  return out;
}

Result<YamlDocument> parse_document(std::string_view text, std::string_view file) {
  auto yaml = parse_yaml(text, file);
  if (!file.ends_with(".json")) return yaml;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (looks_like_utf16(text) || !is_utf8(text)) return yaml;
  auto json = parse_json(text, file);
  if (json.ok()) {
    if (yaml.ok() && yaml->root() == *json) return yaml;
    // Valid JSON that yaml-cpp cannot read, for example escapes of two halves: without places.
    return YamlDocument(*std::move(json), std::string(file));
  }
  const PlacedMessage told = placed_message(json.error(), file);
  if (told.at.line == 0) return Error(ErrorType::plan_invalid, json.error().message);
  const Complaint found = explain_json(text, offset_of(text, told.at), told.why);
  const YamlPosition at = position_of(text, found.offset);
  return Error(ErrorType::plan_invalid, fmt::format("{}:{}:{}: {}", printable(file), at.line,
                                                    at.column, printable(found.why)));
}

}  // namespace dunlin
