// Selector: which items a person means (retry, skip, rollback of a part, a part that is held back
// or goes first). Pure; any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "store/model.h"

namespace dunlin::engine {

/// All of what is given has to match (Run::matches).
struct Selector {
  std::string path_glob;  ///< of the path below the source; '*' also stands for '/'
  std::string entity;     ///< directory, table …: the kind says
  std::string type;       ///< file, symlink …: the kind says

  [[nodiscard]] bool empty() const { return path_glob.empty() && entity.empty() && type.empty(); }
  friend bool operator==(const Selector&, const Selector&) = default;
};

/// What a rollback of a part takes back: all of what is given has to match.
struct UndoSelector {
  Selector of;
  BatchId batch;  ///< not valid: any; the same below
  TaskId task;
  ItemId item;
};

/// {"path", "entity", "type"}: what is given.
[[nodiscard]] Json selector_json(const Selector& selector);
/// invalid_input names another key, what is no text, and when nothing is given.
[[nodiscard]] Result<Selector> selector_from(const Json& json);
/// {"batch", "task", "item", "path", "entity", "type"}; invalid_input as selector_from(), and for a
/// number below 1.
[[nodiscard]] Result<UndoSelector> undo_selector_from(const Json& json);
/// Do the arguments of a verb name a part of the work, and not all of it?
[[nodiscard]] bool names_part(const Json& arguments);
/// As the flags that give it: --path 'photos/*' --type symlink.
[[nodiscard]] std::string selector_flags(const Selector& selector);
[[nodiscard]] std::string selector_flags(const UndoSelector& selector);

}  // namespace dunlin::engine
