#include "schema/probe.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "schema/names.h"
#include "sql/script/scanner.h"

namespace dunlin::schema {

namespace {

using sql::Call;
using sql::Dialect;
using sql::Parameter;
using sql::Token;
using sql::TokenKind;

/// A name as it was written ("app"."Users"), and its last part as the catalogue has it.
struct Name {
  std::string written;
  std::string last;
};

/// The words of a statement, one after the other.
class Words {
 public:
  Words(Dialect dialect, std::string_view sql) : dialect_(dialect), sql_(sql) {
    sql::Scanner scanner(dialect, sql);
    for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
      if (token.kind != TokenKind::space && token.kind != TokenKind::comment &&
          token.kind != TokenKind::executed_comment &&
          token.kind != TokenKind::executed_comment_end)
        tokens_.push_back(token);
  }

  /// Passes over these, if they stand here.
  bool take(std::initializer_list<std::string_view> words) {
    std::size_t at = at_;
    for (const std::string_view word : words) {
      if (at >= tokens_.size() || !sql::is_word(tokens_[at].of(sql_), word)) return false;
      ++at;
    }
    at_ = at;
    return true;
  }
  /// Passes over everything up to and with these.
  bool take_past(std::initializer_list<std::string_view> words) {
    for (; at_ < tokens_.size(); ++at_)
      if (take(words)) return true;
    return false;
  }
  std::optional<Name> name() {
    Name name;
    while (at_ < tokens_.size() &&
           (tokens_[at_].kind == TokenKind::word || tokens_[at_].kind == TokenKind::quoted)) {
      const Token& token = tokens_[at_++];
      name.written += token.of(sql_);
      name.last = plain(token);
      if (at_ >= tokens_.size() || tokens_[at_].of(sql_) != ".") return name;
      name.written += ".";
      ++at_;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool next_is(std::string_view word) const {
    return at_ < tokens_.size() && sql::is_word(tokens_[at_].of(sql_), word);
  }

 private:
  [[nodiscard]] std::string plain(const Token& token) const {
    const std::string_view text = token.of(sql_);
    std::string out;
    if (token.kind == TokenKind::word) {
      // Only PostgreSQL folds its names; the others compare them as they are told to.
      const bool folds = dialect_ == Dialect::postgresql;
      for (const char c : text)
        out.push_back(folds && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
      return out;
    }
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      out.push_back(text[i]);
      if (text[i] == text.front()) ++i;  // it stands twice
    }
    return out;
  }

  Dialect dialect_;
  std::string_view sql_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

struct ConcurrentIndex {
  Name name;
  Name table;
};

/// nullopt: another statement, or an index that gets its name from the server.
std::optional<ConcurrentIndex> concurrent_index(Dialect dialect, std::string_view sql) {
  if (dialect != Dialect::postgresql) return std::nullopt;
  Words words(dialect, sql);
  if (!words.take({"CREATE"})) return std::nullopt;
  words.take({"UNIQUE"});
  if (!words.take({"INDEX", "CONCURRENTLY"})) return std::nullopt;
  words.take({"IF", "NOT", "EXISTS"});
  if (words.next_is("ON")) return std::nullopt;
  const auto name = words.name();
  if (!name || !words.take({"ON"})) return std::nullopt;
  words.take({"ONLY"});
  const auto table = words.name();
  if (!table) return std::nullopt;
  return ConcurrentIndex{*name, *table};
}

/// The table of a CREATE INDEX CONCURRENTLY that leaves the name to the server.
std::optional<Name> table_of_nameless_index(std::string_view sql) {
  Words words(Dialect::postgresql, sql);
  if (!words.take({"CREATE"})) return std::nullopt;
  words.take({"UNIQUE"});
  if (!words.take({"INDEX", "CONCURRENTLY", "ON"})) return std::nullopt;
  words.take({"ONLY"});
  return words.name();
}

/// The indexes of a table by their numbers, with commas between.
Result<std::string> indexes_of(Target& target, const Name& table, const Call& call) {
  const std::array parameters = {Parameter(table.written)};
  DUNLIN_ASSIGN(
      const auto all,
      sql::query_text(target.connection(),
                      "SELECT pg_catalog.string_agg(indexrelid::text, ',' ORDER BY indexrelid) "
                      "FROM pg_catalog.pg_index WHERE indrelid = pg_catalog.to_regclass($1)::oid",
                      call, parameters));
  return all.value_or("");
}

/// One more index than before is the one: done when it is valid, and out of the way when it is not.
Result<Probed> probe_nameless_index(Target& target, const Name& table, std::string_view before,
                                    const Call& call) {
  const std::array parameters = {Parameter(table.written), Parameter(std::string(before))};
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query(
          "SELECT i.indisvalid AND i.indisready, pg_catalog.quote_ident(n.nspname) || '.' || "
          "pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c "
          "ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
          "i.indrelid = pg_catalog.to_regclass($1)::oid AND NOT i.indexrelid::text = ANY "
          "(pg_catalog.string_to_array($2, ','))",
          call, parameters));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return Probed::not_done;
  const bool valid = rows->text(0) == "t";
  const std::string name(rows->text(1));
  DUNLIN_ASSIGN(const bool another, rows->next());
  if (another) return Probed::unknown;  // somebody else makes indexes, too
  if (valid) return Probed::done;
  DUNLIN_TRY(sql::run_only(target.connection(), "DROP INDEX CONCURRENTLY " + name, call));
  return Probed::not_done;
}

struct IndexState {
  bool valid = false;
  bool being_built = false;
  std::string name;  ///< as SQL writes it
};

Result<std::optional<IndexState>> look_at(Target& target, const ConcurrentIndex& index,
                                          const Call& call) {
  const std::array parameters = {Parameter(index.table.written), Parameter(index.name.last)};
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query(
          "SELECT i.indisvalid AND i.indisready, EXISTS (SELECT 1 FROM "
          "pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid), "
          "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) FROM "
          "pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN "
          "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.indrelid = "
          "pg_catalog.to_regclass($1)::oid AND c.relname = $2::name",
          call, parameters));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return std::optional<IndexState>();
  IndexState state{rows->text(0) == "t", rows->text(1) == "t", std::string(rows->text(2))};
  DUNLIN_ASSIGN(const bool more, rows->next());
  static_cast<void>(more);
  return std::optional(std::move(state));
}

Result<bool> exists(Target& target, std::string_view query, const std::string& name,
                    const Call& call) {
  const std::array parameters = {Parameter(name)};
  DUNLIN_ASSIGN(const auto found, sql::query_text(target.connection(), query, call, parameters));
  return found.has_value();
}

struct Maker {
  std::string_view kind;
  std::string_view query;
};
constexpr std::array<Maker, 3> kMakers = {{
    {"DATABASE", "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1::name"},
    {"TABLESPACE", "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = $1::name"},
    {"SUBSCRIPTION", "SELECT 1 FROM pg_catalog.pg_subscription WHERE subname = $1::name"},
}};

Result<Probed> probe_detach(Target& target, Words words, const Call& call) {
  words.take({"IF", "EXISTS"});
  words.take({"ONLY"});
  const auto parent = words.name();
  if (!parent || !words.take_past({"DETACH", "PARTITION"})) return Probed::unknown;
  const auto part = words.name();
  if (!part) return Probed::unknown;
  const std::array parameters = {Parameter(part->written), Parameter(parent->written)};
  DUNLIN_ASSIGN(const auto pending,
                sql::query_text(target.connection(),
                                "SELECT inhdetachpending FROM pg_catalog.pg_inherits WHERE "
                                "inhrelid = pg_catalog.to_regclass($1)::oid AND inhparent = "
                                "pg_catalog.to_regclass($2)::oid",
                                call, parameters));
  if (!pending) return Probed::done;
  if (*pending != "t") return Probed::not_done;
  DUNLIN_TRY(sql::run_only(
      target.connection(),
      "ALTER TABLE " + parent->written + " DETACH PARTITION " + part->written + " FINALIZE", call));
  return Probed::done;
}

Result<Probed> probe_postgresql_statement(Target& target, std::string_view sql,
                                          std::string_view before, const Call& call) {
  Words words(Dialect::postgresql, sql);
  if (const auto table = table_of_nameless_index(sql))
    return probe_nameless_index(target, *table, before, call);
  if (const auto index = concurrent_index(Dialect::postgresql, sql)) {
    DUNLIN_ASSIGN(const auto state, look_at(target, *index, call));
    return state && state->valid ? Probed::done : Probed::not_done;
  }
  for (const std::string_view again : {"REINDEX", "VACUUM", "CLUSTER"})
    if (words.take({again})) return Probed::not_done;
  if (words.take({"ALTER", "SYSTEM"}) || words.take({"ALTER", "DATABASE"})) return Probed::not_done;
  if (words.take({"DROP", "INDEX", "CONCURRENTLY"})) {
    words.take({"IF", "EXISTS"});
    const auto name = words.name();
    if (!name) return Probed::unknown;
    DUNLIN_ASSIGN(const bool there,
                  exists(target, "SELECT pg_catalog.to_regclass($1)", name->written, call));
    return there ? Probed::not_done : Probed::done;
  }
  for (const Maker& one : kMakers) {
    const bool makes = words.take({"CREATE", one.kind});
    if (!makes && !words.take({"DROP", one.kind})) continue;
    words.take({"IF", "EXISTS"});
    const auto name = words.name();
    if (!name) return Probed::unknown;
    DUNLIN_ASSIGN(const bool there, exists(target, one.query, name->last, call));
    return there == makes ? Probed::done : Probed::not_done;
  }
  if (words.take({"ALTER", "TABLE"})) return probe_detach(target, words, call);
  return Probed::unknown;
}

/// A list of text literals' places, and the literals.
struct NameList {
  std::string places;  ///< "?, ?"
  std::vector<Parameter> names;
};

/// Every word of a statement: whatever it makes, changes or drops is among them.
NameList names_in(std::string_view sql) {
  constexpr std::size_t kNamesMax = 500;
  NameList list;
  std::set<std::string> seen;
  sql::Scanner scanner(Dialect::mysql, sql);
  for (Token token = scanner.next(); token.kind != TokenKind::end && list.names.size() < kNamesMax;
       token = scanner.next()) {
    if (token.kind != TokenKind::word && token.kind != TokenKind::quoted) continue;
    std::string_view text = token.of(sql);
    std::string name;
    if (token.kind == TokenKind::quoted) {
      for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        name.push_back(text[i]);
        if (text[i] == text.front()) ++i;  // it stands twice
      }
    } else {
      name = text;
    }
    if (name.empty() || !seen.insert(name).second) continue;
    list.places += list.names.empty() ? "?" : ", ?";
    list.names.emplace_back(std::move(name));
  }
  return list;
}

/// Rows of a query about the catalogue, their columns apart.
Result<std::vector<std::vector<std::string>>> catalogue(Target& target, const std::string& query,
                                                        std::span<const Parameter> names,
                                                        const Call& call) {
  std::vector<std::vector<std::string>> all;
  DUNLIN_ASSIGN(const auto rows, target.connection().query(query, call, names));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return all;
    std::vector<std::string>& row = all.emplace_back();
    for (int i = 0; i < rows->columns(); ++i) row.emplace_back(rows->text(i));
  }
}

/// The counter of a table grows by itself.
std::string without_counter(std::string text) {
  constexpr std::string_view kCounter = " AUTO_INCREMENT=";
  const std::size_t at = text.find(kCounter);
  if (at == std::string::npos) return text;
  std::size_t end = at + kCounter.size();
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return text.erase(at, end - at);
}

/// Schema, name and kind of all that may be meant, as information_schema lists it.
constexpr std::array<std::string_view, 4> kMysqlObjects = {
    "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE "
    "table_schema = DATABASE() AND table_name IN ({})",
    "SELECT routine_schema, routine_name, routine_type FROM information_schema.routines WHERE "
    "routine_schema = DATABASE() AND routine_name IN ({})",
    "SELECT trigger_schema, trigger_name, 'TRIGGER' FROM information_schema.triggers WHERE "
    "trigger_schema = DATABASE() AND trigger_name IN ({})",
    "SELECT event_schema, event_name, 'EVENT' FROM information_schema.events WHERE event_schema = "
    "DATABASE() AND event_name IN ({})",
};

/// Where SHOW CREATE has the text.
struct Shown {
  std::string_view type;
  std::string_view word;
  std::size_t column;
};
constexpr std::array<Shown, 7> kShown = {{{"BASE TABLE", "TABLE", 1},
                                          {"VIEW", "VIEW", 1},
                                          {"SEQUENCE", "SEQUENCE", 1},
                                          {"PROCEDURE", "PROCEDURE", 2},
                                          {"FUNCTION", "FUNCTION", 2},
                                          {"TRIGGER", "TRIGGER", 2},
                                          {"EVENT", "EVENT", 3}}};

Result<std::string> mysql_fingerprint(Target& target, std::string_view sql, const Call& call) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  const NameList list = names_in(sql);
  for (const std::string_view query : kMysqlObjects) {
    DUNLIN_ASSIGN(auto objects, catalogue(target, fmt::format(fmt::runtime(query), list.places),
                                          list.names, call));
    std::sort(objects.begin(), objects.end());
    for (const auto& object : objects) {
      hasher.update(object[1] + "\n" + object[2] + "\n");
      const auto shown = std::find_if(kShown.begin(), kShown.end(),
                                      [&](const Shown& one) { return one.type == object[2]; });
      if (shown == kShown.end()) continue;
      DUNLIN_ASSIGN(const auto text,
                    catalogue(target,
                              fmt::format("SHOW CREATE {} {}.{}", shown->word,
                                          in_backticks(object[0]), in_backticks(object[1])),
                              {}, call));
      if (!text.empty() && text.front().size() > shown->column)
        hasher.update(without_counter(text.front()[shown->column]));
    }
  }
  DUNLIN_ASSIGN(auto databases,
                catalogue(target,
                          fmt::format("SELECT schema_name, default_character_set_name, "
                                      "default_collation_name FROM information_schema.schemata "
                                      "WHERE schema_name IN ({})",
                                      list.places),
                          list.names, call));
  std::sort(databases.begin(), databases.end());
  for (const auto& database : databases)
    hasher.update(database[0] + "\n" + database[1] + "\n" + database[2] + "\n");
  return hex(hasher.finish());
}

