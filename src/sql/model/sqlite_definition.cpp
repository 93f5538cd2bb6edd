// A reader of SQLite's CREATE TABLE and CREATE INDEX (sqlite.org/lang_createtable.html); see
// sqlite_definition.h.
#include "sql/model/sqlite_definition.h"

#include <algorithm>

#include "sql/catalogue.h"
#include "sql/script/scanner.h"

namespace dunlin::sql::model {
namespace {

/// A statement's tokens without white space and comments, and a place among them.
class Definition {
 public:
  explicit Definition(std::string_view sql) : sql_(sql) {
    Scanner scanner(Dialect::sqlite, sql);
    for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
      if (token.kind != TokenKind::space && token.kind != TokenKind::comment)
        tokens_.push_back(token);
  }

  [[nodiscard]] bool at_end() const { return at_ >= tokens_.size(); }
  [[nodiscard]] std::string_view here() const {
    return at_end() ? std::string_view() : tokens_[at_].of(sql_);
  }
  [[nodiscard]] bool next_is(std::string_view keyword) const {
    return !at_end() && tokens_[at_].kind == TokenKind::word && is_word(here(), keyword);
  }
  void skip() { ++at_; }
  bool take(std::string_view keyword) {
    if (!next_is(keyword)) return false;
    ++at_;
    return true;
  }
  bool take_symbol(std::string_view symbol) {
    if (at_end() || here() != symbol) return false;
    ++at_;
    return true;
  }
  /// A name, without its quotes.
  std::string name() {
    if (at_end()) return {};
    const Token& token = tokens_[at_++];
    const std::string_view text = token.of(sql_);
    if (token.kind != TokenKind::quoted && token.kind != TokenKind::string)
      return std::string(text);
    std::string out;
    const char close = text.front() == '[' ? ']' : text.front();
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      out.push_back(text[i]);
      if (text[i] == close) ++i;
    }
    return out;
  }
  /// What stands in the brackets that begin here, as it was written; past them afterwards.
  std::string in_brackets() {
    if (!take_symbol("(")) return {};
    const std::size_t from = at_;
    int depth = 1;
    for (; !at_end(); ++at_) {
      if (here() == "(") ++depth;
      if (here() == ")" && --depth == 0) break;
    }
    std::string out;
    if (at_ > from && at_ <= tokens_.size())
      out = sql_.substr(tokens_[from].begin, tokens_[at_ - 1].end - tokens_[from].begin);
    skip();
    return out;
  }
  [[nodiscard]] std::string rest() const {
    return at_end() ? std::string() : std::string(sql_.substr(tokens_[at_].begin));
  }

 private:
  std::string_view sql_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

std::string conflict_clause(Definition& definition) {
  if (!definition.take("ON")) return {};
  definition.take("CONFLICT");
  std::string what = definition.name();
  for (char& c : what)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return what;
}

/// Terms between commas outside of brackets.
std::vector<std::string> split_terms(std::string_view text) {
  std::vector<std::string> terms;
  Scanner scanner(Dialect::sqlite, text);
  std::size_t from = 0;
  int depth = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    const std::string_view symbol = token.of(text);
    if (symbol == "(") ++depth;
    if (symbol == ")") --depth;
    if (depth == 0 && symbol == ",") {
      terms.emplace_back(text.substr(from, token.begin - from));
      from = token.end;
    }
  }
  terms.emplace_back(text.substr(from));
  return terms;
}

std::string trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

/// "a COLLATE NOCASE DESC", "lower(a)": the words at its end are taken off one by one.
KeyPart key_part(const std::string& term) {
  KeyPart part;
  std::vector<Token> tokens;
  Scanner scanner(Dialect::sqlite, term);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
    if (token.kind != TokenKind::space && token.kind != TokenKind::comment) tokens.push_back(token);
  const auto word = [&](std::size_t from_end, std::string_view keyword) {
    return tokens.size() > from_end &&
           tokens[tokens.size() - 1 - from_end].kind == TokenKind::word &&
           is_word(tokens[tokens.size() - 1 - from_end].of(term), keyword);
  };
  if (tokens.size() > 1 && (word(0, "ASC") || word(0, "DESC"))) {
    part.descending = word(0, "DESC");
    tokens.pop_back();
  }
  if (tokens.size() > 2 && word(1, "COLLATE")) {
    Definition collation(tokens.back().of(term));
    part.collation = collation.name();
    tokens.resize(tokens.size() - 2);
  }
  if (tokens.size() == 1 &&
      (tokens.front().kind == TokenKind::word || tokens.front().kind == TokenKind::quoted ||
       tokens.front().kind == TokenKind::string)) {
    Definition name(tokens.front().of(term));
    part.column = name.name();
  } else if (!tokens.empty()) {
    part.expression =
        trimmed(term.substr(tokens.front().begin, tokens.back().end - tokens.front().begin));
  }
  return part;
}

std::vector<KeyPart> key_parts(const std::string& text) {
  std::vector<KeyPart> parts;
  for (const std::string& term : split_terms(text)) parts.push_back(key_part(term));
  return parts;
}

std::vector<std::string> plain_names(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string& term : split_terms(text)) {
    Definition name(term);
    names.push_back(name.name());
  }
  return names;
}

