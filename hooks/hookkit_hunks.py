"""The lines that a file tool wrote, from the hunks in the agent's answer. Standard library only."""

import os

from hookkit_line import sha256

FILE_LIMIT = 4 << 20  # bytes of a file that is read back to check the hunks


def ranges(response: dict[str, object]) -> list[dict[str, object]] | None:
    """The changed ranges of the file after the call, each with its "lines" as shown; None when it does not tell."""
    hunks, content = response.get("structuredPatch"), response.get("content")
    try:
        if isinstance(hunks, list) and hunks:
            return [found for hunk in hunks for found in hunk_ranges(hunk)]
    except (KeyError, TypeError, ValueError):  # hunks of a shape that we do not know
        return None
    if isinstance(content, str) and response.get("type") == "create":
        lines = split(content)
        return [range_of(1, lines, 0)] if lines else []
    if isinstance(content, str) and response.get("type") == "update" and hunks == []:
        # No hunk: nothing changed, or nothing that the agent's own view of the file shows.
        before = response.get("originalFile")
        return [] if isinstance(before, str) and split(before) == split(content) else None
    before, after = response.get("original_file"), response.get("updated_file")
    if isinstance(before, str) and isinstance(after, str) and not response.get("error"):
        return _one_change(split(before), split(after))
    return None


def replaced(path: str, old: object, new: object) -> list[dict[str, object]] | None:
    """The changed range of a file in which `old` was replaced by `new` at one place; None where the file as it is now
    does not tell which: `new` does not stand in it, or more than once."""
    now = on_disk(path)
    if not isinstance(old, str) or not isinstance(new, str) or now is None or not new:
        return None
    text = "\n".join(now)
    if text.count(new) != 1:
        return None
    at = text.index(new)
    first = text.count("\n", 0, at)
    last = text.count("\n", 0, at + len(new.removesuffix("\n")))
    after = now[first : last + 1]
    whole = "\n".join(after)
    start = at - len("\n".join(now[:first])) - (1 if first else 0)
    before = whole[:start] + old.removesuffix("\n") + whole[start + len(new.removesuffix("\n")) :]
    return [{**each, "start_line": first + each["start_line"], "end_line": first + each["end_line"]}  # type: ignore[operator]
            for each in _one_change(split(before), after)]  # fmt: skip


def unified(diff: str) -> list[dict[str, object]] | None:
    """The changed ranges in a unified diff of one file, each with its "lines"; None when it is none."""
    found: list[dict[str, object]] = []
    hunk: dict[str, object] | None = None
    lines: list[str] = []
    try:
        for line in [*diff.split("\n"), "@@"]:
            if line.startswith("@@"):
                if hunk is not None:
                    found += hunk_ranges(hunk)
                if line == "@@":
                    return found
                start = line.split(" ")[2].removeprefix("+").partition(",")[0]
                lines = []
                hunk = {"newStart": int(start), "lines": lines}
            elif hunk is not None and line[:1] in (" ", "+", "-", "\\") and line:
                lines.append(line)
    except (IndexError, TypeError, ValueError):
        return None
    return None


def split(text: str) -> list[str]:
    """The lines of a text, without their ends."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def digest(lines: list[str]) -> str:
    """ "sha256:<hex>" of the lines joined by newlines."""
    return "sha256:" + sha256("\n".join(lines))


def range_of(start: int, lines: list[str], removed: int) -> dict[str, object]:
    """A changed range of a file after the call: where `lines` stand now, of which `removed` took the place."""
    if not lines:  # between two lines: the one before stands for the place
        at = max(start - 1, 1)
        return {"start_line": at, "end_line": at, "change_type": "deletion", "deleted_lines": removed, "lines": []}
    kind = "modification" if removed else "addition"
    found = {"start_line": start, "end_line": start + len(lines) - 1, "change_type": kind, "lines": lines}
    if removed:
        found["deleted_lines"] = removed
    return found


def hunk_ranges(hunk: dict[str, object]) -> list[dict[str, object]]:
    """The runs of added and removed lines of one unified-diff hunk; raises when the hunk has another shape."""
    start, lines = hunk["newStart"], hunk["lines"]
    if type(start) is not int or not 0 <= start < 1 << 31 or not isinstance(lines, list):
        raise TypeError
    found, added, removed, at = [], [], 0, max(start, 1)
    for line in [*lines, " "]:
        mark = line[:1]
        if mark == "+":
            added.append(line[1:].removeprefix("\ufeff").removesuffix("\r"))
        elif mark == "-":
            removed += 1
        elif mark == " ":
            if added or removed:
                found.append(range_of(at, added, removed))
            at += len(added) + 1
            added, removed = [], 0
        elif mark != "\\":
            raise ValueError
    if hunk.get("newLines", at - 1 - max(start, 1)) != at - 1 - max(start, 1):
        raise ValueError
    return found


def _one_change(before: list[str], after: list[str]) -> list[dict[str, object]]:
    """The one range between what both texts begin and end with: exact for a notebook cell, which is contiguous."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    limit = shorter - head
    tail = next((i for i in range(limit) if before[-1 - i] != after[-1 - i]), limit)
    added, removed = after[head : len(after) - tail], len(before) - tail - head
    return [range_of(head + 1, added, removed)] if added or removed else []


def texts(path: str, response: dict[str, object], alive: list[dict[str, object]]) -> tuple[list[list[str]], bool]:
    """(the lines of each range as the call wrote them, whether the file holds them now).

    The agent shows the tabs that a line begins with as two spaces each: the hunks alone do not tell what was written.
    """
    now = on_disk(path)
    for after in (_written(response), now):
        lines = after and [after[each["start_line"] - 1 : each["end_line"]] for each in alive]  # type: ignore[index, misc, operator]
        if lines and all(_shows(its, each["lines"]) for its, each in zip(lines, alive, strict=True)):  # type: ignore[arg-type]
            break
    else:
        lines = [each["lines"] for each in alive]  # type: ignore[misc]
    same = now is None or lines == [now[each["start_line"] - 1 : each["end_line"]] for each in alive]  # type: ignore[index, operator]
    return lines, same  # type: ignore[return-value]


def _shows(lines: list[str], shown: list[str]) -> bool:
    return lines == shown or [_shown(line) for line in lines] == shown


def _shown(line: str) -> str:
    text = line.lstrip("\t")
    return "  " * (len(line) - len(text)) + text


def _written(response: dict[str, object]) -> list[str] | None:
    """The lines of the whole file after the call, as the answer tells; None when it does not."""
    whole = next((text for text in map(response.get, ("content", "updated_file")) if isinstance(text, str)), None)
    if whole is not None:
        return split(whole)
    before, old, new = (response.get(name) for name in ("originalFile", "oldString", "newString"))
    if not (isinstance(before, str) and isinstance(old, str) and isinstance(new, str)):
        return None
    return split(before.replace(old, new, -1 if response.get("replaceAll") is True else 1) if old else new)


def on_disk(path: str) -> list[str] | None:
    """The file's lines, [] when it is gone; None, and the agent's word counts, when it is large or unreadable."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError:
        return None
    try:
        found = os.fstat(file)
        if found.st_mode & 0o170000 != 0o100000 or found.st_size > FILE_LIMIT:
            return None
        return split(os.read(file, FILE_LIMIT).decode("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    finally:
        os.close(file)
