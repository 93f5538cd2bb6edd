#include "schema/includes.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"
#include "sql/script/client_command.h"
#include "sql/script/scanner.h"
#include "sql/script/script_text.h"
#include "sql/script/splitter.h"

namespace dunlin::schema {

namespace {

constexpr sql::Dialect kDialect = sql::Dialect::postgresql;
constexpr std::size_t kDepthMost = 16;
constexpr std::size_t kFilesMost = 1000;
constexpr std::size_t kBytesMost = std::size_t{64} << 20;  // as of one file
constexpr std::string_view kBegins = "-- dunlin:begin_file ";
constexpr std::string_view kEnds = "-- dunlin:end_file";
constexpr std::string_view kLine = "line ";

bool is_end(std::string_view line) {
  return line == kEnds;
}

/// Lines that mean something to whoever reads a migration, by the tools that it may be of.
bool is_of_a_migration(std::string_view line) {
  return line.starts_with("-- dunlin:") || line.starts_with("-- +goose ") ||
         line.starts_with("-- migrate:");
}

/// A file on its way in.
struct File {
  std::string path;       ///< for messages
  std::string name;       ///< below the directory of the migrations
  std::string directory;  ///< where it looks for others
};

/// Where no more statement is open. `piece` is the last one of the text.
bool is_finished(const sql::Piece& piece, std::string_view text) {
  if (piece.kind != sql::PieceKind::statement) return true;
  sql::Scanner scanner(kDialect, text.substr(piece.code_end, piece.end - piece.code_end));
  for (sql::Token token = scanner.next(); token.kind != sql::TokenKind::end; token = scanner.next())
    if (token.kind != sql::TokenKind::space && token.kind != sql::TokenKind::comment) return true;
  return false;
}

class Taker {
 public:
  explicit Taker(std::filesystem::path root) : root_(std::move(root)) {}

  [[nodiscard]] bool took_any() const { return files_ > 0; }

  /// The text with all that it takes in.
  Result<std::string> expand(const File& file, std::string_view text, std::int64_t first_line) {
    chain_.push_back(file.name);
    std::string whole;
    std::size_t copied = 0;
    sql::ScriptSplitter splitter(kDialect, text, first_line);
    std::optional<sql::Piece> last;
    while (true) {
      auto piece = splitter.next();
      if (!piece.ok()) {
        is_placed_ = true;
        return in_file(file.path, std::move(piece).error());
      }
      if (!piece.value()) break;
      last = *piece.value();
      if (last->kind != sql::PieceKind::client_command) continue;
      const auto command = sql::client_command(last->code(text));
      if (!command.ok() || command->action == sql::ClientAction::nothing) continue;  // read_steps()
      const std::size_t line = text.substr(0, last->code_begin).rfind('\n') + 1;     // npos + 1: 0
      Result<std::string> taken = alone_on_its_line(text, line, *last)
                                      ? take_in(*command, file)
                                      : refused("psql's `\\ir` has to stand on a line of its own");
      if (!taken.ok()) {
        Error error = std::move(taken).error();
        // What is wrong within the other file names that one already.
        return is_placed_ ? error : in_place(file, last->line, std::move(error));
      }
      whole.append(text, copied, line - copied).append(taken.value());
      copied = last->end;
    }
    if (chain_.size() > 1 && last && !is_finished(*last, text))
      return in_place(file, splitter.line_of(last->code_begin),
                      Error(ErrorType::invalid_input,
                            "the file ends within the statement that begins here; end it with a "
                            "semicolon"));
    whole.append(text, copied);
    chain_.pop_back();
    return whole;
  }

 private:
  static Error refused(const std::string& why) { return Error(ErrorType::invalid_input, why); }

  Error in_place(const File& file, std::int64_t line, Error error) {
    is_placed_ = true;
    return in_file(file.path, std::move(error), line);
  }

  static bool alone_on_its_line(std::string_view text, std::size_t line, const sql::Piece& piece) {
    return text.substr(line, piece.code_begin - line).find_first_not_of(" \t") ==
           std::string_view::npos;
  }

  [[nodiscard]] std::string chain_to(const std::string& name) const {
    std::string words;
    for (const std::string& one : chain_) words += printable(one) + " takes in ";
    return words + printable(name);
  }

  /// Between its marks.
  Result<std::string> take_in(const sql::ClientCommand& command, const File& from) {
    DUNLIN_ASSIGN(const File file, find(command, from));
    if (std::find(chain_.begin(), chain_.end(), file.name) != chain_.end())
      return refused("files take in each other in a circle: " + chain_to(file.name));
    if (chain_.size() > kDepthMost)
      return refused(
          fmt::format("files are taken in more than {} deep: {}", kDepthMost, chain_to(file.name)));
    if (++files_ > kFilesMost)
      return refused(fmt::format("more than {} files are taken in", kFilesMost));
    DUNLIN_ASSIGN(std::string bytes, read_file(file.path));
    auto text = sql::script_text(std::move(bytes));
    if (!text.ok()) {
      is_placed_ = true;
      return in_file(file.path, std::move(text).error());
    }
    DUNLIN_TRY(check_lines(file, text.value().text));
    bytes_ += text.value().text.size();
    if (bytes_ > kBytesMost)
      return refused(
          fmt::format("the files that are taken in are larger than {} bytes together", kBytesMost));
    DUNLIN_ASSIGN(std::string whole, expand(file, text.value().text, 1));
    if (!whole.empty() && !whole.ends_with('\n')) whole += '\n';
    return fmt::format("{}{}\n{}{}\n", kBegins, escape_bytes(file.name), whole, kEnds);
  }

