#include "sql/postgresql/libpq.h"

#include <string>

#include <dlfcn.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr const char* kLibrary = "libpq.so.5";

struct Loaded {
  Libpq functions;
  std::string missing;  ///< why it cannot be used; empty: it can
};

Loaded load() {
  Loaded loaded;
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    loaded.missing = why == nullptr ? kLibrary : printable(why);
    return loaded;
  }
#define DUNLIN_LIBPQ_LOAD(name)                                                   \
  loaded.functions.name =                                                         \
      reinterpret_cast<decltype(loaded.functions.name)>(::dlsym(library, #name)); \
  if (loaded.functions.name == nullptr) loaded.missing = "it has no " #name;
  DUNLIN_LIBPQ_FUNCTIONS(DUNLIN_LIBPQ_LOAD)
#undef DUNLIN_LIBPQ_LOAD
  return loaded;
}

const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

Status load_libpq() {
  if (loaded().missing.empty()) return success();
  Error error(ErrorType::endpoint_unreachable,
              "PostgreSQL's client library cannot be loaded: " + loaded().missing);
  error.remediation = "install it: apt install libpq5";
  return error;
}

const Libpq& pq() {
  return loaded().functions;
}

}  // namespace dunlin::sql
