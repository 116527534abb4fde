"""Cursor's documented sessions, and sessions and hook lines made one by one, in the shape that is documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.calls import call_key
from hookkit.capture.cursor.identity import identity
from hookkit.capture.cursor.parser import CursorParser
from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path

from .recorded_sessions import Recorded

DOCUMENTED = Path(__file__).parents[1] / "agents" / "fixtures" / "cursor" / "documented" / "transcripts"
SESSION = "5f0c1f9e-3d7b-4c52-9a41-2f8e6b7c1d10"
SUBAGENT = "c2a71b64-08de-4f3a-8b15-6d2e90f1a7c3"
TOUR = DOCUMENTED / "tour" / SESSION / f"{SESSION}.jsonl"
ALL = sorted(path for path in DOCUMENTED.rglob("*.jsonl") if path.parent.name != "subagents")
ROOT = "/home/dev/project"
SESSIONS = Recorded("cursor", DOCUMENTED, ALL)


def parsed(path: Path) -> TraceRecord:
    outcome = CursorParser().parse(path)
    assert isinstance(outcome.record, TraceRecord)
    assert outcome.errors == []
    return outcome.record


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "message": {"content": [{"type": "text", "text": text}]}}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "message": {"content": list(blocks)}}


def use(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": given}


def asked(text: str, time: str = "") -> dict[str, Any]:
    return user((f"<timestamp>{time}</timestamp>\n" if time else "") + f"<user_query>\n{text}\n</user_query>")


def write(folder: Path, *lines: Any, name: str = SESSION) -> Path:
    path = folder / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def hook(event: str, second: int, *, session: str = SESSION, **data: Any) -> dict[str, Any]:
    """A hook line as Cursor's hooks write it, at 09:00 UTC and some seconds."""
    if "tool" in data:
        tool, given = data["tool"], data.setdefault("tool_input", {})
        data.setdefault("call_key", call_key(*identity(tool, given)))
        data["tool_use_id"] = data.setdefault("tool_call_id", f"hook-{data['call_key']}")
    stamp = f"2026-11-28T09:{second // 60:02}:{second % 60:02}.000000Z"
    fields = {"session_id": session, "agent": "cursor", **data}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp, "data": fields}


def sidecar(root: Path, *lines: dict[str, Any], session: str = SESSION) -> None:
    path = root / ".opentraces" / "cursor" / "hooks" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def ingested(path: Path, project: Path | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trace_path(ingest_session(path, project, agent="cursor").trace_id).read_bytes())
    return found
