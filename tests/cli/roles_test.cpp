// Every verb has its role: in the table of the engine, in the help, and in docs/operators.md.
#include "engine/roles.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_io.h"
#include "cli/help.h"
#include "cli/verb_families.h"

namespace dunlin::cli {
namespace {

using store::Role;
using ::testing::HasSubstr;
using ::testing::Not;

class VerbRoles : public ::testing::Test {
 protected:
  VerbRoles() : verbs_(options_) {
    add_copy_verbs(verbs_);
    add_run_verbs(verbs_);
    add_control_verbs(verbs_);
    add_end_verbs(verbs_);
    add_watch_verbs(verbs_);
    add_detail_verbs(verbs_);
    add_report_verbs(verbs_);
    add_manifest_verb(verbs_);
    add_audit_verbs(verbs_);
    add_lineage_verb(verbs_);
    add_plan_verbs(verbs_);
    add_user_verbs(verbs_);
    add_doctor_verbs(verbs_);
    add_about_verbs(verbs_);
  }
  [[nodiscard]] bool is_verb(std::string_view path) const {
    return std::any_of(verbs_.all().begin(), verbs_.all().end(),
                       [&](const Verb& verb) { return verb.action && verb.path == path; });
  }

  GlobalOptions options_;
  Verbs verbs_;
};

TEST_F(VerbRoles, EveryVerbHasAnEntryAndEveryEntryIsAVerb) {
  const auto table = engine::verb_roles();
  for (const Verb& verb : verbs_.all()) {
    if (!verb.action) continue;
    const auto entries = std::count_if(table.begin(), table.end(),
                                       [&](const auto& row) { return row.verb == verb.path; });
    EXPECT_EQ(entries, 1) << verb.path << " in the table of src/engine/roles.cpp";
  }
  for (const auto& row : table) {
    const std::string_view verb = row.verb.substr(0, row.verb.find(" --"));
    EXPECT_TRUE(is_verb(verb) || verb == "progress") << row.verb;
  }
}

TEST_F(VerbRoles, TheHelpOfAVerbSaysItsRole) {
  for (const Verb& verb : verbs_.all()) {
    if (!verb.action || verb.internal) continue;
    const Role role = engine::role_for(verb.path);
    const std::string help = help_text(verbs_, *verb.app, 100);
    if (role == Role::nobody)
      EXPECT_THAT(help, Not(HasSubstr("Role: "))) << verb.path;
    else
      EXPECT_THAT(help, HasSubstr(fmt::format("\nRole: {}, ", store::to_string(role))))
          << verb.path;
  }
}

TEST_F(VerbRoles, TheTableInTheDocumentsIsTheOneInForce) {
  const char* source = std::getenv("DUNLIN_SOURCE_DIR");
  if (source == nullptr) FAIL() << "DUNLIN_SOURCE_DIR is not set: run me with ctest or ./dev test";
  const auto document = read_file(std::string(source) + "/docs/operators.md");
  ASSERT_TRUE(document.ok());
  for (const Role role : {Role::nobody, Role::viewer, Role::operator_, Role::admin}) {
    std::vector<std::string> names;
    for (const auto& row : engine::verb_roles()) {
      const std::string_view verb = row.verb.substr(0, row.verb.find(" --"));
      const auto known = std::find_if(verbs_.all().begin(), verbs_.all().end(),
                                      [&](const Verb& one) { return one.path == verb; });
      if (row.role == role && known != verbs_.all().end() && !known->internal)
        names.push_back(fmt::format("`{}`", row.verb));
    }
    const std::string line =
        fmt::format("| {} | {} |\n", role == Role::nobody ? "none" : store::to_string(role),
                    fmt::join(names, ", "));
    EXPECT_THAT(*document, HasSubstr(line));
  }
}

}  // namespace
}  // namespace dunlin::cli
