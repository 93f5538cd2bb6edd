// See plan_words.h.
#include "engine/plan_words.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::engine {

namespace {

constexpr std::string_view kAsk = "did you mean ";

/// What people write who know other tools, and the key or value here.
constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"src", "source"},
    {"from", "source"},
    {"input", "source"},
    {"dst", "destination"},
    {"dest", "destination"},
    {"target", "destination"},
    {"to", "destination"},
    {"output", "destination"},
    {"type", "kind"},
    {"migrations", "source"},
    {"database", "destination"},
    {"path", "paths"},
    {"path", "base_path"},
    {"directory", "base_path"},
    {"directories", "paths"},
    {"dir", "directory"},
    {"folder", "directory"},
    {"folder", "base_path"},
    {"files", "paths"},
    {"exclude", "exclude_patterns"},
    {"ignore", "exclude_patterns"},
    {"include", "include_patterns"},
    {"min_size", "min_file_size"},
    {"max_size", "max_file_size"},
    {"newer_than", "modified_since"},
    {"symlinks", "follow_symlinks"},
    {"conflict", "conflict_resolution"},
    {"conflicts", "conflict_resolution"},
    {"on_conflict", "conflict_resolution"},
    {"checksum", "hash"},
    {"algorithm", "hash"},
    {"delete_empty_dirs", "remove_emptied_directories"},
    {"owner_map", "user_map"},
    {"usermap", "user_map"},
    {"groupmap", "group_map"},
    {"disk", "target_disk"},
    {"uri", "url"},
    {"db", "url"},
    {"dsn", "url"},
    {"connection", "url"},
    {"database", "url"},
    {"bucket", "address"},
    {"prefix", "address"},
    {"url", "address"},
    {"tables", "entities"},
    {"table", "entities"},
    {"options", "settings"},
    {"threads", "io_concurrency"},
    {"workers", "io_concurrency"},
    {"parallel", "parallel_batches"},
    {"bwlimit", "io_limit"},
    {"bandwidth", "io_limit"},
    {"rate_limit", "io_limit"},
    {"retry", "retry_policy"},
    {"limits", "resource_limits"},
    {"max_errors", "max_failures"},
    {"fail_fast", "stop_on_first_error"},
    {"memory", "resource_limits.max_memory_mb"},
    {"lock_timeout", "lock_timeout_seconds"},
    {"lock_timeout_secs", "lock_timeout_seconds"},
    // values
    {"replace", "overwrite"},
    {"force", "overwrite"},
    {"update", "overwrite_if_newer"},
    {"newer", "overwrite_if_newer"},
    {"merge", "overwrite_if_different"},
    {"ignore", "skip"},
    {"error", "fail"},
    {"abort", "fail"},
    {"sync", "copy"},
    {"mirror", "copy"},
    {"clone", "reflink"},
    {"link", "hardlink"},
    {"true", "always"},
    {"false", "never"},
    {"yes", "full"},
    {"partial", "basic"},
    {"quick", "basic"},
    {"sha1", "sha256"},
    {"permissions", "mode"},
    {"permission", "mode"},
    {"perms", "mode"},
    {"timestamps", "times"},
    {"file", "files"},
    {"database", "records"},
    {"rows", "records"},
    {"bucket", "objects"},
    {"urgent", "immediate"},
};

std::string normal(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c == '-' || c == ' ') c = '_';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool holds(const std::vector<std::string>& known, std::string_view word) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

}  // namespace

std::string last_key(std::string_view pointer) {
  const std::size_t slash = pointer.rfind('/');
  if (slash == std::string_view::npos) return "";
  std::string out;
  for (std::size_t n = slash + 1; n < pointer.size(); ++n) {
    const bool escaped = pointer[n] == '~' && n + 1 < pointer.size();
    if (escaped) ++n;
    out += !escaped ? pointer[n] : pointer[n] == '1' ? '/' : '~';
  }
  return out;
}

std::string parent_of(std::string_view pointer) {
  const std::size_t slash = pointer.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(pointer.substr(0, slash));
}

