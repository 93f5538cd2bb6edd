#include "scenario.h"

#include "base/check.h"

namespace dunlin::crash {

std::vector<std::string> scenario_names() {
  return {"files", "records", "records-single", "schema", "objects"};
}

std::unique_ptr<Scenario> make_scenario(const std::string& name) {
  if (name == "files") return make_files_scenario();
  if (name == "records") return make_records_scenario(false);
  if (name == "records-single") return make_records_scenario(true);
  if (name == "schema") return make_schema_scenario();
  DUNLIN_CHECK(name == "objects", "no such scenario: " + name);
  return make_objects_scenario();
}

}  // namespace dunlin::crash
