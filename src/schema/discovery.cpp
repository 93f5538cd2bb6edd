// Discovery of migrations; see discovery.h.
#include "schema/discovery.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/file_io.h"
#include "base/leave_to_exit.h"
#include "base/text.h"
#include "schema/checksum.h"
#include "schema/includes.h"
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
  if (!line.starts_with("-- ")) return nullptr;
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
  parts[0].sql.reserve(file.sql.size());
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
      if (parts[part].sql.empty()) {
        parts[part].first_line = line;
        parts[part].sql.reserve(file.sql.size());
      }
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

/// A file that is a migration's, by its name.
struct Found {
  std::string path;
  std::string stem;
  bool down = false;
  bool both = false;                       ///< its lines may part it
  const std::string* directory = nullptr;  ///< of the migrations
};

/// What is in it; of one direction, or of both.
struct Loaded {
  Migrations::node_type node;  ///< made here, so that it need not be moved into the list of all
  std::string bytes;           ///< the file's, where they are not those of the up part
  std::string exact;           ///< SHA-256 of its bytes, hexadecimal
  bool is_elsewhere = false;   ///< for other databases
  std::string problem;         ///< empty: none
};

bool has_marker(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (marker_of(text.substr(begin, end - begin)) != nullptr) return true;
    begin = end + 1;
  }
  return false;
}

Status read_up(const Found& found, FileText file, sql::Dialect dialect, Loaded& loaded) {
  Migration& migration = loaded.node.mapped();
  if (found.both) {
    split(std::move(file.script), migration);
  } else {
    migration.up = std::move(file.script);
  }
  DUNLIN_ASSIGN(ScriptOptions options, script_options(migration.up));
  loaded.is_elsewhere = !options.is_for(dialect);
  if (loaded.is_elsewhere) return success();
  for (const std::string& name : options.depends_on) {
    Version on = version_of(name);
    if (on.empty())
      return Error(ErrorType::invalid_input, printable(migration.up.file) +
                                                 ": `-- dunlin:depends_on " + printable(name) +
                                                 "`: write the number of a migration");
    migration.depends_on.push_back(std::move(on));
  }
  migration.tags = std::move(options.tags);
  migration.requirements = std::move(options.requirements);
  if (dialect == sql::Dialect::postgresql) {
    DUNLIN_TRY(take_in_files(migration.up, *found.directory));
    DUNLIN_TRY(take_in_files(migration.down, *found.directory));
  }
  // What is parted, or holds other files, has no bytes of its own.
  const bool whole = migration.down.file.empty() && !migration.up.has_files;
  if (whole && file.bytes != migration.up.sql) loaded.bytes = std::move(file.bytes);
  DUNLIN_ASSIGN(loaded.exact, exact_hash(loaded.bytes.empty() ? migration.up.sql : loaded.bytes));
  return success();
}

Loaded load(const Found& found, sql::Dialect dialect) {
  Migrations alone;
  const auto there = alone.try_emplace(version_of(found.stem)).first;
  Loaded loaded;
  loaded.node = alone.extract(there);
  Migration& migration = loaded.node.mapped();
  migration.version = loaded.node.key();
  migration.id = found.stem;
  Result<FileText> file = read_script(found.path);
  if (!file.ok()) {
    loaded.problem = file.error().message;
  } else if (!found.both && has_marker(file.value().script.sql)) {
    loaded.problem = "'" + printable(found.path) +
                     "' holds a line that parts up and down, but its name says which way all of "
                     "it goes: name it VERSION_Name.sql";
  } else if (found.down) {
    migration.down = std::move(file.value().script);
    if (dialect == sql::Dialect::postgresql)
      if (Status taken = take_in_files(migration.down, *found.directory); !taken.ok())
        loaded.problem = taken.error().message;
  } else if (Status read = read_up(found, std::move(file).value(), dialect, loaded); !read.ok()) {
    loaded.problem = read.error().message;
  }
  return loaded;
}

/// An empty one is none: taking it for done would make the next `up` fail (many projects have such
/// files).
Status find_way_back(Migration& migration, sql::Dialect dialect, TransactionMode mode) {
  if (migration.down.file.empty()) return success();
  DUNLIN_ASSIGN(const Steps steps, read_steps(dialect, migration.down, mode));
  migration.has_way_back = !steps.steps.empty();
  return success();
}

/// Splits what was loaded, but for what is known from its being applied. Any thread.
Status understand(const Found& found, sql::Dialect dialect, TransactionMode mode,
                  const std::map<Version, Applied>& applied, Loaded& loaded) {
  Migration& migration = loaded.node.mapped();
  if (found.down) {
    migration.is_read = !applied.contains(migration.version);
  } else {
    const auto known = applied.find(migration.version);
    migration.is_read = known == applied.end() || !is_of(known->second.checksum, loaded.exact);
    if (!migration.is_read) migration.checksum = known->second.checksum;
  }
  if (!migration.is_read) return success();
  if (!found.down) {
    Result<std::string> sum =
        checksum(dialect, loaded.bytes.empty() ? migration.up.sql : loaded.bytes, migration.up.sql);
    if (!sum.ok()) return in_script(migration.up, std::move(sum).error());
    migration.checksum = std::move(sum).value();
    DUNLIN_ASSIGN(migration.up_steps, read_steps(dialect, migration.up, mode));
  }
  return find_way_back(migration, dialect, mode);
}

