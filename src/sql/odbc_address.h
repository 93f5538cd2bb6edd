// Addresses of data sources of ODBC: odbc:DSN=shop or odbc:Driver=…;Server=…;UID=…;PWD=env:NAME.
//
// What stands behind `odbc:` is a connection string as drivers know it (NAME=VALUE, with `;`
// between; a value that holds one stands in braces, `}` within them is written `}}`), but for
// secrets: those are named by reference, and read when a connection is opened. TLS is in the
// driver's own words. Values; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret_ref.h"

namespace dunlin::sql {

struct OdbcAddress {
  struct Option {
    std::string name;  ///< as it was written: drivers do not look at case
    std::string value;
    std::optional<SecretRef> secret;  ///< instead of the value
  };
  std::vector<Option> options;  ///< in the order in which they were written; of a name one

  /// The form in which plans keep it and messages show it; no secret.
  [[nodiscard]] std::string text() const;
  /// nullptr: it is not there. Case does not matter.
  [[nodiscard]] const Option* find(std::string_view name) const;
  /// What the driver gets: secrets are read now, and those of `more` whose names are not there are
  /// added.
  [[nodiscard]] Result<Secret> connection_string(std::span<const Option> more = {}) const;
};

[[nodiscard]] bool is_odbc_address(std::string_view url);

/// invalid_input, without any secret, for what is no such string, names neither DSN nor Driver, or
/// holds a password as it is.
[[nodiscard]] Result<OdbcAddress> parse_odbc_address(std::string_view url);

}  // namespace dunlin::sql
