// Selection; see selection.h. How it is read from a plan and from flags is in selection_plan.cpp.
#include "files/selection.h"

#include <algorithm>
#include <unordered_map>

#include "base/units.h"

namespace dunlin::files {
namespace {

std::string_view name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Calls `visit` with "a", "a/b", "a/b/c" for "a/b/c", until it returns true.
template <typename Visit>
bool any_prefix(std::string_view path, Visit visit) {
  if (path.empty()) return false;
  for (std::size_t at = path.find('/');; at = path.find('/', at + 1)) {
    if (visit(path.substr(0, at))) return true;
    if (at == std::string_view::npos) return false;
  }
}

bool has(const std::vector<std::string>& sorted, std::string_view path) {
  return std::binary_search(sorted.begin(), sorted.end(), path, std::less<>());
}

/// Is there an entry below `directory` in the list?
bool has_below(const std::vector<std::string>& sorted, std::string_view directory) {
  const std::string below = std::string(directory) + "/";
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), below);
  return at != sorted.end() && at->starts_with(below);
}

constexpr std::array<std::string_view, kRules> kFlags{
    "--files-from", "--exclude",        "--include",         "--file-types", "--min-size",
    "--max-size",   "--modified-since", "--one-file-system", "--incremental"};

struct Group {
  FileGroup group;
  std::vector<std::string_view> extensions;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> all{
      {FileGroup::image,
       {"jpg",  "jpeg", "jpe", "png", "gif", "bmp", "tif", "tiff", "webp", "heic",
        "heif", "avif", "jxl", "svg", "ico", "psd", "xcf", "raw",  "dng",  "cr2",
        "cr3",  "crw",  "nef", "nrw", "arw", "srf", "sr2", "orf",  "rw2",  "raf",
        "pef",  "srw",  "rwl", "3fr", "erf", "mef", "mos", "x3f",  "iiq",  "exr"}},
      {FileGroup::video, {"mp4", "m4v", "mov",  "avi", "mkv", "webm", "wmv", "flv", "mpg", "mpeg",
                          "m2v", "mts", "m2ts", "3gp", "3g2", "ogv",  "vob", "asf", "mxf", "divx"}},
      {FileGroup::audio,
       {"mp3",  "flac", "wav",  "aac", "m4a", "m4b", "ogg",  "oga", "opus", "wma", "aif",
        "aiff", "ape",  "alac", "wv",  "mka", "mid", "midi", "dsf", "dff",  "amr", "au"}},
      {FileGroup::document,
       {"pdf",  "doc",  "docx",  "docm", "odt",  "rtf",  "txt",   "md",      "tex",
        "xls",  "xlsx", "xlsm",  "ods",  "csv",  "tsv",  "ppt",   "pptx",    "pptm",
        "odp",  "epub", "mobi",  "azw3", "djvu", "ps",   "pages", "numbers", "key",
        "html", "htm",  "xhtml", "odg",  "vsd",  "vsdx", "rst",   "org"}},
      {FileGroup::archive,
       {"zip",  "tar", "gz", "tgz", "bz2", "tbz2", "xz",  "txz", "zst", "7z",  "rar", "lz",  "lz4",
        "lzma", "lzo", "z",  "cab", "iso", "img",  "dmg", "deb", "rpm", "jar", "war", "cpio"}},
      {FileGroup::code,
       {"c",   "h",    "cc",   "cpp", "cxx",  "hpp",   "hh",    "hxx",   "rs",   "go",    "py",
        "js",  "mjs",  "ts",   "jsx", "tsx",  "java",  "kt",    "scala", "cs",   "fs",    "swift",
        "m",   "mm",   "rb",   "php", "pl",   "pm",    "sh",    "bash",  "zsh",  "fish",  "lua",
        "r",   "jl",   "hs",   "ml",  "ex",   "exs",   "erl",   "clj",   "lisp", "el",    "vim",
        "sql", "json", "yaml", "yml", "toml", "xml",   "css",   "scss",  "vue",  "cmake", "mk",
        "s",   "asm",  "zig",  "nim", "dart", "proto", "ipynb", "diff",  "patch"}},
  };
  return all;
}

}  // namespace

std::string_view flag_of(Rule rule) {
  return kFlags[static_cast<std::size_t>(rule)];
}

FileGroup group_of(std::string_view name) {
  static const auto by_extension = [] {
    std::unordered_map<std::string_view, FileGroup> map;
    for (const Group& one : groups())
      for (const std::string_view extension : one.extensions) map.emplace(extension, one.group);
    return map;
  }();
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return FileGroup::other;
  std::string extension(name.substr(dot + 1));
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto found = by_extension.find(extension);
  return found == by_extension.end() ? FileGroup::other : found->second;
}

bool PatternList::matches(std::string_view path, std::string_view name, bool directory) const {
  const auto last = std::find_if(globs_.rbegin(), globs_.rend(), [&](const Glob& glob) {
    return glob.matches(path, name, directory);
  });
  return last != globs_.rend() && !last->negated();
}

bool PatternList::may_match_below(std::string_view path) const {
  return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) {
    return !glob.negated() && glob.may_match_below(path);
  });
}

bool Selection::takes_everything() const {
  return include_.empty() && exclude_.empty() && min_size_ == 0 && !max_size_ && !modified_since_ &&
         !younger_than_ms_ && groups_ == 0 && mimes_.empty() && !one_file_system_ && !has_list_;
}

