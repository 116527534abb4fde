"""A session as the ingest stores it: what the hooks and the transcript would have said, from real tree ids."""

from __future__ import annotations

import datetime
import difflib
import hashlib
import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .world import Tree, World


def _hook_module(name: str) -> ModuleType:
    folder = str(Path(__file__).resolve().parents[3] / "hooks")
    sys.path.append(folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


_tree_module, _git_module = _hook_module("hookkit_tree"), _hook_module("hookkit_git")


def iso(us: int) -> str:
    moment = datetime.datetime.fromtimestamp(us // 1_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us % 1_000_000:06d}Z"


class Recorder:
    """Takes the boundaries. A worktree in which nothing was done since the last one is not looked at again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last: dict[str, tuple[int, dict[str, Any]]] = {}
        self._blurred: set[str] = set()

    def blur(self, tree: Tree) -> None:
        """Nothing firm can be said of what is done until the next boundary of the worktree."""
        self._blurred.add(str(tree.root))

    def trail(self, tree: Tree) -> dict[str, Any]:
        root, ledger = str(tree.root), self._world.ledger
        stamp, trail = self._last.get(root, (-1, {}))
        fresh = False
        if stamp != len(self._world.log):
            worktree = _git_module.find_worktree(root)
            found, limitations, _ = _tree_module.capture(worktree, 20.0)
            assert found is not None, limitations
            assert not limitations, limitations
            trail = found
            self._last[root] = len(self._world.log), trail
            fresh = True
        if root in self._blurred:
            self._blurred.discard(root)
            ledger.blur(root)
        if fresh:
            ledger.boundary(root, self._world.contents(tree))
        return trail


@dataclass(slots=True)
class Call:
    """A tool call. path: what it declares to write, relative; None for a tool that may write anything."""

    id: str
    tool: str
    tool_input: dict[str, Any]
    tree: Tree
    step: int
    path: str | None = None
    before: bytes | None = None
    agent: str | None = None


@dataclass(slots=True)
class Session:
    """One session of the agent; ``metadata`` has the keys of a trace."""

    id: str
    tree: Tree
    recorder: Recorder
    world: World
    calls: list[Call] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    pre: dict[str, Any] = field(default_factory=dict)
    post: dict[str, Any] = field(default_factory=dict)
    stops: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    open_ended: list[Call] = field(default_factory=list)
    turn: int = 0

    @property
    def trace_id(self) -> str:
        return "00000000-0000-5000-8000-" + hashlib.sha256(self.id.encode()).hexdigest()[:12]

    def event(self, name: str, **data: Any) -> None:
        """A boundary that is no call's. It closes the windows that no hook closed."""
        trail, stamp = self.recorder.trail(self.tree), iso(self.world.clock.tick())
        entry = {"timestamp": stamp, "event": name, "trail": trail, "session_id": self.id, **data}
        (self.stops if name == "Stop" else self.events).append(entry)
        for call in self.open_ended:
            if call.tree.root == self.tree.root:
                self.post[call.id] = {
                    "timestamp": stamp, "tool": call.tool, "file_path": None, "start_line": None, "end_line": None,
                    "content_hash": None, "confidence": None, "capture_status": "post_inferred",
                    "limitations": ["post_inferred"], "trail": trail, "event": name,
                }  # fmt: skip
        self.open_ended = [call for call in self.open_ended if call.id not in self.post]

    def prompt(self) -> None:
        self.turn += 1
        self.event("UserPromptSubmit", prompt=f"Please do {self.turn}.", turn_id=f"turn-{self.turn}")
        self._step("user", content=f"Please do {self.turn}.")

    def stop(self) -> None:
        self.event("Stop", git={}, turn_id=f"turn-{self.turn}")

    def open(
        self,
        tool: str,
        tree: Tree,
        path: str | None = None,
        *,
        agent: str | None = None,
        lost: bool = False,
        **given: Any,
    ) -> Call:
        """The hook before the call. lost: it could not get a tree id."""
        number = len(self.calls) + 1
        tool_input = {"file_path": str(tree.root / path), **given} if path is not None else dict(given)
        before = self.world.read(tree, path) if path is not None and (tree.root / path).is_file() else None
        call = Call(f"toolu_{self.id}_{number}", tool, tool_input, tree, len(self.steps), path, before, agent)
        self.calls.append(call)
        trail = self._maybe(tree, lost)
        self.pre[call.id] = {
            "timestamp": iso(self.world.clock.tick()), "tool": tool, "trail": trail, "turn_id": f"turn-{self.turn}",
            "tool_input": tool_input, "event": "PreToolUse",
            **({"agent_id": agent} if agent else {}), **({"limitations": ["tree_timeout"]} if lost else {}),
        }  # fmt: skip
        tool_call = {"tool_call_id": call.id, "tool_name": tool, "input": tool_input, "duration_ms": None}
        self._step("agent", tool_calls=[tool_call])
        self.world.note(f"open {call.id} {tool} {path!r} in {tree.root.name}")
        return call

    def _tell_commands(self, call: Call) -> None:
        """What a shell command was, as far as it ran git: only now it is known."""
        start = next((n for n, line in enumerate(self.world.log) if line.startswith(f"open {call.id} ")), 0)
        ran = [line.partition(" -> ")[0].replace("'", "") for line in self.world.log[start:] if line.startswith("git ")]
        if ran and "command" in call.tool_input:
            call.tool_input["command"] += "; " + "; ".join(ran)

    def close(self, call: Call, *, failed: bool = False, lost: bool = False, told: bool = True) -> None:
        """The hook after the call. told: the agent said which lines it wrote."""
        self._tell_commands(call)
        self.world.note(f"close {call.id}")
        trail = self._maybe(call.tree, lost)
        entry: dict[str, Any] = {
            "timestamp": iso(self.world.clock.tick(hurry=True)), "tool": call.tool, "trail": trail,
            "turn_id": f"turn-{self.turn}", "event": "PostToolUseFailure" if failed else "PostToolUse",
            "file_path": None, "start_line": None, "end_line": None, "content_hash": None, "confidence": None,
            "capture_status": "hook_only", "limitations": ["hook_only", "posttooluse_no_file_range"], "duration_ms": 5,
        }  # fmt: skip
        entry |= {"agent_id": call.agent} if call.agent else {}
        entry |= {"error": "Exit code 1"} if failed else {}
        if call.path is not None and told and not failed:
            entry |= self._told(call)
        if lost:
            entry["limitations"] = [*entry["limitations"], "tree_timeout"]
        self.post[call.id] = entry

    def forget(self, call: Call) -> None:
        """No hook sees the end of the call. The next turn's end of the session, if there is one, will close it."""
        self.world.note(f"no end of {call.id}")
        self.open_ended.append(call)

    def _maybe(self, tree: Tree, lost: bool) -> dict[str, Any] | None:
        if lost:
            self.recorder.blur(tree)
            return None
        return self.recorder.trail(tree)

    def _told(self, call: Call) -> dict[str, Any]:
        place = call.tree.root / str(call.path)
        old, new = (call.before or b"").split(b"\n"), place.read_bytes().split(b"\n") if place.is_file() else [b""]
        ranges: list[dict[str, Any]] = []
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            d = min(d, len(new) - 1)
            if kind == "delete" or (kind != "equal" and d <= c):
                at = max(c, 1)
                ranges.append({"start_line": at, "end_line": at, "change_type": "deletion", "deleted_lines": b - a})
            elif kind != "equal":
                kind = "addition" if kind == "insert" else "modification"
                ranges.append(
                    {"start_line": c + 1, "end_line": d, "change_type": kind, "content_hash": "sha256:" + "0" * 64}
                )
        found: dict[str, Any] = {"file_path": str(place), "capture_status": "captured", "confidence": "high"}
        found |= {"limitations": [], "ranges": ranges}
        alive = [each for each in ranges if each["change_type"] != "deletion"]
        if alive:
            found |= {"start_line": alive[0]["start_line"], "end_line": alive[-1]["end_line"]}
        return found

    def _step(self, role: str, **given: Any) -> None:
        step: dict[str, Any] = {
            "step_index": len(self.steps), "role": role, "content": None, "parent_step": None, "call_type": "main",
            "agent_role": "main", "tool_calls": [], "observations": [], "snippets": [], "token_usage": {},
            "model": "model-1" if role == "agent" else None, "timestamp": iso(self.world.clock.us),
        }  # fmt: skip
        self.steps.append(step | given)

    def record(self) -> dict[str, Any]:
        """The trace of the session as it stands."""
        return {
            "schema_version": "0.9.0", "trace_id": self.trace_id, "session_id": self.id, "content_hash": None,
            "timestamp_start": None, "timestamp_end": None, "execution_context": "devtime",
            "task": {"description": "Please do 1.", "source": "user_prompt"},
            "agent": {"name": "claude-code", "version": "2.1.197", "model": "model-1"}, "environment": {},
            "steps": [dict(step) for step in self.steps], "outcome": {}, "metrics": {}, "lifecycle": "provisional",
            "generation_index": 0, "patches": [], "git_links": [],
            "metadata": {
                "project": str(self.tree.root), "hook_pre_tool_use": dict(self.pre),
                "hook_post_tool_use": dict(self.post), "hook_stop": list(self.stops), "hook_events": list(self.events),
            },
        }  # fmt: skip
