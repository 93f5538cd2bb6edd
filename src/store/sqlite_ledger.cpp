#include "store/sqlite_ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "store/ledger_codec.h"
#include "store/ledger_reader.h"
#include "store/ledger_schema.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

// A commit of 1,000 items writes some 30 pages: 4,000 pages of log are folded in every hundred
// commits or so, and the log stays below 16 MiB.
constexpr int kLogPages = 4000;
/// For each of the two connections. Full after 40,000 files: memory does not grow with their
/// number.
constexpr int kCacheKib = 4096;

sql::OpenOptions file_options(bool read_only) {
  sql::OpenOptions options;
  options.read_only = read_only;
  options.create = false;
  options.wal = true;
  options.synchronous_full = true;
  options.foreign_keys = false;  // the writer checks before it writes; see check()
  options.wal_autocheckpoint_pages = kLogPages;
  options.cache_kib = kCacheKib;
  return options;
}

sql::OpenOptions memory_options() {
  sql::OpenOptions options;
  options.wal = false;
  options.synchronous_full = false;
  options.foreign_keys = false;
  options.cache_kib = 2048;
  return options;
}

/// An empty ledger as one image, made once: 40 CREATE statements cost four times what copying and
/// parsing them does, and the simulator makes ten thousand ledgers. Small pages, since most tables
/// of a simulated run hold a few rows.
const Result<std::string>& empty_ledger() {
  static const Result<std::string> image = []() -> Result<std::string> {
    DUNLIN_ASSIGN(sql::Database database, sql::Database::open(":memory:", memory_options()));
    DUNLIN_TRY(database.exec("PRAGMA page_size = 1024"));
    DUNLIN_TRY(create_ledger_schema(database));
    sqlite3_int64 size = 0;
    unsigned char* bytes = sqlite3_serialize(database.handle(), "main", &size, 0);
    if (bytes == nullptr)
      return Error(ErrorType::out_of_memory, "no memory for a ledger in memory");
    std::string copy(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    sqlite3_free(bytes);
    return copy;
  }();
  return image;
}

Result<sql::Database> open_in_memory() {
  const Result<std::string>& image = empty_ledger();
  if (!image) return image.error();
  DUNLIN_ASSIGN(sql::Database database, sql::Database::open(":memory:", memory_options()));
  auto* copy = static_cast<unsigned char*>(sqlite3_malloc64(image->size()));
  if (copy == nullptr) return Error(ErrorType::out_of_memory, "no memory for a ledger in memory");
  std::memcpy(copy, image->data(), image->size());
  const auto size = static_cast<sqlite3_int64>(image->size());
  const int code =
      sqlite3_deserialize(database.handle(), "main", copy, size, size,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  if (code != SQLITE_OK)
    return sql::error_from_sqlite(database.handle(), code, "open a ledger in memory");
  return database;
}

}  // namespace

/// In the order of construction: databases before what borrows them.
struct SqliteLedger::Connections {
  std::optional<sql::Database> write_database;  ///< none when read-only
  std::optional<sql::Database> read_database;   ///< none in memory
  std::optional<LedgerWriter> writer;
  std::optional<LedgerReader> reader;
  std::mutex write_mutex;
  std::mutex read_mutex;

  /// What guards the reader: in memory it shares the writer's connection.
  std::mutex& reading() { return read_database ? read_mutex : write_mutex; }

  /// Once the databases are there.
  Status attach(const Clock& clock) {
    if (write_database) {
      DUNLIN_ASSIGN(LedgerWriter made, LedgerWriter::make(*write_database, clock));
      writer.emplace(std::move(made));
    }
    reader.emplace(read_database ? *read_database : *write_database);
    return success();
  }

  template <typename Question>
  auto read(Question&& question) -> decltype(question(*reader)) {
    const std::lock_guard lock(reading());
    auto answer = question(*reader);
    if (!answer.ok()) return as_state_error(std::move(answer).error());
    return answer;
  }
};

SqliteLedger::SqliteLedger(std::unique_ptr<Connections> connections)
    : connections_(std::move(connections)) {}
SqliteLedger::~SqliteLedger() = default;

/// Nobody knows of it before it is whole, so it is flushed once and not at each step.
Status SqliteLedger::make(const std::string& path, const ExecutionRow& row) {
  if (struct stat existing{}; ::lstat(path.c_str(), &existing) == 0) {
    return Error(ErrorType::invalid_state, fmt::format("'{}' exists already", path));
  }
  sql::OpenOptions options = file_options(false);
  options.create = true;
  options.flushes = false;
  const auto make = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Database database, sql::Database::open(path, options));
    DUNLIN_TRY(LedgerWriter::initialise(database, row));
    // The schema into the file itself: a ledger is recognised by it even when its log is lost.
    const auto moved = database.checkpoint_wal();
    return moved.ok() ? success() : Status(moved.error());
  };
  Status made = make();
  if (!made) return as_state_error(std::move(made).error());
  DUNLIN_ASSIGN(const UniqueFd file, open_file(path, O_RDONLY));
  return fsync_file(file.get(), path);
}

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::create(const std::string& path,
                                                           const ExecutionRow& row,
                                                           const Clock& clock) {
  DUNLIN_TRY(make(path, row));
  return open(path, false, clock);
}

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::open(const std::string& path, bool read_only,
                                                         const Clock& clock) {
  auto connections = std::make_unique<Connections>();
  const auto attach = [&]() -> Status {
    DUNLIN_ASSIGN(connections->read_database, sql::Database::open(path, file_options(true)));
    DUNLIN_TRY(check_format(*connections->read_database, kLedgerApplicationId, kLedgerFormat,
                            read_only, fmt::format("'{}'", path)));
    if (!read_only) {
      DUNLIN_ASSIGN(connections->write_database, sql::Database::open(path, file_options(false)));
    }
    return connections->attach(clock);
  };
  Status attached = attach();
  if (!attached) {
    return as_state_error(std::move(attached).error());
  }
  return std::unique_ptr<SqliteLedger>(new SqliteLedger(std::move(connections)));
}

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::create_in_memory(const ExecutionRow& row,
                                                                     const Clock& clock) {
  auto connections = std::make_unique<Connections>();
  DUNLIN_ASSIGN(connections->write_database, open_in_memory());
  DUNLIN_TRY(LedgerWriter::write_first_rows(*connections->write_database, row));
  DUNLIN_TRY(connections->attach(clock));
  return std::unique_ptr<SqliteLedger>(new SqliteLedger(std::move(connections)));
}

