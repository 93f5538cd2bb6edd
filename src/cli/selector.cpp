// See selector.h.
#include "cli/selector.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::cli {

SelectorFlags::SelectorFlags(CLI::App& app)
    : batch_(add_text(app, "--batch", "N", "only this batch")),
      item_(add_text(app, "--item", "ID", "only this item (`dunlin errors` shows ids)")),
      type_(add_text(app, "--type", "TYPE", "only errors of this type or category")),
      path_(add_text(app, "--path", "GLOB", "only items whose path matches")),
      task_(add_text(app, "--task", "UID", "only items of this task (`dunlin tasks` shows them)")) {
}

PartFlags::PartFlags(CLI::App& app)
    : path_(add_text(app, "--path", "GLOB",
                     "items whose path below the source matches; * also stands for /")),
      entity_(add_text(app, "--entity", "NAME", "items of this table or directory")),
      type_(add_text(app, "--type", "TYPE", "files: file, symlink, FIFO, socket …")) {}

UndoFlags::UndoFlags(CLI::App& app)
    : part_(app),
      batch_(add_text(app, "--batch", "N", "only this batch")),
      task_(add_text(app, "--task", "UID", "only this task (`dunlin tasks` shows them)")),
      item_(add_text(app, "--item", "ID", "only this item (`dunlin items` shows ids)")) {}

namespace {

/// Requests and settings are JSON, which holds no other bytes: a name with some would become
/// another.
Status put_name(Json& out, const char* key, const std::string& name) {
  if (name.empty()) return success();
  if (!is_utf8(name))
    return Error(ErrorType::invalid_input,
                 fmt::format("--{} takes UTF-8, not '{}'; in a pattern ? stands for any byte", key,
                             escape_bytes(name)));
  out[key] = name;
  return success();
}

/// As fs names them. Directories are shared with what is not meant, and are no part by themselves.
Status check_type(const std::string& type) {
  const std::vector<std::string> types = {"file",   "symlink",          "FIFO",
                                          "socket", "character device", "block device"};
  if (type.empty() || std::find(types.begin(), types.end(), type) != types.end()) return success();
  const auto near = nearest_word(type, types);
  return Error(ErrorType::invalid_input,
               fmt::format("--type is one of {}, not '{}'{}", fmt::join(types, ", "),
                           escape_bytes(type), near ? "; did you mean '" + *near + "'?" : ""));
}

}  // namespace

Result<Json> PartFlags::read() const {
  Json out = Json::object();
  DUNLIN_TRY(put_name(out, "path", *path_));
  DUNLIN_TRY(put_name(out, "entity", *entity_));
  DUNLIN_TRY(check_type(*type_));
  DUNLIN_TRY(put_name(out, "type", *type_));
  return out;
}

Result<Json> UndoFlags::read() const {
  DUNLIN_ASSIGN(Json out, part_.read());
  if (!batch_->empty()) {
    DUNLIN_ASSIGN(out["batch"], whole_number(*batch_, "--batch"));
  }
  if (!task_->empty()) {
    DUNLIN_ASSIGN(out["task"], task_number(*task_));
  }
  if (!item_->empty()) {
    DUNLIN_ASSIGN(out["item"], whole_number(*item_, "--item"));
  }
  return out;
}

Result<std::int64_t> task_number(const std::string& text) {
  const auto dash = text.rfind('-');
  auto number = whole_number(dash == std::string::npos ? text : text.substr(dash + 1), "--task");
  if (number.ok()) return number;
  Error error(ErrorType::invalid_input,
              fmt::format("--task takes a uid such as files-3, not '{}'", escape_bytes(text)));
  error.remediation = "`dunlin tasks EXEC` lists them";
  return error;
}

Result<std::int64_t> whole_number(const std::string& text, std::string_view flag) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 1)
    return Error(ErrorType::invalid_input,
                 fmt::format("{} takes a whole number from 1, not '{}'", flag, escape_bytes(text)));
  return out;
}

Result<std::string> error_type_name(const std::string& text) {
  std::vector<std::string> names = {"transient", "validation", "constraint", "system", "fatal"};
  for (const auto& type : all_error_types()) names.emplace_back(type.name);
  if (std::find(names.begin(), names.end(), text) != names.end()) return text;
  const auto near = nearest_word(text, names);
  Error error(ErrorType::invalid_input,
              fmt::format("there is no error type '{}'{}", escape_bytes(text),
                          near ? "; did you mean '" + *near + "'?" : ""));
  error.remediation = "dunlin explain --list";
  return error;
}

Result<Json> SelectorFlags::read() const {
  Json out = Json::object();
  if (!task_->empty()) {
    DUNLIN_ASSIGN(out["task"], task_number(*task_));
  }
  if (!batch_->empty()) {
    DUNLIN_ASSIGN(out["batch"], whole_number(*batch_, "--batch"));
  }
  if (!item_->empty()) {
    DUNLIN_ASSIGN(out["item"], whole_number(*item_, "--item"));
  }
  if (!type_->empty()) {
    DUNLIN_ASSIGN(out["type"], error_type_name(*type_));
  }
  DUNLIN_TRY(put_name(out, "path", *path_));
  return out;
}

}  // namespace dunlin::cli
