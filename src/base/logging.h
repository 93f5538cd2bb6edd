// Log lines to stderr: a facade, so that nobody includes spdlog.
//
// For what an operator of a daemon reads; results and progress go through the command's own output,
// and anything that must not be lost goes into the ledger. Control characters, newlines and bytes
// that are no UTF-8 in a message are escaped, so one call is one line. The one process-wide object
// of `base`; safe from any thread, also before log_init.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/core.h>

namespace dunlin {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };

[[nodiscard]] std::string_view to_string(LogLevel level);
/// "debug", "info", "warn" or "warning", "error", "off".
[[nodiscard]] std::optional<LogLevel> log_level_from_name(std::string_view name);

/// Sets what is printed (default: warn, as text). Text: "2026-11-20T11:05:00.000Z warn  message";
/// JSON: one object {"time","level","message"} per line. May be called again.
void log_init(LogLevel level, bool json);
[[nodiscard]] bool log_enabled(LogLevel level);
/// A finished message.
void log_line(LogLevel level, std::string_view message);
/// Never throws: a message that cannot be formatted is logged as its format string.
void log_format(LogLevel level, fmt::string_view format, fmt::format_args args);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::debug))
    log_format(LogLevel::debug, format, fmt::make_format_args(args...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::info))
    log_format(LogLevel::info, format, fmt::make_format_args(args...));
}
template <typename... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::warn))
    log_format(LogLevel::warn, format, fmt::make_format_args(args...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::error))
    log_format(LogLevel::error, format, fmt::make_format_args(args...));
}

}  // namespace dunlin
