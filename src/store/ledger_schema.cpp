#include "store/ledger_schema.h"

#include <string>

#include <fmt/format.h>

#include "store/ledger_codec.h"

namespace dunlin::store {
namespace {

// Written for size: an item costs one row in `item`, written once, and one in `outcome` when it
// ends. Rows of both are appended in key order, so their pages stay full; updating one row in place
// would split pages for every batch. NULL stands for "none" or for the value that is usual; status
// codes are those of model.h (see `code`).
constexpr std::string_view kTables = R"sql(
-- Format: min_reader, min_writer.
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Names of the numeric codes, so that the file can be read without this program.
CREATE TABLE code(of TEXT, code INTEGER, name TEXT NOT NULL, PRIMARY KEY(of, code)) STRICT, WITHOUT ROWID;

-- What never changes about the execution (settings may). Apart from `state`, which is rewritten by every commit.
CREATE TABLE execution(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  id TEXT NOT NULL, plan_id TEXT, number INTEGER NOT NULL, kind TEXT NOT NULL, plan_json TEXT, settings_json TEXT,
  description TEXT, mode TEXT, created_ms INTEGER NOT NULL, claims TEXT, depends_on TEXT,
  operation TEXT, undo_retention_ms INTEGER NOT NULL, drops_undo INTEGER NOT NULL,
  baseline_json TEXT) STRICT;

-- One row: status, cursor, owner, counters, highest ids, head of the audit chain, the part that is being taken back.
CREATE TABLE state(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  status TEXT NOT NULL, phase TEXT, reason_json TEXT, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER, updated_ms INTEGER, paused_ms_total INTEGER,
  paused_since_ms INTEGER, cursor BLOB, roots BLOB, owner_json TEXT, enumeration_complete INTEGER NOT NULL,
  committing INTEGER NOT NULL, last_task INTEGER NOT NULL, last_batch INTEGER NOT NULL, last_item INTEGER NOT NULL,
  last_directory INTEGER NOT NULL, last_ended_batch INTEGER NOT NULL, audit_entries INTEGER NOT NULL,
  audit_head BLOB NOT NULL, rollback_part_json TEXT{counter_columns}) STRICT;

-- A task's status is not stored: it follows from these counts (view `tasks`). `count_as`: in which counters its items
-- appear. `follows_contents`: its items are opened again with those in their directories.
CREATE TABLE task(
  id INTEGER PRIMARY KEY, task_type TEXT NOT NULL, stage INTEGER NOT NULL, barrier INTEGER NOT NULL,
  priority INTEGER NOT NULL, description TEXT, parameters_json TEXT, count_as INTEGER NOT NULL DEFAULT 0,
  follows_contents INTEGER NOT NULL DEFAULT 0,
  started INTEGER NOT NULL DEFAULT 0,
  batches INTEGER NOT NULL DEFAULT 0, ended_batches INTEGER NOT NULL DEFAULT 0,
  failed_batches INTEGER NOT NULL DEFAULT 0, skipped_batches INTEGER NOT NULL DEFAULT 0,
  items INTEGER NOT NULL DEFAULT 0, error_message TEXT) STRICT;

-- Batches per stage and how many of them have ended (staged ones too): when a barrier opens, without a scan.
CREATE TABLE stage(stage INTEGER PRIMARY KEY, batches INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT;

CREATE TABLE directory(
  id INTEGER PRIMARY KEY, parent INTEGER, name BLOB, detail BLOB, open INTEGER) STRICT;
-- The frontier: what is still to be enumerated. As small as the frontier.
CREATE INDEX directory_open ON directory(id) WHERE open = 1;

-- `committed`: was part of a final commit (commit_scope execution).
-- `before`: status at the start, while executing. `verified`: NULL no, 1 yes, 2 could not be. `undo_tried`: not tried
-- again in this rollback, which it has failed in or (a rollback of a part) has given what it was to give. `doubted`: it executes
-- since a person doubts what it has done. The sums are over its items, so that staging and reopening are arithmetic.
CREATE TABLE batch(
  id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, stage INTEGER NOT NULL, barrier INTEGER NOT NULL,
  priority INTEGER NOT NULL, status INTEGER NOT NULL, pass INTEGER NOT NULL DEFAULT 0, before INTEGER,
  token INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, not_before_ms INTEGER, started_ms INTEGER,
  first_item INTEGER, item_count INTEGER NOT NULL, bytes INTEGER NOT NULL, blocked_by INTEGER NOT NULL,
  verified INTEGER, undo_tried INTEGER, succeeded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0, rolled_back INTEGER NOT NULL DEFAULT 0,
  succeeded_bytes INTEGER NOT NULL DEFAULT 0, other_bytes INTEGER NOT NULL DEFAULT 0,
  transferred_bytes INTEGER NOT NULL DEFAULT 0, verified_items INTEGER NOT NULL DEFAULT 0,
  differences INTEGER NOT NULL DEFAULT 0, payload BLOB, committed INTEGER, doubted INTEGER) STRICT;
-- What may start, in the order in which it should.
CREATE INDEX batch_ready ON batch(priority, stage, id) WHERE status = 0 AND blocked_by = 0;
-- The first pending batches of a checkpoint.
CREATE INDEX batch_pending ON batch(id) WHERE status = 0;
-- What recovery settles: as small as the concurrency.
CREATE INDEX batch_executing ON batch(id) WHERE status = 1;
-- The staged ones of commit_scope execution: empty otherwise.
CREATE INDEX batch_staged ON batch(id) WHERE status = 2;
-- When the next one that waits after a failure becomes ready: as small as their number.
CREATE INDEX batch_waiting ON batch(not_before_ms) WHERE not_before_ms IS NOT NULL;
-- What verification has still to do.
CREATE INDEX batch_unverified ON batch(priority, stage, id) WHERE status = 3 AND verified IS NULL;
-- Order of undo: the barrier stages above are taken back first.
CREATE INDEX batch_barrier ON batch(stage) WHERE barrier = 1;
-- From an item to its batch: the items of a batch have consecutive ids, so items carry no batch.
CREATE INDEX batch_items ON batch(first_item) WHERE first_item IS NOT NULL;

-- Who waits for whom, by the one waited for; batch.blocked_by counts those not yet done or staged.
CREATE TABLE dependency(
  dependency INTEGER, dependant INTEGER, PRIMARY KEY(dependency, dependant)) STRICT, WITHOUT ROWID;
-- The other way round: may a skipped batch be reopened? As small as the number of dependencies.
CREATE INDEX dependency_of ON dependency(dependant);

-- Written once, never changed.
CREATE TABLE item(
  id INTEGER PRIMARY KEY, directory_id INTEGER, name BLOB, size INTEGER NOT NULL, detail BLOB) STRICT;

-- The first item of those that share something, by what they share (hard links: the inode). Empty where nothing is.
CREATE TABLE first_item(key BLOB PRIMARY KEY, item_id INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Where items come from and go to, for people: an entry of the root by its name, all others by the empty one. A path has
-- no slash at its end ('/' is empty); NULL: as the empty name says.
CREATE TABLE place(name BLOB PRIMARY KEY, source TEXT, destination TEXT) STRICT, WITHOUT ROWID;

-- How an item ended; status 0 (pending) when it failed and is tried again. No row: nothing has happened to it.
-- `action` and `message`: a number is a row of `word`. `transferred_bytes` NULL: the item's size. `ended_after_ms`:
-- since execution.created_ms. `checksum`: packed as in ledger_codec.h, or text.
-- `kept_bytes`: of old versions, for its undo; NULL: none. Status 0 with a checksum: had completed, and is in doubt.
CREATE TABLE outcome(
  item_id INTEGER PRIMARY KEY, status INTEGER NOT NULL, proof INTEGER, action ANY, transferred_bytes INTEGER,
  ended_after_ms INTEGER, attempt INTEGER, checksum ANY, undo BLOB, message ANY, kept_bytes INTEGER) STRICT;
-- Failed items are listed, retried and skipped by themselves; ended well they need no index.
CREATE INDEX outcome_failed ON outcome(item_id) WHERE status = 3;

-- Items that stand at the destination under another name than their own (files: two versions were kept).
CREATE TABLE placed(item_id INTEGER PRIMARY KEY, name BLOB NOT NULL) STRICT;

-- Items that a final commit holds, of a batch that was opened again for others: a later loss of staged work spares them.
CREATE TABLE kept(item_id INTEGER PRIMARY KEY) STRICT;

-- Items that a person has named one by one for a retry: what they had asked is answered, also after a crash.
CREATE TABLE answer(item_id INTEGER PRIMARY KEY) STRICT;

-- Actions and frequent messages, once. At most 256 messages; a rarer one stands in its row.
CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- Intents of a batch, many in one blob (write-only unless we crash); gone when it ended without a failed item.
CREATE TABLE intent(id INTEGER PRIMARY KEY, batch_id INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
-- By batch, for settle and for the removal.
CREATE INDEX intent_batch ON intent(batch_id);

CREATE TABLE error(
  id INTEGER PRIMARY KEY, item_id INTEGER, batch_id INTEGER, task_id INTEGER, type TEXT NOT NULL, message TEXT,
  native_domain TEXT, native_code TEXT, extra_json TEXT, attempt INTEGER, final INTEGER NOT NULL, pass INTEGER,
  time_ms INTEGER NOT NULL) STRICT;
-- The last error of an item; a retried item's errors stop being final.
CREATE INDEX error_item ON error(item_id) WHERE item_id IS NOT NULL;
-- The same for a batch as a whole.
CREATE INDEX error_batch ON error(batch_id) WHERE item_id IS NULL AND batch_id IS NOT NULL;
-- Errors of one type, and the differences of a verification.
CREATE INDEX error_type ON error(type) WHERE final = 1;
-- Number of final errors by type: checkpoints and progress ask often.
CREATE TABLE error_total(type TEXT PRIMARY KEY, errors INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint(
  id INTEGER PRIMARY KEY, last_processed_batch INTEGER NOT NULL, last_processed_record_id INTEGER NOT NULL,
  cumulative_stats TEXT NOT NULL, pending_batch_ids TEXT NOT NULL, error_summary TEXT NOT NULL,
  ledger_sequence INTEGER NOT NULL, created_ms INTEGER NOT NULL, checksum TEXT NOT NULL) STRICT;

-- `hash` chains the entries; `seal` (audit_key.h) is what nobody can make without the key. NULL: there was no key.
CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  detail_json TEXT NOT NULL, hash BLOB NOT NULL, seal BLOB) STRICT;

CREATE TABLE milestone(name TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, sequence INTEGER NOT NULL) STRICT;
)sql";

// Views: for people with sqlite3, and the original's tables (files.md F-18). Times in them are
// epoch seconds.
constexpr std::string_view kViews = R"sql(
CREATE VIEW tasks AS
SELECT e.kind || '-' || t.id AS uid, t.*,
  CASE WHEN t.ended_batches = t.batches AND s.enumeration_complete = 1 THEN
         CASE WHEN t.failed_batches > 0 THEN 'failed'
              WHEN t.batches > 0 AND t.skipped_batches = t.batches THEN 'skipped' ELSE 'complete' END
       WHEN s.status = 'cancelled' THEN 'cancelled'
       WHEN t.started = 0 THEN 'pending'
       WHEN s.status = 'paused' THEN 'paused' ELSE 'executing' END AS status
FROM task t, execution e, state s;

CREATE VIEW file_operations AS
SELECT CAST(i.id AS TEXT) AS id, e.id AS execution_id,
  (SELECT coalesce((SELECT iif(source = '', '/', source) || substr(x.path, instr(x.path || '/', '/'))
                    FROM place WHERE name = CAST(substr(x.path, 1, instr(x.path || '/', '/') - 1) AS BLOB)),
                   (SELECT source || '/' || x.path FROM place WHERE name = x''), x.path)
   FROM (SELECT rtrim(p.folder || p.name, '/') AS path) x) AS source_path,
  -- What has got another name than its own lies in the same directory.
  (SELECT coalesce((SELECT iif(destination = '', '/', destination) || substr(x.path, instr(x.path || '/', '/'))
                    FROM place WHERE x.placed IS NULL AND
                      name = CAST(substr(x.path, 1, instr(x.path || '/', '/') - 1) AS BLOB)),
                   (SELECT destination || '/' || coalesce(x.placed, x.path) FROM place WHERE name = x''),
                   coalesce(x.placed, x.path))
   FROM (SELECT y.folder || y.name AS placed, rtrim(y.folder || p.name, '/') AS path
         FROM (SELECT p.folder AS folder,
                 (SELECT CAST(name AS TEXT) FROM placed WHERE item_id = i.id) AS name) y) x) AS destination_path,
  coalesce(e.operation, 'copy') AS operation,
  CASE WHEN coalesce(o.status, 0) = 0 AND b.status = 1 AND b.pass = 0 THEN 'executing'
       ELSE (SELECT name FROM code WHERE of = 'item' AND code = coalesce(o.status, 0)) END AS status,
  i.size AS file_size,
  o.checksum_text AS checksum_before,
  CASE WHEN o.proof > 0 THEN o.checksum_text END AS checksum_after,
  b.started_ms / 1000 AS started_at,
  CASE WHEN o.status > 1 THEN (e.created_ms + o.ended_after_ms) / 1000 END AS completed_at,
  CASE WHEN o.status = 3 OR (o.status = 0 AND o.attempt > 0) THEN
         coalesce((SELECT message FROM error r WHERE r.item_id = i.id ORDER BY r.id DESC LIMIT 1), o.message_text)
       ELSE o.message_text END AS error_message
FROM item i
JOIN execution e
JOIN batch b ON b.id = (SELECT id FROM batch f WHERE f.first_item <= i.id ORDER BY f.first_item DESC LIMIT 1)
LEFT JOIN (
  SELECT *,
    CASE typeof(checksum)
      WHEN 'blob' THEN (SELECT name || ':' || lower(hex(substr(checksum, 2, CASE code WHEN 2 THEN 32 ELSE 16 END)))
                        FROM code WHERE of = 'checksum' AND code = instr(x'010203', substr(checksum, 1, 1)))
      ELSE checksum END AS checksum_text,
    CASE typeof(message) WHEN 'integer' THEN (SELECT text FROM word w WHERE w.id = message)
      ELSE message END AS message_text
  FROM outcome) o ON o.item_id = i.id
JOIN (
  SELECT id AS path_item,
    (WITH RECURSIVE up(id, path) AS (
       SELECT directory_id, '' UNION ALL
       SELECT d.parent, CASE WHEN d.parent > 0 THEN CAST(d.name AS TEXT) || '/' || up.path ELSE up.path END
       FROM up JOIN directory d ON d.id = up.id)
     SELECT path FROM up ORDER BY length(path) DESC LIMIT 1) AS folder, CAST(name AS TEXT) AS name
  FROM item) p ON p.path_item = i.id;

CREATE VIEW migration_executions AS
SELECT e.id AS execution_id, e.plan_id, s.status,
  s.started_ms / 1000 AS started_at, s.updated_ms / 1000 AS updated_at, s.ended_ms / 1000 AS completed_at,
  e.settings_json AS settings,
  json_object({counter_json}, 'phase', s.phase) AS progress,
  (SELECT json_group_array(json_object('type', type, 'message', message, 'item_id', item_id, 'batch_id', batch_id,
                                       'timestamp', time_ms / 1000))
   FROM (SELECT * FROM error WHERE final = 1 ORDER BY id DESC LIMIT 100)) AS errors,
  (SELECT json_group_array(e.kind || '-' || id) FROM (SELECT id FROM task ORDER BY id DESC LIMIT 100)) AS tasks,
  CASE WHEN s.verified_batches > 0 OR s.differences > 0 THEN
    json_object('plan_id', e.plan_id, 'execution_id', e.id, 'verified_files', s.verified_items,
                'error_count', s.differences) END AS verification_result
FROM execution e, state s;
)sql";

std::string replaced(std::string_view text, std::string_view mark, std::string_view by) {
  std::string result(text);
  if (const std::size_t at = result.find(mark); at != std::string::npos)
    result.replace(at, mark.size(), by);
  return result;
}

const std::string& ledger_ddl() {
  static const std::string ddl = [] {
    std::string columns;
    std::string json;
    for (const CounterField& field : kCounterFields) {
      columns += fmt::format(", {} INTEGER NOT NULL DEFAULT 0", field.name);
      json += fmt::format("{}'{}', s.{}", json.empty() ? "" : ", ", field.name, field.name);
    }
    std::string codes =
        "INSERT INTO code VALUES "
        "('checksum',1,'md5'),('checksum',2,'sha256'),('checksum',3,'xxh3')";
    for (int i = 0; i < 7; ++i) {
      codes += fmt::format(",('batch',{},'{}')", i, to_string(static_cast<BatchStatus>(i)));
    }
    for (int i = 0; i < 6; ++i)
      codes += fmt::format(",('item',{},'{}')", i, to_string(static_cast<ItemStatus>(i)));
    for (int i = 0; i < 6; ++i)
      codes += fmt::format(",('proof',{},'{}')", i, to_string(static_cast<Proof>(i)));
    for (int i = 0; i < 3; ++i)
      codes += fmt::format(",('pass',{},'{}')", i, to_string(static_cast<Pass>(i)));
    for (int i = 0; i < 5; ++i)
      codes += fmt::format(",('priority',{},'{}')", i, to_string(static_cast<Priority>(i)));
    for (int i = 0; i < 3; ++i)
      codes += fmt::format(",('count_as',{},'{}')", i, to_string(static_cast<CountAs>(i)));
    return replaced(kTables, "{counter_columns}", columns) +
           replaced(kViews, "{counter_json}", json) + codes + ";";
  }();
  return ddl;
}

Result<std::int64_t> meta_number(sql::Database& database, std::string_view key) {
  DUNLIN_ASSIGN(const auto value,
                database.query_int64("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", key));
  return value.value_or(0);
}

}  // namespace

Status create_ledger_schema(sql::Database& database) {
  DUNLIN_TRY(database.exec(ledger_ddl()));
  return write_format(database, kLedgerApplicationId, kLedgerFormat);
}

Status write_format(sql::Database& database, std::int64_t application_id,
                    const FormatVersion& format) {
  DUNLIN_TRY(
      database.run("INSERT INTO meta(key, value) VALUES ('min_reader', ?1), ('min_writer', ?2)",
                   std::to_string(format.min_reader), std::to_string(format.min_writer)));
  DUNLIN_TRY(database.set_application_id(application_id));
  return database.set_user_version(format.version);
}

Status check_format(sql::Database& database, std::int64_t application_id, const FormatVersion& ours,
                    bool read_only, std::string_view what) {
  DUNLIN_ASSIGN(const std::int64_t found_id, database.application_id());
  DUNLIN_ASSIGN(const std::int64_t version, database.user_version());
  if (found_id != application_id || version == 0) {
    return Error(ErrorType::state_corrupt,
                 fmt::format("{} is a database, but not one of dunlin's", what));
  }
  if (version == ours.version) return success();
  if (version > ours.version) {
    DUNLIN_ASSIGN(const std::int64_t min_reader, meta_number(database, "min_reader"));
    DUNLIN_ASSIGN(const std::int64_t min_writer, meta_number(database, "min_writer"));
    if (ours.version >= (read_only ? min_reader : min_writer)) return success();
  }
  Error error(ErrorType::state_version,
              fmt::format("{} has format version {}; this program {} version {}", what, version,
                          read_only ? "reads" : "writes", ours.version));
  error.remediation =
      fmt::format("use the version of dunlin that wrote format version {}", version);
  return error;
}

}  // namespace dunlin::store
