// Secrets in what is shown or stored: where they stand, and the text without them.
//
// A secret is a password in an address (scheme://user:PASSWORD@host), the value of a parameter or
// key whose name says so (password=, sig=, AccountKey=, X-Amz-Signature=), what follows
// "Authorization:" or "Bearer ", or a token of dunlin's own. What cannot be told by its form alone
// (a password in a sentence) is not found: it has to be kept from the text in the first place.
// Every edge calls this: log lines, Error::text(), errors on their way into a ledger, the words of
// a command line, plans. Pure functions, linear in the text; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin {

/// What the text is, which decides where an address in it ends and what counts as a key.
enum class SecretsIn : std::uint8_t {
  text,      ///< a message: an address ends at a blank or a quote; NAME=VALUE
  value,     ///< one word of a command line or plan, whole: an address (also behind --FLAG=), which
             ///< may hold blanks and quotes, or --PASSWORD=…; of another word only a token: it may
             ///< be a path, and must stay as it is
  document,  ///< YAML or JSON as written: also NAME: VALUE
};

struct SecretSpan {
  std::size_t begin = 0;
  std::size_t end = 0;  ///< behind its last byte
};

/// In their order; none is empty, none overlap. A password that holds `/`, `?` or `#` as they are
/// is found as a whole unless only digits stand before the first of them (a port), or an `@` does.
[[nodiscard]] std::vector<SecretSpan> secret_spans(std::string_view text, SecretsIn in);

/// Each secret becomes "***". Said twice it changes nothing more.
[[nodiscard]] std::string redact(std::string_view text, SecretsIn in = SecretsIn::text);
/// Each byte of a secret becomes `by`: every other byte stays where it is.
[[nodiscard]] std::string mask_secrets(std::string_view text, SecretsIn in, char by);

/// True when the value of a key or parameter of this name is a secret ("password", "sslpassword",
/// "AWS_SECRET_ACCESS_KEY", "sig"); case, '-', '_' and %NN do not matter.
[[nodiscard]] bool names_secret(std::string_view name);
/// Begins with SCHEME://.
[[nodiscard]] bool is_address(std::string_view text);

/// How tokens of operators begin, so that they are found wherever they stand:
/// dunlin_<8 digits>_<64 digits>, all hexadecimal.
inline constexpr std::string_view kTokenBegins = "dunlin_";
inline constexpr std::size_t kTokenIdDigits = 8;
inline constexpr std::size_t kTokenSecretDigits = 64;

}  // namespace dunlin
