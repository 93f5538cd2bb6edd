// Lineage: which items of a ledger a path means, at either side.
#include "store/lineage.h"

#include <gtest/gtest.h>

#include "store/ledger_fixture.h"

namespace dunlin::store {
namespace {

using namespace test;

class LineagePaths : public ::testing::Test {
 protected:
  /// "": the root; below it `docs`, and in there `deep`.
  static AppendWork tree() {
    AppendWork work;
    work.tasks = {task(1)};
    const std::vector<std::pair<std::int64_t, std::string>> directories = {
        {0, ""}, {1, "docs"}, {2, "deep"}};
    for (std::size_t i = 0; i < directories.size(); ++i) {
      NewDirectory one;
      one.id = DirectoryId(static_cast<std::int64_t>(i) + 1);
      one.parent = DirectoryId(directories[i].first);
      one.name = directories[i].second;
      work.directories.push_back(std::move(one));
    }
    NewBatch items = batch(1, 1, 1, 4);
    const std::vector<std::pair<std::int64_t, std::string>> names = {
        {1, "a.txt"}, {3, "a.txt"}, {3, "b\xFF"}, {3, ""}};
    for (std::size_t i = 0; i < names.size(); ++i) {
      items.items[i].directory = DirectoryId(names[i].first);
      items.items[i].name = names[i].second;
    }
    work.batches = {std::move(items)};
    return work;
  }
  void make(const AppendWork& work, std::vector<ItemOutcome> outcomes) {
    const auto ledger = SqliteLedger::create(file_, execution_row(), clock_);
    ASSERT_TRUE(ledger.ok());
    must_apply(**ledger, {work, SetStatus{}, start({{1, 1}}),
                          end(1, 1, BatchResult::done, std::move(outcomes))});
  }
  /// "2 source", "3 destination" …
  std::vector<std::string> found(const std::vector<std::string>& paths) {
    auto reader = LineageReader::open(file_);
    EXPECT_TRUE(reader.ok()) << reader.error().text();
    const auto items = (*reader)->find(paths, 100, nullptr);
    EXPECT_TRUE(items.ok()) << items.error().text();
    std::vector<std::string> out;
    for (const LineageItem& one : *items) {
      out.push_back(std::to_string(one.item.id.value) + (one.from_it ? " source" : "") +
                    (one.into_it ? " destination" : ""));
    }
    return out;
  }
  using Lines = std::vector<std::string>;
  ScratchFolder folder_;
  SystemClock clock_;
  std::string file_ = folder_ / "ledger.db";
};

TEST_F(LineagePaths, FilesAreFoundByTheirPlacesOnBothSides) {
  AppendWork work = tree();
  work.places = {{"", "/src", "/dst"}};
  ItemOutcome renamed = completed(2);
  renamed.placed_name = "a (2).txt";
  make(work, {completed(1), renamed, completed(3), completed(4)});
  EXPECT_EQ(found({"/src/a.txt"}), Lines{"1 source"});
  EXPECT_EQ(found({"/dst/a.txt"}), Lines{"1 destination"});
  EXPECT_EQ(found({"/src/docs/deep/a.txt"}), Lines{"2 source"});
  EXPECT_EQ(found({"/dst/docs/deep/a.txt"}), Lines{}) << "it stands there under another name";
  EXPECT_EQ(found({"/dst/docs/deep/a (2).txt"}), Lines{"2 destination"});
  EXPECT_EQ(found({"/dst/docs/deep/b\xFF"}), Lines{"3 destination"});
  EXPECT_EQ(found({"/src/docs/deep"}), Lines{"4 source"}) << "the directory itself";
  EXPECT_EQ(found({"/src/docs/deep/"}), Lines{"4 source"});
  EXPECT_EQ(found({"a.txt"}), Lines{"1 source destination"}) << "as lists show it";
  for (const char* none : {"/src", "/src/docs", "/srca.txt", "/other/a.txt", "/src/docs/a.txt", ""})
    EXPECT_EQ(found({none}), Lines{}) << none;
  EXPECT_EQ(found({"/src/a.txt", "/dst/docs/deep/b\xFF"}), (Lines{"1 source", "3 destination"}));
}

TEST_F(LineagePaths, AnEntryOfItsOwnPlaceIsFoundThere) {
  AppendWork work = tree();
  work.places = {{"", "", "/dst"}, {"docs", "/home/u/docs", ""}, {"a.txt", "/etc/a.txt", "/dst/b"}};
  make(work, {completed(1), completed(2), completed(3), completed(4)});
  EXPECT_EQ(found({"/home/u/docs/deep/a.txt"}), Lines{"2 source"});
  EXPECT_EQ(found({"/dst/docs/deep/a.txt"}), Lines{"2 destination"});
  EXPECT_EQ(found({"/etc/a.txt"}), Lines{"1 source"});
  EXPECT_EQ(found({"/dst/b"}), Lines{"1 destination"});
  EXPECT_EQ(found({"/dst/a.txt"}), Lines{}) << "it went to another name";
}

TEST_F(LineagePaths, OtherKindsAreFoundByName) {
  AppendWork work;
  work.tasks = {task(1)};
  NewBatch items = batch(1, 1, 1, 2);
  items.items[0].name = "photos/2026/a.jpg";
  items.items[1].name = "b.jpg";
  work.batches = {std::move(items)};
  make(work, {completed(1), completed(2)});
  EXPECT_EQ(found({"photos/2026/a.jpg"}), Lines{"1 source destination"});
  EXPECT_EQ(found({"mem:bucket/photos/2026/a.jpg"}), Lines{"1 source destination"});
  EXPECT_EQ(found({"mem:bucket/b.jpg"}), Lines{"2 source destination"});
  EXPECT_EQ(found({"a.jpg"}), Lines{}) << "of a name with slashes all of it is meant";
}

TEST_F(LineagePaths, AnItemByItsNumberSaysWhereItIs) {
  AppendWork work = tree();
  work.places = {{"", "/src", "/dst"}};
  make(work, {completed(1), completed(2), completed(3), completed(4)});
  const auto reader = LineageReader::open(file_);
  const auto item = (*reader)->item(ItemId(2));
  EXPECT_EQ(item->source, "/src/docs/deep/a.txt");
  EXPECT_EQ(item->destination, "/dst/docs/deep/a.txt");
  EXPECT_EQ(item->task_type, "batch_file_operation");
  EXPECT_EQ((*reader)->item(ItemId(9)).error().type, ErrorType::not_found);
  EXPECT_EQ((*reader)->execution()->number, 7);
}

}  // namespace
}  // namespace dunlin::store
