// Operators and tokens in state.db: what is refused, what is kept of a token, and changes by
// several processes at once.
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/ledger_fixture.h"
#include "store/sqlite_state_store.h"

namespace dunlin::store::test {
namespace {

using ::testing::HasSubstr;

class Operators : public ::testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<SqliteStateStore> open() const {
    auto opened = SqliteStateStore::open(folder_ / "state.db");
    EXPECT_TRUE(opened.ok());
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  static OperatorRow row(const std::string& name, Role role,
                         std::optional<std::int64_t> uid = std::nullopt) {
    return {name, role, uid, 1000};
  }
  static TokenRow token(const std::string& id, const std::string& name) {
    return {id, name, std::string(32, 'h'), 2000, 0, 0};
  }

  ScratchFolder folder_;
  std::unique_ptr<SqliteStateStore> store_ = open();
};

TEST_F(Operators, AreKeptWithRoleAndUserId) {
  ASSERT_TRUE(store_->add_operator(row("boss", Role::admin)).ok());
  ASSERT_TRUE(store_->add_operator(row("anna", Role::viewer, 1002)).ok());
  store_ = open();
  const auto all = store_->operators();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->at(0).name, "anna");
  EXPECT_EQ(all->at(0).role, Role::viewer);
  EXPECT_EQ(all->at(0).uid, 1002);
  EXPECT_EQ(all->at(1).uid, std::nullopt);
  ASSERT_TRUE(store_->set_role("anna", Role::operator_).ok());
  EXPECT_EQ(store_->operators()->at(0).role, Role::operator_);
  EXPECT_EQ(store_->set_role("nobody", Role::admin).error().type, ErrorType::not_found);
}

TEST_F(Operators, ANameAndAUserIdBelongToOne) {
  ASSERT_TRUE(store_->add_operator(row("boss", Role::admin, 1000)).ok());
  const Status name = store_->add_operator(row("boss", Role::viewer));
  EXPECT_EQ(name.error().type, ErrorType::invalid_state);
  EXPECT_THAT(name.error().remedy("1"), HasSubstr("dunlin user role boss viewer"));
  const Status uid = store_->add_operator(row("anna", Role::viewer, 1000));
  EXPECT_THAT(uid.error().text(), HasSubstr("user id 1000 is the operator boss already"));
  for (const char* bad : {"", "-a", "a b", "a(b", "a/b", "\xff", "a'b"})
    EXPECT_EQ(store_->add_operator(row(bad, Role::viewer)).error().type, ErrorType::invalid_input)
        << bad;
  EXPECT_EQ(store_->add_operator(row(std::string(65, 'a'), Role::viewer)).error().type,
            ErrorType::invalid_input);
}

TEST_F(Operators, WhereThereAreAnyThereIsAnAdmin) {
  EXPECT_EQ(store_->add_operator(row("anna", Role::viewer)).error().type, ErrorType::invalid_state);
  ASSERT_TRUE(store_->add_operator(row("boss", Role::admin)).ok());
  ASSERT_TRUE(store_->add_operator(row("anna", Role::operator_)).ok());
  EXPECT_EQ(store_->remove_operator("boss").error().type, ErrorType::invalid_state);
  EXPECT_EQ(store_->set_role("boss", Role::viewer).error().type, ErrorType::invalid_state);
  EXPECT_EQ(store_->operators()->size(), 2U) << "what is refused changes nothing";
  ASSERT_TRUE(store_->remove_operator("anna").ok());
  EXPECT_TRUE(store_->remove_operator("boss").ok()) << "the last of all may go";
  EXPECT_TRUE(store_->operators()->empty());
}

TEST_F(Operators, TokensAreNotedRevokedAndGoWithTheirOperator) {
  ASSERT_TRUE(store_->add_operator(row("boss", Role::admin)).ok());
  ASSERT_TRUE(store_->add_operator(row("ci", Role::operator_)).ok());
  EXPECT_EQ(store_->add_token(token("00000001", "nobody")).error().type, ErrorType::not_found);
  ASSERT_TRUE(store_->add_token(token("00000001", "ci")).ok());
  EXPECT_EQ(store_->add_token(token("00000001", "boss")).error().type,
            ErrorType::destination_exists);
  ASSERT_TRUE(store_->note_token_use("00000001", 3000).ok());
  EXPECT_EQ(store_->revoke_token("boss", "00000001", 4000).error().type, ErrorType::not_found);
  ASSERT_TRUE(store_->revoke_token("ci", "00000001", 4000).ok());
  ASSERT_TRUE(store_->revoke_token("ci", "00000001", 5000).ok());
  const auto kept = store_->token("00000001");
  ASSERT_TRUE(kept.ok() && kept->has_value());
  EXPECT_EQ((*kept)->used_ms, 3000);
  EXPECT_EQ((*kept)->revoked_ms, 4000) << "the first time stands";
  EXPECT_EQ((*kept)->hash, std::string(32, 'h'));
  ASSERT_TRUE(store_->remove_operator("ci").ok());
  EXPECT_FALSE(store_->token("00000001")->has_value());
  EXPECT_TRUE(store_->tokens()->empty());
}

TEST_F(Operators, AddedBySeveralAtOnceAreAllThereAndEachOnce) {
  ASSERT_TRUE(store_->add_operator(row("boss", Role::admin)).ok());
  constexpr int kThreads = 4;
  constexpr int kEach = 5;
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const auto own = open();
      for (int n = 0; n < kEach; ++n) {
        const std::string name = "o" + std::to_string(t) + "-" + std::to_string(n);
        EXPECT_TRUE(own->add_operator(row(name, Role::viewer)).ok());
        if (own->add_operator(row("same" + std::to_string(n), Role::viewer)).ok()) ++same;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(same, kEach);
  EXPECT_EQ(store_->operators()->size(), 1U + kThreads * kEach + kEach);
}

TEST_F(Operators, TwoAdminsThatRemoveEachOtherLeaveOne) {
  for (int round = 0; round < 5; ++round) {
    const std::string a = "a" + std::to_string(round);
    const std::string b = "b" + std::to_string(round);
    ASSERT_TRUE(store_->add_operator(row(a, Role::admin)).ok());
    ASSERT_TRUE(store_->add_operator(row(b, Role::admin)).ok());
    ASSERT_TRUE(store_->add_operator(row("viewer", Role::viewer)).ok());
    std::atomic<int> removed{0};
    const auto remove = [&](const std::string& name) {
      if (open()->remove_operator(name).ok()) ++removed;
    };
    std::thread one(remove, a);
    std::thread other(remove, b);
    one.join();
    other.join();
    EXPECT_EQ(removed, 1);
    ASSERT_TRUE(store_->remove_operator("viewer").ok());
    const auto left = *store_->operators();
    ASSERT_EQ(left.size(), 1U);
    ASSERT_TRUE(store_->remove_operator(left.front().name).ok());
  }
}

}  // namespace
}  // namespace dunlin::store::test