  /// How a migration is read is said in the migration.
  Status check_lines(const File& file, std::string_view text) {
    std::int64_t line = 1;
    for (std::size_t begin = 0; begin < text.size(); ++line) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view one = text.substr(begin, end - begin);
      begin = end + 1;
      if (is_of_a_migration(one))
        return in_place(
            file, line,
            refused("`" + printable(one.substr(0, 40)) +
                    "` says how a migration is read, and stands in a file that is taken "
                    "in: write it into the migration itself"));
    }
    return success();
  }

  Result<File> find(const sql::ClientCommand& command, const File& from) {
    const bool is_absolute = command.file.starts_with('/');
    if (command.action == sql::ClientAction::include && !is_absolute)
      return refused(
          "psql's `\\i` looks for '" + printable(command.file) +
          "' where psql was started, which no migration knows: write `\\ir`, which looks "
          "beside this file");
    const std::filesystem::path written =
        is_absolute ? std::filesystem::path(command.file)
                    : std::filesystem::path(from.directory) / command.file;
    std::error_code code;
    const std::filesystem::path path = std::filesystem::canonical(written, code);
    // Where a link stands, not where it leads to, as psql has it.
    std::filesystem::path directory;
    if (!code) directory = std::filesystem::canonical(written.parent_path(), code);
    if (code)
      return refused("the file '" + printable(command.file) +
                     "' cannot be taken in: " + code.message());
    const std::string root = root_.native() + (root_.native().ends_with('/') ? "" : "/");
    if (!path.native().starts_with(root))
      return refused("the file '" + printable(command.file) +
                     "' lies outside of the directory of the migrations, '" +
                     printable(root_.native()) + "': put it there");
    if (!std::filesystem::is_regular_file(path, code))
      return refused("'" + printable(command.file) + "' is no file");
    return File{path.native(), path.native().substr(root.size()), directory.native()};
  }

  std::filesystem::path root_;
  std::vector<std::string> chain_;
  std::size_t files_ = 0;
  std::size_t bytes_ = 0;
  bool is_placed_ = false;  ///< the error names its file and line
};

struct Place {
  std::string file;
  std::int64_t line = 1;
};

/// Which files a line is in, the innermost last.
std::vector<Place> places_of_line(const Script& script, std::int64_t wanted) {
  std::vector<Place> places = {{script.file, script.first_line}};
  const std::string_view text = script.sql;
  std::int64_t line = script.first_line;
  for (std::size_t begin = 0; begin < text.size() && line < wanted; ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view one = text.substr(begin, end - begin);
    begin = end + 1;
    if (one.starts_with(kBegins)) {
      const std::string name(one.substr(kBegins.size()));
      places.push_back({script.root + unescape_bytes(name).value_or(name), 1});
      continue;
    }
    if (is_end(one) && places.size() > 1) places.pop_back();
    ++places.back().line;
  }
  return places;
}

}  // namespace

Status take_in_files(Script& script, const std::string& directory) {
  if (script.sql.find("\\i") == std::string::npos) return success();
  DUNLIN_ASSIGN(const ScriptOptions options,
                script_options(script));  // it holds no marks by itself
  static_cast<void>(options);
  std::error_code code;
  const std::filesystem::path root = std::filesystem::canonical(directory, code);
  if (code) return error_from_errno(code.value(), "resolve '" + printable(directory) + "'");
  const std::filesystem::path file(script.file);
  const std::filesystem::path beside = std::filesystem::canonical(file.parent_path(), code);
  if (code) return error_from_errno(code.value(), "resolve '" + printable(script.file) + "'");
  const std::string prefix = root.native() + (root.native().ends_with('/') ? "" : "/");
  std::string name = (beside / file.filename()).native();
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  Taker taker(root);
  DUNLIN_ASSIGN(std::string whole,
                taker.expand({script.file, name, beside.native()}, script.sql, script.first_line));
  if (!taker.took_any()) return success();
  script.sql = std::move(whole);
  script.has_files = true;
  script.root = prefix;
  return success();
}

bool holds_files(std::string_view sql) {
  return sql.starts_with(kBegins) ||
         sql.find("\n" + std::string(kBegins)) != std::string_view::npos;
}

std::string place_of_line(const Script& script, std::int64_t line) {
  if (!script.has_files) return printable(script.file) + ":" + std::to_string(line);
  const std::vector<Place> places = places_of_line(script, line);
  std::string text = printable(places.back().file) + ":" + std::to_string(places.back().line);
  for (std::size_t i = places.size() - 1; i-- > 0;)
    text += fmt::format(", taken in by {}:{}", printable(places[i].file), places[i].line);
  return text;
}

Error in_script(const Script& script, Error error) {
  if (!script.has_files || !error.message.starts_with(kLine))
    return in_file(script.file, std::move(error));
  std::int64_t line = 0;
  const char* const begin = error.message.data() + kLine.size();
  const char* const stop = error.message.data() + error.message.size();
  const auto [end, code] = std::from_chars(begin, stop, line);
  if (code != std::errc()) return in_file(script.file, std::move(error));
  error.message = place_of_line(script, line) + std::string(end, stop);
  return error;
}

}  // namespace dunlin::schema