Selection::Inside Selection::inside(std::string_view directory) const {
  Inside inside;
  inside.included = any_prefix(directory, [&](std::string_view path) {
    return include_.matches(path, name_of(path), true);
  });
  inside.listed = has(whole_, "") ||
                  any_prefix(directory, [&](std::string_view path) { return has(whole_, path); });
  return inside;
}

std::optional<Rule> Selection::leaves_out(const Inside& inside, std::string_view path,
                                          std::string_view name, const fs::FileInfo& info,
                                          bool looked) const {
  const bool directory = info.type == fs::EntryType::directory;
  if (has_list_ && !inside.listed && !has(list_, path) && !(directory && has_below(list_, path)))
    return Rule::files_from;
  if (exclude_.matches(path, name, directory)) return Rule::exclude;
  const bool included =
      include_.empty() || inside.included || include_.matches(path, name, directory);
  if (!included && !(directory && include_.may_match_below(path))) return Rule::include;
  if (directory) return std::nullopt;
  // What is no file holds nothing that could be looked into; of what could not be looked at nobody
  // knows: its turn will fail with the reason.
  const bool by_content = asks_content() && (info.type == fs::EntryType::file || !looked);
  if ((groups_ != 0 || asks_content()) && !by_content && !in_groups(name)) return Rule::file_types;
  if (!looked) return std::nullopt;
  if (info.type == fs::EntryType::file) {
    if (info.size < min_size_) return Rule::min_size;
    if (max_size_ && info.size > *max_size_) return Rule::max_size;
  }
  if (modified_since_ && info.mtime < *modified_since_) return Rule::modified_since;
  return std::nullopt;
}

bool Selection::in_groups(std::string_view name) const {
  return ((groups_ >> static_cast<unsigned>(group_of(name))) & 1U) != 0;
}

bool Selection::asks_content(std::string_view name) const {
  return asks_content() && !in_groups(name);
}

bool Selection::takes_content(std::string_view mime) const {
  return std::any_of(mimes_.begin(), mimes_.end(), [&](const std::string& wanted) {
    return wanted.ends_with('/') ? mime.starts_with(wanted) : mime == wanted;
  });
}

std::vector<std::string> Selection::wanted_in(std::string_view directory) const {
  std::vector<std::string> names;
  if (!has_list_) return names;
  const std::string below = directory.empty() ? "" : std::string(directory) + "/";
  auto at = std::lower_bound(list_.begin(), list_.end(), below);
  while (at != list_.end() && at->starts_with(below)) {
    std::string name = at->substr(below.size());
    name.resize(std::min(name.find('/'), name.size()));
    names.push_back(name);
    // Past all that lies below this name ('0' follows '/'); "a.b" between "a" and "a/c" comes
    // twice.
    ++at;
    const std::string inner = below + name + "/";
    if (at != list_.end() && at->starts_with(inner))
      at = std::lower_bound(at, list_.end(), below + name + "0");
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::optional<fs::Time> Selection::modified_since(std::int64_t now_ms) const {
  if (modified_since_ || !younger_than_ms_) return modified_since_;
  const std::int64_t then = now_ms - *younger_than_ms_;
  const std::int64_t ms = ((then % 1000) + 1000) % 1000;
  return fs::Time{(then - ms) / 1000, static_cast<std::uint32_t>(ms * 1'000'000)};
}

namespace {

/// Entries that were not asked for.
bool leaves_entries_out(Rule rule) {
  return rule != Rule::one_file_system && rule != Rule::incremental;
}

}  // namespace

void SelectionCounts::add(const SelectionCounts& more) {
  taken += more.taken;
  for (std::size_t n = 0; n < kRules; ++n) left_out[n] += more.left_out[n];
}

std::int64_t SelectionCounts::all_left_out() const {
  std::int64_t all = 0;
  for (std::size_t n = 0; n < kRules; ++n)
    if (leaves_entries_out(static_cast<Rule>(n))) all += left_out[n];
  return all;
}

std::string SelectionCounts::text() const {
  std::string text;
  const auto add = [&](std::string_view what) {
    text += (text.empty() ? "" : ", ") + std::string(what);
  };
  const auto entries = [](std::int64_t count) {
    return format_count(count) + (count == 1 ? " entry" : " entries");
  };
  const std::int64_t all = all_left_out();
  if (all > 0 && taken == 0) add("nothing matched, all was left out");
  for (std::size_t n = 0; n < kRules; ++n) {
    if (left_out[n] == 0 || !leaves_entries_out(static_cast<Rule>(n))) continue;
    add(entries(left_out[n]) + " by " + std::string(kFlags[n]));
  }
  if (const std::int64_t same = left_out[static_cast<std::size_t>(Rule::incremental)]; same > 0)
    add(entries(same) + " unchanged since the last time");
  if (const std::int64_t mounts = left_out[static_cast<std::size_t>(Rule::one_file_system)];
      mounts > 0)
    add("what is mounted on " + format_count(mounts) +
        (mounts == 1 ? " directory" : " directories") + " by --one-file-system");
  return text;
}

void put(ByteWriter& out, const SelectionCounts& counts) {
  out.varint(static_cast<std::uint64_t>(counts.taken));
  for (const std::int64_t count : counts.left_out) out.varint(static_cast<std::uint64_t>(count));
}

SelectionCounts get_selection_counts(ByteReader& in) {
  SelectionCounts counts;
  counts.taken = static_cast<std::int64_t>(in.varint());
  for (std::int64_t& count : counts.left_out) count = static_cast<std::int64_t>(in.varint());
  return counts;
}

}  // namespace dunlin::files
