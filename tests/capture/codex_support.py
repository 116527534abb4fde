"""Codex CLI's recorded sessions, and rollouts made line by line, in the shape that Codex writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.codex_cli.parser import CodexCliParser

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "codex-cli" / "0.171.0" / "transcripts"
SESSION = "01a2226b-beb0-7340-807a-5108ed074d9e"
CHILD = "01a2226b-beb0-7340-807a-00000000c41d"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def head(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as lines:
        meta: dict[str, Any] = json.loads(next(lines))["payload"]
    return meta


def sessions() -> Iterator[Path]:
    for path in sorted(FIXTURES.glob("*/*.jsonl")):
        if "parent_thread_id" not in head(path):
            yield path


RECORDED = list(sessions())


def recorded(name: str) -> Path:
    (found,) = (path for path in RECORDED if path.parent.name == name)
    return found


def record_of(path: Path) -> TraceRecord:
    found = CodexCliParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def name_of(thread: str) -> str:
    return f"rollout-2026-11-22T09-00-00-{thread}.jsonl"


class Rollout:
    """A rollout, made line by line, one second apart."""

    def __init__(self, thread: str = SESSION, cwd: str = ROOT, **meta: Any) -> None:
        self.lines: list[Any] = []
        self.thread = thread
        self.answers = 0
        self.add("session_meta", id=thread, session_id=SESSION, cwd=cwd, model_provider="openai", **meta)

    def now(self) -> str:
        moment = START + timedelta(seconds=len(self.lines))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def add(self, kind: str, metadata: Any = None, **payload: Any) -> Rollout:
        line = {"timestamp": self.now(), "ordinal": len(self.lines), "type": kind, "payload": payload}
        self.lines.append(line if metadata is None else {**line, "metadata": metadata})
        return self

    def event(self, kind: str, **fields: Any) -> Rollout:
        return self.add("event_msg", **{"type": kind, **fields})

    def item(self, kind: str, **fields: Any) -> Rollout:
        return self.event("item_completed", item={"type": kind, **fields})

    def prompt(self, text: str, model: str = "gpt-5.5") -> Rollout:
        self.event("task_started", turn_id="t").add("turn_context", cwd=ROOT, model=model)
        return self.item("UserMessage", content=[{"type": "text", "text": text}])

    def response(self, kind: str, **fields: Any) -> Rollout:
        return self.add("response_item", **{"type": kind, **fields})

    def say(self, text: str) -> Rollout:
        return self.response("message", role="assistant", content=[{"type": "output_text", "text": text}])

    def shell(self, call: str, command: str = "true", **more: Any) -> Rollout:
        given = json.dumps({"cmd": command, **more})
        return self.response("function_call", name="exec_command", arguments=given, call_id=call)

    def script(self, call: str, text: str) -> Rollout:
        return self.response("custom_tool_call", name="exec", input=text, call_id=call)

    def ran(self, call: str, output: str = "", code: int = 0, started: str | None = None, **more: Any) -> Rollout:
        item = {
            "type": "CommandExecution", "id": call, "command": ["/bin/bash", "-lc", "true"], "cwd": f"file://{ROOT}",
            "status": "failed" if code else "completed", "aggregated_output": output, "exit_code": code,
            "duration": {"secs": 1, "nanos": 500_000_000}, **more,
        }  # fmt: skip
        at = round(datetime.fromisoformat(started or self.now()).timestamp() * 1000)
        return self.event("item_completed", item=item, started_at_ms=at)

    def told(self, call: str, text: Any = "Process exited with code 0\nOutput:\n") -> Rollout:
        return self.response("function_call_output", call_id=call, output=text)

    def used(self, total: int = 10, cached: int = 4, output: int = 5, response: str | None = None) -> Rollout:
        self.answers += 1
        usage = {"input_tokens": total, "cached_input_tokens": cached, "output_tokens": output}
        usage |= {"cache_write_input_tokens": 1, "reasoning_output_tokens": 2}
        return self.add("token_usage_record", response_id=response or f"{self.thread}-{self.answers}", usage=usage)

    def done(self, **more: Any) -> Rollout:
        return self.event("task_complete", turn_id="t", last_agent_message="x", **more)

    def write(self, folder: Path) -> Path:
        path = folder / "2026" / "11" / "22" / name_of(self.thread)
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = (line if isinstance(line, str) else json.dumps(line) for line in self.lines)
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return path
