// Percent, rates and ETA out of the ledger's counters. See progress.h.
//
// Work is weighed: a byte counts 1 and an item kItemWeight, about what creating, flushing and
// renaming a small file costs next to streaming bytes. So a tree of empty files and one huge file
// both advance evenly, and with items of any size bytes decide.
#include "engine/progress.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/settings.h"

namespace dunlin::engine {

namespace {

using store::Counters;
using store::ExecutionStatus;

constexpr double kItemWeight = 4096;
/// Share of the verification pass: it checks structure and metadata, the content was proven within
/// the batches (engine.md X-26).
constexpr double kVerifyShare = 10;
constexpr double kNotDone = 99.9;  ///< what is not done never shows 100
constexpr std::int64_t kWindowMs = 10'000;
constexpr std::int64_t kSampleEveryMs = 100;
/// Shorter spans give rates that jump about.
constexpr std::int64_t kShortestSpanMs = 500;

double weight(std::int64_t items, std::int64_t bytes) {
  return kItemWeight * static_cast<double>(items) + static_cast<double>(bytes);
}

std::int64_t processed_items(const Counters& counters) {
  return counters.succeeded_items + counters.failed_items + counters.skipped_items +
         counters.rolled_back_items;
}

double part(double done, double total) {
  return total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0;
}

bool verifies(const store::ExecutionRow& row) {
  const auto settings = parse_json(row.settings_json);
  return settings.ok() && string_or(*settings, "verification_level", "full") != "none";
}

/// Of what was done, what has been taken back: by items, which are counted one by one, and by
/// batches, which also end where something is left alone.
double undone_part(const Counters& counters) {
  const std::int64_t back = store::all_rolled_back(counters);
  // A batch that is taken back is no longer among those that have ended.
  return std::max(
      part(static_cast<double>(back), static_cast<double>(back + store::all_succeeded(counters))),
      part(static_cast<double>(counters.undone_batches),
           static_cast<double>(counters.undone_batches + counters.ended_batches)));
}

double percent_of(const store::ExecutionRow& row) {
  if (row.status == ExecutionStatus::completed || row.status == ExecutionStatus::rolled_back)
    return 100;
  const Counters& counters = row.counters;
  double percent = 0;
  if (row.phase == "rolling_back") {
    percent = 100 * undone_part(counters);
  } else {
    const double work = part(weight(store::all_ended(counters), counters.processed_bytes),
                             weight(store::all_planned(counters), counters.total_bytes));
    const double verified = part(static_cast<double>(counters.verified_batches),
                                 static_cast<double>(counters.total_batches));
    percent = verifies(row) ? (100 - kVerifyShare) * work + kVerifyShare * verified : 100 * work;
  }
  return std::min(std::floor(percent * 10) / 10, kNotDone);
}

Json known(std::int64_t value, bool is_known) {
  return is_known ? Json(value) : Json(nullptr);
}

Json rounded(const std::optional<double>& value) {
  return value ? Json(static_cast<std::int64_t>(std::llround(*value))) : Json(nullptr);
}

Json tenths(const std::optional<double>& value) {
  return value ? Json(std::round(*value * 10) / 10) : Json(nullptr);
}

std::optional<double> average_items(const Progress& progress) {
  if (progress.running_seconds <= 0) return std::nullopt;
  return static_cast<double>(processed_items(progress.counters)) /
         static_cast<double>(progress.running_seconds);
}

/// What is counted beside the items, where there is any.
void put_outcomes(Json& out, const Counters& counters, store::CountAs count_as) {
  const store::OutcomeCounters& members = store::outcome_counters(count_as);
  if (counters.*members.total == 0) return;
  const auto put = [&](std::string_view what, std::int64_t value) {
    out[fmt::format("{}_{}", what, store::to_string(count_as))] = value;
  };
  put("total", counters.*members.total);
  put("successful", counters.*members.succeeded);
  put("failed", counters.*members.failed);
  put("skipped", counters.*members.skipped);
  put("rolled_back", counters.*members.rolled_back);
}

}  // namespace

Json progress_json(const Progress& progress, std::string_view noun) {
  const Counters& counters = progress.counters;
  const bool done = progress.percent_complete >= 100;
  const bool items_known = progress.totals_exact || counters.total_items > 0;
  const bool bytes_known = progress.totals_exact || counters.total_bytes > 0;
  const bool batches_known = progress.totals_exact || counters.total_batches > 0;
  const auto field = [noun](std::string_view what) { return fmt::format("{}_{}", what, noun); };
  Json out = Json::object();
  out["phase"] = progress.phase.empty() ? Json(nullptr) : Json(progress.phase);
  out[field("total")] = known(counters.total_items, items_known);
  out[field("processed")] = processed_items(counters);
  out[field("successful")] = counters.succeeded_items;
  out[field("failed")] = counters.failed_items;
  out[field("skipped")] = counters.skipped_items;
  out[field("rolled_back")] = counters.rolled_back_items;
  out[field("verified")] = counters.verified_items;
  put_outcomes(out, counters, store::CountAs::directories);
  put_outcomes(out, counters, store::CountAs::steps);
  out["total_bytes"] = known(counters.total_bytes, bytes_known);
  out["processed_bytes"] = counters.processed_bytes;
  out["transferred_bytes"] = counters.transferred_bytes;
  out["totals_exact"] = progress.totals_exact;
  out["current_batch"] = known(progress.current_batch, progress.current_batch > 0 && !done);
  out["total_batches"] = known(counters.total_batches, batches_known);
  out["completed_batches"] = counters.ended_batches;
  out["percent_complete"] = progress.percent_complete;
  out["estimated_time_remaining"] =
      done ? Json(0)
           : (progress.estimated_seconds_remaining ? Json(*progress.estimated_seconds_remaining)
                                                   : Json(nullptr));
  out["transfer_speed"] = rounded(progress.bytes_per_second);
  out["average_transfer_speed"] = rounded(progress.average_bytes_per_second);
  out["peak_transfer_speed"] = rounded(progress.peak_bytes_per_second);
  out["records_per_second"] = tenths(progress.items_per_second);
  out["average_records_per_second"] = tenths(average_items(progress));
  out["running_duration_seconds"] = progress.running_seconds;
  out["paused_duration_seconds"] = progress.paused_seconds;
  out["current_items"] = current_items_json(progress.current_items);
  return out;
}

Progress progress_of(const store::ExecutionRow& row, std::int64_t now_ms) {
  Progress out;
  out.phase = row.phase;
  out.counters = row.counters;
  out.totals_exact = row.enumeration_complete;
  out.current_batch = std::min(row.counters.ended_batches + 1, row.counters.total_batches);
  out.percent_complete = percent_of(row);
  const std::int64_t paused_ms =
      row.paused_ms_total +
      (row.paused_since_ms > 0 ? std::max<std::int64_t>(now_ms - row.paused_since_ms, 0) : 0);
  out.paused_seconds = paused_ms / 1000;
  if (row.started_ms > 0) {
    const std::int64_t end_ms = row.ended_ms > 0 ? row.ended_ms : now_ms;
    const std::int64_t running_ms = std::max<std::int64_t>(end_ms - row.started_ms - paused_ms, 0);
    out.running_seconds = running_ms / 1000;
    // Of a dry run they are those that would be moved.
    if (running_ms > 0 && row.mode != kDryRun)
      out.average_bytes_per_second = static_cast<double>(row.counters.transferred_bytes) * 1000 /
                                     static_cast<double>(running_ms);
  }
  return out;
}

void RateMeter::sample(std::int64_t monotonic_ms) {
  const std::lock_guard lock(mutex_);
  sample_locked(monotonic_ms);
}

/// The oldest sample is the last one outside the window, so that who asks rarely gets a rate, too.
void RateMeter::sample_locked(std::int64_t monotonic_ms) {
  if (samples_.empty() || monotonic_ms - samples_.back().time_ms >= kSampleEveryMs)
    samples_.push_back({monotonic_ms, bytes_.load(std::memory_order_relaxed),
                        items_.load(std::memory_order_relaxed),
                        all_.load(std::memory_order_relaxed),
                        read_back_.load(std::memory_order_relaxed)});
  while (samples_.size() > 2 && monotonic_ms - samples_[1].time_ms > kWindowMs)
    samples_.pop_front();
}

/// All that is not recorded, less what has been read back of it. Of clones and of what was there
/// already nothing is: the share of what has ended so far says how it goes on.
double RateMeter::left_to_read_back(const Counters& recorded, const ReadBack& read_back) const {
  if (!read_back.expected) return 0;
  const std::int64_t ended = recorded.transferred_bytes - transferred_at_first_;
  const std::int64_t done = read_back_.load(std::memory_order_relaxed);
  const double share = ended > 0 ? part(static_cast<double>(done), static_cast<double>(ended)) : 1;
  const auto left = static_cast<double>(recorded.total_bytes - recorded.processed_bytes);
  return std::max(share * left - static_cast<double>(read_back.bytes), 0.0);
}

void RateMeter::fill(Progress& progress, std::int64_t monotonic_ms, ReadBack read_back) {
  const std::lock_guard lock(mutex_);
  const std::int64_t bytes = bytes_.load(std::memory_order_relaxed);
  const std::int64_t items = items_.load(std::memory_order_relaxed);
  const std::int64_t all = all_.load(std::memory_order_relaxed);
  sample_locked(monotonic_ms);

  Counters& counters = progress.counters;
  const double to_read_back = left_to_read_back(counters, read_back);
  const bool moving = progress.phase != "verifying" && progress.phase != "rolling_back" &&
                      progress.percent_complete < 100;
  if (moving) {
    // Bytes moved for items that have not ended yet; of a batch that has failed in part, until its
    // pass ends, a little more. Held between nothing and what is left.
    const std::int64_t ended = counters.transferred_bytes - transferred_at_first_;
    const std::int64_t left =
        std::max<std::int64_t>(counters.total_bytes - counters.processed_bytes, 0);
    const std::int64_t moved = bytes + kept_.load(std::memory_order_relaxed);
    const std::int64_t in_flight = std::clamp<std::int64_t>(moved - ended, 0, left);
    const double total = weight(store::all_planned(counters), counters.total_bytes);
    counters.processed_bytes += in_flight;
    counters.transferred_bytes += in_flight;
    const double more = (100 - kVerifyShare) * part(static_cast<double>(in_flight), total);
    double percent = std::min(std::floor((progress.percent_complete + more) * 10) / 10, kNotDone);
    // Never backwards, except when enumeration has found more.
    if (counters.total_bytes == percent_total_) percent = std::max(percent, percent_shown_);
    percent_total_ = counters.total_bytes;
    percent_shown_ = percent;
    progress.percent_complete = percent;
  }

  const Sample& oldest = samples_.front();
  const std::int64_t span_ms = monotonic_ms - oldest.time_ms;
  if (span_ms < kShortestSpanMs) return;
  const double seconds = static_cast<double>(span_ms) / 1000;
  progress.bytes_per_second = static_cast<double>(bytes - oldest.bytes) / seconds;
  progress.items_per_second = static_cast<double>(items - oldest.items) / seconds;
  peak_ = std::max(peak_, *progress.bytes_per_second);
  progress.peak_bytes_per_second = peak_;
  if (progress.phase == "rolling_back" && all > oldest.all) {
    const double left = static_cast<double>(store::all_succeeded(counters));
    progress.estimated_seconds_remaining = static_cast<std::int64_t>(
        std::ceil(left * seconds / static_cast<double>(all - oldest.all)));
  }
  if (!moving || !progress.totals_exact) return;
  // A byte read back is taken for as much work as one that is copied.
  const std::int64_t compared = read_back_.load(std::memory_order_relaxed) - oldest.read_back;
  const double rate = weight(all - oldest.all, bytes - oldest.bytes + compared) / seconds;
  const double left = weight(store::all_planned(counters) - store::all_ended(counters),
                             counters.total_bytes - counters.processed_bytes) +
                      to_read_back;
  if (rate > 0)
    progress.estimated_seconds_remaining = static_cast<std::int64_t>(std::ceil(left / rate));
}

}  // namespace dunlin::engine
