// See settings_table.h. A source is flattened into (path, value), each path looked up among names
// and aliases, each value brought into its canonical form; the rest is bookkeeping of who said
// what.
#include "engine/settings_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/selector.h"

namespace dunlin::engine {

namespace {

constexpr double kCountMax = 1e9;
constexpr double kBytesMax = 9e18;

using T = SettingType;

std::vector<SettingInfo> flow_infos() {
  return {
      {"mode",
       T::choice,
       {"execution_type"},
       {"full", "dry_run", "test", "incremental", "resume"},
       0,
       0,
       "what the execution is for",
       "\"full\" or \"dry_run\""},
      {"batch_size", T::integer, {}, {}, 1, 1e7, "items in a batch; not set: it follows the work"},
      {"batch_bytes", T::size, {}, {}, 1, kBytesMax, "a batch ends at this many bytes, too"},
      {"parallel_batches",
       T::integer,
       {"max_concurrent_tasks", "max_concurrency"},
       {},
       1,
       1024,
       "batches in flight"},
      {"io_concurrency",
       T::integer,
       {"concurrency", "transfers"},
       {},
       1,
       4096,
       "items or parts in flight in the execution"},
  };
}

std::vector<SettingInfo> limit_infos() {
  return {
      {"resource_limits.max_cpu_percent",
       T::integer,
       {},
       {},
       0,
       100,
       "share of the CPUs that the process may use; 0: no limit"},
      {"resource_limits.max_memory_mb",
       T::integer,
       {},
       {},
       0,
       kCountMax,
       "MB that the process may take, from 64; 0: no limit"},
      {"resource_limits.max_io_bytes_per_sec",
       T::rate,
       {"io_limit"},
       {},
       0,
       kBytesMax,
       "bytes per second, read and written; 0: no limit"},
      {"resource_limits.max_iops",
       T::integer,
       {},
       {},
       0,
       kCountMax,
       "operations per second; 0: no limit"},
      {"resource_limits.max_network_bytes_per_sec",
       T::rate,
       {},
       {},
       0,
       kBytesMax,
       "bytes per second over the network; 0: no limit",
       "0"},
  };
}

std::vector<SettingInfo> retry_infos() {
  return {
      {"retry_policy.max_attempts",
       T::integer,
       {"max_attempts"},
       {},
       1,
       1000,
       "tries of an item or batch, the first one counted"},
      {"retry_policy.max_retries",
       T::integer,
       {"max_retries", "retries"},
       {},
       0,
       999,
       "tries after the first; wins over max_attempts"},
      {"retry_policy.initial_delay_ms",
       T::integer,
       {"retry_delay_ms"},
       {},
       0,
       86'400'000,
       "wait before the second try"},
      {"retry_policy.max_delay_ms", T::integer, {}, {}, 0, 86'400'000, "longest wait"},
      {"retry_policy.backoff_multiplier",
       T::number,
       {},
       {},
       1,
       100,
       "by which each wait is longer than the one before"},
      {"retry_policy.retry_on",
       T::errors,
       {},
       {},
       0,
       0,
       "error types or categories to retry; not set: every retriable one"},
      {"retry_policy.no_retry_on", T::errors, {}, {}, 0, 0, "never retried"},
  };
}

std::vector<SettingInfo> outcome_infos() {
  return {
      {"verification_level",
       T::choice,
       {"verify", "verification", "verify_after_copy"},
       {"none", "basic", "full"},
       0,
       0,
       "how much is proven; true means full, false none"},
      {"preflight",
       T::choice,
       {},
       {"auto", "complete", "streaming"},
       0,
       0,
       "whether every item is looked at before the first is begun; auto: up to 100,000 of them"},
      {"stop_on_first_error",
       T::boolean,
       {"stop_on_error"},
       {},
       0,
       0,
       "end the execution when an item has failed"},
      {"max_failures",
       T::failures,
       {},
       {},
       0,
       kCountMax,
       "end the execution after this many failed items, or this share of them (\"5%\")"},
      {"transaction_mode",
       T::choice,
       {},
       {"per-batch", "per-record", "single", "per_migration", "all_in_one", "none"},
       0,
       0,
       "what a transaction at the destination holds"},
      {"checkpoint.frequency",
       T::choice,
       {},
       {"every_batch", "every_n_batches", "time_based"},
       0,
       0,
       "when a checkpoint is written"},
      {"checkpoint.n_batches", T::integer, {}, {}, 1, kCountMax, "for every_n_batches"},
      {"checkpoint.time_interval_minutes", T::integer, {}, {}, 1, 100'000, "for time_based"},
      {"checkpoint.keep_last_n",
       T::integer,
       {"checkpoint.retention.keep_last_n"},
       {},
       1,
       100'000,
       "checkpoints kept"},
      {"checkpoint.expire_after_hours",
       T::integer,
       {"checkpoint.retention.expire_after_hours"},
       {},
       1,
       1e6,
       "age at which the others are dropped"},
      {"priority",
       T::choice,
       {},
       {"immediate", "high", "normal", "low", "scheduled"},
       0,
       0,
       "who is served first where executions use the same devices"},
      {"selective_pause",
       T::parts,
       {},
       {},
       0,
       0,
       "parts that are held back until `dunlin resume` names them, each by path, entity and type"},
  };
}

std::vector<SettingInfo> make_infos() {
  std::vector<SettingInfo> out = flow_infos();
  for (const auto& more : {limit_infos(), retry_infos(), outcome_infos()})
    out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// Settings of the specification that no part of this version acts on: refused, never ignored.
constexpr std::string_view kNotBuilt[] = {"cleanup_policy", "schedule",    "resume_from",
                                          "incremental",    "preflight",   "on_failure",
                                          "undo_retention", "commit_scope"};

std::string normal(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

std::string shown(const Json& value) {
  std::string text = dump_json(value);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return printable(text);
}

std::string join(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto near = nearest_word(word, candidates);
  return near ? "; did you mean " + *near + "?" : "";
}

/// A canonical value, or why there is none.
struct Converted {
  std::optional<Json> value;
  std::string why;
};

Converted convert_choice(const SettingInfo& info, const Json& value) {
  if (info.path == "verification_level" && value.is_boolean())
    return {Json(value.get<bool>() ? "full" : "none"), ""};
  if (!value.is_string())
    return {{}, fmt::format("must be one of {}, not {}", join(info.words), shown(value))};
  const auto& text = value.get_ref<const std::string&>();
  for (const auto word : info.words)
    if (normal(word) == normal(text)) return {Json(std::string(word)), ""};
  const auto near = nearest_word(text, info.words);
  return {{},
          fmt::format("must be one of {}, not {}{}", join(info.words), shown(value),
                      near ? "; did you mean " + *near + "?" : "")};
}

Converted convert_integer(const SettingInfo& info, const Json& value) {
  const auto bad = fmt::format("must be a whole number from {:.0f} to {:.0f}, not {}", info.low,
                               info.high, shown(value));
  if (!value.is_number_integer()) return {{}, bad};
  const auto number = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX
                          ? INT64_MAX
                          : value.get<std::int64_t>();
  if (static_cast<double>(number) < info.low || static_cast<double>(number) > info.high)
    return {{}, bad};
  return {Json(number), ""};
}

Converted convert_bytes(const SettingInfo& info, const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto parsed = info.type == SettingType::rate ? parse_rate(text) : parse_size(text);
    if (!parsed.ok()) return {{}, parsed.error().message};
    return convert_integer(info, Json(parsed.value()));
  }
  if (!value.is_number_integer())
    return {
        {},
        fmt::format("must be {}, not {}",
                    info.type == SettingType::rate ? "bytes per second or text such as \"200MB/s\""
                                                   : "bytes or text such as \"64MiB\"",
                    shown(value))};
  return convert_integer(info, value);
}

Converted convert_number(const SettingInfo& info, const Json& value) {
  if (!value.is_number() || value.get<double>() < info.low || value.get<double>() > info.high)
    return {
        {},
        fmt::format("must be a number from {} to {}, not {}", info.low, info.high, shown(value))};
  return {Json(value.get<double>()), ""};
}

Converted convert_failures(const SettingInfo& info, const Json& value) {
  if (value.is_number_integer()) return convert_integer(info, value);
  if (!value.is_string())
    return {{}, fmt::format("must be a count or a share such as \"5%\", not {}", shown(value))};
  const auto parsed = parse_count_or_percent(value.get_ref<const std::string&>());
  if (!parsed.ok()) return {{}, parsed.error().message};
  if (!parsed->is_percent) return convert_integer(info, Json(parsed->count));
  return {Json(fmt::format("{}%", parsed->percent)), ""};
}

Converted convert_errors(const Json& value) {
  if (!value.is_array()) return {{}, "must be a list of error types, not " + shown(value)};
  std::vector<std::string> names = {"transient", "validation", "constraint", "system", "fatal"};
  for (const auto& type : all_error_types()) names.emplace_back(type.name);
  for (const auto& entry : value) {
    if (!entry.is_string()) return {{}, "must hold names of error types, not " + shown(entry)};
    const auto& name = entry.get_ref<const std::string&>();
    if (std::find(names.begin(), names.end(), name) == names.end())
      return {{},
              fmt::format("there is no error type {}{}", shown(entry), did_you_mean(name, names))};
  }
  return {value, ""};
}

Converted convert_parts(const Json& value) {
  if (!value.is_array()) return {{}, "must be a list of parts, not " + shown(value)};
  for (const auto& entry : value) {
    if (const auto part = selector_from(entry); !part.ok()) return {{}, part.error().message};
  }
  return {value, ""};
}

Converted convert(const SettingInfo& info, const Json& value) {
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
    case SettingType::boolean:
      if (value.is_boolean()) return {value, ""};
      return {{}, "must be true or false, not " + shown(value)};
  }
  return {{}, "cannot be set"};
}

class Reader {
 public:
  Reader(std::vector<std::string>& problems, std::span<const std::string> foreign)
      : problems_(problems), foreign_(foreign) {
    for (const auto& info : setting_infos()) {
      by_path_.emplace(info.path, &info);
      for (const auto alias : info.aliases) by_path_.emplace(alias, &info);
    }
    for (const auto& [path, info] : by_path_)
      for (auto dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1))
        groups_.insert_or_assign(path.substr(0, dot), true);
  }

  void read(const SettingsSource& source) {
    if (source.section == nullptr || source.section->is_null()) return;
    if (!source.section->is_object()) {
      problems_.push_back(fmt::format("{}: must be a table of settings", source.at));
      return;
    }
    walk(source.at, "", *source.section);
  }

  Json finish() {
    Json out = Json::object();
    // max_retries does not count the first try and wins over max_attempts.
    if (const auto retries = found_.find("retry_policy.max_retries"); retries != found_.end()) {
      found_["retry_policy.max_attempts"] = {retries->second.pointer,
                                             Json(retries->second.value.get<std::int64_t>() + 1)};
      found_.erase("retry_policy.max_retries");
    }
    for (const auto& info : setting_infos()) {
      const auto it = found_.find(info.path);
      if (it == found_.end()) continue;
      Json* place = &out;
      std::string_view rest = info.path;
      for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
        place = &(*place)[std::string(rest.substr(0, dot))];
        rest.remove_prefix(dot + 1);
      }
      (*place)[std::string(rest)] = it->second.value;
    }
    return out;
  }

