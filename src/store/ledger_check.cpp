// LedgerReader::check(): the audit chain, the structure, the counters and the segments, each proven
// from the rows.
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/ledger_reader.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

Error corrupt(std::string text) {
  return {ErrorType::state_corrupt, "the ledger is damaged: " + std::move(text)};
}

/// Each finds rows that contradict one another; the first column of the first row names the place.
struct Contradiction {
  std::string_view sql;
  std::string_view what;
};
constexpr std::array kContradictions = {
    Contradiction{
        "SELECT id FROM (SELECT id, first_item, lag(first_item + item_count, 1, 1) OVER (ORDER BY "
        "first_item) "
        "AS expected FROM batch WHERE first_item IS NOT NULL) WHERE first_item <> expected LIMIT 1",
        "the items of batch {} do not follow those of the batch before"},
    Contradiction{"SELECT max(id) FROM item HAVING count(*) <> max(id)",
                  "items are missing up to {}"},
    Contradiction{
        "SELECT b.id FROM batch b LEFT JOIN task t ON t.id = b.task_id WHERE t.id IS NULL LIMIT 1",
        "batch {} belongs to no task"},
    Contradiction{"SELECT s.stage FROM stage s JOIN (SELECT stage, count(*) AS batches, sum(CASE "
                  "WHEN status = 1 THEN "
                  "before > 1 ELSE status > 1 END) AS ended FROM batch GROUP BY stage) b ON "
                  "b.stage = s.stage "
                  "WHERE s.batches <> b.batches OR s.ended <> b.ended LIMIT 1",
                  "stage {} counts its batches wrong"},
    Contradiction{"SELECT b.id FROM batch b WHERE b.blocked_by <> (SELECT count(*) FROM dependency "
                  "d JOIN batch o ON "
                  "o.id = d.dependency WHERE d.dependant = b.id AND CASE WHEN o.status = 1 THEN "
                  "o.before ELSE o.status "
                  "END NOT IN (2, 3, 6)) LIMIT 1",
                  "batch {} counts its dependencies wrong"},
    Contradiction{
        "SELECT t.id FROM task t LEFT JOIN (SELECT task_id, count(*) AS batches, sum(CASE WHEN "
        "status = 1 "
        "THEN before ELSE status END > 2) AS ended, sum(item_count) AS items FROM batch GROUP BY "
        "task_id) b "
        "ON b.task_id = t.id WHERE t.batches <> coalesce(b.batches, 0) OR t.ended_batches <> "
        "coalesce(b.ended, 0) OR t.items <> coalesce(b.items, 0) LIMIT 1",
        "task {} counts its batches wrong"},
    Contradiction{"SELECT o.item_id FROM outcome o LEFT JOIN item i ON i.id = o.item_id WHERE i.id "
                  "IS NULL LIMIT 1",
                  "there is an outcome of the unknown item {}"},
    Contradiction{"SELECT b.id FROM batch b JOIN (SELECT f.id, sum(o.status = 2) AS succeeded, "
                  "sum(o.status = 3) AS "
                  "failed, sum(o.status = 4) AS skipped, sum(o.status = 5) AS rolled_back FROM "
                  "batch f JOIN outcome o "
                  "ON o.item_id BETWEEN f.first_item AND f.first_item + f.item_count - 1 GROUP BY "
                  "f.id) s ON s.id = b.id "
                  "WHERE b.succeeded <> s.succeeded OR b.failed <> s.failed OR b.skipped <> "
                  "s.skipped OR b.rolled_back "
                  "<> s.rolled_back LIMIT 1",
                  "batch {} counts its items wrong"},
    Contradiction{"SELECT e.id FROM error e WHERE e.final = 1 AND NOT EXISTS (SELECT 1 FROM "
                  "error_total t WHERE t.type = "
                  "e.type AND t.errors = (SELECT count(*) FROM error o WHERE o.type = e.type AND "
                  "o.final = 1)) LIMIT 1",
                  "error {} is counted wrong"},
};

