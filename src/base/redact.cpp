// See redact.h. One walk over the text; each rule looks at what begins where the walk stands.
#include "base/redact.h"

#include <algorithm>
#include <array>

namespace dunlin {
namespace {

constexpr std::string_view kShownInstead = "***";
constexpr std::size_t kShortestBearer = 8;  // what is shorter is a word of a sentence
constexpr std::size_t kLongestName = 64;    // of a parameter: what is longer is no name of ours

/// With these at its end a name is one of a secret, once case and separators are gone.
constexpr std::array<std::string_view, 14> kSecretEndings = {
    "password",  "passwd",          "passphrase", "pwd",        "secret",    "token",
    "signature", "secretkey",       "accesskey",  "accountkey", "sharedkey", "privatekey",
    "apikey",    "connectionstring"};
constexpr std::array<std::string_view, 6> kSecretNames = {"pass", "sig",           "sas",
                                                          "auth", "authorization", "credentials"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_blank(char c) {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
}
/// What a value in a sentence is put into, or followed by.
bool is_quote(char c) {
  return c == '\'' || c == '"' || c == '`' || c == '<' || c == '>';
}
bool in_scheme(char c) {
  return is_letter(c) || is_decimal(c) || c == '+' || c == '-' || c == '.';
}
bool in_name(char c) {
  return is_letter(c) || is_decimal(c) || c == '_' || c == '-' || c == '.' || c == '%';
}

int digit_of_hex(char c) {
  return is_decimal(c) ? c - '0' : lower_case(c) - 'a' + 10;
}

/// How a connection string of ODBC begins (sql/odbc_address.h).
constexpr std::string_view kOdbcBegins = "odbc:";

class Walk {
 public:
  Walk(std::string_view text, SecretsIn in) : text_(text), in_(in) {}

  std::vector<SecretSpan> run() {
    if (in_ == SecretsIn::value && flag()) return std::move(spans_);
    const bool only_tokens = in_ == SecretsIn::value && !is_address(text_.substr(at_)) &&
                             !text_.substr(at_).starts_with(kOdbcBegins);
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool begins = at_ == 0 || !in_name(text_[at_ - 1]);
      if (only_tokens) {
        if (text_.substr(at_).starts_with(kTokenBegins)) own_token(at_);
        ++at_;
      } else if (c == ':' && text_.substr(at_).starts_with("://"))
        address();
      else if (begins && in_name(c))
        name();
      else
        ++at_;
    }
    return std::move(spans_);
  }

 private:
  void add(std::size_t begin, std::size_t end) {
    if (begin < end) spans_.push_back({begin, end});
    at_ = std::max({at_, begin, end});
  }

  /// Past "--FLAG="; true when that is all: the flag's value is itself the secret.
  bool flag() {
    const std::size_t sign = text_.find('=');
    if (!text_.starts_with("--") || sign == std::string_view::npos) return false;
    at_ = sign + 1;
    if (!names_secret(text_.substr(2, sign - 2))) return false;
    value(at_, false);
    return true;
  }

  /// At "://": past it, and past the password, if there is one.
  void address() {
    const std::size_t begin = at_ + 3;
    const bool scheme = at_ > 0 && in_scheme(text_[at_ - 1]);
    at_ = begin;
    if (!scheme) return;
    std::size_t end = text_.size();
    if (in_ != SecretsIn::value)
      end = static_cast<std::size_t>(
          std::find_if(text_.begin() + static_cast<std::ptrdiff_t>(begin), text_.end(),
                       [](char c) { return is_blank(c) || is_quote(c); }) -
          text_.begin());
    const std::string_view rest = text_.substr(begin, end - begin);
    const std::size_t authority = std::min(rest.find_first_of("/?#"), rest.size());
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || colon > authority) return;
    std::size_t sign = rest.substr(0, authority).rfind('@');
    // Not within the authority: then a '/', '?' or '#' stands in the password, unless what is
    // before it is a port.
    if (sign == std::string_view::npos) {
      const std::string_view port = rest.substr(colon + 1, authority - colon - 1);
      if (std::all_of(port.begin(), port.end(), is_decimal)) return;
      sign = rest.rfind('@');
    }
    if (sign == std::string_view::npos || sign < colon) return;
    add(begin + colon + 1, begin + sign);
  }

  /// Where a value that begins at `begin` ends.
  [[nodiscard]] std::size_t value_end(std::size_t begin, bool colon) const {
    const bool flow = colon && in_flow(begin);
    for (std::size_t at = begin; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == '&' || (c == ';' && name_follows(at + 1))) return at;
      if (c == '\n' || c == '\r') return at;
      if (in_ == SecretsIn::value) continue;
      if (colon ? flow && (c == ',' || c == '}') : is_blank(c) || is_quote(c)) return at;
    }
    return text_.size();
  }

  /// NAME=, as behind a ';' that separates.
  [[nodiscard]] bool name_follows(std::size_t at) const {
    while (at < text_.size() && text_[at] == ' ') ++at;
    const std::size_t begin = at;
    while (at < text_.size() && at - begin < kLongestName &&
           (in_name(text_[at]) || text_[at] == ' '))
      ++at;
    return at > begin && at < text_.size() && text_[at] == '=';
  }

  /// Between the braces of a flow mapping: an open one stands before it on its line.
  [[nodiscard]] bool in_flow(std::size_t at) const {
    const std::string_view before = text_.substr(0, at);
    return before.substr(before.rfind('\n') + 1).find('{') != std::string_view::npos;
  }

