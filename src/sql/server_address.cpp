#include "sql/server_address.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

struct Scheme {
  std::string_view name;
  Dialect dialect;
};
/// The first of a dialect is the one that is kept.
constexpr std::array<Scheme, 6> kSchemes = {{{"postgres", Dialect::postgresql},
                                             {"postgresql", Dialect::postgresql},
                                             {"mysql", Dialect::mysql},
                                             {"mariadb", Dialect::mysql},
                                             {"mssql", Dialect::sqlserver},
                                             {"sqlserver", Dialect::sqlserver}}};

constexpr std::array<std::string_view, 12> kPostgresqlOptions = {"application_name",
                                                                 "channel_binding",
                                                                 "connect_timeout",
                                                                 "host",
                                                                 "options",
                                                                 "sslcert",
                                                                 "sslcrl",
                                                                 "sslkey",
                                                                 "sslmode",
                                                                 "sslrootcert",
                                                                 "target_session_attrs",
                                                                 "port"};
constexpr std::array<std::string_view, 8> kMysqlOptions = {
    "connect_timeout", "socket",   "ssl_ca",  "ssl_cert",
    "ssl_key",         "ssl_mode", "charset", "tls_version"};
constexpr std::array<std::string_view, 5> kSqlserverOptions = {
    "driver", "encrypt", "trust_server_certificate", "instance", "connect_timeout"};

const Scheme* scheme_of(std::string_view url) {
  const std::size_t end = url.find("://");
  if (end == std::string_view::npos) return nullptr;
  const std::string_view name = url.substr(0, end);
  const auto found = std::find_if(kSchemes.begin(), kSchemes.end(),
                                  [&](const Scheme& one) { return one.name == name; });
  return found == kSchemes.end() ? nullptr : &*found;
}

std::vector<std::string_view> options_of(Dialect dialect) {
  if (dialect == Dialect::postgresql) return {kPostgresqlOptions.begin(), kPostgresqlOptions.end()};
  if (dialect == Dialect::mysql) return {kMysqlOptions.begin(), kMysqlOptions.end()};
  return {kSqlserverOptions.begin(), kSqlserverOptions.end()};
}

Error bad_address(std::string text) {
  return Error(ErrorType::invalid_input, "address of a database: " + std::move(text));
}

Result<std::string> unescaped(std::string_view part, std::string_view what) {
  std::string text;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '%') {
      text.push_back(part[i]);
      continue;
    }
    const auto byte = unhex(part.substr(i + 1, 2));
    if (part.size() < i + 3 || !byte || (*byte)[0] == '\0')
      return bad_address(
          fmt::format("its {} has a `%` that is followed by no two hexadecimal digits; a "
                      "plain one is written %25",
                      what));
    text.append(*byte);
    i += 2;
  }
  return text;
}

/// RFC 3986, unreserved; a path keeps its slashes.
std::string escaped(std::string_view text, bool slashes = false) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (slashes && c == '/');
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Status parse_port(std::string_view text, ServerAddress& address) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), address.port);
  if (error != std::errc() || end != text.data() + text.size() || address.port == 0)
    return bad_address(fmt::format("`{}` is no port (1 to 65535)", printable(text)));
  return success();
}

Status parse_host(std::string_view text, ServerAddress& address) {
  std::string_view port;
  if (text.starts_with('[')) {  // [::1]:5432
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return bad_address("its host begins with [ and has no ]");
    address.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text[0] != ':')
      return bad_address("its host ends with ], then only a port");
    if (!text.empty()) port = text.substr(1);
  } else {
    if (text.find(',') != std::string_view::npos)
      return bad_address("it names several hosts; name the one that is to be changed");
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    DUNLIN_ASSIGN(address.host, unescaped(text.substr(0, colon), "host"));
  }
  return port.empty() ? success() : parse_port(port, address);
}