/// work(0) to work(count - 1), many of them by several threads.
void in_threads(std::size_t count, const std::function<void(std::size_t)>& work) {
  constexpr std::size_t kWorthAThread = 256;
  constexpr std::size_t kThreadsMost = 8;
  constexpr std::size_t kTaken = 16;  // at once
  std::atomic<std::size_t> next{0};
  const auto take = [&] {
    for (std::size_t at = next.fetch_add(kTaken); at < count; at = next.fetch_add(kTaken))
      for (std::size_t i = at; i < std::min(at + kTaken, count); ++i) work(i);
  };
  const std::size_t threads =
      std::min({kThreadsMost, static_cast<std::size_t>(std::thread::hardware_concurrency()),
                count / kWorthAThread + 1});
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(take);
  take();
}

}  // namespace

struct MigrationFiles::Content {
  sql::Dialect dialect = sql::Dialect::sqlite;
  Status listed = success();
  std::vector<std::string> directories;
  std::vector<Found> found;
  std::vector<Loaded> loaded;
};

namespace {

class Finder {
 public:
  /// What is added from now on lies in it: so many files, mostly. It has to stay where it is.
  void enter(const std::string& directory, std::size_t files) {
    directory_ = &directory;
    found_.reserve(found_.size() + files);
  }

  void add(std::string path, const std::string& name) {
    if (name.starts_with(kRepeatable) && name.ends_with(kBoth) &&
        name.size() > kRepeatable.size() + kBoth.size()) {
      found_.push_back(
          {std::move(path), name.substr(0, name.size() - kBoth.size()), false, false, directory_});
      return;
    }
    for (const std::string_view suffix : {kUp, kDown, kBoth}) {
      if (!name.ends_with(suffix)) continue;
      std::string stem = name.substr(0, name.size() - suffix.size());
      const bool undoes = suffix == kBoth && is_flyway(stem, 'U');
      if (undoes) stem[0] = 'V';
      if (!names_a_version(stem)) return;
      const bool both = suffix == kBoth && !is_flyway(stem, 'V');
      found_.push_back(
          {std::move(path), std::move(stem), suffix == kDown || undoes, both, directory_});
      return;
    }
  }

  /// A directory: diesel's up.sql and down.sql.
  void add_directory(const std::string& path, const std::string& name) {
    if (!names_a_version(name)) return;
    std::error_code ignored;
    for (const bool down : {false, true}) {
      std::string file = path + (down ? "/down.sql" : "/up.sql");
      if (std::filesystem::exists(file, ignored))
        found_.push_back({std::move(file), name, down, false, directory_});
    }
  }

  std::vector<Found> take() { return std::move(found_); }

 private:
  const std::string* directory_ = nullptr;
  std::vector<Found> found_;
};

class Discovery {
 public:
  explicit Discovery(const std::vector<Found>& found) : found_(found) {}

  Result<Migrations> finish(std::vector<Loaded> loaded) {
    for (const bool down : {false, true})  // which ones are for other databases is known by then
      for (std::size_t i = 0; i < found_.size(); ++i)
        if (found_[i].down == down) take(found_[i], loaded[i]);
    for (auto& [stem, down] : downs_) add_way_back(stem, std::move(down));
    for (auto& [version, migration] : migrations_)
      migration.has_way_back = migration.has_way_back && !migration.up_steps.irreversible;
    if (Status ranked = set_ranks(migrations_, elsewhere_); !ranked.ok())
      problem(ranked.error().message);
    if (!problems_.empty()) return Error(ErrorType::invalid_input, problems_);
    return std::move(migrations_);
  }

 private:
  void problem(const std::string& text) { problems_ += problems_.empty() ? text : "; " + text; }

  void take(const Found& found, Loaded& loaded) {
    const Version& version = loaded.node.key();
    if (found.down && elsewhere_.contains(version)) return;
    if (!loaded.problem.empty()) return problem(loaded.problem);
    if (loaded.is_elsewhere) {
      elsewhere_.insert(version);
      return;
    }
    if (found.down) {
      downs_[found.stem] = std::move(loaded.node.mapped());
      return;
    }
    const std::size_t before = migrations_.size();
    const auto there =  // mostly they come in their order
        migrations_.insert(migrations_.end(), std::move(loaded.node));
    if (migrations_.size() == before)
      problem("version " + printable(there->first.text()) + " is used twice: " +
              printable(there->second.up.file) + " and " + printable(loaded.node.mapped().up.file));
  }

