#!/usr/bin/env python3
"""Checks the documents: every relative link in a Markdown file leads to a file, every #anchor to a heading.

    ./dev docs
"""

import re
import sys
import urllib.parse

from checkout import ROOT, tracked_files

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def anchors_of(text: str) -> set[str]:
    """Anchors as the forges derive them from headings, and explicit ones."""
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+\s+(.+?)\s*#*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower())
        found.add(plain.replace(" ", "-"))
    return found


def main() -> int:
    if "--help" in sys.argv[1:]:
        print(__doc__)
        return 0
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    wrong, links = [], 0
    for page in pages:
        text = (ROOT / page).read_text()
        body = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
        for match in LINK.finditer(body):
            target = match[1] or match[2]
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            links += 1
            line = body.count("\n", 0, match.start()) + 1
            name, _, anchor = urllib.parse.unquote(target).partition("#")
            file = (ROOT / page).parent / name if name else ROOT / page
            if not file.exists():
                wrong.append(f"{page}:{line}: leads nowhere: {target}")
            elif anchor and file.suffix == ".md" and anchor not in anchors_of(file.read_text()):
                wrong.append(f"{page}:{line}: no such heading: {target}")
    for problem in wrong:
        print(problem)
    print(f"{len(pages)} pages, {links} links, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
