"""A scripted session in a real repository, for tests that know what should come out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hookkit.git.worktree import Worktree, find
from hookkit.trails import log
from hookkit.trails.emit import emit_step_window_events_from_record
from hookkit.trails.events import TrailEvent
from hookkit.trails.lines.blame import blame

from .model import OUTSIDE, Author
from .run import environment
from .session import Call, Recorder, Session
from .world import World

Answer = tuple[str, str]  # (name of the call, "outside" or "unknown"; firmness)


class Scene:
    """One session in one worktree. Calls have names; ``git`` and ``write`` outside a call are a person's."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, object_format: str = "sha1") -> None:
        self.world = World(folder, random.Random(1), settings or {}, object_format)
        self.root = self.world.main.root
        self.recorder = Recorder(self.world)
        self.session: Session | None = None
        self.names: dict[str, str] = {}  # call id -> name
        self.author: Author = OUTSIDE

    def start(self, name: str = "s") -> Session:
        """The recorder begins to watch."""
        self.session = Session(name, self.world.main, self.recorder, self.world)
        self.session.event("SessionStart", source="startup")
        self.session.prompt()
        return self.session

    def write(self, path: str, content: bytes | None) -> None:
        self.world.write(self.author, self.world.main, path, content)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def git(self, *arguments: str) -> str:
        return self.world.git(self.world.main, *arguments).decode(errors="surrogateescape").strip()

    def commit(self, *options: str) -> str:
        assert self.world.commit(self.world.main, *options)
        self.world.clock.tick()
        return self.git("rev-parse", "HEAD")

    @contextmanager
    def call(
        self, name: str, tool: str = "Bash", path: str | None = None, failed: bool = False, **given: Any
    ) -> Iterator[Call]:
        """What is done within is done by the call."""
        session = self.session or self.start()
        call = session.open(tool, self.world.main, path, **given)
        self.names[call.id] = name
        before, self.author = self.author, Author("call", call.id)
        yield call
        self.author = before
        session.close(call, failed=failed)
        self.world.clock.tick()

    def edit(self, name: str, path: str, content: bytes) -> None:
        """An Edit or Write of a file."""
        tool = "Edit" if (self.root / path).exists() else "Write"
        with self.call(name, tool, path):
            self.write(path, content)

    def ingest(self) -> None:
        """As at the end of a turn."""
        assert self.session is not None
        self.session.stop()
        self.emit()

    def emit(self) -> Any:
        assert self.session is not None
        return emit_step_window_events_from_record(self.root, self.session.record())

    def worktree(self) -> Worktree:
        found = find(self.root)
        assert found is not None
        return found

    def events(self, kind: str | None = None) -> list[TrailEvent]:
        return [event for event in log.read_events(self.root) if kind in (None, event.event_type)]

    def patches(self, name: str | None = None) -> list[Mapping[str, Any]]:
        """The payloads of the patches, of one call or of all."""
        payloads = [event.payload for event in self.events("trace_patch_created")]
        return [each for each in payloads if name is None or self.names.get(each["tool_call_id"]) == name]

    def answer(self, origin: Any) -> Answer:
        kind = {"tool_call": self.names.get(origin.tool_call_id, "?"), "outside_tool_call": "outside"}
        return kind.get(origin.kind, "unknown"), origin.firmness

    def blame(self, path: str, rev: str | None = None) -> list[Answer]:
        return [self.answer(line.origin) for line in blame(self.root, path, rev=rev)]

    def who(self, path: str, rev: str | None = None) -> list[str]:
        """Per line, who wrote it; a name in brackets where the answer is not firm."""
        found = self.blame(path, rev)
        return [name if firm == "firm" or name == "unknown" else f"({name})" for name, firm in found]


@contextmanager
def scene(folder: Path, **given: Any) -> Iterator[Scene]:
    """A scene, and the product running as its person."""
    found = Scene(folder / "scene", **given)
    with environment(found.world.home):
        yield found
