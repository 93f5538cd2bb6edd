// Discovery of migrations; see discovery.h.
#include "schema/discovery.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <system_error>
#include <vector>

#include "base/file_io.h"
#include "base/text.h"
#include "schema/checksum.h"
#include "schema/ordering.h"
#include "sql/script/script_text.h"

namespace dunlin::schema {

namespace {

constexpr std::string_view kUp = ".up.sql";
constexpr std::string_view kDown = ".down.sql";
constexpr std::string_view kBoth = ".sql";
constexpr std::string_view kRepeatable = "R__";

bool digit(char c) {
  return c >= '0' && c <= '9';
}

/// V1__Name, U1_2__Name: Flyway's, whose version ends at two underscores.
bool is_flyway(std::string_view name, char letter) {
  return name.size() > 1 && name[0] == letter && digit(name[1]) &&
         name.find("__") != std::string_view::npos;
}

/// 2019-10-06-080000: diesel's, one number with dashes in it.
constexpr std::string_view kDieselForm = "0000-00-00-000000";
bool is_diesel(std::string_view name) {
  if (name.size() < kDieselForm.size()) return false;
  for (std::size_t i = 0; i < kDieselForm.size(); ++i)
    if (kDieselForm[i] == '0' ? !digit(name[i]) : name[i] != kDieselForm[i]) return false;
  return true;
}

/// How many bytes at the beginning are digits, with single dots between them.
std::size_t version_length(std::string_view name) {
  std::size_t at = 0;
  while (at < name.size() && (digit(name[at]) || (at > 0 && name[at] == '.' &&
                                                  at + 1 < name.size() && digit(name[at + 1]))))
    ++at;
  return at;
}

/// A version, then '_' or the end: "0007_Users" is a migration, "7zip_notes" and "notes" are none.
bool names_a_version(std::string_view stem) {
  if (is_flyway(stem, 'V') || is_diesel(stem)) return true;
  const std::size_t end = version_length(stem);
  return end > 0 && (end == stem.size() || stem[end] == '_');
}

/// Part 0 or 1 begins at this line.
struct Marker {
  std::string_view text;
  int part;
};
constexpr std::array<Marker, 6> kMarkers = {{{"-- dunlin:up", 0},
                                             {"-- dunlin:down", 1},
                                             {"-- +goose Up", 0},
                                             {"-- +goose Down", 1},
                                             {"-- migrate:up", 0},
                                             {"-- migrate:down", 1}}};

/// nullptr: another line. dbmate's may have options behind them.
const Marker* marker_of(std::string_view line) {
  const std::string_view trimmed = line.substr(0, line.find_last_not_of(" \t\r\n") + 1);
  for (const Marker& marker : kMarkers) {
    if (!trimmed.starts_with(marker.text)) continue;
    const std::string_view rest = trimmed.substr(marker.text.size());
    if (rest.empty() || (marker.text.starts_with("-- migrate:") && rest[0] == ' ')) return &marker;
  }
  return nullptr;
}

struct FileText {
  Script script;
  std::string bytes;  ///< as the file has them
};

Result<FileText> read_script(const std::string& path) {
  FileText file;
  DUNLIN_ASSIGN(file.bytes, read_file(path));
  auto text = sql::script_text(file.bytes);
  if (!text.ok()) return in_file(path, std::move(text).error());
  file.script = Script{path, std::move(text.value().text), 1};
  return file;
}

/// Parts a file at its marker lines, which stay the first of their parts; without any, all of it is
/// up. What goose wants for the whole file stands above them.
void split(Script file, Migration& migration) {
  constexpr std::string_view kGooseAlone = "-- +goose NO TRANSACTION";
  Script parts[2] = {{file.file, "", 1}, {"", "", 1}};
  int part = 0;
  int line = 0;
  bool goose_alone = false;
  for (std::size_t begin = 0; begin < file.sql.size();) {
    const std::size_t end = std::min(file.sql.find('\n', begin), file.sql.size() - 1) + 1;
    const std::string_view text = std::string_view(file.sql).substr(begin, end - begin);
    ++line;
    begin = end;
    goose_alone = goose_alone || text.starts_with(kGooseAlone);
    if (const Marker* const marker = marker_of(text)) {
      part = marker->part;
      parts[part].file = file.file;
      if (parts[part].sql.empty()) parts[part].first_line = line;
      if (part == 1 && goose_alone && parts[1].sql.empty()) {
        parts[1].sql = std::string(kGooseAlone) + "\n";
        --parts[1].first_line;
      }
    }
    parts[part].sql += text;
  }
  migration.up = std::move(parts[0]);
  migration.down = std::move(parts[1]);
}

class Discovery {
 public:
  Discovery(sql::Dialect dialect, TransactionMode mode) : dialect_(dialect), mode_(mode) {}

