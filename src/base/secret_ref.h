// SecretRef: a secret that is named, not written: env:NAME or file:PATH.
//
// What is stored, shown and passed on is the reference; the secret is read when it is used, and
// stays in the process that uses it. Values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin {

/// Has no way into a message: whoever needs the bytes asks for them by name.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] const std::string& reveal() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

class SecretRef {
 public:
  /// invalid_input for anything but env:NAME and file:PATH; the message does not repeat `text`,
  /// which may be the secret itself. `what` names it: "--as-token".
  [[nodiscard]] static Result<SecretRef> parse(std::string_view text, std::string_view what);

  /// "env:NAME", "file:PATH".
  [[nodiscard]] std::string text() const;
  /// The same wherever the process goes on: a relative path becomes absolute.
  [[nodiscard]] Result<SecretRef> absolute() const;

  /// Reads it. Of a file white space at its end is left out, and a file that others may read is
  /// warned of. invalid_input, naming the reference and what to type, when there is none, when it
  /// is empty, or longer than 64 KiB.
  [[nodiscard]] Result<Secret> resolve() const;

 private:
  enum class From : std::uint8_t { environment, file };
  SecretRef(From from, std::string name) : from_(from), name_(std::move(name)) {}
  From from_;
  std::string name_;
};

}  // namespace dunlin
