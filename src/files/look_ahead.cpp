// Looks ahead; see look_ahead.h.
#include "files/look_ahead.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace dunlin::files {
namespace {

/// Entries looked at by one job: at most kSlicesAhead + kDirectoriesAhead slices are in memory,
/// some 300 bytes an entry.
constexpr std::size_t kSliceEntries = 512;
constexpr std::size_t kSlicesAhead = 8;
constexpr std::size_t kDirectoriesAhead = 8;
// A wake-up may be lost (engine/thread_pool.cpp), and a cancel wakes nobody.
constexpr std::chrono::milliseconds kWaitMax{50};

}  // namespace

struct LookAhead::Running {
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t jobs = 0;
  bool stopping = false;
};

/// One directory. Slices are taken from its listing one after the other and looked at side by side.
struct LookAhead::Reading {
  struct Slice {
    std::vector<LookedAt> entries;
    std::optional<Error> error;  ///< of the listing, after these entries
    bool ready = false;
  };
  std::string path;

  std::mutex listing_mutex;  ///< before `mutex`
  SourceTrees::Handle directory;
  std::optional<fs::Listing> listing;

  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Slice> slices;    ///< asked for and not handed out
  std::size_t handed_out = 0;  ///< number of the first of them
  std::size_t listed = 0;      ///< number of the next one that is taken from the listing
  bool ended = false;          ///< the listing, or by an error

  void look(SourceTrees& source, const Unchanged* unchanged);
  std::optional<Error> list(SourceTrees& source, std::vector<LookedAt>& entries, bool& last);
};

/// Up to one slice of names, not looked at yet.
std::optional<Error> LookAhead::Reading::list(SourceTrees& source, std::vector<LookedAt>& entries,
                                              bool& last) {
  last = true;
  if (!directory) {
    auto opened = source.get(path);
    if (!opened.ok()) return opened.error();
    directory = *opened;
    auto begun = fs::Listing::open(*directory);
    if (!begun.ok()) return begun.error();
    listing = std::move(begun).value();
  }
  if (!listing) return std::nullopt;
  while (entries.size() < kSliceEntries) {
    const auto entry = listing->next();
    if (!entry.ok()) return entry.error();
    if (!*entry) {
      listing.reset();
      return std::nullopt;
    }
    entries.push_back({std::string((*entry)->name), (*entry)->type, std::optional<fs::FileInfo>()});
  }
  last = false;
  return std::nullopt;
}

void LookAhead::Reading::look(SourceTrees& source, const Unchanged* unchanged) {
  Slice slice;
  std::size_t number = 0;
  {
    const std::scoped_lock order(listing_mutex);
    bool last = true;
    {
      const std::scoped_lock lock(mutex);
      number = listed++;
      if (ended) slice.ready = true;
    }
    if (!slice.ready) {
      slice.error = list(source, slice.entries, last);
      const std::scoped_lock lock(mutex);
      ended = last;
    }
  }
  for (LookedAt& entry : slice.entries) entry.info = directory->find(entry.name);
  if (unchanged != nullptr && !slice.entries.empty()) unchanged->mark(path, slice.entries);
  slice.ready = true;
  const std::scoped_lock lock(mutex);
  slices[number - handed_out] = std::move(slice);
  ready.notify_all();
}

LookAhead::LookAhead(SourceTrees& source, const Unchanged* unchanged,
                     engine::EnumerateContext& context)
    : source_(source),
      unchanged_(unchanged),
      context_(context),
      // Each holds two descriptors. The cache of directories is cut to what the process may open.
      directories_ahead_(std::min(kDirectoriesAhead, fs::directories_to_hold() / 8)),
      running_(std::make_shared<Running>()) {}

LookAhead::~LookAhead() {
  std::unique_lock lock(running_->mutex);
  running_->stopping = true;
  while (running_->jobs > 0) running_->ended.wait_for(lock, kWaitMax);
}

void LookAhead::ask_for_slice(const std::shared_ptr<Reading>& reading) {
  {
    const std::scoped_lock lock(reading->mutex);
    reading->slices.emplace_back();
  }
  {
    const std::scoped_lock lock(running_->mutex);
    ++running_->jobs;
  }
  context_.run_aside([reading, running = running_, &source = source_, unchanged = unchanged_] {
    bool wanted = true;
    {
      const std::scoped_lock lock(running->mutex);
      wanted = !running->stopping;
    }
    if (wanted) reading->look(source, unchanged);
    const std::scoped_lock lock(running->mutex);
    --running->jobs;
    running->ended.notify_all();
  });
}

std::shared_ptr<LookAhead::Reading> LookAhead::start(const std::string& path) {
  auto reading = std::make_shared<Reading>();
  reading->path = path;
  ask_for_slice(reading);
  return reading;
}

void LookAhead::announce(const std::deque<store::DirectoryRow>& next) {
  const std::size_t count = std::min(next.size(), directories_ahead_);
  for (std::size_t n = 0; n < count && ahead_.size() < directories_ahead_; ++n) {
    const std::string& path = next[n].path;
    if (source_.is_virtual(path) || ahead_.contains(path)) continue;
    ahead_.emplace(path, start(path));
  }
}

void LookAhead::begin(const std::string& path) {
  entries_.clear();
  position_ = 0;
  error_.reset();
  const auto found = ahead_.find(path);
  if (found == ahead_.end()) {
    current_ = start(path);
  } else {
    current_ = std::move(found->second);
    ahead_.erase(found);
  }
}

const fs::Directory& LookAhead::directory() const {
  return *current_->directory;
}

Result<std::optional<LookedAt>> LookAhead::next() {
  while (position_ == entries_.size()) {
    if (error_) return *std::exchange(error_, std::nullopt);
    Reading::Slice slice;
    std::size_t more = 0;
    {
      std::unique_lock lock(current_->mutex);
      if (current_->slices.empty()) return std::optional<LookedAt>();
      while (!current_->slices.front().ready) {
        DUNLIN_TRY(context_.cancel().check());
        current_->ready.wait_for(lock, kWaitMax);
      }
      slice = std::move(current_->slices.front());
      current_->slices.pop_front();
      ++current_->handed_out;
      // A large directory: from the second slice on several are looked at.
      const std::size_t wanted = directories_ahead_ > 0 ? kSlicesAhead : 1;
      if (!current_->ended && current_->slices.size() < wanted)
        more = wanted - current_->slices.size();
    }
    for (std::size_t n = 0; n < more; ++n) ask_for_slice(current_);
    entries_ = std::move(slice.entries);
    position_ = 0;
    error_ = std::move(slice.error);
  }
  return std::optional(std::move(entries_[position_++]));
}

}  // namespace dunlin::files
