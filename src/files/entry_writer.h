// EntryWriter: one entry of any type but a directory, made anew under a temporary name.
//
// Used by a copy, and by the undo of a move, which makes the source again. Knows no ledger and no
// decision: those stand in CopyBatch and SourceRestorer. One writer serves all threads of a batch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/plan.h"
#include "fs/clone.h"
#include "fs/copy.h"
#include "fs/flush.h"
#include "fs/inode.h"
#include "fs/resumable_copy.h"

namespace dunlin::files {

/// What was made, and of what.
struct Written {
  fs::FileInfo source;  ///< the same before and after it was read
  fs::FileInfo placed;
  std::string
      checksum;  ///< of what was read; empty where there is no content, or no hash asked for
  std::string read_back;  ///< XXH3-128 of the same, where `checksum` has none; else empty
  /// Of a small file that is hashed with others (EntryWriter::leave_md5): what was read.
  std::optional<std::string> content;
  /// fs::kFinalFlags of the source: for the final name, because they forbid a rename.
  std::uint32_t final_flags = 0;
  fs::Loss loss;
  std::uint64_t attributes = 0;  ///< as Witness::attributes
  std::int64_t copied_bytes = 0;
  bool cloned = false;  ///< the content is shared with the source's
  /// It was read back from the device (fs::Origin::device) while it was copied, and is what was
  /// read from the source.
  bool proven = false;
};

/// Of a large file: what an earlier life of the process has left of it, and where to say how far it
/// is.
struct Part {
  bool adopted = false;  ///< the temporary is there, with what follows
  std::uint64_t inode = 0;
  fs::FileInfo source;     ///< as it was then
  fs::ChunkHashes known;   ///< chunks of the temporary
  bool read_back = false;  ///< prove it while it is copied, where that can be done
  /// Durable on return.
  std::function<Status(const fs::FileInfo& source, const fs::FileInfo& temporary,
                       const fs::ChunkHashes& chunks, std::int64_t chunk_bytes)>
      record;
};

class EntryWriter {
 public:
  /// `plan` says what is preserved; `flush` has been prepared for the directories written to.
  EntryWriter(const FilesPlan& plan, std::vector<HashKind> hashes, std::int64_t granularity_ns,
              engine::BatchContext& context, fs::BatchFlush& flush, fs::CloneRefusals& clones)
      : plan_(plan),
        hashes_(std::move(hashes)),
        granularity_ns_(granularity_ns),
        context_(context),
        flush_(flush),
        clones_(clones) {}

  /// MD5, the only hash wanted, is left to the caller for files of up to Md5Queue::kContentMax
  /// bytes, whose content comes with Written instead of a checksum.
  void leave_md5() { leaves_md5_ = true; }

  /// Makes `temporary` in `to` like `name` in `from`, an entry of `type`, replacing an older try.
  /// source_changed when the source was written meanwhile. `shown_name` is the final name, for
  /// messages. `like`: whose metadata it gets where that is not the source's own (undo). `part`: a
  /// large file says how far it is, and goes on where an earlier life has ended. `in_flight` is
  /// told how far the content is.
  [[nodiscard]] Result<Written> write(const fs::Directory& from, const std::string& name,
                                      fs::EntryType type, const fs::Directory& to,
                                      const std::string& temporary, const std::string& shown_name,
                                      const fs::FileInfo* like = nullptr,
                                      const Part* part = nullptr,
                                      engine::ItemInFlight* in_flight = nullptr);

 private:
  struct Place {
    const fs::Directory& directory;
    const std::string& temporary;
    const std::string& shown_name;
    const Part* part = nullptr;
    engine::ItemInFlight* in_flight = nullptr;
  };
  [[nodiscard]] static Error not_to_be_made(const Place& to, fs::EntryType type, Error error);
  /// `adopted`: it is what an earlier life has left.
  struct Temporary {
    UniqueFd file;
    bool adopted = false;
  };
  [[nodiscard]] Result<Temporary> open_temporary(const Place& to);
  [[nodiscard]] Result<UniqueFd> open_adopted(const Place& to);
  [[nodiscard]] Status bring_content(int in, const Subject& from_shown, const Temporary& temporary,
                                     const Place& to, Written& written);
  [[nodiscard]] Status dress(fs::InodeRef made, const fs::FileInfo& metadata,
                             const fs::Extended& extended, const Place& to, bool just_made,
                             Written& written);
  [[nodiscard]] Status copy_large(int in, const Subject& from_shown, const Temporary& out,
                                  const Place& to, fs::HashSet& hashes, Written& written);
  [[nodiscard]] Result<Written> write_file(const fs::Directory& from, const std::string& name,
                                           const Place& to, const fs::FileInfo* like);
  [[nodiscard]] Result<Written> write_node(const fs::Directory& from, const std::string& name,
                                           fs::EntryType type, const Place& to,
                                           const fs::FileInfo* like);
  /// True: the temporary holds the content, and `hashes` have read it from the source.
  [[nodiscard]] Result<bool> make_clone(int in, const Subject& from_shown, const Temporary& out,
                                        const Place& to, const fs::FileInfo& source,
                                        fs::HashSet& hashes);
  [[nodiscard]] static Error not_to_be_cloned(const Place& to, int why);
  [[nodiscard]] Status copy_bytes(int in, const Subject& from_shown, const Temporary& out,
                                  const Place& to, fs::HashSet& hashes, Written& written);
  [[nodiscard]] static bool is_large(const Written& written, const Place& to);
  [[nodiscard]] fs::Transfer transfer(const Place& to);
  [[nodiscard]] bool wants_extended() const;

  const FilesPlan& plan_;
  std::vector<HashKind> hashes_;
  std::int64_t granularity_ns_;
  engine::BatchContext& context_;
  fs::BatchFlush& flush_;
  fs::CloneRefusals& clones_;
  bool leaves_md5_ = false;
};

}  // namespace dunlin::files
