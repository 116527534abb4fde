"""Holds what the product says of every line against the model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hookkit.git.worktree import find
from hookkit.trails.lines.blame import blame, blame_with
from hookkit.trails.lines.commit import attribute
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import BlamedLine, Origin
from hookkit.trails.lines.resolve import Resolver

from .model import OUTSIDE, Author, Written, has_token, texts
from .player import Player
from .world import Tree


@dataclass(slots=True)
class Report:
    """How the answers were. counts: verdict -> lines; provisional: what was said and what was -> lines; problems: what
    must not be, in words."""

    counts: Counter[str] = field(default_factory=Counter)
    provisional: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.counts.update(other.counts)
        self.provisional.update(other.provisional)
        self.problems += other.problems


@dataclass(slots=True)
class Judge:
    """player: what was played, at its end."""

    player: Player
    report: Report = field(default_factory=Report)
    blobs: dict[str, list[bytes]] = field(default_factory=dict)
    _resolvers: dict[Path, Resolver] = field(default_factory=dict)
    _open: list[LinesIndex] = field(default_factory=list)

    def everything(self) -> Report:
        """Every file of every worktree; what differs at HEAD; a few files of a few older commits; some commits."""
        try:
            self._everything()
        finally:
            for index in self._open:
                index.db.close()
        return self.report

    def _everything(self) -> None:
        world, rng = self.player.world, self.player.rng
        for tree in world.trees:
            there = world.contents(tree)
            for path, content in there.items():
                self.file(tree, path, None, content)
            if not world.born(tree):
                continue
            for path, content in self.at(tree, "HEAD").items():
                if there.get(path) != content and "core.autocrlf" not in world.settings:
                    self.file(tree, path, "HEAD", content)
        commits = world.git(world.main, "rev-list", "--no-merges", "--branches").decode().split()
        for sha in rng.sample(commits, min(len(commits), 2)):
            held = self.at(world.main, sha)
            for path in rng.sample(sorted(held), min(len(held), 1)):
                self.file(world.main, path, sha, held[path])
            self.commit(world.main, sha, held)
        self.where()

    def at(self, tree: Tree, rev: str) -> dict[str, bytes]:
        """path -> content of the files of a commit."""
        world, found = self.player.world, {}
        listed = world.git(tree, "ls-tree", "-r", "-z", "--full-tree", rev).split(b"\0")[:-1]
        entries = [(row.split(b"\t", 1)[1], row.split()[2]) for row in listed if row.split()[1] == b"blob"]
        if entries:
            feed = b"".join(blob + b"\n" for _, blob in entries)
            output = memoryview(world.git(tree, "cat-file", "--batch", feed=feed))
            at = 0
            for path, _ in entries:
                end = bytes(output[at : at + 200]).index(b"\n")
                size = int(bytes(output[at : at + end]).split()[2])
                found[os.fsdecode(path)] = bytes(output[at + end + 1 : at + end + 1 + size])
                at += end + size + 2
        return found

    def file(self, tree: Tree, path: str, rev: str | None, content: bytes) -> None:
        place = f"{tree.root.name}:{path!r}@{rev[:10] if rev else 'worktree'}"
        try:
            answer = self._blame(tree, path, rev)
        except Exception as error:  # a crash is one more wrong answer, not the end of the run
            self.problem("crash", f"{place}: {type(error).__name__}: {error}")
            return
        lines = texts(content)
        said = [line.text.removesuffix(b"\n").removesuffix(b"\r") for line in answer]
        if said != lines or [line.line for line in answer] != list(range(1, len(lines) + 1)):
            self.problem("text", f"{place}: {len(said)} lines for {len(lines)}; {_first_difference(said, lines)}")
            return
        for line in answer:
            text = lines[line.line - 1]
            self.line(f"{place}:{line.line} [commit {line.commit[:10]}]", text, line.origin)

    def _blame(self, tree: Tree, path: str, rev: str | None) -> list[BlamedLine]:
        """Mostly by one index for all files of a worktree, which saves time; now and then by one of its own."""
        if self.player.rng.random() < 0.25:
            return blame(tree.root, path, rev=rev)
        if tree.root not in self._resolvers:
            worktree = find(tree.root)
            assert worktree is not None
            index = LinesIndex(worktree)
            self._open.append(index)
            self._resolvers[tree.root] = Resolver(worktree, index.sync().db)
        return blame_with(self._resolvers[tree.root], path, rev)

    def commit(self, tree: Tree, sha: str, held: dict[str, bytes]) -> None:
        """The product's account of a whole commit."""
        worktree = find(tree.root)
        assert worktree is not None
        try:
            runs = attribute(worktree, sha)
        except Exception as error:
            self.problem("crash", f"attribute {sha[:10]}: {type(error).__name__}: {error}")
            return
        claimed: set[tuple[str, int]] = set()
        for run in runs:
            lines = texts(held[run.path])
            for number in range(run.start, run.start + run.count):
                if (run.path, number) in claimed:
                    self.problem("twice", f"attribute {sha[:10]}: {run.path!r}:{number} is in two runs")
                claimed.add((run.path, number))
                place = f"attribute {sha[:10]} {run.path!r}:{number}"
                self.line(place, lines[number - 1], run.origin, number == run.start, sha in self.player.world.foreign)
        if "core.autocrlf" not in self.player.world.settings:
            got = {texts(held[path])[number - 1] for path, number in claimed}
            added = self.player.world.added(tree, sha) & self.player.world.ledger.written.keys()  # no headers
            missing = {text for text in added if has_token(text)} - got
            if missing:
                self.problem("missing", f"attribute {sha[:10]}: {len(missing)} added lines in no run: {min(missing)!r}")

    def line(self, place: str, text: bytes, origin: Origin, where: bool = True, foreign: bool = False) -> None:
        """One answer. where: it is this very line whose first place the origin tells. foreign: it is about a commit of
        another clone, which may have moved a line that is known here."""
        written = self.player.world.ledger.written.get(text)
        if written is None:
            self.problem("model", f"{place}: the model does not know {text!r}")
            return
        verdict = self.verdict(written, origin, vague=foreign or not has_token(text))
        short = "" if has_token(text) else " (short)"
        self.report.counts[verdict + short] += 1
        if verdict.startswith("provisional"):
            truth = "/".join(sorted({author.kind for author in written.authors}))
            how = ", blurred" if written.blurred else "" if written.seen else ", unseen"
            self.report.provisional[f"{verdict}: said {origin.kind} {list(origin.limitations)}, was {truth}{how}"] += 1
        if verdict in ("firm wrong", "unknown wrong"):
            truth = "/".join(sorted(map(str, written.authors)))
            said = f"{origin.kind} {origin.tool_call_id or ''} {origin.firmness} {list(origin.limitations)}"
            how = f"seen={written.seen} blurred={written.blurred} first in {written.path!r}"
            self.problem(verdict, f"{place}: said {said}, but it was {truth} ({how}): {text!r}")
        elif where and origin.firmness == "firm" and origin.kind == "tool_call" and has_token(text):
            self._expect_where(place, text, origin)

    def verdict(self, written: Written, origin: Origin, vague: bool) -> str:
        kinds = {author.kind for author in written.authors}
        if origin.kind == "unknown":
            if origin.firmness != "none":
                return "firm wrong"
            doubtful = written.blurred or not written.seen or len(written.authors) > 1 or vague
            return "unknown right" if doubtful or kinds & {"before", "elsewhere"} else "unknown wrong"
        said = Author("call", origin.tool_call_id or "") if origin.kind == "tool_call" else OUTSIDE
        traces = {session.trace_id for session in self.player.sessions if origin.tool_call_id in session.pre}
        right = said in written.authors and (origin.kind != "tool_call" or traces == {origin.trace_id})
        # Nobody here wrote what came from another clone; that no call did is true as well.
        right = right or (said == OUTSIDE and "elsewhere" in kinds)
        return f"{origin.firmness} {'right' if right else 'wrong'}"

    def problem(self, kind: str, what: str) -> None:
        self.report.counts[kind] += 1 if kind not in ("firm wrong", "unknown wrong") else 0
        self.report.problems.append(f"{kind}: {what}")

    # Where the product says that a line stood when it was written

    def _expect_where(self, place: str, text: bytes, origin: Origin) -> None:
        if origin.blob is None or origin.line is None:
            self.problem("where", f"{place}: a firm call without blob and line")
            return
        self.blobs.setdefault(origin.blob, []).append(text + b"\0%d\0" % origin.line + place.encode(errors="replace"))

    def where(self) -> None:
        """Every firm call's (blob, line) must hold the line's text."""
        if not self.blobs:
            return
        world = self.player.world
        private = world.main.root / ".git" / "hookkit" / "objects"
        world.environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(private)
        blobs = sorted(self.blobs)
        output = world.git(world.main, "cat-file", "--batch", feed="".join(f"{blob}\n" for blob in blobs).encode())
        del world.environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
        for blob, content in zip(blobs, _contents(output), strict=True):
            if content is None:
                self.problem("where", f"{blob} is no object")
                continue
            lines = texts(content)
            for wanted in self.blobs[blob]:
                text, number, place = wanted.split(b"\0")
                if not (0 < int(number) <= len(lines) and lines[int(number) - 1] == text):
                    self.problem("where", f"{place.decode()}: not at line {int(number)} of {blob[:10]}: {text!r}")


def _contents(output: bytes) -> Iterator[bytes | None]:
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        head = output[at:end].split()
        if head[1] == b"missing":
            yield None
            at = end + 1
            continue
        size = int(head[2])
        yield output[end + 1 : end + 1 + size]
        at = end + size + 2


def _first_difference(one: Sequence[bytes], two: Sequence[bytes]) -> str:
    for number, (left, right) in enumerate(zip(one, two, strict=False), 1):
        if left != right:
            return f"line {number}: {left!r}, not {right!r}"
    return "one is longer"
