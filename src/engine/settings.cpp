// Execution settings between JSON and typed values. Which keys there are, under which names and in
// which ranges: settings_table.cpp.
#include "engine/settings.h"

#include <fmt/format.h>

#include "base/units.h"
#include "engine/memory_budget.h"
#include "engine/settings_table.h"

namespace dunlin::engine {

namespace {

void read(const Json& from, std::string_view key, std::int64_t& to) {
  to = integer_or(from, key, to);
}
void read(const Json& from, std::string_view key, std::int32_t& to) {
  to = static_cast<std::int32_t>(integer_or(from, key, to));
}
void read(const Json& from, std::string_view key, std::string& to) {
  to = string_or(from, key, to);
}
void read(const Json& from, std::string_view key, bool& to) {
  to = boolean_or(from, key, to);
}
void read(const Json& from, std::string_view key, double& to) {
  if (const Json* value = find_member(from, key); value != nullptr && value->is_number())
    to = value->get<double>();
}
void read(const Json& from, std::string_view key, std::vector<std::string>& to) {
  const Json* value = find_member(from, key);
  if (value == nullptr || !value->is_array()) return;
  to.clear();
  for (const auto& entry : *value) to.push_back(entry.get<std::string>());
}

const Json& group(const Json& from, std::string_view key) {
  static const Json empty = Json::object();
  const Json* value = find_member(from, key);
  return value != nullptr && value->is_object() ? *value : empty;
}

void read_max_failures(const Json& from, ExecutionSettings& settings) {
  const Json* value = find_member(from, "max_failures");
  if (value == nullptr) return;
  if (value->is_number_integer()) {
    settings.max_failures = value->get<std::int64_t>();
  } else if (value->is_string()) {
    const auto parsed = parse_count_or_percent(value->get_ref<const std::string&>());
    if (parsed.ok()) settings.max_failures_percent = parsed->percent;
  }
}

ExecutionSettings from_canonical(const Json& section) {
  ExecutionSettings out;
  read(section, "mode", out.mode);
  out.incremental = out.mode == kIncremental;
  bool dry_run = false;
  read(section, "dry_run", dry_run);
  if (dry_run) out.mode = kDryRun;
  out.batch_size_set = section.contains("batch_size");
  read(section, "batch_size", out.batch_size);
  read(section, "batch_bytes", out.batch_bytes);
  read(section, "parallel_batches", out.parallel_batches);
  read(section, "io_concurrency", out.io_concurrency);
  const Json& limits = group(section, "resource_limits");
  read(limits, "max_cpu_percent", out.limits.max_cpu_percent);
  read(limits, "max_memory_mb", out.limits.max_memory_mb);
  read(limits, "max_io_bytes_per_sec", out.limits.max_io_bytes_per_sec);
  read(limits, "max_iops", out.limits.max_iops);
  read(limits, "max_network_bytes_per_sec", out.limits.max_network_bytes_per_sec);
  const Json& retry = group(section, "retry_policy");
  read(retry, "max_attempts", out.retry.max_attempts);
  read(retry, "initial_delay_ms", out.retry.initial_delay_ms);
  read(retry, "max_delay_ms", out.retry.max_delay_ms);
  read(retry, "backoff_multiplier", out.retry.backoff_multiplier);
  read(retry, "retry_on", out.retry.retry_on);
  read(retry, "no_retry_on", out.retry.no_retry_on);
  const std::string level = string_or(section, "verification_level", "full");
  out.verification_level = level == "none"    ? VerificationLevel::none
                           : level == "basic" ? VerificationLevel::basic
                                              : VerificationLevel::full;
  const std::string preflight = string_or(section, "preflight", "auto");
  out.preflight = preflight == "complete"    ? Preflight::complete
                  : preflight == "streaming" ? Preflight::streaming
                                             : Preflight::automatic;
  read(section, "stop_on_first_error", out.stop_on_first_error);
  read(section, "transaction_mode", out.transaction_mode);
  const Json& checkpoint = group(section, "checkpoint");
  read(checkpoint, "frequency", out.checkpoint.frequency);
  read(checkpoint, "n_batches", out.checkpoint.n_batches);
  out.checkpoint.named = checkpoint.contains("frequency") || checkpoint.contains("n_batches");
  read(checkpoint, "time_interval_minutes", out.checkpoint.time_interval_minutes);
  read(checkpoint, "keep_last_n", out.checkpoint.keep_last_n);
  read(checkpoint, "expire_after_hours", out.checkpoint.expire_after_hours);
  read_max_failures(section, out);
  read(section, "priority", out.priority);
  read(section, "undo_retention", out.undo_retention);
  const Json& cleanup = group(section, "cleanup_policy");
  read(cleanup, "undo", out.undo);
  read(cleanup, "on_failure", out.on_failure);
  if (const Json* parts = find_member(section, "selective_pause"); parts != nullptr) {
    for (const Json& part : *parts) {
      if (auto selector = selector_from(part); selector.ok())
        out.selective_pause.push_back(*std::move(selector));
    }
  }
  return out;
}

}  // namespace

std::int64_t ExecutionSettings::undo_retention_ms() const {
  const auto time = parse_duration(undo_retention);
  return time.ok() ? time->count() : 0;
}

std::string_view to_string(Preflight preflight) {
  switch (preflight) {
    case Preflight::complete:
      return "complete";
    case Preflight::streaming:
      return "streaming";
    case Preflight::automatic:
      break;
  }
  return "auto";
}

std::string_view to_string(VerificationLevel level) {
  switch (level) {
    case VerificationLevel::none:
      return "none";
    case VerificationLevel::basic:
      return "basic";
    case VerificationLevel::full:
      return "full";
  }
  return "full";
}

std::string memory_problem(std::int64_t mb) {
  if (mb == 0 || mb * kMegabyte >= MemoryBudget::kLeastLimit) return "";
  return fmt::format("must be 0 (no limit) or at least {} MB, not {}",
                     MemoryBudget::kLeastLimit / kMegabyte, mb);
}

Result<ExecutionSettings> decode_settings(const Json& section, std::vector<std::string>& problems) {
  const std::size_t before = problems.size();
  const SettingsSource source{"/settings", &section};
  ExecutionSettings out = from_canonical(canonical_settings({&source, 1}, problems));
  // What encode_settings froze names a size that no person chose.
  if (!boolean_or(section, "batch_size_set", true)) out.batch_size_set = false;
  if (out.retry.initial_delay_ms > out.retry.max_delay_ms)
    problems.push_back(fmt::format(
        "/settings/retry_policy/max_delay_ms: {} is below initial_delay_ms, which is {}; "
        "the longest wait cannot be shorter than the first",
        out.retry.max_delay_ms, out.retry.initial_delay_ms));
  if (const auto problem = memory_problem(out.limits.max_memory_mb); !problem.empty())
    problems.push_back("/settings/resource_limits/max_memory_mb: " + problem);
  if (problems.size() == before) return out;
  std::string text;
  for (std::size_t i = before; i < problems.size(); ++i)
    text += (text.empty() ? "" : "\n") + problems[i];
  return Error(ErrorType::plan_invalid, text);
}

Json encode_settings(const ExecutionSettings& settings) {
  Json failures = nullptr;
  if (settings.max_failures >= 0)
    failures = settings.max_failures;
  else if (settings.max_failures_percent >= 0)
    failures = fmt::format("{}%", settings.max_failures_percent);
  Json parts = Json::array();
  for (const Selector& part : settings.selective_pause) parts.push_back(selector_json(part));
  const auto& limits = settings.limits;
  const auto& retry = settings.retry;
  const auto& checkpoint = settings.checkpoint;
  Json out{
      {"mode", settings.incremental ? std::string(kIncremental) : settings.mode},
      {"batch_size", settings.batch_size},
      {"batch_size_set", settings.batch_size_set},
      {"batch_bytes", settings.batch_bytes},
      {"parallel_batches", settings.parallel_batches},
      {"io_concurrency", settings.io_concurrency},
      {"resource_limits",
       {{"max_cpu_percent", limits.max_cpu_percent},
        {"max_memory_mb", limits.max_memory_mb},
        {"max_io_bytes_per_sec", limits.max_io_bytes_per_sec},
        {"max_iops", limits.max_iops},
        {"max_network_bytes_per_sec", limits.max_network_bytes_per_sec}}},
      {"retry_policy",
       {{"max_attempts", retry.max_attempts},
        {"initial_delay_ms", retry.initial_delay_ms},
        {"max_delay_ms", retry.max_delay_ms},
        {"backoff_multiplier", retry.backoff_multiplier},
        {"retry_on", retry.retry_on},
        {"no_retry_on", retry.no_retry_on}}},
      {"verification_level", std::string(to_string(settings.verification_level))},
      {"preflight", std::string(to_string(settings.preflight))},
      {"stop_on_first_error", settings.stop_on_first_error},
      {"transaction_mode",
       settings.transaction_mode.empty() ? Json(nullptr) : Json(settings.transaction_mode)},
      {"checkpoint",
       {{"frequency", checkpoint.frequency},
        {"n_batches", checkpoint.n_batches},
        {"time_interval_minutes", checkpoint.time_interval_minutes},
        {"keep_last_n", checkpoint.keep_last_n},
        {"expire_after_hours", checkpoint.expire_after_hours}}},
      {"max_failures", failures},
      {"priority", settings.priority},
      {"undo_retention", settings.undo_retention},
      {"cleanup_policy", {{"undo", settings.undo}, {"on_failure", settings.on_failure}}},
      {"selective_pause", std::move(parts)},
  };
  if (settings.incremental && settings.is_dry_run()) out["dry_run"] = true;
  return out;
}

}  // namespace dunlin::engine
