"""Sessions as the hooks record them, made without an agent: real worktrees, real trees, times that count up."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hookkit.trails.emit import StepTrailEmissionResult, emit_step_window_events_from_record
from hookkit.trails.events import TrailEvent
from hookkit.trails.log import read_events
from tests.hooks.rig import hook_module

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    return done.stdout.decode(errors="surrogateescape").strip()


def repository(root: Path, *options: str) -> Path:
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", *options)
    (root / "old.txt").write_text("one\ntwo\nthree\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


def capture(root: Path) -> dict[str, Any]:
    """What a hook writes as ``trail``."""
    worktree = hook_module("hookkit_git").find_worktree(str(root))
    trail, limitations, _ = hook_module("hookkit_tree").capture(worktree)
    assert trail is not None, limitations
    return dict(trail)


class Session:
    """A session that grows; ``record()`` is its trace so far."""

    def __init__(self, root: Path, trace_id: str = "11111111-1111-5111-8111-111111111111") -> None:
        self.root = root
        self.trace_id = trace_id
        self.clock = START
        self.pre: dict[str, Any] = {}
        self.post: dict[str, Any] = {}
        self.stops: list[Any] = []
        self.events: list[Any] = []
        self.steps: list[dict[str, Any]] = []

    def now(self) -> str:
        self.clock += timedelta(seconds=1)
        return self.clock.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def entry(self, root: Path | None = None, trail: bool = True, **data: Any) -> dict[str, Any]:
        found = capture(root or self.root) if trail else None
        return {"timestamp": self.now(), "trail": found, **data}

    def step(self, call: str, tool: str = "Bash", error: str | None = None, **given: Any) -> None:
        self.steps.append(
            {
                "step_index": len(self.steps),
                "role": "agent",
                "timestamp": self.now(),
                "tool_calls": [{"tool_call_id": call, "tool_name": tool, "input": given}],
                "observations": [{"source_call_id": call, "content": "", "error": error}],
            }
        )

    def before(self, call: str, tool: str = "Bash", root: Path | None = None, trail: bool = True, **given: Any) -> None:
        self.step(call, tool, **given)
        self.pre[call] = self.entry(root, trail, tool=tool, tool_input=given, event="PreToolUse")

    def after(self, call: str, root: Path | None = None, trail: bool = True, **data: Any) -> None:
        tool = self.pre.get(call, {}).get("tool", "Bash")
        known = {"capture_status": "hook_only", "limitations": ["hook_only"]} if tool == "Bash" else {}
        self.post[call] = self.entry(root, trail, tool=tool, **{"event": "PostToolUse", **known, **data})

    @contextlib.contextmanager
    def call(self, call: str, tool: str = "Bash", root: Path | None = None, **given: Any) -> Iterator[None]:
        self.before(call, tool, root, **given)
        yield
        self.after(call, root)

    def stop(self, root: Path | None = None, trail: bool = True) -> None:
        self.stops.append(self.entry(root, trail, event="Stop", session_id="s"))

    def prompt(self, root: Path | None = None) -> None:
        self.events.append(self.entry(root, event="UserPromptSubmit", session_id="s"))

    def record(self) -> dict[str, Any]:
        return {
            "trace_id": self.trace_id,
            "session_id": "s",
            "generation_index": 0,
            "agent": {"name": "claude-code"},
            "steps": self.steps,
            "metadata": {
                "hook_pre_tool_use": dict(self.pre),
                "hook_post_tool_use": dict(self.post),
                "hook_stop": list(self.stops),
                "hook_events": list(self.events),
            },
        }

    def emit(self, repo: Path | None = None) -> StepTrailEmissionResult:
        return emit_step_window_events_from_record(repo or self.root, self.record())


def events(repo: Path, kind: str | None = None) -> list[TrailEvent]:
    return [event for event in read_events(repo) if kind in (None, event.event_type)]


def patches(repo: Path) -> list[tuple[str | None, str, str]]:
    """(call, status, path) of every patch."""
    found = events(repo, "trace_patch_created")
    return [(each.payload["tool_call_id"], each.payload["status"], each.payload["file_path"]) for each in found]


def observed(repo: Path) -> list[list[str]]:
    """The paths of every observation of a change outside any call."""
    found = events(repo, "filesystem_mutation_observed")
    return [[path["path"] for path in each.payload["paths"]] for each in found]
