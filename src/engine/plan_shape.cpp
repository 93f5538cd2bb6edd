// See plan_shape.h.
#include "engine/plan_shape.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "engine/plan_words.h"

namespace dunlin::engine {

namespace {

const Json& member(const Json& object, std::string_view key) {
  static const Json none;
  const Json* found = find_member(object, key);
  return found == nullptr ? none : *found;
}

std::vector<std::string> types_of(const Json& schema) {
  std::vector<std::string> out;
  const Json& type = member(schema, "type");
  if (type.is_string()) out.push_back(type.get<std::string>());
  if (type.is_array())
    for (const auto& one : type) out.push_back(one.get<std::string>());
  return out;
}

bool is_of(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == "null" && value.is_null();
}

std::string_view in_words(std::string_view type) {
  if (type == "object") return "a table of keys";
  if (type == "array") return "a list";
  if (type == "string") return "text";
  if (type == "boolean") return "true or false";
  if (type == "integer") return "a whole number";
  return "a number";
}

std::vector<std::string> keys_of(const Json& schema) {
  std::vector<std::string> out;
  for (const auto& [key, value] : member(schema, "properties").items()) out.push_back(key);
  return out;
}

std::optional<Json> example_of(const Json& schema) {
  const Json& examples = member(schema, "examples");
  if (!examples.is_array() || examples.empty()) return std::nullopt;
  return examples[0];
}

/// What to write where `pointer` stands: "; write KEY: VALUE".
std::string write(const std::string& pointer, const Json& value) {
  const std::string key = last_key(pointer);
  const bool item = !key.empty() && key.find_first_not_of("0123456789") == std::string::npos;
  return item ? fmt::format("; write {}", printable(dump_json(value)))
              : fmt::format("; write {}: {}", printable(key), printable(dump_json(value)));
}

/// The value that was meant where the type alone is wrong.
std::optional<Json> as_meant(const Json& value, const Json& schema) {
  for (const auto& type : types_of(schema)) {
    if (type == "array" && !value.is_null() && !value.is_object()) return Json::array({value});
    if (type == "string" && value.is_array() && value.size() == 1 && value[0].is_string())
      return value[0];
    if (type == "string" && (value.is_number() || value.is_boolean()))
      return Json(dump_json(value));
    if (!value.is_string()) continue;
    const auto& text = value.get_ref<const std::string&>();
    if (type == "boolean")
      if (const auto meant = truth_meant(value)) return Json(*meant);
    if (type == "integer" && !text.empty() && text.size() < 16 &&
        text.find_first_not_of("0123456789") == std::string::npos)
      return Json(std::stoll(text));
  }
  return std::nullopt;
}

/// The text where the example has its own: what was written for a table is mostly the value of its
/// only key.
Json with_leaf(Json example, const Json& text) {
  if (example.is_string()) return text;
  if (example.is_structured() && example.size() == 1) {
    Json& only = *example.begin();
    only = with_leaf(only, text);
  }
  return example;
}

class Shape {
 public:
  explicit Shape(std::vector<std::string>& problems) : problems_(problems) {}

  void check(const Json& value, const Json& schema, const std::string& pointer) {
    if (!schema.is_object()) return;
    const auto types = types_of(schema);
    const bool fits =
        types.empty() || std::any_of(types.begin(), types.end(),
                                     [&](const auto& type) { return is_of(value, type); });
    if (!fits) return wrong_type(value, schema, types, pointer);
    if (schema.contains("enum")) return check_enum(value, schema["enum"], pointer);
    if (value.is_object()) check_object(value, schema, pointer);
    if (value.is_array()) check_array(value, schema, pointer);
    if (value.is_number()) check_range(value, schema, pointer);
  }

 private:
  void add(const std::string& pointer, const std::string& what) {
    problems_.push_back(pointer + ": " + what);
  }

  void wrong_type(const Json& value, const Json& schema, const std::vector<std::string>& types,
                  const std::string& pointer) {
    std::string wanted;
    for (const auto& type : types)
      if (type != "null" && !(type == "object" && types.size() > 1))  // {path_b64} is for programs
        wanted += (wanted.empty() ? "" : " or ") + std::string(in_words(type));
    std::string line = value.is_null()
                           ? fmt::format("is empty; it must be {}", wanted)
                           : fmt::format("must be {}, not {}", wanted, shown_value(value));
    if (const auto meant = as_meant(value, schema))
      line += write(pointer, *meant);
    else if (const auto example = example_of(schema))
      line += write(pointer, value.is_string() ? with_leaf(*example, value) : *example);
    else if (value.is_string() && is_of(1, types.front()))
      line += "; write the number alone";
    else if (value.is_null())
      line += "; write a value after the colon, or take the key out";
    else if (value.is_array() && is_of("", types.front()))
      line += "; write one value, without a dash or brackets";
    add(pointer, line);
  }

