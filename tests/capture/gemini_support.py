"""Gemini CLI's recorded sessions with their hook lines, and sessions made line by line, in the shape that it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit import paths
from hookkit.capture.gemini_cli.parser import GeminiCliParser
from tests.hooks.rig import hook_module

from .recorded_sessions import Recorded

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "gemini-cli" / "0.61.0"
RECORDED = sorted((FIXTURES / "transcripts").glob("*/chats/session-*-00-*.jsonl"))
NAMES = [path.parents[1].name for path in RECORDED]
SESSIONS = Recorded("gemini-cli", FIXTURES / "transcripts", RECORDED, headed=True)
SESSION = "c47ec4a8-5c78-58a5-ad57-93bfded9d2de"
NAME = f"session-2026-11-22T09-00-{SESSION[:8]}.jsonl"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TOKENS = {"input": 130, "output": 42, "cached": 20, "thoughts": 7, "tool": 0, "total": 179}
CONTEXT = f"<session_context>\n- **Workspace Directories:**\n  - {ROOT}\n- **Directory Structure:**"


def recorded(name: str) -> Path:
    (found,) = (path for path in RECORDED if path.parents[1].name == name)
    return found


def record_of(path: Path) -> TraceRecord:
    found = GeminiCliParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(path: Path) -> list[Path]:
    """A session's file and all that belong to it."""
    return [path, *GeminiCliParser().beside(path)]


def hook_lines(name: str) -> Iterator[dict[str, Any]]:
    """The lines that the hooks make of a recorded session's payloads, half a millisecond after these were sent."""
    names = ("hookkit_hunks", "hookkit_gemini_events", "hookkit_recorder")
    _, events, recorder = map(hook_module, names)
    for payload in lines_of(FIXTURES / "hooks" / f"{name}.jsonl"):
        role = events.role(payload["hook_event_name"], payload)
        data = {"session_id": payload["session_id"], "agent": "gemini-cli", **events.data(role, payload, False)}
        stamp = payload["timestamp"].removesuffix("Z") + "500Z"
        yield {"type": "opentraces_hook", "event": recorder.EVENTS[role], "timestamp": stamp, "data": data}


def write_hooks(lines: list[dict[str, Any]]) -> None:
    """Into the place where hooks leave the lines of agents that show their worktree to the model."""
    sidecar = paths.state() / "sidecars" / "gemini-cli" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True, exist_ok=True)
    sidecar.write_text("".join(json.dumps(line) + "\n" for line in lines))


class Session:
    """A session file, made line by line, one second apart."""

    def __init__(self, kind: str = "main") -> None:
        self.lines: list[Any] = [{"sessionId": SESSION, "startTime": self.now(0), "kind": kind}]
        self.history({"id": "d04923d3", "timestamp": self.now(0), "type": "user", "content": [{"text": CONTEXT}]})

    def now(self, number: int | None = None) -> str:
        moment = START + timedelta(seconds=len(self.lines) if number is None else number)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def raw(self, line: Any) -> Session:
        self.lines.append(line)
        return self

    def history(self, *messages: Any) -> Session:
        return self.raw({"$set": {"messages": list(messages), "lastUpdated": self.now()}})

    def add(self, kind: str, **fields: Any) -> Session:
        return self.raw({"id": f"m{len(self.lines)}", "timestamp": self.now(), "type": kind, **fields})

    def prompt(self, *parts: str, **fields: Any) -> Session:
        return self.add("user", content=[{"text": part} for part in parts], **fields)

    def say(self, text: str, **fields: Any) -> Session:
        return self.add("gemini", content=text, **{"tokens": TOKENS, "model": "gemini-2.5-flash", **fields})

    def end(self, *calls: dict[str, Any]) -> Session:
        """The last message again, with the calls that it asked for, which have all ended."""
        said = next(line for line in reversed(self.lines) if line.get("type") == "gemini")
        ended = self.now(len(self.lines) + 1)
        self.raw({**said, "toolCalls": [{**call, "timestamp": ended} for call in calls]})
        return self.add("user", content=[part for call in calls for part in call["result"]])

    def call(self, call_id: str, name: str, text: str = "ok", **given: Any) -> Session:
        return self.say("").end(asked(call_id, name, text, **given))

    def write(self, folder: Path, name: str = NAME, root: str = ROOT) -> Path:
        path = folder / "chats" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / ".project_root").write_text(root)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def parse(self, folder: Path) -> TraceRecord:
        return record_of(self.write(folder))


def asked(call_id: str, name: str, text: str = "ok", status: str = "success", **given: Any) -> dict[str, Any]:
    response = {"output" if status == "success" else "error": text}
    result = [{"functionResponse": {"id": call_id, "name": name, "response": response}}]
    return {"id": call_id, "name": name, "args": given, "result": result, "status": status}


def printed(text: str, group: int, *more: str) -> str:
    """A command's result."""
    lines = "".join(f"\n{line}" for line in (*more, f"Process Group PGID: {group}"))
    return f"<untrusted_context>\nOutput: {text}{lines}\n</untrusted_context>"
