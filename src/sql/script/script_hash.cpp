#include "sql/script/script_hash.h"

#include <algorithm>

#include "base/hash.h"
#include "sql/script/splitter.h"

namespace dunlin::sql {
namespace {

/// A length before each part, so that no two lists of parts are one sequence of bytes.
class Parts {
 public:
  explicit Parts(Hasher hasher) : hasher_(std::move(hasher)) {}
  void add(char tag, std::string_view bytes) {
    char head[1 + sizeof(std::uint64_t)] = {tag};
    for (std::size_t i = 0; i < sizeof(std::uint64_t); ++i)
      head[1 + i] = static_cast<char>(static_cast<std::uint64_t>(bytes.size()) >> (8U * i));
    hasher_.update(std::string_view(head, sizeof head));
    hasher_.update(bytes);
  }
  [[nodiscard]] std::string finish() { return hex(hasher_.finish()); }

 private:
  Hasher hasher_;
};

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

/// Hints are read by servers.
bool is_plain_comment(const Token& token, std::string_view text) {
  return token.kind == TokenKind::comment && !token.of(text).starts_with("/*+");
}

void add_tokens(Parts& parts, Dialect dialect, std::string_view code) {
  const bool folds = dialect == Dialect::postgresql || dialect == Dialect::sqlite;
  Scanner scanner(dialect, code);
  bool spaced = false;
  TokenKind before = TokenKind::end;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind == TokenKind::space || is_plain_comment(token, code)) {
      spaced = true;
      continue;
    }
    // `< =` is not `<=`, so a space between two symbols counts.
    const bool apart = spaced && before == TokenKind::symbol && token.kind == TokenKind::symbol;
    if (apart) parts.add(' ', "");
    if (token.kind == TokenKind::word && folds) {
      parts.add('w', lower(token.of(code)));
    } else {
      parts.add('t', token.of(code));
    }
    before = token.kind;
    spaced = false;
  }
}

class NormalisedText {
 public:
  void add(std::string_view text) {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      line_.append(text.substr(at, end - at));
      if (end < text.size()) end_line();
      at = end + 1;
    }
  }
  /// Of strings and data: every byte counts.
  void add_exactly(std::string_view text) {
    line_.append(text);
    keep_ = line_.size();
  }
  [[nodiscard]] std::string finish() {
    end_line();
    return std::move(text_);
  }

 private:
  void end_line() {
    const std::size_t last = line_.find_last_not_of(" \t\r\f\v");
    const std::size_t size = std::max(keep_, last == std::string::npos ? 0 : last + 1);
    line_.resize(size);
    if (!line_.empty()) text_.append(line_).push_back('\n');
    line_.clear();
    keep_ = 0;
  }
  std::string text_;
  std::string line_;
  std::size_t keep_ = 0;
};

void add_normalised(NormalisedText& out, Dialect dialect, std::string_view text) {
  Scanner scanner(dialect, text);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (is_plain_comment(token, text)) {
      out.add(" ");
    } else if (token.kind == TokenKind::string || token.kind == TokenKind::quoted) {
      out.add_exactly(token.of(text));
    } else {
      out.add(token.of(text));
    }
  }
}

}  // namespace

Result<ScriptHashes> script_hashes(Dialect dialect, std::string_view bytes, std::string_view text) {
  ScriptHashes hashes;
  DUNLIN_ASSIGN(const std::string exact, hash_bytes(HashKind::sha256, bytes));
  hashes.exact = hex(exact);
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  Parts statements(std::move(hasher));
  NormalisedText normalised;
  ScriptSplitter splitter(dialect, text);
  while (true) {
    DUNLIN_ASSIGN(const auto piece, splitter.next());
    if (!piece) break;
    const std::string_view whole = text.substr(piece->begin, piece->end - piece->begin);
    switch (piece->kind) {
      case PieceKind::statement:
        statements.add('s', piece->repeat == 1 ? std::string() : std::to_string(piece->repeat));
        add_tokens(statements, dialect, piece->code(text));
        add_normalised(normalised, dialect, whole);
        break;
      case PieceKind::copy_data:
        statements.add('d', piece->code(text));
        normalised.add_exactly(whole);
        break;
      case PieceKind::client_command:
        // DELIMITER says how the file is written; an include would say what is run.
        if (dialect == Dialect::postgresql) statements.add('c', piece->code(text));
        normalised.add(whole);
        break;
      case PieceKind::nothing:
        add_normalised(normalised, dialect, whole);
        break;
    }
  }
  hashes.statements = statements.finish();
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::sha256, normalised.finish()));
  hashes.normalised = hex(digest);
  return hashes;
}

}  // namespace dunlin::sql
