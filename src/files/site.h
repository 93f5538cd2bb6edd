// Site: the roots of one execution, opened when first needed, and the looks at them that come
// before the work (identity, problems). Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"
#include "files/decide.h"
#include "files/layout.h"
#include "files/names.h"
#include "files/plan.h"
#include "files/rehearsal.h"
#include "files/reopened.h"
#include "files/scratch_place.h"
#include "files/source_trees.h"
#include "fs/block_pipeline.h"
#include "fs/clone.h"
#include "fs/directory.h"
#include "fs/file_system.h"
#include "sandbox/content_parsers.h"
#include "sandbox/parser_process.h"

namespace dunlin::files {

/// The deepest directory of a path that exists, and the names that would have to be made below it.
struct Nearest {
  fs::Directory directory;
  std::vector<std::string> missing;
};

/// When a file system gives another time than this machine's clock, by more than any rounding: the
/// clock of a server. `given` is what a file written just now has got.
[[nodiscard]] std::optional<Error> clock_skew(const fs::Time& given, std::int64_t wall_ms,
                                              std::string_view shown);

class Site {
 public:
  Site(FilesPlan decoded, fs::Features features, sandbox::ParserCommand parser)
      : plan(std::move(decoded)), features_(features), parser_(std::move(parser)) {}

  /// What identity() said when the execution began. Before anything else; else it begins now.
  void started_with(std::string identity) {
    began_ = std::move(identity);
    rehearsal.whole = false;
  }
  /// Mode `test`: the destination is a scratch place, and a sample is taken. Before anything else
  /// but started_with().
  void begin_test(ExecutionId execution, std::int64_t items) {
    tested_ = std::move(execution);
    test_items_ = items;
  }
  /// Mode `incremental`. Before anything else but started_with().
  void build_on(const store::Baseline& baseline) { baseline_ = baseline; }
  /// Of mode `incremental`, null else, or where it builds on none. root_changed where the roots are
  /// not those of the execution that it builds on.
  [[nodiscard]] Result<std::shared_ptr<const ChangedSince>> changed_since();
  /// Are both sides the roots of that identity?
  [[nodiscard]] Result<bool> has_roots_of(const std::string& identity);
  /// The largest sample; 0: this is no test.
  [[nodiscard]] std::int64_t test_items() const { return test_items_; }
  /// Removes what the test has at the destination; repeatable.
  [[nodiscard]] Status remove_scratch(engine::RunContext& context);

  /// Stays where it is.
  [[nodiscard]] Result<const Layout*> layout();
  [[nodiscard]] Result<SourceTrees*> source();
  /// The root has to exist: create_directory makes it.
  [[nodiscard]] Result<fs::DirectoryCache*> destination();
  /// The root as it was just made or found: it is not opened by its path again.
  void keep_destination(fs::Directory root);
  /// Of the destination root's file system.
  [[nodiscard]] Result<fs::FileSystemTraits> destination_traits();
  /// The coarsest of all roots: what finer times say more is lost on the way.
  [[nodiscard]] Result<std::int64_t> time_granularity_ns();
  [[nodiscard]] Result<Nearest> nearest_destination();
  /// The destination's name of an item: its own, but for a single file copied under another.
  [[nodiscard]] Result<std::string> target_name(const std::string& name);

  /// Why a directory of the source may not be entered from `parent` (a path below the root): one
  /// that holds it, reached by a followed symlink, or the destination itself. Nothing while no
  /// symlinks are followed: then both roots' paths have told before the start.
  [[nodiscard]] Result<std::optional<Error>> refuse_to_enter(const std::string& parent,
                                                             std::string_view name,
                                                             const fs::FileInfo& directory);

  /// The name under which a completed item stands: that, or the numbered one that it has got.
  [[nodiscard]] Result<std::string> placed_name(const engine::ItemRow& row);

  /// What bears the roots: engine::Run::devices().
  [[nodiscard]] std::vector<std::string> devices();
  /// JSON that stays the same while all roots are on the file systems that the execution started
  /// with, and each source root is the same directory. It also keeps what each source was.
  [[nodiscard]] Result<std::string> identity();
  /// The path of the first of several sources in which two identities differ.
  [[nodiscard]] static std::optional<std::string> changed_source(const std::string& before,
                                                                 const std::string& now);
  /// Of an identity as above; the source may be gone.
  [[nodiscard]] Result<bool> same_destination(const std::string& identity);
  /// Are those sources that are still there the ones of that identity? Of a move, whose rollback
  /// brings them back what it can.
  [[nodiscard]] Result<bool> same_sources_left(const std::string& identity);
  /// Before each batch: do both paths still lead to the roots that this process holds, and is the
  /// destination's the one that the execution has made or found (kRootItem)? If not, root_changed:
  /// a disk was taken away, or another one put over it.
  [[nodiscard]] Status check_roots(engine::BatchContext& context);
  /// Its half of that.
  [[nodiscard]] Status check_sources();
  /// The destination alone, for verification and undo. `may_be_gone`: an undo removes it.
  [[nodiscard]] Status check_destination(engine::BatchContext& context, bool may_be_gone = false);
  [[nodiscard]] Result<std::vector<engine::Problem>> problems(engine::RunContext& context);

  /// The type of an open file by what it holds ("image/jpeg"), from a confined process. For the
  /// enumeration's thread alone.
  [[nodiscard]] Result<sandbox::Answer> type_by_content(int fd, const CancelToken& cancel) {
    return parser_.ask(sandbox::kMimeType, fd, cancel);
  }

  const FilesPlan plan;
  ReopenedDirectories reopened;
  /// Batches make, fill and remove the folder of half copied files in turn.
  std::mutex part_folder_mutex;
  /// Held while a further name of a source is taken back: two that look at once would each take the
  /// other for the one that is left.
  std::mutex last_name_mutex;
  Names names;  ///< of the destination
  fs::CloneRefusals clones;
  Rehearsal rehearsal;  ///< of a dry run
  /// Items from this one on were listed by this process; set before their batches may start.
  std::atomic<std::int64_t> first_listed{std::numeric_limits<std::int64_t>::max()};

 private:
  [[nodiscard]] Result<const Layout*> layout_locked();
  [[nodiscard]] Result<Json> destination_identity();
  [[nodiscard]] Result<fs::Directory> open_destination_root(const Layout& where) const;
  [[nodiscard]] Status look_at_sources(engine::RunContext& context, const Nearest* to,
                                       std::vector<engine::Problem>& found);
  [[nodiscard]] Status look_for_state(const std::string& state_path, const Nearest* to,
                                      std::vector<engine::Problem>& found);
  [[nodiscard]] Status look_at_tree(const SourceTrees::Root& root, const fs::Directory& near,
                                    bool exists, std::vector<engine::Problem>& found);
  [[nodiscard]] Result<std::optional<std::uint64_t>> recorded_root(engine::BatchContext& context);
  fs::Features features_;
  sandbox::ParserProcess parser_;
  std::string began_;
  ExecutionId tested_;
  std::int64_t test_items_ = 0;
  std::optional<store::Baseline> baseline_;
  std::shared_ptr<const ChangedSince> changed_since_;  ///< once it has been asked for
  std::optional<ScratchHolder> scratch_;               ///< of a test, with its layout
  std::mutex mutex_;
  std::optional<Layout> layout_;
  std::optional<std::int64_t> probed_clock_ns_;
  std::unique_ptr<SourceTrees> source_;
  std::unique_ptr<fs::DirectoryCache> destination_;
  std::optional<std::uint64_t> recorded_root_;  ///< inode, once the ledger has it
};

}  // namespace dunlin::files
