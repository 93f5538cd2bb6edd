// Addresses of SQLite databases as people write them: "sqlite:PATH".
//
// Shared by the kinds that migrate SQLite databases, so that both name, claim and identify a
// database in the same way. Pure functions over names; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/sqlite.h"

namespace dunlin::sql {

/// How a database that is not ours is opened: its journal mode is left as it is, its SQL is taken
/// as SQLite takes it, and foreign keys are not enforced row by row (who changes rows or tables
/// checks them as a whole).
[[nodiscard]] OpenOptions foreign_options(bool read_only);

/// Opens a database that is not ours. A damaged or unusable file is the fault of that file
/// (read_error, permission_denied), not of dunlin's state as with Database::open.
[[nodiscard]] Result<Database> open_foreign(const std::string& path, bool read_only);
/// The same translation for errors of statements.
[[nodiscard]] Error foreign_error(Error error);
/// Opens somebody's database for looking at it; nullopt when there is no such file. Opened for
/// writing, because rolling back what a dead writer left is a write.
[[nodiscard]] Result<std::optional<Database>> open_existing(const std::string& path);

/// The absolute path behind "sqlite:PATH", symbolic links resolved as far as the path exists;
/// bytes, taken literally (no URI parameters). invalid_input for another scheme (naming what is
/// supported), an empty path or ":memory:".
[[nodiscard]] Result<std::string> sqlite_path(std::string_view url);

/// "sqlite:" and the absolute path: the form in which plans keep an address.
[[nodiscard]] Result<std::string> canonical_sqlite_url(std::string_view url);

/// Which file this is, stable while it is written to: device and inode. With `may_be_missing` those
/// of its directory together with its name, so that the identity is the same before and after the
/// file is made.
[[nodiscard]] Result<std::string> sqlite_identity(const std::string& path, bool may_be_missing);

/// True when both paths name one file that exists (links included).
[[nodiscard]] bool same_file(const std::string& one, const std::string& other);

/// `lock`: takes the write lock and gives it back. `rights`: opens nothing, for even the last one
/// to close a database may write into it.
enum class Probe : std::uint8_t { lock, rights };
/// Whether the database can be written, found out without leaving a trace; of a file that is
/// missing, its directory is asked.
[[nodiscard]] Status probe_sqlite_write(const std::string& path, Probe how = Probe::lock);

}  // namespace dunlin::sql