Status SqliteLedger::checkpoint_wal() {
  const std::lock_guard lock(connections_->write_mutex);
  if (!connections_->write_database || !connections_->read_database) return success();
  auto done = connections_->write_database->checkpoint_wal();
  if (!done) return as_state_error(std::move(done).error());
  return success();
}

void SqliteLedger::seal_with(AuditKey key) {
  const std::lock_guard lock(connections_->write_mutex);
  if (connections_->writer) connections_->writer->seal_with(std::move(key));
}

Result<AuditProof> SqliteLedger::prove_audit(std::span<const AuditKey> keys,
                                             const AuditAnchor& anchor) const {
  return connections_->read([&](LedgerReader& reader) -> Result<AuditProof> {
    DUNLIN_ASSIGN(const ExecutionRow row, reader.execution());
    return reader.prove_audit(row.id, {keys, anchor});
  });
}

Result<bool> SqliteLedger::audit_is_sealed() const {
  return connections_->read([](LedgerReader& reader) { return reader.audit_is_sealed(); });
}

Status SqliteLedger::limit_growth(std::int64_t pages) {
  const std::lock_guard lock(connections_->write_mutex);
  if (!connections_->write_database) return success();
  sql::Database& database = *connections_->write_database;
  DUNLIN_ASSIGN(const auto now, database.query_int64("PRAGMA page_count"));
  const std::int64_t limit = pages > 0 ? now.value_or(0) + pages : 4294967294;
  return database.exec(fmt::format("PRAGMA max_page_count = {}", limit));
}

Result<std::vector<Status>> SqliteLedger::apply(std::int64_t epoch,
                                                std::span<const Mutation> mutations) {
  const std::lock_guard lock(connections_->write_mutex);
  if (!connections_->writer)
    return Error(ErrorType::state_write_failed, "the ledger is open for reading only");
  auto applied = connections_->writer->apply(epoch, mutations);
  if (!applied) return as_state_error(std::move(applied).error());
  return applied;
}

Result<std::int64_t> SqliteLedger::take_over(std::string_view owner_json) {
  const std::lock_guard lock(connections_->write_mutex);
  if (!connections_->writer)
    return Error(ErrorType::state_write_failed, "the ledger is open for reading only");
  auto epoch = connections_->writer->take_over(owner_json);
  if (!epoch) return as_state_error(std::move(epoch).error());
  return epoch;
}

