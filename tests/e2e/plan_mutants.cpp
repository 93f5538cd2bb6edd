// See plan_mutants.h.
#include "e2e/plan_mutants.h"

#include <map>
#include <random>

namespace dunlin::e2e {

namespace {

/// One key, item or value, by the way to it: names of members, numbers of items.
using Way = std::vector<std::string>;

std::string key_of(const Way& way) {
  std::string out;
  for (const auto& step : way) {
    const bool item = step.find_first_not_of("0123456789") == std::string::npos;
    out += item ? "[" + step + "]" : (out.empty() ? "" : ".") + step;
  }
  return out;
}

Json& at(Json& root, const Way& way) {
  Json* place = &root;
  for (const auto& step : way)
    place = place->is_array() ? &(*place)[std::stoul(step)] : &(*place)[step];
  return *place;
}

class Writer {
 public:
  explicit Writer(bool as_json) : as_json_(as_json) {}

  std::string write(const Json& plan) {
    if (as_json_) {
      json(plan, {}, 0, "");
      line_ += '\n';
      text_ += line_;
    } else {
      yaml(plan, {}, 0);
    }
    return text_;
  }
  /// From 1; of a member its key, of an item its beginning.
  [[nodiscard]] int line_of(const Way& way) const {
    const auto found = lines_.find(key_of(way));
    return found == lines_.end() ? 0 : found->second;
  }

 private:
  void note(const Way& way) { lines_.emplace(key_of(way), line_number_); }
  void end_line() {
    text_ += line_ + "\n";
    line_.clear();
    ++line_number_;
  }

  void yaml(const Json& value, const Way& way, std::size_t indent) {
    for (std::size_t n = 0; n < value.size(); ++n) {
      const auto one = std::next(value.items().begin(), static_cast<std::ptrdiff_t>(n));
      Way below = way;
      below.push_back(value.is_array() ? std::to_string(n) : one.key());
      const Json& part = one.value();
      line_ = std::string(indent, ' ') + (value.is_array() ? "-" : one.key() + ":");
      note(below);
      const bool nested = part.is_structured() && !part.empty();
      if (!nested) line_ += " " + part.dump();
      end_line();
      if (nested) yaml(part, below, indent + 2);
    }
  }

  void json(const Json& value, const Way& way, std::size_t indent, const std::string& before) {
    line_ += before;
    if (!value.is_structured() || value.empty()) {
      line_ += value.dump();
      return;
    }
    line_ += value.is_array() ? "[" : "{";
    end_line();
    for (std::size_t n = 0; n < value.size(); ++n) {
      const auto one = std::next(value.items().begin(), static_cast<std::ptrdiff_t>(n));
      Way below = way;
      below.push_back(value.is_array() ? std::to_string(n) : one.key());
      note(below);
      line_ = std::string(indent + 2, ' ');
      json(one.value(), below, indent + 2, value.is_array() ? "" : "\"" + one.key() + "\": ");
      if (n + 1 < value.size()) line_ += ',';
      end_line();
    }
    line_ = std::string(indent, ' ') + (value.is_array() ? "]" : "}");
  }

