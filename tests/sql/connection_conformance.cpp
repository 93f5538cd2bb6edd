// The tests that every Connection passes; see connection_conformance.h.
#include "sql/connection_conformance.h"

namespace dunlin::sql {

TEST_P(ConnectionConformance, SaysWhoIsThere) {
  EXPECT_FALSE(connection_->server().product.empty());
  EXPECT_FALSE(connection_->server().version.empty());
  EXPECT_GT(connection_->server().version_number, 0);
  EXPECT_FALSE(connection_->server().read_only);
  const auto other = connect();
  EXPECT_NE(connection_->session(), other->session());
}

TEST_P(ConnectionConformance, RowsComeAsTheyAre) {
  run("INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, ''), (4, 'vi\xC3\xA8r')");
  const auto rows = connection_->query("SELECT a, b FROM t ORDER BY a", Call{});
  ASSERT_TRUE(rows.ok()) << rows.error().text();
  std::string all;
  while (true) {
    const auto more = (*rows)->next();
    ASSERT_TRUE(more.ok()) << more.error().text();
    if (!*more) break;
    EXPECT_EQ((*rows)->columns(), 2);
    EXPECT_EQ((*rows)->name(1), "b");
    all += std::string((*rows)->text(0)) + "=" +
           ((*rows)->is_null(1) ? "NULL" : std::string((*rows)->text(1))) + ";";
  }
  EXPECT_EQ(all, "1=one;2=NULL;3=;4=vi\xC3\xA8r;");
  EXPECT_FALSE(*(*rows)->next()) << "the end stays the end";
}

TEST_P(ConnectionConformance, RowsThatNobodyWantsHinderNothing) {
  for (int i = 0; i < 50; ++i) run("INSERT INTO t VALUES (" + std::to_string(i) + ", 'x')");
  {
    const auto rows = connection_->query("SELECT x.a FROM t x, t y, t z, t u", Call{});
    ASSERT_TRUE(rows.ok());
    ASSERT_TRUE(*(*rows)->next());
  }
  EXPECT_EQ(text("SELECT count(*) FROM t"), "50");
}

TEST_P(ConnectionConformance, CountsWhatItChanged) {
  EXPECT_EQ(run("INSERT INTO t VALUES (1, 'a'), (2, 'b')").affected, 2);
  EXPECT_EQ(run("DELETE FROM t WHERE a > 5").affected, 0);
  EXPECT_EQ(run("UPDATE t SET b = 'c'").affected, 2);
}

TEST_P(ConnectionConformance, ASecondStatementInOneTextIsRefused) {
  EXPECT_FALSE(
      connection_->run("INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')", Call{})
          .ok());
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
}

TEST_P(ConnectionConformance, ErrorsHaveTheirTypes) {
  run("INSERT INTO t VALUES (1, 'a')");
  EXPECT_EQ(error_of("INSERT INTO t VALUES (1, 'b')").type, ErrorType::constraint_violation);
  EXPECT_EQ(error_of("SELEC 1").type, ErrorType::invalid_data);
  EXPECT_EQ(error_of("SELECT * FROM nobody").type, ErrorType::invalid_data);
  EXPECT_FALSE(error_of("SELECT * FROM nobody").native.code.empty());
  EXPECT_THAT(error_of("SELECT * FROM nobody").message, ::testing::HasSubstr("nobody"));
  EXPECT_FALSE(error_of("SELECT * FROM nobody").possibly_applied);
  EXPECT_EQ(text("SELECT count(*) FROM t"), "1") << "it goes on";
}

TEST_P(ConnectionConformance, KnowsItsTransaction) {
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
  run("BEGIN");
  EXPECT_EQ(connection_->transaction(), TransactionState::open);
  run("INSERT INTO t VALUES (1, 'a')");
  run("ROLLBACK");
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
}

TEST_P(ConnectionConformance, SeveralAtOnceAnswerInTheirOrder) {
  const bool numbered = connection_->dialect() != Dialect::mysql;
  const std::string insert =
      std::string("INSERT INTO t VALUES (") + (numbered ? "$1, $2)" : "?, ?)");
  const std::string ask = std::string("SELECT b FROM t WHERE a = ") + (numbered ? "$1" : "?");
  const std::vector<Request> all = {{insert, {"7", "x"}},
                                    {ask, {"7"}, true},
                                    {"SELECT NULL", {}, true},
                                    {ask, {"8"}, true},
                                    {insert, {"8", std::nullopt}}};
  const auto answers = connection_->run_all(all, Call{});
  ASSERT_TRUE(answers.ok()) << answers.error().text();
  EXPECT_EQ(*answers, (std::vector<Answer>{{}, "x", {}, {}, {}}));
  EXPECT_EQ(text("SELECT count(*) FROM t"), "2");
  const auto nothing = connection_->run_all({}, Call{});
  ASSERT_TRUE(nothing.ok()) << nothing.error().text();
  EXPECT_TRUE(nothing->empty());

  const std::vector<Request> plain = {
      {"BEGIN -- with a comment"}, {"SELECT 5", {}, true}, {"DELETE FROM t"}};
  const auto begun = connection_->run_all(plain, Call{});
  ASSERT_TRUE(begun.ok()) << begun.error().text();
  EXPECT_EQ((*begun)[1], "5");
  EXPECT_EQ(connection_->transaction(), TransactionState::open);
  run("ROLLBACK");
  EXPECT_EQ(text("SELECT count(*) FROM t"), "2");
}

TEST_P(ConnectionConformance, SeveralAtOnceEndWithTheFirstThatFails) {
  for (const bool recurs : {false, true}) {
    const std::vector<Request> all = {{"SELECT 1", {}, true, recurs},
                                      {"SELECT a FROM nobody", {}, true, recurs},
                                      {"INSERT INTO t VALUES (1, 'a')", {}, false, recurs}};
    const auto answers = connection_->run_all(all, Call{});
    ASSERT_FALSE(answers.ok());
    EXPECT_EQ(answers.error().type, ErrorType::invalid_data);
    EXPECT_EQ(connection_->transaction(), TransactionState::none);
    EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
  }
}

TEST_P(ConnectionConformance, WhatRecursIsTheSameEachTime) {
  for (int i = 0; i < 8; ++i) {  // a server may plan the first ones in another way
    const std::vector<Request> all = {
        {"SELECT count(*) FROM t", {}, true, true},
        {"INSERT INTO t SELECT coalesce(max(a), 0) + 1, 'x' FROM t", {}, false, true}};
    const auto answers = connection_->run_all(all, Call{});
    ASSERT_TRUE(answers.ok()) << answers.error().text();
    EXPECT_EQ(answers->front(), std::to_string(i));
    if (i == 3) {
      ASSERT_TRUE(connection_->reset(Call{}).ok());
    }
  }
}

TEST_P(ConnectionConformance, ATimeOutAmongSeveralLeavesTheConnectionUsable) {
  const std::vector<Request> all = {{"SELECT 1", {}, true, true},
                                    {subject_->long_query(), {}, true, true},
                                    {"INSERT INTO t VALUES (1, 'a')", {}, false, true}};
  const auto answers = connection_->run_all(all, Call{{}, std::chrono::milliseconds(200)});
  ASSERT_FALSE(answers.ok());
  EXPECT_EQ(answers.error().type, ErrorType::network_timeout) << answers.error().text();
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
}

TEST_P(ConnectionConformance, ATimeOutEndsTheStatementAtTheServerToo) {
  const Call call{{}, std::chrono::milliseconds(200)};
  const Error error = error_of(subject_->long_query(), call);
  EXPECT_EQ(error.type, ErrorType::network_timeout);
  EXPECT_FALSE(error.possibly_applied) << "the server has said that it ended";
  EXPECT_TRUE(nobody_works_any_more());
  EXPECT_EQ(text("SELECT 1"), "1") << "it goes on";
}

TEST_P(ConnectionConformance, CancellingEndsTheStatementAtTheServerToo) {
  CancelSource source;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    source.request(CancelReason::pause);
  });
  const Error error = error_of(subject_->long_query(), Call{source.token(), {}});
  later.join();
  EXPECT_EQ(error.type, ErrorType::interrupted);
  EXPECT_FALSE(error.possibly_applied);
  EXPECT_TRUE(nobody_works_any_more());
  EXPECT_EQ(error_of("SELECT 1", Call{source.token(), {}}).type, ErrorType::interrupted)
      << "nothing is begun any more";
  EXPECT_EQ(text("SELECT 1"), "1");
}

TEST_P(ConnectionConformance, ACutConnectionMayHaveDoneIt) {
  if (!subject_->can_be_cut()) return;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    subject_->cut(*connection_);
  });
  const Error error = error_of(subject_->long_query());
  later.join();
  EXPECT_EQ(error.type, ErrorType::connection_reset);
  EXPECT_TRUE(error.possibly_applied);
  EXPECT_EQ(connection_->transaction(), TransactionState::lost);
  const Error again = error_of("SELECT 1");
  EXPECT_EQ(again.type, ErrorType::connection_reset);
  EXPECT_FALSE(again.possibly_applied) << "it was never sent";
}

TEST_P(ConnectionConformance, ResetLeavesNothingOfTheSession) {
  run("BEGIN");
  run("INSERT INTO t VALUES (1, 'a')");
  run("CREATE TEMPORARY TABLE mine (a INTEGER)");
  ASSERT_TRUE(connection_->reset(Call{}).ok());
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
  EXPECT_FALSE(connection_->run("SELECT * FROM mine", Call{}).ok());
}

}  // namespace dunlin::sql
