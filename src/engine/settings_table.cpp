// See settings_table.h. A source is flattened into (path, value), each path looked up among names
// and aliases, each value brought into its canonical form; the rest is bookkeeping of who said
// what.
#include "engine/settings_table.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "engine/plan_words.h"
#include "engine/settings_convert.h"
#include "engine/test_run.h"

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
       "\"full\", \"dry_run\", \"test\" or \"incremental\""},
      {"test_items",
       T::integer,
       {"sample_size"},
       {},
       1,
       kTestItemsMax,
       "mode test: the most items that are tried, 100 where it is not said"},
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
      {"undo_retention",
       T::duration,
       {},
       {},
       0,
       0,
       "how long after its end an execution keeps what its rollback needs at the destination; "
       "forever: until `dunlin accept`"},
      {"cleanup_policy.undo",
       T::choice,
       {},
       {"keep", "drop"},
       0,
       0,
       "once it has completed, what its rollback would need"},
      {"cleanup_policy.on_failure",
       T::choice,
       {"on_failure"},
       {"keep", "rollback"},
       0,
       0,
       "when it fails as a whole: what was done stays, or is taken back at once"},
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
constexpr std::string_view kNotBuilt[] = {"schedule", "resume_from", "incremental", "preflight",
                                          "commit_scope"};

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
      problems_.push_back(fmt::format(
          "{}: must be a table of keys, not {}; write each setting on a line of its own "
          "below it, as batch_size: 500",
          source.at, shown_value(*source.section)));
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
    if (dry_run_of_incremental_) {
      out["mode"] = kIncremental;
      out["dry_run"] = true;
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
      const std::string path = prefix.empty() ? normal_key(key) : prefix + "." + normal_key(key);
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
          problems_.push_back(fmt::format("{}: must be a table of keys, not {}{}", pointer,
                                          shown_value(value), did_you_mean("", keys_below(path))));
      } else if (path == "batch_size_set" && value.is_boolean()) {
        continue;  // written by encode_settings beside batch_size; decode_settings reads it
      } else {
        refuse(pointer, prefix, key, path);
      }
    }
  }

  void read_dry_run(const std::string& pointer, const Json& value) {
    if (!value.is_boolean())
      problems_.push_back(
          fmt::format("{}: must be true or false, not {}", pointer, shown_value(value)));
    else if (value.get<bool>()) {
      dry_run_at_ = pointer;
      take(pointer, *by_path_.at("mode"), Json(kDryRun));
    }
  }

  /// `dry_run: true` beside `mode: incremental`: what that would do.
  [[nodiscard]] bool of_incremental(const SettingInfo& info, const Found& before,
                                    const std::string& pointer, const Json& value) const {
    if (info.path != "mode" || dry_run_at_.empty()) return false;
    return (before.pointer == dry_run_at_ && value == kIncremental) ||
           (pointer == dry_run_at_ && before.value == kIncremental);
  }

  void take(const std::string& pointer, const SettingInfo& info, const Json& value) {
    if (value.is_null()) return;  // null means "not set" everywhere
    auto converted = convert_setting(info, value);
    if (!converted.value) {
      problems_.push_back(fmt::format("{}: {}", pointer, converted.why));
      return;
    }
    if (!info.only.empty() && info.only.find(dump_json(*converted.value)) == std::string::npos) {
      problems_.push_back(fmt::format("{}: this version only has {}, not {} yet; take the key out",
                                      pointer, info.only, shown_value(value)));
      return;
    }
    const auto [it, fresh] =
        found_.try_emplace(std::string(info.path), Found{pointer, *converted.value});
    if (!fresh && of_incremental(info, it->second, pointer, *converted.value)) {
      it->second = {dry_run_at_, Json(kDryRun)};
      dry_run_of_incremental_ = true;
      return;
    }
    if (!fresh && it->second.value != *converted.value)
      problems_.push_back(
          fmt::format("{}: says {}, but {} says {}, and both mean {}; keep one of the two", pointer,
                      shown_value(value), key_text(it->second.pointer),
                      shown_value(it->second.value), info.path));
  }

  void refuse(const std::string& pointer, const std::string& prefix, const std::string& key,
              const std::string& path) {
    if (std::find(std::begin(kNotBuilt), std::end(kNotBuilt), path) != std::end(kNotBuilt)) {
      problems_.push_back(fmt::format("{}: {}", pointer, not_built_yet(path)));
      return;
    }
    for (const auto& [name, info] : by_path_) {
      if (!prefix.empty() || name.size() <= path.size() || !name.ends_with("." + path)) continue;
      problems_.push_back(fmt::format("{}: unknown key; did you mean {}?", pointer, name));
      return;
    }
    const auto near = did_you_mean(normal_key(key), keys_below(prefix));
    problems_.push_back(fmt::format("{}: unknown key{}", pointer,
                                    near.empty() ? " (docs/settings.md lists all)" : near));
  }

  /// The keys of a group; of the first level with the kind's own.
  [[nodiscard]] std::vector<std::string> keys_below(const std::string& prefix) const {
    std::vector<std::string> keys;
    const auto start = prefix.empty() ? 0 : prefix.size() + 1;
    for (const auto& [name, info] : by_path_) {
      if (!prefix.empty() && !name.starts_with(prefix + ".")) continue;
      auto key = name.substr(start, name.find('.', start) - start);
      if (keys.empty() || keys.back() != key) keys.push_back(std::move(key));
    }
    if (prefix.empty()) keys.insert(keys.end(), foreign_.begin(), foreign_.end());
    return keys;
  }

  std::vector<std::string>& problems_;
  std::span<const std::string> foreign_;
  std::map<std::string, const SettingInfo*, std::less<>> by_path_;
  std::map<std::string, bool, std::less<>> groups_;
  std::map<std::string, Found, std::less<>> found_;
  std::string dry_run_at_;  ///< where `dry_run: true` stands
  bool dry_run_of_incremental_ = false;
};

Json leaf_schema(const SettingInfo& info) {
  Json out = Json::object();
  switch (info.type) {
    case SettingType::choice: {
      Json words = Json::array();
      for (const auto word : info.words) words.push_back(std::string(word));
      if (info.path == "verification_level") words.insert(words.end(), {true, false});
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
    case SettingType::duration:
      out["type"] = "string";
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
  // null means "not set" everywhere.
  if (out.contains("enum")) out["enum"].push_back(nullptr);
  if (out.contains("type")) {
    if (!out["type"].is_array()) out["type"] = Json::array({out["type"]});
    out["type"].push_back("null");
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
    group["type"] = Json::array({"object", "null"});
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
  const auto modes = std::pair(string_or(under, "mode", ""), string_or(over, "mode", ""));
  const bool of_incremental = modes == std::pair<std::string, std::string>(kIncremental, kDryRun) ||
                              modes == std::pair<std::string, std::string>(kDryRun, kIncremental);
  if (over.contains("mode")) under.erase("dry_run");
  for (const auto& [key, value] : over.items()) {
    if (value.is_object() && under.contains(key) && under[key].is_object())
      under[key] = merge_settings(under[key], value);
    else
      under[key] = value;
  }
  if (of_incremental) {
    under["mode"] = kIncremental;
    under["dry_run"] = true;
  }
  return under;
}

Json settings_schema() {
  Json out = {{"type", {"object", "null"}},
              {"additionalProperties", false},
              {"properties", {{"dry_run", {{"type", "boolean"}}}}}};
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
