// Plans of the kind files; see plan.h.
#include "files/plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "files/paths.h"

namespace dunlin::files {
namespace {

namespace stdfs = std::filesystem;

constexpr std::array<std::pair<std::string_view, Conflict>, 8> kConflicts{{
    {"skip", Conflict::skip},
    {"overwrite", Conflict::overwrite},
    {"overwrite_if_newer", Conflict::overwrite_if_newer},
    {"overwrite_if_different", Conflict::overwrite_if_different},
    {"fail", Conflict::fail},
    {"ask", Conflict::ask},
    {"rename", Conflict::rename},
    {"keep_both", Conflict::keep_both},
}};

Result<std::string> canonical(const std::string& path) {
  std::error_code code;
  const stdfs::path resolved = stdfs::weakly_canonical(stdfs::absolute(path, code), code);
  if (code) return error_from_errno(code.value(), "resolve '" + escape_bytes(path) + "'");
  return resolved.native();
}

void check_keys(const Json& section, const std::string& pointer,
                const std::vector<std::string_view>& known, std::vector<std::string>& problems) {
  for (const auto& [key, value] : section.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto near = nearest_word(key, known);
    std::string line = pointer + "/" + json_pointer_token(key) + ": unknown key";
    problems.push_back(near ? line + "; did you mean " + *near + "?" : line);
  }
}

/// What was meant by a path that does not begin with a slash.
std::string absolute_advice(const std::string& path) {
  const std::string shown = "'" + escape_bytes(path) + "'";
  if (path.empty()) return "is empty; write a path that begins with /";
  if (path.find("://") != std::string::npos)
    return shown +
           " is an address, not a path; objects are migrated by kind: objects, rows by kind: "
           "records";
  if (path.starts_with('~'))
    return "'~' is not replaced in a plan, which others may run; write the whole path, as " +
           std::string("`echo ") + escape_bytes(path) + "` prints it";
  if (path.find('$') != std::string::npos)
    return "variables are not replaced in a plan; write the whole path, as `echo " +
           escape_bytes(path) + "` prints it";
  if (path.size() > 2 && path[1] == ':' && path[2] == '\\')
    return shown + " is a path of Windows; write the one that it has here, such as /mnt/c/…";
  const std::size_t colon = path.find(':');
  if (colon != std::string::npos && path.substr(0, colon).find('/') == std::string::npos)
    return shown + " is on another host; mount it here and write the path of the mount";
  return "must be an absolute path, not " + shown +
         ", since a plan may be run from any folder; write what `realpath " + escape_bytes(path) +
         "` prints";
}

bool leads_up(const std::string& path) {
  return ("/" + path + "/").find("/../") != std::string::npos;
}

/// Text, or an object as put_path makes it for bytes that are no UTF-8. `disk`: relative to one.
std::string path_value(const Json& holder, std::string_view key, const std::string& pointer,
                       bool disk, std::vector<std::string>& problems) {
  const auto path = get_path(holder, key);
  if (!path.ok()) {
    const Json* value = find_member(holder, key);
    problems.push_back(pointer + (value == nullptr
                                      ? ": is missing; write " + std::string(key) + ": and a path"
                                      : ": must be a path, in quotes where it is not "
                                        "plain text"));
    return {};
  }
  if (disk && (path->starts_with('/') || leads_up(*path))) {
    problems.push_back(pointer +
                       ": must be relative to the disk, and stay on it; write photos/2026, "
                       "without a slash at its beginning and without '..'");
  } else if (!disk && !path->starts_with('/')) {
    problems.push_back(pointer + ": " + absolute_advice(*path));
  }
  if (path->find('\0') != std::string::npos)
    problems.push_back(pointer + ": holds a NUL byte, which no path can; take it out");
  return *path;
}

const Json& section_of(const Json& document, const char* key, std::vector<std::string>& problems) {
  static const Json empty = Json::object();
  const Json* section = find_member(document, key);
  if (section != nullptr && section->is_object()) return *section;
  problems.push_back(std::string("/") + key +
                     (section == nullptr ? ": is missing" : ": must be a table of keys"));
  return empty;
}

/// Why this path cannot be one of several: each becomes an entry under its own name.
std::optional<std::string> why_not_among_several(const std::string& path) {
  const std::string shown = "'" + escape_bytes(path) + "'";
  const std::string name = split_path(path).second;
  if (name.empty()) return shown + " has no name under which it could arrive beside others";
  if (ends_in_slash(path))
    return shown +
           " means the contents of a directory, which among several sources would mix with theirs; "
           "name the directory itself, without a slash at its end, or copy the contents by a "
           "command of its own";
  if (name == "." || name == "..") return shown + " must end in a name of its own";
  return std::nullopt;
}

/// A disk is text; an empty one would be any.
std::string disk_value(const Json& value, const std::string& pointer,
                       std::vector<std::string>& problems) {
  std::string name = value.is_string() ? value.get<std::string>() : "";
  if (name.empty())
    problems.push_back(pointer + ": must be a disk: its mount point, label, UUID or device");
  return name;
}

void decode_disks(const Json& source, FilesPlan& plan, std::vector<std::string>& problems) {
  const Json* const disks = find_member(source, "disks");
  if (disks == nullptr) return;
  if (!disks->is_array() || disks->empty() || disks->size() > kSourcesMax) {
    problems.push_back("/source/disks: must be a list of 1 to " + std::to_string(kSourcesMax) +
                       " disks");
    return;
  }
  for (std::size_t n = 0; n < disks->size(); ++n)
    plan.disks.push_back(disk_value((*disks)[n], "/source/disks/" + std::to_string(n), problems));
}

void decode_source(const Json& document, FilesPlan& plan, std::vector<std::string>& problems) {
  const Json& source = section_of(document, "source", problems);
  std::vector<std::string_view> known{"paths", "disks"};
  known.insert(known.end(), Selection::kKeys.begin(), Selection::kKeys.end());
  check_keys(source, "/source", known, problems);
  plan.selection.decode(source, problems);
  decode_disks(source, plan, problems);
  const Json* paths = find_member(source, "paths");
  static const Json whole = Json::array({""});
  if (paths == nullptr && !plan.disks.empty()) paths = &whole;
  const bool disk = !plan.disks.empty();
  if (paths == nullptr || !paths->is_array() || paths->empty() ||
      paths->size() * std::max<std::size_t>(plan.disks.size(), 1) > kSourcesMax) {
    problems.push_back("/source/paths: must be a list of 1 to " + std::to_string(kSourcesMax) +
                       " paths");
    plan.sources = {""};
    return;
  }
  const std::size_t before = problems.size();
  for (std::size_t n = 0; n < paths->size(); ++n) {
    const Json& one = (*paths)[n];
    const Json holder = one.is_object() ? one : Json{{"path", one}};
    plan.sources.push_back(
        path_value(holder, "path", "/source/paths/" + std::to_string(n), disk, problems));
  }
  const bool several = plan.several() || plan.disks.size() > 1;
  if (several && problems.size() == before) {
    if (find_member(source, "files_from") != nullptr)
      problems.emplace_back(
          "/source/files_from: its names are relative to one SRC, and there are several; run a "
          "command for each");
    if (!disk) check_several(plan.sources, problems);
  }
}

/// Name in `preserve`, and where it is kept.
struct Kept {
  std::string_view name;
  bool& (*of)(FilesPlan&);
};
constexpr std::array<Kept, 8> kKept{{
    {"times", [](FilesPlan& plan) -> bool& { return plan.preserve.times; }},
    {"mode", [](FilesPlan& plan) -> bool& { return plan.preserve.mode; }},
    {"owner", [](FilesPlan& plan) -> bool& { return plan.preserve.owner; }},
    {"xattr", [](FilesPlan& plan) -> bool& { return plan.preserve.xattrs; }},
    {"acl", [](FilesPlan& plan) -> bool& { return plan.preserve.acls; }},
    {"flags", [](FilesPlan& plan) -> bool& { return plan.preserve.flags; }},
    {"links", [](FilesPlan& plan) -> bool& { return plan.preserve_links; }},
    {"holes", [](FilesPlan& plan) -> bool& { return plan.preserve_holes; }},
}};

void preserve_all(FilesPlan& plan, bool value) {
  for (const Kept& kept : kKept) kept.of(plan) = value;
}

/// "times,mode" keeps these two; "no-owner,no-acl" all but these; "all" and "none" begin anew.
void decode_preserve(const std::string& list, FilesPlan& plan, std::vector<std::string>& problems) {
  static const std::vector<std::string_view> known{"times", "mode",  "owner", "xattr", "acl",
                                                   "flags", "links", "holes", "all",   "none"};
  preserve_all(plan, list.starts_with("no-"));
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    std::string name = list.substr(begin, comma - begin);
    begin = comma + 1;
    const std::string given = name;
    const bool value = !name.starts_with("no-");
    if (!value) name.erase(0, 3);
    if (value && (name == "all" || name == "none")) {
      preserve_all(plan, name == "all");
      continue;
    }
    const auto kept =
        std::find_if(kKept.begin(), kKept.end(), [&](const Kept& one) { return one.name == name; });
    if (kept != kKept.end()) {
      kept->of(plan) = value;
      continue;
    }
    const auto near = nearest_word(name, known);
    problems.push_back(
        "/strategy/preserve: \"" + escape_bytes(given) +
        "\" is none of times, mode, owner, xattr, acl, flags, links, holes, all, none" +
        (near ? "; did you mean " + *near + "?" : ""));
  }
}

void decode_owners(const Json& strategy, FilesPlan& plan, std::vector<std::string>& problems) {
  const auto rules = [&](std::string_view key, Status (OwnerMap::*set)(std::string_view)) {
    const Json* value = find_member(strategy, key);
    if (value == nullptr) return;
    const Status done = value->is_string()
                            ? (plan.owners.*set)(value->get<std::string>())
                            : Status(Error(ErrorType::invalid_input, "must be text"));
    if (!done.ok())
      problems.push_back("/strategy/" + std::string(key) + ": " + done.error().message);
  };
  rules("user_map", &OwnerMap::set_users);
  rules("group_map", &OwnerMap::set_groups);
}

void decode_metadata(const Json& strategy, FilesPlan& plan, std::vector<std::string>& problems) {
  if (const Json* all = find_member(strategy, "preserve_metadata")) {
    if (!all->is_boolean()) {
      problems.emplace_back("/strategy/preserve_metadata: must be true or false");
    } else if (!all->get<bool>()) {
      plan.preserve = {false, false, false, false, false, false};
    }
  }
  if (const Json* preserve = find_member(strategy, "preserve")) {
    if (preserve->is_string()) {
      decode_preserve(preserve->get<std::string>(), plan, problems);
    } else {
      problems.emplace_back("/strategy/preserve: must be text, as \"times,mode\" or \"no-owner\"");
    }
  }
  decode_owners(strategy, plan, problems);
  const std::string special = string_or(strategy, "special_files", "copy");
  if (special == "skip") {
    plan.special_files = SpecialFiles::skip;
  } else if (special != "copy") {
    problems.push_back("/strategy/special_files: \"" + escape_bytes(special) +
                       "\" is neither copy nor skip");
  }
}

void decode_reflink(const Json& strategy, FilesPlan& plan, std::vector<std::string>& problems) {
  const Json* value = find_member(strategy, "reflink");
  if (value == nullptr) return;
  const std::string when = value->is_string() ? value->get<std::string>() : "";
  if (plan.links()) {
    problems.emplace_back(
        "/strategy/reflink: a hard link has no content of its own to share; take reflink out, or "
        "write operation: copy");
  } else if (when == "never") {
    if (plan.reflink == Reflink::always)
      problems.emplace_back(
          "/strategy/reflink: says never, but strategy.operation says reflink; keep one of the "
          "two");
    plan.reflink = Reflink::never;
  } else if (when == "always" && plan.moves()) {
    problems.emplace_back("/strategy/reflink: always has no meaning for a move; use auto or never");
  } else if (when == "always") {
    plan.reflink = Reflink::always;
  } else if (when != "auto") {
    problems.push_back("/strategy/reflink: \"" + escape_bytes(when) +
                       "\" is none of auto, always, never");
  }
}

void decode_operation(const Json& strategy, FilesPlan& plan, std::vector<std::string>& problems) {
  const std::string operation = string_or(strategy, "operation", "copy");
  if (operation == "move") {
    plan.operation = Operation::move;
  } else if (operation == "reflink") {
    plan.reflink = Reflink::always;
  } else if (operation == "hardlink") {
    plan.operation = Operation::hardlink;
  } else if (operation != "copy") {
    problems.push_back("/strategy/operation: \"" + escape_bytes(operation) +
                       "\" is none of copy, move, hardlink, reflink");
  }
  decode_reflink(strategy, plan, problems);
  if (plan.reflink == Reflink::always && !plan.preserve_holes)
    problems.emplace_back(
        "/strategy/preserve: a clone has the holes of its source; leave out no-holes");
  const Json* remove = find_member(strategy, "remove_emptied_directories");
  if (remove == nullptr) return;
  if (!remove->is_boolean()) {
    problems.emplace_back("/strategy/remove_emptied_directories: must be true or false");
  } else if (remove->get<bool>() && !plan.moves()) {
    problems.emplace_back(
        "/strategy/remove_emptied_directories: only a move empties directories; write operation: "
        "move, or take this key out");
  } else {
    plan.remove_emptied = remove->get<bool>();
  }
}

void decode_strategy(const Json& strategy, FilesPlan& plan, std::vector<std::string>& problems) {
  check_keys(
      strategy, "/strategy",
      {"operation", "conflict_resolution", "compare", "hash", "preserve", "preserve_metadata",
       "special_files", "user_map", "group_map", "remove_emptied_directories", "reflink"},
      problems);
  decode_metadata(strategy, plan, problems);
  decode_operation(strategy, plan, problems);
  if (const Json* conflict = find_member(strategy, "conflict_resolution")) {
    const std::string name = conflict->is_string() ? conflict->get<std::string>() : "";
    bool found = false;
    for (const auto& [known, value] : kConflicts) {
      if (known != name) continue;
      plan.conflict = value;
      found = true;
    }
    if (!found) {
      problems.push_back("/strategy/conflict_resolution: \"" + escape_bytes(name) +
                         "\" is none of skip, overwrite, overwrite_if_newer, "
                         "overwrite_if_different, rename, keep_both, fail, ask");
    }
  }
  const std::string compare = string_or(strategy, "compare", "attributes");
  plan.by_content = compare == "content";
  if (!plan.by_content && compare != "attributes")
    problems.push_back("/strategy/compare: \"" + escape_bytes(compare) +
                       "\" is neither attributes nor content");
  if (plan.by_content && plan.conflict != Conflict::overwrite_if_different)
    problems.emplace_back(
        "/strategy/compare: content has a meaning with conflict_resolution: overwrite_if_different "
        "only; write that, or take compare out");
  plan.hashes_named = find_member(strategy, "hash") != nullptr;
  const std::string hashes = string_or(strategy, "hash", "md5");
  for (std::size_t begin = 0; begin <= hashes.size();) {
    const std::size_t comma = std::min(hashes.find(',', begin), hashes.size());
    const std::string name = hashes.substr(begin, comma - begin);
    if (const auto kind = hash_kind_from_name(name)) {
      plan.hashes.push_back(*kind);
    } else {
      problems.push_back(
          "/strategy/hash: \"" + escape_bytes(name) +
          "\" is none of md5, sha256, xxh3; write one of them, or several with commas "
          "between");
    }
    begin = comma + 1;
  }
}

/// A size ("10GiB", or a number of bytes) or a share ("5%").
void decode_reservation(const Json& destination, SpaceReservation& reservation,
                        std::vector<std::string>& problems) {
  const Json* const value = find_member(destination, "space_reservation");
  if (value == nullptr) return;
  const std::string text = value->is_string()           ? value->get<std::string>()
                           : value->is_number_integer() ? std::to_string(value->get<std::int64_t>())
                                                        : "";
  if (const auto share = parse_count_or_percent(text); share.ok() && share->is_percent) {
    reservation.percent = share->percent;
  } else if (const auto size = parse_size(text); size.ok()) {
    reservation.bytes = *size;
  } else {
    problems.emplace_back(
        "/destination/space_reservation: must be a size or a share of the disk; write 10GiB or 5%");
  }
}

/// The last component is not resolved: a symlink is copied as a symlink. "x/." means x/ .
Result<std::string> absolute_source(const std::string& source) {
  std::string from = source;
  const std::string last = split_path(from).second;
  const bool dots = last == "." || last == "..";
  if (dots || ends_in_slash(from)) {
    DUNLIN_ASSIGN(from, canonical(source));
    if (!is_directory(from, true)) {
      return Error(ErrorType::invalid_input, "'" + escape_bytes(source) + "' is no directory");
    }
    if (!ends_in_slash(from)) from += '/';
    return from;
  }
  const bool bare = source.find('/') == std::string::npos;
  DUNLIN_ASSIGN(const std::string parent, canonical(bare ? "." : split_path(source).first));
  from = joined(parent, bare ? source : last);
  struct stat raw{};
  if (::lstat(from.c_str(), &raw) != 0) {
    const int why = errno;
    Error error(ErrorType::invalid_input,
                "the source '" + escape_bytes(source) +
                    (why == ENOENT ? "' does not exist" : "' cannot be used"));
    error.native = error_from_errno(why, "").native;
    return error;
  }
  return from;
}

Json path_json(const std::string& path) {
  Json holder = Json::object();
  put_path(holder, "path", path);
  return holder.size() == 1 ? holder["path"] : holder;
}

}  // namespace

