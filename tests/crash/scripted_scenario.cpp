// The scripted kind in its three commit scopes: stages, barriers, dependencies, retries and lost
// replies in one small run.
#include <filesystem>
#include <tuple>

#include "base/check.h"
#include "base/file_io.h"
#include "base/json.h"
#include "scenario.h"
#include "support/scripted_kind.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;
using testing::Script;
using testing::ScriptedItem;
using testing::ScriptedStage;

class ScriptedScenario final : public Scenario {
 public:
  explicit ScriptedScenario(std::string scope) : scope_(std::move(scope)) {}
  std::string name() const override { return scope_ == "item" ? "scripted" : "scripted-" + scope_; }
  std::string program() const override { return "scripted_dunlin"; }

  void make_source(const std::string& folder) override {
    plan_ = folder + "/plan.json";
    destination_ = folder + "/destination";
    Script script = Script::of(19);
    script.scope = scope_ == "item"    ? engine::CommitScope::item
                   : scope_ == "batch" ? engine::CommitScope::batch
                                       : engine::CommitScope::execution;
    script.batch_items = 3;
    script.stages = {ScriptedStage{"first", 7, false, false},
                     ScriptedStage{"second", 6, true, true},
                     ScriptedStage{"third", 6, false, false}};
    script.items[1].failures = 1;
    script.items[8].failures = 2;
    script.items[4].kind = ScriptedItem::Kind::lose_reply;
    DUNLIN_CHECK(script.save(folder + "/script.json").ok(), "the script cannot be saved");
    Json plan = Json::object();
    plan["name"] = "scripted";
    plan["kind"] = "scripted";
    plan["source"] = {{"script", folder + "/script.json"}};
    plan["destination"] = {{"path", destination_}};
    plan["settings"] = {{"parallel_batches", 2},
                        {"retry_policy", {{"initial_delay_ms", 1}, {"max_delay_ms", 5}}}};
    const Status saved = write_file_durably(plan_, dump_json(plan));
    DUNLIN_CHECK(saved.ok(), "the plan cannot be saved");
  }
  void reset_destination() override {
    fsys::remove_all(destination_);
    fsys::create_directory(destination_);
  }
  std::vector<std::string> command() const override { return {"run", plan_}; }
  std::string state() override {
    const auto destination = testing::make_folder_destination(destination_);
    std::string text;
    for (const auto& [item, content] : testing::scripted_contents(*destination)) {
      text += item + ": " + content + "\n";
    }
    return text;
  }
  std::vector<std::string> leftovers() override {
    const auto destination = testing::make_folder_destination(destination_);
    std::vector<std::string> names;
    std::ignore = testing::scripted_contents(*destination, &names);
    return names;
  }
  std::vector<std::string> publishing_points() const override {
    return {"scripted.write.after", "scripted.publish.before", "scripted.publish.after"};
  }

 private:
  const std::string scope_;
  std::string plan_;
  std::string destination_;
};

}  // namespace

std::unique_ptr<Scenario> make_scripted_scenario(const std::string& scope) {
  return std::make_unique<ScriptedScenario>(scope);
}

}  // namespace dunlin::crash
