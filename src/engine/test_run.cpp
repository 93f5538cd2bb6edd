// See test_run.h.
#include "engine/test_run.h"

#include <algorithm>
#include <cmath>

#include "engine/settings.h"

namespace dunlin::engine {
namespace {

constexpr std::size_t kAmongFirst = 64;  // a kind journals it with its first tasks

std::int64_t milestone_ms(const std::vector<store::MilestoneRow>& milestones,
                          std::string_view name) {
  for (const store::MilestoneRow& one : milestones)
    if (one.name == name) return one.time_ms;
  return 0;
}

double ratio(std::int64_t whole, std::int64_t sample) {
  return static_cast<double>(whole) / static_cast<double>(sample);
}

std::int64_t batches(std::int64_t items, std::int64_t bytes, std::int64_t batch_items,
                     std::int64_t batch_bytes) {
  const auto of = [](std::int64_t all, std::int64_t each) { return (all + each - 1) / each; };
  return std::max(of(items, std::max<std::int64_t>(batch_items, 1)),
                  of(bytes, std::max<std::int64_t>(batch_bytes, 1)));
}

Json seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000.0;
}

}  // namespace

Json SampleCounts::json() const {
  return {{"items", items},
          {"bytes", bytes},
          {"directories", directories},
          {"sample_items", sample_items},
          {"sample_bytes", sample_bytes},
          {"sample_directories", sample_directories},
          {"listing_ms", listing_ms},
          {"place", place}};
}

SampleCounts SampleCounts::of(const Json& json) {
  SampleCounts out;
  out.items = integer_or(json, "items", 0);
  out.bytes = integer_or(json, "bytes", 0);
  out.directories = integer_or(json, "directories", 0);
  out.sample_items = integer_or(json, "sample_items", 0);
  out.sample_bytes = integer_or(json, "sample_bytes", 0);
  out.sample_directories = integer_or(json, "sample_directories", 0);
  out.listing_ms = integer_or(json, "listing_ms", 0);
  out.place = string_or(json, "place", "");
  return out;
}

TestEstimate estimate_whole(const SampleCounts& counts, std::int64_t sample_ms,
                            std::int64_t batch_items, std::int64_t batch_bytes) {
  const std::int64_t whole_batches = batches(counts.items, counts.bytes, batch_items, batch_bytes);
  const std::int64_t sample_batches =
      batches(counts.sample_items, counts.sample_bytes, batch_items, batch_bytes);
  std::vector<double> ratios;
  const auto add = [&](std::int64_t whole, std::int64_t sample) {
    if (sample > 0) ratios.push_back(ratio(whole, sample));
  };
  add(counts.items, counts.sample_items);
  add(counts.bytes, counts.sample_bytes);
  add(counts.directories, counts.sample_directories);
  add(whole_batches, sample_batches);
  const auto took = static_cast<double>(std::max<std::int64_t>(sample_ms, 1));
  TestEstimate estimate;
  if (ratios.empty()) return {counts.listing_ms, counts.listing_ms, counts.listing_ms};
  const auto [least, largest] = std::minmax_element(ratios.begin(), ratios.end());
  // All of it was the sample: what is left to chance is only how fast the machine is that day.
  const bool whole = counts.sample_items >= counts.items;
  const double chance =
      whole ? 0
            : 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(counts.sample_items, 1)));
  const double low = took * std::max(1.0, *least * (1 - chance));
  const double high = took * std::max(1.0, *largest * (1 + chance));
  estimate.low_ms = counts.listing_ms + static_cast<std::int64_t>(low);
  estimate.high_ms = counts.listing_ms + static_cast<std::int64_t>(std::ceil(high));
  estimate.likely_ms = counts.listing_ms + static_cast<std::int64_t>(std::sqrt(low * high));
  return estimate;
}

Result<Json> test_result(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const store::ExecutionRow row, ledger.execution());
  if (row.mode != kTest) return Json(nullptr);
  DUNLIN_ASSIGN(const auto tasks, ledger.tasks(kAmongFirst));
  const auto task = std::find_if(tasks.begin(), tasks.end(),
                                 [](const auto& one) { return one.task_type == kSampleTask; });
  if (task == tasks.end()) return Json(nullptr);
  DUNLIN_ASSIGN(const Json parameters, parse_json(task->parameters_json, "numbers of the sample"));
  const SampleCounts counts = SampleCounts::of(parameters);
  DUNLIN_ASSIGN(const auto milestones, ledger.milestones());
  Json out = Json::object();
  out["sample"] = {{"items", counts.sample_items},
                   {"bytes", counts.sample_bytes},
                   {"directories", counts.sample_directories}};
  out["whole"] = {
      {"items", counts.items}, {"bytes", counts.bytes}, {"directories", counts.directories}};
  out["place"] = counts.place;
  out["place_removed"] = milestone_ms(milestones, kScratchRemoved) > 0;
  out["listing_seconds"] = seconds(counts.listing_ms);
  out["interrupted"] = row.attempt > 1;
  out["sample_seconds"] = nullptr;
  out["estimate"] = nullptr;
  const std::int64_t begun = milestone_ms(milestones, "enumeration_complete");
  const std::int64_t done = milestone_ms(milestones, "done");
  if (row.attempt > 1 || begun == 0 || done < begun) return out;
  DUNLIN_ASSIGN(const Json settings, parse_json(row.settings_json, "settings"));
  const TestEstimate estimate =
      estimate_whole(counts, done - begun, integer_or(settings, "batch_size", 1000),
                     integer_or(settings, "batch_bytes", 64LL << 20));
  out["sample_seconds"] = seconds(done - begun);
  out["estimate"] = {{"seconds", seconds(estimate.likely_ms)},
                     {"low_seconds", seconds(estimate.low_ms)},
                     {"high_seconds", seconds(estimate.high_ms)}};
  return out;
}

Status check_test(const Kind& kind, const Plan& plan) {
  const auto* testable = dynamic_cast<const TestableKind*>(&kind);
  const std::string why = testable != nullptr
                              ? testable->why_no_test(plan)
                              : "a sample of " + std::string(kind.item_noun()) +
                                    " could not be kept apart from what stands at the destination";
  if (why.empty()) return success();
  Error error(ErrorType::invalid_input,
              "a plan of kind " + std::string(kind.name()) + " cannot be tested: " + why);
  error.remediation =
      "--dry-run (mode: dry_run) shows what would be done to each item, and changes "
      "nothing";
  return error;
}

std::int64_t test_items(const Plan& plan) {
  const Json* settings = find_member(plan.document, "settings");
  return settings == nullptr ? kTestItems : integer_or(*settings, "test_items", kTestItems);
}

Error only_a_test(std::int64_t number) {
  Error error(ErrorType::invalid_state,
              "execution " + std::to_string(number) +
                  " is a test: what it copied into a place of its own is gone");
  error.remediation = "run it without --test (mode: full) to do it";
  return error;
}

}  // namespace dunlin::engine
