// The records kind's part of a plan; see plan.h.
#include "records/plan.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "base/text.h"
#include "sql/catalogue.h"
#include "sql/sqlite_address.h"

namespace dunlin::records {

namespace {

class Decoder {
 public:
  explicit Decoder(std::vector<std::string>& problems) : problems_(problems) {}

  void problem(const std::string& pointer, const std::string& what) {
    problems_.push_back(pointer + ": " + what);
  }

  void keys(const Json& object, const std::string& pointer,
            std::span<const std::string_view> known) {
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const auto nearest = nearest_word(key, known);
      problem(pointer + "/" + json_pointer_token(key),
              "unknown key" + (nearest ? "; did you mean " + *nearest + "?" : ""));
    }
  }

  /// A member that has to be an object; nullptr (and a problem) when it is none.
  const Json* object(const Json& parent, const std::string& pointer, std::string_view key) {
    const Json* member = find_member(parent, key);
    if (member != nullptr && member->is_object()) return member;
    problem(pointer + "/" + std::string(key),
            member == nullptr ? "is missing" : "must be a table of keys");
    return nullptr;
  }

  std::string text(const Json& parent, const std::string& pointer, std::string_view key) {
    std::string value = string_or(parent, key, "");
    if (value.empty())
      problem(pointer + "/" + std::string(key), "must be a text that is not empty");
    return value;
  }

  std::string address(const Json& document, std::string_view key) {
    static constexpr std::string_view kKeys[] = {"url"};
    const std::string pointer = "/" + std::string(key);
    const Json* section = object(document, "", key);
    if (section == nullptr) return {};
    keys(*section, pointer, kKeys);
    const std::string url = text(*section, pointer, "url");
    if (url.empty()) return {};
    Result<std::string> path = sql::sqlite_path(url);
    if (!path.ok()) problem(pointer + "/url", path.error().message);
    return path.ok() ? path.value() : std::string();
  }

  std::vector<Entity> entities(const Json& document) {
    static constexpr std::string_view kKeys[] = {"entity", "source", "target"};
    static constexpr std::string_view kTable[] = {"table"};
    std::vector<Entity> result;
    const Json* list = find_member(document, "entities");
    if (list != nullptr && *list == "auto") return result;
    if (list == nullptr || !list->is_array() || list->empty()) {
      problem("/entities",
              "must be auto, which is every table, or a list of tables; write entities: auto, or "
              "below entities: a line \"- source: {table: NAME}\" for each");
      return result;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string pointer = "/entities/" + std::to_string(i);
      if (!(*list)[i].is_object()) {
        problem(pointer, "must be a table of keys");
        continue;
      }
      const Json& one = (*list)[i];
      keys(one, pointer, kKeys);
      Entity entity;
      if (const Json* source = object(one, pointer, "source")) {
        keys(*source, pointer + "/source", kTable);
        entity.source = text(*source, pointer + "/source", "table");
      }
      entity.target = entity.source;
      if (find_member(one, "target") != nullptr) {
        if (const Json* target = object(one, pointer, "target")) {
          keys(*target, pointer + "/target", kTable);
          entity.target = text(*target, pointer + "/target", "table");
        }
      }
      reserved(pointer, entity);
      duplicate(pointer, entity, result);
      result.push_back(std::move(entity));
    }
    std::sort(result.begin(), result.end(),
              [](const Entity& a, const Entity& b) { return a.source < b.source; });
    return result;
  }

 private:
  void reserved(const std::string& pointer, const Entity& entity) {
    for (const std::string_view prefix : {"sqlite_", "__dunlin_"}) {
      if (sql::same_identifier(entity.target.substr(0, prefix.size()), prefix)) {
        problem(pointer + "/target/table", "'" + printable(entity.target) + "' is a reserved name");
      }
    }
  }

  void duplicate(const std::string& pointer, const Entity& entity,
                 const std::vector<Entity>& before) {
    for (const Entity& other : before) {
      if (sql::same_identifier(other.source, entity.source))
        problem(pointer + "/source/table", "is loaded twice");
      if (sql::same_identifier(other.target, entity.target))
        problem(pointer + "/target/table", "is written twice; leave one of the two out");
    }
  }

  std::vector<std::string>& problems_;
};

}  // namespace

RecordsPlan decode_plan(const Json& document, std::vector<std::string>& problems) {
  Decoder decoder(problems);
  RecordsPlan plan;
  plan.source_path = decoder.address(document, "source");
  plan.target_path = decoder.address(document, "destination");
  plan.entities = decoder.entities(document);
  if (!plan.source_path.empty() && (plan.source_path == plan.target_path ||
                                    sql::same_file(plan.source_path, plan.target_path))) {
    decoder.problem("/destination/url", "is the source itself; name another file");
  }
  const Json* settings = find_member(document, "settings");
  const std::string mode = settings == nullptr ? "" : string_or(*settings, "transaction_mode", "");
  plan.single = mode == "single";
  if (!mode.empty() && mode != "single" && mode != "per-batch") {
    decoder.problem("/settings/transaction_mode",
                    "must be per-batch or single for rows in SQLite, not '" + printable(mode) +
                        "'; write one of the two");
  }
  return plan;
}

}  // namespace dunlin::records
