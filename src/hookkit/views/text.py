"""What the text views share: columns, numbers, times."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from hookkit.store.plain import plain
from hookkit.views import cells
from hookkit.views.colour import spans as spans
from hookkit.views.colour import styled as styled
from hookkit.views.icons import icons

_LEAST = 20  # cells that a text keeps, however little room there is
_DAY = 86_400
_AGES = (("min", 60), ("h", 3600), ("day", _DAY), ("week", 7 * _DAY), ("month", 30 * _DAY), ("year", 365 * _DAY))


def one_line(text: str, width: int) -> str:
    """The first line of ``text`` that says something, escaped, at most ``width`` cells; ``…`` if there is more."""
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    line = plain(first)
    return line if not rest and cells.width(line) <= width else cut(line, width)


def cut(line: str, width: int) -> str:
    """An escaped line that goes on: as much as fits into ``width`` cells with a ``…`` behind it."""
    more = icons().more
    return cells.cut(line, width - len(more)) + more[: max(0, width)]


def folded(line: str, width: int) -> list[str]:
    """An escaped line in parts of at most ``width`` cells, between its words where that can be."""
    parts = []
    while cells.width(line) > width:
        part = cells.cut(line, width) or line[:1]
        end = len(part) if line[len(part) :].startswith(" ") else part.rfind(" ")
        end = end if end > 0 else len(part)
        parts.append(line[:end].rstrip())
        line = line[end:].lstrip()
    return [*parts, line]


def columns() -> int:
    """How many cells a line of the terminal has; 200 where there is none. ``COLUMNS`` wins."""
    return shutil.get_terminal_size((200, 24)).columns


def fits(used: int) -> int:
    """How many cells of a line are left on the terminal beside ``used`` others; plenty where there is none."""
    return max(_LEAST, columns() - used)


def local(stamp: str | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """An ISO 8601 time in the user's time zone; "" for none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone().strftime(form)
    except (ValueError, OverflowError):
        return ""


def seconds(stamp: str | None) -> float | None:
    """An ISO 8601 time as seconds since 1970; None for none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def ago(stamp: str | None, now: float | None = None) -> str:
    """How long ago an ISO 8601 time was: ``3 min ago``, ``2 days ago``; its date if it is yet to come; "" for none."""
    moment = seconds(stamp)
    if moment is None:
        return ""
    age = (time.time() if now is None else now) - moment
    if age < 60:
        return "just now" if age > -60 else local(stamp)
    unit, size = next((unit, size) for unit, size in reversed(_AGES) if age >= size * (2 if unit == "week" else 1))
    number = int(age // size)
    return f"{number} {unit} ago" if number == 1 or unit in ("min", "h") else f"{number} {unit}s ago"


def duration(milliseconds: float | None) -> str:
    """A duration for people: ``32 ms``, ``1.4 s``, ``3 min 20 s``."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def tokens(number: int) -> str:
    """A token count in three digits or so: ``940``, ``12.4k``, ``3.1M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def usd(amount: float) -> str:
    """Money in cents, or in what shows something: ``$1,204.50``, ``$0.42``, ``$0.0031``."""
    if 0 < amount < 0.0001:
        return "<$0.0001"
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def counted(number: int, noun: str) -> str:
    """``1 turn``, ``2 turns``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as aligned lines; the columns in ``right`` are aligned to the right."""
    widths = [max(cells.width(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cells.pad(cell, width, right=at in right) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def fitted(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), room: int | None = None) -> list[str]:
    """A table whose last column is cut so that no line takes more cells than ``room``, by default the terminal's."""
    widths = [max(cells.width(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    left = max(0, (columns() if room is None else room) - sum(widths) - 2 * len(widths))
    return table([(*row, last if cells.width(last) <= left else cut(last, left)) for *row, last in rows], right)
