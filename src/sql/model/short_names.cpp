// Lengths: PostgreSQL's NAMEDATALEN - 1 = 63 bytes; MariaDB "Identifier Names": 64 characters, none
// above U+FFFF, no space at the end.
#include "sql/model/short_names.h"

#include "base/hash.h"
#include "sql/model/create.h"

namespace dunlin::sql::model {
namespace {

constexpr std::size_t kPostgresqlBytes = 63;
constexpr std::size_t kMysqlCharacters = 64;
constexpr std::size_t kHashDigits = 8;

std::string hash_of(const std::string& name) {
  const auto digest = hash_bytes(HashKind::sha256, name);
  return digest.ok() ? hex(*digest).substr(0, kHashDigits) : std::string(kHashDigits, '0');
}

bool goes_on(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// At most `limit` bytes, or characters, of it; never half a character.
std::string first_part(const std::string& name, std::size_t limit, bool bytes) {
  if (bytes) {
    if (name.size() <= limit) return name;
    std::size_t end = limit;
    while (end > 0 && goes_on(name[end])) --end;
    return name.substr(0, end);
  }
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (goes_on(name[i])) continue;
    if (characters++ == limit) return name.substr(0, i);
  }
  return name;
}

struct Limit {
  std::size_t size = static_cast<std::size_t>(-1);
  bool bytes = true;
};

Limit limit_of(Dialect dialect) {
  if (dialect == Dialect::postgresql) return {kPostgresqlBytes, true};
  if (dialect == Dialect::mysql) return {kMysqlCharacters, false};
  return {};
}

/// With a hash of the whole at its end.
std::string with_hash(const std::string& name, const std::string& whole, Dialect dialect) {
  const Limit limit = limit_of(dialect);
  const std::size_t room =
      limit.size == static_cast<std::size_t>(-1) ? limit.size : limit.size - kHashDigits - 1;
  return first_part(name, room, limit.bytes) + "_" + hash_of(whole);
}

/// What MariaDB takes in no name at all.
std::string without_refused(const std::string& name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (static_cast<unsigned char>(name[i]) < 0xF0U) {
      out.push_back(name[i]);
      continue;
    }
    out.push_back('_');
    while (i + 1 < name.size() && goes_on(name[i + 1])) ++i;
  }
  if (out.ends_with(' ')) out.back() = '_';
  return out;
}

}  // namespace

Result<std::string> short_name(const std::string& name, Dialect dialect) {
  if (name.empty() || name.find('\0') != std::string::npos)
    return Error(ErrorType::invalid_name, "a name that is empty or holds a NUL byte");
  const Limit limit = limit_of(dialect);
  const std::string allowed = dialect == Dialect::mysql ? without_refused(name) : name;
  if (allowed == name && first_part(name, limit.size, limit.bytes) == name) return name;
  return with_hash(allowed, name, dialect);
}

std::string NameSpace::take(const std::string& name) {
  const auto fitting = short_name(name, dialect_);
  std::string chosen = fitting.ok() ? *fitting : "_" + hash_of(name);
  const auto folded = [&](std::string text) {
    if (dialect_ == Dialect::postgresql) return text;
    for (char& c : text)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
  };
  // The second try hashes the name itself, later ones what they were refused: it ends, and the
  // same names in the same order become the same.
  for (std::string whole = name; !taken_.insert(folded(chosen)).second; whole = chosen)
    chosen = with_hash(dialect_ == Dialect::mysql ? without_refused(name) : name, whole, dialect_);
  return chosen;
}

}  // namespace dunlin::sql::model
