"""A file of a session's project with, for each line, the prompt, the call, the model and what that cost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from hookkit.dashboard.catalogue import Session
from hookkit.dashboard.changes import worktree_of
from hookkit.dashboard.numbers import money_of_call
from hookkit.dashboard.prices import Money
from hookkit.dashboard.site import NotFoundError, Site
from hookkit.errors import HookkitError
from hookkit.exporters.git_ai_claims import overlay
from hookkit.trails.lines.blame import blame
from hookkit.trails.lines.model import BlamedLine
from hookkit.views import origins

_LARGEST = 2 << 20  # bytes of a file
_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that follow each other and have the same origin. money: of the call. share: of it, for each of its lines.

    session: id of the call's session, if the dashboard has it.
    """

    lines: list[BlamedLine]
    mark: str
    who: str
    session: str = ""
    money: Money | None = None
    share: float | None = None

    @property
    def head(self) -> BlamedLine:
        return self.lines[0]

    @property
    def step(self) -> int | None:
        return origins.step(self.head.origin, self.head.call)


@dataclass(slots=True)
class Told:
    """A file. counts: lines by kind of origin. root: of the worktree."""

    root: Path
    blocks: list[Block] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    left: int = 0


def file(site: Site, session: Session, path: str) -> Told:
    """Who wrote a file's lines, as it is in the worktree now.

    path: relative to the worktree of the session's project; NotFoundError for one that leads out of it, or nowhere.
    """
    root = worktree_of(session).root
    place = inside(root, path)
    lines = overlay(root, blame(root, place))
    if any(b"\0" in line.text for line in lines):
        raise HookkitError(
            "BINARY_FILE", f"{path} is binary: it has no lines.", "Its changes tell what calls did to it."
        )
    told = Told(root, left=max(0, len(lines) - _LINES))
    told.counts.update(_kind(line) for line in lines)
    written = Counter((line.origin.trace_id, line.origin.tool_call_id) for line in lines)
    moneys: dict[tuple[str | None, str | None], tuple[str, Money | None]] = {}
    for key, part in _groups(lines[:_LINES]):
        if key not in moneys:
            moneys[key] = _money(site, *key)
        identifier, money = moneys[key]
        share = money.micros / written[key] if money and money.micros is not None else None
        told.blocks.append(Block(part, origins.mark(part[0].origin), _who(part[0]), identifier, money, share))
    return told


def inside(root: Path, path: str) -> str:
    """A path in a worktree, as git knows it. NotFoundError for what is not in it, a link out of it, and git's own."""
    full = os.path.normpath(os.path.join(root, path))
    relative = os.path.relpath(full, root)
    parts = relative.split(os.sep)
    strange = (
        os.path.isabs(path) or "\0" in path or parts[0] in ("..", ".") or ".git" in [part.lower() for part in parts]
    )
    if strange or not _is_below(root, os.path.realpath(full)):
        raise NotFoundError("NO_SUCH_FILE", f"{path[:200]!r} is no file of this project.", "Name it from the root on.")
    found = Path(full)
    if not found.is_file():
        raise NotFoundError(
            "NO_SUCH_FILE", f"{path[:200]!r} is not there (any more).", "The changes tell what became of it."
        )
    if found.stat().st_size > _LARGEST:
        raise HookkitError("TOO_LARGE", f"{path[:200]!r} is too large for a page.", f"hookkit blame {path[:200]}")
    return relative


def _is_below(root: Path, real: str) -> bool:
    return os.path.commonpath([os.path.realpath(root), real]) == os.path.realpath(root)


def _groups(lines: Sequence[BlamedLine]) -> Iterator[tuple[tuple[str | None, str | None], list[BlamedLine]]]:
    def key(line: BlamedLine) -> tuple[object, ...]:
        origin = line.origin
        return origin.trace_id, origin.tool_call_id, origin.kind, origin.firmness, line.commit

    for (trace, call, *_), part in groupby(lines, key):
        yield (trace, call), list(part)  # type: ignore[misc]


def _money(site: Site, trace: str | None, call: str | None) -> tuple[str, Money | None]:
    """The session of a call as the dashboard knows it, and what the call cost."""
    session = site.catalogue.one(trace) if trace else None
    if session is None or call is None:
        return "", None
    try:
        opened = site.open(session)
    except HookkitError:
        return session["id"], None
    entry = opened.call(call)
    return session["id"], money_of_call(opened, entry) if entry else None


def _kind(line: BlamedLine) -> str:
    return origins.mark(line.origin)


def _who(line: BlamedLine) -> str:
    if line.origin.kind == "tool_call":
        return line.call.agent if line.call else "an agent"
    return line.author if origins.committed(line.commit) else origins.NOT_COMMITTED
