"""A node tree in the terminal: time, cost, tokens, and how full the context was.

The figures are belay's: a call's share of the context is what went in, at most 100 %; a phase's is the mean of its
calls; above 60 % is a warning. Only where nothing is known of a call belay counts 0 % and this view leaves it out, and
belay forgets the cost of a phase that has calls.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from hookkit.store.node import Node
from hookkit.store.plain import plain
from hookkit.views import text
from hookkit.views.cells import cut, width
from hookkit.views.icons import UNICODE, icons

WARNING = 60.0
DANGER = 80.0

_BAR = 10
_SPARK = 12
_NAME = 24  # cells that a name has before a column goes
_PIPED = 100
# What goes first where the terminal is narrow. The share of the context and the warnings stay.
_ORDER = ("spark", "bar", "tokens", "cost", "time")
_TITLES = {"time": "time", "cost": "cost", "tokens": "in/out", "context": "context", "bar": "", "spark": "", "warn": ""}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a tree is drawn with. spark: eight levels."""

    branch: str = "├── "
    last: str = "└── "
    through: str = "│   "
    bar: str = "█░"
    spark: str = "▁▂▃▄▅▆▇█"
    warning: str = "⚠"
    arrow: str = "→ "
    more: str = "…"


ASCII = Glyphs("|-- ", "`-- ", "|   ", "#-", "_.:-=+*#", "!", "> ", "...")


