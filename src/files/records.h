// What the kind files keeps in the ledger, encoded: the detail of an item, and the witness by which
// recovery and undo know their own work at the destination.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "fs/types.h"

namespace dunlin::files {

/// The creation of the destination root is the first item of every execution.
inline constexpr ItemId kRootItem{1};

/// Why nobody knows what a file holds. The numbers are stored in ledgers: never renumber.
enum class Unparsed : std::uint8_t { no = 0, crashed = 1, too_slow = 2 };

/// What enumeration saw of an entry.
struct Detail {
  /// Without device, ctime, links and allocation: those are looked at anew.
  fs::FileInfo info;
  /// The item by whose copy this one becomes a hard link: the first name of the set that was found.
  /// Not valid: it is copied by itself.
  ItemId first;
  bool own_state = false;  ///< dunlin's own: the state directory, a temporary, an undo folder
  /// Its type was asked for, and the parser that looked into it did not survive it.
  Unparsed unparsed = Unparsed::no;
};
[[nodiscard]] std::string encode(const Detail& detail);
[[nodiscard]] Result<Detail> decode_detail(std::string_view bytes);

/// The key of a set of hard links in the ledger: its inode at the source, when that was made (a
/// number is given again when its inode is gone), and its device where that is not the root's (a
/// number that a mount may change).
[[nodiscard]] std::string link_set_key(const fs::FileInfo& info, std::uint64_t root_device);

/// Intent and undo data of an item.
///
/// As intent of a file it is recorded when the temporary is complete, flushed and proven, before it
/// is published: with the inode in `placed`, recovery can tell whether the final name is our file,
/// and with `replaced`, where the old version stands. As intent of a directory it says what stood
/// there before the first attempt. As undo it says what to take back and what must not have
/// changed.
struct Witness {
  std::int64_t epoch = 0;   ///< of the temporary's name
  std::int64_t levels = 0;  ///< directories made, the item included (the root: parents too)
  std::optional<fs::FileInfo> placed;    ///< what we made
  std::optional<fs::FileInfo> replaced;  ///< what stood there before
  /// ctime of `placed` once it stood under its final name. While it is the same, nobody has touched
  /// the file; otherwise, or zero (unknown), its content tells.
  fs::Time changed;
  std::string checksum;
  std::uint8_t proof = 0;  ///< store::Proof
  std::string loss;        ///< metadata that could not be preserved
  /// The device did not hold what was written first.
  bool written_again = false;
  bool linked = false;  ///< a second name of what another item has placed
  /// Has other names at the source: links made and removed move its ctime, which then says nothing.
  bool shared = false;
  std::uint64_t attributes = 0;   ///< see attributes.h; zero: it has none
  std::uint32_t final_flags = 0;  ///< fs::kFinalFlags that it has under its final name
  /// encode(DirectoryStates): what directories of the batch were before it was tried again. Of an
  /// intent only, which may hold nothing else.
  std::string reopened;
  /// fs::encode_extended of a directory that stood there before; empty: none did, or not asked for.
  std::string extended_before;
  /// Of a move: the source as it was when it was copied (ctime included). Only what is
  /// still so is removed, and undo makes it so again.
  std::optional<fs::FileInfo> source;
  /// Of a large file, as intent: what is there of its temporary (`placed` has its inode, `source`
  /// what it is a copy of). Not empty: nothing of it has been published yet.
  std::string chunks;            ///< fs::ChunkHashes
  std::int64_t chunk_bytes = 0;  ///< of each
  /// Of a move, as intent: the copy stands, durable and proven, and its source may have been
  /// removed. What stands under the source's name afterwards may be somebody's new file.
  bool removing = false;
  bool renamed = false;  ///< moved by a rename: `placed` is the source's own inode
  bool cloned = false;   ///< its content is shared with the source's, by the file system
  /// A hard link to its source, whose inode is in `placed`: that alone tells it.
  bool to_source = false;
  std::string name;   ///< under which it is placed; empty: its own
  std::string aside;  ///< name beside it that `replaced` has got; empty: it is in the undo folder
};
/// Undo data stays in the ledger for each file: what of it is as in the item's `detail` (an entry
/// is placed as it was listed) is left out when that is given, and has to be given to read it
/// again.
[[nodiscard]] std::string encode(const Witness& witness, std::string_view detail = {});
[[nodiscard]] Result<Witness> decode_witness(std::string_view bytes, std::string_view detail = {});

/// `.dunlin-<last 8 digits>-<epoch>-<item>`: found again without a scan, never derived from the
/// final name.
[[nodiscard]] std::string temporary_name(const ExecutionId& execution, std::int64_t epoch,
                                         ItemId item);
/// `.dunlin-undo-<last 8 digits>`, in the destination root: old versions.
[[nodiscard]] std::string undo_folder_name(const ExecutionId& execution);
/// `.dunlin-part-<last 8 digits>`, in the destination root: large files that a pause or a crash
/// left half copied, by their item's number.
[[nodiscard]] std::string part_folder_name(const ExecutionId& execution);
/// `.dunlin-test-<last 8 digits>`: where a test copies its sample (scratch_place.h).
[[nodiscard]] std::string test_folder_name(const ExecutionId& execution);
/// The digits of the execution in a name of the forms above; empty for every other name. Such
/// entries are left out of every source, if the execution is one of ours: anybody may choose a
/// name.
[[nodiscard]] std::string_view execution_in_name(std::string_view name);

}  // namespace dunlin::files
