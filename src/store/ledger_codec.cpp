#include "store/ledger_codec.h"

#include "base/binary.h"
#include "base/json.h"
#include "base/redact.h"
#include "base/text.h"

namespace dunlin::store {
namespace {

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool pack_one(std::string_view part, std::string& out) {
  const std::size_t colon = part.find(':');
  if (colon == std::string_view::npos) return false;
  const auto kind = hash_kind_from_name(part.substr(0, colon));
  const std::string_view digits = part.substr(colon + 1);
  if (!kind || digits.size() != 2 * digest_size(*kind)) return false;
  out.push_back(static_cast<char>(*kind));
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = nibble(digits[i]);
    const int low = nibble(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>((high << 4) | low));
  }
  return true;
}

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void put_signed(std::string& out, std::int64_t value) {
  put_varint(out,
             (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

void put_bytes(std::string& out, std::string_view value) {
  put_varint(out, value.size());
  out.append(value);
}

}  // namespace

std::string counters_json(const Counters& counters) {
  Json json = Json::object();
  for (const CounterField& field : kCounterFields)
    json[std::string(field.name)] = counters.*field.member;
  return dump_json(json);
}

Result<Counters> counters_from_json(std::string_view text) {
  DUNLIN_ASSIGN(const Json json, parse_json(text, "counters"));
  Counters counters;
  for (const CounterField& field : kCounterFields)
    counters.*field.member = integer_or(json, field.name, 0);
  return counters;
}

std::string rollback_part_json(const RollbackPart& part) {
  Json json = Json::object();
  json["of"] = part.of_json;
  json["then"] = to_string(part.then);
  json["phase"] = part.phase;
  json["reason"] = part.reason_json;
  return dump_json(json);
}

Result<RollbackPart> rollback_part_from_json(std::string_view text) {
  DUNLIN_ASSIGN(const Json json, parse_json(text, "part"));
  const auto then = execution_status_from(string_or(json, "then", ""));
  if (!then) return Error(ErrorType::state_corrupt, "the part that is taken back is damaged");
  return RollbackPart{string_or(json, "of", ""), *then, string_or(json, "phase", ""),
                      string_or(json, "reason", "")};
}

std::string baseline_json(const Baseline& baseline) {
  Json json = Json::object();
  json["execution"] = baseline.execution.value;
  json["number"] = baseline.number;
  json["since_ms"] = baseline.since_ms;
  json["roots"] = baseline.roots;
  return dump_json(json);
}

Result<Baseline> baseline_from_json(std::string_view text) {
  DUNLIN_ASSIGN(const Json json, parse_json(text, "baseline"));
  Baseline baseline;
  baseline.execution = ExecutionId(string_or(json, "execution", ""));
  baseline.number = integer_or(json, "number", 0);
  baseline.since_ms = integer_or(json, "since_ms", 0);
  baseline.roots = string_or(json, "roots", "");
  if (baseline.execution.valid() && baseline.since_ms > 0) return baseline;
  return Error(ErrorType::state_corrupt, "what the execution builds on is damaged");
}

bool pack_checksum(std::string_view text, std::string& out) {
  out.clear();
  if (text.empty()) return false;
  while (true) {
    const std::size_t blank = text.find(' ');
    if (!pack_one(text.substr(0, blank), out)) return false;
    if (blank == std::string_view::npos) return true;
    text.remove_prefix(blank + 1);
  }
}

std::string unpack_checksum(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const auto kind = static_cast<HashKind>(bytes[0]);
    if (kind != HashKind::md5 && kind != HashKind::sha256 && kind != HashKind::xxh3) return {};
    const std::size_t size = digest_size(kind);
    if (bytes.size() < 1 + size) return {};
    if (!text.empty()) text += ' ';
    text.append(to_string(kind)).append(":").append(hex(bytes.substr(1, size)));
    bytes.remove_prefix(1 + size);
  }
  return text;
}

std::string error_extra_json(const Error& error) {
  if (error.context.empty() && error.remediation.empty() && !error.possibly_applied &&
      error.retry_after_ms == 0) {
    return {};
  }
  Json json = Json::object();
  for (const std::string& context : error.context) json["context"].push_back(redact(context));
  if (!error.remediation.empty()) json["remediation"] = redact(error.remediation);
  if (error.possibly_applied) json["possibly_applied"] = true;
  if (error.retry_after_ms != 0) json["retry_after_ms"] = error.retry_after_ms;
  return dump_json(json);
}

void add_error_extra(Error& error, std::string_view text) {
  if (text.empty()) return;
  const Result<Json> parsed = parse_json(text, "error");
  if (!parsed)
    return;  // the columns of its own are what counts; a damaged extra must not hide the error
  if (const Json* context = find_member(*parsed, "context");
      context != nullptr && context->is_array()) {
    for (const Json& line : *context) {
      if (line.is_string()) error.context.push_back(line.get<std::string>());
    }
  }
  error.remediation = string_or(*parsed, "remediation", "");
  error.possibly_applied = boolean_or(*parsed, "possibly_applied", false);
  error.retry_after_ms = integer_or(*parsed, "retry_after_ms", 0);
}

std::string audit_hash(Hasher& hasher, std::string_view previous_raw, const AuditRow& row) {
  std::string buffer;
  buffer.reserve(64 + row.detail_json.size());
  put_bytes(buffer, previous_raw);
  put_signed(buffer, row.sequence);
  put_signed(buffer, row.time_ms);
  put_bytes(buffer, row.actor);
  put_bytes(buffer, row.action);
  put_bytes(buffer, row.detail_json);
  hasher.reset();
  hasher.update(buffer);
  return hasher.finish();
}

std::string checkpoint_checksum(Hasher& hasher, const CheckpointRow& row) {
  std::string buffer;
  put_signed(buffer, row.last_processed_batch);
  put_signed(buffer, row.last_processed_record_id);
  put_bytes(buffer, row.cumulative_stats_json);
  put_varint(buffer, row.pending_batch_ids.size());
  for (const std::int64_t id : row.pending_batch_ids) put_signed(buffer, id);
  put_bytes(buffer, row.error_summary_json);
  put_signed(buffer, row.ledger_sequence);
  put_signed(buffer, row.created_ms);
  hasher.reset();
  hasher.update(buffer);
  return hex(hasher.finish());
}

void add_to_segment(std::string& buffer, const sql::Statement& row, std::string_view action) {
  put_signed(buffer, row.column_int64(0));
  put_signed(buffer, row.column_int64(1));
  put_signed(buffer, row.column_int64(2));
  put_bytes(buffer, action);
  put_signed(buffer, row.column_is_null(4) ? -1 : row.column_int64(4));
  put_signed(buffer, row.column_int64(5));
  put_bytes(buffer, row.column_blob(6));
}

Error as_state_error(Error error) {
  switch (error.type) {
    case ErrorType::disk_full:
    case ErrorType::quota_exceeded:
    case ErrorType::write_error:
    case ErrorType::read_only_destination:
    case ErrorType::permission_denied:
    case ErrorType::too_many_open_files: {
      error.type = ErrorType::state_write_failed;
      return error;
    }
    default:
      return error;
  }
}

}  // namespace dunlin::store
