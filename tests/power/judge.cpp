// See judge.h.
#include "judge.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include "support/tree_compare.h"
#include "trees.h"

namespace dunlin::power {
namespace {

namespace fsys = std::filesystem;
using testing::escaped;

constexpr std::string_view kMissing = "missing on the second side";
constexpr std::string_view kExtra = "only on the second side";

/// The lines of tree_compare by their path. No name of our trees contains ": ".
using Lines = std::map<std::string, std::vector<std::string>>;

Lines by_path(const std::vector<std::string>& all) {
  Lines lines;
  for (const std::string& line : all) {
    const std::size_t colon = line.find(": ");
    lines[line.substr(0, colon)].push_back(line.substr(colon + 2));
  }
  return lines;
}

std::string shown(const std::string& path) {
  return path.empty() ? "." : escaped(path);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_undo_folder(const std::string& name) {
  return name.starts_with(".dunlin-undo-") &&
         name.size() == std::string(".dunlin-undo-").size() + 8;
}

struct Temporary {
  std::int64_t epoch;
  std::int64_t item;
};

/// `.dunlin-<execution>-<epoch>-<item>`
std::optional<Temporary> temporary_of(const std::string& name) {
  constexpr std::size_t kNumbersAt = std::string_view(".dunlin-01234567-").size();
  if (!name.starts_with(".dunlin-") || name.size() <= kNumbersAt) return std::nullopt;
  Temporary found{};
  const char* const end = name.data() + name.size();
  const auto epoch = std::from_chars(name.data() + kNumbersAt, end, found.epoch);
  if (epoch.ec != std::errc() || epoch.ptr == end || *epoch.ptr != '-') return std::nullopt;
  const auto item = std::from_chars(epoch.ptr + 1, end, found.item);
  if (item.ec != std::errc() || item.ptr != end) return std::nullopt;
  return found;
}

bool about_links(const std::string& line) {
  return line.starts_with("one file on the first side") ||
         line.starts_with("two files on the first side");
}

/// What is set once the file has its name: until it is called done, it may be missing.
bool set_after_the_name(const std::string& line) {
  return line.starts_with("flags: ");
}

/// As root, XFS shows an ACL a second time, as it stores it.
std::vector<std::string> differences(const std::string& one, const std::string& other,
                                     const testing::CompareOptions& options = {}) {
  std::vector<std::string> all = testing::tree_differences(one, other, options);
  std::erase_if(all, [](const std::string& line) {
    return line.find(": xattr trusted.SGI_ACL_") != std::string::npos;
  });
  return all;
}

class Judge {
 public:
  Judge(const Trees& trees, const std::string& destination, const LedgerView& ledger)
      : trees_(trees),
        ledger_(ledger),
        new_(by_path(differences(trees.source, destination, {.holes = trees.exact}))),
        old_(by_path(differences(trees.old, destination))) {}

  Judgement judge() {
    if (!ledger_.damage.empty()) fail(".", "the ledger is damaged: " + ledger_.damage);
    for (const auto& [path, item] : ledger_.items) {
      if (item.completed) check_completed(path, item);
    }
    for (const auto& [path, lines] : new_) {
      if (lines.front() == kExtra) check_extra(path);
    }
    for (const auto& entry : fsys::recursive_directory_iterator(trees_.source)) {
      if (!entry.is_symlink() && entry.is_directory()) continue;
      check_entry(entry.path().string().substr(trees_.source.size() + 1));
    }
    set_phase();
    return std::move(judgement_);
  }

 private:
  void fail(const std::string& path, const std::string& what) {
    judgement_.failures.push_back(path + ": " + what);
  }

  [[nodiscard]] const std::vector<std::string>* lines_of(const Lines& all,
                                                         const std::string& path) const {
    const auto found = all.find(path);
    return found == all.end() ? nullptr : &found->second;
  }

  /// The path, or a directory above it, is missing or of another type.
  [[nodiscard]] static bool absent(const Lines& all, std::string path) {
    for (;;) {
      const auto found = all.find(path);
      if (found != all.end() &&
          (found->second.front() == kMissing || found->second.front().starts_with("type: ") ||
           found->second.front().starts_with("cannot be ")))
        return true;
      const std::size_t slash = path.rfind('/');
      if (path == ".") return false;
      path = slash == std::string::npos ? "." : path.substr(0, slash);
    }
  }

  void check_completed(const std::string& bytes, const LedgerItem& item) {
    const std::string path = shown(bytes);
    ++judgement_.completed;
    if (absent(new_, path))
      return fail(path, "called done (" + item.task + "), and it is not there");
    if (item.task == "create_directory") return;  // the rest of it comes last
    const auto* const lines = lines_of(new_, path);
    if (lines == nullptr) return;
    for (const std::string& line : *lines) {
      if (about_links(line)) {
        const std::string with = line.substr(line.find(", with ") + 7);
        if (!is_completed(with)) continue;
      }
      if (line != kExtra) fail(path, "called done (" + item.task + "), and differs: " + line);
    }
  }

  [[nodiscard]] bool is_completed(const std::string& path) {
    if (completed_.empty()) {
      for (const auto& [bytes, item] : ledger_.items) {
        if (item.completed && item.task != "create_directory") completed_.insert(shown(bytes));
      }
      completed_.insert("");
    }
    return completed_.contains(path);
  }

  /// What the source has not: a temporary, kept versions, what somebody else had there.
  void check_extra(const std::string& path) {
    const std::string name = name_of(path);
    if (is_undo_folder(name) || is_theirs(name)) return;
    const auto temporary = temporary_of(name);
    if (!temporary) return fail(path, "nobody knows it");
    ++judgement_.temporaries;
    if (!ledger_.there) return fail(path, "a temporary of an execution that is not recorded");
    if (temporary->epoch < ledger_.epoch) return;  // what a take-over has still to remove
    const LedgerItem* const item = ledger_.item(temporary->item);
    if (item == nullptr || !item->batch_executing)
      fail(path, "a temporary, and the ledger does not hold its batch as executing");
  }

  /// A file, symlink, FIFO, ... that the copy makes or overwrites.
  void check_entry(const std::string& bytes) {
    const std::string path = shown(bytes);
    const bool had_old =
        std::filesystem::exists(std::filesystem::symlink_status(trees_.old + "/" + bytes));
    if (absent(new_, path)) {
      if (had_old) fail(path, "its old version is gone");
      return;
    }
    std::string differs;
    if (const auto* const lines = lines_of(new_, path)) {
      for (const std::string& line : *lines) {
        if (!about_links(line) && !set_after_the_name(line)) differs = line;
      }
    }
    if (differs.empty()) return check_announced(path, bytes);
    if (!had_old) return fail(path, "half made under its name: " + differs);
    ++judgement_.old_ones;
    const auto* const lines = lines_of(old_, path);
    if (lines == nullptr) return;
    for (const std::string& line : *lines) {
      if (!about_links(line)) fail(path, "neither old (" + line + ") nor new (" + differs + ")");
    }
  }

  /// Equal to the source: called done, or at least announced.
  void check_announced(const std::string& path, const std::string& bytes) {
    const auto found = ledger_.items.find(bytes);
    if (!ledger_.there || found == ledger_.items.end())
      return fail(path, "is there, and the ledger does not know it");
    const LedgerItem& item = found->second;
    if (item.completed) return;
    ++judgement_.names_ahead;
    if (!item.batch_executing || !item.intents)
      fail(path, "has its name, and the ledger holds no intent of it");
  }

  void set_phase() {
    judgement_.phase = Phase::not_recorded;
    if (!ledger_.there) return;
    judgement_.phase = ledger_.status == "completed" ? Phase::ended
                       : judgement_.names_ahead > 0  ? Phase::names_ahead
                       : judgement_.temporaries > 0  ? Phase::temporaries
                                                     : Phase::recorded;
  }

  const Trees& trees_;
  const LedgerView& ledger_;
  const Lines new_;
  const Lines old_;
  std::set<std::string> completed_;
  Judgement judgement_;
};

}  // namespace

const char* to_string(Phase phase) {
  switch (phase) {
    case Phase::not_recorded:
      return "not recorded";
    case Phase::recorded:
      return "recorded";
    case Phase::temporaries:
      return "temporaries";
    case Phase::names_ahead:
      return "names ahead";
    case Phase::ended:
      return "ended";
  }
  return "";
}

const std::vector<Phase>& phases() {
  static const std::vector<Phase> every = {Phase::not_recorded, Phase::recorded, Phase::temporaries,
                                           Phase::names_ahead, Phase::ended};
  return every;
}

Judgement judge_cut(const Trees& trees, const std::string& destination, const LedgerView& ledger) {
  return Judge(trees, destination, ledger).judge();
}

std::vector<std::string> copy_differences(const Trees& trees, const std::string& destination) {
  std::vector<std::string> all = differences(trees.source, destination, {.holes = trees.exact});
  std::erase_if(all, [](const std::string& line) {
    const std::string name = name_of(line.substr(0, line.find(": ")));
    return line.ends_with(kExtra) && (is_undo_folder(name) || is_theirs(name));
  });
  return all;
}

std::vector<std::string> left_at_source(const std::string& source) {
  std::vector<std::string> left;
  for (const auto& entry : fsys::recursive_directory_iterator(source)) {
    if (entry.is_symlink() || !entry.is_directory())
      left.push_back(escaped(entry.path().string().substr(source.size() + 1)));
  }
  return left;
}

std::vector<std::string> source_differences(const Trees& trees, const std::string& source) {
  return differences(trees.source, source, {.holes = trees.exact});
}

std::vector<std::string> rollback_differences(const Trees& trees, const std::string& destination) {
  return differences(trees.old, destination, {.directory_times = false});
}

}  // namespace dunlin::power
