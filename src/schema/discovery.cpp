// Discovery of migrations; see discovery.h.
#include "schema/discovery.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/file_io.h"
#include "base/hash.h"
#include "base/text.h"

namespace dunlin::schema {

namespace {

constexpr std::string_view kUp = ".up.sql";
constexpr std::string_view kDown = ".down.sql";
constexpr std::string_view kBoth = ".sql";

bool digit(char c) {
  return c >= '0' && c <= '9';
}

/// Digits, then '_' or the end: "0007_Users" is a migration, "7zip_notes" and "notes" are none.
bool names_a_version(std::string_view stem) {
  const auto end = std::find_if_not(stem.begin(), stem.end(), digit);
  return end != stem.begin() && (end == stem.end() || *end == '_');
}

Result<Script> read_script(const std::string& path) {
  DUNLIN_ASSIGN(std::string sql, read_file(path));
  // SQLite would stop reading at a NUL and take the rest for nothing (a file saved as UTF-16 is
  // full of them).
  if (sql.find('\0') != std::string::npos) {
    return Error(ErrorType::invalid_input,
                 "'" + printable(path) + "' holds a NUL byte: save it as UTF-8 text");
  }
  return Script{path, std::move(sql), 1};
}

/// Parts a file at its marker lines; without any, all of it is up.
void split(Script file, Migration& migration) {
  Script parts[2] = {{file.file, "", 1}, {"", "", 1}};
  int part = 0;
  int line = 0;
  for (std::size_t begin = 0; begin < file.sql.size();) {
    const std::size_t end = std::min(file.sql.find('\n', begin), file.sql.size() - 1) + 1;
    const std::string_view text = std::string_view(file.sql).substr(begin, end - begin);
    const std::string_view trimmed = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    ++line;
    begin = end;
    if (trimmed == "-- dunlin:up" || trimmed == "-- dunlin:down") {
      part = trimmed == "-- dunlin:up" ? 0 : 1;
      parts[part].file = file.file;
      if (parts[part].sql.empty()) parts[part].first_line = line + 1;
      continue;
    }
    parts[part].sql += text;
  }
  migration.up = std::move(parts[0]);
  migration.down = std::move(parts[1]);
}

class Discovery {
 public:
  void add(const std::string& path, const std::string& name) {
    for (const std::string_view suffix : {kUp, kDown, kBoth}) {
      if (!name.ends_with(suffix)) continue;
      const std::string stem = name.substr(0, name.size() - suffix.size());
      if (!names_a_version(stem)) return;
      Result<Script> script = read_script(path);
      if (!script.ok()) return problem(script.error().message);
      if (suffix == kDown) {
        downs_[stem] = std::move(script).value();
      } else {
        add_up(stem, std::move(script).value(), suffix == kBoth);
      }
      return;
    }
  }

  Result<Migrations> finish() {
    for (auto& [stem, script] : downs_) {
      const auto found = migrations_.find(version_of(stem));
      if (found == migrations_.end() || found->second.id != stem) {
        problem("'" + printable(script.file) + "' has no " + printable(stem) + std::string(kUp) +
                " beside it");
      } else if (!found->second.down.file.empty()) {
        problem("'" + printable(script.file) + "' and " + printable(found->second.down.file) +
                " both say how to go down");
      } else {
        found->second.down = std::move(script);
      }
    }
    if (!problems_.empty()) return Error(ErrorType::invalid_input, problems_);
    return std::move(migrations_);
  }

 private:
  void problem(const std::string& text) { problems_ += problems_.empty() ? text : "; " + text; }

  void add_up(const std::string& stem, Script script, bool both) {
    Migration migration;
    migration.version = version_of(stem);
    migration.id = stem;
    if (both) {
      split(std::move(script), migration);
    } else {
      migration.up = std::move(script);
    }
    const Result<std::string> digest = hash_bytes(HashKind::sha256, migration.up.sql);
    if (!digest.ok()) return problem(digest.error().message);
    migration.checksum = "sha256:" + hex(digest.value());
    const auto [found, added] = migrations_.try_emplace(migration.version, migration);
    if (!added) {
      problem("version " + migration.version.digits + " is used twice: " +
              printable(found->second.up.file) + " and " + printable(migration.up.file));
    }
  }

  Migrations migrations_;
  std::map<std::string, Script> downs_;
  std::string problems_;
};

}  // namespace

Version version_of(std::string_view name) {
  const auto end = std::find_if_not(name.begin(), name.end(), digit);
  std::string digits(name.begin(), end);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.empty() ? 0 : digits.size() - 1));
  return Version{std::move(digits)};
}

Result<Migrations> discover(const std::string& directory) {
  std::error_code code;
  std::vector<std::filesystem::path> files;
  std::filesystem::directory_iterator entry(directory, code);
  for (; !code && entry != std::filesystem::directory_iterator(); entry.increment(code)) {
    if (!entry->is_directory(code)) files.push_back(entry->path());
    if (code) break;
  }
  if (code) return error_from_errno(code.value(), "list '" + printable(directory) + "'");
  std::sort(files.begin(), files.end());
  Discovery discovery;
  for (const auto& file : files) discovery.add(file.native(), file.filename().native());
  return discovery.finish();
}

}  // namespace dunlin::schema