void check_several(const std::vector<std::string>& sources, std::vector<std::string>& problems) {
  const auto at = [](std::size_t n) { return "/source/paths/" + std::to_string(n) + ": "; };
  std::map<std::string, std::size_t> by_name;
  std::map<std::string, std::size_t> by_path;
  for (std::size_t n = 0; n < sources.size(); ++n) {
    if (const auto why = why_not_among_several(sources[n])) {
      problems.push_back(at(n) + *why);
      continue;
    }
    const std::string shown = "'" + escape_bytes(sources[n]) + "'";
    if (!by_path.emplace(sources[n], n).second) {
      problems.push_back(at(n) + shown + " is given twice; leave one of them out");
      continue;
    }
    const auto [same, fresh] = by_name.emplace(split_path(sources[n]).second, n);
    if (!fresh)
      problems.push_back(at(n) + "'" + escape_bytes(sources[same->second]) + "' and " + shown +
                         " would both arrive as '" + escape_bytes(same->first) +
                         "'; copy one of them by a command of its own, to another place");
  }
  for (const auto& [path, n] : by_path) {
    for (std::string above = split_path(path).first; above != "/";
         above = split_path(above).first) {
      if (!by_path.contains(above)) continue;
      problems.push_back(at(n) + "'" + escape_bytes(path) + "' lies inside of '" +
                         escape_bytes(above) +
                         "', which is a source as well; leave one of them out");
      break;
    }
  }
}