std::string key_text(std::string_view pointer) {
  std::string out;
  while (pointer.starts_with('/')) {
    const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
    const std::string token = last_key(pointer.substr(0, end));
    const bool number = !token.empty() &&
                        token.find_first_not_of("0123456789") == std::string::npos && !out.empty();
    if (number)
      out += '[' + token + ']';
    else
      out += (out.empty() ? "" : ".") + escape_bytes(token);
    pointer.remove_prefix(end);
  }
  return out;
}

std::string meant_word(std::string_view word, const std::vector<std::string>& known) {
  const std::string plain = normal(word);
  for (const auto& one : known)
    if (normal(one) == plain) return one;
  for (const auto& [other, here] : kOtherNames)
    if (plain == other && holds(known, here)) return std::string(here);
  return nearest_word(plain, known).value_or("");
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kFew = 12;
  const std::string meant = meant_word(word, known);
  if (!meant.empty()) return fmt::format("; {}{}?", kAsk, meant);
  if (known.empty() || known.size() > kFew) return "";
  return fmt::format("; known here: {}", fmt::join(known, ", "));
}

std::string suggestion_in(std::string_view message) {
  const std::size_t at = message.rfind(kAsk);
  if (at == std::string_view::npos) return "";
  const auto rest = message.substr(at + kAsk.size());
  return std::string(rest.substr(0, rest.find('?')));
}

std::string not_built_yet(std::string_view key) {
  if (key == "resume_from")
    return "is said of an execution, not in its plan; leave it out and run `dunlin resume EXEC "
           "--from-batch N` or `--from-checkpoint ID`";
  return "this version does not have it yet; leave it out";
}

std::string shown_value(const Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_array()) return "a list";
  if (value.is_object()) return "a table of keys";
  constexpr std::size_t kLongest = 40;
  std::string text = dump_json(value);
  if (text.size() > kLongest) text = escape_invalid_utf8(text.substr(0, kLongest - 3)) + "...";
  return printable(text);
}

std::optional<bool> truth_meant(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const std::string word = normal(value.get_ref<const std::string&>());
  for (const std::string_view yes : {"yes", "true", "on", "y"})
    if (word == yes) return true;
  for (const std::string_view no : {"no", "false", "off", "n"})
    if (word == no) return false;
  return std::nullopt;
}

std::string size_advice(std::string_view text, bool rate) {
  const std::string generic = rate ? "; write a number and a unit, such as 200MB/s or 10MiB/s"
                                   : "; write a number and a unit, such as 10MB or 64MiB";
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  if (digits == 0 || digits > 12 || text[0] == '.') return generic;
  std::string unit;
  for (const char c : text.substr(digits))
    if (c != ' ') unit += c;
  std::string word = normal(unit);
  std::replace(word.begin(), word.end(), '_', '/');  // normal() takes '-' for a letter
  if (rate) {
    for (const std::string_view other : {"/min", "/minute", "/h", "/hour", "perminute", "perhour"})
      if (word.ends_with(other)) return "; rates are per second, such as 80MB/s";
    for (const std::string_view end : {"persecond", "persec", "/second", "/sec", "/s", "ps"}) {
      if (!word.ends_with(end)) continue;
      word.resize(word.size() - end.size());
      break;
    }
  }
  constexpr std::string_view kPrefixes = "kmgt";
  if (word.empty() || kPrefixes.find(word[0]) == std::string_view::npos) return generic;
  const std::string prefix(1, word[0] == 'k' ? 'k' : static_cast<char>(word[0] - 'a' + 'A'));
  const std::string_view rest = std::string_view(word).substr(1);
  const std::string per = rate ? "/s" : "";
  const bool small_b = rest == "b" && unit.size() > 1 && unit[1] == 'b' && unit[0] != word[0];
  if (small_b || rest == "bit" || rest == "bits") {
    const double bytes = std::stod(std::string(text.substr(0, digits))) / 8;
    return fmt::format("; {} are {}{}B{}, since 8 bits are a byte: write that", printable(text),
                       bytes, prefix, per);
  }
  for (const std::string_view name : {"b", "byte", "bytes", "ilobyte", "ilobytes", "egabyte",
                                      "egabytes", "igabyte", "igabytes", "erabyte", "erabytes"})
    if (rest == name) return fmt::format("; write {}{}B{}", text.substr(0, digits), prefix, per);
  return generic;
}

}  // namespace dunlin::engine
