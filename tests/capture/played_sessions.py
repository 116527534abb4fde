"""A session that is played with real trees, for agents of any kind; and what must come of one that writes a file."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hookkit.capture.ingest import ingest_project
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, events, patches


class Played:
    """A session's file, and its sidecar as the hooks write it. Each agent says how it writes both."""

    agent: str
    session_id: str
    start: datetime
    ahead = 0.0  # seconds from the time of the session's next line to that of a hook line

    def __init__(self, repo: Path, session: Any) -> None:
        self.repo = repo
        self.session = session
        self.hooks: list[dict[str, Any]] = []

    def hook(self, event: str, **data: Any) -> None:
        """A hook line, now: between the session's last line and its next."""
        second = len(self.session.lines) + len(self.hooks) / 1000 + self.ahead
        moment = (self.start + timedelta(seconds=second)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        fields = {"session_id": self.session_id, "agent": self.agent, "trail": capture(self.repo), **data}
        self.hooks.append({"type": "opentraces_hook", "event": event, "timestamp": moment, "data": fields})

    def line(self, event: str, *args: Any, **data: Any) -> None:
        raise NotImplementedError

    def write(self, call: str, name: str, text: str) -> None:
        """A call that writes a file of the repository."""
        raise NotImplementedError

    def write_session(self) -> None:
        raise NotImplementedError

    def write_hooks(self) -> None:
        raise NotImplementedError

    def ingest(self, *, keep: bool = True) -> dict[str, Any]:
        """The trace of the session, which has a file if it is kept."""
        if keep:
            self.write_session()
        self.write_hooks()
        (result,) = [each for each in ingest_project(self.repo) if each.agent == self.agent]
        assert result.status == "stored"
        found: dict[str, Any] = json.loads(trace_path(result.trace_id).read_bytes())
        return found


class NamedCalls(Played):
    """A session of an agent whose hooks name each call."""

    shell: str  # the tool that runs commands

    def line(self, event: str, call: str | None = None, tool: str | None = None, **data: Any) -> None:
        called = {"tool": tool or self.shell, "tool_call_id": call, "tool_use_id": call} if call else {}
        self.hook(event, **data, **called)


def write_sidecar(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def check_one_trace_and_a_trail(played: Played) -> dict[str, Any]:
    """A turn that writes one file; gives its trace."""
    played.session.prompt("Write.")
    played.line("UserPromptSubmit", prompt="Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.say("Done.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt")]
    (opened,) = events(played.repo, "trace_step_window_opened")
    (closed,) = events(played.repo, "trace_step_window_closed")
    assert (opened.step_index, opened.payload["declared_write_paths"]) == (1, ["f1.txt"])
    trees = [
        entry["trail"]["tree_id"]
        for key in ("pre", "post")
        for entry in trace["metadata"][f"hook_{key}_tool_use"].values()
    ]
    assert [opened.payload["tree_id"], closed.payload["tree_id"]] == trees
    assert trees[0] != trees[1]
    assert (trace["metadata"]["project"], trace["metadata"]["cwd"]) == (str(played.repo), str(played.repo))
    assert trace["metadata"]["capture"]["missing_pre_or_post_hook"] == 0
    return trace


def check_killed_call(played: NamedCalls) -> None:
    """A call that was killed is closed at the next boundary, and what was written until then is its own."""
    played.session.prompt("Go.").call("call_1", command="sleep 9")
    played.line("PreToolUse", "call_1", tool_input={"command": "sleep 9"})
    (played.repo / "late.txt").write_text("x\n")
    played.session.prompt("Again.")
    played.line("UserPromptSubmit", prompt="Again.")
    trace = played.ingest()
    assert trace["metadata"]["hook_post_tool_use"]["call_1"]["capture_status"] == "post_inferred"
    assert patches(played.repo) == [("call_1", "added", "late.txt")]
