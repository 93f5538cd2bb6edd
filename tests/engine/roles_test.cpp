// Who may say what: every verb by every kind of caller, tokens, and the check that the owner of an
// execution makes itself when a request reaches it by its socket or as a control row.
#include "engine/roles.h"

#include <unistd.h>

#include <gmock/gmock.h>

#include "engine/control_socket.h"
#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

using store::Role;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kStranger = 54321;

class RolesTest : public ExecutionTest {
 protected:
  store::StateStore& states() { return engine_->state().store(); }
  void add(const std::string& name, Role role, std::optional<std::int64_t> uid = std::nullopt) {
    const Status added = states().add_operator({name, role, uid, 1});
    ASSERT_TRUE(added.ok()) << added.error().text();
  }
  /// A token of that operator.
  Secret token_of(const std::string& name) {
    auto made = make_token(states(), name, 1);
    EXPECT_TRUE(made.ok());
    return made->token;
  }
  static Asker with(const Secret& token) { return {::geteuid(), token, "test"}; }
  static Asker stranger() { return {kStranger, {}, "test"}; }
  Status may(const Asker& asker, std::string_view verb) {
    const auto caller = engine_->authorize(asker, verb);
    return caller.ok() ? success() : Status(caller.error());
  }
  std::vector<store::AuditRow> refusals(const ExecutionId& id) {
    std::vector<store::AuditRow> found;
    const auto entries = (*engine_->open_ledger(id))->audit(0, 1000);
    for (const auto& entry : *entries)
      if (entry.action == "access.refused") found.push_back(entry);
    return found;
  }
};

/// The answer by role, written down once more: a change of the table has to be meant.
Role expected(std::string_view verb) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> verbs) {
    return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
  };
  if (is_one_of({"explain", "version", "completion bash", "completion zsh", "completion fish",
                 "man", "reference", "plan schema", "user whoami"}))
    return Role::nobody;
  if (is_one_of({"ps",           "status",       "watch",    "items",          "errors",
                 "tasks",        "checkpoints",  "report",   "manifest",       "audit show",
                 "audit verify", "audit export", "lineage",  "plan list",      "plan show",
                 "plan check",   "doctor",       "progress", "migrate status", "migrate validate",
                 "migrate show"}))
    return Role::viewer;
  if (is_one_of({"accept", "delete", "doctor --repair", "user add", "user list", "user role",
                 "user remove", "user token"}))
    return Role::admin;
  return Role::operator_;
}

TEST_F(RolesTest, EveryVerbByEveryRole) {
  for (const VerbRole& row : verb_roles()) {
    EXPECT_EQ(row.role, expected(row.verb)) << row.verb;
    EXPECT_TRUE(may(stranger(), row.verb).ok()) << row.verb << ": there are no operators";
  }
  add("boss", Role::admin);
  add("eve", Role::viewer);
  add("otto", Role::operator_, kStranger + 1);
  const struct {
    Role role;
    Asker asker;
  } callers[] = {{Role::nobody, stranger()},
                 {Role::viewer, with(token_of("eve"))},
                 {Role::operator_, {kStranger + 1, {}, "test"}},
                 {Role::operator_, with(token_of("otto"))},
                 {Role::admin, with(token_of("boss"))},
                 {Role::admin, Asker::here("test")}};
  for (const auto& one : callers)
    for (const VerbRole& row : verb_roles()) {
      const Status answer = may(one.asker, row.verb);
      EXPECT_EQ(answer.ok(), one.role >= expected(row.verb))
          << row.verb << " by " << store::to_string(one.role);
      if (!answer.ok()) {
        EXPECT_EQ(answer.error().type, ErrorType::role_refused);
        EXPECT_THAT(answer.error().remedy("1"), HasSubstr("ask an admin (boss)"));
      }
    }
  EXPECT_FALSE(may(with(token_of("otto")), "a verb of next year").ok())
      << "what the table does not have is for admins";
}

TEST_F(RolesTest, ARevokedOrUnknownTokenIsRefusedEverythingWhoeverGivesIt) {
  add("boss", Role::admin);
  const auto made = make_token(states(), "boss", 1);
  ASSERT_TRUE(may(with(made->token), "delete").ok());
  std::string other = made->token.reveal();
  other.back() = other.back() == '0' ? '1' : '0';
  ASSERT_TRUE(states().revoke_token("boss", made->id, 2).ok());
  for (const VerbRole& row : verb_roles()) {
    const Status revoked = may(with(made->token), row.verb);
    ASSERT_FALSE(revoked.ok()) << row.verb;
    EXPECT_THAT(revoked.error().text(), HasSubstr("of boss was revoked"));
    for (const std::string& wrong : {other, std::string("guess"), made->token.reveal() + "0"}) {
      const Status unknown = may(with(Secret(wrong)), row.verb);
      ASSERT_FALSE(unknown.ok()) << row.verb;
      EXPECT_THAT(unknown.error().text(), HasSubstr("not known here"));
      EXPECT_THAT(unknown.error().text(), Not(HasSubstr(wrong)));
    }
  }
}

