#include "sql/mariadb/client_library.h"

#include <string>

#include <dlfcn.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr const char* kMariadbLibrary = "libmariadb.so.3";

struct LoadedMariadb {
  MariadbLibrary functions;
  std::string missing;  ///< why it cannot be used; empty: it can
};

LoadedMariadb load_all() {
  LoadedMariadb loaded;
  void* const library = ::dlopen(kMariadbLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    loaded.missing = why == nullptr ? kMariadbLibrary : printable(why);
    return loaded;
  }
#define DUNLIN_MARIADB_LOAD(name)                                                 \
  loaded.functions.name =                                                         \
      reinterpret_cast<decltype(loaded.functions.name)>(::dlsym(library, #name)); \
  if (loaded.functions.name == nullptr) loaded.missing = "it has no " #name;
  DUNLIN_MARIADB_FUNCTIONS(DUNLIN_MARIADB_LOAD)
#undef DUNLIN_MARIADB_LOAD
  return loaded;
}

const LoadedMariadb& loaded_mariadb() {
  static const LoadedMariadb once = load_all();
  return once;
}

}  // namespace

Status load_mariadb() {
  if (loaded_mariadb().missing.empty()) return success();
  Error error(ErrorType::endpoint_unreachable,
              "the client library of MariaDB cannot be loaded: " + loaded_mariadb().missing);
  error.remediation = "install it: apt install libmariadb3";
  return error;
}

const MariadbLibrary& mariadb() {
  return loaded_mariadb().functions;
}

}  // namespace dunlin::sql
