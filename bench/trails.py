"""Ten thousand tool calls with their trees: what the trail costs to keep, and how long it takes to answer.

The objects are written as the hooks leave them, loose, and the transcripts as the agent and the hooks write them; what
is measured is what comes after: the ingest of each session, the repository that it leaves behind, and `hookkit blame`.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.repositories import clean_environment
from bench.timing import Command, Row, milliseconds, once, versus

LARGE = "large.py"
LINES = 5_000
CALLS, SESSIONS = 10_000, 20
FILES = 200  # beside the large one; ten to a folder
_MIB = 2**20
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def put(store: Path, kind: str, content: bytes) -> bytes:
    """Write a loose object; its binary id."""
    data = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.sha1(data, usedforsecurity=False)
    path = store / name.hexdigest()[:2] / name.hexdigest()[2:]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.compress(data, 1))
    return name.digest()


@dataclass
class World:
    """A repository and its clock. Files are kept as lists of lines; only what changed is written again.

    store: where the objects of the snapshots go.
    """

    root: Path
    store: Path
    seconds: int = 0
    files: dict[str, list[bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, bytes] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    head: str = ""
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        for number in range(FILES):
            self.set(f"dir{number // 10:02d}/file{number:03d}.py", [b"value_%d = 0\n" % line for line in range(40)])
        self.set(LARGE, [b"line_%d = %d  # as it was\n" % (line, line * line) for line in range(LINES)])
        self.commit()

    def set(self, path: str, lines: list[bytes]) -> None:
        self.files[path] = lines
        self.blobs[path] = put(self.store, "blob", b"".join(lines))
        self.dirty.add(path)
        self.folders.pop(path.rpartition("/")[0], None)

    def tree(self) -> str:
        for folder in {path.rpartition("/")[0] for path in self.files} - self.folders.keys():
            entries = [
                (path.rpartition("/")[2].encode(), blob)
                for path, blob in self.blobs.items()
                if path.rpartition("/")[0] == folder
            ]
            if folder:
                self.folders[folder] = self._tree([(b"100644", *entry) for entry in entries])
        top = [(b"40000", folder.encode(), self.folders[folder]) for folder in self.folders if folder]
        return self._tree([*top, (b"100644", LARGE.encode(), self.blobs[LARGE])]).hex()

    def _tree(self, entries: list[tuple[bytes, bytes, bytes]]) -> bytes:
        ordered = sorted(entries, key=lambda entry: entry[1] + (b"/" if entry[0] == b"40000" else b""))
        return put(self.store, "tree", b"".join(mode + b" " + name + b"\0" + blob for mode, name, blob in ordered))

    def now(self) -> str:
        self.seconds += 1
        return (START + timedelta(seconds=self.seconds)).isoformat().replace("+00:00", ".000000Z")

    def git(self, *arguments: str) -> str:
        date = f"{int(START.timestamp()) + self.seconds} +0000"
        env = clean_environment(self.root, GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
        done = subprocess.run(
            ["git", "-C", str(self.root), *identity, *arguments], env=env, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self) -> None:
        self.now()
        for path in self.dirty:
            target = self.root / path
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(b"".join(self.files[path]))
        self.dirty.clear()
        self.git("add", "-A")
        self.git("commit", "-qm", "work")
        self.head = self.git("rev-parse", "HEAD")

    def edit(self, call: int) -> tuple[str, int]:
        """Change one to three lines, every fifth time in the large file; gives the path and the first line, 1-based."""
        path = LARGE if call % 5 == 0 else f"dir{call % FILES // 10:02d}/file{call % FILES:03d}.py"
        lines = [*self.files[path]]
        at = self.random.randrange(len(lines) - 4)
        new = [b"call_%d_%d = %d\n" % (call, n, at) for n in range(self.random.randrange(1, 4))]
        lines[at : at + self.random.randrange(1, 4)] = new  # about as many as before
        self.set(path, lines)
        return path, at + 1


@dataclass(slots=True)
class Session:
    """One session of Claude Code: its transcript, and how far it has come."""

    world: World
    transcript: Path
    session_id: str
    calls: int = 0
    made: int = 0
    parent: str | None = None

    def play(self, calls: range) -> None:
        """Append one turn of calls, which are numbered throughout the sessions."""
        self.calls = calls.stop
        with self.transcript.open("a", encoding="utf-8") as file:
            for line in self._turn(calls):
                file.write(json.dumps(line) + "\n")

    def _turn(self, calls: range) -> Iterator[dict[str, Any]]:
        prompt = {"role": "user", "content": f"Do the calls from {calls.start} on."}
        yield self._entry("user", prompt, promptId=f"prompt-{calls.start}")
        for call in calls:
            name = f"toolu_{call:07d}"
            before = self._hook("PreToolUse", name, {})
            path, first = self.world.edit(call)
            given = {"file_path": str(self.world.root / path), "old_string": "x", "new_string": "y"}
            yield self._entry(
                "assistant", self._message(call, [{"type": "tool_use", "id": name, "name": "Edit", "input": given}])
            )
            before["data"]["tool_input"] = given
            yield before
            yield self._hook(
                "PostToolUse", name,
                {
                    "tool_input": given, "file_path": given["file_path"], "start_line": first, "end_line": first,
                    "capture_status": "captured", "confidence": "high", "limitations": [],
                },
            )  # fmt: skip
            result = [{"type": "tool_result", "tool_use_id": name, "content": "The file was edited."}]
            yield self._entry("user", {"role": "user", "content": result}, toolUseResult={})
        yield self._entry("assistant", self._message(-calls.stop, [{"type": "text", "text": "Done."}]))

    def _message(self, number: int, content: list[dict[str, Any]]) -> dict[str, Any]:
        usage = {"input_tokens": 9, "cache_creation_input_tokens": 9, "cache_read_input_tokens": 9, "output_tokens": 9}
        end = "tool_use" if content[0]["type"] == "tool_use" else "end_turn"
        return {
            "id": f"msg_{number}", "role": "assistant", "model": "claude-sonnet-4-5", "content": content,
            "usage": usage, "stop_reason": end,
        }  # fmt: skip

    def _entry(self, kind: str, message: Mapping[str, Any], **extra: Any) -> dict[str, Any]:
        self.made += 1
        name = str(uuid.uuid5(uuid.UUID(self.session_id), str(self.made)))
        found = {
            "type": kind, "uuid": name, "parentUuid": self.parent, "timestamp": self.world.now(), "message": message,
            "sessionId": self.session_id, "cwd": str(self.world.root), "version": "2.1.197", "gitBranch": "main",
            "isSidechain": False,
        }  # fmt: skip
        self.parent = name
        return found | extra

    def _hook(self, event: str, call: str, more: Mapping[str, Any]) -> dict[str, Any]:
        data = {
            "session_id": self.session_id, "agent": "claude-code", "tool": "Edit", "tool_call_id": call,
            "tool_use_id": call,
            "trail": {
                "worktree_root": str(self.world.root),
                "tree_id": {"algo": "sha1", "hex": self.world.tree()},
                "git_head": {"algo": "sha1", "hex": self.world.head},
            },
        }  # fmt: skip
        return {"type": "opentraces_hook", "event": event, "timestamp": self.world.now(), "data": data | more}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a git folder holds. loose, objects: loose ones, and all; size: bytes of all files."""

    loose: int
    objects: int
    size: int

    def __sub__(self, other: Kept) -> Kept:
        return Kept(self.loose - other.loose, self.objects - other.objects, self.size - other.size)


