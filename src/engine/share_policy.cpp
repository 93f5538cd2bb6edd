#include "engine/share_policy.h"

#include <algorithm>
#include <utility>

namespace dunlin::engine {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;

/// How far one may be ahead: portions of 1 MiB come from many threads at a time.
constexpr std::int64_t kWindowBytes = 4 << 20;
constexpr std::int64_t kWeightMax = 8;
/// Values beyond are none of ours (at 1 GB/s that takes months), and those of all slots can be
/// added.
constexpr std::int64_t kTimeMax = std::int64_t{1} << 56;

constexpr std::int64_t kLookEvery = 5 * kMs;
constexpr std::int64_t kLookAroundEvery = 100 * kMs;
/// Whoever has not asked for so long is not waited for. A flush takes as long.
constexpr std::int64_t kBusyFor = kSecond;
constexpr std::int64_t kBoundedFor = kSecond / 2;
/// Nobody has a claim on more than what was done in this time.
constexpr std::int64_t kClaim = 5 * kSecond;
/// Whoever is ahead gets a quarter of what is due to it all the same, and something every second.
constexpr std::int64_t kLongestHold = kSecond;
constexpr std::int64_t kLeastPart = 4;

/// So long it waits before the first trial, and so long between two. One that says no is repeated.
constexpr std::int64_t kHoldAtLeast = 3 * kSecond;
constexpr std::int64_t kBetweenTrials = 30 * kSecond;
constexpr std::int64_t kTrialLeast = kSecond / 2;
constexpr std::int64_t kTrialMost = 4 * kSecond;
/// In a trial the others do so much, that it can be told whether they do less; portions of 1 MiB
/// that fall on one side of its end or on the other are no difference.
constexpr double kTrialBytes = 20 << 20;
constexpr double kNoiseBytes = 2 << 20;
constexpr std::int64_t kSettling = kSecond / 10;  ///< at the beginning of a trial
constexpr int kTrialsToRelease = 2;
constexpr std::int64_t kReleaseFirst = 10 * kSecond;
constexpr std::int64_t kReleaseMost = 60 * kSecond;

std::int64_t virtual_cost(std::int64_t cost, std::int64_t weight) {
  return cost * kWeightMax / weight;
}

bool is_sound(const ShareSlot& slot) {
  return slot.virtual_time >= 0 && slot.virtual_time < kTimeMax && slot.granted >= 0 &&
         slot.granted < kTimeMax && slot.weight >= 1 && slot.weight <= kWeightMax;
}

bool is_busy(const ShareSlot& slot, std::int64_t now_ns) {
  const bool asks = slot.asked_ns > now_ns - kBusyFor && slot.asked_ns < now_ns + kBusyFor;
  return is_sound(slot) && asks && slot.bounded_ns <= now_ns;
}

}  // namespace

std::int64_t share_weight(std::string_view priority) {
  if (priority == "immediate") return kWeightMax;
  if (priority == "high") return 4;
  if (priority == "normal") return 2;
  return 1;
}

SharePolicy::SharePolicy(std::unique_ptr<ShareBoard> board, std::int64_t weight)
    : board_(std::move(board)), weight_(weight), release_ns_(kReleaseFirst) {
  board_->own().weight = weight;
}

void SharePolicy::set_weight(std::int64_t weight) {
  weight_ = weight;
  board_->own().weight = weight;
}

bool SharePolicy::may_take(std::int64_t now_ns) {
  board_->own().asked_ns = now_ns;
  look(now_ns);
  if (busy_ == 0 || phase_ != Phase::holding) return true;
  if (lead() <= virtual_cost(kWindowBytes, weight_)) return true;
  if (now_ns - taken_ns_ >= longest_hold_ns()) return true;
  held_ns_ = now_ns;
  return false;
}

std::int64_t SharePolicy::lead() const {
  return board_->own().virtual_time - behind_;
}

/// In virtual time a second: at what rate the least of the others goes on.
double SharePolicy::growth() const {
  if (past_.size() < 2) return 0;
  const auto time = static_cast<double>(past_.back().time_ns - past_.front().time_ns);
  return static_cast<double>(past_.back().behind - past_.front().behind) * kSecond / time;
}

std::int64_t SharePolicy::longest_hold_ns() const {
  const double due_s = static_cast<double>(virtual_cost(last_cost_, weight_)) / growth();
  const double most_s = kLeastPart * due_s;  // growth 0: infinite
  return most_s < 1 ? static_cast<std::int64_t>(most_s * kSecond) : kLongestHold;
}

void SharePolicy::took(std::int64_t cost, std::int64_t now_ns) {
  board_->own().virtual_time += virtual_cost(cost, weight_);
  board_->own().granted += cost;
  taken_ns_ = now_ns;
  last_cost_ = cost;
}

void SharePolicy::bounded(std::int64_t now_ns) {
  board_->own().bounded_ns = now_ns + kBoundedFor;
  look(now_ns);
}

