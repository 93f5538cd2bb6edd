// The scratch place of a test (engine/test_run.h): a folder beside or in the destination, on its
// file system, in the place of the destination itself. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/json.h"
#include "engine/run.h"
#include "files/layout.h"
#include "fs/directory.h"
#include "fs/types.h"

namespace dunlin::files {

/// The directory that holds the scratch place, as it was before.
struct ScratchHolder {
  std::string path;
  fs::Time atime;
  fs::Time mtime;

  /// The destination of the plan, or the deepest directory above it that is there.
  [[nodiscard]] static Result<ScratchHolder> look(const Layout& plan);
  /// Member "test" of an identity of the roots (Site::identity).
  void put(Json& identity) const;
  /// state_corrupt when it is not there.
  [[nodiscard]] static Result<ScratchHolder> get(const Json& identity);
};

/// The layout of the plan with the scratch place as its destination.
void put_into_scratch(Layout& layout, const ScratchHolder& holder, const ExecutionId& execution);

/// Removes the scratch place with all in it, whatever its modes and flags are, and gives the holder
/// its times back, unless somebody has changed it meanwhile. Absent is success. It may be repeated
/// after an error or a crash; nothing outside of the place is touched, and no symlink followed.
[[nodiscard]] Status remove_scratch(const ScratchHolder& holder, engine::RunContext& context,
                                    fs::Features features);

}  // namespace dunlin::files
