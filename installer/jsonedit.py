"""Edits of JSON text as splices: what is added follows the style around it, and nothing else moves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hookkit.installer.jsontext import Child, Document, Value

_NEWLINE = re.compile(r"\r\n|\n|\r")
_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace ``text[start:end]`` by ``text``. Offsets are characters of the text that it is applied to."""

    start: int
    end: int
    text: str


def apply(text: str, splices: Iterable[Splice]) -> str:
    """The text with all splices done; they must not overlap. Those at one offset are done in the order given."""
    pieces: list[str] = []
    at = 0
    for splice in sorted(splices, key=lambda s: s.start):
        pieces += (text[at : splice.start], splice.text)
        at = splice.end
    return "".join((*pieces, text[at:]))


def inverse(text: str, splices: Iterable[Splice]) -> tuple[Splice, ...]:
    """The splices that turn ``apply(text, splices)`` into ``text`` again."""
    undo: list[Splice] = []
    shift = 0
    for splice in sorted(splices, key=lambda s: s.start):
        start = splice.start + shift
        undo.append(Splice(start, start + len(splice.text), text[splice.start : splice.end]))
        shift += len(splice.text) - (splice.end - splice.start)
    return tuple(undo)


@dataclass(frozen=True, slots=True)
class Style:
    """How a text is laid out: line end, one step of indentation, what stands after a colon and a comma in a line."""

    newline: str
    unit: str
    colon: str
    comma: str
    multiline: bool


def style_of(doc: Document) -> Style:
    """The layout of a text, from its first containers; two spaces and ``\\n`` where it has none."""
    text, root = doc.text, doc.root
    found = _NEWLINE.search(text)
    newline = found.group() if found else "\n"
    if root is None or not root.children:
        return Style(newline, "  ", ": ", ", ", True)
    keyed = next((c for v in _containers(root) for c in v.children if c.key is not None), None)
    colon = ":" if keyed and keyed.value.start == keyed.key_end + 1 else ": "
    return Style(newline, _unit(text, root), colon, "," + colon[1:], bool(_NEWLINE.search(text, root.start, root.end)))


def _containers(value: Value) -> Iterable[Value]:
    if value.children:
        yield value
        for child in value.children:
            yield from _containers(child.value)


def _unit(text: str, root: Value) -> str:
    for container in _containers(root):
        first = container.children[0]
        if not _starts_line(text, first.start):
            continue
        outer, inner = _indent(text, container.start), _indent(text, first.start)
        if inner.startswith(outer) and inner != outer:
            return inner[len(outer) :]
    return "  "


def _line_start(text: str, offset: int) -> int:
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    return start + 1 if text.startswith("\ufeff", start) and start == 0 else start


def _indent(text: str, offset: int) -> str:
    """The whitespace that begins the line of an offset."""
    start = _line_start(text, offset)
    found = _INDENT.match(text, start, offset)
    return found.group() if found else ""


def _starts_line(text: str, offset: int) -> bool:
    start = _line_start(text, offset)
    return start > 0 and not text[start:offset].strip(" \t")


