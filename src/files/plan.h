// The files sections of a plan, decoded. Pure but for plan_document(), which looks at the paths
// that a person typed; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "files/owner_map.h"
#include "files/selection.h"
#include "fs/file_system.h"
#include "fs/metadata.h"

namespace dunlin::files {

/// What happens where an entry stands already.
enum class Conflict : std::uint8_t {
  skip,
  overwrite,
  overwrite_if_newer,
  overwrite_if_different,
  fail,
  ask,        ///< as fail, until `dunlin retry --item` answers
  rename,     ///< what stands there gets a numbered name beside it
  keep_both,  ///< the newcomer gets one
};

enum class Operation : std::uint8_t { copy, move, hardlink };

/// Whether content is cloned (fs/clone.h) instead of copied.
enum class Reflink : std::uint8_t {
  automatic,  ///< where it can be, else it is copied
  always,     ///< what cannot be cloned fails
  never,
};

/// What is to stay free at the destination.
struct SpaceReservation {
  std::int64_t bytes = 0;
  double percent = 0;  ///< of the file system; one of the two is 0
  [[nodiscard]] std::int64_t of(const fs::Space& space) const {
    return bytes +
           static_cast<std::int64_t>(percent / 100 * static_cast<double>(space.total_bytes));
  }
  [[nodiscard]] bool any() const { return bytes > 0 || percent > 0; }
};

/// FIFOs, sockets and device nodes.
enum class SpecialFiles : std::uint8_t { copy, skip };

/// Of `source.paths`: each is looked at before every batch.
inline constexpr std::size_t kSourcesMax = 1000;

struct FilesPlan {
  /// Absolute. The only one ends in '/' when its contents are meant; of several none does.
  std::vector<std::string> sources;
  std::string destination;  ///< absolute; ends in '/' when a file goes into it
  /// As a person names them; the paths above are relative to them until on_disks() has found them.
  std::vector<std::string> disks;
  std::string target_disk;
  Operation operation = Operation::copy;
  bool remove_emptied = false;  ///< a move also removes source directories that have become empty
  Selection selection;
  Conflict conflict = Conflict::overwrite_if_different;
  bool by_content = false;  ///< overwrite_if_different reads both sides instead of comparing times
  std::vector<HashKind> hashes;
  fs::Preserve preserve;
  OwnerMap owners;             ///< of what is preserved
  bool preserve_links = true;  ///< sets of hard links stay sets
  bool preserve_holes = true;
  Reflink reflink = Reflink::automatic;
  SpecialFiles special_files = SpecialFiles::copy;
  SpaceReservation reservation;
  bool hashes_named = false;  ///< by a person: then they are computed without verification, too

  [[nodiscard]] bool several() const { return sources.size() > 1; }
  /// The only one.
  [[nodiscard]] const std::string& source() const { return sources.front(); }
  [[nodiscard]] bool follows(fs::Follow how) const { return selection.follow_symlinks() == how; }
  [[nodiscard]] bool moves() const { return operation == Operation::move; }
  /// Entries become further names of their sources.
  [[nodiscard]] bool links() const { return operation == Operation::hardlink; }
  /// What is decided by. A move takes the place of what looks the same, too: the source may only go
  /// where its own content has been proven.
  [[nodiscard]] Conflict conflict_rule() const {
    return moves() && conflict == Conflict::overwrite_if_different ? Conflict::overwrite : conflict;
  }
};

/// One line per problem, with the key as JSON pointer; the plan is usable when there is none.
[[nodiscard]] FilesPlan decode_plan(const Json& document, std::vector<std::string>& problems);

/// Sources that would arrive under one name, or twice.
void check_several(const std::vector<std::string>& sources, std::vector<std::string>& problems);

/// The document for `dunlin VERB SOURCE… DESTINATION`, VERB being copy or move. invalid_input says
/// what to type instead.
[[nodiscard]] Result<Json> plan_document(const std::string& verb,
                                         const std::vector<std::string>& sources,
                                         const std::string& destination);

}  // namespace dunlin::files
