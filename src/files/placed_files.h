// Files that a batch has placed: compared with what was recorded, and taken back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/records.h"
#include "files/site.h"
#include "files/source_directories.h"
#include "fs/flush.h"

namespace dunlin::files {

class PlacedFiles {
 public:
  PlacedFiles(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}

  /// Existence, type, size, mtime, mode and owner as they were placed; attributes, ACL and flags,
  /// too, where there were any, and everywhere when it is asked for anew. When verification is full
  /// the content, too: at the end of a migration only where it was not read back from the device
  /// inside the batch.
  [[nodiscard]] Status verify();
  /// Created files are removed, overwritten ones get their old version back, moved ones stand at
  /// the source again before that; what somebody changed since is refused as destination_changed.
  /// Durable before it is reported; repeatable.
  [[nodiscard]] Status undo();

 private:
  [[nodiscard]] Result<std::optional<Error>> difference(const engine::ItemRow& row);
  [[nodiscard]] Result<std::optional<std::string>> attributes_differ(const fs::Directory& directory,
                                                                     const std::string& name,
                                                                     const Witness& witness);
  [[nodiscard]] Result<bool> content_differs(const fs::Directory& directory,
                                             const std::string& name, const engine::ItemRow& row,
                                             const Witness& witness);
  /// Nobody has touched it since, or only what is not its content.
  [[nodiscard]] Result<bool> still_ours(const fs::Directory& directory, const std::string& name,
                                        const fs::FileInfo& there, const engine::ItemRow& row,
                                        const Witness& witness);
  [[nodiscard]] Result<bool> still_linked(const engine::ItemRow& row, const fs::FileInfo& there);
  [[nodiscard]] static Status without_final_flags(const fs::Directory& directory,
                                                  const std::string& name, const Witness& witness);
  [[nodiscard]] Status take_back(const engine::ItemRow& row);
  [[nodiscard]] Status changed_names(const engine::ItemRow& row, fs::BatchFlush& flush);
  [[nodiscard]] Status make_source_directories(std::vector<engine::ItemRow>& rows,
                                               SourceDirectories& sources);
  [[nodiscard]] Status refuse_changed(std::vector<engine::ItemRow>& rows);
  [[nodiscard]] Status check_ours(const engine::ItemRow& row, const Witness& witness);
  [[nodiscard]] Status rename_back(const engine::ItemRow& row, const Witness& witness,
                                   const fs::Directory& directory, const std::string& name);
  /// The old version, where it is kept; nullopt when there is no such place (any more).
  struct Kept {
    std::shared_ptr<const fs::Directory> folder;
    std::string name;
    std::optional<fs::FileInfo> there;
  };
  [[nodiscard]] Result<std::optional<Kept>> find_kept(const engine::ItemRow& row,
                                                      const Witness& witness);
  [[nodiscard]] Status drop_kept(const engine::ItemRow& row, const Witness& witness,
                                 const fs::FileInfo& old);
  [[nodiscard]] Status put_back(const engine::ItemRow& row, const Witness& witness,
                                const fs::Directory& directory, const std::string& name,
                                bool over_ours);
  [[nodiscard]] Result<std::string> name_of(const engine::ItemRow& row, const Witness& witness);

  Site& site_;
  engine::BatchContext& context_;
};

}  // namespace dunlin::files
