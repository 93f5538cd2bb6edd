// Selection: what of the source is taken (files.md F-1). Decoded from the plan's `source` section,
// asked by the enumeration for every entry that it lists.
//
// An entry is taken when every rule of the plan takes it. What a pattern says of a directory holds
// for all below it, as in git: an excluded one is not entered. Directories themselves are left out
// by patterns and lists only, never by size, time or type: they are made as the source has them.
//
// Immutable once the time is frozen; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/binary.h"
#include "base/json.h"
#include "base/result.h"
#include "files/glob.h"
#include "fs/types.h"

namespace dunlin::files {

/// Which rule left an entry out. The numbers are stored in ledgers: never renumber.
enum class Rule : std::uint8_t {
  files_from = 0,
  exclude = 1,
  include = 2,
  file_types = 3,
  min_size = 4,
  max_size = 5,
  modified_since = 6,
  one_file_system = 7,  ///< what is mounted on a directory; the directory itself is taken
  incremental = 8,      ///< no rule of the plan: unchanged since the execution that it builds on
};
inline constexpr std::size_t kRules = 9;
/// As people type it: "--exclude".
[[nodiscard]] std::string_view flag_of(Rule rule);

enum class FileGroup : std::uint8_t { image, video, audio, document, archive, code, other };
/// By the extension alone (the part behind the last dot, ASCII case ignored).
[[nodiscard]] FileGroup group_of(std::string_view name);

/// A gitignore list: the last pattern that matches decides, '!' reverses it.
class PatternList {
 public:
  void add(Glob glob) { globs_.push_back(std::move(glob)); }
  [[nodiscard]] bool empty() const { return globs_.empty(); }
  /// Of the entry alone: its directories are the caller's to ask about.
  [[nodiscard]] bool matches(std::string_view path, std::string_view name, bool directory) const;
  [[nodiscard]] bool may_match_below(std::string_view path) const;

 private:
  std::vector<Glob> globs_;
};

class Selection {
 public:
  /// What is known of a directory before its entries are asked about.
  struct Inside {
    bool included = false;  ///< it or one above it matches an include pattern
    bool listed = false;    ///< `files_from` takes it with all it holds
  };

  [[nodiscard]] bool takes_everything() const;
  /// Of a directory that was taken itself, by its path relative to the root.
  [[nodiscard]] Inside inside(std::string_view directory) const;
  /// The rule by which the entry is left out; nullopt: it is taken. `looked` false: its type is
  /// the listing's and nothing else is known, so that only names count.
  [[nodiscard]] std::optional<Rule> leaves_out(const Inside& inside, std::string_view path,
                                               std::string_view name, const fs::FileInfo& info,
                                               bool looked = true) const;
  /// Types by content are asked for at all: then leaves_out() may leave the last word to
  /// takes_content().
  [[nodiscard]] bool asks_content() const { return !mimes_.empty(); }
  /// Of an entry that leaves_out() takes: only what it holds can tell.
  [[nodiscard]] bool asks_content(std::string_view name) const;
  /// By its type as libmagic has it: "image/jpeg".
  [[nodiscard]] bool takes_content(std::string_view mime) const;
  [[nodiscard]] bool one_file_system() const { return one_file_system_; }
  [[nodiscard]] fs::Follow follow_symlinks() const { return follow_; }
  /// The names directly below the directory that `files_from` wants: what is not there is an error.
  [[nodiscard]] std::vector<std::string> wanted_in(std::string_view directory) const;

  /// `modified_since: 7d` counts from the moment when the enumeration began, also after a crash:
  /// the enumeration asks once, keeps the answer in its cursor, and gives it back when it goes on.
  [[nodiscard]] std::optional<fs::Time> modified_since(std::int64_t now_ms) const;
  void freeze(fs::Time modified_since) { modified_since_ = modified_since; }

  /// Reads the keys of kKeys from the `source` section, one line per problem.
  static constexpr std::array<std::string_view, 9> kKeys{
      "include_patterns", "exclude_patterns", "min_file_size",   "max_file_size", "modified_since",
      "file_types",       "follow_symlinks",  "one_file_system", "files_from"};
  void decode(const Json& source, std::vector<std::string>& problems);

 private:
  PatternList include_;
  PatternList exclude_;
  std::int64_t min_size_ = 0;
  std::optional<std::int64_t> max_size_;
  std::optional<fs::Time> modified_since_;
  std::optional<std::int64_t> younger_than_ms_;
  std::uint8_t groups_ = 0;         ///< bits by FileGroup; 0, and no mimes_: all
  std::vector<std::string> mimes_;  ///< "image/jpeg", or "video/" for "video/*"
  void decode_types(const std::vector<std::string>& names, std::vector<std::string>& problems);
  [[nodiscard]] bool in_groups(std::string_view name) const;
  bool one_file_system_ = false;
  fs::Follow follow_ = fs::Follow::never;
  bool has_list_ = false;
  std::vector<std::string> list_;   ///< sorted bytewise, without slash at either end
  std::vector<std::string> whole_;  ///< those that were written with a slash at their end
};

/// The `source` keys for the flags of `dunlin copy`; invalid_input names the flag. The names of
/// --files-from are read now and become part of the plan.
[[nodiscard]] Result<bool> put_selection_flag(Json& source, std::string_view flag,
                                              const std::string& value);
/// Reads `path` ("-": standard input) into source/files_from.
[[nodiscard]] Status put_files_from(Json& source, const std::string& path, bool nul_separated);
[[nodiscard]] std::string_view to_string(fs::Follow follow);
/// Properties of `source` for the plan's JSON Schema.
void add_selection_schema(Json& properties);

/// How much was taken and left out so far, for the words at the end.
struct SelectionCounts {
  std::int64_t taken = 0;  ///< entries that are no directories
  std::array<std::int64_t, kRules> left_out{};

  void add(const SelectionCounts& more);
  [[nodiscard]] std::int64_t all_left_out() const;
  /// "1,200 entries by --exclude, …, 50,000 entries unchanged since the last time"; empty when
  /// nothing was left out.
  [[nodiscard]] std::string text() const;
};
void put(ByteWriter& out, const SelectionCounts& counts);
[[nodiscard]] SelectionCounts get_selection_counts(ByteReader& in);

}  // namespace dunlin::files
