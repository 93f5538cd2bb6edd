// Files that a batch has placed: compared with what was recorded, and taken back.
#pragma once

#include <vector>

#include "engine/run.h"
#include "files/records.h"
#include "files/site.h"

namespace dunlin::files {

class PlacedFiles {
 public:
  PlacedFiles(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}

  /// Existence, type, size, mtime, mode and owner as they were placed. Content was read back inside
  /// the batch; it is read here only when verification is full and that proof is none or cached.
  [[nodiscard]] Status verify();
  /// Created files are removed, overwritten ones get their old version back; what somebody changed
  /// since is refused as destination_changed. Durable before it is reported; repeatable.
  [[nodiscard]] Status undo();

 private:
  [[nodiscard]] Result<std::optional<Error>> difference(const engine::ItemRow& row);
  [[nodiscard]] Result<bool> content_differs(const fs::Directory& directory,
                                             const std::string& name, const engine::ItemRow& row,
                                             const Witness& witness);
  [[nodiscard]] Status take_back(const engine::ItemRow& row);

  Site& site_;
  engine::BatchContext& context_;
};

}  // namespace dunlin::files
