// Roles: who asks, and whether that operator may say this verb.
//
// One table of verbs (verb_roles), one way to find out who somebody is (identify) and one check
// (authorize), for the command line, for the owner of an execution when a request reaches it, and
// for a server. With a local state directory the permissions of its files are the boundary, and
// roles guard against mistakes: docs/operators.md. All functions from any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/secret_ref.h"
#include "store/ledger.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// A verb as it is typed ("plan create"), or what a request to an owner asks for ("progress").
struct VerbRole {
  std::string_view verb;
  store::Role role;  ///< the least that may; nobody: it touches no state
};
[[nodiscard]] std::span<const VerbRole> verb_roles();
/// admin for a verb that the table does not have: what was forgotten is refused, not allowed.
[[nodiscard]] store::Role role_for(std::string_view verb);

/// A request to an owner: put into the record that `tried` was refused to whoever asks.
inline constexpr std::string_view kRefusedRequest = "refused";

/// What somebody asks with.
struct Asker {
  std::optional<uid_t> uid;  ///< as the system tells it
  Secret token;              ///< not empty: it alone decides
  std::string via = "cli";   ///< the way they came, for the audit record

  /// Who runs this process.
  [[nodiscard]] static Asker here(std::string via = "cli", Secret token = {});
};

/// Whom dunlin takes somebody for.
struct Caller {
  std::string name;      ///< of the operator; empty: of none
  std::string token_id;  ///< empty: told by user id
  std::optional<uid_t> uid;
  store::Role role = store::Role::nobody;
  /// Whose files the state is, or root, and without a token: may say `user …` whatever the role.
  bool owns_state = false;
  std::vector<std::string> admins;  ///< whom to ask

  /// For the audit record: "anna, uid 1000 (cli)"; "uid 1000 (cli)" where there are no operators.
  [[nodiscard]] std::string actor(std::string_view via) const;
  /// For people: "anna (viewer)".
  [[nodiscard]] std::string text() const;
};

/// Where there are no operators everybody is admin. Else, in this order: the operator of the token
/// (role_refused when it is unknown or revoked, whatever the user id), the operator with that user
/// id, admin for whoever owns the state directory and for root, nobody. Notes when a token was used
/// (once a minute).
[[nodiscard]] Result<Caller> identify(store::StateDirectory& state, const Asker& asker,
                                      std::int64_t now_ms);
/// As who wrote a control row is now: its operator may have been changed since.
[[nodiscard]] Result<Caller> identify(store::StateDirectory& state, const store::ControlRow& row);

/// role_refused says who they are taken for, which role it takes and what to type or whom to ask.
[[nodiscard]] Status check_role(const Caller& caller, std::string_view verb);

/// identify and check_role.
[[nodiscard]] Result<Caller> authorize(store::StateDirectory& state, const Asker& asker,
                                       std::string_view verb, std::int64_t now_ms);

/// The entry of the audit record for what was refused: "access.refused".
[[nodiscard]] store::AddAudit refusal_entry(const Caller& caller, std::string_view via,
                                            std::string_view verb);

/// A new token of that operator: what the person gets, once, and what is kept of it. Stored and
/// durable on return. not_found: no such operator.
struct NewToken {
  std::string id;
  Secret token;
};
[[nodiscard]] Result<NewToken> make_token(store::StateStore& store, const std::string& name,
                                          std::int64_t now_ms);

}  // namespace dunlin::engine
