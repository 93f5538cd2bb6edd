#!/usr/bin/env python3
"""How many columns each character takes on a terminal: makes src/cli/glyph_ranges.h.

    python3 tools/widths.py > src/cli/glyph_ranges.h

The data is that of Unicode as Debian's python3 carries it (module unicodedata, version 14 in Debian 12). Not the C library's wcwidth: that
needs a UTF-8 locale to be there, and its answers change with the machine. Rules, those of most terminals:

- two columns: East_Asian_Width W or F, and what is reserved for more of those (CJK planes, pictographs), which a newer terminal knows;
- none: marks that are drawn over the character before (Mn, Me), format characters (Cf; not the soft hyphen, and not the signs of Arabic
  that enclose what follows, which are seen), vowels and finals of Hangul syllables, which join the initial before them;
- one: all others. Characters of ambiguous width are narrow, as they are outside of East Asian fonts.
"""

import sys
import unicodedata

WIDE_TO_MOST = ((0x3248, 0x324F), (0x4DC0, 0x4DFF))  # numbers in circles, hexagrams: in the C library, and since Unicode 16
RESERVED_WIDE = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))
PICTOGRAPHS = ((0x1F6D8, 0x1F6FF), (0x1FA70, 0x1FAFF))
JOINING_JAMO = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF))
SEEN_FORMATS = {0x00AD, *range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}


def within(code: int, ranges: tuple) -> bool:
    return any(first <= code <= last for first, last in ranges)


def columns(code: int) -> int:
    character = chr(code)
    category = unicodedata.category(character)
    if within(code, JOINING_JAMO) or category in ("Mn", "Me") or (category == "Cf" and code not in SEEN_FORMATS):
        return 0
    if category == "Cn":  # unassigned: the module has no sensible width for these
        return 2 if within(code, RESERVED_WIDE + PICTOGRAPHS) else 1
    return 2 if unicodedata.east_asian_width(character) in "WF" or within(code, WIDE_TO_MOST) else 1


def ranges_of(wanted: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for code in range(0x80, sys.maxunicode + 1):
        if columns(code) != wanted:
            continue
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found


def array(name: str, ranges: list[tuple[int, int]]) -> str:
    lines, line = [], "   "
    for first, last in ranges:
        one = f" {{0x{first:04X}, 0x{last:04X}}},"
        if len(line + one) > 100:
            lines.append(line)
            line = "   "
        line += one
    return f"inline constexpr GlyphRange {name}[] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def main() -> None:
    print(f"""// Characters that take no column on a terminal, and those that take two. Made by tools/widths.py of
// Unicode {unicodedata.unidata_version}; not edited by hand.
// clang-format off
#pragma once

#include <cstdint>

namespace dunlin::cli {{

struct GlyphRange {{
  std::uint32_t first;
  std::uint32_t last;
}};

/// In ascending order.
{array("kZeroColumns", ranges_of(0))}
/// In ascending order.
{array("kTwoColumns", ranges_of(2))}
}}  // namespace dunlin::cli""")


if __name__ == "__main__":
    main()
