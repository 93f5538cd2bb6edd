// Site; see site.h.
#include "files/site.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "base/text.h"
#include "files/records.h"
#include "files/root_directories.h"
#include "fs/disks.h"

namespace dunlin::files {
namespace {

/// Times of a local file system are those of this machine's clock at its last tick; old ext
/// file systems keep whole seconds, and do not tell.
constexpr std::int64_t kTickMs = 1100;
/// Of a server's clock nothing is known but that a good one is not so much behind.
constexpr std::int64_t kServerClockMs = 600'000;

bool is_no_directory(const Error& error) {
  return is_absent(error) || error.native.code == "ENOTDIR" ||
         error.type == ErrorType::destination_exists;
}

Error gone(const Error& why) {
  Error error(ErrorType::root_changed, why.message + ": it was there when this execution started");
  error.native = why.native;
  return error;
}

Error another(std::string_view side, const fs::Directory& there) {
  return Error(
      ErrorType::root_changed,
      there.shown("") + " is not the " + std::string(side) +
          " directory that this execution has worked with: another one stands in its place");
}

Result<Json> identity_of(SourceTrees& trees, const SourceTrees::Root& root) {
  DUNLIN_ASSIGN(const SourceTrees::Handle directory, trees.open_root(root));
  DUNLIN_ASSIGN(const std::string file_system, fs::file_system_id(*directory));
  Json json = {{"file_system", file_system}, {"inode", root.inode}};
  put_path(json, "path", root.path);
  return json;
}

}  // namespace

Result<const Layout*> Site::layout_locked() {
  if (layout_) return &*layout_;
  Layout made;
  if (began_.empty()) {
    DUNLIN_ASSIGN(made, layout_now(plan));
    if (test_items_ > 0) {
      DUNLIN_ASSIGN(scratch_, ScratchHolder::look(made));
    }
  } else {
    DUNLIN_ASSIGN(const Json began, parse_json(began_, "identity of the roots"));
    DUNLIN_ASSIGN(Found found, Found::get(began, plan));
    made = layout_of(plan, std::move(found));
    if (test_items_ > 0) {
      DUNLIN_ASSIGN(scratch_, ScratchHolder::get(began));
    }
  }
  // Before anybody sees it: a test that knew the real destination might write there.
  if (scratch_) put_into_scratch(made, *scratch_, tested_);
  layout_ = std::move(made);
  return &*layout_;
}

Status Site::remove_scratch(engine::RunContext& context) {
  DUNLIN_TRY(layout());
  return files::remove_scratch(*scratch_, context, features_);
}

Result<const Layout*> Site::layout() {
  const std::scoped_lock lock(mutex_);
  return layout_locked();
}

std::vector<std::string> Site::devices() {
  const auto where = layout();
  const auto disks = fs::Disks::read();
  if (!where.ok() || !disks.ok()) return {};
  std::vector<std::string> paths{(*where)->destination_root};
  if (!(*where)->several()) paths.push_back((*where)->source_root);
  for (const Layout::Source& source : (*where)->sources) paths.push_back(source.root);
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    std::string bearer = disks->bearer(path);
    if (bearer.empty() || std::find(found.begin(), found.end(), bearer) != found.end()) continue;
    found.push_back(std::move(bearer));
  }
  return found;
}

Result<fs::Directory> Site::open_destination_root(const Layout& where) const {
  DUNLIN_ASSIGN(fs::Directory base, fs::Directory::open_root(where.destination_base(),
                                                             fs::Side::destination, features_));
  return open_derived(std::move(base), where);
}

Result<SourceTrees*> Site::source() {
  const std::scoped_lock lock(mutex_);
  if (!source_) {
    DUNLIN_ASSIGN(const Layout* const where, layout_locked());
    DUNLIN_ASSIGN(source_, SourceTrees::open(plan, *where, features_));
  }
  return source_.get();
}

Result<fs::DirectoryCache*> Site::destination() {
  const std::scoped_lock lock(mutex_);
  if (!destination_) {
    DUNLIN_ASSIGN(const Layout* const where, layout_locked());
    DUNLIN_ASSIGN(fs::Directory root, open_destination_root(*where));
    destination_ = std::make_unique<fs::DirectoryCache>(
        std::make_shared<const fs::Directory>(std::move(root)));
  }
  return destination_.get();
}

