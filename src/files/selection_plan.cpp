// Selection as people write it: the keys of a plan's `source` section, the flags of `dunlin copy`,
// the list of --files-from. Pure but for the read of that list.
#include <algorithm>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/plan_words.h"
#include "files/selection.h"

namespace dunlin::files {
namespace {

/// The list becomes part of the plan, which is stored with the execution and read at every start.
constexpr std::int64_t kMaxListBytes = 1 << 20;
constexpr std::array<std::string_view, 3> kFollows{"never", "in_tree", "always"};  // fs::Follow
constexpr std::array<std::string_view, 7> kGroups{"image",   "video", "audio", "document",
                                                  "archive", "code",  "other"};

std::string pointer_to(std::string_view key) {
  return "/source/" + std::string(key);
}

/// Bytes as text, or where they are no UTF-8 as put_path writes them below `key`.
Json bytes_to_json(std::string_view key, std::string_view bytes) {
  Json holder = Json::object();
  put_path(holder, key, bytes);
  return holder.size() == 1 ? holder[std::string(key)] : holder;
}

/// The members of a list of bytes; a line per member that is none.
std::vector<std::string> bytes_list(const Json& source, std::string_view key,
                                    std::string_view member, std::vector<std::string>& problems) {
  std::vector<std::string> found;
  const Json* list = find_member(source, key);
  if (list == nullptr) return found;
  if (!list->is_array()) {
    problems.push_back(pointer_to(key) + ": must be a list");
    return found;
  }
  for (std::size_t n = 0; n < list->size(); ++n) {
    const Json& one = (*list)[n];
    const auto bytes = get_path(one.is_object() ? one : Json{{std::string(member), one}}, member);
    if (bytes.ok()) {
      found.push_back(*bytes);
    } else {
      problems.push_back(pointer_to(key) + "/" + std::to_string(n) + ": must be text");
    }
  }
  return found;
}

void decode_patterns(const Json& source, std::string_view key, PatternList& list,
                     std::vector<std::string>& problems) {
  const auto lines = bytes_list(source, key, "pattern", problems);
  for (std::size_t n = 0; n < lines.size(); ++n) {
    auto glob = Glob::parse(lines[n]);
    if (glob.ok()) {
      list.add(std::move(glob).value());
    } else {
      problems.push_back(pointer_to(key) + "/" + std::to_string(n) + ": " + glob.error().message);
    }
  }
}

std::optional<std::int64_t> decode_size(const Json& source, std::string_view key,
                                        std::vector<std::string>& problems) {
  const Json* value = find_member(source, key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_integer() && value->get<std::int64_t>() >= 0)
    return value->get<std::int64_t>();
  const auto size =
      value->is_string()
          ? parse_size(value->get_ref<const std::string&>())
          : Result<std::int64_t>(Error(ErrorType::invalid_input, "must be a size, such as 10MiB"));
  if (size.ok()) return *size;
  const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  problems.push_back(pointer_to(key) + ": \"" + escape_bytes(text) + "\" is no size" +
                     engine::size_advice(text, false));
  return std::nullopt;
}

/// "Image/JPEG" as "image/jpeg", "video/*" as "video/"; nullopt: it is no type.
std::optional<std::string> mime_of(std::string_view name) {
  std::string mime(name);
  for (char& c : mime)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const std::size_t slash = mime.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == mime.size()) return std::nullopt;
  if (mime.substr(slash + 1) == "*") mime.pop_back();
  // RFC 6838, 4.2.
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$&-^_.+").find(c) != std::string_view::npos;
  };
  for (std::size_t n = 0; n < mime.size(); ++n)
    if (n != slash && !allowed(mime[n])) return std::nullopt;
  return mime;
}

/// "10 minutes" was meant as 10m, "31.01.2026" as 2026-01-31; empty: nobody knows.
std::string time_advice(const std::string& text) {
  if (text == "today" || text == "yesterday") return "; write 1d";
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto word = text.find_first_not_of(' ', digits);
  if (digits == 2 && text.size() == 10 && (text[2] == '.' || text[2] == '/') && text[5] == text[2])
    return "; write the year first, as " + text.substr(6) + "-MM-DD";
  if (digits == 0 || digits > 6 || word == std::string::npos) return "";
  const std::string number = text.substr(0, digits);
  switch (text[word]) {
    case 's':
    case 'm':
      if (text.compare(word, 2, "mo") == 0) return "; write the days: " + number + " months as 30d";
      [[fallthrough]];
    case 'h':
    case 'd':
      return "; write " + number + text[word];
    case 'w':
      return "; write " + std::to_string(7 * std::stoi(number)) + "d";
    default:
      return "";
  }
}

