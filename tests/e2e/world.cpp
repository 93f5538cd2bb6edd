// See world.h.
#include "e2e/world.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace dunlin::e2e {

namespace fs = std::filesystem;

namespace {

std::string find_binary() {
  const char* named = std::getenv("DUNLIN_BINARY");
  if (named != nullptr && *named != '\0') return fs::absolute(named);
  return fs::read_symlink("/proc/self/exe").parent_path() / "dunlin";
}

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

World::World() : binary_(find_binary()) {
  std::string pattern = fs::temp_directory_path() / "dunlin-e2e-XXXXXX";
  root_ = ::mkdtemp(pattern.data());
  fs::create_directories(path("home"));
}

World::~World() {
  // An owner that a failed test left behind must not outlive it.
  static_cast<void>(run({"stop", "--now", "--all", "--quiet"}));
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

ProcessOptions World::dunlin(const std::vector<std::string>& words) const {
  ProcessOptions out;
  out.words = {binary_};
  out.words.insert(out.words.end(), words.begin(), words.end());
  out.environment = {{"DUNLIN_STATE", state()}, {"HOME", path("home")}, {"LANG", "C.UTF-8"}};
  out.folder = root_;
  return out;
}

Finished World::run(const std::vector<std::string>& words) const {
  return testing::run_process(dunlin(words));
}

Json World::json(std::vector<std::string> words) const {
  words.emplace_back("--json");
  const Finished done = run(words);
  EXPECT_EQ(done.code, 0) << done.err;
  const auto lines = json_lines(done.out);
  return lines.empty() ? Json() : lines.back();
}

std::string World::status() const {
  return string_or(json({"status", "last"}), "status", "");
}

bool World::is_under_way() const {
  return eventually([this] {
    const Finished done = run({"ps", "--json"});
    const auto lines = json_lines(done.out);
    if (lines.empty() || !lines.back().is_array() || lines.back().empty()) return false;
    const Json& last = lines.back().back();
    return boolean_or(last, "live", false) && last["status"] == "running" &&
           last["progress"]["phase"] == "loading";
  });
}

void World::make_tree(const std::string& name, int files, std::size_t bytes) {
  std::string content(bytes, 'x');
  for (int i = 0; i < files; ++i) {
    const std::string file = "d" + std::to_string(i % 5) + "/f" + std::to_string(i);
    for (std::size_t at = 0; at < content.size(); at += 64)
      content[at] = static_cast<char>('a' + (i + static_cast<int>(at)) % 26);
    write(name + "/" + file, content);
  }
}

void World::write(const std::string& name, const std::string& content) const {
  const fs::path file = path(name);
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << content;
}

std::string World::difference(const std::string& one, const std::string& other) const {
  const auto compare = [&](const std::string& left, const std::string& right, bool contents) {
    for (const auto& entry : fs::recursive_directory_iterator(path(left))) {
      const fs::path twin = fs::path(path(right)) / fs::relative(entry.path(), path(left));
      if (!fs::exists(fs::symlink_status(twin))) return twin.string() + " is missing";
      if (contents && entry.is_regular_file() && content_of(entry.path()) != content_of(twin))
        return twin.string() + " is different";
    }
    return std::string();
  };
  if (!fs::exists(path(other))) return path(other) + " is missing";
  const std::string there = compare(one, other, true);
  return there.empty() ? compare(other, one, false) : there;
}

std::vector<std::string> World::leftovers(const std::string& name) const {
  std::vector<std::string> out;
  if (!fs::exists(path(name))) return out;
  for (const auto& entry : fs::recursive_directory_iterator(path(name)))
    if (entry.path().filename().string().starts_with(".dunlin")) out.push_back(entry.path());
  return out;
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    auto parsed = parse_json(line);
    EXPECT_TRUE(parsed.ok()) << "no JSON: " << line;
    if (parsed.ok()) out.push_back(std::move(parsed).value());
  }
  return out;
}

}  // namespace dunlin::e2e