  bool as_json_;
  std::string text_;
  std::string line_;
  int line_number_ = 1;
  std::map<std::string, int> lines_;
};

void ways(const Json& value, const Way& way, std::vector<Way>& keys, std::vector<Way>& leaves) {
  if (!value.is_structured()) return leaves.push_back(way);
  for (std::size_t n = 0; n < value.size(); ++n) {
    const auto one = std::next(value.items().begin(), static_cast<std::ptrdiff_t>(n));
    Way below = way;
    below.push_back(value.is_array() ? std::to_string(n) : one.key());
    if (value.is_object()) keys.push_back(below);
    ways(one.value(), below, keys, leaves);
  }
}

/// A value that a key takes out of few, or out of a range, and what is none of it.
struct Bad {
  Way way;
  Json value;
  std::string word;
};

std::vector<Bad> bad_words() {
  return {{{"settings", "mode"}, "fast", "full"},
          {{"settings", "verification_level"}, "thorough", "basic"},
          {{"settings", "priority"}, "top", "normal"},
          {{"settings", "preflight"}, "sometimes", "streaming"},
          {{"settings", "checkpoint", "frequency"}, "hourly", "every_batch"},
          {{"kind"}, "tapes", "records"}};
}

std::vector<Bad> bad_numbers() {
  return {{{"settings", "batch_size"}, 0, "from 1 to"},
          {{"settings", "batch_size"}, 20'000'000, "10000000"},
          {{"settings", "io_concurrency"}, -3, "from 1 to"},
          {{"settings", "parallel_batches"}, 5000, "1024"},
          {{"settings", "max_failures"}, "130%", "100%"},
          {{"settings", "resource_limits", "max_cpu_percent"}, 101, "100"},
          {{"settings", "resource_limits", "max_memory_mb"}, 5, "64"},
          {{"settings", "retry_policy", "max_attempts"}, 0, "from 1 to"},
          {{"settings", "retry_policy", "backoff_multiplier"}, 0.5, "from 1 to"},
          {{"settings", "io_limit"}, "80 MBps", "80MB/s"}};
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed), seed_(seed) {
    const auto plans = good_plans();
    plan_ = plans[seed % plans.size()];
    out_.as_json = (seed / plans.size()) % 3 == 0;
    out_.kind = plan_["kind"];
    ways(plan_, {}, keys_, leaves_);
  }

  PlanMutant make() {
    switch ((seed_ / 8) % 7) {
      case 0:
      case 1:
        misspell();
        break;
      case 2:
        wrong_type();
        break;
      case 3:
        put("unknown word", pick(bad_words()));
        break;
      case 4:
        put("out of range", pick(bad_numbers()));
        break;
      case 5:
        seed_ % 2 == 0 ? drop_required() : key_twice();
        break;
      default:
        contradict();
    }
    return out_;
  }

 private:
  template <typename List>
  typename List::value_type pick(const List& list) {
    return list[random_() % list.size()];
  }

  void finish(const Way& way, const std::string& word) {
    Writer writer(out_.as_json);
    out_.text = writer.write(plan_);
    out_.line = writer.line_of(way);
    out_.key = key_of(way);
    out_.word = word;
  }

  /// A letter is left out, doubled or swapped with the next one.
  void misspell() {
    Way way = pick(keys_);
    const std::string right = way.back();
    std::string wrong = right;
    const std::size_t n = 1 + random_() % (wrong.size() - 2);
    switch (random_() % 3) {
      case 0:
        wrong.erase(n, 1);
        break;
      case 1:
        wrong.insert(n, 1, wrong[n]);
        break;
      default:
        if (wrong[n] == wrong[n + 1])
          wrong.erase(n, 1);
        else
          std::swap(wrong[n], wrong[n + 1]);
    }
    Json& parent = at(plan_, Way(way.begin(), way.end() - 1));
    Json renamed = Json::object();
    for (const auto& [key, value] : parent.items()) renamed[key == right ? wrong : key] = value;
    parent = std::move(renamed);
    way.back() = wrong;
    out_.mistake = "misspelt key";
    out_.suggestion = right;
    finish(way, right);
  }

  void wrong_type() {
    const Way way = pick(leaves_);
    Json& value = at(plan_, way);
    const bool item = way.back().find_first_not_of("0123456789") == std::string::npos;
    if (item)
      value = 7;
    else if (value.is_string() && way.back() != "name")
      value = {{"inside", 1}};
    else
      value = Json::array({Json::array({1})});
    out_.mistake = "wrong type";
    finish(way, "");
  }

  void put(const std::string& mistake, const Bad& bad) {
    at(plan_, bad.way) = bad.value;
    out_.mistake = mistake;
    finish(bad.way, bad.word);
  }

  void drop_required() {
    const bool whole = random_() % 2 == 0;
    const std::string section = random_() % 2 == 0 ? "source" : "destination";
    Way way = {section};
    if (whole) {
      plan_.erase(section);
    } else {
      const std::string key = plan_[section].begin().key();
      plan_[section].erase(key);
      plan_[section]["x"] = 1;  // not empty, so that the section is written as before
      way.push_back(key);
    }
    out_.mistake = "required key left out";
    finish(way, whole ? section : way.back());
    Writer writer(out_.as_json);
    static_cast<void>(writer.write(plan_));
    out_.line = whole ? 1 : writer.line_of({section});
  }

