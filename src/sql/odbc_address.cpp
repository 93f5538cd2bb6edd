#include "sql/odbc_address.h"

#include <algorithm>
#include <span>

#include "base/redact.h"
#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr std::string_view kOdbc = "odbc:";

Error bad_odbc_address(std::string text) {
  return Error(ErrorType::invalid_input, "address of ODBC: " + std::move(text));
}

char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower_case(a) == lower_case(b); });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::string in_braces(std::string_view value) {
  std::string out = "{";
  for (const char c : value) {
    out.push_back(c);
    if (c == '}') out.push_back(c);
  }
  return out + "}";
}

/// As it was typed, where that can be.
std::string written(std::string_view value) {
  const bool plain = value.find_first_of(";}") == std::string_view::npos &&
                     !value.starts_with('{') && trimmed(value).size() == value.size();
  return plain ? std::string(value) : in_braces(value);
}

/// Outside of braces psqlodbc reads `%41` as A and `+` as a blank.
std::string written_secret(std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= '0' && c <= '9') || (lower_case(c) >= 'a' && lower_case(c) <= 'z');
  });
  return plain ? std::string(value) : in_braces(value);
}

/// What stands between braces; `text` goes behind the closing one.
Result<std::string> take_braced(std::string_view& text) {
  std::string value;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] != '}') {
      value.push_back(text[at]);
      continue;
    }
    if (text.substr(at + 1).starts_with('}')) {
      value.push_back('}');
      ++at;
      continue;
    }
    text = trimmed(text.substr(at + 1));
    if (!text.empty() && text.front() != ';')
      return bad_odbc_address("behind a `}` stands no `;`; a `}` in a value is written `}}`");
    return value;
  }
  return bad_odbc_address("a `{` has no `}`");
}

/// A value that is a secret, or holds one.
Status take_secret(OdbcAddress::Option& option) {
  if (names_secret(option.name)) {
    const std::string_view value = option.value;
    if (!value.starts_with("env:") && !value.starts_with("file:"))
      return bad_odbc_address("a password stands behind `" + option.name +
                              "`, where plans and the list of processes show it: write " +
                              option.name + "=env:NAME or " + option.name + "=file:PATH");
    DUNLIN_ASSIGN(option.secret, SecretRef::parse(value, option.name));
    option.value.clear();
    return success();
  }
  if (!secret_spans(option.value, SecretsIn::text).empty())
    return bad_odbc_address("a password stands within the value of `" + option.name +
                            "`: write it as PWD=env:NAME or PWD=file:PATH");
  return success();
}

}  // namespace

bool is_odbc_address(std::string_view url) {
  return url.starts_with(kOdbc);
}

const OdbcAddress::Option* OdbcAddress::find(std::string_view name) const {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option& one) { return same_name(one.name, name); });
  return found == options.end() ? nullptr : &*found;
}

Result<OdbcAddress> parse_odbc_address(std::string_view url) {
  std::string_view rest = is_odbc_address(url) ? url.substr(kOdbc.size()) : url;
  if (std::any_of(rest.begin(), rest.end(),
                  [](char c) { return static_cast<unsigned char>(c) < ' '; }))
    return bad_odbc_address("it holds a control character");
  OdbcAddress address;
  while (!(rest = trimmed(rest)).empty()) {
    if (rest.front() == ';') {
      rest.remove_prefix(1);
      continue;
    }
    const std::size_t sign = std::min(rest.find('='), rest.find(';'));
    if (sign >= rest.size() || rest[sign] != '=')
      return bad_odbc_address("it is written odbc:NAME=VALUE;NAME=VALUE, and a part has no `=`");
    OdbcAddress::Option option;
    option.name = trimmed(rest.substr(0, sign));
    if (option.name.empty() || option.name.find_first_of("{}[]") != std::string::npos)
      return bad_odbc_address("a name before a `=` is none");
    if (address.find(option.name) != nullptr)
      return bad_odbc_address("it has `" + printable(option.name) + "` twice");
    rest = trimmed(rest.substr(sign + 1));
    if (rest.starts_with('{')) {
      DUNLIN_ASSIGN(option.value, take_braced(rest));
    } else {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      option.value = trimmed(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    DUNLIN_TRY(take_secret(option));
    address.options.push_back(std::move(option));
  }
  if (address.find("DSN") == nullptr && address.find("Driver") == nullptr)
    return bad_odbc_address(
        "it names no driver: write odbc:DSN=NAME or odbc:Driver=NAME;Server=HOST;Database=NAME");
  return address;
}

std::string OdbcAddress::text() const {
  std::string out(kOdbc);
  for (const Option& one : options) {
    if (out.size() > kOdbc.size()) out += ";";
    out += one.name + "=" + written(one.secret ? one.secret->text() : one.value);
  }
  return out;
}

Result<Secret> OdbcAddress::connection_string(std::span<const Option> more) const {
  std::string out;
  for (const Option& one : options) {
    if (one.secret) {
      DUNLIN_ASSIGN(const Secret secret, one.secret->resolve());
      out += one.name + "=" + written_secret(secret.reveal()) + ";";
    } else {
      out += one.name + "=" + written(one.value) + ";";
    }
  }
  for (const Option& one : more)
    if (find(one.name) == nullptr) out += one.name + "=" + written(one.value) + ";";
  return Secret(std::move(out));
}

}  // namespace dunlin::sql