class Sum:
    """What a node and all below it come to."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.children = [Sum(child) for child in node.children]

    @cached_property
    def cost_usd(self) -> float:
        return self.node.cost_usd + sum(child.cost_usd for child in self.children)

    @cached_property
    def tokens(self) -> tuple[int, int]:
        """In and out. What a call has is the size of the context, which would be counted again with every call."""
        own = self.node.node_type != "tool_call"
        return (
            own * self.node.input_tokens + sum(child.tokens[0] for child in self.children),
            own * self.node.output_tokens + sum(child.tokens[1] for child in self.children),
        )

    @cached_property
    def duration_ms(self) -> int:
        return self.node.duration_ms or sum(child.duration_ms for child in self.children)

    @cached_property
    def percent(self) -> float | None:
        """How full the context was; of a parent the mean of its children; None if nothing is known."""
        if self.children:
            known = self.percents
            return sum(known) / len(known) if known else None
        window = self.node.context_window
        return min(100.0, self.node.input_tokens / window * 100) if window else None

    @cached_property
    def percents(self) -> list[float]:
        return [child.percent for child in self.children if child.percent is not None]

    @cached_property
    def warnings(self) -> tuple[int, int]:
        """How many calls were above 60 %, and of how many it is known."""
        if self.children:
            return sum(child.warnings[0] for child in self.children), sum(child.warnings[1] for child in self.children)
        return (0, 0) if self.percent is None else (int(self.percent > WARNING), 1)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    cells: dict[str, str]
    percent: float | None
    is_parent: bool


def render(
    node: Node, columns: int | None = None, glyphs: Glyphs | None = None, marks: tuple[str, str] = ("", "")
) -> Iterator[str]:
    """The lines of a tree, none wider than ``columns``: the terminal's, or 100 where there is none.

    marks: what stands before and behind every cost, see ``views.cost``.
    """
    room = columns or shutil.get_terminal_size((_PIPED, 24)).columns
    drawn = glyphs or (Glyphs() if icons() is UNICODE else ASCII)
    rows = [*_rows(Sum(node), drawn, marks)]
    widths = {key: max(len(row.cells[key]) for row in rows) for key in _TITLES}
    widths = {key: max(size, len(_TITLES[key])) for key, size in widths.items() if size}
    longest = max(width(row.name) for row in rows)
    for key in _ORDER:
        if min(longest, _NAME) + sum(size + 2 for size in widths.values()) <= room:
            break
        widths.pop(key, None)
    names = max(1, min(longest, room - sum(size + 2 for size in widths.values())))
    if widths:
        head = _line("", names, [_TITLES[key].rjust(size) for key, size in widths.items()])
        yield text.styled(cut(head, room, drawn.more), "dim")
    for row in rows:
        name = cut(row.name, names, drawn.more)
        cells = [_cell(row, key, size) for key, size in widths.items()]
        yield _line(text.styled(name, "bold") if row.is_parent else name, names - width(name), cells)


def _line(name: str, pad: int, cells: Sequence[str]) -> str:
    return "  ".join([name + " " * pad, *cells]).rstrip()


def _cell(row: _Row, key: str, size: int) -> str:
    said = row.cells[key].ljust(size) if key == "spark" else row.cells[key].rjust(size)
    if key not in ("context", "bar", "spark", "warn") or row.percent is None:
        return said
    return text.styled(said, "red" if row.percent > DANGER else "yellow" if row.percent > WARNING else "green")


def _rows(top: Sum, glyphs: Glyphs, marks: tuple[str, str]) -> Iterator[_Row]:
    todo: list[tuple[Sum, str, str, str]] = [(top, "", "", "")]
    while todo:
        one, lead, below, mark = todo.pop()
        name = mark + one.node.agent_name if one.node.node_type != "marker" else one.node.agent_name
        yield _row(one, lead, name, glyphs, marks)
        shown = [*_shown(one.children)]
        for at, (child, follows) in reversed([*enumerate(shown)]):
            last = at == len(shown) - 1
            lead_in = below + (glyphs.last if last else glyphs.branch)
            todo.append((child, lead_in, below + (" " * 4 if last else glyphs.through), glyphs.arrow * follows))


def _shown(children: Sequence[Sum]) -> Iterator[tuple[Sum, bool]]:
    """The children that have a line, and whether a marker led to them: that one is an arrow on their line."""
    marker: Sum | None = None
    for child in children:
        follows = marker is not None and marker.node.agent_name == f"→ {child.node.agent_name}"
        if marker is not None and not follows:
            yield marker, False
        marker = child if child.node.node_type == "marker" else None
        if marker is None:
            yield child, follows
    if marker is not None:
        yield marker, False


def _row(one: Sum, lead: str, name: str, glyphs: Glyphs, marks: tuple[str, str]) -> _Row:
    said = plain(name)
    if glyphs is ASCII:
        said = said.replace("→", "->").encode("ascii", "backslashreplace").decode()
    is_call = one.node.node_type == "tool_call"
    taken, given = one.tokens
    warned, known = one.warnings
    cells = {
        "time": text.duration(one.duration_ms) if one.duration_ms else "",
        "cost": _cost(one.cost_usd).join(marks) if one.cost_usd else "",
        "tokens": f"{text.tokens(taken)}/{text.tokens(given)}" if taken or given else "",
        "context": f"{one.percent:.0f}%" if one.percent is not None else "",
        "bar": thermobar(one.percent, glyphs) if one.percent is not None else "",
        "spark": sparkline(one.percents, glyphs),
        "warn": (f"{warned}/{known} {glyphs.warning}" if one.children else glyphs.warning) if warned else "",
    }
    if is_call and one.percent is None and one.node.input_tokens:
        cells["context"] = text.tokens(one.node.input_tokens)
    return _Row(lead + said, cells, one.percent, bool(one.children))


def thermobar(percent: float, glyphs: Glyphs) -> str:
    """``██████░░░░``: ten cells, one for each full tenth."""
    full = min(_BAR, int(percent / 100 * _BAR))
    return glyphs.bar[0] * full + glyphs.bar[1] * (_BAR - full)


def sparkline(percents: Sequence[float], glyphs: Glyphs) -> str:
    """A character for each child; of more than twelve, the fullest of each twelfth."""
    groups = min(len(percents), _SPARK)
    cuts = [at * len(percents) // groups for at in range(groups + 1)] if groups else [0]
    highest = [max(percents[first:last]) for first, last in pairwise(cuts)]
    top = len(glyphs.spark) - 1
    return "".join(glyphs.spark[min(top, int(percent / 100 * top))] for percent in highest)


def _cost(usd: float) -> str:
    if usd < 0.0001:
        return "<$0.0001"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"