fs::Follow decode_follow(const Json& source, std::vector<std::string>& problems) {
  const Json* value = find_member(source, "follow_symlinks");
  if (value == nullptr) return fs::Follow::never;
  const std::string name = value->is_string() ? value->get<std::string>() : value->dump();
  const auto known = std::find(kFollows.begin(), kFollows.end(), name);
  if (known != kFollows.end()) return static_cast<fs::Follow>(known - kFollows.begin());
  const auto near = nearest_word(name, kFollows);
  problems.push_back(pointer_to("follow_symlinks") + ": \"" + escape_bytes(name) +
                     "\" is none of never, in_tree, always" +
                     (near ? "; did you mean " + *near + "?" : ""));
  return fs::Follow::never;
}

/// "./a//b/" as "a/b"; what is no path below the root is refused.
Result<std::string> list_entry(std::string_view line) {
  std::string path;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t slash = std::min(line.find('/', begin), line.size());
    const std::string_view name = line.substr(begin, slash - begin);
    begin = slash + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..")
      return Error(ErrorType::invalid_input,
                   "'" + escape_bytes(line) + "' leads out of the source by its '..'");
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

}  // namespace

void Selection::decode(const Json& source, std::vector<std::string>& problems) {
  decode_patterns(source, "include_patterns", include_, problems);
  decode_patterns(source, "exclude_patterns", exclude_, problems);
  min_size_ = decode_size(source, "min_file_size", problems).value_or(0);
  max_size_ = decode_size(source, "max_file_size", problems);
  if (max_size_ && *max_size_ < min_size_)
    problems.push_back(pointer_to("max_file_size") +
                       ": is below min_file_size, so that no file is left; swap the two");
  if (const Json* since = find_member(source, "modified_since")) {
    const std::string text = since->is_string() ? since->get<std::string>() : "";
    const auto time = parse_rfc3339(text);
    const auto duration = parse_duration(text);
    if (time.ok()) {
      const std::int64_t ms = ((*time % 1000) + 1000) % 1000;
      modified_since_ = fs::Time{(*time - ms) / 1000, static_cast<std::uint32_t>(ms * 1'000'000)};
    } else if (duration.ok()) {
      younger_than_ms_ = duration->count();
    } else {
      problems.push_back(pointer_to("modified_since") + ": \"" + escape_bytes(text) +
                         "\" is neither a time, such as 2026-01-31T08:00:00Z, nor a duration, such "
                         "as 7d" +
                         time_advice(text));
    }
  }
  decode_types(bytes_list(source, "file_types", "type", problems), problems);
  follow_ = decode_follow(source, problems);
  if (const Json* one = find_member(source, "one_file_system")) {
    if (one->is_boolean()) {
      one_file_system_ = one->get<bool>();
    } else {
      problems.push_back(pointer_to("one_file_system") + ": must be true or false");
    }
  }
  has_list_ = find_member(source, "files_from") != nullptr;
  for (const std::string& line : bytes_list(source, "files_from", "path", problems)) {
    auto entry = list_entry(line);
    if (!entry.ok()) {
      problems.push_back(pointer_to("files_from") + ": " + entry.error().message);
      continue;
    }
    if (line.ends_with('/') || entry->empty()) whole_.push_back(*entry);
    if (!entry->empty()) list_.push_back(std::move(entry).value());
  }
  for (auto* sorted : {&list_, &whole_}) std::sort(sorted->begin(), sorted->end());
}

void Selection::decode_types(const std::vector<std::string>& names,
                             std::vector<std::string>& problems) {
  unsigned groups = 0;
  for (const std::string& name : names) {
    const auto known = std::find(kGroups.begin(), kGroups.end(), name);
    if (known != kGroups.end()) {
      groups |= 1U << static_cast<unsigned>(known - kGroups.begin());
      continue;
    }
    if (auto mime = mime_of(name)) {
      mimes_.push_back(*std::move(mime));
      continue;
    }
    const auto near = nearest_word(name, kGroups);
    const auto at = static_cast<std::size_t>(&name - names.data());
    problems.push_back(pointer_to("file_types") + "/" + std::to_string(at) + ": \"" +
                       escape_bytes(name) +
                       "\" is none of image, video, audio, document, archive, code, other, and no "
                       "type such as image/jpeg or video/*" +
                       (near ? "; did you mean " + *near + "?" : ""));
  }
  groups_ = static_cast<std::uint8_t>(groups);
}

