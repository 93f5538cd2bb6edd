// The engine in a program of your own: start a job, watch it, pause and resume it, cancel another
// one, list them all.
//
//   example_job SOURCE DESTINATION [STATE]
//
// STATE keeps what has to survive a kill of this program ("example-state" if not named): a job that
// was interrupted is gone on with the next time. `dunlin --state STATE ps` shows the same jobs.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "files/files_kind.h"
#include "objects/objects_kind.h"
#include "records/records_kind.h"
#include "sandbox/content_parsers.h"
#include "sandbox/parser_process.h"
#include "schema/schema_kind.h"

namespace {

using dunlin::ExecutionId;
using dunlin::Json;
using dunlin::Result;
using dunlin::Status;
using dunlin::engine::Engine;
using dunlin::engine::Execution;
using dunlin::engine::Goal;
using dunlin::engine::KindRegistry;
using dunlin::engine::Outcome;

constexpr std::chrono::milliseconds kLook{20};

/// A plan document is the same here as in a file for `dunlin run`; docs/plans.md has one of each
/// kind.
Json copy_of(const std::string& source, const std::string& destination) {
  return Json{{"kind", "files"},
              {"name", "from the example"},
              {"source", {{"paths", Json::array({source})}}},
              {"destination", {{"base_path", destination}}},
              {"settings", {{"io_concurrency", 4}}}};
}

/// Records a new job; nothing of it has begun. It survives this process.
Result<ExecutionId> start(Engine& engine, const KindRegistry& kinds, const Json& document) {
  DUNLIN_ASSIGN(const dunlin::engine::Plan plan, dunlin::engine::decode_plan(document, kinds));
  return engine.create(plan);
}

/// Owns the job until it ends or pauses; this process is then the one that `dunlin pause` reaches.
/// With `pause_at` (percent) it pauses there by itself, as a button would.
Result<Outcome> run(Engine& engine, const ExecutionId& id, double pause_at) {
  DUNLIN_ASSIGN(const std::unique_ptr<Execution> job, engine.attach(id, Goal::migrate));
  Outcome outcome;
  std::thread worker([&] { outcome = job->run(); });
  const auto events = job->subscribe();
  while (!events->closed()) {
    const auto event = events->next(kLook.count());
    if (event && event->name == "milestone") std::printf("  %s\n", event->fields.dump().c_str());
    const double percent = job->progress().percent_complete;
    if (percent < pause_at) continue;
    pause_at = 101;
    std::printf("  at %.0f %%: pausing\n", percent);
    std::printf("  %s\n", job->request("pause", Json::object(), "example").dump().c_str());
  }
  worker.join();
  return outcome;
}

Status list(Engine& engine) {
  DUNLIN_ASSIGN(const auto jobs, engine.list());
  for (const auto& job : jobs) {
    std::printf("%3lld  %-10s  %lld of %lld files  %s\n", static_cast<long long>(job.row.number),
                std::string(to_string(job.shown_status)).c_str(),
                static_cast<long long>(job.row.counters.succeeded_items),
                static_cast<long long>(job.row.counters.total_items), job.row.description.c_str());
  }
  return dunlin::success();
}

Result<int> example(const std::string& source, const std::string& destination,
                    const std::string& state) {
  KindRegistry kinds;
  kinds.add(dunlin::objects::make_objects_kind());
  kinds.add(dunlin::files::make_files_kind());
  kinds.add(dunlin::records::make_records_kind());
  kinds.add(dunlin::schema::make_schema_kind("example"));
  const dunlin::SystemClock machine;
  const dunlin::SteadyClock clock(machine);
  DUNLIN_ASSIGN(const std::unique_ptr<Engine> engine, Engine::open(state, kinds, clock));

  DUNLIN_ASSIGN(const ExecutionId copy, start(*engine, kinds, copy_of(source, destination)));
  std::printf("job %s is recorded\n", copy.value.c_str());
  DUNLIN_ASSIGN(Outcome outcome, run(*engine, copy, 30));
  // A small job may have been faster than the pause.
  if (outcome.status == dunlin::store::ExecutionStatus::paused) {
    std::printf("paused; going on\n");
    DUNLIN_ASSIGN(outcome, run(*engine, copy, 101));
  }
  std::printf("%s\n", std::string(to_string(outcome.status)).c_str());
  if (outcome.reason) std::printf("because: %s\n", outcome.reason->text().c_str());

  DUNLIN_ASSIGN(const ExecutionId other,
                start(*engine, kinds, copy_of(source, destination + " again")));
  // Of a job that runs in another process its owner does it.
  DUNLIN_ASSIGN(const auto answer, engine->control(other, "cancel", Json::object(),
                                                   dunlin::engine::Asker::here("example")));
  std::printf("another one: %s\n", answer.body.dump().c_str());
  DUNLIN_TRY(list(*engine));
  return outcome.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  // Rules about the contents of files are decided in a confined child: this program, called so.
  if (argc == 2 && std::string_view(argv[1]) == dunlin::sandbox::kParserWord)
    return dunlin::sandbox::content_parser_main();
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: %s SOURCE DESTINATION [STATE]\n", argv[0]);
    return 2;
  }
  const Result<int> code = example(argv[1], argv[2], argc == 4 ? argv[3] : "example-state");
  if (code.ok()) return *code;
  std::fprintf(stderr, "%s\n", code.error().text().c_str());
  return 1;
}