  void add_way_back(const std::string& stem, Migration down) {
    const auto found = migrations_.find(version_of(stem));
    const bool by_number = is_flyway(stem, 'V');
    if (found == migrations_.end() || (!by_number && found->second.id != stem)) {
      return problem("'" + printable(down.down.file) + "' has no " +
                     (by_number || down.down.file.ends_with("/down.sql")
                          ? "migration that goes up"
                          : printable(stem) + std::string(kUp)) +
                     " beside it");
    }
    if (!found->second.down.file.empty())
      return problem("'" + printable(down.down.file) + "' and " +
                     printable(found->second.down.file) + " both say how to go down");
    found->second.down = std::move(down.down);
    found->second.has_way_back = down.has_way_back;
    found->second.is_read = found->second.is_read && down.is_read;
  }

  const std::vector<Found>& found_;
  Migrations migrations_;
  std::map<std::string, Migration> downs_;
  std::set<Version> elsewhere_;
  std::string problems_;
};

Status list(const std::string& directory, Finder& finder) {
  const std::string what = "list '" + printable(directory) + "'";
  std::vector<std::pair<std::string, bool>> files;  // and whether it is a directory
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
  if (!stream) return error_from_errno(errno, what);
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return error_from_errno(errno, what);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string path = directory + (directory.ends_with('/') ? "" : "/") + std::string(name);
    std::error_code ignored;
    const bool is_directory =
        entry->d_type == DT_DIR || ((entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
                                    std::filesystem::is_directory(path, ignored));
    files.emplace_back(std::move(path), is_directory);
  }
  std::sort(files.begin(), files.end());
  finder.enter(directory, files.size());
  for (auto& [file, is_directory] : files) {
    const std::string name = file.substr(file.rfind('/') + 1);
    if (is_directory) {
      finder.add_directory(file, name);
    } else {
      finder.add(std::move(file), name);
    }
  }
  return success();
}

}  // namespace

/// Each number behind its length, so that the order of the bytes is that of the values.
Version::Version(std::string digits) : text_(std::move(digits)) {
  constexpr std::size_t kShort = 0xf0;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    order_.push_back(static_cast<char>(std::min(part.size(), kShort)));
    if (part.size() >= kShort)
      for (unsigned shift = 64; shift > 0; shift -= 8)
        order_.push_back(static_cast<char>(std::uint64_t{part.size()} >> (shift - 8)));
    order_ += part;
  }
}

Version Version::of_repeatable(std::string name) {
  constexpr char kBehindAllNumbers = '\xff';
  Version version;
  version.order_ = kBehindAllNumbers + name;
  version.text_ = std::move(name);
  version.is_repeatable_ = true;
  return version;
}

Version version_of(std::string_view name) {
  if (name.starts_with(kRepeatable)) return Version::of_repeatable(std::string(name));
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
  return Version(std::move(digits));
}

MigrationFiles::MigrationFiles(std::unique_ptr<Content> content) : content_(std::move(content)) {}
MigrationFiles::MigrationFiles(MigrationFiles&&) noexcept = default;
MigrationFiles& MigrationFiles::operator=(MigrationFiles&&) noexcept = default;
MigrationFiles::~MigrationFiles() = default;

MigrationFiles MigrationFiles::read(std::span<const std::string> directories,
                                    sql::Dialect dialect) {
  auto content = std::make_unique<Content>();
  content->dialect = dialect;
  content->directories.assign(directories.begin(), directories.end());
  Finder finder;
  for (const std::string& directory : content->directories) {
    content->listed = list(directory, finder);
    if (!content->listed.ok()) return MigrationFiles(std::move(content));
  }
  content->found = finder.take();
  content->loaded.resize(content->found.size());
  in_threads(content->found.size(),
             [&](std::size_t i) { content->loaded[i] = load(content->found[i], dialect); });
  return MigrationFiles(std::move(content));
}

Result<Migrations> MigrationFiles::understand(TransactionMode mode,
                                              const std::map<Version, Applied>& applied) {
  DUNLIN_TRY(std::move(content_->listed));
  in_threads(content_->found.size(), [&](std::size_t i) {
    Loaded& one = content_->loaded[i];
    if (!one.problem.empty() || one.is_elsewhere) return;
    const Status status =
        schema::understand(content_->found[i], content_->dialect, mode, applied, one);
    if (!status.ok()) one.problem = status.error().message;
  });
  Result<Migrations> all = Discovery(content_->found).finish(std::move(content_->loaded));
  leave_to_exit(std::move(content_));
  return all;
}

Status read_statements(Migration& migration, sql::Dialect dialect, TransactionMode mode) {
  DUNLIN_ASSIGN(migration.up_steps, read_steps(dialect, migration.up, mode));
  DUNLIN_TRY(find_way_back(migration, dialect, mode));
  migration.has_way_back = migration.has_way_back && !migration.up_steps.irreversible;
  migration.is_read = true;
  return success();
}

}  // namespace dunlin::schema
