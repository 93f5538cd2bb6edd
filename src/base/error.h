// What went wrong, as a value: Error and the registry behind it.
//
// Stands at the bottom of everything: each layer translates its native codes (errno, SQLite,
// SQLSTATE, HTTP) into one ErrorType of `error_types.def`; the engine decides by category alone and
// never looks at native codes. Values; safe to copy and to move between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin {

enum class ErrorCategory : std::uint8_t { transient, validation, constraint, system, fatal };
enum class ErrorSeverity : std::uint8_t { info, warning, error, critical };
/// What an error destroys; the engine abandons that much and no more.
enum class ErrorScope : std::uint8_t { item, batch, endpoint, execution, process };

enum class ErrorType : std::uint16_t {
#define DUNLIN_ERROR_TYPE(name, ...) name,
#include "base/error_types.def"
#undef DUNLIN_ERROR_TYPE
};

/// One row of the registry. Lives for the whole process.
struct ErrorTypeInfo {
  ErrorType type;
  std::string_view name;
  ErrorCategory category;
  bool retriable;
  bool user_action;
  ErrorSeverity severity;
  ErrorScope scope;
  std::string_view summary;
  std::string_view remediation;  ///< `%E` stands for the execution
};

[[nodiscard]] const ErrorTypeInfo& info(ErrorType type);
[[nodiscard]] const std::vector<ErrorTypeInfo>& all_error_types();
/// nullopt for a name that is not in the registry.
[[nodiscard]] std::optional<ErrorType> error_type_from_name(std::string_view name);
/// Of what has ended well all the same; nothing has failed.
[[nodiscard]] constexpr bool only_warns(ErrorType type) {
  return type == ErrorType::lost_write;
}
[[nodiscard]] std::string_view to_string(ErrorType type);
[[nodiscard]] std::string_view to_string(ErrorCategory category);
[[nodiscard]] std::string_view to_string(ErrorSeverity severity);
[[nodiscard]] std::string_view to_string(ErrorScope scope);

/// The code of the system that reported the error, kept for people and for tests.
struct NativeCode {
  std::string domain;  ///< "errno", "sqlite", "sqlstate", "http" or empty
  std::string code;    ///< "ENOSPC", "SQLITE_BUSY", "40001", "503"
};

struct Error {
  ErrorType type = ErrorType::defect;
  std::string message;  ///< one line, for a person; names the thing concerned
  NativeCode native;
  std::vector<std::string> context;  ///< outermost last: what we were doing
  std::string remediation;           ///< empty: the registry's
  bool possibly_applied =
      false;  ///< the write was sent and the answer lost: read back before any retry
  std::int64_t retry_after_ms = 0;  ///< what the server asked for; 0: nothing

  Error() = default;
  Error(ErrorType error_type, std::string text) : type(error_type), message(std::move(text)) {}

  [[nodiscard]] ErrorCategory category() const { return info(type).category; }
  [[nodiscard]] bool retriable() const { return info(type).retriable; }
  [[nodiscard]] ErrorScope scope() const { return info(type).scope; }
  [[nodiscard]] ErrorSeverity severity() const { return info(type).severity; }

  /// "message (while ..., while ...) [errno ENOSPC]": one line.
  [[nodiscard]] std::string text() const;
  /// The remediation with `%E` replaced by `execution` (an id, a number or `last`).
  [[nodiscard]] std::string remedy(std::string_view execution) const;

  Error& with_context(std::string what) & {
    context.push_back(std::move(what));
    return *this;
  }
  Error&& with_context(std::string what) && {
    context.push_back(std::move(what));
    return std::move(*this);
  }
};

/// The table of errno (engine.md X-14), tested row by row. `what` names the operation and the
/// thing: "open '/a/b'". `on_write` tells apart EIO of a read (the source's fault) and of a write.
[[nodiscard]] Error error_from_errno(int errno_value, std::string_view what, bool on_write = false);

/// A name that is not there (ENOENT).
[[nodiscard]] inline bool is_absent(const Error& error) {
  return error.native.code == "ENOENT";
}

}  // namespace dunlin
