// plan create, list, show, check, delete, schema.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/plan_input.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"
#include "engine/claims.h"
#include "engine/dependencies.h"
#include "engine/incremental.h"
#include "engine/plan_schema.h"
#include "engine/settings_table.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

Json plan_json(const store::PlanRow& row) {
  Json out = {{"id", row.id.value},
              {"name", row.name},
              {"kind", row.kind},
              {"status", row.status},
              {"created_at", rfc3339(row.created_ms)},
              {"updated_at", rfc3339(row.updated_ms)}};
  return out;
}

Result<engine::Plan> checked(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, plan_from_word(session, word));
  return with_settings(session, plan, Json::object());
}

std::string plan_in_words(const store::PlanRow& row) {
  return row.id.value + " (" + printable(row.name) + ")";
}

/// Plans that wait for each other would wait for ever.
Status check_circle(engine::Engine& engine, const engine::Plan& plan) {
  if (!plan.id.valid()) return success();
  DUNLIN_ASSIGN(const auto circle,
                engine::dependency_cycle(engine.state(), plan.id, plan.depends_on));
  if (circle.empty()) return success();
  std::vector<std::string> words;
  for (const std::string& id : circle) {
    const auto row = engine.state().store().plan(PlanId(id));
    words.push_back(row.ok() ? plan_in_words(*row)
                             : id + (plan.name.empty() ? "" : " (" + printable(plan.name) + ")"));
  }
  Error error(ErrorType::plan_invalid,
              fmt::format("depends_on: these plans wait for each other in a circle: {}",
                          fmt::join(words, " -> ")));
  error.remediation =
      "take one of them out of the depends_on of another, and store that plan again with `dunlin "
      "plan create FILE`";
  return error;
}

/// A plan cannot wait for what is not there.
Status check_depends_on(engine::Engine& engine, const engine::Plan& plan) {
  if (plan.depends_on.empty()) return success();
  DUNLIN_ASSIGN(const auto executions, engine.state().store().executions());
  DUNLIN_ASSIGN(const auto plans, engine.state().store().plans());
  for (const std::string& id : plan.depends_on) {
    const auto is_it = [&](const auto& row) { return row.id.value == id; };
    if (std::any_of(executions.begin(), executions.end(), is_it) ||
        std::any_of(plans.begin(), plans.end(), is_it))
      continue;
    Error error(ErrorType::plan_invalid,
                fmt::format("depends_on: there is neither a plan nor an execution {}", id));
    error.remediation =
        "`dunlin plan list` and `dunlin ps --all --json` show the ids that there are";
    return error;
  }
  return check_circle(engine, plan);
}

Json dependencies_json(const std::vector<engine::Dependency>& dependencies) {
  Json out = Json::array();
  for (const engine::Dependency& one : dependencies)
    out.push_back({{"id", one.id},
                   {"name", one.name},
                   {"met", one.met},
                   {"state", one.state},
                   {"remediation", one.met ? Json() : Json(one.remedy)}});
  return out;
}

std::string met_in_words(const std::vector<engine::Dependency>& dependencies) {
  const auto met = std::count_if(dependencies.begin(), dependencies.end(),
                                 [](const engine::Dependency& one) { return one.met; });
  return dependencies.empty() ? "" : fmt::format("{} of {} met", met, dependencies.size());
}

Result<int> create(Session& session, const std::string& file) {
  DUNLIN_ASSIGN(engine::Plan plan, plan_from_file(session, file));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_TRY(check_depends_on(*engine, plan));
  const auto now = session.clock().wall_ms();
  if (!plan.id.valid()) plan.id = PlanId(new_uuid_v7(now));
  const engine::Kind* kind = session.kinds().find(plan.kind);
  store::PlanRow row;
  row.id = plan.id;
  row.kind = plan.kind;
  row.name = plan.name.empty() && kind != nullptr ? kind->describe(plan) : plan.name;
  row.document_json = dump_json(plan.document);
  row.created_ms = row.updated_ms = now;
  DUNLIN_TRY(engine->state().store().put_plan(row));
  session.event("plan_created", plan_json(row));
  session.print(fmt::format("plan {}: {}\n  check  dunlin plan check {}\n  run    dunlin run {}\n",
                            row.id.value, printable(row.name), row.id.value, row.id.value));
  return kDone;
}

