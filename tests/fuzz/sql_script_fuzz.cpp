// The splitter on anything, in each dialect: it covers the text byte by byte, says the same error
// again, never stands still; statements, hashes and clients' words of it are read without harm.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "sql/script/client_command.h"
#include "sql/script/script_hash.h"
#include "sql/script/script_text.h"
#include "sql/script/splitter.h"
#include "sql/script/statement_traits.h"

namespace {

using namespace dunlin::sql;  // NOLINT(google-build-using-namespace)

void cover(Dialect dialect, std::string_view text) {
  ScriptSplitter splitter(dialect, text);
  std::size_t at = 0;
  std::int64_t line = 1;
  while (true) {
    const auto piece = splitter.next();
    if (!piece.ok()) {
      const auto again = splitter.next();
      DUNLIN_CHECK(!again.ok() && again.error().message == piece.error().message, "another answer");
      return;
    }
    if (!*piece) break;
    const Piece& one = **piece;
    DUNLIN_CHECK(one.begin == at && one.end > at && one.end <= text.size(), "a gap");
    DUNLIN_CHECK(
        one.begin <= one.code_begin && one.code_begin <= one.code_end && one.code_end <= one.end,
        "code outside of its piece");
    DUNLIN_CHECK(one.line >= line, "a line before the last");
    line = one.line;
    at = one.end;
    if (one.kind == PieceKind::statement) {
      static_cast<void>(statement_traits(dialect, one.code(text)));
    } else if (one.kind == PieceKind::client_command && dialect == Dialect::postgresql) {
      static_cast<void>(client_command(one.code(text)));
    }
  }
  DUNLIN_CHECK(at == text.size(), "not all of it");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const Dialect dialect :
       {Dialect::postgresql, Dialect::mysql, Dialect::sqlite, Dialect::sqlserver}) {
    cover(dialect, bytes);
    const auto script = script_text(bytes);
    if (!script.ok()) return 0;
    const auto once = script_hashes(dialect, bytes, script->text);
    const auto twice = script_hashes(dialect, bytes, script->text);
    DUNLIN_CHECK(once.ok() == twice.ok() && (!once.ok() || *once == *twice), "another hash");
  }
  return 0;
}
