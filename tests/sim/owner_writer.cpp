// Owner, second part: its ledger writer, with group commit, latency and failures; see owner.h.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/names.h"
#include "sim/owner.h"

namespace dunlin::sim {

void Owner::perform(co::Persist command) {
  const std::int64_t sequence = command.sequence;
  if (const auto found = written_.find(sequence); found != written_.end())
    return send(found->second);
  if (submitted_.contains(sequence)) return;
  waiting_.insert_or_assign(sequence, std::move(command));
  pump_persists();
}

/// In the order of their sequence; one that failed before and is asked for again goes behind the
/// others.
void Owner::pump_persists() {
  for (auto next = waiting_.begin(); next != waiting_.end() && next->first <= next_sequence_;
       next = waiting_.begin()) {
    const co::Persist command = std::move(next->second);
    waiting_.erase(next);
    next_sequence_ = std::max(next_sequence_, command.sequence + 1);
    submitted_.insert(command.sequence);
    submit(command.mutations, [this, command](const Written& written) {
      submitted_.erase(command.sequence);
      if (written.error) return send(co::PersistFailed{command.sequence, *written.error});
      for (std::size_t n = 0; n < command.mutations.size(); ++n) {
        if (!written.results[n].ok()) continue;
        if (const auto* starts = std::get_if<store::StartBatches>(&command.mutations[n])) {
          for (const auto& start : starts->starts)
            starts_[{start.batch.value, start.token}] = command.sequence;
        }
        if (std::holds_alternative<store::BeginCommit>(command.mutations[n]))
          begin_commit_sequence_ = command.sequence;
      }
      const co::Persisted done{command.sequence, written.results, written.counters, written.as_of};
      send(written_.emplace(command.sequence, done).first->second);
    });
  }
}

void Owner::submit(std::vector<store::Mutation> mutations,
                   std::function<void(const Written&)> done) {
  writer_queue_.push_back({std::move(mutations), std::move(done)});
  if (writer_busy_) return;
  writer_busy_ = true;
  world_.at(world_.rng().between(0, world_.scenario().knobs.writer_ms), this,
            [this] { commit_group(); });
}

/// Whatever waits goes into one transaction; now and then it is cut short, as the size limit of a
/// group does.
void Owner::commit_group() {
  std::size_t size = writer_queue_.size();
  if (world_.rng().chance(0.2)) size = 1 + world_.rng().below(size);
  std::vector<Job> jobs;
  for (; size > 0; --size) {
    jobs.push_back(std::move(writer_queue_.front()));
    writer_queue_.pop_front();
  }
  apply_group(std::move(jobs));
  writer_busy_ = !writer_queue_.empty();
  if (writer_busy_) {
    world_.at(world_.rng().between(1, world_.scenario().knobs.writer_ms), this,
              [this] { commit_group(); });
  }
}

void Owner::apply_group(std::vector<Job> jobs) {
  Written whole;
  std::vector<store::Mutation> all;
  for (const auto& job : jobs) all.insert(all.end(), job.mutations.begin(), job.mutations.end());
  if (world_.fault(world_.scenario().knobs.persist_failure)) {
    ++world_.count().persist_failures;
    whole.error =
        Error(world_.rng().chance(0.5) ? ErrorType::state_write_failed : ErrorType::database_locked,
              "simulated");
    if (world_.tracing()) world_.trace(who() + "    the transaction fails");
  } else {
    const auto before = world_.ledger().sequence();
    auto applied = world_.ledger().apply(epoch_, all);
    world_.require(applied.ok(),
                   [&] { return "the ledger refuses a transaction: " + applied.error().text(); });
    world_.require(applied->size() == all.size(),
                   [] { return "not one result for each mutation"; });
    ++world_.count().commits;
    if (world_.tracing()) {
      std::string text;
      for (const auto& mutation : all) text += " " + mutation_text(mutation);
      world_.trace(fmt::format("{}    written:{}", who(), text));
    }
    const auto row = world_.ledger().execution();
    const auto after = world_.ledger().sequence();
    whole.counters = row->counters;
    whole.as_of = *after;
    whole.results = std::move(*applied);
    if (stale()) {
      world_.require(*before == *after,
                     [this] { return who() + " is stale and changed the ledger all the same"; });
      for (const auto& result : whole.results) {
        world_.require(!result.ok() && result.error().type == ErrorType::stale_owner, [this] {
          return who() + " is stale and a mutation of its was not refused as such";
        });
      }
    } else {
      check_results(all, whole.results);
      const std::string difference = world_.shadow().compare(whole.counters);
      world_.require(difference.empty(), [&] { return "counters: " + difference; });
    }
  }
  // Applied and told are two moments: a crash between them leaves it durable and the process
  // ignorant.
  std::size_t at = 0;
  std::vector<std::pair<std::function<void(const Written&)>, Written>> told;
  for (auto& job : jobs) {
    Written one{whole.error, {}, whole.counters, whole.as_of};
    if (!whole.error) {
      one.results.assign(
          whole.results.begin() + static_cast<std::ptrdiff_t>(at),
          whole.results.begin() + static_cast<std::ptrdiff_t>(at + job.mutations.size()));
      at += job.mutations.size();
    }
    told.emplace_back(std::move(job.done), std::move(one));
  }
  world_.at(world_.rng().between(0, 2), this, [this, told = std::move(told)] {
    for (const auto& [done, written] : told) {
      if (alive_) done(written);
    }
  });
}

}  // namespace dunlin::sim
