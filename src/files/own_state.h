// What dunlin itself has in a source, or would be overwritten in by a copy: the state directory,
// and what executions of it keep at their destinations. Never migrated. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/run.h"
#include "files/site.h"

namespace dunlin::files {

class OwnState {
 public:
  explicit OwnState(engine::EnumerateContext& context) : context_(context) {}
  /// Looks for the state directory; before is_it().
  [[nodiscard]] Status find(Site& site);
  /// `directory_path`: of the directory that holds the entry, below the root.
  [[nodiscard]] Result<bool> is_it(const std::string& directory_path, std::string_view name,
                                   const fs::FileInfo& info);

 private:
  engine::EnumerateContext& context_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  /// A backup that is brought back may hold what would replace it.
  std::optional<std::string> below_destination_;
};

}  // namespace dunlin::files