 private:
  struct Found {
    std::string pointer;
    Json value;
  };

  void walk(const std::string& at, const std::string& prefix, const Json& section) {
    for (const auto& [key, value] : section.items()) {
      const std::string pointer = at + "/" + json_pointer_token(key);
      const std::string path = prefix.empty() ? normal(key) : prefix + "." + normal(key);
      if (prefix.empty() && std::find(foreign_.begin(), foreign_.end(), key) != foreign_.end())
        continue;
      if (prefix.empty() && path == "dry_run") {
        read_dry_run(pointer, value);
      } else if (const auto it = by_path_.find(path); it != by_path_.end()) {
        take(pointer, *it->second, value);
      } else if (groups_.contains(path)) {
        if (value.is_object())
          walk(pointer, path, value);
        else if (!value.is_null())
          problems_.push_back(fmt::format("{}: must be a table, not {}", pointer, shown(value)));
      } else if (path == "batch_size_set" && value.is_boolean()) {
        continue;  // written by encode_settings beside batch_size; decode_settings reads it
      } else {
        refuse(pointer, prefix, key, path);
      }
    }
  }

  void read_dry_run(const std::string& pointer, const Json& value) {
    if (!value.is_boolean())
      problems_.push_back(fmt::format("{}: must be true or false, not {}", pointer, shown(value)));
    else if (value.get<bool>())
      take(pointer, *by_path_.at("mode"), Json("dry_run"));
  }

