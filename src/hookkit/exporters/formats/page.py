"""``html``: a session as one page that needs nothing else: no script, no request, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from importlib import resources

from hookkit.exporters import prose
from hookkit.exporters.source import Part, Row, Source, parts
from hookkit.store.plain import plain
from hookkit.views.text import duration, one_line

_LINE = 120
_KINDS = {"+": "a", "-": "r", "@": "p"}  # first character of a line of a hunk -> its class in page.css


def export(source: Source) -> Iterator[str]:
    """The page, piece by piece."""
    yield from _head(source)
    section = None
    for part in parts(source.record):
        step = part.step.get("step_index")
        anchor = f' id="step-{step}"' if step is not None else ""
        if reasoning := part.step.get("reasoning_content"):
            thought = _block("", prose.safe(reasoning))
            yield f'<details{anchor}{_depth(part)}><summary class="dim">Reasoning</summary>{thought}</details>\n'
            anchor = ""
        for row in part.rows:
            if row.item.kind == "turn":
                yield "</section>\n" if section else ""
                section = row.item.turn
                yield f'<section id="turn-{section}">\n'
            if row.item.kind == "gap":
                yield _gap(row)
                continue
            yield from _row(source, part, row, anchor)
            anchor = ""
    yield "</section>\n" if section else ""
    yield "</main>\n</body>\n</html>\n"


def _head(source: Source) -> Iterator[str]:
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = escape(prose.title(source.record))
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<dl>\n"
    )
    for name, value in prose.facts(source):
        yield f"<dt>{name}</dt><dd>{escape(value)}</dd>\n"
    yield '</dl>\n</header>\n<nav aria-label="Prompts">\n<ol>\n'
    turn = 0
    for step in source.record["steps"]:
        if step["role"] == "user" and step.get("parent_step") is None and step.get("call_type") != "subagent":
            turn += 1
            yield f'<li><a href="#turn-{turn}">{escape(one_line(step.get("content") or "(empty)", _LINE))}</a></li>\n'
    yield "</ol>\n</nav>\n<main>\n"


def _row(source: Source, part: Part, row: Row, anchor: str) -> Iterator[str]:
    item = row.item
    content = escape(prose.safe(str(part.step.get("content") or "")))
    clock = _clock(row)
    if item.kind == "turn":
        yield f'<h2{anchor}><a href="#turn-{item.turn}">Turn {item.turn}</a> {clock}</h2>\n'
        yield f'<div class="prompt">{content}</div>\n'
    elif item.kind == "subagent":
        yield f"<h3{anchor}{_depth(part)}>Subagent {escape(plain(item.name))} {clock}</h3>\n"
        yield f'<div class="prompt"{_depth(part)}>{content}</div>\n'
    elif item.kind == "said":
        yield f'<div class="said"{anchor}{_depth(part)}>{content}</div>\n'
    elif item.kind == "call":
        yield from _call(source, part, row, anchor)
    elif item.kind == "tokens":
        yield f'<p class="dim"{anchor}{_depth(part)}>{prose.work_of(row)}</p>\n'
    else:
        yield f'<p class="failed"{anchor}>Error: {escape(one_line(item.text, 400))}</p>\n'


def _call(source: Source, part: Part, row: Row, anchor: str) -> Iterator[str]:
    item = row.item
    state = prose.outcome(row)
    told = f"<code>{escape(one_line(item.text, _LINE))}</code>" if item.text.strip() else ""
    notes = escape(" ".join(filter(None, [duration(row.duration_ms), prose.trees(row)])))
    yield f"<details{anchor}{_depth(part)}><summary><b>{escape(plain(item.name))}</b> {told}"
    yield f' <span class="failed">{state}</span>' if state else ""
    yield f' <span class="dim">{notes}</span>' if notes else ""
    yield f" {_clock(row)}</summary>\n"
    for name, value in prose.given(row):
        yield _block(f"Input {name}".rstrip(), value)
    if row.text:
        yield _block("Result", prose.safe(row.text))
    patch, why = source.diff(item.call_id)
    if patch:
        yield f'<p class="label">Diff</p><pre class="diff">{"".join(_diff(patch))}</pre>\n'
    elif why:
        yield f'<p class="label">Diff: {escape(plain(why))}</p>\n'
    yield f'<p class="label"><a href="#step-{item.step}">step {item.step}</a> {escape(plain(item.call_id))}</p>\n'
    yield "</details>\n"


def _gap(row: Row) -> str:
    return f'<p class="gap">Changed outside any tool call <code>{escape(prose.trees(row))}</code> {_clock(row)}</p>\n'


def _block(label: str, text: str) -> str:
    name = f'<p class="label">{escape(label)}</p>' if label else ""
    return f"{name}<pre>\n{escape(text)}</pre>\n"  # the newline is HTML's own: it keeps one that the text starts with


def _diff(patch: str) -> Iterator[str]:
    head = True  # until the first hunk of a file: below it, "--- " is a line that was taken out
    for line in prose.patch_lines(patch):
        head = line.startswith("diff --git ") or (head and not line.startswith("@@"))
        kind = None if head else _KINDS.get(line[:1])
        said = escape(line)
        yield f"<b>{said}</b>\n" if head else f'<span class="{kind}">{said}</span>\n' if kind else f"{said}\n"


def _depth(part: Part) -> str:
    return f' data-depth="{min(part.depth, 4)}"' if part.depth else ""


def _clock(row: Row) -> str:
    time = row.item.time
    shown = prose.utc(time)
    return f'<time datetime="{escape(str(time))}">{shown}</time>' if shown else ""
