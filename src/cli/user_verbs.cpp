// user add, list, role, remove, token, whoami: who may do what with this state directory
// (engine/roles.h). docs/operators.md is the introduction.
#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <pwd.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

using store::Role;

constexpr std::size_t kMinutes = 16;  // of a time as it is shown: 2026-11-20T11:05

Result<Role> role_from_word(const std::string& word) {
  if (const auto role = store::role_from(word)) return *role;
  const std::vector<std::string> names = {"viewer", "operator", "admin"};
  const auto near = nearest_word(word, names);
  Error error(ErrorType::invalid_input,
              word.empty() ? "say with which role: --role viewer, operator or admin"
                           : fmt::format("there is no role '{}'; {}", escape_bytes(word),
                                         near ? "did you mean " + *near + "?"
                                              : "viewer, operator or admin"));
  error.remediation = "viewer looks, operator runs and stops, admin also says who may";
  return error;
}

/// The login of that name on this machine; nullopt: none.
Result<std::optional<std::int64_t>> uid_of_login(const std::string& name) {
  std::array<char, 16 << 10> room{};
  passwd entry{};
  passwd* found = nullptr;
  const int failed = ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (failed != 0 && failed != ENOENT && failed != ESRCH)
    return error_from_errno(failed, "look up the login '" + escape_bytes(name) + "'");
  if (found == nullptr) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(found->pw_uid);
}

Result<std::optional<std::int64_t>> uid_from_word(const std::string& word,
                                                  const std::string& name) {
  if (word == "none") return std::optional<std::int64_t>();
  if (word.empty()) return uid_of_login(name);
  constexpr std::int64_t kLargest = 0xfffffffe;  // (uid_t)-1 is nobody's
  const auto uid = whole_number(word, "--uid");
  if (uid.ok() && *uid >= 0 && *uid <= kLargest) return std::optional(*uid);
  Error error(ErrorType::invalid_input, fmt::format("'{}' is no user id", escape_bytes(word)));
  error.remediation = "a number as `id -u LOGIN` prints it, or none";
  return error;
}

std::string uid_text(const std::optional<std::int64_t>& uid) {
  return uid ? std::to_string(*uid) : "-";
}

Json time_json(std::int64_t time_ms) {
  return time_ms == 0 ? Json(nullptr) : Json(rfc3339(time_ms));
}

std::string time_text(std::int64_t time_ms) {
  return time_ms == 0 ? "-" : rfc3339(time_ms).substr(0, kMinutes);
}

Json token_json(const store::TokenRow& token) {
  return Json{{"id", token.id},
              {"created_at", time_json(token.created_ms)},
              {"last_used_at", time_json(token.used_ms)},
              {"revoked_at", time_json(token.revoked_ms)}};
}

Json operator_json(const store::OperatorRow& row) {
  return Json{{"name", row.name},
              {"role", std::string(store::to_string(row.role))},
              {"uid", row.uid ? Json(*row.uid) : Json(nullptr)},
              {"created_at", time_json(row.created_ms)}};
}

Result<int> add(Session& session, const std::string& name, const std::string& role,
                const std::string& uid) {
  store::OperatorRow row;
  row.name = name;
  DUNLIN_ASSIGN(row.role, role_from_word(role));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(row.uid, uid_from_word(uid, name));
  row.created_ms = session.clock().wall_ms();
  DUNLIN_TRY(engine->state().store().add_operator(row));
  session.event("user_added", operator_json(row));
  session.print(fmt::format(
      "operator {}: {}{}\n", name, store::to_string(row.role),
      row.uid ? fmt::format(", whoever has the user id {}", *row.uid)
              : fmt::format(", known by token only: `dunlin user token {}` makes one", name)));
  return kDone;
}