void Site::keep_destination(fs::Directory root) {
  const std::scoped_lock lock(mutex_);
  if (destination_) return;
  destination_ =
      std::make_unique<fs::DirectoryCache>(std::make_shared<const fs::Directory>(std::move(root)));
}

Result<fs::FileSystemTraits> Site::destination_traits() {
  DUNLIN_ASSIGN(fs::DirectoryCache* const cache, destination());
  return fs::traits_of(cache->root());
}

Result<std::int64_t> Site::time_granularity_ns() {
  DUNLIN_ASSIGN(fs::FileSystemTraits to, destination_traits());
  if (!to.clock_known) {
    DUNLIN_ASSIGN(fs::DirectoryCache* const to_root, destination());
    const std::scoped_lock lock(mutex_);
    if (!probed_clock_ns_) {
      DUNLIN_ASSIGN(probed_clock_ns_, fs::probe_clock(to_root->root()));
    }
    to.time_granularity_ns = std::max(to.time_granularity_ns, *probed_clock_ns_);
  }
  std::int64_t coarsest = to.time_granularity_ns;
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    if (root.missing) continue;
    DUNLIN_ASSIGN(const SourceTrees::Handle directory, trees->open_root(root));
    DUNLIN_ASSIGN(const fs::FileSystemTraits from, fs::traits_of(*directory));
    coarsest = std::max(coarsest, from.time_granularity_ns);
  }
  return coarsest;
}

Result<std::string> Site::target_name(const std::string& name) {
  DUNLIN_ASSIGN(const Layout* const where, layout());
  return where->whole_tree() || name.empty() ? name : where->single_target;
}

Result<std::optional<Error>> Site::refuse_to_enter(const std::string& parent, std::string_view name,
                                                   const fs::FileInfo& directory) {
  if (plan.follows(fs::Follow::never)) return std::optional<Error>();
  const auto is = [&](const fs::Directory& other) {
    return directory.device == other.device() && directory.inode == other.inode();
  };
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  if (trees->is_virtual(parent)) return std::optional<Error>();  // named, and looked at before
  DUNLIN_ASSIGN(const SourceTrees::Handle held, trees->open_root(trees->root_of(parent)));
  const fs::Directory& root = *held;
  const std::string below(trees->below_root(parent));
  bool inside_itself = is(root);
  for (std::size_t slash = parent.size() - below.size(); !inside_itself && slash < parent.size();) {
    slash = std::min(parent.find('/', slash + 1), parent.size());
    const auto above = trees->get(parent.substr(0, slash));
    if (!above.ok()) return std::optional<Error>();  // as below
    inside_itself = is(**above);
  }
  const std::string shown =
      root.shown(below.empty() ? std::string(name) : below + "/" + std::string(name));
  Error error(ErrorType::unsupported_item, shown);
  error.remediation =
      "leave it out with --exclude, or copy links as links: --follow-symlinks never";
  if (inside_itself) {
    error.message += " leads back to a directory that it lies in: followed, it would have no end";
    return std::optional(std::move(error));
  }
  if (!plan.follows(fs::Follow::always)) return std::optional<Error>();
  const auto to = nearest_destination();
  if (!to.ok() || !to->missing.empty()) return std::optional<Error>();
  const auto opened =
      trees->get(parent.empty() ? std::string(name) : parent + "/" + std::string(name));
  if (!opened.ok()) return std::optional<Error>();  // its listing will fail with the reason
  const auto inside_destination = lies_in(**opened, to->directory);
  if (!inside_destination.ok() || !*inside_destination) return std::optional<Error>();
  error.message += " leads into the destination, which would be copied into itself";
  return std::optional(std::move(error));
}

Result<std::string> Site::placed_name(const engine::ItemRow& row) {
  if (row.status == engine::ItemStatus::completed && !row.undo.empty()) {
    DUNLIN_ASSIGN(Witness witness, decode_witness(row.undo, row.detail));
    if (!witness.name.empty()) return std::move(witness.name);
  }
  return target_name(row.name);
}