  void check_enum(const Json& value, const Json& words, const std::string& pointer) {
    if (std::find(words.begin(), words.end(), value) != words.end()) return;
    std::vector<std::string> known;
    for (const auto& word : words)
      if (word.is_string()) known.push_back(word.get<std::string>());
    const std::string given = value.is_string() ? value.get<std::string>() : dump_json(value);
    const std::string meant = meant_word(given, known);
    add(pointer,
        fmt::format("must be one of {}, not {}{}", fmt::join(known, ", "), shown_value(value),
                    meant.empty() ? "; take one of these words" : "; did you mean " + meant + "?"));
  }

  void check_object(const Json& value, const Json& schema, const std::string& pointer) {
    const Json& properties = member(schema, "properties");
    const auto known = keys_of(schema);
    const bool closed = member(schema, "additionalProperties") == Json(false);
    for (const auto& [key, one] : value.items()) {
      const std::string at = pointer + "/" + json_pointer_token(key);
      if (const Json* part = find_member(properties, key))
        check(one, *part, at);
      else if (closed)
        add(at, unknown_key(key, known, schema));
    }
    const Json& required = member(schema, "required");
    if (required.is_array()) {
      for (const auto& key : required) {
        const auto name = key.get<std::string>();
        if (!value.contains(name))
          add(pointer + "/" + json_pointer_token(name),
              missing_key(name, member(properties, name)));
      }
    }
    const Json& any = member(schema, "anyOf");
    if (!any.is_array() || any.empty()) return;
    const auto has = [&](const Json& one) {
      const Json& keys = member(one, "required");
      return !keys.is_array() || std::all_of(keys.begin(), keys.end(), [&](const Json& key) {
        return value.contains(key.get<std::string>());
      });
    };
    if (std::any_of(any.begin(), any.end(), has)) return;
    const auto first = member(any[0], "required")[0].get<std::string>();
    add(pointer + "/" + json_pointer_token(first), missing_key(first, member(properties, first)));
  }

  void check_array(const Json& value, const Json& schema, const std::string& pointer) {
    const std::size_t least = static_cast<std::size_t>(integer_or(schema, "minItems", 0));
    const std::size_t most =
        static_cast<std::size_t>(integer_or(schema, "maxItems", std::int64_t{1} << 40));
    if (value.size() < least) {
      const auto example = example_of(schema);
      return add(pointer, "is an empty list; name at least one" +
                              (example ? write(pointer, *example) : std::string()));
    }
    if (value.size() > most)
      return add(pointer, fmt::format("holds {} entries; {} is the most, so split the plan",
                                      value.size(), most));
    for (std::size_t n = 0; n < value.size(); ++n)
      check(value[n], member(schema, "items"), pointer + "/" + std::to_string(n));
  }

  void check_range(const Json& value, const Json& schema, const std::string& pointer) {
    const Json& low = member(schema, "minimum");
    const Json& high = member(schema, "maximum");
    const double number = value.get<double>();
    if ((low.is_number() && number < low.get<double>()) ||
        (high.is_number() && number > high.get<double>()))
      add(pointer, fmt::format("must be from {} to {}, not {}; choose one within that range",
                               dump_json(low), dump_json(high), shown_value(value)));
  }

  std::vector<std::string>& problems_;
};

}  // namespace

void check_shape(const Json& value, const Json& schema, const std::string& pointer,
                 std::vector<std::string>& problems) {
  Shape(problems).check(value, schema, pointer);
}

std::string unknown_key(const std::string& key, const std::vector<std::string>& known,
                        const Json& schema) {
  const Json& promised = member(schema, "x-not-built");
  if (promised.is_array() &&
      std::find(promised.begin(), promised.end(), Json(key)) != promised.end())
    return not_built_yet(key);
  const std::string meant = did_you_mean(key, known);
  return "unknown key" +
         (meant.empty() ? "; take it out (docs/plans.md shows what there is)" : meant);
}

std::string missing_key(const std::string& key, const Json& schema) {
  const auto example = example_of(schema);
  if (!example) return "is missing; add " + printable(key) + ": and its value";
  return fmt::format("is missing; write {}: {}", printable(key), printable(dump_json(*example)));
}

}  // namespace dunlin::engine
