// Shadow; see shadow.h.
#include "sim/shadow.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace dunlin::sim {

using store::BatchResult;
using store::BatchStatus;
using store::ItemStatus;
using store::Pass;

/// While a batch executes, the others see it as it was before.
BatchStatus Shadow::seen(const Batch& batch) {
  return batch.status == BatchStatus::executing ? batch.before : batch.status;
}

bool Shadow::ended_well(const Batch& batch) {
  return seen(batch) == BatchStatus::done || seen(batch) == BatchStatus::staged ||
         seen(batch) == BatchStatus::undone;
}

std::string Shadow::accept(const store::Mutation& mutation) {
  if (const auto* work = std::get_if<store::AppendWork>(&mutation)) return append(*work);
  if (const auto* starts = std::get_if<store::StartBatches>(&mutation)) return start(*starts);
  if (const auto* record = std::get_if<store::RecordOutcomes>(&mutation)) {
    return outcomes(record->batch.value, record->token, record->outcomes);
  }
  if (const auto* intents = std::get_if<store::RecordIntents>(&mutation)) {
    return outcomes(intents->batch.value, intents->token, {});
  }
  if (const auto* ended = std::get_if<store::EndBatch>(&mutation)) return end(*ended);
  if (const auto* items = std::get_if<store::ReopenItems>(&mutation)) reopen(*items);
  if (const auto* status = std::get_if<store::SetStatus>(&mutation)) return enter(*status);
  if (std::holds_alternative<store::BeginCommit>(mutation)) committing_ = true;
  if (std::holds_alternative<store::CompleteStaged>(mutation)) {
    committing_ = false;
    for (auto& [id, batch] : batches_) {
      if (batch.status != BatchStatus::staged) continue;
      batch.status = BatchStatus::done;
      for (const auto& row : scenario_.batches.at(id).row.items) {
        Item& item = items_.at(row.id.value);
        item.committed = item.status == ItemStatus::completed;
      }
    }
  }
  if (std::holds_alternative<store::UnstageAll>(mutation)) {
    committing_ = false;
    for (auto& [id, batch] : batches_) {
      if (batch.status != BatchStatus::staged) continue;
      batch.status = BatchStatus::pending;
      // What an earlier transaction committed, before a retry opened the rest, is not lost with
      // this one.
      for (const auto& row : scenario_.batches.at(id).row.items) {
        Item& item = items_.at(row.id.value);
        if (!item.committed) item = {ItemStatus::pending, id, false, false};
      }
    }
  }
  if (std::holds_alternative<store::ReleaseHeld>(mutation)) taken_over();
  if (std::holds_alternative<store::ResetVerification>(mutation)) {
    verified_items_ = differences_ = 0;
    for (auto& [id, batch] : batches_) batch.verified = false;
  }
  return {};
}

/// A further rollback opens what the one before has left something of.
std::string Shadow::enter(const store::SetStatus& to) {
  using store::ExecutionStatus;
  const ExecutionStatus status = to.to;
  if (status == ExecutionStatus::rolling_back) {
    part_ = to.part.has_value();
    for (auto& [id, batch] : batches_) batch.tried = false;
  }
  const bool further =
      status_ == ExecutionStatus::rolled_back && status == ExecutionStatus::rolling_back;
  status_ = status;
  if (!further) return {};
  bool any = false;
  for (const auto& [id, item] : items_) {
    if (item.status != ItemStatus::completed) continue;
    any = true;
    Batch& batch = batches_.at(item.batch);
    if (batch.status == BatchStatus::undone) batch.status = BatchStatus::done;
  }
  return any ? std::string() : "a further rollback although nothing is left";
}

bool Shadow::anything_begun() const {
  return std::any_of(batches_.begin(), batches_.end(),
                     [](const auto& one) { return one.second.token > 0; });
}

