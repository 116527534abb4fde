"""Holds what the product says became of a call's lines against what is there."""

from __future__ import annotations

from collections.abc import Mapping

from hookkit.git.worktree import find
from hookkit.trails.lines.fate import LineFate, fates

from .check import Judge, Report
from .model import Author, has_token, texts
from .player import Player
from .session import Session

_THERE = ("alive", "moved")


def check_fates(player: Player) -> Report:
    """The lines of every session that worked in the main worktree."""
    world, report = player.world, Report()
    if not world.born(world.main):
        return report
    worktree = find(world.main.root)
    assert worktree is not None
    trees = [world.contents(world.main), Judge(player).at(world.main, "HEAD")]
    for session in player.sessions:
        try:
            found = fates(worktree, session.trace_id)
        except Exception as error:
            report.problems.append(f"crash: fates: {type(error).__name__}: {error}")
            continue
        _session(player, session, found, trees, report)
    return report


def _at(files: Mapping[str, bytes], line: LineFate, text: bytes) -> bool:
    lines = texts(files.get(str(line.now_path), b""))
    return line.now_line is not None and lines[line.now_line - 1 : line.now_line] == [text]


def _session(
    player: Player, session: Session, found: dict[str, list[LineFate]], trees: list[Mapping[str, bytes]], report: Report
) -> None:
    world = player.world
    there, head = trees
    now = {text for content in there.values() for text in texts(content)}
    ever = now | {text for content in head.values() for text in texts(content)}
    here = {call.id for call in session.calls if call.tree is world.main}
    told: dict[bytes, str] = {}
    for call, lines in found.items():
        for line in lines:
            text = line.text.rstrip(b"\r\n")
            written = world.ledger.written.get(text)
            if call not in here or written is None or not has_token(text) or len(written.authors) > 1:
                continue
            report.counts[f"fate {line.state}"] += 1
            told[text] = line.state
            where = f"{call} {line.path!r}:{line.line} {line.state}: {text!r}"
            if Author("call", call) not in written.authors:
                truth = "/".join(map(str, written.authors))
                if not written.blurred:
                    report.problems.append(f"fate author: {where}, but it was {truth}")
            elif line.state in _THERE and text not in ever:
                report.problems.append(f"fate gone: {where}, but it is not there")
            elif line.state not in _THERE and text in now:
                report.problems.append(f"fate there: {where}, but it is there")
            elif line.state in _THERE and not any(_at(files, line, text) for files in (there, head)):
                report.problems.append(f"fate place: {where}, not at {line.now_path!r}:{line.now_line}")
    for text in now & world.ledger.written.keys():
        written = world.ledger.written[text]
        calls = {author.call for author in written.authors} & here
        alone = has_token(text) and len(written.authors) == 1
        if alone and calls and written.seen and not written.blurred and text not in told:
            report.problems.append(f"fate missing: {calls} wrote {text!r}")
