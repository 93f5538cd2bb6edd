#include "engine/execution.h"

#include <utility>

#include "engine/host.h"

namespace dunlin::engine {

Execution::Execution(Parts parts) : host_(std::make_unique<Host>(std::move(parts))) {}
Execution::~Execution() = default;

Outcome Execution::run() {
  return host_->run();
}

Json Execution::request(const std::string& verb, const Json& arguments, const std::string& actor) {
  return host_->request(verb, arguments, actor);
}

Result<std::int64_t> Execution::reopen_at_start(const Json& selector, store::ItemStatus to,
                                                const std::string& actor) {
  return host_->reopen_at_start(selector, to, actor);
}

Result<Execution::Doubted> Execution::resume_from(const Json& point, const std::string& actor) {
  return host_->resume_from(point, actor);
}

Status Execution::roll_back_part(const Json& part) {
  return host_->roll_back_part(part);
}

Status Execution::take_back_failure(const std::string& actor) {
  return host_->take_back_failure(actor);
}

void Execution::cancel_at_start(const std::string& actor) {
  host_->cancel_at_start(actor);
}

Result<std::int64_t> Execution::skip_now(const Json& selector, const std::string& actor) {
  return host_->skip_now(selector, actor);
}

Result<std::string> Execution::change_now(const std::string& verb, const Json& arguments,
                                          const std::string& actor) {
  return host_->change_now(verb, arguments, actor);
}

Status Execution::give_up_undo(const GivingUp& milestones, const std::string& actor,
                               std::chrono::milliseconds budget) {
  return host_->give_up_undo(milestones, actor, budget);
}

Progress Execution::progress() {
  return host_->progress();
}

std::shared_ptr<Subscription> Execution::subscribe(std::size_t capacity) {
  return host_->subscribe(capacity);
}

const ExecutionId& Execution::id() const {
  return host_->parts.row.id;
}
const Plan& Execution::plan() const {
  return host_->parts.plan;
}
const Kind& Execution::kind() const {
  return host_->parts.kind;
}
store::Ledger& Execution::ledger() {
  return *host_->parts.ledger;
}

}  // namespace dunlin::engine
