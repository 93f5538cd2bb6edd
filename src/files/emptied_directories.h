// EmptiedDirectories: source directories that a move has emptied, removed deepest first when that
// was asked for, and made again by undo.
//
// Only an empty directory is ever removed (rmdir), so what could not be listed, was left out or
// came later keeps its directory. One for one pass over one batch; the items run on the pool.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"
#include "files/records.h"
#include "files/site.h"
#include "fs/flush.h"

namespace dunlin::files {

class EmptiedDirectories {
 public:
  EmptiedDirectories(Site& site, engine::BatchContext& context) : site_(site), context_(context) {}

  [[nodiscard]] Status remove();
  [[nodiscard]] Status undo();
  /// Of what is in doubt: those that are gone are as they were.
  [[nodiscard]] Status settle();
  /// That they are gone is not compared: somebody may need the name again.
  [[nodiscard]] Status verify();
  [[nodiscard]] Status rehearse();

 private:
  [[nodiscard]] Status record_what_stands();
  [[nodiscard]] static engine::ItemOutcome stays(engine::ItemOutcome outcome, std::string_view why);
  [[nodiscard]] Result<bool> has_arrived(const engine::ItemRow& row);
  [[nodiscard]] Result<std::string> why_it_stays(const engine::ItemRow& row);
  [[nodiscard]] Result<engine::ItemOutcome> remove_one(const engine::ItemRow& row);
  [[nodiscard]] Result<engine::ItemOutcome> make_again(const engine::ItemRow& row);

  Site& site_;
  engine::BatchContext& context_;
  std::vector<engine::ItemRow> rows_;
  fs::BatchFlush flush_;
};

}  // namespace dunlin::files
