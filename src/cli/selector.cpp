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
      type_(add_text(app, "--type", "TYPE", "files: file, directory, symlink, FIFO …")) {}

Json PartFlags::read() const {
  Json out = Json::object();
  if (!path_->empty()) out["path"] = *path_;
  if (!entity_->empty()) out["entity"] = *entity_;
  if (!type_->empty()) out["type"] = *type_;
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
  if (!path_->empty()) out["path"] = *path_;
  return out;
}

}  // namespace dunlin::cli