Result<int> list(Session& session) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto operators, engine->state().store().operators());
  DUNLIN_ASSIGN(const auto tokens, engine->state().store().tokens());
  Table table({{"NAME", Align::left, false},
               {"ROLE", Align::left, false},
               {"UID", Align::right, false},
               {"TOKENS", Align::right, false},
               {"CREATED", Align::left, true}});
  Json out = Json::array();
  for (const auto& row : operators) {
    Json one = operator_json(row);
    one["tokens"] = Json::array();
    int good = 0;
    for (const auto& token : tokens) {
      if (token.operator_name != row.name) continue;
      one["tokens"].push_back(token_json(token));
      good += token.revoked_ms == 0 ? 1 : 0;
    }
    table.add({row.name, std::string(store::to_string(row.role)), uid_text(row.uid),
               std::to_string(good), time_text(row.created_ms)});
    out.push_back(std::move(one));
  }
  if (session.options().json)
    session.emit(out);
  else if (operators.empty())
    session.result(
        "no operators: whoever may open the state directory may do everything\n"
        "  the first  dunlin user add NAME --role admin\n");
  else
    session.result(table.text(session.out().width(), session.out().charset()));
  return kDone;
}

Result<int> set_role(Session& session, const std::string& name, const std::string& word) {
  DUNLIN_ASSIGN(const Role role, role_from_word(word));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_TRY(engine->state().store().set_role(name, role));
  session.event("user_role", {{"name", name}, {"role", std::string(store::to_string(role))}});
  session.print(fmt::format("operator {}: {}\n", name, store::to_string(role)));
  return kDone;
}

Result<int> remove(Session& session, const std::string& name) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_TRY(engine->state().store().remove_operator(name));
  DUNLIN_ASSIGN(const auto left, engine->state().store().operators());
  session.event("user_removed", {{"name", name}, {"operators_left", left.size()}});
  session.print(fmt::format(
      "removed: operator {} and its tokens{}\n", name,
      left.empty() ? "; without operators everybody who may open the state directory is admin"
                   : ""));
  return kDone;
}

Result<int> new_token(Session& session, engine::Engine& engine, const std::string& name) {
  DUNLIN_ASSIGN(const engine::NewToken made,
                engine::make_token(engine.state().store(), name, session.clock().wall_ms()));
  if (session.options().json) {
    session.event("token_created",
                  {{"name", name}, {"id", made.id}, {"token", made.token.reveal()}});
    return kDone;
  }
  session.result(made.token.reveal() + "\n");
  if (!session.options().quiet)
    session.err().write(
        fmt::format("this is token {} of {}; it is not shown again, and only its hash is kept\n"
                    "  use     dunlin ps --as-token file:PATH, or DUNLIN_TOKEN\n"
                    "  revoke  dunlin user token {} --revoke {}\n",
                    made.id, name, name, made.id));
  return kDone;
}

Result<int> list_tokens(Session& session, engine::Engine& engine, const std::string& name) {
  DUNLIN_ASSIGN(const auto operators, engine.state().store().operators());
  DUNLIN_ASSIGN(const auto tokens, engine.state().store().tokens());
  bool known = false;
  for (const auto& row : operators) known = known || row.name == name;
  if (!known) {
    Error error(ErrorType::not_found, fmt::format("there is no operator '{}'", escape_bytes(name)));
    error.remediation = "dunlin user list";
    return error;
  }
  Table table({{"ID", Align::left, false},
               {"CREATED", Align::left, false},
               {"LAST USED", Align::left, false},
               {"REVOKED", Align::left, true}});
  Json out = Json::array();
  for (const auto& token : tokens) {
    if (token.operator_name != name) continue;
    out.push_back(token_json(token));
    table.add({token.id, time_text(token.created_ms), time_text(token.used_ms),
               time_text(token.revoked_ms)});
  }
  if (session.options().json)
    session.emit(out);
  else if (out.empty())
    session.result(fmt::format("{} has no tokens; `dunlin user token {}` makes one\n", name, name));
  else
    session.result(table.text(session.out().width(), session.out().charset()));
  return kDone;
}

struct TokenFlags {
  Text name, revoke;
  Flag list;
};