Result<Nearest> Site::nearest_destination() {
  DUNLIN_ASSIGN(const Layout* const where, layout());
  std::string path = where->destination_base();
  std::vector<std::string> missing;
  if (!where->destination_name.empty()) missing.push_back(where->destination_name);
  while (true) {
    auto opened = fs::Directory::open_root(path, fs::Side::destination, features_);
    if (opened.ok() && missing.size() == 1 && !where->destination_name.empty()) {
      DUNLIN_ASSIGN(const auto there, opened->find(where->destination_name));
      if (there) {
        DUNLIN_ASSIGN(fs::Directory root, open_derived(std::move(opened).value(), *where));
        return Nearest{std::move(root), {}};
      }
    }
    if (opened.ok()) {
      std::reverse(missing.begin(), missing.end());
      return Nearest{std::move(opened).value(), std::move(missing)};
    }
    if (!is_absent(opened.error()) || path == "/") return std::move(opened).error();
    const std::size_t slash = path.rfind('/');
    missing.push_back(path.substr(slash + 1));
    path = slash == 0 ? "/" : path.substr(0, slash);
  }
}

Result<std::string> Site::identity() {
  auto held = source();
  if (!held.ok()) return is_no_directory(held.error()) ? gone(held.error()) : held.error();
  Json sources = Json::array();
  for (const SourceTrees::Root& root : (*held)->roots()) {
    if (root.missing) return is_no_directory(*root.missing) ? gone(*root.missing) : *root.missing;
    DUNLIN_ASSIGN(Json one, identity_of(**held, root));
    sources.push_back(std::move(one));
  }
  Json json = Json::object();
  if (plan.several()) {
    json["sources"] = std::move(sources);
  } else {
    json["source"] = std::move(sources.front());
  }
  DUNLIN_ASSIGN(json["destination"], destination_identity());
  DUNLIN_ASSIGN(const Layout* const where, layout());
  where->found.put(json);
  if (scratch_) scratch_->put(json);
  return dump_json(json);
}

std::optional<std::string> Site::changed_source(const std::string& before, const std::string& now) {
  const auto old_json = parse_json(before, "identity of the roots");
  const auto new_json = parse_json(now, "identity of the roots");
  if (!old_json.ok() || !new_json.ok()) return std::nullopt;
  const Json* one = find_member(*old_json, "sources");
  const Json* other = find_member(*new_json, "sources");
  if (one == nullptr || other == nullptr || !one->is_array() || one->size() != other->size())
    return std::nullopt;
  for (std::size_t n = 0; n < one->size(); ++n) {
    const auto path = get_path((*one)[n], "path");
    if ((*one)[n] != (*other)[n] && path.ok()) return *path;
  }
  return std::nullopt;
}

/// Not the inode of the root, which comes into being during the execution: check_roots() compares
/// it. A disk that is not mounted any more shows in the file system.
Result<Json> Site::destination_identity() {
  auto nearest = nearest_destination();
  if (!nearest.ok())
    return is_no_directory(nearest.error()) ? gone(nearest.error()) : nearest.error();
  const Nearest& to = *nearest;
  DUNLIN_ASSIGN(const std::string file_system, fs::file_system_id(to.directory));
  DUNLIN_ASSIGN(const Layout* const where, layout());
  Json json = {{"file_system", file_system}};
  put_path(json, "path", where->destination_root);
  return json;
}

Result<bool> Site::same_destination(const std::string& identity) {
  DUNLIN_ASSIGN(const Json before, parse_json(identity, "identity of the roots"));
  DUNLIN_ASSIGN(const Json now, destination_identity());
  const Json* destination = find_member(before, "destination");
  return destination != nullptr && *destination == now;
}

Result<bool> Site::same_sources_left(const std::string& identity) {
  DUNLIN_ASSIGN(const Json before, parse_json(identity, "identity of the roots"));
  const Json* const sources = find_member(before, plan.several() ? "sources" : "source");
  const auto held = source();
  if (!held.ok() || sources == nullptr) return sources != nullptr;
  const std::vector<Json> known =
      plan.several() ? sources->get<std::vector<Json>>() : std::vector<Json>{*sources};
  for (const SourceTrees::Root& root : (*held)->roots()) {
    if (root.missing) continue;
    DUNLIN_ASSIGN(const Json now, identity_of(**held, root));
    if (std::find(known.begin(), known.end(), now) == known.end()) return false;
  }
  return true;
}

