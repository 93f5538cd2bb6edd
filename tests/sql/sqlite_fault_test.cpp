// SQLite over a file system that fails: the n-th write or flush gives an error, n = 1, 2, 3 ...
// until a run survives (the loop of SQLite's own writecrash test). What commit() said must be true
// when the file is opened again.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "sql/sqlite.h"
#include "support/scratch.h"

namespace dunlin::sql {
namespace {

/// What fails next; one for the process, since SQLite's VFS is.
struct Fault {
  int countdown = 0;  ///< 0: nothing fails
  int code = SQLITE_OK;
  bool hit = false;

  int next() {
    if (countdown == 0 || --countdown > 0) return SQLITE_OK;
    hit = true;
    return code;
  }
};
Fault fault;

/// A file of the system's VFS behind methods that may fail.
struct FaultFile {
  sqlite3_file base;
  sqlite3_file* real;
};
sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<FaultFile*>(file)->real;
}

int fault_write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  const int code = fault.next();
  return code != SQLITE_OK ? code : real(file)->pMethods->xWrite(real(file), data, size, at);
}
int fault_sync(sqlite3_file* file, int flags) {
  const int code = fault.next();
  return code != SQLITE_OK ? code : real(file)->pMethods->xSync(real(file), flags);
}
int pass_close(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  sqlite3_free(real(file));
  return code;
}
int pass_read(sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
  return real(f)->pMethods->xRead(real(f), data, size, at);
}
int pass_truncate(sqlite3_file* f, sqlite3_int64 size) {
  return real(f)->pMethods->xTruncate(real(f), size);
}
int pass_size(sqlite3_file* f, sqlite3_int64* size) {
  return real(f)->pMethods->xFileSize(real(f), size);
}
int pass_lock(sqlite3_file* f, int kind) {
  return real(f)->pMethods->xLock(real(f), kind);
}
int pass_unlock(sqlite3_file* f, int kind) {
  return real(f)->pMethods->xUnlock(real(f), kind);
}
int pass_reserved(sqlite3_file* f, int* out) {
  return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int pass_control(sqlite3_file* f, int op, void* arg) {
  return real(f)->pMethods->xFileControl(real(f), op, arg);
}
int pass_sector(sqlite3_file* f) {
  return real(f)->pMethods->xSectorSize(real(f));
}
int pass_traits(sqlite3_file* f) {
  return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
int pass_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int pass_shm_lock(sqlite3_file* f, int at, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}
void pass_shm_barrier(sqlite3_file* f) {
  real(f)->pMethods->xShmBarrier(real(f));
}
int pass_shm_unmap(sqlite3_file* f, int remove) {
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

const sqlite3_io_methods kMethods = {
    2,           pass_close,   pass_read,     fault_write,      pass_truncate,  fault_sync,
    pass_size,   pass_lock,    pass_unlock,   pass_reserved,    pass_control,   pass_sector,
    pass_traits, pass_shm_map, pass_shm_lock, pass_shm_barrier, pass_shm_unmap, nullptr,
    nullptr};

int fault_open(sqlite3_vfs* /*vfs*/, sqlite3_filename name, sqlite3_file* file, int flags,
               int* out_flags) {
  sqlite3_vfs* const system = sqlite3_vfs_find("unix");
  auto* const own = reinterpret_cast<FaultFile*>(file);
  own->base.pMethods = nullptr;
  own->real = static_cast<sqlite3_file*>(sqlite3_malloc(system->szOsFile));
  std::memset(own->real, 0, static_cast<std::size_t>(system->szOsFile));
  const int code = system->xOpen(system, name, own->real, flags, out_flags);
  if (code != SQLITE_OK) {
    sqlite3_free(own->real);
    return code;
  }
  own->base.pMethods = &kMethods;
  return code;
}

void register_fault_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *sqlite3_vfs_find("unix");
    made.szOsFile = sizeof(FaultFile);
    made.zName = "dunlin-fault";
    made.xOpen = &fault_open;
    return made;
  }();
  sqlite3_vfs_register(&vfs, 0);
}

constexpr std::string_view kSecondRow = "SELECT count(*) FROM t WHERE id = 2 AND length(v) = 20000";

/// Inserts row 2 in a transaction while the n-th write or flush fails; copies what a crash at that
/// moment would leave.
Status insert_second_row(const std::string& path, const std::string& crashed, int n, int code) {
  DUNLIN_ASSIGN(Database database, Database::open(path, {.vfs = "dunlin-fault"}));
  fault = {n, code, false};
  DUNLIN_ASSIGN(Transaction transaction, Transaction::begin(database));
  DUNLIN_TRY(database.run("INSERT INTO t VALUES(?1, ?2)", 2, std::string(20'000, 'x')));
  Status status = transaction.commit();
  EXPECT_FALSE(database.in_transaction());
  fault.countdown = 0;
  std::filesystem::copy(path, crashed);
  std::filesystem::copy(path + "-wal", crashed + "-wal");
  return status;
}

bool has_second_row(const std::string& path) {
  auto database = Database::open(path);
  EXPECT_TRUE(database.ok());
  EXPECT_TRUE(database->integrity_check().ok());
  EXPECT_EQ(*database->query_int64("SELECT count(*) FROM t WHERE id = 1"), 1);
  return *database->query_int64(kSecondRow) == 1;
}

class SqliteFaults : public ::testing::TestWithParam<int> {};

TEST_P(SqliteFaults, WhatCommitSaidIsTrueAfterwardsAndAfterACrash) {
  register_fault_vfs();
  int n = 1;
  int came_back = 0;
  for (bool survived = false; !survived; ++n) {
    ASSERT_LT(n, 200);
    const testing::ScratchDirectory scratch;
    const std::string path = scratch.file("a.db");
    const std::string crashed = scratch.file("crashed.db");
    ASSERT_TRUE(
        Database::open(path)->exec("CREATE TABLE t(id, v); INSERT INTO t VALUES(1, 'first')").ok());
    const Status status = insert_second_row(path, crashed, n, GetParam());
    survived = !fault.hit;
    fault = {};
    if (status.ok()) {
      EXPECT_TRUE(has_second_row(path) && has_second_row(crashed)) << "write " << n;
      continue;
    }
    EXPECT_EQ(to_string(status.error().type), to_string(error_type_from_sqlite(GetParam())))
        << status.error().text();
    EXPECT_EQ(status.error().category(), ErrorCategory::system);
    EXPECT_FALSE(has_second_row(path)) << "write " << n << ": " << status.error().text();
    // The flush failed but the log was written: a recovery finds the commit that we reported as
    // failed.
    if (has_second_row(crashed)) {
      ++came_back;
      EXPECT_TRUE(status.error().possibly_applied)
          << "write " << n << ": " << status.error().text();
    }
  }
  EXPECT_GT(n, 5) << "the faults were not reached";
  EXPECT_GT(came_back, 0) << "possibly_applied is not put to the proof";
}

INSTANTIATE_TEST_SUITE_P(EachCode, SqliteFaults,
                         ::testing::Values(SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC),
                         [](const auto& instance) { return sqlite_code_name(instance.param); });

// A read-only directory, a missing permission and a full descriptor table all come as
// SQLITE_CANTOPEN; the errno behind tells them apart. The suite runs unprivileged: root may open
// anything.
TEST(SqliteErrno, SaysMoreThanCantOpen) {
  const testing::ScratchDirectory scratch;
  ASSERT_TRUE(Database::open(scratch.file("a.db"))->exec("CREATE TABLE t(a)").ok());
  std::filesystem::permissions(scratch.file("a.db"), std::filesystem::perms::none);
  if (::access(scratch.file("a.db").c_str(), R_OK) == 0) GTEST_SKIP() << "root may open anything";
  const auto opened = Database::open(scratch.file("a.db"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().type, ErrorType::permission_denied) << opened.error().text();
  EXPECT_NE(opened.error().message.find("EACCES"), std::string::npos);
}

}  // namespace
}  // namespace dunlin::sql
