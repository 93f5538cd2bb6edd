// The scripted kind keeps the promises of a workload: what is shown with it holds for real ones.
#include <algorithm>
#include <tuple>

#include "support/scratch.h"
#include "support/scripted_kind.h"
#include "support/workload_conformance.h"

namespace dunlin::testing {

namespace {

template <engine::CommitScope kScope, bool kFolder>
class ScriptedSubject final : public WorkloadSubject {
 public:
  void make_source(std::int64_t items) override { make(Script::of(items)); }
  void make_hostile_source() override {
    Script script;
    for (const std::string& name :
         {std::string("new\nline"), std::string("\xff\xfe no UTF-8"), std::string("../../escape"),
          std::string("/"), std::string(1, '\0'), std::string(4096, 'n'), std::string("-rf"),
          std::string(".dunlin-12345678-1-1"), std::string("\xe2\x80\xae turned"),
          std::string(" ")}) {
      ScriptedItem item;
      item.name = name;
      item.content = "of " + name;
      script.items.push_back(std::move(item));
    }
    make(std::move(script));
  }
  std::unique_ptr<engine::Run> open() override {
    engine::Plan plan;
    plan.kind = "scripted";
    plan.document = {{"kind", "scripted"}, {"source", {{"script", path_}}}};
    if (kFolder) plan.document["destination"] = {{"path", scratch_.file("destination")}};
    auto run = make_scripted_kind(destination_)->open(plan);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return run.ok() ? std::move(run).value() : nullptr;
  }
  Contents source() override {
    Contents all;
    for (const auto& item : script_.items) all[item.name] = item.content;
    return all;
  }
  Contents destination() override { return scripted_contents(*destination_); }
  Contents expected() override {
    Contents all = theirs_;
    for (const auto& item : script_.items) all.insert_or_assign(item.name, item.content);
    return all;
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    std::ignore = scripted_contents(*destination_, &names);
    return names;
  }
  std::optional<bool> holds(const engine::ItemRow& item) override {
    if (kScope == engine::CommitScope::execution) return std::nullopt;
    const Contents now = destination();
    const auto found = now.find(item.name);
    const auto wanted = source();
    return found != now.end() && found->second == wanted.at(item.name);
  }
  /// The first byte of some blob's content becomes another one.
  void damage() override {
    auto names = destination_->names();
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (name.starts_with(".dunlin-") || name == "theirs") continue;
      std::string bytes = **destination_->read(name);
      bytes.back() = static_cast<char>(bytes.back() ^ 1);
      ASSERT_TRUE(destination_->write(name, bytes).ok());
      return;
    }
  }

 private:
  void make(Script script) {
    script.scope = kScope;
    script.batch_items = 4;
    script.batches_per_chunk = 1;
    script_ = std::move(script);
    path_ = scratch_.file("script.json");
    ASSERT_TRUE(script_.save(path_).ok());
    if (kFolder) {
      std::filesystem::create_directory(scratch_.file("destination"));
      destination_ = make_folder_destination(scratch_.file("destination"));
    } else {
      destination_ = make_memory_destination();
    }
    put_something_there();
  }
  /// Another execution's work, where this one's is to go (scope item) and beside it.
  void put_something_there() {
    Script older;
    older.scope = kScope;
    ScriptedItem item;
    item.name = kScope == engine::CommitScope::item ? script_.items.front().name : "old";
    item.content = "of before";
    older.items.push_back(item);
    const std::string path = scratch_.file("older.json");
    ASSERT_TRUE(older.save(path).ok());
    engine::Plan plan;
    plan.document = {{"source", {{"script", path}}}};
    if (kFolder) plan.document["destination"] = {{"path", scratch_.file("destination")}};
    auto run = make_scripted_kind(destination_)->open(plan);
    ASSERT_TRUE(run.ok());
    LocalExecution::Options options;
    options.execution = ExecutionId("01890000-0000-7000-8000-00000000aaaa");
    LocalExecution local(**run, std::move(options));
    ASSERT_TRUE(local.run_to_end().ok());
    ASSERT_TRUE(local.release().ok());
    // Scopes batch and execution replace whole blobs: the old item is gone when they are through.
    if (kScope == engine::CommitScope::item) theirs_[item.name] = item.content;
  }

  ScratchDirectory scratch_ = ScratchDirectory::in_memory();
  std::string path_;
  Script script_;
  Contents theirs_;
  std::shared_ptr<ScriptedDestination> destination_;
};

using Scopes = ::testing::Types<ScriptedSubject<engine::CommitScope::item, true>,
                                ScriptedSubject<engine::CommitScope::item, false>,
                                ScriptedSubject<engine::CommitScope::batch, true>,
                                ScriptedSubject<engine::CommitScope::execution, true>,
                                ScriptedSubject<engine::CommitScope::execution, false>>;

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Scripted, WorkloadConformance, Scopes);

}  // namespace dunlin::testing
