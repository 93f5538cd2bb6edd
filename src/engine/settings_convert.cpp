// See settings_convert.h.
#include "engine/settings_convert.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/plan_words.h"
#include "engine/selector.h"

namespace dunlin::engine {

namespace {

std::string join(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

Converted refused(const std::string& must, const Json& value, const std::string& advice = "") {
  return {{}, fmt::format("must be {}, not {}{}", must, shown_value(value), advice)};
}

Converted convert_choice(const SettingInfo& info, const Json& value) {
  if (info.path == "verification_level" && value.is_boolean())
    return {Json(value.get<bool>() ? "full" : "none"), ""};
  const std::string must = "one of " + join(info.words);
  if (!value.is_string()) return refused(must, value, "; take one of these words");
  const auto& text = value.get_ref<const std::string&>();
  for (const auto word : info.words)
    if (normal_key(word) == normal_key(text)) return {Json(std::string(word)), ""};
  const std::string meant = meant_word(text, {info.words.begin(), info.words.end()});
  return refused(must, value,
                 meant.empty() ? "; take one of these words" : "; did you mean " + meant + "?");
}

/// "1,000", "1000" and "50%" were meant as numbers, "2GB" where MB are counted.
std::string number_meant(const SettingInfo& info, const std::string& text) {
  std::string digits;
  std::string_view rest = text;
  for (; !rest.empty() &&
         (std::string_view("0123456789,_' ").find(rest[0]) != std::string_view::npos);
       rest.remove_prefix(1))
    if (rest[0] >= '0' && rest[0] <= '9') digits += rest[0];
  if (digits.empty()) return "; write a number";
  if (info.path.ends_with("_mb")) {
    if (const auto bytes = parse_size(text); bytes.ok() && *bytes >= 1'000'000)
      return fmt::format("; it counts MB: write {}", *bytes / 1'000'000);
  }
  if (info.path.ends_with("_ms")) {
    if (const auto time = parse_duration(text); time.ok())
      return fmt::format("; it counts milliseconds: write {}", time->count());
  }
  if (rest.empty() || (rest == "%" && info.path.ends_with("_percent")))
    return fmt::format("; write {}, without {}", digits,
                       rest.empty() && digits == text ? "quotes" : "anything else");
  return "; write the number alone";
}

Converted convert_integer(const SettingInfo& info, const Json& value) {
  const auto low = static_cast<std::int64_t>(info.low);
  const auto high = static_cast<std::int64_t>(info.high);
  const std::string must =
      fmt::format("a whole number from {} to {}", format_count(low), format_count(high));
  if (value.is_string())
    return refused(must, value, number_meant(info, value.get_ref<const std::string&>()));
  if (value.is_number_float()) return refused(must, value, "; round it");
  if (!value.is_number_integer()) return refused(must, value, "; write a number");
  const auto number = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX
                          ? INT64_MAX
                          : value.get<std::int64_t>();
  if (number < low)
    return refused(must, value,
                   fmt::format("; the least is {}, and without the key the default "
                               "holds",
                               format_count(low)));
  if (number > high) return refused(must, value, "; the most is " + std::to_string(high));
  return {Json(number), ""};
}

Converted convert_bytes(const SettingInfo& info, const Json& value) {
  const bool rate = info.type == SettingType::rate;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto parsed = rate ? parse_rate(text) : parse_size(text);
    if (!parsed.ok())
      return {{},
              fmt::format("{} is no {}{}", shown_value(value), rate ? "rate" : "size",
                          size_advice(text, rate))};
    return convert_bytes(info, Json(*parsed));
  }
  if (!value.is_number_integer() || (value.is_number_integer() && value < 0))
    return refused(rate ? "a rate" : "a size", value, size_advice("", rate));
  return convert_integer(info, value);
}

Converted convert_number(const SettingInfo& info, const Json& value) {
  const std::string must = fmt::format("a number from {} to {}", info.low, info.high);
  if (!value.is_number()) return refused(must, value, "; write a number, without quotes");
  if (value.get<double>() < info.low || value.get<double>() > info.high)
    return refused(must, value, "; choose one within that range");
  return {Json(value.get<double>()), ""};
}

Converted convert_failures(const SettingInfo& info, const Json& value) {
  constexpr std::string_view kMust = "a count such as 10, or a share such as \"5%\"";
  if (value.is_number_integer()) return convert_integer(info, value);
  if (!value.is_string()) return refused(std::string(kMust), value, "; write one of the two");
  const auto& text = value.get_ref<const std::string&>();
  const auto parsed = parse_count_or_percent(text);
  if (!parsed.ok()) {
    std::string plain;
    std::copy_if(text.begin(), text.end(), std::back_inserter(plain),
                 [](char c) { return c != ' '; });
    const auto again = parse_count_or_percent(plain);
    return refused(std::string(kMust), value,
                   again.ok()             ? fmt::format("; write {}", dump_json(plain))
                   : plain.ends_with('%') ? "; a share is from 0% to 100%"
                                          : "; write one of the two");
  }
  if (!parsed->is_percent) return convert_integer(info, Json(parsed->count));
  return {Json(fmt::format("{}%", parsed->percent)), ""};
}

Converted convert_errors(const Json& value) {
  if (!value.is_array())
    return refused("a list of error types", value,
                   value.is_string() ? "; write [" + printable(value.get<std::string>()) + "]"
                                     : "; write [transient]");
  std::vector<std::string> names = {"transient", "validation", "constraint", "system", "fatal"};
  for (const auto& type : all_error_types()) names.emplace_back(type.name);
  for (const auto& entry : value) {
    const std::string name = entry.is_string() ? entry.get<std::string>() : "";
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string meant = meant_word(name, names);
    return {{},
            fmt::format("there is no error type {}; {}", shown_value(entry),
                        meant.empty() ? "docs/errors.md lists them; transient is all that may "
                                        "pass by itself"
                                      : "did you mean " + meant + "?")};
  }
  return {value, ""};
}

Converted convert_parts(const Json& value) {
  if (!value.is_array())
    return refused("a list of parts", value, "; write [{\"path\": \"music/**\"}]");
  for (const auto& entry : value) {
    if (const auto part = selector_from(entry); !part.ok()) return {{}, part.error().message};
  }
  return {value, ""};
}

/// "7d", "36h", "90m" …: the longest unit that says it exactly.
std::string exact_duration(std::chrono::milliseconds time) {
  struct Unit {
    std::int64_t ms;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}};
  for (const Unit& unit : kUnits)
    if (time.count() % unit.ms == 0) return fmt::format("{}{}", time.count() / unit.ms, unit.name);
  return fmt::format("{}ms", time.count());
}

Converted convert_duration(const Json& value) {
  constexpr std::string_view kMust = "a duration such as \"7d\" or \"36h\", or forever";
  if (value.is_number_integer())
    return refused(std::string(kMust), value,
                   value == 0 ? "; write forever, or the shortest time that is to be kept"
                              : fmt::format("; if days are meant, write {}d", dump_json(value)));
  if (!value.is_string()) return refused(std::string(kMust), value, "; write one of the two");
  const auto& text = value.get_ref<const std::string&>();
  if (text == "forever") return {value, ""};
  const auto time = parse_duration(text);
  if (!time.ok() || time->count() <= 0)
    return refused(std::string(kMust), value, "; write a number and its unit: ms, s, m, h or d");
  return {Json(exact_duration(*time)), ""};
}

}  // namespace

std::string normal_key(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

Converted convert_setting(const SettingInfo& info, const Json& value) {
  switch (info.type) {
    case SettingType::choice:
      return convert_choice(info, value);
    case SettingType::integer:
      return convert_integer(info, value);
    case SettingType::size:
    case SettingType::rate:
      return convert_bytes(info, value);
    case SettingType::number:
      return convert_number(info, value);
    case SettingType::failures:
      return convert_failures(info, value);
    case SettingType::errors:
      return convert_errors(value);
    case SettingType::parts:
      return convert_parts(value);
    case SettingType::duration:
      return convert_duration(value);
    case SettingType::boolean:
      if (value.is_boolean()) return {value, ""};
      if (const auto meant = truth_meant(value))
        return refused("true or false", value, *meant ? "; write true" : "; write false");
      return refused("true or false", value, "; write one of the two");
  }
  return {{}, "cannot be set"};
}

}  // namespace dunlin::engine
