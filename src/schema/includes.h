// Files that a script of PostgreSQL takes in: psql's `\ir FILE` (schema.md S-5, S-13).
//
// Their text is put at the place of the line that names them, between two marks, which are
// comments:
//   -- dunlin:begin_file sub/roles.sql
//   …
//   -- dunlin:end_file
// What the migration is, is then one text: its checksum, its statements and what the log keeps
// hold all of it, and the way back needs no files. The marks tell which line of which file a line
// of that text is. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "schema/script_options.h"

namespace dunlin::schema {

/// Puts them there. `directory`: of the migrations, which no file may lie outside of, by links
/// neither. Reads files. invalid_input, naming file and line, for one that cannot be taken in: it
/// is missing, no file, no text, in a circle, nested too deep, too large, ends within a statement,
/// says options of its own, or its name is one that psql would look for elsewhere.
[[nodiscard]] Status take_in_files(Script& script, const std::string& directory);

/// As the log keeps it: whether files were taken in.
[[nodiscard]] bool holds_files(std::string_view sql);

/// "FILE:LINE" of a line of the script's text, counted as in its own file; of a file that was taken
/// in with what took it in.
[[nodiscard]] std::string place_of_line(const Script& script, std::int64_t line);

/// An error of the splitter, which names a line, with the file.
[[nodiscard]] Error in_script(const Script& script, Error error);

}  // namespace dunlin::schema
