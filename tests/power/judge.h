// What must hold at the destination right after a power cut, before dunlin is asked again. Judged
// by support/tree_compare and the ledger's rows, nothing of src/. One thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ledger_view.h"

namespace dunlin::power {

struct Trees {
  std::string source;
  std::string old;    ///< what the destination held before
  bool exact = true;  ///< else without flags, and holes may be filled: made again by `cp -a`
};

/// Where the cut fell, by what it left.
enum class Phase : std::uint8_t {
  not_recorded,  ///< no ledger
  recorded,      ///< a ledger, and nothing at the destination that it does not call done
  temporaries,   ///< some
  names_ahead,   ///< complete files under their names, not yet called done
  ended,         ///< called done as a whole
};
[[nodiscard]] const char* to_string(Phase phase);
[[nodiscard]] const std::vector<Phase>& phases();

struct Judgement {
  Phase phase = Phase::not_recorded;
  std::size_t completed = 0;  ///< items that the ledger calls done, each there and equal
  std::size_t names_ahead = 0;
  std::size_t temporaries = 0;
  std::size_t old_ones = 0;  ///< files still in their old version
  std::vector<std::string> failures;
};

/// - Every item that the ledger calls completed is there and equal: content, size, mode, time,
///   owner, attributes, links.
/// - Every file that is overwritten is whole, old or new.
/// - Under a name that the copy makes stands nothing, or the whole file.
/// - A temporary belongs to a batch that the ledger holds as executing, a new name to one whose
///   intents it holds: nothing was done before it was announced.
[[nodiscard]] Judgement judge_cut(const Trees& trees, const std::string& destination,
                                  const LedgerView& ledger);

/// The differences of a finished copy: nothing but what was there before, and kept versions.
[[nodiscard]] std::vector<std::string> copy_differences(const Trees& trees,
                                                        const std::string& destination);
/// What a finished move has left at its source, directories aside: paths relative to it.
[[nodiscard]] std::vector<std::string> left_at_source(const std::string& source);
/// The differences of the source of a move that was taken back.
[[nodiscard]] std::vector<std::string> source_differences(const Trees& trees,
                                                          const std::string& source);
/// The differences of a copy that was taken back.
[[nodiscard]] std::vector<std::string> rollback_differences(const Trees& trees,
                                                            const std::string& destination);

}  // namespace dunlin::power