  void take(const std::string& pointer, const SettingInfo& info, const Json& value) {
    if (value.is_null()) return;  // null means "not set" everywhere
    auto converted = convert(info, value);
    if (!converted.value) {
      problems_.push_back(fmt::format("{}: {}", pointer, converted.why));
      return;
    }
    if (!info.only.empty() && info.only.find(dump_json(*converted.value)) == std::string::npos) {
      problems_.push_back(
          fmt::format("{}: this version only has {}, not {}", pointer, info.only, shown(value)));
      return;
    }
    const auto [it, fresh] =
        found_.try_emplace(std::string(info.path), Found{pointer, *converted.value});
    if (!fresh && it->second.value != *converted.value)
      problems_.push_back(fmt::format("{}: says {} where {} says {}; both mean {}", pointer,
                                      shown(value), it->second.pointer, shown(it->second.value),
                                      info.path));
  }

  void refuse(const std::string& pointer, const std::string& prefix, const std::string& key,
              const std::string& path) {
    if (std::find(std::begin(kNotBuilt), std::end(kNotBuilt), path) != std::end(kNotBuilt)) {
      problems_.push_back(
          fmt::format("{}: this version does not have it yet; leave it out", pointer));
      return;
    }
    std::vector<std::string> candidates;
    for (const auto& [name, info] : by_path_) {
      if (prefix.empty() && name.size() > path.size() && name.ends_with("." + path)) {
        problems_.push_back(fmt::format("{}: unknown key; did you mean {}?", pointer, name));
        return;
      }
      const auto start = prefix.empty() ? 0 : prefix.size() + 1;
      if (!prefix.empty() && !name.starts_with(prefix + ".")) continue;
      candidates.push_back(name.substr(start, name.find('.', start) - start));
    }
    const auto near = did_you_mean(normal(key), candidates);
    problems_.push_back(fmt::format("{}: unknown key{}", pointer,
                                    near.empty() ? " (docs/settings.md lists all)" : near));
  }

