// Enumeration of the records kind; see enumeration.h.
#include "records/enumeration.h"

#include "base/binary.h"
#include "base/text.h"
#include "records/range.h"
#include "sql/sqlite_address.h"

namespace dunlin::records {

namespace {

constexpr std::uint8_t kCursorVersion = 1;
constexpr std::int64_t kDefaultRows =
    100'000;  // ARCHITECTURE, "A batch ends at": what holds when nobody named a size
constexpr std::size_t kBatchesPerChunk = 64;
constexpr std::int64_t kKeysPerChunk =
    200'000;  // bounds how long one chunk keeps batches from the reader
constexpr std::int64_t kKeysPerCheck = 4096;

/// An estimate of a row's bytes that reads no overflow pages of blobs: SQLite takes length() from
/// the record's header. Of a number it would be the number printed, so columns of numbers count 8.
std::string size_expression(const sql::TableInfo& table) {
  std::string sum = "0";
  for (const sql::ColumnInfo& column : table.columns) {
    if (column.generated) continue;
    const bool number =
        column.affinity == sql::Affinity::integer || column.affinity == sql::Affinity::real;
    sum += number ? " + 8" : " + ifnull(length(" + sql::quote_identifier(column.name) + "), 0)";
  }
  return sum;
}

std::string key_query(const sql::TableInfo& table, bool from_start) {
  const std::string key = sql::joined(table.key);
  std::string parameters = "?";
  for (std::size_t i = 1; i < table.key.size(); ++i) parameters += ", ?";
  return "SELECT " + key + ", " + size_expression(table) + " FROM " +
         sql::quote_identifier(table.name) +
         (from_start ? "" : " WHERE (" + key + ") > (" + parameters + ")") + " ORDER BY " + key;
}

}  // namespace

Result<std::vector<Entity>> entities_of(const RecordsPlan& plan, sql::Database& source) {
  if (!plan.entities.empty()) return plan.entities;
  DUNLIN_ASSIGN(const std::vector<std::string> names, sql::list_tables(source));
  std::vector<Entity> entities;
  entities.reserve(names.size());
  for (const std::string& name : names) entities.push_back({name, name});
  return entities;
}

Status Enumeration::begin(sql::Database& source) {
  DUNLIN_ASSIGN(entities_, entities_of(plan_, source));
  DUNLIN_ASSIGN(std::optional<sql::Database> target, sql::open_existing(plan_.target_path));
  for (const Entity& entity : entities_) {
    std::optional<sql::TableInfo> info;
    if (target) {
      DUNLIN_ASSIGN(info, sql::read_table(*target, entity.target));
    }
    missing_.push_back(!info);
  }
  DUNLIN_TRY(decode_cursor());
  while (next_ < entities_.size() && entities_[next_].source < cursor_.table) ++next_;
  const bool same = next_ < entities_.size() && entities_[next_].source == cursor_.table;
  if (same && cursor_.table_done) ++next_;
  if (!same || cursor_.table_done) cursor_ = Cursor{};
  return success();
}

Result<engine::EnumerateContext::Chunk> Enumeration::next(sql::Database& source) {
  Chunk chunk;
  walked_ = 0;
  while (next_ < entities_.size() && !full(chunk)) {
    const Entity& entity = entities_[next_];
    if (cursor_.table != entity.source) start_table(entity, missing_[next_], chunk);
    DUNLIN_TRY(walk_table(source, entity, chunk)
                   .with_context("listing the rows of '" + printable(entity.source) + "'"));
    if (cursor_.table_done) ++next_;
  }
  chunk.complete = next_ == entities_.size();
  chunk.cursor_after = encode_cursor();
  return chunk;
}

void Enumeration::start_table(const Entity& entity, bool missing, Chunk& chunk) {
  cursor_ = Cursor{entity.source, {}, {}, {}, false};
  if (!missing) return;
  store::NewTask task;
  task.id = context_.new_task_id();
  task.task_type = kCreateTable;
  task.description = "create table " + printable(entity.target);
  store::NewItem item;
  item.id = context_.new_item_id();
  item.name = entity.target;
  item.detail = entity.target;
  store::NewBatch batch;
  batch.id = context_.new_batch_id();
  batch.task = task.id;
  batch.payload = encode(Range{entity.source, entity.target, {}, {}});
  batch.items.push_back(std::move(item));
  cursor_.create_batch = batch.id;
  chunk.tasks.push_back(std::move(task));
  chunk.batches.push_back(std::move(batch));
}

Status Enumeration::walk_table(sql::Database& source, const Entity& entity, Chunk& chunk) {
  DUNLIN_ASSIGN(const std::optional<sql::TableInfo> table, sql::read_table(source, entity.source));
  if (!table) return Error(ErrorType::root_changed, "the source has no such table");
  if (table->key.empty())
    return Error(ErrorType::unsupported_item, "its columns hide every name of the rowid");
  const int width = static_cast<int>(table->key.size());
  DUNLIN_ASSIGN(sql::Statement keys, source.prepare(key_query(*table, cursor_.key.empty())));
  const std::string from = cursor_.key;
  if (!from.empty()) {
    ByteReader in(from);
    DUNLIN_TRY(sql::bind_values(keys, 1, in, width));
  }
  const engine::ExecutionSettings& settings = context_.settings();
  const std::int64_t row_limit = settings.batch_size_set ? settings.batch_size : kDefaultRows;
  ByteWriter first;
  ByteWriter last;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  DUNLIN_ASSIGN(bool more, keys.step());
  while (more) {
    if (++walked_ % kKeysPerCheck == 0) DUNLIN_TRY(context_.cancel().check());
    last.clear();
    sql::append_values(last, keys, 0, width);
    if (rows++ == 0) {
      first.clear();
      first.raw(last.view());
    }
    bytes += keys.column_int64(width);
    DUNLIN_ASSIGN(more, keys.step());
    if (rows < row_limit && bytes < settings.batch_bytes && more) continue;
    add_batch(entity, first.view(), std::string(last.view()), bytes, chunk);
    rows = 0;
    bytes = 0;
    if (more && full(chunk)) return success();
  }
  cursor_.table_done = true;
  return success();
}

void Enumeration::add_batch(const Entity& entity, std::string_view first, std::string high,
                            std::int64_t bytes, Chunk& chunk) {
  if (!cursor_.load_task.valid()) {
    store::NewTask task;
    task.id = context_.new_task_id();
    task.task_type = kLoadTable;
    task.stage = 1;
    task.description = "load table " + printable(entity.target);
    cursor_.load_task = task.id;
    chunk.tasks.push_back(std::move(task));
  }
  store::NewItem item;
  item.id = context_.new_item_id();
  item.name = entity.target + "[" + sql::show_values(first) + "," + sql::show_values(high) + "]";
  item.size = bytes;
  item.detail = entity.target;
  store::NewBatch batch;
  batch.id = context_.new_batch_id();
  batch.task = cursor_.load_task;
  batch.payload = encode(Range{entity.source, entity.target, cursor_.key, high});
  if (cursor_.create_batch.valid()) batch.depends_on.push_back(cursor_.create_batch);
  batch.items.push_back(std::move(item));
  chunk.batches.push_back(std::move(batch));
  cursor_.key = std::move(high);
}

bool Enumeration::full(const Chunk& chunk) const {
  return chunk.batches.size() >= kBatchesPerChunk || walked_ >= kKeysPerChunk;
}

std::string Enumeration::encode_cursor() const {
  ByteWriter out;
  out.u8(kCursorVersion)
      .bytes(cursor_.table)
      .zigzag(cursor_.load_task.value)
      .zigzag(cursor_.create_batch.value);
  out.bytes(cursor_.key).u8(cursor_.table_done ? 1 : 0);
  return out.take();
}

Status Enumeration::decode_cursor() {
  if (context_.cursor().empty()) return success();
  ByteReader in(context_.cursor());
  if (in.u8() != kCursorVersion) in.fail();
  cursor_.table = in.bytes();
  cursor_.load_task.value = in.zigzag();
  cursor_.create_batch.value = in.zigzag();
  cursor_.key = in.bytes();
  cursor_.table_done = in.u8() != 0;
  return in.finish("cursor of the enumeration");
}

}  // namespace dunlin::records