  void add(const std::string& path, const std::string& name) {
    if (name.starts_with(kRepeatable) && name.ends_with(kBoth) &&
        name.size() > kRepeatable.size() + kBoth.size())
      return add_file(path, name.substr(0, name.size() - kBoth.size()), false, false);
    for (const std::string_view suffix : {kUp, kDown, kBoth}) {
      if (!name.ends_with(suffix)) continue;
      std::string stem = name.substr(0, name.size() - suffix.size());
      const bool undoes = suffix == kBoth && is_flyway(stem, 'U');
      if (undoes) stem[0] = 'V';
      if (names_a_version(stem))
        add_file(path, stem, suffix == kDown || undoes, suffix == kBoth && !is_flyway(stem, 'V'));
      return;
    }
  }

  /// A directory: diesel's up.sql and down.sql.
  void add_directory(const std::string& path, const std::string& name) {
    if (!names_a_version(name)) return;
    std::error_code ignored;
    if (std::filesystem::exists(path + "/up.sql", ignored))
      add_file(path + "/up.sql", name, false, false);
    if (std::filesystem::exists(path + "/down.sql", ignored))
      add_file(path + "/down.sql", name, true, false);
  }

  Result<Migrations> finish() {
    for (auto& [stem, script] : downs_) {
      if (elsewhere_.contains(version_of(stem))) continue;
      const auto found = migrations_.find(version_of(stem));
      const bool by_number = is_flyway(stem, 'V');
      if (found == migrations_.end() || (!by_number && found->second.id != stem)) {
        problem("'" + printable(script.file) + "' has no " +
                (by_number || script.file.ends_with("/down.sql")
                     ? "migration that goes up"
                     : printable(stem) + std::string(kUp)) +
                " beside it");
      } else if (!found->second.down.file.empty()) {
        problem("'" + printable(script.file) + "' and " + printable(found->second.down.file) +
                " both say how to go down");
      } else {
        found->second.down = std::move(script);
      }
    }
    for (auto& [version, migration] : migrations_) find_way_back(migration);
    if (Status ranked = set_ranks(migrations_, elsewhere_); !ranked.ok())
      problem(ranked.error().message);
    if (!problems_.empty()) return Error(ErrorType::invalid_input, problems_);
    return std::move(migrations_);
  }

 private:
  void problem(const std::string& text) { problems_ += problems_.empty() ? text : "; " + text; }

  /// `both`: its lines may part it.
  void add_file(const std::string& path, const std::string& stem, bool down, bool both) {
    Result<FileText> file = read_script(path);
    if (!file.ok()) return problem(file.error().message);
    if (!both && has_marker(file.value().script.sql))
      return problem("'" + printable(path) +
                     "' holds a line that parts up and down, but its name says which way all of it "
                     "goes: name it VERSION_Name.sql");
    if (down) {
      downs_[stem] = std::move(file.value().script);
    } else {
      add_up(stem, std::move(file).value(), both);
    }
  }

  static bool has_marker(std::string_view text) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      if (marker_of(text.substr(begin, end - begin)) != nullptr) return true;
      begin = end + 1;
    }
    return false;
  }