  std::vector<std::string>& problems_;
  std::span<const std::string> foreign_;
  std::map<std::string, const SettingInfo*, std::less<>> by_path_;
  std::map<std::string, bool, std::less<>> groups_;
  std::map<std::string, Found, std::less<>> found_;
};

Json leaf_schema(const SettingInfo& info) {
  Json out = Json::object();
  switch (info.type) {
    case SettingType::choice: {
      Json words = Json::array();
      for (const auto word : info.words) words.push_back(std::string(word));
      out["enum"] = std::move(words);
      break;
    }
    case SettingType::integer:
      out["type"] = "integer";
      break;
    case SettingType::number:
      out["type"] = "number";
      break;
    case SettingType::boolean:
      out["type"] = "boolean";
      break;
    case SettingType::size:
    case SettingType::rate:
    case SettingType::failures:
      out["type"] = Json::array({"integer", "string"});
      break;
    case SettingType::errors:
      out["type"] = "array";
      out["items"] = {{"type", "string"}};
      break;
    case SettingType::parts:
      out["type"] = "array";
      out["items"] = {{"type", "object"},
                      {"properties",
                       {{"path", {{"type", "string"}}},
                        {"entity", {{"type", "string"}}},
                        {"type", {{"type", "string"}}}}},
                      {"additionalProperties", false},
                      {"minProperties", 1}};
      break;
  }
  if (info.high > 0) {
    out["minimum"] = static_cast<std::int64_t>(info.low);
    out["maximum"] = static_cast<std::int64_t>(info.high);
  }
  out["description"] = std::string(info.help);
  return out;
}

void put_schema(Json& root, std::string_view path, const Json& leaf) {
  Json* place = &root["properties"];
  std::string_view rest = path;
  for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    Json& group = (*place)[std::string(rest.substr(0, dot))];
    group["type"] = "object";
    group["additionalProperties"] = false;
    place = &group["properties"];
    rest.remove_prefix(dot + 1);
  }
  (*place)[std::string(rest)] = leaf;
}

}  // namespace

const std::vector<SettingInfo>& setting_infos() {
  static const std::vector<SettingInfo> infos = make_infos();
  return infos;
}

Json canonical_settings(std::span<const SettingsSource> sources, std::vector<std::string>& problems,
                        std::span<const std::string> foreign) {
  Reader reader(problems, foreign);
  for (const auto& source : sources) reader.read(source);
  return reader.finish();
}

Json merge_settings(Json under, const Json& over) {
  if (!under.is_object()) under = Json::object();
  if (!over.is_object()) return under;
  for (const auto& [key, value] : over.items()) {
    if (value.is_object() && under.contains(key) && under[key].is_object())
      under[key] = merge_settings(under[key], value);
    else
      under[key] = value;
  }
  return under;
}

Json settings_schema() {
  Json out = {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  for (const auto& info : setting_infos()) {
    put_schema(out, info.path, leaf_schema(info));
    for (const auto alias : info.aliases) {
      Json leaf = leaf_schema(info);
      leaf["description"] = fmt::format("the same as {}", info.path);
      put_schema(out, alias, leaf);
    }
  }
  return out;
}

}  // namespace dunlin::engine
