// The canonical JSON of a catalogue; see table.h. Keys stand in histories: do not rename them.
#include "base/hash.h"
#include "base/json.h"
#include "sql/model/table.h"

namespace dunlin::sql::model {
namespace {

/// Writes members that say something; what is empty or as usual is left out.
class Members {
 public:
  Members& text(const char* key, const std::string& value) {
    if (!value.empty()) json_[key] = value;
    return *this;
  }
  Members& flag(const char* key, bool value) {
    if (value) json_[key] = true;
    return *this;
  }
  template <typename Number>
  Members& number(const char* key, const std::optional<Number>& value) {
    if (value) json_[key] = *value;
    return *this;
  }
  Members& number(const char* key, std::int64_t value, std::int64_t usual) {
    if (value != usual) json_[key] = value;
    return *this;
  }
  Members& texts(const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) json_[key] = values;
    return *this;
  }
  Members& options(const Options& values) {
    if (values.empty()) return *this;
    Json object = Json::object();
    for (const auto& [key, value] : values) object[key] = value;
    json_["options"] = std::move(object);
    return *this;
  }
  template <typename List, typename Form>
  Members& list(const char* key, const List& values, Form form) {
    if (values.empty()) return *this;
    Json array = Json::array();
    for (const auto& value : values) array.push_back(form(value));
    json_[key] = std::move(array);
    return *this;
  }
  Members& member(const char* key, Json value) {
    json_[key] = std::move(value);
    return *this;
  }
  Json take() { return std::move(json_); }

