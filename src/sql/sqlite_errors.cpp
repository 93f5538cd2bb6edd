// The table of SQLite's result codes (engine.md X-14). Immutable data; any thread.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sqlite3.h>

#include "base/text.h"
#include "sql/sqlite.h"

namespace dunlin::sql {
namespace {

#define ROW(code, type)          \
  SqliteCodeInfo {               \
    code, #code, ErrorType::type \
  }
// All codes of SQLite 3.40 but OK, ROW, DONE, NOTICE and WARNING, which are no errors.
const std::vector<SqliteCodeInfo>& table() {
  static const std::vector<SqliteCodeInfo> rows = {
      // Others hold a lock. BUSY_SNAPSHOT passes only when the whole transaction is begun again.
      ROW(SQLITE_BUSY, database_locked),
      ROW(SQLITE_BUSY_RECOVERY, database_locked),
      ROW(SQLITE_BUSY_SNAPSHOT, database_locked),
      ROW(SQLITE_BUSY_TIMEOUT, database_locked),
      ROW(SQLITE_LOCKED, database_locked),
      ROW(SQLITE_LOCKED_SHAREDCACHE, database_locked),
      ROW(SQLITE_LOCKED_VTAB, database_locked),
      ROW(SQLITE_PROTOCOL, database_locked),
      ROW(SQLITE_ERROR_SNAPSHOT, database_locked),
      // The device, the file system, the machine.
      ROW(SQLITE_FULL, disk_full),
      ROW(SQLITE_NOMEM, out_of_memory),
      ROW(SQLITE_IOERR_NOMEM, out_of_memory),
      ROW(SQLITE_IOERR, write_error),
      ROW(SQLITE_IOERR_READ, read_error),
      ROW(SQLITE_IOERR_SHORT_READ, read_error),
      ROW(SQLITE_IOERR_WRITE, write_error),
      ROW(SQLITE_IOERR_FSYNC, write_error),
      ROW(SQLITE_IOERR_DIR_FSYNC, write_error),
      ROW(SQLITE_IOERR_TRUNCATE, write_error),
      ROW(SQLITE_IOERR_FSTAT, read_error),
      ROW(SQLITE_IOERR_DELETE, write_error),
      ROW(SQLITE_IOERR_DELETE_NOENT, write_error),
      ROW(SQLITE_IOERR_ACCESS, read_error),
      ROW(SQLITE_IOERR_CLOSE, write_error),
      ROW(SQLITE_IOERR_DIR_CLOSE, write_error),
      ROW(SQLITE_IOERR_SEEK, read_error),
      ROW(SQLITE_IOERR_MMAP, read_error),
      ROW(SQLITE_IOERR_GETTEMPPATH, write_error),
      ROW(SQLITE_IOERR_CONVPATH, read_error),
      ROW(SQLITE_IOERR_VNODE, read_error),
      ROW(SQLITE_IOERR_AUTH, read_error),
      ROW(SQLITE_IOERR_BEGIN_ATOMIC, write_error),
      ROW(SQLITE_IOERR_COMMIT_ATOMIC, write_error),
      ROW(SQLITE_IOERR_ROLLBACK_ATOMIC, write_error),
      ROW(SQLITE_IOERR_DATA, read_error),
      ROW(SQLITE_IOERR_CORRUPTFS, read_error),
      // Locks and shared memory that do not work: a network file system.
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
      ROW(SQLITE_READONLY, read_only_destination),
      ROW(SQLITE_READONLY_RECOVERY, read_only_destination),
      ROW(SQLITE_READONLY_CANTLOCK, read_only_destination),
      ROW(SQLITE_READONLY_ROLLBACK, read_only_destination),
      ROW(SQLITE_READONLY_CANTINIT, read_only_destination),
      ROW(SQLITE_READONLY_DIRECTORY, read_only_destination),
      ROW(SQLITE_READONLY_DBMOVED, state_unusable),  // the file was renamed or deleted under us
      ROW(SQLITE_PERM, permission_denied),
      ROW(SQLITE_AUTH, auth_failure),
      ROW(SQLITE_AUTH_USER, auth_failure),
      // The file's content.
      ROW(SQLITE_CORRUPT, state_corrupt),
      ROW(SQLITE_CORRUPT_VTAB, state_corrupt),
      ROW(SQLITE_CORRUPT_SEQUENCE, state_corrupt),
      ROW(SQLITE_CORRUPT_INDEX, state_corrupt),
      ROW(SQLITE_NOTADB, state_corrupt),
      // The data.
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
      // Passing states of the connection.
      ROW(SQLITE_INTERRUPT, interrupted),
      ROW(SQLITE_ABORT, temporary_failure),
      ROW(SQLITE_ABORT_ROLLBACK, temporary_failure),
      ROW(SQLITE_SCHEMA, temporary_failure),
      ROW(SQLITE_ERROR_RETRY, temporary_failure),
      // Statements and calls that are wrong.
      ROW(SQLITE_ERROR, defect),
      ROW(SQLITE_ERROR_MISSING_COLLSEQ, defect),
      ROW(SQLITE_INTERNAL, defect),
      ROW(SQLITE_NOTFOUND, defect),
      ROW(SQLITE_EMPTY, defect),
      ROW(SQLITE_FORMAT, defect),
      ROW(SQLITE_RANGE, defect),
      ROW(SQLITE_MISUSE, defect),
  };
  return rows;
}
#undef ROW

const SqliteCodeInfo* find_row(int code) {
  const auto& rows = table();
  const auto row = std::ranges::find(rows, code, &SqliteCodeInfo::code);
  return row == rows.end() ? nullptr : &*row;
}

/// What the errno behind an I/O failure says more exactly than SQLite's code; nullopt: nothing.
std::optional<ErrorType> refined(int primary, int system_errno) {
  if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN) return std::nullopt;
  switch (system_errno) {
    case ENOENT:
      return primary == SQLITE_CANTOPEN ? std::optional(ErrorType::not_found) : std::nullopt;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EROFS:
    case EACCES:
    case EPERM:
      return error_from_errno(system_errno, "", true).type;
    default:
      return std::nullopt;
  }
}

/// SQLite does not tell why a write failed; under a limit of file sizes that is the likely reason.
bool file_sizes_are_limited() {
  struct rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

const std::vector<SqliteCodeInfo>& all_sqlite_codes() {
  return table();
}

ErrorType error_type_from_sqlite(int code) {
  const SqliteCodeInfo* row = find_row(code);
  if (row == nullptr) row = find_row(code & 0xff);
  return row == nullptr ? ErrorType::defect : row->type;
}

std::string sqlite_code_name(int code) {
  if (const SqliteCodeInfo* row = find_row(code)) return std::string(row->name);
  const SqliteCodeInfo* primary = find_row(code & 0xff);
  return (primary == nullptr ? std::string("SQLITE") : std::string(primary->name)) + "(" +
         std::to_string(code) + ")";
}

Error error_from_sqlite(sqlite3* database, int code, std::string_view what) {
  Error error(error_type_from_sqlite(code), printable(what));
  error.native = {"sqlite", sqlite_code_name(code)};
  if (code == SQLITE_IOERR_WRITE && file_sizes_are_limited())
    error.remediation =
        "raise the limit of file sizes (`ulimit -f`) or test the device, then run the command "
        "again or `dunlin resume %E`";
  const bool current = database != nullptr && sqlite3_extended_errcode(database) == code;
  error.message += ": ";
  error.message += printable(current ? sqlite3_errmsg(database) : sqlite3_errstr(code));
  if (!current) return error;
  const int system_errno = sqlite3_system_errno(database);
  if (const auto type = refined(code & 0xff, system_errno)) {
    error.type = *type;
    const char* name = strerrorname_np(system_errno);
    error.message +=
        std::string(" (") + (name != nullptr ? name : std::to_string(system_errno)) + ")";
  }
  return error;
}

}  // namespace dunlin::sql