/// DROP TABLE a, b, c is atomic for each of them only.
Result<Probed> probe_drop(Target& target, Words words, bool unchanged, const Call& call) {
  words.take({"IF", "EXISTS"});
  std::int64_t there = 0;
  std::int64_t named = 0;
  do {
    const auto name = words.name();
    if (!name) return Probed::unknown;
    ++named;
    const std::array parameters = {Parameter(name->last)};
    DUNLIN_ASSIGN(const auto found,
                  sql::query_text(target.connection(),
                                  "SELECT 1 FROM information_schema.tables WHERE table_schema = "
                                  "DATABASE() AND table_name = ?",
                                  call, parameters));
    if (found) ++there;
  } while (words.take({","}));
  if (there == 0) return Probed::done;
  return unchanged || there == named ? Probed::not_done : Probed::unknown;
}

Result<Probed> probe_mysql_statement(Target& target, std::string_view sql, std::string_view before,
                                     const Call& call) {
  DUNLIN_ASSIGN(const std::string now, mysql_fingerprint(target, sql, call));
  Words words(Dialect::mysql, sql);
  if (words.take({"DROP", "TABLE"}) || words.take({"DROP", "VIEW"}))
    return probe_drop(target, words, now == before, call);
  return now == before ? Probed::not_done : Probed::done;
}

}  // namespace

