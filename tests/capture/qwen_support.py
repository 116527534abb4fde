"""Qwen Code's recorded sessions, and sessions made line by line, in the shape that Qwen writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.qwen_code.parser import QwenCodeParser

from .recorded_sessions import Recorded

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "qwen-code" / "0.24.4" / "transcripts"
RECORDED = sorted(FIXTURES.glob("*/chats/*.jsonl"))
SESSIONS = Recorded("qwen-code", FIXTURES, RECORDED)
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USAGE = {
    "promptTokenCount": 160, "candidatesTokenCount": 42, "thoughtsTokenCount": 3, "totalTokenCount": 202,
    "cachedContentTokenCount": 40,
}  # fmt: skip


def recorded(name: str) -> Path:
    (found,) = (FIXTURES / name / "chats").glob("*.jsonl")
    return found


def record_of(path: Path) -> TraceRecord:
    found = QwenCodeParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(path: Path) -> list[Path]:
    """A session's file and its subagents'."""
    return [path, *QwenCodeParser().beside(path)]


class Session:
    """A session file, made line by line, one second apart."""

    def __init__(self, cwd: str = ROOT, agent: str = "") -> None:
        self.lines: list[Any] = []
        self.cwd, self.agent = cwd, agent

    def add(self, kind: str, **fields: Any) -> Session:
        number = len(self.lines)
        moment = (START + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        common = {"uuid": f"{self.agent}{number}", "sessionId": SESSION, "timestamp": moment, "type": kind}
        about = {"cwd": self.cwd, "version": "0.24.4", "gitBranch": "main"}
        if self.agent:
            about |= {"agentId": self.agent, "isSidechain": True}
        self.lines.append({**common, **about, **fields})
        return self

    def prompt(self, text: str, **fields: Any) -> Session:
        return self.add("user", message={"role": "user", "parts": [{"text": text}]}, provenance="real_user", **fields)

    def answer(self, *parts: Any, usage: Any = USAGE, **fields: Any) -> Session:
        about = {"model": "one", "usageMetadata": usage, **fields}
        return self.add("assistant", message={"role": "model", "parts": list(parts)}, **about)

    def say(self, text: str) -> Session:
        return self.answer({"text": text})

    def call(self, call_id: str, name: str = "run_shell_command", **given: Any) -> Session:
        return self.answer(asks(call_id, name, **given))

    def result(self, call_id: str, text: str = "ok", *, error: bool = False, **fields: Any) -> Session:
        response = {"id": call_id, "name": "x", "response": {"error" if error else "output": text}}
        told = {"callId": call_id, "status": "error" if error else "success", **fields}
        return self.add("tool_result", message={"parts": [{"functionResponse": response}]}, toolCallResult=told)

    def measured(self, name: str, prompt: str = f"{SESSION}########0", **fields: Any) -> Session:
        event = {"event.name": f"qwen-code.{name}", "prompt_id": prompt, **fields}
        return self.add("system", subtype="ui_telemetry", systemPayload={"uiEvent": event})

    def write(self, folder: Path, name: str = SESSION) -> Path:
        path = folder / "chats" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def parse(self, folder: Path) -> TraceRecord:
        return record_of(self.write(folder))


def asks(call_id: str, name: str, **given: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": given}}