  /// A quoted value: between its quotes. A backslash before a quote belongs to it.
  void quoted(std::size_t begin) {
    const char quote = text_[begin];
    std::size_t end = begin + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n')
      end += text_[end] == '\\' && quote == '"' ? 2 : 1;
    add(begin + 1, std::min(end, text_.size()));
  }

  /// A value of a connection string, in braces: `}}` within them is one.
  void braced(std::size_t begin) {
    std::size_t end = begin + 1;
    while (end < text_.size() && (text_[end] != '}' || text_.substr(end + 1).starts_with('}')))
      end += text_[end] == '}' ? 2 : 1;
    const std::string_view found = text_.substr(begin + 1);
    if (found.starts_with("env:") || found.starts_with("file:")) {
      at_ = std::min(end, text_.size());
      return;
    }
    add(begin + 1, std::min(end, text_.size()));
  }

  void value(std::size_t begin, bool colon) {
    const bool quote = begin < text_.size() && (text_[begin] == '"' || text_[begin] == '\'');
    if (quote && in_ != SecretsIn::value) return quoted(begin);
    if (text_.substr(begin).starts_with('{') && !colon) return braced(begin);
    std::size_t end = value_end(begin, colon);
    while (colon && end > begin && is_blank(text_[end - 1])) --end;
    const std::string_view found = text_.substr(begin, end - begin);
    // A reference is no secret: it only says where one is.
    if (found.starts_with("env:") || found.starts_with("file:")) {
      at_ = end;
      return;
    }
    add(begin, end);
  }

  void own_token(std::size_t begin) {
    const std::size_t id = begin + kTokenBegins.size();
    const std::size_t secret = id + kTokenIdDigits + 1;
    std::size_t end = secret;
    while (end < text_.size() && end - secret < kTokenSecretDigits && is_hex(text_[end])) ++end;
    const std::string_view digits = text_.substr(id, kTokenIdDigits);
    if (end > secret && text_[secret - 1] == '_' && digits.size() == kTokenIdDigits &&
        std::all_of(digits.begin(), digits.end(), is_hex))
      add(secret, end);
  }

  /// At the first byte of a word.
  void name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.starts_with(kTokenBegins)) {
      at_ = begin + word.size();
      own_token(begin);
      return;
    }
    std::size_t next = at_;
    if (in_ == SecretsIn::document && next < text_.size() &&
        (text_[next] == '"' || text_[next] == '\''))
      ++next;  // "password": …
    const auto skip_blanks = [&](std::size_t from) {
      while (from < text_.size() && (text_[from] == ' ' || text_[from] == '\t')) ++from;
      return from;
    };
    if (is_word(word, "bearer") && next < text_.size() && text_[next] == ' ') {
      const std::size_t from = skip_blanks(next);
      if (value_end(from, false) - from >= kShortestBearer) value(from, false);
      return;
    }
    const bool authorization = is_word(word, "authorization");
    const std::size_t sign = in_ == SecretsIn::document || authorization ? skip_blanks(next) : next;
    if (sign >= text_.size() || word.size() > kLongestName) return;
    const bool colon = text_[sign] == ':' && (in_ == SecretsIn::document || authorization) &&
                       !text_.substr(sign).starts_with("://");
    if ((text_[sign] != '=' && !colon) || !names_secret(word)) return;
    value(colon || in_ == SecretsIn::document ? skip_blanks(sign + 1) : sign + 1, colon);
  }

  [[nodiscard]] static bool is_word(std::string_view word, std::string_view other) {
    return std::equal(word.begin(), word.end(), other.begin(), other.end(),
                      [](char a, char b) { return lower_case(a) == b; });
  }

  std::string_view text_;
  SecretsIn in_;
  std::size_t at_ = 0;
  std::vector<SecretSpan> spans_;
};

}  // namespace

bool names_secret(std::string_view name) {
  if (name.size() > kLongestName * 3) return false;
  std::string plain;
  for (std::size_t at = 0; at < name.size(); ++at) {
    char c = name[at];
    if (c == '%' && at + 2 < name.size() && is_hex(name[at + 1]) && is_hex(name[at + 2])) {
      c = static_cast<char>(digit_of_hex(name[at + 1]) * 16 + digit_of_hex(name[at + 2]));
      at += 2;
    }
    if (c != '-' && c != '_' && c != '.' && c != ' ') plain += lower_case(c);
  }
  const auto ends = [&](std::string_view ending) { return plain.ends_with(ending); };
  return std::any_of(kSecretEndings.begin(), kSecretEndings.end(), ends) ||
         std::find(kSecretNames.begin(), kSecretNames.end(), plain) != kSecretNames.end();
}

bool is_address(std::string_view text) {
  const std::size_t end = text.find("://");
  return end != std::string_view::npos && end > 0 && is_letter(text.front()) &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), in_scheme);
}

std::vector<SecretSpan> secret_spans(std::string_view text, SecretsIn in) {
  return Walk(text, in).run();
}

std::string redact(std::string_view text, SecretsIn in) {
  const std::vector<SecretSpan> spans = secret_spans(text, in);
  if (spans.empty()) return std::string(text);
  std::string out;
  std::size_t from = 0;
  for (const SecretSpan& span : spans) {
    out += text.substr(from, span.begin - from);
    out += kShownInstead;
    from = span.end;
  }
  out += text.substr(from);
  // A brace that was part of a secret decides no longer where the next one ends.
  return out == text ? out : redact(out, in);
}

std::string mask_secrets(std::string_view text, SecretsIn in, char by) {
  std::string out(text);
  for (const SecretSpan& span : secret_spans(text, in))
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(span.begin),
              out.begin() + static_cast<std::ptrdiff_t>(span.end), by);
  return out;
}

}  // namespace dunlin