std::string Shadow::append(const store::AppendWork& work) {
  enumeration_complete_ = work.complete;
  for (const auto& batch : work.batches) {
    if (!batches_.try_emplace(batch.id.value).second)
      return fmt::format("batch {} was journaled twice", batch.id.value);
    for (const auto& item : batch.items) {
      if (!items_
               .try_emplace(item.id.value, Item{ItemStatus::pending, batch.id.value, false, false})
               .second) {
        return fmt::format("item {} was journaled twice", item.id.value);
      }
    }
    if (!batch.skip_reason.empty()) {
      batches_.at(batch.id.value).status = BatchStatus::done;
      for (const auto& item : batch.items) items_.at(item.id.value).status = ItemStatus::skipped;
      continue;
    }
    if (!doomed(batch.id.value)) continue;
    batches_.at(batch.id.value).status = BatchStatus::skipped;
    for (const auto& item : batch.items)
      items_.at(item.id.value) = {ItemStatus::skipped, batch.id.value, true, false};
  }
  return {};
}

std::string Shadow::blocked(std::int64_t id, Pass pass) const {
  const BatchScript& script = scenario_.batches.at(id);
  const Batch& batch = batches_.at(id);
  if (pass == Pass::work) {
    if (batch.status != BatchStatus::pending)
      return fmt::format("it is {}", to_string(batch.status));
    if (batch.held) return "it is held";
    for (const BatchId before : script.row.depends_on) {
      if (!ended_well(batches_.at(before.value))) {
        return fmt::format("it depends on batch {}, which is {}", before.value,
                           to_string(batches_.at(before.value).status));
      }
    }
    if (script.barrier && !enumeration_complete_)
      return "its stage is a barrier and more may come below it";
    for (const auto& [other, state] : batches_) {
      const bool open = seen(state) == BatchStatus::pending;
      if (script.barrier && open && scenario_.batches.at(other).stage < script.stage) {
        return fmt::format("its stage is a barrier and batch {} of stage {} has not ended", other,
                           scenario_.batches.at(other).stage);
      }
    }
    return {};
  }
  if (pass == Pass::verify) {
    if (batch.status != BatchStatus::done) return fmt::format("it is {}", to_string(batch.status));
    return batch.verified ? "it is verified already" : std::string();
  }
  for (const auto& [other, state] : batches_) {
    const bool effective = (state.status == BatchStatus::done && !state.tried) ||
                           (state.status == BatchStatus::executing && state.pass == Pass::undo);
    if (other == id || !effective) continue;
    const BatchScript& later = scenario_.batches.at(other);
    if (std::find(later.row.depends_on.begin(), later.row.depends_on.end(), BatchId(id)) !=
        later.row.depends_on.end()) {
      return fmt::format("batch {}, which depends on it, is not undone", other);
    }
    if (later.barrier && later.stage > script.stage) {
      return fmt::format("batch {} of the barrier stage {} above is not undone", other,
                         later.stage);
    }
  }
  return {};
}

std::string Shadow::start(const store::StartBatches& starts) {
  for (const auto& one : starts.starts) {
    if (const std::string why = blocked(one.batch.value, starts.pass); !why.empty()) {
      return fmt::format("batch {} was started for {} although {}", one.batch.value,
                         to_string(starts.pass), why);
    }
    Batch& batch = batches_.at(one.batch.value);
    if (one.token <= batch.token)
      return fmt::format("batch {}: token {} after {}", one.batch.value, one.token, batch.token);
    batch.before = batch.status;
    batch.status = BatchStatus::executing;
    batch.pass = starts.pass;
    batch.token = one.token;
  }
  return {};
}

std::string Shadow::outcomes(std::int64_t id, std::int64_t token,
                             const std::vector<store::ItemOutcome>& list) {
  const Batch& batch = batches_.at(id);
  if (batch.status != BatchStatus::executing || batch.token != token) {
    return fmt::format(
        "outcomes or intents for batch {} under token {} were taken; it is {} under {}", id, token,
        to_string(batch.status), batch.token);
  }
  for (const auto& outcome : list) {
    Item& item = items_.at(outcome.item.value);
    if (item.batch != id) return fmt::format("item {} is not of batch {}", outcome.item.value, id);
    const ItemStatus from = batch.pass == Pass::undo ? ItemStatus::completed : ItemStatus::pending;
    if (item.status != from) continue;
    // Undo that fails leaves the item completed, with an error.
    if (batch.pass == Pass::undo && outcome.status != ItemStatus::rolled_back) continue;
    item.status = outcome.status;
  }
  return {};
}

