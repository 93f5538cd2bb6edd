// See reopened.h.
#include "files/reopened.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/binary.h"
#include "fs/inode.h"
#include "fs/metadata.h"

namespace dunlin::files {
namespace {

constexpr std::uint32_t kWhileWorking = 0700;

Result<DirectoryState> state_of(const fs::Directory& directory) {
  DUNLIN_ASSIGN(const fs::FileInfo info, directory.info());
  DirectoryState state;
  state.mode = info.mode;
  state.atime = info.atime;
  state.mtime = info.mtime;
  state.final_flags = fs::final_flags_of(directory.fd());
  return state;
}

/// What is not ours to change was not changed by us either.
Status unless_forbidden(int errno_value, const fs::Directory& directory, std::string_view verb) {
  if (errno_value == 0 || errno_value == EPERM || errno_value == EOPNOTSUPP) return success();
  return directory.error(errno_value, verb, "");
}

Status give_back(const fs::Directory& directory, const DirectoryState& state) {
  DUNLIN_ASSIGN(const fs::FileInfo now, directory.info());
  const fs::InodeRef inode{directory.fd(), false};
  if (now.mode != state.mode)
    DUNLIN_TRY(unless_forbidden(fs::change_mode(inode, state.mode), directory, "change mode of"));
  if (now.mtime != state.mtime)
    DUNLIN_TRY(unless_forbidden(fs::change_times(inode, state.atime, state.mtime), directory,
                                "change times of"));
  if (state.final_flags != 0)
    DUNLIN_TRY(
        unless_forbidden(fs::change_flags(directory.fd(), state.final_flags, fs::kFinalFlags),
                         directory, "change flags of"));
  return success();
}

}  // namespace

std::string encode(const DirectoryStates& states) {
  ByteWriter out;
  out.varint(states.size());
  for (const auto& [path, state] : states) {
    out.bytes(path).varint(state.mode).varint(state.final_flags);
    for (const fs::Time& time : {state.atime, state.mtime})
      out.zigzag(time.seconds).varint(time.nanoseconds);
  }
  return out.take();
}

Result<DirectoryStates> decode_directory_states(std::string_view bytes) {
  ByteReader in(bytes);
  DirectoryStates states;
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    const std::string path(in.bytes());
    DirectoryState& state = states[path];
    state.mode = static_cast<std::uint32_t>(in.varint());
    state.final_flags = static_cast<std::uint32_t>(in.varint());
    for (fs::Time* time : {&state.atime, &state.mtime}) {
      time->seconds = in.zigzag();
      time->nanoseconds = static_cast<std::uint32_t>(in.varint());
    }
  }
  DUNLIN_TRY(in.finish("states of directories"));
  return states;
}

Result<DirectoryState> ReopenedDirectories::enter(const std::string& path,
                                                  const fs::Directory& directory,
                                                  const std::optional<DirectoryState>& recorded) {
  const std::scoped_lock lock(mutex_);
  auto found = entered_.find(path);
  if (found == entered_.end()) {
    Entered fresh;
    if (recorded) {
      fresh.state = *recorded;
    } else {
      DUNLIN_ASSIGN(fresh.state, state_of(directory));
    }
    found = entered_.emplace(path, std::move(fresh)).first;
  }
  ++found->second.batches;
  return found->second.state;
}

Status ReopenedDirectories::open(const fs::Directory& directory, const DirectoryState& state) {
  if (state.final_flags != 0) DUNLIN_TRY(fs::remove_final_flags(directory.fd(), directory, ""));
  if ((state.mode & kWhileWorking) == kWhileWorking) return success();
  const int refused = fs::change_mode({directory.fd(), false}, state.mode | kWhileWorking);
  return unless_forbidden(refused, directory, "change mode of");
}

Status ReopenedDirectories::leave(const std::string& path, const fs::Directory& directory) {
  const std::scoped_lock lock(mutex_);
  const auto found = entered_.find(path);
  if (found == entered_.end() || --found->second.batches > 0) return success();
  const DirectoryState state = found->second.state;
  entered_.erase(found);
  return give_back(directory, state);
}

void ReopenedDirectories::forget(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto found = entered_.find(path);
  if (found != entered_.end() && --found->second.batches == 0) entered_.erase(found);
}

}  // namespace dunlin::files
