"""What the text views share: columns, numbers, times, colour."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from hookkit.store.plain import plain

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def styled(text: str, style: str) -> str:
    """``text`` in a style, if standard output is a terminal and ``NO_COLOR`` is not set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def one_line(text: str, width: int) -> str:
    """The first line of ``text`` that says something, escaped, at most ``width`` characters; ``…`` if there is more."""
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    line = plain(first)
    return line if len(line) <= width and not rest else line[: width - 1] + "…"


def fits(used: int) -> int:
    """How many characters of a line are left on the terminal beside ``used`` others; plenty where there is none."""
    return max(20, shutil.get_terminal_size((200, 24)).columns - used)


def local(stamp: str | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """An ISO 8601 time in the user's time zone; "" for none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone().strftime(form)
    except (ValueError, OverflowError):
        return ""


def duration(milliseconds: float | None) -> str:
    """A duration for people: ``32 ms``, ``1.4 s``, ``3 min 20 s``."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def tokens(number: int) -> str:
    """A token count in three digits or so: ``940``, ``12.4k``, ``3.1M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def counted(number: int, noun: str) -> str:
    """``1 turn``, ``2 turns``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as aligned lines; the columns in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