 private:
  Json json_ = Json::object();
};

Members named(const Name& name) {
  Members members;
  members.text("schema", name.schema).member("name", name.name);
  return members;
}

Json json_of(const Name& name) {
  return named(name).take();
}

Json json_of(const Type& type) {
  Members members;
  members.member("kind", std::string(to_string(type.kind)))
      .number("bits", type.size_bits, 0)
      .number("length", type.length)
      .number("precision", type.precision)
      .number("scale", type.scale)
      .flag("unsigned", type.is_unsigned)
      .flag("fixed", type.fixed)
      .flag("time_zone", type.with_time_zone)
      .flag("array", type.array)
      .flag("canonical", type.canonical)
      .texts("labels", type.labels)
      .text("name", type.name)
      .text("native", type.native);
  return members.take();
}

Json json_of(const Identity& identity) {
  Members members;
  members.flag("always", identity.always)
      .text("sequence", identity.sequence)
      .number("start", identity.start, 1)
      .number("increment", identity.increment, 1)
      .number("minimum", identity.minimum)
      .number("maximum", identity.maximum)
      .number("cache", identity.cache, 1)
      .flag("cycle", identity.cycle);
  return members.take();
}

Json json_of(const Column& column) {
  Members members;
  members.member("name", column.name).member("type", json_of(column.type));
  members.flag("not_null", !column.nullable);
  if (column.default_expression) members.member("default", *column.default_expression);
  if (column.generated) {
    Members generated;
    generated.member("expression", column.generated->expression)
        .flag("stored", column.generated->stored);
    members.member("generated", generated.take());
  }
  if (column.identity) members.member("identity", json_of(*column.identity));
  members.text("collation", column.collation)
      .text("check", column.check)
      .text("comment", column.comment)
      .flag("inherited", column.inherited)
      .options(column.options);
  return members.take();
}

Json json_of(const KeyPart& part) {
  Members members;
  members.text("column", part.column)
      .text("expression", part.expression)
      .flag("descending", part.descending)
      .number("prefix", part.prefix, 0)
      .text("collation", part.collation)
      .text("operator_class", part.operator_class);
  if (part.nulls_first) members.member("nulls_first", *part.nulls_first);
  return members.take();
}

template <typename List>
Json parts_of(const List& parts) {
  Json array = Json::array();
  for (const KeyPart& part : parts) array.push_back(json_of(part));
  return array;
}

Json json_of(const Key& key) {
  Members members;
  members.member("name", key.name)
      .member("parts", parts_of(key.parts))
      .texts("included", key.included)
      .flag("deferrable", key.deferrable)
      .flag("initially_deferred", key.initially_deferred)
      .flag("nulls_not_distinct", key.nulls_not_distinct)
      .text("comment", key.comment)
      .options(key.options);
  return members.take();
}

Json json_of(const Check& check) {
  Members members;
  members.member("name", check.name)
      .member("expression", check.expression)
      .flag("not_validated", !check.validated)
      .flag("no_inherit", check.no_inherit)
      .text("comment", check.comment);
  return members.take();
}

Json json_of(const ForeignKey& key) {
  Members members;
  members.member("name", key.name)
      .texts("columns", key.columns)
      .member("referenced", json_of(key.referenced))
      .texts("referenced_columns", key.referenced_columns);
  if (key.on_update != Action::no_action)
    members.member("on_update", std::string(to_string(key.on_update)));
  if (key.on_delete != Action::no_action)
    members.member("on_delete", std::string(to_string(key.on_delete)));
  members.texts("set_columns", key.set_columns)
      .flag("match_full", key.match_full)
      .flag("deferrable", key.deferrable)
      .flag("initially_deferred", key.initially_deferred)
      .flag("not_validated", !key.validated)
      .text("comment", key.comment);
  return members.take();
}

Json json_of(const NativeConstraint& constraint) {
  Members members;
  members.member("name", constraint.name)
      .text("definition", constraint.definition)
      .text("comment", constraint.comment);
  return members.take();
}

Json json_of(const Index& index) {
  Members members;
  members.member("name", index.name)
      .member("parts", parts_of(index.parts))
      .texts("included", index.included)
      .flag("unique", index.unique)
      .flag("nulls_not_distinct", index.nulls_not_distinct)
      .text("method", index.method)
      .text("predicate", index.predicate)
      .flag("invalid", !index.valid)
      .text("comment", index.comment)
      .options(index.options);
  return members.take();
}

Json json_of(const Table& table) {
  const auto form = [](const auto& value) { return json_of(value); };
  Members members = named(table.name);
  if (table.kind != TableKind::ordinary) members.member("kind", std::string(to_string(table.kind)));
  members.list("columns", table.columns, form);
  if (table.primary_key) members.member("primary_key", json_of(*table.primary_key));
  members.list("unique_keys", table.unique_keys, form)
      .list("checks", table.checks, form)
      .list("foreign_keys", table.foreign_keys, form)
      .list("native_constraints", table.native_constraints, form)
      .list("indexes", table.indexes, form)
      .list("inherits", table.inherits, form)
      .text("partition_by", table.partition_by);
  if (table.partition_of) members.member("partition_of", json_of(*table.partition_of));
  members.text("partition_bound", table.partition_bound)
      .text("definition", table.definition)
      .text("comment", table.comment)
      .options(table.options)
      .texts("depends_on", table.depends_on);
  return members.take();
}

Json json_of(const View& view) {
  Members members = named(view.name);
  members.flag("materialized", view.materialized)
      .texts("columns", view.columns)
      .text("definition", view.definition)
      .list("indexes", view.indexes, [](const Index& index) { return json_of(index); })
      .text("comment", view.comment)
      .options(view.options)
      .texts("depends_on", view.depends_on);
  return members.take();
}

Json json_of(const Sequence& sequence) {
  Members members = named(sequence.name);
  members.text("type", sequence.type)
      .member("start", sequence.start)
      .member("increment", sequence.increment)
      .member("minimum", sequence.minimum)
      .member("maximum", sequence.maximum)
      .number("cache", sequence.cache, 1)
      .flag("cycle", sequence.cycle);
  if (sequence.owner) members.member("owner", json_of(*sequence.owner));
  members.text("owner_column", sequence.owner_column).text("comment", sequence.comment);
  return members.take();
}

Json json_of(const Trigger& trigger) {
  Members members;
  members.member("name", trigger.name)
      .member("table", json_of(trigger.table))
      .text("definition", trigger.definition)
      .options(trigger.options);
  return members.take();
}

Json json_of(const Routine& routine) {
  Members members = named(routine.name);
  members.text("kind", routine.kind)
      .text("arguments", routine.arguments)
      .text("definition", routine.definition)
      .text("comment", routine.comment)
      .options(routine.options)
      .texts("depends_on", routine.depends_on);
  return members.take();
}

Json json_of(const UserType& type) {
  Members members = named(type.name);
  members.text("kind", type.kind)
      .texts("labels", type.labels)
      .text("definition", type.definition)
      .text("comment", type.comment)
      .texts("depends_on", type.depends_on);
  return members.take();
}

Json json_of(const OtherObject& other) {
  Members members = named(other.name);
  members.text("kind", other.kind);
  if (other.table) members.member("table", json_of(*other.table));
  members.text("definition", other.definition).options(other.options);
  return members.take();
}

Json json_of(const Schema& schema) {
  Members members;
  members.member("name", schema.name).text("comment", schema.comment);
  return members.take();
}

}  // namespace

Json to_json(const Table& table) {
  return json_of(table);
}

Json to_json(const Catalogue& catalogue) {
  const auto form = [](const auto& value) { return json_of(value); };
  Members members;
  members.member("dialect", std::string(sql::to_string(catalogue.dialect)))
      .list("schemas", catalogue.schemas, form)
      .list("types", catalogue.types, form)
      .list("sequences", catalogue.sequences, form)
      .list("tables", catalogue.tables, form)
      .list("views", catalogue.views, form)
      .list("routines", catalogue.routines, form)
      .list("triggers", catalogue.triggers, form)
      .list("others", catalogue.others, form)
      .options(catalogue.options);
  return members.take();
}

Result<std::string> fingerprint(const Catalogue& catalogue) {
  DUNLIN_ASSIGN(const std::string digest,
                hash_bytes(HashKind::sha256, dump_json(to_json(catalogue))));
  return "sha256:" + hex(digest);
}

}  // namespace dunlin::sql::model
