"""The same script twice: once on a machine without hookkit, once with it, and the proof that only one thing differs."""

from __future__ import annotations

import pprint
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from . import evidence
from .drivers.base import Driver
from .model_server import ModelServer
from .observe import Observation, observe
from .programs import InstalledAgent
from .sandbox import Json, Run, Sandbox

Prepare = Callable[[Sandbox], None]
Act = Callable[[Sandbox], list[Run]]
Folders = Callable[[Sandbox], list[Path]]


@dataclass(frozen=True, slots=True)
class Played:
    """A script that was played twice.

    box: the sandbox with hookkit; runs: what the agent gave back there; trace: the session as stored.
    """

    box: Sandbox
    runs: list[Run]
    trace: Json

    def post(self, call: str) -> Json:
        """What was recorded after a call."""
        entry: Json = self.trace["metadata"]["hook_post_tool_use"][call]
        return entry

    def calls(self, tool: str) -> list[str]:
        """Ids of the calls of a tool, in the order they began."""
        notes = self.box.notes()
        return [str(note.call) for note in notes if note.event == "PreToolUse" and note.heard.tool == tool]


class Twins:
    def __init__(self, driver: Driver, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        self._driver = driver
        self._agent = agent
        self._server = server
        self._base = base
        self._session = str(uuid.uuid4()) if driver.chooses_session else None
        self.boxes: list[Sandbox] = []

    def play(
        self,
        act: Act,
        prepare: Prepare = Sandbox.repository,
        *,
        folders: Folders = lambda box: [box.project],
        legal: evidence.Legal | None = None,
    ) -> Played:
        """Run the script with and without hookkit, assert that it makes no difference and that all of it was recorded.

        act: runs the agent in a sandbox; prepare: makes the project first.
        folders: what is compared, the project by default. legal: see evidence.assert_lines_match_the_witness.
        """
        plain, _, _ = self._once("plain", act, prepare, folders, install=False)
        recorded, box, runs = self._once("recorded", act, prepare, folders, install=True)
        for part in ("answers", "repositories", "conversation"):
            differences = _differences(getattr(plain, part), getattr(recorded, part))
            assert not differences, f"{part} differ with hookkit:\n{differences}"
        evidence.assert_lines_match_the_witness(box, legal=legal)
        evidence.assert_no_trace_of_hooks_in_the_transcript(box)
        trace = evidence.recorded_trace(box)
        evidence.assert_trace_matches_the_witness(box, trace, legal=legal)
        return Played(box, runs, trace)

    def box(self, name: str, *, install: bool, session_id: str | None = None) -> Sandbox:
        """A sandbox with the witness, where the agent has command hooks, and with hookkit if ``install``."""
        box = self.bare(name, session_id=session_id)
        box.witness()
        if install:
            box.install()
        return box

    def bare(self, name: str, *, session_id: str | None = None) -> Sandbox:
        """A sandbox in which nobody registered anything."""
        box = Sandbox(self._driver, self._agent, self._server, self._base / name, session_id or self._session)
        self.boxes.append(box)
        return box

    def _once(
        self, name: str, act: Act, prepare: Prepare, folders: Folders, *, install: bool
    ) -> tuple[Observation, Sandbox, list[Run]]:
        box = self.box(name, install=install)
        prepare(box)
        runs = act(box)
        box.settle()
        return observe(box, runs, folders(box)), box, runs


def _differences(plain: Any, recorded: Any) -> str:
    """The lines in which two values differ, with three around each: an answer has too many to show them all."""
    if plain == recorded:
        return ""
    lines = (pprint.pformat(value, width=150, sort_dicts=False).splitlines() for value in (plain, recorded))
    return "\n".join(unified_diff(*lines, "plain", "recorded", lineterm="")) or f"{plain!r}\n{recorded!r}"