Action action_after(Definition& definition) {
  if (definition.take("CASCADE")) return Action::cascade;
  if (definition.take("RESTRICT")) return Action::restricted;
  if (definition.take("SET")) {
    if (definition.take("DEFAULT")) return Action::set_default;
    definition.take("NULL");
    return Action::set_null;
  }
  definition.take("NO");
  definition.take("ACTION");
  return Action::no_action;
}

/// Behind REFERENCES.
ForeignKey references(Definition& definition, std::string name) {
  ForeignKey key;
  key.name = std::move(name);
  key.referenced.name = definition.name();
  if (definition.here() == "(") key.referenced_columns = plain_names(definition.in_brackets());
  while (true) {
    if (definition.take("ON")) {
      const bool on_update = definition.next_is("UPDATE");
      definition.skip();
      (on_update ? key.on_update : key.on_delete) = action_after(definition);
    } else if (definition.take("MATCH")) {
      definition.skip();  // parsed and ignored by SQLite
    } else if (definition.take("DEFERRABLE")) {
      key.deferrable = true;
    } else if (definition.next_is("NOT")) {
      Definition ahead = definition;
      ahead.skip();
      if (!ahead.take("DEFERRABLE")) return key;  // NOT NULL
      definition = ahead;
    } else if (definition.take("INITIALLY")) {
      key.initially_deferred = key.deferrable && definition.next_is("DEFERRED");
      definition.skip();
    } else {
      return key;
    }
  }
}

void set_conflict(Options& options, const std::string& what) {
  if (!what.empty()) options["on_conflict"] = what;
}

/// One constraint of a column; false: none begins here.
bool column_constraint(Definition& definition, std::string& pending, Table& table, Column& column) {
  const std::string name = std::exchange(pending, "");
  if (definition.take("CONSTRAINT")) {
    pending = definition.name();
  } else if (definition.take("PRIMARY")) {
    definition.take("KEY");
    Key key;
    key.name = name;
    KeyPart part;
    part.column = column.name;
    // INTEGER PRIMARY KEY DESC is not the rowid, PRIMARY KEY (a DESC) is: quirks of old.
    if (definition.take("DESC")) {
      part.descending = true;
      key.options["at_column"] = "yes";
    } else {
      definition.take("ASC");
    }
    key.parts = {part};
    set_conflict(key.options, conflict_clause(definition));
    if (definition.take("AUTOINCREMENT")) column.identity = Identity{};
    table.primary_key = std::move(key);
  } else if (definition.take("NOT")) {
    definition.take("NULL");
    set_conflict(column.options, conflict_clause(definition));
  } else if (definition.take("NULL")) {
    static_cast<void>(conflict_clause(definition));
  } else if (definition.take("UNIQUE")) {
    Key key;
    key.name = name;
    key.parts.emplace_back();
    key.parts.back().column = column.name;
    set_conflict(key.options, conflict_clause(definition));
    table.unique_keys.push_back(std::move(key));
  } else if (definition.take("CHECK")) {
    table.checks.push_back({name, definition.in_brackets(), true, false, ""});
  } else if (definition.take("DEFAULT")) {
    if (definition.here() == "(") {
      static_cast<void>(definition.in_brackets());  // the catalogue tells it
    } else {
      if (definition.here() == "-" || definition.here() == "+") definition.skip();
      definition.skip();
    }
  } else if (definition.take("COLLATE")) {
    column.collation = definition.name();
  } else if (definition.take("REFERENCES")) {
    ForeignKey key = references(definition, name);
    key.columns = {column.name};
    table.foreign_keys.push_back(std::move(key));
  } else if (definition.take("GENERATED")) {
    definition.take("ALWAYS");
  } else if (definition.take("AS")) {
    column.generated = Generated{definition.in_brackets(), false};
    column.generated->stored = definition.take("STORED");
    if (!column.generated->stored) definition.take("VIRTUAL");
  } else {
    return false;
  }
  return true;
}