FilesPlan decode_plan(const Json& document, std::vector<std::string>& problems) {
  FilesPlan plan;
  decode_source(document, plan, problems);
  const Json& destination = section_of(document, "destination", problems);
  check_keys(destination, "/destination",
             {"target_disk", "base_path", "base_path_b64", "space_reservation"}, problems);
  const Json* const disk = find_member(destination, "target_disk");
  if (disk != nullptr) plan.target_disk = disk_value(*disk, "/destination/target_disk", problems);
  decode_reservation(destination, plan.reservation, problems);
  const bool named = find_member(destination, "base_path") != nullptr ||
                     find_member(destination, "base_path_b64") != nullptr;
  if (named || disk == nullptr)
    plan.destination =
        path_value(destination, "base_path", "/destination/base_path", disk != nullptr, problems);
  const Json none = Json::object();
  const Json* strategy = find_member(document, "strategy");
  if (strategy != nullptr && !strategy->is_object())
    problems.emplace_back("/strategy: must be a table of keys");
  decode_strategy(strategy != nullptr && strategy->is_object() ? *strategy : none, plan, problems);
  if (plan.moves() && !plan.follows(fs::Follow::never))
    problems.emplace_back(
        "/source/follow_symlinks: a move has no other value than never: what a link points to is "
        "not its to remove; copy, or move the links as links");
  if (plan.links() && !plan.follows(fs::Follow::never))
    problems.emplace_back(
        "/source/follow_symlinks: hard links are made of what stands in SRC itself, so it has no "
        "other value than never here; copy, or link the symlinks as they are");
  return plan;
}