Result<Probed> probe(Target& target, std::string_view sql, std::string_view before,
                     const Call& call) {
  switch (target.dialect()) {
    case Dialect::postgresql:
      return probe_postgresql_statement(target, sql, before, call);
    case Dialect::sqlite:
      return Probed::not_done;  // VACUUM and settings of the file
    case Dialect::mysql:
      return probe_mysql_statement(target, sql, before, call);
    case Dialect::sqlserver:
      break;
  }
  return Probed::unknown;
}

Result<std::string> fingerprint(Target& target, std::string_view sql, const Call& call) {
  if (target.dialect() == Dialect::postgresql) {
    const auto table = table_of_nameless_index(sql);
    return table ? indexes_of(target, *table, call) : std::string();
  }
  if (target.dialect() != Dialect::mysql) return std::string();
  return mysql_fingerprint(target, sql, call);
}

Status prepare_alone(Target& target, std::string_view sql, const Call& call) {
  const auto index = concurrent_index(target.dialect(), sql);
  if (!index) return success();
  DUNLIN_ASSIGN(const auto state, look_at(target, *index, call));
  if (!state || state->valid) return success();
  if (state->being_built)
    return Error(ErrorType::database_locked,
                 "somebody else is building the index " + printable(state->name) + " just now");
  DUNLIN_TRY(sql::run_only(target.connection(), "DROP INDEX CONCURRENTLY " + state->name, call));
  return success();
}

Status check_alone(Target& target, std::string_view sql, const Call& call) {
  const auto index = concurrent_index(target.dialect(), sql);
  if (!index) return success();
  DUNLIN_ASSIGN(const auto state, look_at(target, *index, call));
  if (!state || state->valid) return success();
  return Error(ErrorType::migration_failed,
               "the index " + printable(state->name) + " is there, but INVALID");
}

}  // namespace dunlin::schema
