"""``md``: a session to read, paste and diff. What the session says can end no block and start no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hookkit.exporters import prose
from hookkit.exporters.source import Part, Row, Source, parts
from hookkit.store.plain import plain
from hookkit.views.text import duration, one_line

_MARKS = re.compile(r"[\\`*_\[\]<>|~&#$]")
_FENCE = re.compile(r"(`{3,})[^`]*|(~{3,}).*")
_MAKES_HTML = re.compile(r"(\\*)(<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|!(?=\[))")
_HEADING = 100


def export(source: Source) -> Iterator[str]:
    """The document: facts, then turn by turn."""
    yield f"# {_escaped(prose.title(source.record))}\n\n"
    for name, value in prose.facts(source):
        yield f"- **{name}**: {_escaped(value)}\n"
    talks = _Talks()
    for part in parts(source.record):
        yield talks.resumed(part)
        if reasoning := part.step.get("reasoning_content"):
            yield f"\nReasoning:\n\n{fenced(prose.safe(reasoning), 'text')}"
        for row in part.rows:
            yield from _row(source, part, row)


class _Talks:
    """Whose words the last heading stands above: a subagent's end with no prompt of the one that called it."""

    def __init__(self) -> None:
        self._now: tuple[int | None, bool] = (None, False)
        self._names = {self._now: "Main agent"}

    def resumed(self, part: Part) -> str:
        """The heading of a part that goes on with an earlier talk; "" where the last heading or its own will do."""
        if not part.rows and not part.step.get("reasoning_content"):
            return ""
        talk = (part.step.get("parent_step"), part.step.get("call_type") == "subagent")
        before, self._now = self._now, talk
        prompts = [row.item for row in part.rows if row.item.kind in ("turn", "subagent")]
        if prompts and prompts[0].kind == "subagent":
            self._names[talk] = f"Subagent {_escaped(plain(prompts[0].name))}"
        if prompts or talk == before:
            return ""
        return f"\n### {self._names.get(talk, 'Subagent')}, continued\n"


def _row(source: Source, part: Part, row: Row) -> Iterator[str]:
    item = row.item
    content = str(part.step.get("content") or "")
    if item.kind in ("turn", "subagent"):
        name = f"Turn {item.turn}" if item.kind == "turn" else f"Subagent {_escaped(plain(item.name))}"
        line = one_line(content, _HEADING)
        yield f"\n{'##' if item.kind == 'turn' else '###'} {name}: {_escaped(line)}\n"
        if line != content.strip():
            yield f"\n{fenced(prose.safe(content), 'text')}"
    elif item.kind == "said":
        yield f"\n{quoted(prose.safe(content))}"
    elif item.kind == "call":
        yield from _call(source, row)
    elif item.kind == "gap":
        yield f"\n*Changed outside any tool call*: {code(prose.trees(row))}\n"
    elif item.kind == "error":
        yield f"\n**Error**: {_escaped(one_line(item.text, 400))}\n"
    elif item.kind == "tokens":
        yield f"\n*{prose.work_of(row)}*\n"


def _call(source: Source, row: Row) -> Iterator[str]:
    item = row.item
    told = code(one_line(item.text, _HEADING)) if item.text.strip() else ""
    notes = [duration(row.duration_ms), code(prose.trees(row)) if prose.trees(row) else "", f"step {item.step}"]
    state = f"**{prose.outcome(row)}**" if prose.outcome(row) else ""
    yield f"\n- **{_escaped(plain(item.name))}** {told} ({', '.join(filter(None, [state, *notes]))})\n"
    for name, value in prose.given(row):
        label = f"Input {code(name)}" if name else "Input"
        yield _inner(f"{label}:\n\n{fenced(value, 'text' if name else 'json')}")
    if row.text:
        yield _inner(f"Result:\n\n{fenced(prose.safe(row.text), 'text')}")
    patch, why = source.diff(item.call_id)
    if patch:
        yield _inner(f"Diff:\n\n{fenced(chr(10).join(prose.patch_lines(patch)), 'diff')}")
    elif why:
        yield _inner(f"Diff: {_escaped(plain(why))}\n")


def fenced(text: str, language: str) -> str:
    """A code block that nothing inside of it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def code(text: str) -> str:
    """A code span of one line."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def quoted(text: str) -> str:
    """Markdown of the agent as a quotation, where it cannot leave its place; as a code block if that is not certain.

    Outside of its code blocks no HTML, entity or image is left. Which lines are in code blocks is certain as long as
    each line with a fence in it starts with one: then no list, quotation or indentation can hold it.
    """
    fence = ""
    lines = []
    for line in text.split("\n"):
        if "```" in line or "~~~" in line:
            if fence and re.fullmatch(rf" {{0,3}}{re.escape(fence)}{re.escape(fence[0])}*[ \t]*", line):
                fence = ""
            elif not fence:
                found = _FENCE.fullmatch(line)
                if not found:
                    return fenced(text, "markdown")
                fence = found[1] or found[2]
        elif not fence:
            line = _MAKES_HTML.sub(lambda found: f"{2 * found[1]}\\{found[2]}", line)  # else a \\ would take ours away
        lines.append(f"> {line}".rstrip())
    return "\n".join(lines) + "\n"


def _inner(block: str) -> str:
    """A block as a part of a list's item."""
    return "\n" + "".join(f"  {line}\n" if line else "\n" for line in block.rstrip("\n").split("\n"))


def _escaped(text: str) -> str:
    return _MARKS.sub(lambda found: f"\\{found[0]}", text)