Result<int> list(Session& session) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto plans, engine->state().store().plans());
  std::vector<std::vector<engine::Dependency>> waits;
  for (const auto& row : plans) {
    DUNLIN_ASSIGN(auto dependencies,
                  engine::dependencies_of(engine->state(), engine::waits_for(row), row.id));
    waits.push_back(std::move(dependencies));
  }
  if (session.options().json) {
    Json out = Json::array();
    for (std::size_t n = 0; n < plans.size(); ++n) {
      out.push_back(plan_json(plans[n]));
      out.back()["depends_on"] = dependencies_json(waits[n]);
    }
    session.emit(out);
    return kDone;
  }
  if (plans.empty()) {
    session.result("no plans; `dunlin plan create FILE` stores one\n");
    return kDone;
  }
  Table table({{"ID", Align::left, false},
               {"KIND", Align::left, false},
               {"STATUS", Align::left, false},
               {"CREATED", Align::left, false},
               {"WAITS FOR", Align::left, false},
               {"NAME", Align::left, true}});
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const std::string met = met_in_words(waits[n]);
    table.add({plans[n].id.value, plans[n].kind, plans[n].status,
               rfc3339(plans[n].created_ms).substr(0, 16), met.empty() ? "-" : met,
               printable(plans[n].name)});
  }
  session.result(table.text(session.out().width(), session.out().charset()));
  return kDone;
}

/// A setting in force and who says so.
struct Effective {
  std::string key;
  Json value;
  std::string origin;
};

const Json* at_path(const Json& settings, std::string_view path) {
  const Json* place = &settings;
  while (place != nullptr) {
    const std::size_t dot = path.find('.');
    place = find_member(*place, path.substr(0, dot));
    if (dot == std::string_view::npos) return place;
    path.remove_prefix(dot + 1);
  }
  return nullptr;
}

/// Plan over configuration over default; the plan's kind may have settings of its own.
std::vector<Effective> effective_settings(Session& session, const engine::Plan& plan) {
  static const Json kNone = Json::object();
  const Json* own = find_member(plan.document, "settings");
  const Json& said = own == nullptr ? kNone : *own;
  engine::ExecutionSettings decoded = plan.settings;
  std::vector<std::string> ignored;
  const Json merged = engine::merge_settings(session.config().settings, said);
  if (auto with = engine::decode_settings(merged, ignored); with.ok()) decoded = *std::move(with);
  const Json in_force = engine::encode_settings(decoded);
  std::vector<Effective> out;
  for (const auto& info : engine::setting_infos()) {
    const bool by_plan = at_path(said, info.path) != nullptr;
    const bool by_config = at_path(session.config().settings, info.path) != nullptr;
    const Json* value = at_path(in_force, info.path);
    if (value == nullptr && !by_plan && !by_config) continue;
    const bool follows = info.path == "batch_size" && !by_plan && !by_config;
    out.push_back({std::string(info.path),
                   follows            ? Json("follows the work")
                   : value != nullptr ? *value
                                      : *at_path(merged, info.path),
                   by_plan     ? "plan"
                   : by_config ? "configuration"
                               : "default"});
  }
  for (const auto& [key, value] : said.items())
    if (at_path(in_force, key) == nullptr) out.push_back({key, value, "plan"});
  return out;
}

Result<int> show_effective(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, plan_from_word(session, word));
  const auto settings = effective_settings(session, plan);
  if (session.options().json) {
    Json out = Json::object();
    for (const auto& one : settings) out[one.key] = {{"value", one.value}, {"origin", one.origin}};
    session.emit(out);
    return kDone;
  }
  Table table({{"SETTING", Align::left, false},
               {"VALUE", Align::left, false},
               {"FROM", Align::left, true}});
  for (const auto& one : settings) {
    const std::string value = one.value.is_string() ? one.value.get<std::string>()
                              : one.value.is_null() ? std::string("-")
                                                    : dump_json(one.value);
    table.add({one.key, printable(value), one.origin});
  }
  session.result(table.text(session.out().width(), session.out().charset()));
  return kDone;
}

Result<int> show(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, plan_from_word(session, word));
  session.result(dump_json(plan.document, session.options().json ? -1 : 2) + "\n");
  if (plan.depends_on.empty() || session.options().json || session.options().quiet) return kDone;
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto dependencies,
                engine::dependencies_of(engine->state(), plan.depends_on, plan.id));
  for (const engine::Dependency& one : dependencies)  // what is printed above stays a plan
    session.err().write(fmt::format("waits for {}: {}\n", one.name, one.state));
  return kDone;
}

