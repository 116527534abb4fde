"""The lines that an apply_patch body wrote, found again in the files as they are now. Standard library only.

    *** Begin Patch
    *** Add File: <path>            every line with a +
    *** Update File: <path>         hunks of lines with a space, - or +; each begins with @@, and may name a line above
    *** Move to: <path>
    *** End of File                 after a hunk that ends there
    *** Delete File: <path>
    *** End Patch

A hunk has no line numbers: its lines, context included, are looked up in the file after the one before.
"""

import os

from hookkit_hunks import hunk_ranges, on_disk, range_of
from hookkit_payload import absolute_path

_ADD, _UPDATE, _DELETE, _MOVE = "*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "
_END = "*** End of File"
FILES_LIMIT = 50  # of one patch that are looked at
PLACES_LIMIT = 50  # at which a hunk could stand
LINES_LIMIT = 1_000_000  # lines that are compared to find one hunk


def parse(patch: str) -> "list[tuple[str, str, list[str]]]":
    """(path after the patch, kind, lines) of each file; kind: "add", "update" or "delete"."""
    found: list[tuple[str, str, list[str]]] = []
    for line in patch.split("\n"):
        line = line.removesuffix("\r")
        for mark, kind in ((_ADD, "add"), (_UPDATE, "update"), (_DELETE, "delete")):
            if line.startswith(mark):
                found.append((line[len(mark) :].strip(), kind, []))
                break
        else:
            if line.startswith(_MOVE) and found:
                found[-1] = (line[len(_MOVE) :].strip(), found[-1][1], found[-1][2])
            elif found and (line.startswith(_END) or not line.startswith("*** ")):
                found[-1][2].append(line)
    return found[:FILES_LIMIT]


def ranges(patch: str, folder: str) -> "list[tuple[str, list[dict[str, object]]]]":
    """(absolute path, its changed ranges as of `hookkit_hunks.ranges`) of each file that can be told; a file whose
    hunks are not found as they were written is left out."""
    found = []
    for name, kind, lines in parse(patch):
        path = absolute_path(os.path.normpath(os.path.join(folder, name)))
        if path is None:
            continue
        if kind == "add":
            written = [line[1:] for line in lines if line.startswith("+")]
            found.append((path, [range_of(1, written, 0)] if written else []))
        elif kind == "update":
            its = _updated(lines, on_disk(path))
            if its is not None:
                found.append((path, its))
        elif kind == "delete":
            found.append((path, []))
    return found


def _updated(lines: "list[str]", now: "list[str] | None") -> "list[dict[str, object]] | None":
    if now is None:
        return None
    found: list[dict[str, object]] = []
    at = 0
    for header, hunk, last in _hunks(lines):
        if header:
            at = next((i + 1 for i in range(at, len(now)) if now[i].strip() == header), at)
        start = _find(hunk, now, at, last)
        if start is None:
            return None
        found += hunk_ranges({"newStart": start + 1, "lines": hunk})
        at = start + sum(line[:1] != "-" for line in hunk)
    return found


def _hunks(lines: "list[str]") -> "list[tuple[str, list[str], bool]]":
    """(the line that it is below, its lines, whether it is the end of the file) of each hunk."""
    found: list[tuple[str, list[str], bool]] = []
    for line in lines:
        if line.startswith("@@"):
            found.append((line[2:].strip(), [], False))
        elif line.startswith(_END) and found:
            found[-1] = (*found[-1][:2], True)
        elif line == "" or line[:1] in " +-":
            if not found:
                found.append(("", [], False))
            found[-1][1].append(line or " ")
    while found and found[-1][1] and found[-1][1][-1] == " ":  # what is left of the text's last line end
        found[-1][1].pop()
    return [each for each in found if each[1]]


def _find(hunk: "list[str]", now: "list[str]", at: int, last: bool) -> int | None:
    """Where the hunk's lines stand now, from the line with the number `at` on; None where that is not sure.

    Codex finds context by looser and looser rules, and takes the first place; what it writes is exact. Lines with
    nothing around them go to the end of the file.
    """
    after = [(line[1:], line[:1] == "+") for line in hunk if line[:1] != "-"]
    before = [line[1:] for line in hunk if line[:1] != "+"]
    if not after:
        return 0 if not now else None
    shown, there = [line.strip() for line, _ in after], [line.strip() for line in now]
    if len(shown) * there.count(shown[0]) > LINES_LIMIT:
        return None  # lines that are all alike: to be sure would take too long
    places = [
        start
        for start in range(at, len(now) - len(after) + 1)
        if there[start] == shown[0]
        and there[start : start + len(shown)] == shown
        and all(line == now[start + i] for i, (line, new) in enumerate(after) if new)
    ]
    if last or not before:
        places = [start for start in places if start + len(after) == len(now)]
    if 1 < len(places) <= PLACES_LIMIT:
        places = [start for start in places if _first(before, now, at, start, len(after))]
    return places[0] if len(places) == 1 else None


def _first(before: "list[str]", now: "list[str]", at: int, start: int, size: int) -> bool:
    """Whether Codex would have chosen this place: in the file as it would have been, `before` is found here first."""
    was = now[:start] + before + now[start + size :]
    found = (i for i in range(at, len(was) - len(before) + 1) if was[i : i + len(before)] == before)
    return next(found, None) == start
