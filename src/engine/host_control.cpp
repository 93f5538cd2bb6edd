// The control half of the host: requests from this process, from the owner's socket and from
// control rows.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/logging.h"
#include "base/text.h"
#include "engine/host.h"

namespace dunlin::engine {
namespace {

using std::chrono::milliseconds;

/// How long a request of this process waits for the coordinator; recording it takes one commit.
constexpr milliseconds kRequestWait{5000};
/// Of another process: it does not wait longer, and meanwhile nobody else is heard.
constexpr milliseconds kSocketWait{kControlAnswerMs};
/// ARCHITECTURE, "Processes, ownership, control": calls in flight get this long after an emergency
/// stop.
constexpr milliseconds kStopGrace{500};

/// `--item` names one, and answers it.
bool names_one(const Json& selector) {
  return integer_or(selector, "item", 0) > 0;
}

std::vector<BatchId> selected_batches(const Json& selector) {
  const std::int64_t batch = integer_or(selector, "batch", 0);
  return batch > 0 ? std::vector<BatchId>{BatchId(batch)} : std::vector<BatchId>{};
}

Json refusal(const std::string& message) {
  return Json{{"accepted", false}, {"message", message}};
}

Json refusal(const Error& error) {
  return Json{{"accepted", false},
              {"type", std::string(to_string(error.type))},
              {"message", error.text()},
              {"remediation", error.remedy("last")}};
}

}  // namespace

void Execution::Host::start_control() {
  Result<std::string> directory = parts.state.run_directory();
  if (!directory.ok()) {
    log_warn("no control socket: {}", directory.error().text());
    return;
  }
  auto server = ControlServer::start(
      *directory, parts.row.id.value + ".sock",
      [this](const Json& request, uid_t peer) { return handle_request(request, peer); },
      [this] { poll_control_rows(); });
  if (server.ok()) {
    control_ = *std::move(server);
  } else {
    log_warn("no control socket: {}", server.error().text());
  }
}

Json Execution::Host::live_progress() {
  const Progress live = progress();
  Json answer;
  answer["accepted"] = true;
  Json rates = Json::object();
  const auto put = [&](const char* key, const auto& value) {
    rates[key] = value ? Json(*value) : Json(nullptr);
  };
  put("bytes_per_second", live.bytes_per_second);
  put("items_per_second", live.items_per_second);
  put("average_bytes_per_second", live.average_bytes_per_second);
  put("peak_bytes_per_second", live.peak_bytes_per_second);
  put("estimated_seconds_remaining", live.estimated_seconds_remaining);
  answer["rates"] = std::move(rates);
  answer["processed_bytes"] = live.counters.processed_bytes;
  answer["transferred_bytes"] = live.counters.transferred_bytes;
  answer["percent_complete"] = live.percent_complete;
  answer["current_items"] = current_items_json(live.current_items);
  answer["limits"] = limits_.json();
  answer["sharing"] = sharing_json();
  const std::lock_guard lock(requests_mutex_);
  answer["pending_request"] = pending_request_;
  return answer;
}

/// Who asks is what the kernel and the token say, never what the request says of itself.
Json Execution::Host::handle_request(const Json& request, uid_t peer) {
  const Asker asker{peer, Secret(string_or(request, "token", "")),
                    printable(string_or(request, "via", "unknown"))};
  const std::string verb = string_or(request, "verb", "");
  const bool tells_refusal = verb == kRefusedRequest;
  const std::string tried = tells_refusal ? string_or(request, "tried", "") : verb;
  const std::int64_t now = parts.clock.wall_ms();
  Result<Caller> caller = identify(parts.state, asker, now);
  const Status may = caller.ok() ? check_role(*caller, tried) : Status(caller.error());
  if (!may.ok()) {
    const bool by_role = may.error().type == ErrorType::role_refused;
    if (!caller.ok()) caller = Caller{{}, {}, peer, store::Role::nobody, false, {}};
    if (by_role && tried != "progress") record_refusal(*caller, asker.via, tried);
    return refusal(may.error());
  }
  if (tells_refusal) return refusal("it is allowed by now");
  if (verb == "progress") return live_progress();
  const Json* arguments = find_member(request, "arguments");
  return request_within(verb, arguments != nullptr ? *arguments : Json::object(),
                        caller->actor(asker.via), kSocketWait)
      .value_or(Json());  // no answer: who asked writes a control row then
}

void Execution::Host::record_refusal(const Caller& caller, std::string_view via,
                                     const std::string& verb) {
  constexpr std::size_t kLongest = 64;  // anybody may ask for anything
  const std::string shown = printable(verb.substr(0, kLongest));
  writer_->submit({refusal_entry(caller, via, shown)}, [](const LedgerWriter::Written& written) {
    if (!written.results.ok())
      log_warn("a refusal is not in the audit record: {}", written.results.error().text());
  });
}

/// null: with nobody at present.
Json Execution::Host::sharing_json() {
  FairShare* const share = governor_.shared();
  if (share == nullptr) return nullptr;
  const SharePolicy::Standing standing = share->standing();
  if (standing.others == 0) return nullptr;
  return Json{{"with", standing.others}, {"due", standing.due}, {"waits", standing.waits}};
}

Json Execution::Host::request(const std::string& verb, const Json& arguments,
                              const std::string& actor) {
  return request_within(verb, arguments, actor, kRequestWait)
      .value_or(refusal("the owner is busy; the request stands"));
}

/// Nothing when the answer takes longer.
std::optional<Json> Execution::Host::request_within(const std::string& verb, const Json& arguments,
                                                    const std::string& actor,
                                                    milliseconds patience) {
  coordinator::Control control{0, verb, dump_json(arguments), actor, {}, {}, false};
  if (const Status prepared = prepare(control, arguments); !prepared.ok())
    return refusal(prepared.error().text());
  if (verb == "stop") emergency_stop();
  const auto promise = std::make_shared<std::promise<Json>>();
  std::future<Json> answer = promise->get_future();
  {
    const std::lock_guard lock(requests_mutex_);
    if (requests_closed_) return refusal("the execution has just ended");
    control.request = next_request_++;
    requests_[control.request] = promise;
  }
  post(std::move(control));
  if (answer.wait_for(patience) == std::future_status::ready) return answer.get();
  return std::nullopt;
}

void Execution::Host::carry_out(const coordinator::Answer& command) {
  std::shared_ptr<std::promise<Json>> promise;
  std::int64_t row_id = 0;
  {
    const std::lock_guard lock(requests_mutex_);
    if (const auto found = requests_.find(command.request); found != requests_.end()) {
      promise = found->second;
      requests_.erase(found);
    }
    for (auto& [row, request] : control_rows_) {
      if (request != command.request) continue;
      row_id = row;
      request = 0;
    }
  }
  const Json body{{"accepted", command.accepted}, {"message", command.message}};
  if (command.accepted && state_.target && state_.asked_by_person) {
    const std::lock_guard lock(requests_mutex_);
    pending_request_ = state_.target == store::ExecutionStatus::cancelled ? "cancel" : "pause";
  }
  if (promise) promise->set_value(body);
  if (row_id > 0) {
    parts.state.store()
        .answer_control(row_id, dump_json(body), parts.clock.wall_ms())
        .ignore(
            "the request has taken effect; an unanswered row is ignored once the execution has "
            "ended");
  }
  publish("control", body);
}

/// The coordinator has ended: nobody is left to answer.
void Execution::Host::close_requests() {
  std::map<std::int64_t, std::shared_ptr<std::promise<Json>>> waiting;
  {
    const std::lock_guard lock(requests_mutex_);
    requests_closed_ = true;
    waiting.swap(requests_);
  }
  for (auto& [request, promise] : waiting)
    promise->set_value(refusal("the execution has just ended"));
}

/// Requests that came while the socket did not answer. Each row is taken once.
void Execution::Host::poll_control_rows() {
  Result<std::vector<store::ControlRow>> rows = parts.state.store().pending_controls(parts.row.id);
  if (!rows.ok()) return;
  for (const store::ControlRow& row : *rows) {
    coordinator::Control control{0, row.verb, row.arguments_json, row.actor, {}, {}, false};
    {
      const std::lock_guard lock(requests_mutex_);
      if (control_rows_.contains(row.id)) continue;
      control.request = next_request_++;
      control_rows_[row.id] = control.request;
    }
    // Its operator may have been changed since; who writes rows can claim any user id, but then
    // the state is theirs.
    const Result<Caller> caller = identify(parts.state, row);
    const Status may = caller.ok() ? check_role(*caller, row.verb) : Status(caller.error());
    if (!may.ok()) {
      record_refusal(caller.ok() ? *caller : Caller{}, "control row", row.verb);
      carry_out(coordinator::Answer{control.request, false, may.error().text()});
      continue;
    }
    const Result<Json> arguments = parse_json(row.arguments_json);
    const Status prepared =
        arguments.ok() ? prepare(control, *arguments) : Status(arguments.error());
    if (!prepared.ok()) {
      carry_out(coordinator::Answer{control.request, false, prepared.error().text()});
      continue;
    }
    if (row.verb == "stop") emergency_stop();
    post(std::move(control));
  }
}

/// No new permits, 500 ms for calls in flight, the ledger flushed if it can be, then the process
/// ends: crash recovery is the only clean-up path.
void Execution::Host::emergency_stop() {
  cancel_.request(CancelReason::stop);
  governor_.close();
  const std::lock_guard lock(stop_mutex_);
  if (ended_ || stop_watchdog_.joinable()) return;
  stop_watchdog_ = std::thread([this] {
    std::unique_lock wait(stop_mutex_);
    if (stopped_.wait_for(wait, kStopGrace, [this] { return ended_; })) return;
    ::_exit(kExitPaused);
  });
}

/// What a verb means here and now. Limits, and what is held back, take effect before they are
/// recorded: within a second even when the ledger is busy.
Status Execution::Host::prepare(coordinator::Control& control, const Json& arguments) {
  const std::string& verb = control.verb;
  if (verb == "retry" || verb == "skip") {
    DUNLIN_ASSIGN(control.items,
                  select_items(arguments, verb == "retry" ? store::ItemStatus::pending
                                                          : store::ItemStatus::skipped));
    if (verb == "retry") control.batches = selected_batches(arguments);
    control.answers = names_one(arguments);
    return success();
  }
  if ((verb == "pause" || verb == "resume") && names_part(arguments)) {
    DUNLIN_ASSIGN(control.message, change_parts(verb, arguments));
    control.changes.emplace_back(store::SetSettings{settings_now()});
    if (verb == "resume") control.changes.emplace_back(store::ReleaseHeld{});
    return success();
  }
  if (verb == "priority" && names_part(arguments)) return reorder(control, arguments);
  if (verb == "limits" || verb == "priority") {
    DUNLIN_TRY(change_limits(arguments));
    control.changes.emplace_back(store::SetSettings{settings_now()});
    control.message = verb == "limits" ? "limits changed" : "priority changed";
  }
  return success();
}

Status Execution::Host::change_limits(const Json& arguments) {
  DUNLIN_ASSIGN(const LimitChange change, limit_change_from(arguments));
  if (change.concurrency && pool_) pool_->grow_to(workers(static_cast<int>(*change.concurrency)));
  limits_.apply(change);
  return success();
}

std::string Execution::Host::settings_now() const {
  return dump_json(encode_settings(limits_.effective()));
}

Result<std::vector<ItemId>> Execution::Host::select_items(const Json& selector,
                                                          store::ItemStatus to) {
  store::ItemFilter filter;
  if (const std::int64_t batch = integer_or(selector, "batch", 0); batch > 0)
    filter.batch = BatchId(batch);
  if (const std::int64_t item = integer_or(selector, "item", 0); item > 0)
    filter.item = ItemId(item);
  filter.error_type = string_or(selector, "type", "");
  const Selector matcher{string_or(selector, "path", ""), string_or(selector, "entity", ""), ""};
  const bool match_each = !matcher.empty();
  if (match_each) DUNLIN_TRY(have_run());
  const TaskId task(integer_or(selector, "task", 0));
  store::BatchRow batch;
  const auto of_task = [&](const store::ItemRow& item) -> Result<bool> {
    if (!task.valid()) return true;
    if (item.batch != batch.id) {
      DUNLIN_ASSIGN(batch, parts.ledger->batch(item.batch));
    }
    return batch.task == task;
  };
  std::vector<ItemId> found;
  for (const store::ItemStatus status : {store::ItemStatus::failed, store::ItemStatus::skipped}) {
    if (status == store::ItemStatus::skipped && to == store::ItemStatus::skipped) continue;
    filter.status = status;
    filter.after = ItemId();
    for (;;) {
      DUNLIN_ASSIGN(const std::vector<store::ItemRow> page, parts.ledger->items(filter));
      for (const store::ItemRow& item : page) {
        if (match_each && !run_->matches(matcher, item)) continue;
        DUNLIN_ASSIGN(const bool meant, of_task(item));
        if (meant) found.push_back(item.id);
      }
      if (page.size() < filter.limit) break;
      filter.after = page.back().id;
    }
  }
  return found;
}

Result<std::int64_t> Execution::Host::skip_now(const Json& selector, const std::string& actor) {
  DUNLIN_ASSIGN(std::vector<ItemId> items, select_items(selector, store::ItemStatus::skipped));
  if (items.empty())
    return Error(ErrorType::not_found, "no failed item matches; `dunlin errors` lists them");
  const auto count = static_cast<std::int64_t>(items.size());
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(store::ReopenItems{
      std::move(items), store::ItemStatus::skipped, actor, {}, names_one(selector)});
  DUNLIN_ASSIGN(const std::vector<Status> results, parts.ledger->apply(parts.row.epoch, mutations));
  DUNLIN_TRY(results.front());
  publish_summary();
  anchor_audit(true);
  return count;
}

namespace {

/// Cancels when its time is over, unless it has gone before.
class Deadline {
 public:
  Deadline(CancelSource& cancel, std::chrono::milliseconds time) {
    if (time.count() <= 0) return;
    thread_ = std::thread([this, &cancel, time] {
      std::unique_lock lock(mutex_);
      if (!gone_.wait_for(lock, time, [this] { return is_gone_; }))
        cancel.request(CancelReason::pause);
    });
  }
  ~Deadline() {
    {
      const std::lock_guard lock(mutex_);
      is_gone_ = true;
    }
    gone_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable gone_;
  bool is_gone_ = false;
  std::thread thread_;
};

}  // namespace

Status Execution::Host::give_up_undo(const GivingUp& milestones, const std::string& actor,
                                     std::chrono::milliseconds budget) {
  const Deadline deadline(cancel_, budget);
  DUNLIN_TRY(have_run());
  make_parts();
  PlainContext context(*shared_, cancel_.token());
  std::string roots;
  if (!parts.row.roots.empty()) DUNLIN_TRY(check_roots(context, roots));
  const auto record = [&](const std::string& milestone) -> Status {
    const std::vector<store::Mutation> mutations{
        store::AddAudit{actor, "execution." + milestone, "{}"}, store::AddMilestone{milestone}};
    DUNLIN_ASSIGN(const std::vector<Status> results,
                  parts.ledger->apply(parts.row.epoch, mutations));
    for (const Status& result : results) DUNLIN_TRY(result);
    return success();
  };
  DUNLIN_TRY(record(milestones.decided));
  DUNLIN_TRY(run_->release(context));
  DUNLIN_TRY(record(milestones.done));
  forget_kept();
  anchor_audit(true);
  run_->close(context);
  return success();
}

Result<std::string> Execution::Host::change_now(const std::string& verb, const Json& arguments,
                                                const std::string& actor) {
  coordinator::Control control{0, verb, dump_json(arguments), actor, {}, {}, false};
  DUNLIN_TRY(prepare(control, arguments));
  std::vector<store::Mutation> mutations = std::move(control.changes);
  mutations.emplace_back(store::AddAudit{actor, "control." + verb, control.arguments_json});
  DUNLIN_ASSIGN(const std::vector<Status> results, parts.ledger->apply(parts.row.epoch, mutations));
  for (const Status& result : results) DUNLIN_TRY(result);
  anchor_audit(true);
  return std::move(control.message);
}

Result<std::int64_t> Execution::Host::reopen_at_start(const Json& selector, store::ItemStatus to,
                                                      const std::string& actor) {
  DUNLIN_ASSIGN(reopen_, select_items(selector, to));
  reopen_answers_ = names_one(selector);
  reopen_batches_ = selected_batches(selector);
  if (reopen_.empty() && reopen_batches_.empty())
    return Error(ErrorType::not_found, "no failed item matches; `dunlin errors` lists them");
  reopen_to_ = to;
  reopen_actor_ = actor;
  return static_cast<std::int64_t>(reopen_.size());
}

}  // namespace dunlin::engine
