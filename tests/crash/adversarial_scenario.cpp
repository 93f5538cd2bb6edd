// The tree with everything in it that a copy can lose (support/adversarial_tree.h), judged against
// its source by a comparer that shares no code with dunlin. As root it has owners, devices, flags.
#include <unistd.h>

#include <filesystem>

#include "scenario.h"
#include "support/adversarial_tree.h"
#include "support/tree_compare.h"

namespace dunlin::crash {
namespace {

class AdversarialScenario final : public Scenario {
 public:
  ~AdversarialScenario() override {
    if (source_.empty()) return;
    testing::remove_tree(source_);
    testing::remove_tree(destination_);
  }

  std::string name() const override { return "files-adversarial"; }

  void make_source(const std::string& folder) override {
    source_ = folder + "/source";
    destination_ = folder + "/destination";
    std::filesystem::create_directory(source_);
    testing::AdversarialOptions options;
    options.as_root = ::geteuid() == 0;
    testing::make_adversarial_tree(source_, options);
  }
  void reset_destination() override { testing::remove_tree(destination_); }
  std::vector<std::string> command() const override {
    return {"copy", source_ + "/", destination_, "--batch-size", "25", "--concurrency", "4"};
  }
  /// Empty when the copy is the source; temporaries would be differences, too.
  std::string state() override {
    std::string text;
    for (const std::string& difference : testing::tree_differences(source_, destination_))
      text += difference + "\n";
    return text;
  }
  std::vector<std::string> leftovers() override { return {}; }
  std::vector<std::string> publishing_points() const override { return {"files.publish.before"}; }

 private:
  std::string source_;
  std::string destination_;
};

}  // namespace

std::unique_ptr<Scenario> make_adversarial_scenario() {
  return std::make_unique<AdversarialScenario>();
}

}  // namespace dunlin::crash
