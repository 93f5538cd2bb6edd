// Decisions; see decide.h.
#include "files/decide.h"

#include "files/records.h"
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

std::optional<std::string> reason_to_leave_out(const fs::FileInfo& source, std::string_view name) {
  if (is_own_name(name)) return "own_state: written by dunlin itself";
  switch (source.type) {
    case fs::EntryType::file:
    case fs::EntryType::symlink:
    case fs::EntryType::directory:
    case fs::EntryType::unknown:
      return std::nullopt;
    default:
      return "unsupported_item: a " + std::string(fs::to_string(source.type)) +
             " is not copied yet";
  }
}

}  // namespace dunlin::files
