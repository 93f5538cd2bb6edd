// What a power cut would leave, by the system calls so far: the bytes of a file are safe once an
// fsync or fdatasync of it, or a syncfs of its tree, began after they were written and has ended;
// a name once an fsync of its directory or a syncfs did. Nothing else is believed, though many a
// file system does more: unflushed work is lost, all of it.
//
// A syncfs counts for the tree in which it was asked for, as if each tree were a device of its own:
// a flush of the destination must not be what saves the ledger. One thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "system_calls.h"

namespace dunlin::crash {

class Disk {
 public:
  /// What stands in `trees` now is safe. Whatever lies outside is not looked at.
  explicit Disk(std::vector<std::string> trees);

  /// A call does what it does from its beginning on, and a flush has flushed when it has ended.
  /// Calls that failed have to be left out.
  void begin(const SystemCall& call);
  void end(const SystemCall& call);
  /// The program was killed in the middle of `cut_short`: what it did at last is looked up in the
  /// trees. The page cache has survived, nothing more is safe than before.
  void killed(Moment moment, const std::vector<SystemCall>& cut_short);

  [[nodiscard]] bool content_flushed(const std::string& path) const;
  [[nodiscard]] bool metadata_flushed(const std::string& path) const;
  /// The last change of this name, also a removal.
  [[nodiscard]] bool name_flushed(const std::string& path) const;
  /// The name and those of the directories above it, up to the tree.
  [[nodiscard]] bool path_flushed(const std::string& path) const;
  /// Somebody has made, renamed or removed it since the beginning.
  [[nodiscard]] bool name_changed(const std::string& path) const;
  /// A symlink, FIFO, socket or device: there is no descriptor to flush it by.
  [[nodiscard]] bool is_node(const std::string& path) const;
  /// Of databases (*.db, with their logs and journals): the bytes of now, of after a power cut.
  [[nodiscard]] std::optional<std::string> bytes_now(const std::string& path) const;
  [[nodiscard]] std::optional<std::string> bytes_after_cut(const std::string& path) const;
  /// Counts completed flushes: when it has not changed, nothing more is safe.
  [[nodiscard]] std::size_t flushes() const { return flushes_; }
  /// What the model cannot follow; empty when it could follow everything.
  [[nodiscard]] const std::string& confused_by() const { return confused_by_; }

 private:
  /// A row of changes: safe when the last one ended before the last flush began.
  struct Changes {
    int under_way = 0;
    Moment last = 0;
    Moment flushed = 0;
    void cut_short(Moment moment);
    [[nodiscard]] bool safe() const { return under_way == 0 && last <= flushed; }
    [[nodiscard]] bool safe_since(Moment began) const { return under_way == 0 && last < began; }
  };
  struct File {
    Changes content;
    Changes metadata;
    bool node = false;
    std::string now;   ///< of databases
    std::string safe;  ///< of databases
  };
  struct Name {
    Changes changes;
    bool present = false;
    bool safely_present = false;
    /// Removed or replaced, but not yet safely: what a power cut brings back.
    std::optional<std::string> old_bytes;
  };
  /// What a flush has seen at its beginning, by that moment.
  using Snapshot = std::map<std::string, std::string>;

  [[nodiscard]] const std::string* tree_of(const std::string& path) const;
  File& file(const std::string& path) { return files_[path]; }
  Name& name(const std::string& path);
  [[nodiscard]] const Name* find_name(const std::string& path) const;
  void read_tree(const std::string& tree);
  void create(const std::string& path);
  void remove(const std::string& path);
  void rename(const std::string& from, const std::string& to, bool exchange);
  void write_bytes(const SystemCall& call, const std::string& path);
  void begin_flush(const SystemCall& call, const std::string& path, bool whole_tree);
  void end_flush(const SystemCall& call, const std::string& path, bool whole_tree);

  std::vector<std::string> trees_;
  std::map<std::string, File> files_;
  std::map<std::string, Name> names_;
  std::map<Moment, Snapshot> flushing_;
  std::map<Moment, std::vector<std::string>> created_by_;
  std::size_t flushes_ = 0;
  std::string confused_by_;
};

/// The path whose bytes, size or metadata the call changes, and what it changes; empty: none.
struct Written {
  std::string path;
  bool content = false;
};
[[nodiscard]] Written written_by(const SystemCall& call);
/// The names that the call changes: none, one, or two for a rename or link (from, to).
[[nodiscard]] std::vector<std::string> names_changed_by(const SystemCall& call);

}  // namespace dunlin::crash