Status parse_option(std::string_view text, ServerAddress& address) {
  const std::size_t equal = text.find('=');
  DUNLIN_ASSIGN(const std::string name, unescaped(text.substr(0, equal), "option"));
  DUNLIN_ASSIGN(std::string value,
                unescaped(equal == std::string_view::npos ? "" : text.substr(equal + 1), "option"));
  if (name == "password") {
    DUNLIN_ASSIGN(address.password_ref, SecretRef::parse(value, "?password"));
    return success();
  }
  if (name == "user") {
    if (!address.user.empty()) return bad_address("it names its user twice");
    address.user = std::move(value);
    return success();
  }
  const std::vector<std::string_view> known = options_of(address.dialect);
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    Error error = bad_address(fmt::format("there is no option `{}`", printable(name)));
    const auto near = nearest_word(name, std::span<const std::string_view>(known));
    if (near) error.remediation = fmt::format("write `{}`", *near);
    return error;
  }
  if (name == "host") {  // libpq's way to name the directory of a socket
    if (!address.host.empty()) return bad_address("it names its host twice");
    address.host = std::move(value);
    return success();
  }
  if (name == "port") {
    if (address.port != 0) return bad_address("it names its port twice");
    return parse_port(value, address);
  }
  if (!address.options.emplace(name, std::move(value)).second)
    return bad_address(fmt::format("it has the option `{}` twice", name));
  return success();
}

}  // namespace

bool is_server_address(std::string_view url) {
  return scheme_of(url) != nullptr;
}

Result<ServerAddress> parse_server_address(std::string_view url) {
  const Scheme* const scheme = scheme_of(url);
  if (scheme == nullptr)
    return bad_address("it begins with postgres://, mysql:// or mssql:// (a file: sqlite:PATH)");
  ServerAddress address;
  address.dialect = scheme->dialect;
  std::string_view rest = url.substr(scheme->name.size() + 3);
  const std::size_t fragment = rest.find('#');
  if (fragment != std::string_view::npos)
    return bad_address("it holds a `#`; in a password or a name that is written %23");
  std::string_view query;
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  std::string_view path;
  const std::size_t at = rest.rfind('@');
  // `user:pass/word@host` or `host/data@base`: a guess could end at another server.
  if (at != std::string_view::npos && rest.find('/') < at)
    return bad_address(
        "a `/` stands before an `@`; in a user or password the one is written %2F, in "
        "a database's name the other %40");
  const std::size_t host_begin = at == std::string_view::npos ? 0 : at + 1;
  if (const std::size_t slash = rest.find('/', host_begin); slash != std::string_view::npos) {
    path = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  if (at != std::string_view::npos) {
    const std::string_view person = rest.substr(0, at);
    const std::size_t colon = person.find(':');
    DUNLIN_ASSIGN(address.user, unescaped(person.substr(0, colon), "user"));
    if (colon != std::string_view::npos) {
      DUNLIN_ASSIGN(std::string password, unescaped(person.substr(colon + 1), "password"));
      address.password = Secret(std::move(password));
    }
  }
  DUNLIN_TRY(parse_host(rest.substr(host_begin), address));
  DUNLIN_ASSIGN(address.database, unescaped(path, "database"));
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    DUNLIN_TRY(parse_option(query.substr(0, end), address));
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  if (!address.password.empty() && address.password_ref)
    return bad_address("it has a password and a reference to one");
  return address;
}

std::string ServerAddress::text() const {
  const auto scheme = std::find_if(kSchemes.begin(), kSchemes.end(),
                                   [&](const Scheme& one) { return one.dialect == dialect; });
  std::string out = std::string(scheme->name) + "://";
  if (!user.empty()) out += escaped(user) + "@";
  const bool is_path = host.starts_with('/');
  if (!is_path) out += host.find(':') != std::string::npos ? "[" + host + "]" : escaped(host);
  if (port != 0) out += fmt::format(":{}", port);
  out += "/" + escaped(database);
  std::map<std::string, std::string> all = options;
  if (is_path) all.emplace("host", host);
  char mark = '?';
  for (const auto& [name, value] : all) {
    out += fmt::format("{}{}={}", mark, name, escaped(value, true));
    mark = '&';
  }
  if (password_ref) out += fmt::format("{}password={}", mark, escaped(password_ref->text(), true));
  return out;
}

Result<Secret> ServerAddress::resolve_password() const {
  if (!password.empty() || !password_ref) return password;
  return password_ref->resolve();
}

}  // namespace dunlin::sql
