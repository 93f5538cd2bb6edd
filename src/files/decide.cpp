// Decisions; see decide.h.
#include "files/decide.h"

#include "fs/file_system.h"

namespace dunlin::files {

std::string_view to_string(Action action) {
  switch (action) {
    case Action::create:
      return "create";
    case Action::overwrite:
      return "overwrite";
    case Action::skip:
      return "skip";
    case Action::refuse:
      return "refuse";
  }
  return "refuse";
}

Decision decide(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                Conflict conflict, std::int64_t granularity_ns) {
  if (!there) return {Action::create, "", {}};
  switch (conflict) {
    case Conflict::skip:
      return {Action::skip, "exists at the destination", {}};
    case Conflict::fail:
      return {Action::refuse, "exists at the destination", ErrorType::destination_exists};
    case Conflict::overwrite_if_different:
      if (there->type == source.type && there->size == source.size &&
          there->special_device == source.special_device &&
          fs::same_time(there->mtime, source.mtime, granularity_ns)) {
        return {Action::skip, "unchanged: same type, size and time", {}};
      }
      break;
    case Conflict::overwrite:
      break;
  }
  if (there->type == fs::EntryType::directory) {
    return {Action::refuse, "a directory stands at the destination; it is never replaced by a file",
            ErrorType::destination_exists};
  }
  return {Action::overwrite, "", {}};
}

Decision decide_link(const fs::FileInfo& source, const std::optional<fs::FileInfo>& there,
                     std::uint64_t first_inode, Conflict conflict, std::int64_t granularity_ns) {
  if (there && there->inode == first_inode)
    return {Action::skip, "unchanged: linked to the first name of its set", {}};
  if (conflict == Conflict::overwrite_if_different) conflict = Conflict::overwrite;
  return decide(source, there, conflict, granularity_ns);
}

std::optional<std::string> reason_to_leave_out(const Detail& source, SpecialFiles special_files) {
  if (source.own_state) return "own_state: written by dunlin itself";
  const fs::EntryType type = source.info.type;
  const bool special =
      type == fs::EntryType::fifo || type == fs::EntryType::socket || source.info.is_device();
  if (special && special_files == SpecialFiles::skip)
    return "special_files: skip (a " + std::string(fs::to_string(type)) + ")";
  return std::nullopt;
}

}  // namespace dunlin::files