TEST_F(RolesTest, WhoOwnsTheStateCanAlwaysAdministrateAndNeedsNoneOfTheRest) {
  const Asker me = Asker::here("test");
  add("boss", Role::admin);
  EXPECT_TRUE(may(me, "delete").ok());
  add("me", Role::viewer, ::geteuid());
  const Status refused = may(me, "cancel");
  ASSERT_FALSE(refused.ok()) << "a role guards also the owner against mistakes";
  EXPECT_THAT(refused.error().text(),
              HasSubstr("you are me (viewer), and `dunlin cancel` takes the role operator"));
  EXPECT_THAT(refused.error().remedy("1"), HasSubstr("dunlin user role me operator"));
  EXPECT_TRUE(may(me, "user role").ok());
  EXPECT_TRUE(may(me, "ps").ok());
  const Asker root{uid_t{0}, {}, "test"};
  EXPECT_TRUE(may(root, "user add").ok());
  EXPECT_TRUE(may(root, "delete").ok());
  add("eve", Role::viewer);
  EXPECT_FALSE(may(with(token_of("eve")), "user role").ok()) << "with a token it alone decides";
}

TEST_F(RolesTest, OfATokenOnlyItsHashIsKeptAndWhenItWasUsed) {
  add("boss", Role::admin);
  const auto made = make_token(states(), "boss", 1);
  const std::string text = made->token.reveal();
  EXPECT_EQ(text.size(), 7U + 8 + 1 + 64);
  EXPECT_THAT(text, ::testing::StartsWith("dunlin_" + made->id + "_"));
  EXPECT_NE(make_token(states(), "boss", 1)->token.reveal(), text);
  const auto row = *states().token(made->id);
  EXPECT_EQ(row->hash.size(), 32U);
  EXPECT_THAT(row->hash, Not(HasSubstr(text.substr(16))));
  EXPECT_EQ(row->used_ms, 0);
  ASSERT_TRUE(identify(engine_->state(), with(made->token), 100'000).ok());
  EXPECT_EQ((*states().token(made->id))->used_ms, 100'000);
  ASSERT_TRUE(identify(engine_->state(), with(made->token), 159'999).ok());
  EXPECT_EQ((*states().token(made->id))->used_ms, 100'000) << "no write for each request";
  ASSERT_TRUE(identify(engine_->state(), with(made->token), 160'000).ok());
  EXPECT_EQ((*states().token(made->id))->used_ms, 160'000);
  EXPECT_EQ(make_token(states(), "nobody", 1).error().type, ErrorType::not_found);
}

TEST_F(RolesTest, TheRecordSaysWhoItWasByNameTokenAndUserId) {
  const std::string uid = "uid " + std::to_string(::geteuid());
  EXPECT_EQ(identify(engine_->state(), Asker::here("cli"), 1)->actor("cli"), uid + " (cli)");
  add("boss", Role::admin, ::geteuid());
  EXPECT_EQ(identify(engine_->state(), Asker::here("cli"), 1)->actor("cli"),
            "boss, " + uid + " (cli)");
  const auto made = make_token(states(), "boss", 1);
  EXPECT_EQ(identify(engine_->state(), with(made->token), 1)->actor("rest"),
            "boss, " + uid + ", token " + made->id + " (rest)");
  EXPECT_EQ(identify(engine_->state(), Asker{std::nullopt, made->token, "rest"}, 1)->actor("rest"),
            "boss, token " + made->id + " (rest)");
}

/// The command line is not asked here: the request goes straight to the owner's socket.
TEST_F(RolesTest, AnOwnerChecksWhoAsksItselfAndRecordsWhatItRefused) {
  add("boss", Role::admin);
  add("eve", Role::viewer);
  const Secret viewer = token_of("eve");
  script_.hold = 1;
  const ExecutionId id = create();
  const auto execution = attach(id);
  std::thread owner([&] { static_cast<void>(execution->run()); });
  while (script_.begun == 0) std::this_thread::yield();
  const auto ask = [&](Json request) {
    request["via"] = "test";
    return *ask_owner(*engine_->state().run_directory(), id.value + ".sock", request, 5000);
  };
  for (const char* verb : {"pause", "cancel", "stop", "limits", "priority", "retry", "skip"}) {
    const Json answer = ask({{"verb", verb},
                             {"actor", "boss, uid 0 (cli)"},
                             {"token", viewer.reveal()},
                             {"arguments", Json::object()}});
    EXPECT_EQ(answer["accepted"], false) << verb;
    EXPECT_EQ(answer["type"], "role_refused") << verb;
  }
  EXPECT_EQ(ask({{"verb", "progress"}, {"token", viewer.reveal()}})["accepted"], true);
  EXPECT_EQ(ask({{"verb", "progress"}, {"token", "guess"}})["type"], "role_refused");
  EXPECT_EQ(ask({{"verb", "pause"}, {"token", "guess"}})["type"], "role_refused");
  EXPECT_EQ(look(id).row.status, ExecutionStatus::running);
  // Nobody is held up by it, and whoever may is heard.
  EXPECT_TRUE(engine_->control(id, "pause", Json::object(), with(token_of("boss"))).ok());
  script_.hold = 0;
  owner.join();
  const auto recorded = refusals(id);
  ASSERT_EQ(recorded.size(), 8U);
  EXPECT_THAT(recorded[0].actor, HasSubstr("eve, uid " + std::to_string(::geteuid())));
  EXPECT_THAT(recorded[0].actor, Not(HasSubstr("boss"))) << "what a request says of itself";
  const Json detail = *parse_json(recorded[0].detail_json);
  EXPECT_EQ(detail, Json({{"verb", "pause"}, {"role", "viewer"}, {"needs", "operator"}}));
  for (const auto& entry : recorded) EXPECT_THAT(entry.actor, Not(HasSubstr(viewer.reveal())));
}

TEST_F(RolesTest, AControlRowCountsOnlyAsMuchAsItsWriterMayNow) {
  add("boss", Role::admin);
  add("otto", Role::operator_);
  const auto token = make_token(states(), "otto", 1);
  const ExecutionId id = create();
  store::ControlRow row;
  row.execution = id;
  row.verb = "cancel";
  row.arguments_json = "{}";
  row.actor = "otto (cli)";
  row.uid = ::geteuid();
  row.token_id = token->id;
  ASSERT_TRUE(states().add_control(row).ok());
  ASSERT_TRUE(states().set_role("otto", Role::viewer).ok());
  EXPECT_EQ(run(id).status, ExecutionStatus::completed) << "it was a viewer's by then";
  EXPECT_EQ(refusals(id).size(), 1U);
  EXPECT_TRUE(states().pending_controls(id)->empty());

  const ExecutionId other = create();
  row.execution = other;
  ASSERT_TRUE(states().set_role("otto", Role::operator_).ok());
  ASSERT_TRUE(states().add_control(row).ok());
  EXPECT_EQ(run(other).status, ExecutionStatus::cancelled);
}

TEST_F(RolesTest, WhatIsRefusedWhileNobodyOwnsItIsInTheRecordToo) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  add("boss", Role::admin);
  add("eve", Role::viewer);
  const std::int64_t epoch = look(id).row.epoch;
  const auto answer = engine_->control(id, "skip", Json::object(), with(token_of("eve")));
  EXPECT_EQ(answer.error().type, ErrorType::role_refused);
  const auto unknown = engine_->control(id, "skip", Json::object(), with(Secret("guess")));
  EXPECT_EQ(unknown.error().type, ErrorType::role_refused);
  const auto recorded = refusals(id);
  ASSERT_EQ(recorded.size(), 2U);
  EXPECT_THAT(recorded[0].actor, HasSubstr("eve"));
  EXPECT_THAT(recorded[1].actor, HasSubstr("uid " + std::to_string(::geteuid())));
  EXPECT_EQ(look(id).row.epoch, epoch) << "it is not taken over for that";
}

TEST_F(RolesTest, WhoOwnsAnExecutionStandsInItsRecordByName) {
  add("boss", Role::admin, ::geteuid());
  const Asker me = Asker::here("test");
  engine_->act_for(me, *engine_->authorize(me, "run"));
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  const auto entries = (*engine_->open_ledger(id))->audit(0, 10);
  EXPECT_THAT(entries->at(0).actor, ::testing::StartsWith("boss, uid "));
}

}  // namespace
}  // namespace dunlin::engine
