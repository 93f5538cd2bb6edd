#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "sql/sqlite.h"

namespace dunlin::sql {
namespace {

#define ROW(code, type)          \
  SqliteCodeInfo {               \
    code, #code, ErrorType::type \
  }
const std::vector<SqliteCodeInfo> kExpected = {
    ROW(SQLITE_BUSY, database_locked),
    ROW(SQLITE_BUSY_RECOVERY, database_locked),
    ROW(SQLITE_BUSY_SNAPSHOT, database_locked),
    ROW(SQLITE_BUSY_TIMEOUT, database_locked),
    ROW(SQLITE_LOCKED, database_locked),
    ROW(SQLITE_LOCKED_SHAREDCACHE, database_locked),
    ROW(SQLITE_LOCKED_VTAB, database_locked),
    ROW(SQLITE_PROTOCOL, database_locked),
    ROW(SQLITE_ERROR_SNAPSHOT, database_locked),
    ROW(SQLITE_FULL, disk_full),
    ROW(SQLITE_NOMEM, out_of_memory),
    ROW(SQLITE_IOERR_NOMEM, out_of_memory),
    ROW(SQLITE_IOERR, write_error),
    ROW(SQLITE_IOERR_WRITE, write_error),
    ROW(SQLITE_IOERR_FSYNC, write_error),
    ROW(SQLITE_IOERR_DIR_FSYNC, write_error),
    ROW(SQLITE_IOERR_TRUNCATE, write_error),
    ROW(SQLITE_IOERR_DELETE, write_error),
    ROW(SQLITE_IOERR_DELETE_NOENT, write_error),
    ROW(SQLITE_IOERR_CLOSE, write_error),
    ROW(SQLITE_IOERR_DIR_CLOSE, write_error),
    ROW(SQLITE_IOERR_GETTEMPPATH, write_error),
    ROW(SQLITE_IOERR_BEGIN_ATOMIC, write_error),
    ROW(SQLITE_IOERR_COMMIT_ATOMIC, write_error),
    ROW(SQLITE_IOERR_ROLLBACK_ATOMIC, write_error),
    ROW(SQLITE_IOERR_READ, read_error),
    ROW(SQLITE_IOERR_SHORT_READ, read_error),
    ROW(SQLITE_IOERR_FSTAT, read_error),
    ROW(SQLITE_IOERR_ACCESS, read_error),
    ROW(SQLITE_IOERR_SEEK, read_error),
    ROW(SQLITE_IOERR_MMAP, read_error),
    ROW(SQLITE_IOERR_CONVPATH, read_error),
    ROW(SQLITE_IOERR_VNODE, read_error),
    ROW(SQLITE_IOERR_AUTH, read_error),
    ROW(SQLITE_IOERR_DATA, read_error),
    ROW(SQLITE_IOERR_CORRUPTFS, read_error),
    ROW(SQLITE_IOERR_UNLOCK, state_unusable),
    ROW(SQLITE_IOERR_RDLOCK, state_unusable),
    ROW(SQLITE_IOERR_LOCK, state_unusable),
    ROW(SQLITE_IOERR_BLOCKED, state_unusable),
    ROW(SQLITE_IOERR_CHECKRESERVEDLOCK, state_unusable),
    ROW(SQLITE_IOERR_SHMOPEN, state_unusable),
    ROW(SQLITE_IOERR_SHMSIZE, state_unusable),
    ROW(SQLITE_IOERR_SHMLOCK, state_unusable),
    ROW(SQLITE_IOERR_SHMMAP, state_unusable),
    ROW(SQLITE_CANTOPEN, state_unusable),
    ROW(SQLITE_CANTOPEN_NOTEMPDIR, state_unusable),
    ROW(SQLITE_CANTOPEN_ISDIR, state_unusable),
    ROW(SQLITE_CANTOPEN_FULLPATH, state_unusable),
    ROW(SQLITE_CANTOPEN_CONVPATH, state_unusable),
    ROW(SQLITE_CANTOPEN_DIRTYWAL, state_unusable),
    ROW(SQLITE_CANTOPEN_SYMLINK, state_unusable),
    ROW(SQLITE_NOLFS, state_unusable),
    ROW(SQLITE_READONLY_DBMOVED, state_unusable),
    ROW(SQLITE_READONLY, read_only_destination),
    ROW(SQLITE_READONLY_RECOVERY, read_only_destination),
    ROW(SQLITE_READONLY_CANTLOCK, read_only_destination),
    ROW(SQLITE_READONLY_ROLLBACK, read_only_destination),
    ROW(SQLITE_READONLY_CANTINIT, read_only_destination),
    ROW(SQLITE_READONLY_DIRECTORY, read_only_destination),
    ROW(SQLITE_PERM, permission_denied),
    ROW(SQLITE_AUTH, auth_failure),
    ROW(SQLITE_AUTH_USER, auth_failure),
    ROW(SQLITE_CORRUPT, state_corrupt),
    ROW(SQLITE_CORRUPT_VTAB, state_corrupt),
    ROW(SQLITE_CORRUPT_SEQUENCE, state_corrupt),
    ROW(SQLITE_CORRUPT_INDEX, state_corrupt),
    ROW(SQLITE_NOTADB, state_corrupt),
    ROW(SQLITE_CONSTRAINT, constraint_violation),
    ROW(SQLITE_CONSTRAINT_CHECK, constraint_violation),
    ROW(SQLITE_CONSTRAINT_COMMITHOOK, constraint_violation),
    ROW(SQLITE_CONSTRAINT_DATATYPE, constraint_violation),
    ROW(SQLITE_CONSTRAINT_FOREIGNKEY, constraint_violation),
    ROW(SQLITE_CONSTRAINT_FUNCTION, constraint_violation),
    ROW(SQLITE_CONSTRAINT_NOTNULL, constraint_violation),
    ROW(SQLITE_CONSTRAINT_PINNED, constraint_violation),
    ROW(SQLITE_CONSTRAINT_PRIMARYKEY, constraint_violation),
    ROW(SQLITE_CONSTRAINT_ROWID, constraint_violation),
    ROW(SQLITE_CONSTRAINT_TRIGGER, constraint_violation),
    ROW(SQLITE_CONSTRAINT_UNIQUE, constraint_violation),
    ROW(SQLITE_CONSTRAINT_VTAB, constraint_violation),
    ROW(SQLITE_MISMATCH, invalid_data),
    ROW(SQLITE_TOOBIG, invalid_data),
    ROW(SQLITE_INTERRUPT, interrupted),
    ROW(SQLITE_ABORT, temporary_failure),
    ROW(SQLITE_ABORT_ROLLBACK, temporary_failure),
    ROW(SQLITE_SCHEMA, temporary_failure),
    ROW(SQLITE_ERROR_RETRY, temporary_failure),
    ROW(SQLITE_ERROR, defect),
    ROW(SQLITE_ERROR_MISSING_COLLSEQ, defect),
    ROW(SQLITE_INTERNAL, defect),
    ROW(SQLITE_NOTFOUND, defect),
    ROW(SQLITE_EMPTY, defect),
    ROW(SQLITE_FORMAT, defect),
    ROW(SQLITE_RANGE, defect),
    ROW(SQLITE_MISUSE, defect),
};

TEST(SqliteCodes, EachRow) {
  for (const SqliteCodeInfo& row : kExpected) {
    EXPECT_EQ(to_string(error_type_from_sqlite(row.code)), to_string(row.type)) << row.name;
    EXPECT_EQ(sqlite_code_name(row.code), row.name);
    const Error error = error_from_sqlite(nullptr, row.code, "insert item 7");
    EXPECT_EQ(to_string(error.type), to_string(row.type)) << row.name;
    EXPECT_EQ(error.native.domain, "sqlite");
    EXPECT_EQ(error.native.code, row.name);
    EXPECT_TRUE(error.message.starts_with("insert item 7: ")) << error.message;
  }
  EXPECT_EQ(all_sqlite_codes().size(), kExpected.size());
}

TEST(SqliteCodes, NoCodeTwice) {
  std::set<int> codes;
  for (const SqliteCodeInfo& row : all_sqlite_codes())
    EXPECT_TRUE(codes.insert(row.code).second) << row.name;
}

TEST(SqliteCodes, AnUnknownExtendedCodeCountsAsItsPrimary) {
  EXPECT_EQ(error_type_from_sqlite(SQLITE_CONSTRAINT | (99 << 8)), ErrorType::constraint_violation);
  EXPECT_EQ(sqlite_code_name(SQLITE_CONSTRAINT | (99 << 8)), "SQLITE_CONSTRAINT(25363)");
  EXPECT_EQ(error_type_from_sqlite(250), ErrorType::defect);
  EXPECT_EQ(sqlite_code_name(250), "SQLITE(250)");
}

}  // namespace
}  // namespace dunlin::sql