  void add_up(const std::string& stem, FileText file, bool both) {
    Migration migration;
    migration.version = version_of(stem);
    migration.id = stem;
    if (both) {
      split(std::move(file.script), migration);
    } else {
      migration.up = std::move(file.script);
    }
    Result<ScriptOptions> options = script_options(migration.up);
    if (!options.ok()) return problem(options.error().message);
    if (!options.value().is_for(dialect_)) {
      elsewhere_.insert(migration.version);
      return;
    }
    for (const std::string& name : options.value().depends_on) {
      Version on = version_of(name);
      if (on.empty())
        return problem(printable(migration.up.file) + ": `-- dunlin:depends_on " + printable(name) +
                       "`: write the number of a migration");
      migration.depends_on.push_back(std::move(on));
    }
    migration.tags = std::move(options.value().tags);
    migration.requirements = std::move(options.value().requirements);
    // What is parted has no bytes of its own.
    const bool whole = migration.down.file.empty();
    Result<std::string> sum = checksum(
        dialect_, whole ? std::string_view(file.bytes) : migration.up.sql, migration.up.sql);
    if (!sum.ok()) return problem(printable(migration.up.file) + ": " + sum.error().message);
    migration.checksum = std::move(sum).value();
    Result<Steps> steps = read_steps(dialect_, migration.up, mode_);
    if (!steps.ok()) return problem(steps.error().message);
    migration.up_steps = std::move(steps).value();
    const auto [found, added] = migrations_.try_emplace(migration.version, migration);
    if (!added) {
      problem("version " + printable(migration.version.text()) + " is used twice: " +
              printable(found->second.up.file) + " and " + printable(migration.up.file));
    }
  }

  /// An empty one is none: taking it for done would make the next `up` fail (many projects have
  /// such files).
  void find_way_back(Migration& migration) {
    if (migration.down.file.empty()) return;
    const Result<Steps> steps = read_steps(dialect_, migration.down, mode_);
    if (!steps.ok()) return problem(steps.error().message);
    migration.has_way_back = !steps.value().steps.empty() && !migration.up_steps.irreversible;
  }

  sql::Dialect dialect_;
  TransactionMode mode_;
  Migrations migrations_;
  std::map<std::string, Script> downs_;
  std::set<Version> elsewhere_;  ///< for other databases
  std::string problems_;
};

}  // namespace

bool operator<(const Version& a, const Version& b) {
  if (a.is_repeatable() || b.is_repeatable()) return a.repeatable < b.repeatable;
  std::string_view one = a.digits;
  std::string_view other = b.digits;
  while (!one.empty() && !other.empty()) {
    const std::string_view left = one.substr(0, one.find('.'));
    const std::string_view right = other.substr(0, other.find('.'));
    if (left != right)
      return left.size() != right.size() ? left.size() < right.size() : left < right;
    one.remove_prefix(std::min(left.size() + 1, one.size()));
    other.remove_prefix(std::min(right.size() + 1, other.size()));
  }
  return one.empty() && !other.empty();
}

Version version_of(std::string_view name) {
  if (name.starts_with(kRepeatable)) return Version{{}, std::string(name)};
  std::string text;
  if (is_flyway(name, 'V')) {
    text = name.substr(1, name.find("__") - 1);
    std::replace(text.begin(), text.end(), '_', '.');
  } else if (is_diesel(name)) {
    text = name.substr(0, kDieselForm.size());
    std::erase(text, '-');
  } else {
    text = name;
  }
  text.resize(version_length(text));
  std::string digits;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view part = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    part.remove_prefix(std::min(part.find_first_not_of('0'), part.size() - 1));
    digits += digits.empty() ? "" : ".";
    digits += part;
  }
  while (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return Version{std::move(digits)};
}

Result<Migrations> discover(std::span<const std::string> directories, sql::Dialect dialect,
                            TransactionMode mode) {
  Discovery discovery(dialect, mode);
  for (const std::string& directory : directories) {
    std::error_code code;
    std::vector<std::filesystem::path> files;
    std::filesystem::directory_iterator entry(directory, code);
    for (; !code && entry != std::filesystem::directory_iterator(); entry.increment(code))
      files.push_back(entry->path());
    if (code) return error_from_errno(code.value(), "list '" + printable(directory) + "'");
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const std::string name = file.filename().native();
      if (std::filesystem::is_directory(file, code)) {
        discovery.add_directory(file.native(), name);
      } else {
        discovery.add(file.native(), name);
      }
    }
  }
  return discovery.finish();
}

}  // namespace dunlin::schema