Result<bool> put_selection_flag(Json& source, std::string_view flag, const std::string& value) {
  const auto put_list = [&](const char* key, std::string_view member, char separator) {
    source[key] = Json::array();
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(separator, begin), value.size());
      source[key].push_back(
          bytes_to_json(member, std::string_view(value).substr(begin, end - begin)));
      begin = end + 1;
    }
  };
  if (flag == "include" || flag == "exclude") {
    put_list(flag == "include" ? "include_patterns" : "exclude_patterns", "pattern", '\0');
  } else if (flag == "file-types") {
    put_list("file_types", "type", ',');
  } else if (flag == "min-size" || flag == "max-size") {
    source[flag == "min-size" ? "min_file_size" : "max_file_size"] = value;
  } else if (flag == "modified-since") {
    source["modified_since"] = value;
  } else if (flag == "one-file-system") {
    source["one_file_system"] = true;
  } else if (flag == "follow-symlinks") {
    source["follow_symlinks"] = value;
  } else if (flag == "copy-links") {
    source["follow_symlinks"] = "always";
  } else {
    return false;
  }
  return true;
}

std::string_view to_string(fs::Follow follow) {
  return kFollows[static_cast<std::size_t>(follow)];
}

Status put_files_from(Json& source, const std::string& path, bool nul_separated) {
  const auto list = read_file(path == "-" ? "/dev/stdin" : path, kMaxListBytes);
  if (!list.ok()) {
    Error error(ErrorType::invalid_input, "--files-from: " + list.error().message);
    if (list.error().type == ErrorType::invalid_input)
      error.remediation = "split the list into several of at most 1 MiB, or use --include";
    return error;
  }
  const char separator = nul_separated ? '\0' : '\n';
  Json& names = source["files_from"] = Json::array();
  for (std::size_t begin = 0; begin < list->size();) {
    const std::size_t end = std::min(list->find(separator, begin), list->size());
    const std::string_view name = std::string_view(*list).substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    if (name.find('\0') != std::string_view::npos) {
      Error error(ErrorType::invalid_input,
                  "--files-from: '" + escape_bytes(path) + "' holds NUL bytes");
      error.remediation = "add --from0 when its names end in NUL, as those of find -print0";
      return error;
    }
    names.push_back(bytes_to_json("path", name));
  }
  if (names.empty())
    return Error(ErrorType::invalid_input, "--files-from: '" + escape_bytes(path) + "' is empty");
  return success();
}

void add_selection_schema(Json& properties) {
  const auto list = [](const char* what) {
    return Json{
        {"type", "array"}, {"items", {{"type", {"string", "object"}}}}, {"description", what}};
  };
  const Json size = {{"type", {"string", "integer"}},
                     {"description", "bytes, or with a unit: 10MiB; of files alone"}};
  properties["include_patterns"] = list(
      "as in .gitignore: only what one of these matches is taken; directories on the way to it are "
      "made");
  properties["exclude_patterns"] = list(
      "as in .gitignore: what these match is left out, also when an include pattern matches it");
  properties["min_file_size"] = size;
  properties["max_file_size"] = size;
  properties["modified_since"] = {
      {"type", "string"},
      {"description",
       "a time (2026-01-31T08:00:00Z) or how long ago (7d), counted from the start"}};
  properties["file_types"] = {
      {"type", "array"},
      {"items",
       {{"anyOf",
         {{{"enum", kGroups}}, {{"type", "string"}, {"pattern", "^[^/*]+/([^/*]+|\\*)$"}}}}}},
      {"description",
       "by the extension of the name (image), or by what the file holds "
       "(image/jpeg, video/*)"}};
  properties["follow_symlinks"] = {
      {"enum", kFollows},
      {"default", "never"},
      {"description",
       "never: symlinks are copied as symlinks; in_tree: those that lead to something inside the "
       "source are copied as what they point to; always: all are, wherever they lead"}};
  properties["one_file_system"] = {
      {"type", "boolean"},
      {"default", false},
      {"description", "true: a directory on which something is mounted stays empty"}};
  properties["files_from"] = list(
      "names relative to the source: these only, and the directories on the way; with a slash "
      "at its end a directory with all it holds");
}

}  // namespace dunlin::files
