// See roles.h.
#include "engine/roles.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/hmac.h"
#include "base/redact.h"
#include "base/text.h"

namespace dunlin::engine {
namespace {

using store::Role;

/// docs/operators.md shows it by role; a test compares the two, and with the verbs that there are.
constexpr VerbRole kVerbRoles[] = {
    {"explain", Role::nobody},
    {"version", Role::nobody},
    {"completion bash", Role::nobody},
    {"completion zsh", Role::nobody},
    {"completion fish", Role::nobody},
    {"man", Role::nobody},
    {"reference", Role::nobody},
    {"plan schema", Role::nobody},
    {"user whoami", Role::nobody},
    // Looking. What `plan check` stores is that it was looked at.
    {"ps", Role::viewer},
    {"status", Role::viewer},
    {"watch", Role::viewer},
    {"items", Role::viewer},
    {"errors", Role::viewer},
    {"tasks", Role::viewer},
    {"checkpoints", Role::viewer},
    {"report", Role::viewer},
    {"manifest", Role::viewer},
    {"audit show", Role::viewer},
    {"audit verify", Role::viewer},
    {"audit export", Role::viewer},
    {"lineage", Role::viewer},
    {"plan list", Role::viewer},
    {"plan show", Role::viewer},
    {"plan check", Role::viewer},
    {"doctor", Role::viewer},
    {"progress", Role::viewer},  // asked of an owner by ps, status and watch
    // Working. A verification writes down what it found.
    {"copy", Role::operator_},
    {"move", Role::operator_},
    {"load", Role::operator_},
    {"migrate up", Role::operator_},
    {"migrate down", Role::operator_},
    {"migrate redo", Role::operator_},
    {"migrate baseline", Role::operator_},
    {"migrate mark-applied", Role::operator_},
    {"migrate import-history", Role::operator_},
    {"migrate repair", Role::operator_},
    {"migrate status", Role::viewer},
    {"migrate validate", Role::viewer},
    {"migrate show", Role::viewer},
    {"run", Role::operator_},
    {"run-owner", Role::operator_},  // what --detach starts
    {"resume", Role::operator_},
    {"pause", Role::operator_},
    {"cancel", Role::operator_},
    {"stop", Role::operator_},
    {"limits", Role::operator_},
    {"priority", Role::operator_},
    {"retry", Role::operator_},
    {"skip", Role::operator_},
    {"verify", Role::operator_},
    {"rollback", Role::operator_},
    {"plan create", Role::operator_},
    {"plan delete", Role::operator_},
    // What cannot be taken back, and who may do what.
    {"accept", Role::admin},
    {"delete", Role::admin},
    {"doctor --repair", Role::admin},
    {"user add", Role::admin},
    {"user list", Role::admin},
    {"user role", Role::admin},
    {"user remove", Role::admin},
    {"user token", Role::admin},
};

constexpr std::int64_t kNoteUseEveryMs = 60'000;
constexpr std::size_t kAdminsNamed = 3;

Error refused(std::string message, std::string remedy) {
  Error error(ErrorType::role_refused, std::move(message));
  error.remediation = std::move(remedy);
  return error;
}

std::string whom_to_ask(const std::vector<std::string>& admins) {
  if (admins.empty()) return "ask an admin";
  std::string names;
  for (std::size_t n = 0; n < std::min(admins.size(), kAdminsNamed); ++n)
    names += (n == 0 ? "" : ", ") + admins[n];
  return "ask an admin (" + names + (admins.size() > kAdminsNamed ? ", …)" : ")");
}

/// "dunlin_<id>_<secret>": the id; empty for what is no token.
std::string_view id_of(std::string_view token) {
  const std::size_t whole = kTokenBegins.size() + kTokenIdDigits + 1 + kTokenSecretDigits;
  if (token.size() != whole || !token.starts_with(kTokenBegins)) return {};
  return token.substr(kTokenBegins.size(), kTokenIdDigits);
}

Error unknown_token(const std::vector<std::string>& admins) {
  return refused("the token that was given is not known here",
                 whom_to_ask(admins) +
                     " for a new one (`dunlin user token NAME`), or go without: leave --as-token "
                     "out, `unset DUNLIN_TOKEN`");
}

std::vector<std::string> admins_of(const std::vector<store::OperatorRow>& operators) {
  std::vector<std::string> names;
  for (const auto& row : operators)
    if (row.role == Role::admin) names.push_back(row.name);
  return names;
}

const store::OperatorRow* named(const std::vector<store::OperatorRow>& operators,
                                std::string_view name) {
  const auto it = std::find_if(operators.begin(), operators.end(),
                               [&](const auto& row) { return row.name == name; });
  return it == operators.end() ? nullptr : &*it;
}

Result<Caller> by_token(const std::vector<store::OperatorRow>& operators,
                        const store::TokenRow& token, std::optional<uid_t> uid) {
  Caller caller;
  caller.admins = admins_of(operators);
  caller.uid = uid;
  const store::OperatorRow* row = named(operators, token.operator_name);
  if (row == nullptr) return unknown_token(caller.admins);
  if (token.revoked_ms > 0)
    return refused(fmt::format("token {} of {} was revoked on {}", token.id, row->name,
                               rfc3339(token.revoked_ms)),
                   whom_to_ask(caller.admins) +
                       fmt::format(" for a new one: dunlin user token {}", row->name));
  caller.name = row->name;
  caller.role = row->role;
  caller.token_id = token.id;
  return caller;
}

Result<Caller> by_uid(const store::StateDirectory& state,
                      const std::vector<store::OperatorRow>& operators, std::optional<uid_t> uid) {
  Caller caller;
  caller.admins = admins_of(operators);
  caller.uid = uid;
  if (uid) {
    DUNLIN_ASSIGN(const uid_t owner, state.owner());
    caller.owns_state = *uid == 0 || *uid == owner;
  }
  if (operators.empty() || caller.owns_state) caller.role = Role::admin;
  for (const auto& row : operators) {
    if (!uid || row.uid != static_cast<std::int64_t>(*uid)) continue;
    caller.name = row.name;
    caller.role = row.role;
  }
  return caller;
}

}  // namespace

std::span<const VerbRole> verb_roles() {
  return kVerbRoles;
}

Role role_for(std::string_view verb) {
  const auto* it = std::find_if(std::begin(kVerbRoles), std::end(kVerbRoles),
                                [&](const VerbRole& row) { return row.verb == verb; });
  return it == std::end(kVerbRoles) ? Role::admin : it->role;
}

Asker Asker::here(std::string via, Secret token) {
  return {::geteuid(), std::move(token), std::move(via)};
}

std::string Caller::actor(std::string_view via) const {
  std::string out = name;
  if (uid) out += fmt::format("{}uid {}", out.empty() ? "" : ", ", *uid);
  if (!token_id.empty()) out += fmt::format(", token {}", token_id);
  return fmt::format("{} ({})", out.empty() ? "unknown" : out, via);
}

std::string Caller::text() const {
  if (!name.empty()) return fmt::format("{} ({})", name, store::to_string(role));
  const std::string id = uid ? fmt::format("user id {}", *uid) : std::string("somebody unknown");
  if (role == Role::nobody) return id + ", who is no operator here";
  if (admins.empty()) return id + " (admin, as everybody: there are no operators)";
  return id + " (admin: the state directory is yours)";
}

Result<Caller> identify(store::StateDirectory& state, const Asker& asker, std::int64_t now_ms) {
  DUNLIN_ASSIGN(const auto operators, state.store().operators());
  if (asker.token.empty()) return by_uid(state, operators, asker.uid);
  const std::string& text = asker.token.reveal();
  const std::string_view id = id_of(text);
  if (id.empty()) return unknown_token(admins_of(operators));
  DUNLIN_ASSIGN(const auto row, state.store().token(id));
  DUNLIN_ASSIGN(const std::string hash, hash_bytes(HashKind::sha256, text));
  if (!row || !equal_in_constant_time(hash, row->hash)) return unknown_token(admins_of(operators));
  DUNLIN_ASSIGN(Caller caller, by_token(operators, *row, asker.uid));
  if (now_ms - row->used_ms >= kNoteUseEveryMs)
    state.store().note_token_use(row->id, now_ms).ignore("shown by `user token --list` only");
  return caller;
}

Result<Caller> identify(store::StateDirectory& state, const store::ControlRow& row) {
  DUNLIN_ASSIGN(const auto operators, state.store().operators());
  const std::optional<uid_t> uid =
      row.uid < 0 ? std::nullopt : std::optional(static_cast<uid_t>(row.uid));
  if (row.token_id.empty()) return by_uid(state, operators, uid);
  DUNLIN_ASSIGN(const auto token, state.store().token(row.token_id));
  if (!token) return unknown_token(admins_of(operators));
  return by_token(operators, *token, uid);
}

Status check_role(const Caller& caller, std::string_view verb) {
  const Role needed = role_for(verb);
  if (caller.role >= needed) return success();
  const bool administrates = verb.starts_with("user ");
  if (caller.owns_state && administrates) return success();
  const std::string_view role = store::to_string(needed);
  std::string remedy = whom_to_ask(caller.admins);
  if (caller.role == Role::nobody)
    remedy += fmt::format(
        " to run `dunlin user add NAME --role {}{}`, or give your token: "
        "--as-token file:PATH",
        role, caller.uid ? fmt::format(" --uid {}", *caller.uid) : "");
  else if (caller.owns_state)
    remedy = fmt::format("the state directory is yours: dunlin user role {} {}", caller.name, role);
  else
    remedy += fmt::format(" to run `dunlin user role {} {}`", caller.name, role);
  return refused(
      fmt::format("you are {}, and `dunlin {}` takes the role {}", caller.text(), verb, role),
      std::move(remedy));
}

Result<Caller> authorize(store::StateDirectory& state, const Asker& asker, std::string_view verb,
                         std::int64_t now_ms) {
  DUNLIN_ASSIGN(Caller caller, identify(state, asker, now_ms));
  DUNLIN_TRY(check_role(caller, verb));
  return caller;
}

store::AddAudit refusal_entry(const Caller& caller, std::string_view via, std::string_view verb) {
  return {caller.actor(via), "access.refused",
          dump_json(Json{{"verb", std::string(verb)},
                         {"role", std::string(store::to_string(caller.role))},
                         {"needs", std::string(store::to_string(role_for(verb)))}})};
}

Result<NewToken> make_token(store::StateStore& store, const std::string& name,
                            std::int64_t now_ms) {
  constexpr int kTries = 8;  // four random bytes meet another token's once in millions
  for (int n = 1;; ++n) {
    DUNLIN_ASSIGN(const std::string id, random_bytes(kTokenIdDigits / 2));
    DUNLIN_ASSIGN(const std::string secret, random_bytes(kTokenSecretDigits / 2));
    const std::string text = fmt::format("{}{}_{}", kTokenBegins, hex(id), hex(secret));
    store::TokenRow row;
    row.id = hex(id);
    row.operator_name = name;
    DUNLIN_ASSIGN(row.hash, hash_bytes(HashKind::sha256, text));
    row.created_ms = now_ms;
    const Status added = store.add_token(row);
    if (added.ok()) return NewToken{row.id, Secret(text)};
    if (added.error().type != ErrorType::destination_exists || n == kTries) return added.error();
  }
}

}  // namespace dunlin::engine
