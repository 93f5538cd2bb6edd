#include "sql/odbc/client_library.h"

#include <string>

#include <dlfcn.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr const char* kOdbcLibrary = "libodbc.so.2";

struct LoadedOdbc {
  OdbcLibrary functions;
  std::string missing;  ///< why it cannot be used; empty: it can
};

LoadedOdbc load_manager() {
  LoadedOdbc loaded;
  void* const library = ::dlopen(kOdbcLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    loaded.missing = why == nullptr ? kOdbcLibrary : printable(why);
    return loaded;
  }
#define DUNLIN_ODBC_LOAD(name)                                                    \
  loaded.functions.name =                                                         \
      reinterpret_cast<decltype(loaded.functions.name)>(::dlsym(library, #name)); \
  if (loaded.functions.name == nullptr) loaded.missing = "it has no " #name;
  DUNLIN_ODBC_FUNCTIONS(DUNLIN_ODBC_LOAD)
#undef DUNLIN_ODBC_LOAD
  return loaded;
}

const LoadedOdbc& loaded_odbc() {
  static const LoadedOdbc once = load_manager();
  return once;
}

}  // namespace

Status load_odbc() {
  if (loaded_odbc().missing.empty()) return success();
  Error error(ErrorType::endpoint_unreachable,
              "the driver manager of ODBC cannot be loaded: " + loaded_odbc().missing);
  error.remediation = "install it: apt install libodbc2";
  return error;
}

const OdbcLibrary& odbc() {
  return loaded_odbc().functions;
}

}  // namespace dunlin::sql