/// Alone it looks around ten times a second, and no more.
void SharePolicy::look(std::int64_t now_ns) {
  const bool around = now_ns - looked_around_ns_ >= kLookAroundEvery;
  if (!around && (rivals_.empty() || now_ns - looked_ns_ < kLookEvery)) return;
  looked_ns_ = now_ns;
  board_->publish().ignore("the others then see an older state of it, and soon none");
  if (around) board_->find_rivals();
  rivals_ = board_->rivals();
  busy_ = 0;
  busy_weight_ = 0;
  for (const ShareSlot& rival : rivals_) {
    if (!is_busy(rival, now_ns)) continue;
    behind_ = busy_ == 0 ? rival.virtual_time : std::min(behind_, rival.virtual_time);
    busy_weight_ += rival.weight;
    ++busy_;
  }
  keep_up(now_ns);
  if (!around) return;
  looked_around_ns_ = now_ns;
  judge(now_ns);
}

/// Where the others were some seconds ago, it is at least; when it comes (back), where they are.
void SharePolicy::keep_up(std::int64_t now_ns) {
  const bool was_away = !past_.empty() && now_ns - past_.back().time_ns > kBusyFor;
  if (busy_ == 0 || was_away) past_.clear();
  if (busy_ == 0) return;
  if (past_.empty() || now_ns - past_.back().time_ns >= kLookAroundEvery) {
    past_.push_back({now_ns, behind_});
    while (past_.size() > 1 && past_[1].time_ns <= now_ns - kClaim) past_.pop_front();
  }
  ShareSlot& own = board_->own();
  own.virtual_time = std::max(own.virtual_time, past_.front().behind);
}

SharePolicy::Sample SharePolicy::sample(std::int64_t now_ns) const {
  Sample taken{now_ns, board_->own().granted, 0, rivals_.size()};
  for (const ShareSlot& rival : rivals_) {
    if (is_sound(rival)) taken.others += rival.granted;
  }
  return taken;
}

SharePolicy::Rates SharePolicy::rates_since(const Sample& start, std::int64_t now_ns) const {
  const Sample now = sample(now_ns);
  const auto time = static_cast<double>(std::max<std::int64_t>(now.time_ns - start.time_ns, 1));
  return {static_cast<double>(now.mine - start.mine) / time,
          static_cast<double>(now.others - start.others) / time};
}

void SharePolicy::enter(Phase phase, std::int64_t now_ns) {
  phase_ = phase;
  since_ = sample(now_ns);
}

/// In nanoseconds.
std::int64_t SharePolicy::trial_ns() const {
  const double wanted = kTrialBytes / held_.others;  // infinite when they did nothing
  return static_cast<std::int64_t>(std::clamp<double>(wanted, kTrialLeast, kTrialMost));
}

/// It gave something up, and the others went on as fast without that.
bool SharePolicy::is_of_no_use(const Rates& free) const {
  const double given_up = free.mine - held_.mine;
  const double reached = held_.others - free.others;
  const double noise = kNoiseBytes / static_cast<double>(trial_ns());
  return given_up > 0.1 * free.mine && reached < 0.05 * held_.others + noise;
}

void SharePolicy::judge(std::int64_t now_ns) {
  if (busy_ == 0 || rivals_.size() != since_.rivals) return enter(Phase::holding, now_ns);
  switch (phase_) {
    case Phase::holding:
      if (now_ns - held_ns_ > kSecond) return enter(Phase::holding, now_ns);
      if (now_ns - since_.time_ns < kHoldAtLeast || now_ns < next_trial_ns_) return;
      held_ = rates_since(since_, now_ns);
      return enter(Phase::settling, now_ns);
    case Phase::settling:
      if (now_ns - since_.time_ns >= kSettling) enter(Phase::trial, now_ns);
      return;
    case Phase::trial:
      if (now_ns - since_.time_ns >= trial_ns()) conclude(rates_since(since_, now_ns), now_ns);
      return;
    case Phase::released:
      if (now_ns >= release_ends_ns_) enter(Phase::holding, now_ns);
      return;
  }
}

void SharePolicy::conclude(const Rates& free, std::int64_t now_ns) {
  of_no_use_ = is_of_no_use(free) ? of_no_use_ + 1 : 0;
  if (of_no_use_ >= kTrialsToRelease) {
    release_ends_ns_ = now_ns + release_ns_;
    release_ns_ = std::min(2 * release_ns_, kReleaseMost);
    return enter(Phase::released, now_ns);
  }
  if (of_no_use_ == 0) {
    release_ns_ = kReleaseFirst;
    next_trial_ns_ = now_ns + kBetweenTrials;
  }
  enter(Phase::holding, now_ns);
}

SharePolicy::Standing SharePolicy::standing() const {
  return {busy_, static_cast<double>(weight_) / static_cast<double>(weight_ + busy_weight_),
          busy_ > 0 && phase_ == Phase::holding && held_ns_ + kSecond > looked_ns_};
}

}  // namespace dunlin::engine