Status column_definition(Definition& definition, Table& table) {
  const std::string name = definition.name();
  const auto found =
      std::find_if(table.columns.begin(), table.columns.end(),
                   [&](const Column& one) { return same_identifier(one.name, name); });
  if (found == table.columns.end())
    return Error(ErrorType::invalid_data,
                 "table " + table.name.text() + " has a column " + name + " in its text alone");
  std::string pending;
  while (!definition.at_end() && definition.here() != "," && definition.here() != ")") {
    if (column_constraint(definition, pending, table, *found)) continue;
    if (definition.here() == "(")  // of the type
      static_cast<void>(definition.in_brackets());
    else
      definition.skip();
  }
  return success();
}

/// False: no constraint of the table begins here.
bool table_constraint(Definition& definition, std::string& pending, Table& table) {
  const std::string name = std::exchange(pending, "");
  if (definition.take("CONSTRAINT")) {
    pending = definition.name();
  } else if (definition.next_is("PRIMARY") || definition.next_is("UNIQUE")) {
    const bool primary = definition.take("PRIMARY");
    definition.skip();  // KEY, UNIQUE
    Key key;
    key.name = name;
    key.parts = key_parts(definition.in_brackets());
    set_conflict(key.options, conflict_clause(definition));
    if (primary)
      table.primary_key = std::move(key);
    else
      table.unique_keys.push_back(std::move(key));
  } else if (definition.take("CHECK")) {
    table.checks.push_back({name, definition.in_brackets(), true, false, ""});
    static_cast<void>(conflict_clause(definition));
  } else if (definition.take("FOREIGN")) {
    definition.take("KEY");
    std::vector<std::string> columns = plain_names(definition.in_brackets());
    definition.take("REFERENCES");
    ForeignKey key = references(definition, name);
    key.columns = std::move(columns);
    table.foreign_keys.push_back(std::move(key));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Status read_create_table(std::string_view sql, Table& table) {
  Definition definition(sql);
  while (!definition.at_end() && definition.here() != "(") definition.skip();
  definition.skip();
  // Columns come first; the commas between constraints may be missing.
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    DUNLIN_TRY(column_definition(definition, table));
    definition.take_symbol(",");
  }
  std::string pending;
  while (!definition.at_end() && definition.here() != ")") {
    if (table_constraint(definition, pending, table)) continue;
    if (!definition.take_symbol(","))
      return Error(ErrorType::invalid_data, "the text of table " + table.name.text() +
                                                " is not understood at " +
                                                definition.rest().substr(0, 40));
  }
  return success();
}

Result<Index> read_create_index(std::string_view sql) {
  Index index;
  Definition definition(sql);
  definition.take("CREATE");
  index.unique = definition.take("UNIQUE");
  while (!definition.at_end() && definition.here() != "(") definition.skip();
  if (definition.at_end())
    return Error(ErrorType::invalid_data, "the text of an index is not understood");
  index.parts = key_parts(definition.in_brackets());
  if (definition.take("WHERE")) index.predicate = trimmed(definition.rest());
  return index;
}

Status read_create_view(std::string_view sql, View& view) {
  Definition definition(sql);
  while (!definition.at_end() && definition.here() != "(" && !definition.next_is("AS"))
    definition.skip();
  if (definition.here() == "(") view.columns = plain_names(definition.in_brackets());
  if (!definition.take("AS"))
    return Error(ErrorType::invalid_data,
                 "the text of view " + view.name.text() + " is not understood");
  view.definition = trimmed(definition.rest());
  return success();
}

}  // namespace dunlin::sql::model
