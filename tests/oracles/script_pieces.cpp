// Prints how dunlin splits scripts, for programs that compare it with others.
//
//   script_pieces DIALECT < LIST      LIST: one path on each line
//
// One line of JSON for each file: {"file", "text" (bytes of the text behind a byte order mark),
// "pieces": [[kind, begin, code_begin, code_end, end, repeat]...], "error" (null: read to its
// end)}. Positions count bytes of the text, which is UTF-8. One thread; reads only.
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include "base/file_io.h"
#include "base/json.h"
#include "sql/script/script_text.h"
#include "sql/script/splitter.h"

namespace {

using namespace dunlin;       // NOLINT(google-build-using-namespace)
using namespace dunlin::sql;  // NOLINT(google-build-using-namespace)

const char* name_of(PieceKind kind) {
  switch (kind) {
    case PieceKind::statement:
      return "statement";
    case PieceKind::copy_data:
      return "copy_data";
    case PieceKind::client_command:
      return "client_command";
    case PieceKind::nothing:
      return "nothing";
  }
  return "?";
}

Json pieces_of(Dialect dialect, const std::string& path) {
  Json answer = {{"file", path}, {"pieces", Json::array()}, {"error", nullptr}};
  auto bytes = read_file(path);
  if (!bytes.ok()) {
    answer["error"] = bytes.error().message;
    return answer;
  }
  const auto script = script_text(std::move(bytes).value());
  if (!script.ok()) {
    answer["error"] = script.error().message;
    return answer;
  }
  const std::string& text = script.value().text;
  ScriptSplitter splitter(dialect, text);
  while (true) {
    const auto piece = splitter.next();
    if (!piece.ok()) {
      answer["error"] = piece.error().message;
      return answer;
    }
    if (!*piece) return answer;
    const Piece& one = **piece;
    answer["pieces"].push_back(
        {name_of(one.kind), one.begin, one.code_begin, one.code_end, one.end, one.repeat});
  }
}

}  // namespace

int main(int count, char** words) {
  for (const Dialect dialect :
       {Dialect::postgresql, Dialect::mysql, Dialect::sqlite, Dialect::sqlserver}) {
    if (count != 2 || to_string(dialect) != words[1]) continue;
    for (std::string path; std::getline(std::cin, path);)
      std::cout << dump_json(pieces_of(dialect, path)) << '\n';
    return 0;
  }
  std::fputs("usage: script_pieces postgresql|mysql|sqlite|sqlserver < LIST\n", stderr);
  return 2;
}