def kept(root: Path, *, private: bool = True) -> Kept:
    """Count a repository's git folder; without hookkit's part of it unless ``private``."""
    folder = root / ".git"
    ours = folder / "hookkit"
    files = [path for path in folder.rglob("*") if path.is_file() and (private or not path.is_relative_to(ours))]
    loose = sum(len(path.name) == 38 and len(path.parent.name) == 2 for path in files)
    packed = sum(_objects(path) for path in files if path.suffix == ".idx")
    return Kept(loose, loose + packed, sum(path.stat().st_size for path in files))


def _objects(index: Path) -> int:
    """How many objects a pack has: the last of the 256 counters behind the index's header."""
    with index.open("rb") as file:
        file.seek(8 + 255 * 4)
        return int.from_bytes(file.read(4), "big")


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sessions(world: World, projects: Path, calls: int, count: int) -> list[Session]:
    """``count`` sessions of equally many calls, a turn for each ten calls and a commit after each session."""
    projects.mkdir(parents=True)
    each, played = calls // count, []
    for number in range(count):
        name = str(uuid.UUID(int=number + 1, version=4))
        session = Session(world, projects / f"{name}.jsonl", name)
        for start in range(number * each, (number + 1) * each, 10):
            session.play(range(start, start + 10))
        world.commit()
        played.append(session)
    return played


def copied(root: Path, target: Path, transcripts: list[Path]) -> list[Path]:
    """The same repository and transcripts for a recorder that keeps its snapshots in the user's object store."""
    shutil.copytree(root, target)
    private = target / ".git" / "hookkit"
    shutil.copytree(private / "objects", target / ".git" / "objects", dirs_exist_ok=True)
    shutil.rmtree(private)
    folder = target.with_name(f"{target.name}-projects")
    folder.mkdir()
    found = []
    for transcript in transcripts:
        text = transcript.read_text(encoding="utf-8")
        found.append(folder / transcript.name)
        found[-1].write_text(text.replace(json.dumps(str(root))[1:-1], json.dumps(str(target))[1:-1]), encoding="utf-8")
    return found


