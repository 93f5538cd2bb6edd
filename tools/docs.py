#!/usr/bin/env python3
"""Checks the documents: every relative link in a Markdown file leads to a file, every #anchor to a heading, what is generated
(docs/errors.md, from src/base/error_types.def) is up to date, and every capture and recording has its maker and names no machine.

    ./dev docs [--write]        --write generates it anew
"""

import json
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


ERRORS = ROOT / "docs" / "errors.md"
CATEGORIES = {
    "transient": "retried with growing pauses; an item fails only when all attempts did",
    "validation": "this item cannot be migrated as it is; logged, the others go on",
    "constraint": "the destination or a rule objects; logged, skipped or failed as the plan says",
    "system": "the execution pauses until somebody has helped; nothing is lost",
    "fatal": "stops at once",
}
REGISTERED = re.compile(r'^DUNLIN_ERROR_TYPE\((\w+), (\w+), (\w+), (\w+), (\w+), (\w+),\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)',
                        re.MULTILINE)


def errors_page() -> str:
    types = REGISTERED.findall((ROOT / "src" / "base" / "error_types.def").read_text())
    if len(types) != (ROOT / "src" / "base" / "error_types.def").read_text().count("\nDUNLIN_ERROR_TYPE("):
        sys.exit("docs: a line of error_types.def has another form than tools/docs.py reads")
    page = ["<!-- Generated from src/base/error_types.def by `./dev docs --write`; do not edit. -->", "# Errors", "",
            "Every error has a type from this list; a name never changes its meaning. EXEC stands for the execution, as in `dunlin ps`."]
    for category, meaning in CATEGORIES.items():
        page += ["", f"## {category.capitalize()}", "", f"{meaning[0].upper()}{meaning[1:]}."]
        for name, its, retriable, user_action, severity, scope, summary, remediation in types:
            if its != category:
                continue
            facts = [f"severity {severity}", f"concerns the {scope}"]
            facts += ["may succeed later by itself"] if retriable == "true" else []
            facts += ["somebody has to act"] if user_action == "true" else []
            remedy = remediation.replace("%E", "EXEC")
            page += ["", f'### <a id="{name}"></a>`{name}`', "", f"{summary[0].upper()}{summary[1:]}. To do: {remedy}.", "",
                     f"{'; '.join(facts).capitalize()}."]
    if {its for _, its, *_ in types} - CATEGORIES.keys():
        sys.exit("docs: error_types.def has a category that tools/docs.py does not know")
    return "\n".join(page) + "\n"


CAPTURE = re.compile(r"<!-- capture: (\S+) -->\n(```[a-z]*\n(.*?)\n```\n)?", re.DOTALL)
OF_A_MACHINE = re.compile(r"/(?:home|root|work|tmp|Users)/")
LONGEST_RECORDING = 200 * 1024


def captures_wrong(page: str, text: str) -> list[str]:
    """Of the blocks that tools/captures.py has made."""
    makers = re.findall(r"^    def ([a-z]+)\(self\):", (ROOT / "tools" / "captures.py").read_text(), re.MULTILINE)
    wrong = []
    for match in CAPTURE.finditer(text):
        if match[1].partition("-")[0] not in makers:
            wrong.append(f"{page}: tools/captures.py has no scene '{match[1]}'")
        if match[3] is None or OF_A_MACHINE.search(match[3]):
            wrong.append(f"{page}: the capture '{match[1]}' is missing, or names a place of a machine; try: ./dev captures")
    return wrong


def recording_wrong(name: str, text: str) -> list[str]:
    lines = text.splitlines()
    try:
        header, events = json.loads(lines[0]), [json.loads(line) for line in lines[1:]]
        sound = header["version"] == 2 and all(len(event) == 3 and event[1] == "o" for event in events)
    except (ValueError, LookupError, TypeError):
        sound = False
    wrong = [] if sound and len(text) <= LONGEST_RECORDING else [f"{name}: is no recording of at most 200 KiB; try: ./dev record"]
    return wrong + ([f"{name}: names a place of a machine; try: ./dev record"] if OF_A_MACHINE.search(text) else [])


def main() -> int:
    if "--help" in sys.argv[1:]:
        print(__doc__)
        return 0
    if "--write" in sys.argv[1:]:
        ERRORS.write_text(errors_page())
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    wrong, links = [], 0
    for page in pages:
        text = (ROOT / page).read_text()
        wrong += captures_wrong(str(page), text)
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
    for recording in (path for path in tracked_files() if path.suffix == ".cast"):
        wrong += recording_wrong(str(recording), (ROOT / recording).read_text())
    if not ERRORS.is_file() or ERRORS.read_text() != errors_page():
        wrong.append("docs/errors.md: is not what src/base/error_types.def says; try: ./dev docs --write")
    for problem in wrong:
        print(problem)
    print(f"{len(pages)} pages, {links} links, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
