// Decisions; see decide.h.
#include "files/decide.h"

#include <algorithm>

#include "fs/file_system.h"

namespace dunlin::files {

bool same_attributes(const fs::FileInfo& source, const fs::FileInfo& there,
                     std::int64_t granularity_ns) {
  return there.type == source.type && there.size == source.size &&
         there.special_device == source.special_device &&
         fs::same_time(there.mtime, source.mtime, granularity_ns);
}

bool ChangedSince::takes(const fs::FileInfo& source) const {
  const bool known = std::find(devices.begin(), devices.end(), source.device) != devices.end();
  const fs::Time& since = known ? on_roots : elsewhere;
  return source.ctime == fs::Time() || !(source.ctime < since);
}

namespace {

bool looks_the_same(const fs::FileInfo& source, const fs::FileInfo& there,
                    const ConflictRules& rules) {
  return same_attributes(source, there, rules.granularity_ns) &&
         !(rules.changed_since && rules.changed_since->takes(source));
}

/// The entry that stands there is to be replaced by the source's.
Decision replace(const fs::FileInfo& there) {
  if (there.type != fs::EntryType::directory) return {Action::overwrite, "", {}};
  return {Action::refuse, "a directory stands at the destination; it is never replaced by a file",
          ErrorType::destination_exists};
}

Decision compare_content(const fs::FileInfo& source, const fs::FileInfo& there) {
  const bool same_kind = there.type == source.type && there.special_device == source.special_device;
  const bool content = source.type == fs::EntryType::file || source.type == fs::EntryType::symlink;
  if (same_kind && !content) return {Action::skip, "unchanged: same type", {}};
  if (same_kind && there.size == source.size) return {Action::compare, "", {}};
  return replace(there);
}

}  // namespace

Decision decide(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                const ConflictRules& rules) {
  if (!there) return {Action::create, "", {}};
  switch (rules.conflict) {
    case Conflict::skip:
      return {Action::skip, "exists at the destination", {}};
    case Conflict::fail:
      return {Action::refuse, "exists at the destination", ErrorType::destination_exists};
    case Conflict::overwrite_if_newer:
      if (fs::same_time(there->mtime, source.mtime, rules.granularity_ns) ||
          source.mtime < there->mtime)
        return {Action::skip, "not newer than what stands at the destination", {}};
      break;
    case Conflict::ask:
      if (looks_the_same(source, *there, rules))
        return {Action::skip, "unchanged: same type, size and time", {}};
      if (rules.answered) break;
      return {Action::refuse, "another one stands at the destination, and a person is to decide",
              ErrorType::destination_exists};
    case Conflict::rename:
    case Conflict::keep_both:
      if (rules.leave_same && looks_the_same(source, *there, rules))
        return {Action::skip, "unchanged: same type, size and time", {}};
      return {rules.conflict == Conflict::rename ? Action::aside : Action::beside, "", {}};
    case Conflict::overwrite_if_different:
      if (rules.changed_since && rules.changed_since->takes(source)) break;
      if (rules.by_content) return compare_content(source, *there);
      if (looks_the_same(source, *there, rules))
        return {Action::skip, "unchanged: same type, size and time", {}};
      break;
    case Conflict::overwrite:
      break;
  }
  return replace(*there);
}

Decision decide_by_content(bool equal) {
  if (equal) return {Action::skip, std::string(kSameContent), {}};
  return {Action::overwrite, "", {}};
}

Decision decide_link(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                     std::uint64_t first_inode, ConflictRules rules) {
  if (there && there->inode == first_inode)
    return {Action::skip, "unchanged: linked to the first name of its set", {}};
  // What stands there is no link to it, so it is not the same, whatever it looks like. (Two
  // versions that look the same are not both kept: where no links can be made, each run would add
  // one.)
  if (rules.conflict == Conflict::overwrite_if_different) rules.conflict = Conflict::overwrite;
  return decide(source, there, rules);
}

Decision decide_source_link(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                            ConflictRules rules) {
  if (there && there->inode == source.inode && there->device == source.device)
    return {Action::skip, "unchanged: it is the same file already", {}};
  if (rules.conflict == Conflict::overwrite_if_different) rules.conflict = Conflict::overwrite;
  rules.leave_same = false;
  return decide(source, there, rules);
}

std::optional<std::string> reason_to_leave_out(const Detail& source, SpecialFiles special_files) {
  if (source.own_state) return "own_state: written by dunlin itself";
  if (source.unparsed == Unparsed::crashed)
    return "file_types: its type is not known, what looks into files crashed over it";
  if (source.unparsed == Unparsed::too_slow)
    return "file_types: its type is not known, looking into it took longer than 5 s";
  const fs::EntryType type = source.info.type;
  const bool special =
      type == fs::EntryType::fifo || type == fs::EntryType::socket || source.info.is_device();
  if (special && special_files == SpecialFiles::skip)
    return "special_files: skip (a " + std::string(fs::to_string(type)) + ")";
  return std::nullopt;
}

}  // namespace dunlin::files