std::string Shadow::end(const store::EndBatch& ended) {
  const std::int64_t id = ended.batch.value;
  if (std::string why = outcomes(id, ended.token, ended.outcomes); !why.empty()) return why;
  Batch& batch = batches_.at(id);
  if (batch.pass != ended.pass)
    return fmt::format("batch {} ended another pass than it was started for", id);
  const bool again = ended.result == BatchResult::retry ||
                     ended.result == BatchResult::interrupted || ended.result == BatchResult::held;
  if (again) {
    batch.status = batch.before;
    batch.held = ended.result == BatchResult::held;
    return {};
  }
  switch (ended.pass) {
    case Pass::work: {
      batch.status = ended.result == BatchResult::failed   ? BatchStatus::failed
                     : ended.result == BatchResult::staged ? BatchStatus::staged
                                                           : BatchStatus::done;
      for (const auto& item : scenario_.batches.at(id).row.items) {
        Item& shadow = items_.at(item.id.value);
        if (shadow.status != ItemStatus::pending) continue;
        if (ended.result != BatchResult::failed) {
          return fmt::format("batch {} ended as {} with item {} pending", id,
                             to_string(batch.status), item.id.value);
        }
        shadow.status = ItemStatus::failed;
      }
      if (ended.result == BatchResult::failed) skip_dependants(id);
      break;
    }
    case Pass::verify:
      batch.status = BatchStatus::done;
      batch.verified = true;
      verified_items_ += ended.verified_items;
      differences_ += static_cast<std::int64_t>(ended.differences.size());
      break;
    case Pass::undo:
      batch.status = ended.result == BatchResult::done ? BatchStatus::undone : BatchStatus::done;
      // Nor is one of which nothing was taken back: what depends on it may have something.
      if (part_ && batch.status == BatchStatus::undone &&
          (has(id, ItemStatus::completed) || !has(id, ItemStatus::rolled_back))) {
        batch.status = BatchStatus::done;
        batch.tried = true;
      }
      break;
  }
  return {};
}

bool Shadow::has(std::int64_t batch, ItemStatus status) const {
  return std::any_of(items_.begin(), items_.end(), [&](const auto& one) {
    return one.second.batch == batch && one.second.status == status;
  });
}

void Shadow::skip_dependants(std::int64_t cause) {
  for (const auto& [id, script] : scenario_.batches) {
    const auto& before = script.row.depends_on;
    if (!batches_.contains(id) ||
        std::find(before.begin(), before.end(), BatchId(cause)) == before.end())
      continue;
    Batch& batch = batches_.at(id);
    if (batch.status != BatchStatus::pending) continue;
    batch.status = BatchStatus::skipped;
    for (const auto& item : script.row.items) {
      Item& shadow = items_.at(item.id.value);
      if (shadow.status == ItemStatus::pending) shadow = {ItemStatus::skipped, id, true, false};
    }
    skip_dependants(id);
  }
}

