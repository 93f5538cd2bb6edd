// ScriptedKind: a kind of migration that does what a script says: succeed, fail, stall, lie, lose a
// reply, meet a full disk. For tests of the engine and of the proofs themselves.
//
// Its destination is a folder of small files, so that it survives the death of the process, or a
// map in memory. Each of the three commit scopes has a form of its own there: a file per item, a
// file per batch, one file for everything. Each write follows the order of durable steps that a
// real kind has: intent, temporary, fence, publish, outcome; with a crash point at each.
//
// The plan: {"kind":"scripted", "source":{"script":PATH}, "destination":{"path":DIR}}; without
// "path" the memory given to the constructor. Thread rule: as Kind and Run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/kind.h"

namespace dunlin::testing {

struct ScriptedItem {
  enum class Kind : std::uint8_t {
    succeed,
    fail,        ///< permission_denied, for good
    lie,         ///< reports completed and writes nothing
    lose_reply,  ///< writes, and reports connection_reset the first time
    system,      ///< disk_full until Script::mended exists
    fatal,       ///< schema_mismatch until Script::mended exists
  };
  std::string name;     ///< any bytes
  std::string content;  ///< any bytes
  Kind kind = Kind::succeed;
  std::int32_t failures = 0;  ///< tries that end in connection_reset first
  std::int64_t stall_ms = 0;  ///< waits so long before it does anything
};

/// Items of consecutive batches.
struct ScriptedStage {
  std::string task_type = "scripted";
  std::int64_t items = 0;
  bool barrier = false;
  bool chained = false;  ///< each batch depends on the one before it
};

struct Script {
  engine::CommitScope scope = engine::CommitScope::item;
  std::int64_t batch_items = 5;
  std::int64_t batches_per_chunk = 2;
  std::vector<ScriptedStage> stages;  ///< empty: one with every item
  std::vector<ScriptedItem> items;
  std::map<std::int64_t, ErrorType> batch_errors;  ///< by batch: of execute() as a whole
  std::int32_t batch_failures = 1 << 30;           ///< so many tries of such a batch end so

  /// `count` items "item 1" …, each with a content of its own.
  [[nodiscard]] static Script of(std::int64_t count);
  [[nodiscard]] Json encode() const;
  [[nodiscard]] static Result<Script> decode(const Json& json);
  /// Writes it where a plan can name it.
  [[nodiscard]] Status save(const std::string& path) const;
};

/// Named blobs. A name that starts with ".dunlin-" is the run's own business.
class ScriptedDestination {
 public:
  virtual ~ScriptedDestination() = default;
  [[nodiscard]] virtual std::string identity() const = 0;
  [[nodiscard]] virtual Result<std::optional<std::string>> read(std::string_view name) = 0;
  [[nodiscard]] virtual Status write(std::string_view name, std::string_view bytes) = 0;
  /// In one step; replaces what stands there.
  [[nodiscard]] virtual Status rename(std::string_view from, std::string_view to) = 0;
  /// A second name for what stands there; success when `to` exists already.
  [[nodiscard]] virtual Status link(std::string_view from, std::string_view to) = 0;
  /// Success when there is none.
  [[nodiscard]] virtual Status remove(std::string_view name) = 0;
  [[nodiscard]] virtual std::vector<std::string> names() = 0;
};

[[nodiscard]] std::shared_ptr<ScriptedDestination> make_memory_destination();
[[nodiscard]] std::shared_ptr<ScriptedDestination> make_folder_destination(std::string path);

/// What a person sees there: item name -> content, whatever the scope. `leftovers` receives the
/// names of what is not meant to be seen.
[[nodiscard]] std::map<std::string, std::string> scripted_contents(
    ScriptedDestination& destination, std::vector<std::string>* leftovers = nullptr);

/// `memory`: destination of plans that name no path.
[[nodiscard]] std::unique_ptr<engine::Kind> make_scripted_kind(
    std::shared_ptr<ScriptedDestination> memory = nullptr);

}  // namespace dunlin::testing
