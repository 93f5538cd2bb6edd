#include "scenario.h"

#include "base/check.h"

namespace dunlin::crash {

std::vector<std::string> scenario_names() {
  return {"files",           "files-rename", "files-move",     "files-hardlink",
          "files-keep-both", "records",      "records-single", "schema",
          "objects",         "scripted",     "scripted-batch", "scripted-execution"};
}

std::unique_ptr<Scenario> make_scenario(const std::string& name) {
  if (name == "files") return make_files_scenario(FilesVerb::copy);
  if (name == "files-rename") return make_files_scenario(FilesVerb::move_within);
  if (name == "files-move") return make_files_scenario(FilesVerb::move_across);
  if (name == "files-hardlink") return make_files_scenario(FilesVerb::hardlink);
  if (name == "files-keep-both") return make_files_scenario(FilesVerb::keep_both);
  if (name == "files-several") return make_files_scenario(FilesVerb::several);
  if (name == "files-several-move") return make_files_scenario(FilesVerb::several_move);
  if (name == "files-rename-existing") return make_files_scenario(FilesVerb::rename_existing);
  if (name == "files-large") return make_large_scenario();
  if (name == "files-adversarial") return make_adversarial_scenario();
  if (name == "records") return make_records_scenario(false);
  if (name == "records-single") return make_records_scenario(true);
  const bool down = name.ends_with("-down");
  const SchemaWay way = down                            ? SchemaWay::down
                        : name.ends_with("-all-in-one") ? SchemaWay::all_in_one
                        : name.ends_with("-tenants")    ? SchemaWay::tenants
                                                        : SchemaWay::up;
  if (name.starts_with("schema-postgresql")) return make_server_scenario("postgresql", way);
  if (name.starts_with("schema-mariadb")) return make_server_scenario("mariadb", way);
  if (name.starts_with("schema")) return make_schema_scenario(down);
  if (name == "scripted") return make_scripted_scenario("item");
  if (name == "scripted-batch") return make_scripted_scenario("batch");
  if (name == "scripted-execution") return make_scripted_scenario("execution");
  DUNLIN_CHECK(name == "objects", "no such scenario: " + name);
  return make_objects_scenario();
}

}  // namespace dunlin::crash