Result<int> check(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, checked(session, word));
  const engine::Kind* kind = session.kinds().find(plan.kind);
  if (kind == nullptr) return Error(ErrorType::defect, "a plan without a kind");
  if (plan.settings.mode == engine::kTest) DUNLIN_TRY(engine::check_test(*kind, plan));
  if (plan.settings.incremental) DUNLIN_TRY(engine::check_incremental(*kind, plan));
  DUNLIN_ASSIGN(const auto all_claims, kind->claims(plan));
  const auto claims = engine::shown_claims(all_claims);
  std::vector<engine::Dependency> dependencies;
  if (!plan.depends_on.empty()) {
    DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
    DUNLIN_TRY(check_depends_on(*engine, plan));
    DUNLIN_ASSIGN(dependencies, engine::dependencies_of(engine->state(), plan.depends_on, plan.id));
  }
  if (is_plan_id(word)) {
    DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
    DUNLIN_ASSIGN(store::PlanRow row, engine->state().store().plan(plan.id));
    if (row.status == "draft") row.status = "ready";
    row.updated_ms = session.clock().wall_ms();
    DUNLIN_TRY(engine->state().store().put_plan(row));
  }
  const std::string what = kind->describe(plan);
  std::string text = "valid: " + printable(what) + "\n";
  const auto line = [](std::string_view topic, std::string_view words) {
    return fmt::format("  {:<19}{}\n", topic, printable(words));
  };
  for (const auto& claim : claims) text += line("writes", claim);
  for (const auto& one : dependencies) text += line("waits for", one.name + ": " + one.state);
  Json meanings = Json::object();
  for (const engine::Meaning& meaning : kind->meanings(plan)) {
    text += line(meaning.topic, meaning.words);
    std::string key(meaning.topic);
    std::replace(key.begin(), key.end(), ' ', '_');
    meanings[key] = printable(meaning.words);
  }
  session.event("plan_checked", {{"valid", true},
                                 {"kind", plan.kind},
                                 {"description", printable(what)},
                                 {"claims", claims},
                                 {"depends_on", dependencies_json(dependencies)},
                                 {"meanings", std::move(meanings)}});
  session.print(text);
  return kDone;
}

Result<int> remove(Session& session, const std::string& id) {
  DUNLIN_ASSIGN(const store::PlanRow row, stored_plan(session, id));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto waiting, engine::plans_waiting_for(engine->state(), row.id));
  if (!waiting.empty()) {
    std::vector<std::string> names;
    for (const auto& one : waiting) names.push_back(plan_in_words(one));
    Error error(ErrorType::invalid_state,
                fmt::format("plan {} is waited for by plan {}", plan_in_words(row),
                            fmt::join(names, ", by plan ")));
    error.remediation = fmt::format(
        "delete what waits first (`dunlin plan delete {}`), or store it again without this one in "
        "its depends_on",
        waiting.front().id.value);
    return error;
  }
  DUNLIN_TRY(engine->state().store().delete_plan(row.id));
  session.event("plan_deleted", plan_json(row));
  session.print(fmt::format("deleted: plan {} ({})\n", row.id.value, printable(row.name)));
  return kDone;
}

}  // namespace

void add_plan_verbs(Verbs& verbs) {
  CLI::App& plan = verbs.group("plan", "Writes down what is to be migrated, to check and run it.");
  const auto verb = [&](std::string_view name, std::string_view summary, std::string_view examples,
                        const std::string& place, const std::string& help,
                        Result<int> (*act)(Session&, const std::string&)) {
    auto word = std::make_shared<Text>();
    CLI::App& app = verbs.add(plan, name, summary, examples,
                              [word, act](Session& session) { return act(session, **word); });
    *word = add_place(app, place, help);
  };
  verb("create", "Stores a plan file under an id of its own.", "dunlin plan create photos.yaml",
       "FILE", "a plan in YAML or JSON", create);
  verbs.add(plan, "list", "Lists stored plans.", "dunlin plan list", list);
  const std::string plan_help = "a plan file, or the id of a stored plan";
  auto shown = std::make_shared<std::pair<Text, Flag>>();
  CLI::App& show_app = verbs.add(
      plan, "show", "Prints a plan, or with --effective its settings and where each comes from.",
      "dunlin plan show 0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10\n"
      "dunlin plan show photos.yaml --effective",
      [shown](Session& session) {
        return *shown->second ? show_effective(session, *shown->first)
                              : show(session, *shown->first);
      });
  shown->first = add_place(show_app, "PLAN", plan_help);
  shown->second = add_flag(show_app, "--effective",
                           "every setting in force: of the plan, of the configuration, or the "
                           "default");
  verb("check", "Checks a plan and says in words what it would do.",
       "dunlin plan check photos.yaml", "PLAN", plan_help, check);
  verb("delete", "Removes a stored plan that no other one waits for; its executions stay.",
       "dunlin plan delete 0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10", "ID", "the id of a stored plan",
       remove);
  verbs.add(plan, "schema", "Prints the JSON Schema of plans.",
            "dunlin plan schema > dunlin-plan.schema.json", [](Session& session) -> Result<int> {
              session.result(dump_json(engine::plan_schema(session.kinds()), 2) + "\n");
              return kDone;
            });
}

}  // namespace dunlin::cli