/// The counters out of the rows, in the order of kCounterFields; `retries` (?1) counts events and
/// cannot be derived.
const std::string& derive_counters() {
  static const std::string sql = [] {
    const auto sum = [](std::string_view what, int count_as) {
      return fmt::format("coalesce(sum({}) FILTER (WHERE count_as = {}), 0)", what, count_as);
    };
    // Of a staged batch only that counts which an earlier final commit holds (`kept`).
    const auto outcomes = [&](int count_as) {
      return fmt::format("{}, {}, {}, {}",
                         sum("CASE WHEN counted = 2 THEN held_items ELSE succeeded END", count_as),
                         sum("failed", count_as), sum("skipped", count_as),
                         sum("rolled_back", count_as));
    };
    return fmt::format(
        "WITH held AS (SELECT b.id, sum(o.status = 2) AS items, sum((o.status = 2) * i.size) AS "
        "size, sum(coalesce(o.transferred_bytes, i.size)) AS transferred FROM kept k "
        "CROSS JOIN item i ON i.id = k.item_id JOIN outcome o ON o.item_id = k.item_id "
        "JOIN batch b ON b.id = (SELECT f.id FROM batch f WHERE f.first_item <= k.item_id "
        "ORDER BY f.first_item DESC LIMIT 1) GROUP BY b.id), "
        "b AS (SELECT batch.*, count_as, CASE WHEN status = 1 THEN before ELSE status END AS "
        "counted, coalesce(held.items, 0) AS held_items, coalesce(held.size, 0) AS held_bytes, "
        "coalesce(held.transferred, 0) AS held_transferred "
        "FROM batch JOIN task ON task.id = batch.task_id LEFT JOIN held ON held.id = batch.id) "
        "SELECT {}, coalesce(sum(bytes), 0), {}, "
        "coalesce(sum(other_bytes + CASE WHEN counted = 2 THEN held_bytes ELSE succeeded_bytes "
        "END), 0), "
        "coalesce(sum(CASE WHEN counted = 2 THEN held_transferred ELSE transferred_bytes END), 0), "
        "count(*), coalesce(sum(counted IN (3, 4, 5)), 0), coalesce(sum(counted = 4), 0), "
        "coalesce(sum(counted = 2), 0), {}, coalesce(sum(verified = 1), 0), "
        "coalesce(sum(differences), 0), coalesce(sum(counted = 6), 0), ?1, "
        "(SELECT count(*) FROM directory), {}, {}, {}, {}, "
        "(SELECT coalesce(sum(kept_bytes), 0) FROM outcome) FROM b",
        sum("item_count", 0), outcomes(0), sum("verified_items", 0), sum("item_count", 1),
        outcomes(1), sum("item_count", 2), outcomes(2));
  }();
  return sql;
}

}  // namespace

Status LedgerReader::check() {
  DUNLIN_TRY(database_.quick_check());
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  DUNLIN_ASSIGN(const LedgerState state, read_ledger_state(database_));
  segments_.clear();
  DUNLIN_TRY(check_audit(state));
  DUNLIN_TRY(check_structure(state));
  DUNLIN_TRY(check_counters(state));
  const Status segments = check_segments();
  segments_.clear();
  return segments;
}

Status LedgerReader::check_audit(const LedgerState& state) {
  AuditProof proof;
  DUNLIN_TRY(walk_audit(state, ExecutionId(), {}, proof));
  return proof.difference ? Status(corrupt(proof.difference->text)) : success();
}

Status LedgerReader::check_structure(const LedgerState& state) {
  for (const Contradiction& one : kContradictions) {
    DUNLIN_ASSIGN(const auto found, database_.query_int64(one.sql));
    if (found) return corrupt(fmt::format(fmt::runtime(one.what), *found));
  }
  const std::array<std::pair<std::string_view, std::int64_t>, 4> tables = {
      {{"task", state.last_task},
       {"batch", state.last_batch},
       {"item", state.last_item},
       {"directory", state.last_directory}}};
  for (const auto& [table, last] : tables) {
    DUNLIN_ASSIGN(const auto found,
                  database_.query_int64(fmt::format("SELECT max(id) FROM {}", table)));
    if (found.value_or(0) != last) {
      return corrupt(
          fmt::format("the last row of `{}` is {}, not {}", table, found.value_or(0), last));
    }
  }
  return success();
}

Status LedgerReader::check_counters(const LedgerState& state) {
  DUNLIN_ASSIGN(sql::Statement row, database_.prepare(derive_counters()));
  row.bind(1, state.counters.retries);
  DUNLIN_ASSIGN(const bool found, row.step());
  if (!found) return corrupt("the counters cannot be derived");
  for (std::size_t i = 0; i < kCounterFields.size(); ++i) {
    const std::int64_t derived = row.column_int64(static_cast<int>(i));
    const std::int64_t stored = state.counters.*kCounterFields[i].member;
    if (derived != stored) {
      return corrupt(
          fmt::format("{} is {}, its rows say {}", kCounterFields[i].name, stored, derived));
    }
  }
  return success();
}

/// The outcomes of an ended batch are those that the audit chain vouches for.
Status LedgerReader::check_segments() {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  DUNLIN_ASSIGN(sql::Statement batch,
                database_.prepare("SELECT id, first_item, item_count FROM batch WHERE status > 1 "
                                  "AND item_count > 0 ORDER BY id"));
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.prepare("SELECT " + std::string(kSegmentColumns) +
                        " FROM outcome WHERE item_id BETWEEN ?1 AND ?2 ORDER BY item_id"));
  std::string buffer;
  while (true) {
    DUNLIN_ASSIGN(const bool more, batch.step());
    if (!more) return success();
    const std::int64_t id = batch.column_int64(0);
    const auto expected = segments_.find(id);
    if (expected == segments_.end())
      return corrupt(fmt::format("the audit log has no entry of batch {}", id));
    hasher.reset();
    row.reset();
    row.bind(1, batch.column_int64(1)).bind(2, batch.column_int64(1) + batch.column_int64(2) - 1);
    while (true) {
      DUNLIN_ASSIGN(const bool another, row.step());
      if (!another) break;
      DUNLIN_ASSIGN(const std::string action, word_or_text(row, 3));
      buffer.clear();
      add_to_segment(buffer, row, action);
      hasher.update(buffer);
    }
    if (hex(hasher.finish()) != expected->second) {
      return corrupt(
          fmt::format("outcomes of batch {} are not those that the audit log vouches for", id));
    }
  }
}

}  // namespace dunlin::store
