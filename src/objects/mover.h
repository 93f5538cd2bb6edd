// Mover: what happens to one item: copied, adopted after a crash, compared, taken back.
//
// ObjectsRun (objects_run.h) knows batches and lists; this class knows the order of steps for one
// object, which is the table in README.md. Nothing is ever written or removed at the destination
// without a condition on the version that was looked at. Stateless but for its references; safe
// from any thread for different items.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/run.h"
#include "objects/backend.h"
#include "objects/item_record.h"
#include "objects/objects_plan.h"
#include "objects/transfer.h"

namespace dunlin::objects {

/// What execute would do with an item: the one decision function, shared with the dry run.
struct Decision {
  enum class Action : std::uint8_t { create, overwrite, skip, conflict };
  Action action = Action::create;
  std::string reason;
};
/// `standing`: what is at the destination and is not this item's own work.
[[nodiscard]] Decision decide(Conflict conflict, const ObjectInfo& source,
                              const std::optional<ObjectInfo>& standing);

class Mover {
 public:
  Mover(const ObjectsPlan& plan, const KeyMap& keys, Backend& source, Backend& destination)
      : plan_(plan), keys_(keys), source_(source), destination_(destination) {}

  /// As copy() would decide now, from the listing; changes nothing.
  [[nodiscard]] Result<engine::ItemOutcome> rehearse(engine::BatchContext& context,
                                                     const engine::ItemRow& item);
  /// Idempotent: an object that an earlier attempt left is adopted, replaced or taken back first.
  [[nodiscard]] Result<engine::ItemOutcome> copy(engine::BatchContext& context,
                                                 const engine::ItemRow& item);
  /// After a crash: aborts the recorded upload; the outcome when the object is there and proven.
  [[nodiscard]] Result<std::optional<engine::ItemOutcome>> settle(engine::BatchContext& context,
                                                                  const engine::ItemRow& item);
  /// Success: equal to what was recorded. verification_mismatch and destination_changed say in what
  /// it differs; other errors that it could not be looked at.
  [[nodiscard]] Status verify(engine::BatchContext& context, const engine::ItemRow& item);
  /// destination_changed where somebody else wrote since. Repeatable.
  [[nodiscard]] Result<engine::ItemOutcome> undo(engine::BatchContext& context,
                                                 const engine::ItemRow& item);

 private:
  /// One item with its keys; built once per call.
  struct Work {
    engine::BatchContext& context;
    const engine::ItemRow& item;
    ItemDetail detail;
    std::string source_key;
    std::string key;       ///< at the destination
    std::string undo_key;  ///< where an old version is kept

    [[nodiscard]] const CancelToken& cancel() const { return context.cancel(); }
    [[nodiscard]] bool full() const;
  };
  using Found = std::optional<ObjectInfo>;

  [[nodiscard]] Result<Work> work_for(engine::BatchContext& context, const engine::ItemRow& item);
  [[nodiscard]] ObjectInfo listed(const Work& work) const;
  [[nodiscard]] Result<engine::ItemOutcome> with_kept(const Work& work, engine::ItemOutcome outcome,
                                                      Found old);
  [[nodiscard]] Result<Found> look(const Work& work, Backend& backend, const std::string& key);
  [[nodiscard]] Result<std::optional<engine::ItemOutcome>> without_writing(
      const Work& work, const Decision& decision) const;
  [[nodiscard]] std::optional<Mark> own_mark(const Work& work, const Found& standing) const;
  [[nodiscard]] Status abort_recorded(const Work& work);
  [[nodiscard]] Result<engine::ItemOutcome> write(const Work& work, const ObjectInfo& source,
                                                  const Found& standing,
                                                  const std::string& replaced);
  [[nodiscard]] Result<std::string> md5_of(const Work& work, Backend& backend,
                                           const ObjectInfo& version);
  [[nodiscard]] Result<store::Proof> prove(const Work& work, const Copied& copied,
                                           engine::ItemInFlight* in_flight);
  [[nodiscard]] Result<std::optional<engine::ItemOutcome>> adopt(const Work& work,
                                                                 const ObjectInfo& standing,
                                                                 const Mark& mark);
  [[nodiscard]] Result<bool> same_bytes(const Work& work, const ObjectInfo& one,
                                        const ObjectInfo& other);
  [[nodiscard]] Status copy_kept(const Work& work, const ObjectInfo& from, const std::string& to,
                                 const WriteCondition& condition, const Metadata& metadata);
  [[nodiscard]] Status preserve(const Work& work, const ObjectInfo& old);
  [[nodiscard]] Status take_back(const Work& work, const std::string& etag,
                                 const std::string& replaced);
  [[nodiscard]] Status restore(const Work& work, const std::string& etag);
  [[nodiscard]] Result<bool> is_old_version(const Work& work, const ObjectInfo& standing,
                                            const std::string& replaced);

  const ObjectsPlan& plan_;
  const KeyMap& keys_;
  Backend& source_;
  Backend& destination_;
};

}  // namespace dunlin::objects