/// In order of batches: a skipped one opens, whole, once nothing that it waits for stands as
/// failed; opening one opens the skipped ones that waited for it. What is being worked on, staged
/// or undone is left alone.
void Shadow::reopen(const store::ReopenItems& mutation) {
  std::map<std::int64_t, std::set<std::int64_t>> named;
  for (const ItemId id : mutation.items) named[items_.at(id.value).batch].insert(id.value);
  std::set<std::int64_t> wholes;
  for (const BatchId id : mutation.batches) {
    wholes.insert(id.value);
    named.try_emplace(id.value);
  }
  while (!named.empty()) {
    const auto [id, items] = *named.begin();
    named.erase(named.begin());
    Batch& batch = batches_.at(id);
    const BatchStatus was = batch.status;
    if (was == BatchStatus::executing) continue;
    if (mutation.to == ItemStatus::skipped) {
      for (const std::int64_t item : items) {
        if (items_.at(item).status == ItemStatus::failed)
          items_.at(item).status = ItemStatus::skipped;
      }
      continue;
    }
    if (was == BatchStatus::staged || was == BatchStatus::undone) continue;
    if (was == BatchStatus::skipped && doomed(id)) continue;
    const bool whole = was == BatchStatus::skipped;
    const bool by_name = wholes.contains(id);
    bool any = whole || (by_name && was == BatchStatus::failed);
    for (const auto& row : scenario_.batches.at(id).row.items) {
      Item& item = items_.at(row.id.value);
      const bool wanted =
          whole ? item.status == ItemStatus::failed || item.status == ItemStatus::skipped
                : item.status == ItemStatus::failed && (by_name || items.contains(row.id.value));
      if (!wanted) continue;
      item = {ItemStatus::pending, id, false, false};
      any = true;
    }
    if (!any) continue;
    batch.held = false;
    batch.status = BatchStatus::pending;
    batch.verified = false;
    if (was != BatchStatus::failed && was != BatchStatus::skipped) continue;
    for (const auto& [other, script] : scenario_.batches) {
      const auto& before = script.row.depends_on;
      if (!batches_.contains(other) || batches_.at(other).status != BatchStatus::skipped) continue;
      if (std::find(before.begin(), before.end(), BatchId(id)) != before.end())
        named.try_emplace(other);
    }
  }
}

bool Shadow::doomed(std::int64_t id) const {
  const auto& before = scenario_.batches.at(id).row.depends_on;
  return std::any_of(before.begin(), before.end(), [&](BatchId other) {
    const BatchStatus status = batches_.at(other.value).status;
    return status == BatchStatus::failed || status == BatchStatus::skipped;
  });
}

std::string Shadow::compare(const store::Counters& counters) const {
  store::Counters mine;
  for (const auto& [id, item] : items_) {
    const auto& members = store::outcome_counters(scenario_.batches.at(item.batch).count_as);
    ++(mine.*members.total);
    // What is staged may still be lost: it counts once it is committed.
    const bool staged = batches_.at(item.batch).status == BatchStatus::staged && !item.committed;
    mine.*members.succeeded += item.status == ItemStatus::completed && !staged ? 1 : 0;
    mine.*members.failed += item.status == ItemStatus::failed ? 1 : 0;
    mine.*members.skipped += item.status == ItemStatus::skipped ? 1 : 0;
    mine.*members.rolled_back += item.status == ItemStatus::rolled_back ? 1 : 0;
  }
  for (const auto& [id, batch] : batches_) {
    ++mine.total_batches;
    mine.staged_batches += batch.status == BatchStatus::staged ? 1 : 0;
    mine.undone_batches += batch.status == BatchStatus::undone ? 1 : 0;
  }
  const auto differs = [](const std::string& name, std::int64_t real, std::int64_t recount) {
    return real == recount ? std::string()
                           : fmt::format("{} is {}, a recount gives {}", name, real, recount);
  };
  using store::CountAs;
  for (const CountAs one : {CountAs::items, CountAs::directories, CountAs::steps}) {
    const auto& members = store::outcome_counters(one);
    for (const auto& [name, member] :
         {std::pair("total", members.total), std::pair("succeeded", members.succeeded),
          std::pair("failed", members.failed), std::pair("skipped", members.skipped),
          std::pair("rolled_back", members.rolled_back)}) {
      const std::string text =
          differs(fmt::format("{}_{}", name, to_string(one)), counters.*member, mine.*member);
      if (!text.empty()) return text;
    }
  }
  for (const auto& text :
       {differs("total_batches", counters.total_batches, mine.total_batches),
        differs("staged_batches", counters.staged_batches, mine.staged_batches),
        differs("undone_batches", counters.undone_batches, mine.undone_batches)}) {
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace dunlin::sim