  void key_twice() {
    const Way way = pick(keys_);
    out_.mistake = "key given twice";
    out_.key = "";
    Writer writer(out_.as_json);
    const std::string text = writer.write(plan_);
    // The line again, before itself: a table that is empty then, or the same value.
    const int line = writer.line_of(way);
    std::size_t begin = 0;
    for (int n = 1; n < line; ++n) begin = text.find('\n', begin) + 1;
    std::string again = text.substr(begin, text.find('\n', begin) + 1 - begin);
    const std::size_t colon = again.find(": ");
    if (out_.as_json) {
      again = again.substr(0, again.find("\":")) + "\": 1,\n";
    } else if (colon == std::string::npos) {
      again.insert(again.size() - 1, " 1");
    }
    out_.text = text.substr(0, begin) + again + text.substr(begin);
    out_.line = line + 1;
    out_.word = way.back();
  }

  void contradict() {
    Json& settings = plan_["settings"];
    out_.mistake = "two spellings with two values";
    settings.erase("parallel_batches");
    settings["max_concurrent_tasks"] = 3;
    settings["max_concurrency"] = 5;
    finish({"settings", "max_concurrency"}, "settings.max_concurrent_tasks");
  }

  std::mt19937_64 random_;
  std::uint64_t seed_;
  Json plan_;
  std::vector<Way> keys_;
  std::vector<Way> leaves_;
  PlanMutant out_;
};

Json settings() {
  return {{"batch_size", 500},
          {"parallel_batches", 2},
          {"io_concurrency", 8},
          {"verification_level", "full"},
          {"max_failures", "5%"},
          {"priority", "normal"},
          {"stop_on_first_error", false},
          {"preflight", "auto"},
          {"io_limit", "80MB/s"},
          {"resource_limits", {{"max_cpu_percent", 50}, {"max_memory_mb", 512}}},
          {"retry_policy", {{"max_attempts", 4}, {"backoff_multiplier", 1.5}}},
          {"checkpoint", {{"frequency", "every_batch"}}}};
}

}  // namespace

std::vector<Json> good_plans() {
  const Json files = {{"kind", "files"},
                      {"name", "photos to the new disk"},
                      {"source",
                       {{"paths", {"/data/photos/"}},
                        {"exclude_patterns", {"*.tmp", "cache/**"}},
                        {"max_file_size", "2GB"}}},
                      {"destination", {{"base_path", "/mnt/new/photos/"}}},
                      {"strategy", {{"conflict_resolution", "overwrite"}, {"hash", "sha256"}}},
                      {"settings", settings()}};
  Json move = files;
  move["source"] = {{"paths", {"/data/photos", "/data/music"}}, {"one_file_system", true}};
  move["strategy"] = {{"operation", "move"}, {"remove_emptied_directories", true}};
  const Json objects = {{"kind", "objects"},
                        {"name", "archive"},
                        {"source", {{"address", "mem:/run/store.sock#photos/2026/"}}},
                        {"destination", {{"address", "mem:/run/store.sock#archive/"}}},
                        {"strategy", {{"conflict_resolution", "skip"}, {"part_size", "8MiB"}}},
                        {"settings", settings()}};
  const Json records = {{"kind", "records"},
                        {"name", "shop"},
                        {"source", {{"url", "sqlite:/srv/shop.db"}}},
                        {"destination", {{"url", "sqlite:/srv/new.db"}}},
                        {"entities",
                         {{{"entity", "customer"},
                           {"source", {{"table", "customers"}}},
                           {"target", {{"table", "clients"}}}}}},
                        {"settings", settings()}};
  const Json schema = {{"kind", "schema"},
                       {"name", "shop"},
                       {"source", {{"directory", "/srv/shop/migrations"}}},
                       {"destination", {{"url", "sqlite:/srv/shop.db"}}},
                       {"settings", settings()}};
  Json waiting = schema;
  waiting["settings"]["lock_timeout_seconds"] = 60;
  return {files, move, objects, records, schema, waiting};
}

std::string written(const Json& plan, bool as_json) {
  return Writer(as_json).write(plan);
}

PlanMutant plan_mutant(std::uint64_t seed) {
  return Mutator(seed).make();
}

}  // namespace dunlin::e2e
