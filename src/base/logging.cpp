// One spdlog logger on stderr that is given finished lines.
#include "base/logging.h"

#include <atomic>
#include <exception>
#include <memory>
#include <string>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/redact.h"
#include "base/text.h"

namespace dunlin {
namespace {

struct Settings {
  std::atomic<LogLevel> level{LogLevel::warn};
  std::atomic<bool> json{false};
};

Settings& settings() {
  static Settings instance;
  return instance;
}

// Never destroyed: threads may log while the process exits.
spdlog::logger& logger() {
  static auto* const instance = [] {
    auto* made = new spdlog::logger("dunlin", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "unknown";
}

std::optional<LogLevel> log_level_from_name(std::string_view name) {
  if (name == "warning") return LogLevel::warn;
  for (const LogLevel level :
       {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off}) {
    if (to_string(level) == name) return level;
  }
  return std::nullopt;
}

void log_init(LogLevel level, bool json) {
  settings().level = level;
  settings().json = json;
}

bool log_enabled(LogLevel level) {
  return level != LogLevel::off && level >= settings().level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view message) {
  if (!log_enabled(level)) return;
  const std::string time = rfc3339(SystemClock().wall_ms());
  const std::string shown = redact(message);
  std::string line;
  if (settings().json.load(std::memory_order_relaxed)) {
    line = dump_json(
        {{"time", time}, {"level", to_string(level)}, {"message", escape_invalid_utf8(shown)}});
  } else {
    line = fmt::format("{} {:<5} {}", time, to_string(level), printable(shown));
  }
  logger().log(spdlog::level::info, spdlog::string_view_t(line));
}

void log_format(LogLevel level, fmt::string_view format, fmt::format_args args) {
  std::string message;
  try {
    message = fmt::vformat(format, args);
  } catch (const std::exception&) {  // a formatter of some type failed; the line still says where
    message.assign(format.data(), format.size());
  }
  log_line(level, message);
}

}  // namespace dunlin
