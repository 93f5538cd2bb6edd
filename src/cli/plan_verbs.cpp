// plan create, list, show, check, delete, schema.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/plan_input.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"
#include "engine/plan_schema.h"

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

Result<int> create(Session& session, const std::string& file) {
  DUNLIN_ASSIGN(engine::Plan plan, engine::load_plan_file(file, session.kinds()));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
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
  if (session.options().json) {
    Json out = Json::array();
    for (const auto& row : plans) out.push_back(plan_json(row));
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
               {"NAME", Align::left, true}});
  for (const auto& row : plans)
    table.add({row.id.value, row.kind, row.status, printable(row.name)});
  session.result(table.text(session.out().width(), session.out().charset()));
  return kDone;
}

Result<int> show(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, plan_from_word(session, word));
  session.result(dump_json(plan.document, session.options().json ? -1 : 2) + "\n");
  return kDone;
}

Result<int> check(Session& session, const std::string& word) {
  DUNLIN_ASSIGN(const engine::Plan plan, checked(session, word));
  const engine::Kind* kind = session.kinds().find(plan.kind);
  if (kind == nullptr) return Error(ErrorType::defect, "a plan without a kind");
  DUNLIN_ASSIGN(const auto claims, kind->claims(plan));
  if (plan.id.valid()) {
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
                                 {"meanings", std::move(meanings)}});
  session.print(text);
  return kDone;
}

Result<int> remove(Session& session, const std::string& id) {
  DUNLIN_ASSIGN(const store::PlanRow row, stored_plan(session, id));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
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
  verb("show", "Prints a plan.", "dunlin plan show 0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10", "PLAN",
       plan_help, show);
  verb("check", "Checks a plan and says in words what it would do.",
       "dunlin plan check photos.yaml", "PLAN", plan_help, check);
  verb("delete", "Removes a stored plan; its executions stay.",
       "dunlin plan delete 0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10", "ID", "the id of a stored plan",
       remove);
  verbs.add(plan, "schema", "Prints the JSON Schema of plans.",
            "dunlin plan schema > dunlin-plan.schema.json", [](Session& session) -> Result<int> {
              session.result(dump_json(engine::plan_schema(session.kinds()), 2) + "\n");
              return kDone;
            });
}

}  // namespace dunlin::cli
