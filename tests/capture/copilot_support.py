"""Copilot CLI's recorded sessions with their hook lines, and sessions made event by event, as it writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.copilot_cli.parser import CopilotCliParser
from tests.hooks.rig import hook_module

from .recorded_sessions import Recorded

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "copilot-cli" / "1.0.102" / "transcripts"
RECORDED = sorted(path for path in FIXTURES.glob("*.jsonl") if not path.name.endswith(".hooks.jsonl"))
HOOKED = [path for path in RECORDED if path.with_suffix(".hooks.jsonl").exists()]
SESSION = "7d7666ea-245d-4f57-a9ff-bb45f93f80e7"
AGENT = "cee20db7-2f4a-48a4-9036-03d3e5632910"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USAGE = {"inputTokens": 100, "outputTokens": 7, "cacheReadTokens": 30, "cacheWriteTokens": 20, "reasoningTokens": 3}
hooks = hook_module("hookkit_copilot_events")
recorder = hook_module("hookkit_recorder")
hook_module("hookkit_patch")  # imported by the others when it is first needed


def place(lines: bytes, folder: Path, session: str = SESSION) -> Path:
    path = folder / session / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines)
    return path


def session_of(path: Path) -> str:
    with path.open() as lines:
        return str(json.loads(lines.readline())["data"]["sessionId"])


def recorded(name: str, folder: Path) -> Path:
    path = FIXTURES / f"{name}.jsonl"
    return place(path.read_bytes(), folder, session_of(path))


def record_of(path: Path) -> TraceRecord:
    found = CopilotCliParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def told(record: TraceRecord) -> dict[str, Any]:
    return dict(record.metadata["capture"])


class Session:
    """A session made event by event, one second apart."""

    def __init__(self, cwd: str = ROOT) -> None:
        self.lines: list[Any] = []
        context = {"cwd": cwd, "gitRoot": cwd, "branch": "main"}
        self.add("session.start", sessionId=SESSION, copilotVersion="1.0.102", context=context)

    def moment(self) -> datetime:
        return START + timedelta(seconds=len(self.lines))

    def add(self, kind: str, agent: str | None = None, **data: Any) -> Session:
        stamp = self.moment().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"type": kind, "data": data, "id": f"e{len(self.lines)}", "timestamp": stamp, "parentId": None}
        self.lines.append({**line, "agentId": agent} if agent else line)
        return self

    def prompt(self, text: str, **data: Any) -> Session:
        return self.add("user.message", content=text, **data)

    def answer(self, text: str = "", *calls: Any, agent: str | None = None, usage: Any = USAGE, **data: Any) -> Session:
        if usage:
            self.add("session.usage_record", agent, usage={**usage, "isByok": True, "providerType": "openai"})
        asked = [{"toolCallId": call, "name": name, "arguments": given} for call, name, given in calls]
        return self.add("assistant.message", agent, **{"model": "m", "content": text, "toolRequests": asked, **data})

    def done(self, call: str, text: str = "ok", agent: str | None = None, **data: Any) -> Session:
        told = {"toolCallId": call, "success": True, "result": {"content": text}}
        return self.add("tool.execution_complete", agent, **{**told, **data})

    def text(self) -> bytes:
        return "".join(json.dumps(line) + "\n" for line in self.lines).encode()

    def write(self, folder: Path) -> Path:
        return place(self.text(), folder)


def ls(call: str = "c1") -> tuple[str, str, dict[str, str]]:
    return (call, "bash", {"command": "ls"})


def line_of(note: Any, session: str) -> dict[str, Any] | None:
    """The hook line that a recorded payload leads to; None if it leads to none."""
    payload = hooks.translate(note["payload"])
    event = payload.get("hook_event_name")
    role = hooks.role(event, payload) if isinstance(event, str) else None
    own = payload.get("session_id")
    if role is None or (own == payload.get("agent_id") and role not in recorder.INSIDE):
        return None
    data = {"session_id": own, "agent": "copilot-cli", **hooks.data(role, payload, False)}
    moment = datetime.fromtimestamp(note["time"], UTC).isoformat().replace("+00:00", "Z")
    return {"type": "opentraces_hook", "event": recorder.EVENTS[role], "timestamp": moment, "data": data}


def lines_of(path: Path) -> list[dict[str, Any]]:
    notes = map(json.loads, path.with_suffix(".hooks.jsonl").read_text().split("\n")[:-1])
    found = (line_of(note, session_of(path)) for note in notes)
    return [line for line in found if line is not None]


class Flat(Recorded):
    """The fixtures are the transcripts alone."""

    def copy(self, transcript: Path, to: Path) -> Path:
        return place(transcript.read_bytes(), to, session_of(transcript))


SESSIONS = Flat("copilot-cli", FIXTURES, RECORDED)