Result<bool> Site::has_roots_of(const std::string& identity) {
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots())
    if (root.missing) return *root.missing;
  DUNLIN_ASSIGN(const bool sources, same_sources_left(identity));
  if (!sources) return false;
  return same_destination(identity);
}

Result<std::shared_ptr<const ChangedSince>> Site::changed_since() {
  using Made = std::shared_ptr<const ChangedSince>;
  if (!baseline_) return Made();
  {
    const std::scoped_lock lock(mutex_);
    if (changed_since_) return changed_since_;
  }
  DUNLIN_ASSIGN(const bool same, has_roots_of(baseline_->roots));
  if (!same) {
    Error error(ErrorType::root_changed, "source or destination is not the one that execution " +
                                             std::to_string(baseline_->number) +
                                             ", which this one builds on, worked with");
    error.remediation = "bring back the disks that were there, or cancel it and begin anew";
    return error;
  }
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  const auto before_start = [&](std::int64_t margin_ms) {
    const std::int64_t ms = baseline_->since_ms - margin_ms;
    return fs::Time{ms / 1000, static_cast<std::uint32_t>(ms % 1000 * 1'000'000)};
  };
  auto made = std::make_shared<ChangedSince>();
  std::int64_t margin_ms = kTickMs;
  for (const SourceTrees::Root& root : trees->roots()) {
    DUNLIN_ASSIGN(const SourceTrees::Handle held, trees->open_root(root));
    DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(*held));
    const std::int64_t coarse_ms = kTickMs + traits.time_granularity_ns / 1'000'000;
    margin_ms = std::max(margin_ms, traits.clock_known ? coarse_ms : kServerClockMs);
    made->devices.push_back(root.device);
  }
  made->on_roots = before_start(margin_ms);
  made->elsewhere = before_start(kServerClockMs);
  const std::scoped_lock lock(mutex_);
  changed_since_ = std::move(made);
  return changed_since_;
}

Status Site::check_roots(engine::BatchContext& context) {
  DUNLIN_TRY(check_sources());
  return check_destination(context);
}

Status Site::check_sources() {
  DUNLIN_ASSIGN(SourceTrees* const trees, source());
  for (const SourceTrees::Root& root : trees->roots()) {
    if (root.missing) return is_no_directory(*root.missing) ? gone(*root.missing) : *root.missing;
    const auto now = trees->look_again(root);
    if (!now.ok()) return is_no_directory(now.error()) ? gone(now.error()) : now.error();
    if (!root.is(*now)) return another("source", *now);
  }
  return success();
}

Status Site::check_destination(engine::BatchContext& context, bool may_be_gone) {
  DUNLIN_ASSIGN(const Layout* const where, layout());
  DUNLIN_ASSIGN(const auto recorded, recorded_root(context));
  if (!recorded) return success();  // it is made by the batch that is about to run
  const auto now = open_destination_root(*where);
  if (!now.ok()) {
    if (is_absent(now.error()) && may_be_gone) return success();
    return is_no_directory(now.error()) ? gone(now.error()) : now.error();
  }
  DUNLIN_ASSIGN(fs::DirectoryCache* const held, destination());
  if (!same_directory(*now, held->root())) return another("destination", *now);
  DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(*now));
  if (traits.lasting_inodes && now->inode() != *recorded) return another("destination", *now);
  return success();
}

/// The first item of every execution is the root: see enumerate.cpp.
Result<std::optional<std::uint64_t>> Site::recorded_root(engine::BatchContext& context) {
  {
    const std::scoped_lock lock(mutex_);
    if (recorded_root_) return recorded_root_;
  }
  DUNLIN_ASSIGN(const engine::ItemRow root, context.item(kRootItem));
  if (root.status != engine::ItemStatus::completed || root.undo.empty())
    return std::optional<std::uint64_t>();
  DUNLIN_ASSIGN(const Witness witness, decode_witness(root.undo, root.detail));
  const std::scoped_lock lock(mutex_);
  recorded_root_ = witness.placed->inode;
  return recorded_root_;
}

}  // namespace dunlin::files