Result<std::int64_t> SqliteLedger::sequence() const {
  return connections_->read([](LedgerReader& reader) { return reader.sequence(); });
}
Result<ExecutionRow> SqliteLedger::execution() const {
  return connections_->read([](LedgerReader& reader) { return reader.execution(); });
}
Result<ReadyBatches> SqliteLedger::ready(const ReadyQuery& query) const {
  return connections_->read([&](LedgerReader& reader) { return reader.ready(query); });
}
Result<std::vector<BatchRow>> SqliteLedger::open_batches() const {
  return connections_->read([](LedgerReader& reader) { return reader.open_batches(); });
}
Result<bool> SqliteLedger::begun() const {
  return connections_->read([](LedgerReader& reader) { return reader.begun(); });
}
Result<BatchRow> SqliteLedger::batch(BatchId id) const {
  return connections_->read([&](LedgerReader& reader) { return reader.batch(id); });
}
Result<std::vector<ItemRow>> SqliteLedger::items_of(BatchId id, bool unfinished_only) const {
  return connections_->read(
      [&](LedgerReader& reader) { return reader.items_of(id, unfinished_only); });
}
Result<std::vector<DirectoryRow>> SqliteLedger::directories_before(DirectoryId before,
                                                                   std::size_t limit) const {
  return connections_->read(
      [&](LedgerReader& reader) { return reader.directories_before(before, limit); });
}

Result<std::vector<DirectoryRow>> SqliteLedger::open_directories(std::size_t limit) const {
  return connections_->read([&](LedgerReader& reader) { return reader.open_directories(limit); });
}
Result<DirectoryRow> SqliteLedger::directory(DirectoryId id) const {
  return connections_->read([&](LedgerReader& reader) { return reader.directory(id); });
}
Result<bool> SqliteLedger::has_item(DirectoryId directory, std::string_view name) const {
  return connections_->read([&](LedgerReader& reader) { return reader.has_item(directory, name); });
}
Result<std::optional<DirectoryId>> SqliteLedger::find_directory(DirectoryId parent,
                                                                std::string_view name) const {
  return connections_->read(
      [&](LedgerReader& reader) { return reader.find_directory(parent, name); });
}
Result<std::optional<ItemId>> SqliteLedger::first_item(std::string_view key) const {
  return connections_->read([&](LedgerReader& reader) { return reader.first_item(key); });
}
Result<Ledger::LastIds> SqliteLedger::last_ids() const {
  return connections_->read([](LedgerReader& reader) { return reader.last_ids(); });
}
Result<std::vector<TaskRow>> SqliteLedger::tasks(std::size_t limit) const {
  return connections_->read([&](LedgerReader& reader) { return reader.tasks(limit); });
}
Result<std::vector<ItemRow>> SqliteLedger::items(const ItemFilter& filter) const {
  return connections_->read([&](LedgerReader& reader) { return reader.items(filter); });
}
Result<std::vector<ErrorRow>> SqliteLedger::errors(const ItemFilter& filter,
                                                   bool final_only) const {
  return connections_->read(
      [&](LedgerReader& reader) { return reader.errors(filter, final_only); });
}
Result<std::vector<std::pair<std::string, std::int64_t>>> SqliteLedger::error_counts() const {
  return connections_->read([](LedgerReader& reader) { return reader.error_counts(); });
}
Result<std::vector<Remark>> SqliteLedger::remarks() const {
  return connections_->read([](LedgerReader& reader) { return reader.remarks(); });
}
Result<std::vector<ItemId>> SqliteLedger::answered_items() const {
  return connections_->read([](LedgerReader& reader) { return reader.answered_items(); });
}
Result<std::vector<CheckpointRow>> SqliteLedger::checkpoints() const {
  return connections_->read([](LedgerReader& reader) { return reader.checkpoints(); });
}
Result<std::vector<AuditRow>> SqliteLedger::audit(std::int64_t after_sequence,
                                                  std::size_t limit) const {
  return connections_->read(
      [&](LedgerReader& reader) { return reader.audit(after_sequence, limit); });
}
Result<std::vector<MilestoneRow>> SqliteLedger::milestones() const {
  return connections_->read([](LedgerReader& reader) { return reader.milestones(); });
}
Status SqliteLedger::check() const {
  return connections_->read([](LedgerReader& reader) { return reader.check(); });
}

}  // namespace dunlin::store
