"""Pi's recorded sessions, and sessions made entry by entry, in the shape that Pi writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.pi.parser import PiParser

from .recorded_sessions import Recorded

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "pi" / "0.73.1" / "transcripts"
RECORDED = sorted(FIXTURES.glob("*/*.jsonl"))
SESSIONS = Recorded("pi", FIXTURES, RECORDED)
SESSION = "01a22273-0a05-734e-b354-cd774009669f"
NAME = f"2026-11-28T13-58-14-278Z_{SESSION}.jsonl"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USAGE = {"input": 10, "output": 5, "cacheRead": 3, "cacheWrite": 2, "totalTokens": 20}


def recorded(name: str) -> Path:
    (found,) = (FIXTURES / name).glob("*.jsonl")
    return found


def record_of(path: Path) -> TraceRecord:
    found = PiParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


class Session:
    """A session file, made entry by entry, one second apart. Entries name the one before; ``back`` goes elsewhere."""

    def __init__(self, cwd: str = ROOT) -> None:
        self.lines: list[Any] = []
        self.leaf: str | None = None
        self.raw({"type": "session", "version": 3, "id": SESSION, "timestamp": self.now(), "cwd": cwd})

    def now(self) -> str:
        moment = START + timedelta(seconds=len(self.lines))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def raw(self, line: Any) -> Session:
        self.lines.append(line)
        return self

    def add(self, kind: str, **fields: Any) -> Session:
        own = f"{len(self.lines):08x}"
        self.raw({"type": kind, "id": own, "parentId": self.leaf, "timestamp": self.now(), **fields})
        self.leaf = own
        return self

    def message(self, role: str, **fields: Any) -> Session:
        return self.add("message", message={"role": role, **fields})

    def prompt(self, text: Any) -> Session:
        return self.message("user", content=[{"type": "text", "text": text}])

    def answer(self, *parts: Any, stop: str = "stop", **fields: Any) -> Session:
        about = {"provider": "scripted", "model": "one", "usage": USAGE, "stopReason": stop}
        return self.message("assistant", content=list(parts), **{**about, **fields})

    def say(self, text: str) -> Session:
        return self.answer({"type": "text", "text": text})

    def call(self, call_id: str, name: str = "bash", **given: Any) -> Session:
        return self.answer({"type": "toolCall", "id": call_id, "name": name, "arguments": given}, stop="toolUse")

    def result(self, call_id: str, text: str = "ok", *, error: bool = False) -> Session:
        content = [{"type": "text", "text": text}]
        return self.message("toolResult", toolCallId=call_id, toolName="bash", content=content, isError=error)

    def back(self, to: str | None) -> Session:
        self.leaf = to
        return self

    def write(self, folder: Path, name: str = NAME) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def parse(self, folder: Path) -> TraceRecord:
        return record_of(self.write(folder))
