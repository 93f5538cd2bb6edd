// See config.h.
#include "cli/config.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"
#include "base/yaml.h"
#include "engine/settings_table.h"

namespace dunlin::cli {

namespace {

std::string text_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

Result<Config> read_config(const std::string& path) {
  DUNLIN_ASSIGN(const std::string text, read_file(path, 1 << 20));
  DUNLIN_ASSIGN(const YamlDocument document, parse_yaml(text, path));
  const Json& root = document.root();
  Config out;
  if (root.is_null()) return out;
  if (!root.is_object())
    return Error(ErrorType::invalid_input,
                 path +
                     ": a configuration is a table with the keys state, log_level, audit_key_file, "
                     "settings");
  const std::vector<std::string> known = {"state", "log_level", "audit_key_file", "settings"};
  std::vector<std::string> problems;
  for (const auto& [key, value] : root.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const auto near = nearest_word(key, known);
      problems.push_back(fmt::format("/{}: unknown key{}", json_pointer_token(key),
                                     near ? "; did you mean " + *near + "?" : ""));
    } else if (key != "settings" && !value.is_string()) {
      problems.push_back(fmt::format("/{}: must be text", key));
    }
  }
  out.state = string_or(root, "state", "");
  out.log_level = string_or(root, "log_level", "");
  out.audit_key_file = string_or(root, "audit_key_file", "");
  const engine::SettingsSource source{"/settings", find_member(root, "settings")};
  out.settings = engine::canonical_settings({&source, 1}, problems);
  if (problems.empty()) return out;
  std::vector<std::string> lines;
  for (const auto& problem : problems)
    lines.push_back(
        fmt::format("{}: {}", document.where(problem.substr(0, problem.find(": "))), problem));
  return Error(ErrorType::invalid_input, fmt::format("{}", fmt::join(lines, "\n")));
}

/// The strongest that is there wins, setting by setting.
void lay_over(Config& under, Config over) {
  if (!over.state.empty()) under.state = std::move(over.state);
  if (!over.log_level.empty()) under.log_level = std::move(over.log_level);
  if (!over.audit_key_file.empty()) under.audit_key_file = std::move(over.audit_key_file);
  under.settings = engine::merge_settings(std::move(under.settings), over.settings);
}

std::string variable_of(std::string_view path) {
  std::string out = "DUNLIN_";
  for (const char c : path)
    out +=
        c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Json environment_settings(const Environment& environment, std::vector<std::string>& problems) {
  Json out = Json::object();
  for (const auto& info : engine::setting_infos()) {
    std::vector<std::string_view> paths = info.aliases;
    paths.push_back(info.path);
    for (const auto path : paths) {
      const std::string name = variable_of(path);
      const std::string text = text_of(environment, name.c_str());
      if (!text.empty()) put_setting(out, std::string(path), value_of(text), name, problems);
    }
  }
  return out;
}

}  // namespace

Json value_of(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return number;
  double fraction = 0;
  const auto [end2, error2] = std::from_chars(text.data(), text.data() + text.size(), fraction);
  if (error2 == std::errc() && end2 == text.data() + text.size() && !text.empty()) return fraction;
  return text;
}

void put_setting(Json& settings, const std::string& path, const Json& value,
                 const std::string& label, std::vector<std::string>& problems) {
  Json section = value;
  for (std::string rest = path; !rest.empty();) {
    const auto dot = rest.rfind('.');
    section = Json{{rest.substr(dot == std::string::npos ? 0 : dot + 1), section}};
    rest = dot == std::string::npos ? "" : rest.substr(0, dot);
  }
  std::vector<std::string> found;
  const engine::SettingsSource source{"", &section};
  settings =
      engine::merge_settings(std::move(settings), engine::canonical_settings({&source, 1}, found));
  for (const auto& problem : found)
    problems.push_back(label + problem.substr(std::min(problem.find(": "), problem.size())));
}

Result<Config> load_config(const std::string& file, const Environment& environment) {
  Config out;
  std::vector<std::string> places = {"/etc/dunlin/config.yaml"};
  if (file.empty()) {
    const std::string home = text_of(environment, "HOME");
    std::string folder = text_of(environment, "XDG_CONFIG_HOME");
    if (folder.empty() && !home.empty()) folder = home + "/.config";
    if (!folder.empty()) places.push_back(folder + "/dunlin/config.yaml");
  }
  for (const auto& place : places) {
    if (::access(place.c_str(), F_OK) != 0) continue;
    DUNLIN_ASSIGN(Config more, read_config(place));
    lay_over(out, std::move(more));
  }
  if (!file.empty()) {
    DUNLIN_ASSIGN(Config more, read_config(file));
    lay_over(out, std::move(more));
  }
  Config above;
  std::vector<std::string> problems;
  above.settings = environment_settings(environment, problems);
  above.log_level = text_of(environment, "DUNLIN_LOG_LEVEL");
  lay_over(out, std::move(above));
  if (problems.empty()) return out;
  return Error(ErrorType::invalid_input, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace dunlin::cli