Result<int> token(Session& session, const TokenFlags& given) {
  if (*given.list && !given.revoke->empty())
    return Error(ErrorType::invalid_input, "--list and --revoke exclude each other");
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  if (*given.list) return list_tokens(session, *engine, *given.name);
  if (given.revoke->empty()) return new_token(session, *engine, *given.name);
  DUNLIN_TRY(
      engine->state().store().revoke_token(*given.name, *given.revoke, session.clock().wall_ms()));
  session.event("token_revoked", {{"name", *given.name}, {"id", *given.revoke}});
  session.print(fmt::format("revoked: token {} of {}\n", *given.revoke, *given.name));
  return kDone;
}

Result<int> whoami(Session& session) {
  DUNLIN_TRY(session.engine());
  const engine::Caller& caller = session.caller();
  if (session.options().json)
    session.emit(
        {{"name", caller.name.empty() ? Json(nullptr) : Json(caller.name)},
         {"role", caller.role == Role::nobody ? Json(nullptr)
                                              : Json(std::string(store::to_string(caller.role)))},
         {"uid", caller.uid ? Json(*caller.uid) : Json(nullptr)},
         {"token", caller.token_id.empty() ? Json(nullptr) : Json(caller.token_id)},
         {"owns_state", caller.owns_state}});
  else
    session.result(caller.text() + "\n");
  return kDone;
}

}  // namespace

void add_user_verbs(Verbs& verbs) {
  CLI::App& user =
      verbs.group("user", "Says who may do what: operators, their roles and their tokens.");
  struct Add {
    Text name, role, uid;
  };
  auto added = std::make_shared<Add>();
  CLI::App& add_app = verbs.add(
      user, "add",
      "Adds an operator. While there is none, everybody who may open the state directory may do "
      "everything; the first is an admin.",
      "dunlin user add boss --role admin\ndunlin user add anna --role operator --uid 1002\n"
      "dunlin user add ci --role operator --uid none   # by token only",
      [added](Session& session) { return add(session, *added->name, *added->role, *added->uid); });
  added->name = add_place(add_app, "NAME", "letters, digits, '.', '_' and '-'");
  added->role = add_text(add_app, "--role", "ROLE",
                         "viewer looks; operator also runs, stops and takes back; admin also "
                         "deletes, accepts and says who may");
  added->uid = add_text(add_app, "--uid", "N",
                        "who has this user id is the operator (default: of the login NAME, if "
                        "there is one); none: by token only");

  verbs.add(user, "list", "Lists operators.", "dunlin user list\ndunlin user list --json", list);

  auto changed = std::make_shared<std::pair<Text, Text>>();
  CLI::App& role_app = verbs.add(
      user, "role", "Gives an operator another role, from now on.", "dunlin user role anna admin",
      [changed](Session& session) { return set_role(session, *changed->first, *changed->second); });
  changed->first = add_place(role_app, "NAME", "the operator");
  changed->second = add_place(role_app, "ROLE", "viewer, operator or admin");

  auto removed = std::make_shared<Text>();
  CLI::App& remove_app = verbs.add(
      user, "remove", "Removes an operator with its tokens; the last admin goes last of all.",
      "dunlin user remove anna",
      [removed](Session& session) { return remove(session, **removed); });
  *removed = add_place(remove_app, "NAME", "the operator");

  auto of_token = std::make_shared<TokenFlags>();
  CLI::App& token_app = verbs.add(
      user, "token",
      "Makes a token, with which anybody is that operator, and prints it this once: only its hash "
      "is kept.",
      "(umask 077; dunlin user token ci > ci.token)\n"
      "dunlin ps --as-token file:ci.token\n"
      "dunlin user token ci --list\n"
      "dunlin user token ci --revoke 1a2b3c4d",
      [of_token](Session& session) { return token(session, *of_token); });
  of_token->name = add_place(token_app, "NAME", "the operator");
  of_token->list =
      add_flag(token_app, "--list", "make none; show ids, when each was made and used");
  of_token->revoke = add_text(token_app, "--revoke", "ID", "make none; this one is good no more");

  verbs.add(user, "whoami", "Says whom dunlin takes you for, and your role.",
            "dunlin user whoami\ndunlin user whoami --as-token env:CI_TOKEN", whoami);
}

}  // namespace dunlin::cli
