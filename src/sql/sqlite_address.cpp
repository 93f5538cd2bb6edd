// Addresses of SQLite databases; see sqlite_address.h.
#include "sql/sqlite_address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/redact.h"
#include "base/text.h"

namespace dunlin::sql {

namespace {

constexpr std::string_view kScheme = "sqlite:";

std::string directory_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().native();
}

}  // namespace

OpenOptions foreign_options(bool read_only) {
  OpenOptions options;
  options.read_only = read_only;
  options.create = !read_only;
  options.wal = false;
  options.foreign_keys = false;
  options.strict = false;
  return options;
}

Error foreign_error(Error error) {
  if (error.type == ErrorType::state_corrupt) error.type = ErrorType::read_error;
  if (error.type == ErrorType::state_unusable) error.type = ErrorType::permission_denied;
  return error;
}

Result<Database> open_foreign(const std::string& path, bool read_only) {
  Result<Database> database = Database::open(path, foreign_options(read_only));
  if (!database.ok()) return foreign_error(std::move(database).error());
  return database;
}

Result<std::optional<Database>> open_existing(const std::string& path) {
  OpenOptions options = foreign_options(false);
  options.create = false;
  Result<Database> database = Database::open(path, options);
  if (database.ok()) return std::optional<Database>(std::move(database).value());
  if (database.error().type == ErrorType::not_found) return std::optional<Database>{};
  return foreign_error(std::move(database).error());
}

Result<std::string> sqlite_path(std::string_view url) {
  if (!url.starts_with(kScheme)) {
    const std::size_t scheme = url.find("://");
    const std::string shown = "'" + printable(redact(url, SecretsIn::value)) + "'";
    const std::string password = secret_spans(url, SecretsIn::value).empty()
                                     ? ""
                                     : "; and never write a password into an address";
    if (scheme == std::string_view::npos)
      return Error(ErrorType::invalid_input,
                   shown + " is no address of a database; write sqlite:" +
                       (url.starts_with('/') ? printable(url) : std::string("/srv/shop.db")));
    return Error(ErrorType::invalid_input,
                 shown +
                     " is at a server that this version cannot reach yet; there is only "
                     "sqlite:PATH, for example sqlite:/srv/shop.db" +
                     password);
  }
  const std::string_view path = url.substr(kScheme.size());
  if (path.empty() || path == ":memory:" || path.find('\0') != std::string_view::npos) {
    return Error(ErrorType::invalid_input,
                 "'" + printable(url) + "' names no file: write sqlite:PATH");
  }
  if (path.starts_with("//") && !path.starts_with("///")) {
    return Error(ErrorType::invalid_input,
                 "'" + printable(url) + "' names a host: write sqlite:PATH or sqlite:///PATH");
  }
  std::error_code code;
  const std::filesystem::path absolute = std::filesystem::absolute(path, code);
  if (code) return error_from_errno(code.value(), "resolve '" + printable(path) + "'");
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(absolute, code);
  if (code) return error_from_errno(code.value(), "resolve '" + printable(path) + "'");
  return canonical.native();
}

Result<std::string> canonical_sqlite_url(std::string_view url) {
  DUNLIN_ASSIGN(const std::string path, sqlite_path(url));
  return std::string(kScheme) + path;
}

Result<std::string> sqlite_identity(const std::string& path, bool may_be_missing) {
  const std::string subject = may_be_missing ? directory_of(path) : path;
  struct stat status{};
  if (::stat(subject.c_str(), &status) != 0) {
    return error_from_errno(errno, "look at '" + printable(subject) + "'");
  }
  std::string identity = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  if (may_be_missing) identity += "/" + std::filesystem::path(path).filename().native();
  return identity;
}

bool same_file(const std::string& one, const std::string& other) {
  struct stat a{};
  struct stat b{};
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

Status probe_sqlite_write(const std::string& path, Probe how) {
  if (::access(path.c_str(), F_OK) != 0) {
    if (errno != ENOENT) return error_from_errno(errno, "look at '" + printable(path) + "'");
    const std::string directory = directory_of(path);
    if (::access(directory.c_str(), W_OK | X_OK) != 0) {
      return error_from_errno(errno, "make a file in '" + printable(directory) + "'", true);
    }
    return success();
  }
  if (how == Probe::rights) {
    if (::access(path.c_str(), W_OK) != 0)
      return error_from_errno(errno, "write to '" + printable(path) + "'", true);
    return success();
  }
  DUNLIN_ASSIGN(Database database, open_foreign(path, false));
  DUNLIN_ASSIGN(Transaction lock, Transaction::begin(database));
  return lock.rollback();
}

}  // namespace dunlin::sql
