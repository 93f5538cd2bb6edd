// Statements that no transaction can hold: whether one was done, when nothing but its announcement
// is known, and what they leave behind when they fail (anchors/schema.md, traps 26 and 29).
//
// One thread at a time, as the Target.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "schema/target.h"

namespace dunlin::schema {

enum class Probed : std::uint8_t {
  done,
  not_done,  ///< or it may be done again without harm
  unknown,
};

/// Of an announced statement whose end is unknown; the server runs it no more (the lock is held).
/// `before`: fingerprint() when it was announced.
[[nodiscard]] Result<Probed> probe(Target& target, std::string_view sql, std::string_view before,
                                   const sql::Call& call);

/// Of all that a statement names, as the catalogue of MariaDB or MySQL has it: as each of its
/// statements is atomic, another fingerprint afterwards means that it was done. Of PostgreSQL the
/// indexes of a table that gets one whose name the server chooses. Else empty: its other statements
/// of this kind are known by name.
[[nodiscard]] Result<std::string> fingerprint(Target& target, std::string_view sql,
                                              const sql::Call& call);

/// Before it is sent: an index that CREATE INDEX CONCURRENTLY has left INVALID under the name of
/// this one would be in its way, or, with IF NOT EXISTS, be taken for it. It is dropped; one that
/// is valid stays.
[[nodiscard]] Status prepare_alone(Target& target, std::string_view sql, const sql::Call& call);

/// After the server has called it done: migration_failed when the index is INVALID.
[[nodiscard]] Status check_alone(Target& target, std::string_view sql, const sql::Call& call);

}  // namespace dunlin::schema
