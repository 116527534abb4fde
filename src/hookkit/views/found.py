"""The text and the JSON of ``hookkit search``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hookkit.store.plain import plain
from hookkit.store.search import Hit
from hookkit.views import cells, text
from hookkit.views.icons import icons
from hookkit.views.origins import address

_WHERE, _WHEN, _WHAT = 13, 13, 16  # cells
_LEAST = 30  # cells of a snippet: the time goes before it gets less, then what it is
_BEFORE = 0.3  # of a snippet's cells are for what is before the match
_AROUND = 400  # characters on both sides that are looked at


def render(hits: Iterable[Hit]) -> Iterator[str]:
    """One line a hit: where, when, what it is, and the words around the first match, which is marked."""
    room = text.columns() - _WHERE - 2
    with_time = room - _WHEN - _WHAT - 4 >= _LEAST
    with_kind = room - _WHAT - 2 >= _LEAST
    room -= (_WHEN + 2) * with_time + (_WHAT + 2) * with_kind
    for hit in hits:
        what = f"{hit.place} {text.one_line(hit.tool, _WHAT - len(hit.place) - 1)}".rstrip()
        yield "  ".join(
            [
                text.styled(cells.pad(address(hit.trace_id, hit.step), _WHERE), "cyan"),
                *[cells.pad(text.ago(hit.time), _WHEN)] * with_time,
                *[cells.pad(what, _WHAT)] * with_kind,
                snippet(hit, max(0, room)),
            ]
        )


def snippet(hit: Hit, room: int) -> str:
    """The match with its surroundings on one escaped line of at most ``room`` cells; the match between marks."""
    signs = icons()
    match = plain(hit.text[hit.start : hit.end])
    room -= len(signs.opening) + len(signs.closing)
    if cells.width(match) > room:
        match = text.cut(match, room)
    left = room - cells.width(match)
    before, cut_before = _end(hit, int(left * _BEFORE))
    after, cut_after = _start(hit, left - cells.width(before) - len(signs.more) * cut_before)
    marked = text.styled(f"{signs.opening}{match}{signs.closing}", "bold")
    return f"{signs.more * cut_before}{before}{marked}{after}{signs.more * cut_after}"


def _end(hit: Hit, room: int) -> tuple[str, bool]:
    """What is before the match, and whether there is more."""
    line = plain(" ".join(hit.text[max(0, hit.start - _AROUND) : hit.start].split("\n"))).lstrip()
    if hit.start <= _AROUND and cells.width(line) <= room:
        return line, False
    return cells.cut_front(line, room - len(icons().more)), room >= len(icons().more)


def _start(hit: Hit, room: int) -> tuple[str, bool]:
    """What is behind the match, and whether there is more."""
    line = plain(" ".join(hit.text[hit.end : hit.end + _AROUND].split("\n"))).rstrip()
    if hit.end + _AROUND >= len(hit.text) and cells.width(line) <= room:
        return line, False
    return cells.cut(line, room - len(icons().more)), room >= len(icons().more)


def to_json(hit: Hit) -> Mapping[str, Any]:
    """schemas/search.schema.json."""
    return {
        "trace_id": hit.trace_id,
        "step_index": hit.step,
        "time": hit.time,
        "place": hit.place,
        "tool": hit.tool or None,
        "tool_call_id": hit.call_id or None,
        "text": hit.text,
        "start": hit.start,
        "end": hit.end,
        "matches": hit.count,
    }


def dump(hits: Iterable[Hit]) -> Iterator[str]:
    """One JSON object a hit."""
    return (json.dumps(to_json(hit)) for hit in hits)