Result<Json> plan_document(const std::string& verb, const std::vector<std::string>& sources,
                           const std::string& destination) {
  const bool several = sources.size() > 1;
  const bool any_empty = std::any_of(sources.begin(), sources.end(),
                                     [](const std::string& source) { return source.empty(); });
  if (any_empty || destination.empty()) {
    return Error(ErrorType::invalid_input,
                 "SRC and DST must not be empty: dunlin " + verb + " SRC DST");
  }
  Json paths = Json::array();
  std::string from;
  for (const std::string& source : sources) {
    DUNLIN_ASSIGN(from, absolute_source(source));
    const auto why = several ? why_not_among_several(from) : std::nullopt;
    if (why) return Error(ErrorType::invalid_input, *why);
    paths.push_back(path_json(from));
  }
  DUNLIN_ASSIGN(std::string to, canonical(destination));
  struct stat raw{};
  if (several && ::stat(to.c_str(), &raw) == 0 && !S_ISDIR(raw.st_mode)) {
    return Error(ErrorType::invalid_input, "'" + escape_bytes(destination) +
                                               "' is no directory: several sources go into one");
  }
  const bool into = several || ends_in_slash(destination) ||
                    (is_directory(to, true) && !is_directory(from, true));
  if (into && !ends_in_slash(to)) to += '/';
  Json document = {{"kind", "files"}};
  document["source"]["paths"] = std::move(paths);
  document["destination"] = Json::object();
  put_path(document["destination"], "base_path", to);
  document["strategy"] = {{"operation", verb}, {"conflict_resolution", "overwrite_if_different"}};
  return document;
}

}  // namespace dunlin::files