def render(value: object, style: Style, indent: str, multiline: bool) -> str:
    """JSON text of plain data. In ``multiline`` text, lines after the first are indented from ``indent``."""
    if not isinstance(value, Mapping | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + style.unit
    if isinstance(value, list):
        brackets = "[]"
        parts = [render(item, style, inner, multiline) for item in value]
    else:
        brackets = "{}"
        parts = [_render_child(key, item, style, inner, multiline) for key, item in value.items()]
    if not multiline:
        return brackets[0] + style.comma.join(parts) + brackets[1]
    lines = ("," + style.newline + inner).join(parts)
    return f"{brackets[0]}{style.newline}{inner}{lines}{style.newline}{indent}{brackets[1]}"


def _render_child(key: str | None, value: object, style: Style, indent: str, multiline: bool) -> str:
    name = "" if key is None else json.dumps(key, ensure_ascii=False) + style.colon
    return name + render(value, style, indent, multiline)


def append(
    doc: Document, container: Value, additions: Sequence[tuple[str | None, object]], style: Style
) -> list[Splice]:
    """Add members (key, data) or elements (None, data) after the last child of a container."""
    if not additions:
        return []
    text = doc.text
    if not container.children:
        return _fill(doc, container, additions, style)
    last = container.children[-1]
    own_line = _starts_line(text, last.start)
    multiline = own_line or bool(_NEWLINE.search(text, last.start, last.end))
    indent = _indent(text, last.start)
    comma = container.commas[-1]
    at = last.end if comma is None else comma + 1
    comments = doc.comments_in(last.end, container.end - 1)
    if comments:
        at = max(at, comments[-1][1])
    after_line_comment = bool(comments) and _is_line_comment(text, comments[-1])
    gap = style.newline + indent if own_line or after_line_comment else style.comma[1:]
    parts = [_render_child(key, value, style, indent, multiline) for key, value in additions]
    added = Splice(at, at, gap + ("," + gap).join(parts))
    # The comma belongs to the value before it: a comment behind that value keeps its line.
    return [added] if comma is not None else [Splice(last.end, last.end, ","), added]


def _fill(
    doc: Document, container: Value, additions: Sequence[tuple[str | None, object]], style: Style
) -> list[Splice]:
    text = doc.text
    outer = _indent(text, container.start)
    indent = outer + style.unit
    parts = [_render_child(key, value, style, indent, style.multiline) for key, value in additions]
    comments = doc.comments_in(container.start, container.end)
    broken = style.multiline or (bool(comments) and _is_line_comment(text, comments[-1]))
    body = ("," + style.newline + indent).join(parts) if style.multiline else style.comma.join(parts)
    if broken:
        body = style.newline + indent + body
    if not comments:
        closing = style.newline + outer if broken else ""
        return [Splice(container.start + 1, container.end - 1, body + closing)]
    at = comments[-1][1]
    if broken and not _NEWLINE.search(text, at, container.end):
        body += style.newline + outer
    return [Splice(at, at, body if broken else " " + body)]


def cut(doc: Document, container: Value, doomed: Iterable[int]) -> list[Splice]:
    """Take children (by index) out of a container, each with its comma; comments outside them stay."""
    splices: list[Splice] = []
    for first, last in _runs(sorted(set(doomed))):
        splices += _cut_run(doc, container, first, last)
    return splices


def _runs(indexes: Sequence[int]) -> Iterable[tuple[int, int]]:
    start = 0
    for here in range(1, len(indexes) + 1):
        if here == len(indexes) or indexes[here] != indexes[here - 1] + 1:
            yield indexes[start], indexes[here - 1]
            start = here


def _cut_run(doc: Document, container: Value, first: int, last: int) -> list[Splice]:
    text, children, commas = doc.text, container.children, container.commas
    run = children[first : last + 1]
    comma = commas[last]
    end = run[-1].end if comma is None else comma + 1
    splices: list[Splice] = []
    if first > 0:
        before = commas[first - 1]
        assert before is not None  # a child that another one follows has a comma
        start = before + 1
        if comma is None:
            splices.append(Splice(before, before + 1, ""))
    elif last + 1 < len(children):
        start = container.start + 1
        if not _NEWLINE.search(text, start, run[0].start) and not doc.comments_in(start, run[0].start):
            start = run[0].start
            end = _skip_blanks(text, end)
    else:
        start = container.start + 1
        outside = [*doc.comments_in(start, run[0].start), *doc.comments_in(run[-1].end, container.end)]
        if not outside and not _kept(doc, start, end, run):
            return [Splice(start, container.end - 1, "")]
    # A comment behind the last child of the run stays on a line of its own, not on the line of the child before.
    behind = [c for c in doc.comments_in(end, container.end) if not text[end : c[0]].strip(" \t")]
    if behind and _starts_line(text, run[0].start):
        end = behind[0][1]
    kept = _kept(doc, start, end, run)
    if kept and kept[-1][1] and not _NEWLINE.match(text, _skip_blanks(text, end)):
        kept = [*kept, (_newline(text) + _indent(text, container.start), False)]
    splices.append(Splice(start, end, "".join(piece for piece, _ in kept)))
    return splices


def _kept(doc: Document, start: int, end: int, run: Sequence[Child]) -> list[tuple[str, bool]]:
    """The comments of a span that lie outside the children of the run, each with the whitespace before it.

    The flag says that the piece is a line comment.
    """
    text = doc.text
    kept: list[tuple[str, bool]] = []
    for comment in doc.comments_in(start, end):
        if any(child.start <= comment[0] < child.end for child in run):
            continue
        before = text[start : comment[0]]
        gap = before[len(before.rstrip(" \t\r\n")) :]
        behind_run = comment[0] > run[0].start and not _NEWLINE.search(gap)
        if behind_run and _starts_line(text, run[0].start):
            gap = _newline(text) + _indent(text, run[0].start)
        if kept and kept[-1][1] and not _NEWLINE.search(gap):  # what ended the line comment before is cut out
            gap = _newline(text) + _indent(text, run[0].start)
        kept.append((gap + text[slice(*comment)], _is_line_comment(text, comment)))
    return kept


def _is_line_comment(text: str, comment: tuple[int, int]) -> bool:
    return text.startswith("//", comment[0])


def _skip_blanks(text: str, offset: int) -> int:
    found = _INDENT.match(text, offset)
    return found.end() if found else offset


def _newline(text: str) -> str:
    found = _NEWLINE.search(text)
    return found.group() if found else "\n"