def environment(home: Path) -> dict[str, str]:
    """Where hookkit keeps everything below ``home``."""
    return clean_environment(home, HOOKKIT_HOME=str(home / "hk"))


@dataclass(frozen=True, slots=True)
class Played:
    """A repository in which sessions took place that were not ingested yet. before: what the user's git holds."""

    world: World
    home: Path
    sessions: list[Session]
    before: Kept

    def ingest(self, session: Session) -> Command:
        """The ingest at the end of a turn, without the wait for the transcript to settle."""
        command = [sys.executable, "-m", "hookkit", "ingest", str(session.transcript)]
        return Command(command, environment(self.home), self.world.root)


def play(folder: Path, calls: int, count: int) -> Played:
    """``calls`` calls in ``count`` sessions, in a repository below ``folder``."""
    root, home = folder / "repository", folder / "home"
    world = World(root, root / ".git" / "hookkit" / "objects")
    played = sessions(world, home / ".claude" / "projects" / "bench", calls, count)
    return Played(world, home, played, kept(root, private=False))


def measure(scratch: Path, runs: int) -> Iterator[Row]:
    """Ten thousand calls in twenty sessions: the first ingest, one of ten calls more, blame, and what is kept."""
    played = play(scratch / "trails", CALLS, SESSIONS)
    root, last = played.world.root, played.sessions[-1]
    whole = [once(played.ingest(session)) for session in played.sessions]
    assert not any(run.code for run in whole)
    seconds = sum(run.seconds for run in whole)
    memory = f"{seconds / CALLS * 1e3:.1f} ms a call, {max(run.mebibytes for run in whole):.0f} MiB"
    more = replace(played.ingest(last), before=lambda: last.play(range(last.calls, last.calls + 10)))
    ten = statistics.median(once(more).seconds for _ in range(max(3, runs // 3)))
    yield Row("ingest, ten calls more", f"{CALLS:,} calls", ten / seconds, "", ten * 1e3, seconds * 1e3, memory)

    git = Command(["git", "blame", "--porcelain", LARGE], played.ingest(last).env, root)
    ours = replace(git, argv=[sys.executable, "-m", "hookkit", "blame", LARGE])
    ratio, a, b = versus(ours, git, runs)
    lines = len(played.world.files[LARGE])
    name = f"blame, {lines:,} lines, {CALLS:,} calls"
    yield Row(name, "git blame", ratio, "300 ms", milliseconds(a), milliseconds(b))


def against_peer(scratch: Path, interpreter: Path, calls: int) -> Iterator[Row]:
    """The same sessions through the ingest of opentraces 0.4.13: what both leave in the git folder."""
    played = play(scratch / "trails-peer", calls, max(2, calls // 500))
    root, other, home = played.world.root, scratch / "trails-peer" / "theirs", scratch / "trails-peer" / "their-home"
    home.mkdir()
    transcripts = copied(root, other, [session.transcript for session in played.sessions])
    mine, theirs = [], []
    for session, transcript in zip(played.sessions, transcripts, strict=True):
        arguments = ["-m", "opentraces", "_ingest-session", str(transcript), "--project", str(other)]
        mine.append(once(played.ingest(session)).seconds)
        theirs.append(once(Command([str(interpreter), *arguments], clean_environment(home), other)).seconds)
    ours, peers = kept(root) - played.before, kept(other) - played.before
    beside = f"{size_of(played.home / 'hk') / _MIB:.0f} MiB of traces against {size_of(home) / _MIB:.0f}"
    title = f"git folder after {calls:,} calls"
    yield Row(
        f"{title}, loose objects", "opentraces", ours.loose / peers.loose, "<= 0.2", ours.loose, peers.loose, unit=""
    )
    yield Row(
        f"{title}, all objects", "opentraces", ours.objects / peers.objects, "", ours.objects, peers.objects, unit=""
    )
    sizes = ours.size / _MIB, peers.size / _MIB
    yield Row(f"{title}, size", "opentraces", ours.size / peers.size, "<= 0.2", *sizes, beside, unit="MiB")
    yield Row(
        f"ingest of {calls:,} calls, times faster", "opentraces", sum(theirs) / sum(mine), "",
        sum(mine) * 1e3, sum(theirs) * 1e3,
    )  # fmt: skip
