"""Transcripts and hook lines made line by line, in the shape that Claude Code and the hooks write."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.parser import ClaudeCodeParser

FIXTURES = Path(__file__).parent / "fixtures"
OFFICIAL = Path(__file__).parents[1] / "agents" / "fixtures" / "claude-code" / "2.1.197" / "transcripts"
SESSION = "0e0e0e0e-0000-4000-8000-000000000001"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def stamp(second: float) -> str:
    return (START + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tree(number: int) -> dict[str, str]:
    return {"algo": "sha1", "hex": f"{number:040x}"}


def hook(event: str, second: float, call: str | None = None, *, at: int | None = None, **data: Any) -> dict[str, Any]:
    """A hook line. at: number of the tree id; None gives a line without a trail."""
    fields: dict[str, Any] = {"session_id": SESSION, "agent": "claude-code"}
    if call is not None:
        fields |= {"tool": "Bash", "tool_call_id": call, "tool_use_id": call}
        fields |= {"tool_input": {"command": "true"}} if event == "PreToolUse" else {"limitations": []}
    if at is not None:
        fields["trail"] = {"worktree_root": ROOT, "tree_id": tree(at), "git_head": tree(999)}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp(second), "data": fields | data}


class Transcript:
    """Lines of one file, one second apart."""

    def __init__(self, agent: str | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self.agent = agent

    def add(self, kind: str, **fields: Any) -> Transcript:
        number = len(self.lines)
        common: dict[str, Any] = {
            "uuid": f"{self.agent or 'main'}-{number}",
            "parentUuid": f"{self.agent or 'main'}-{number - 1}" if number else None,
            "timestamp": stamp(number),
            "sessionId": SESSION,
            "isSidechain": self.agent is not None,
            "cwd": ROOT,
            "version": "2.1.197",
            "gitBranch": "main",
        }
        if self.agent:
            common["agentId"] = self.agent
        self.lines.append({"type": kind} | common | fields)
        return self

    def raw(self, line: dict[str, Any]) -> Transcript:
        self.lines.append(line)
        return self

    def prompt(self, text: Any, **fields: Any) -> Transcript:
        return self.add("user", message={"role": "user", "content": text}, **fields)

    def message(
        self, message_id: str, *blocks: Any, stop: str | None = None, usage: Any = None, **fields: Any
    ) -> Transcript:
        message = {"id": message_id, "role": "assistant", "model": "claude-opus-4-8", "content": list(blocks)}
        message |= {"stop_reason": stop, "usage": usage or {"input_tokens": 10, "output_tokens": 5}}
        return self.add("assistant", message=message, **fields)

    def say(self, text: str, message_id: str | None = None) -> Transcript:
        return self.message(message_id or f"msg-{self.agent}-{len(self.lines)}", said(text), stop="end_turn")

    def call(self, call_id: str, name: str = "Bash", message_id: str | None = None, **given: Any) -> Transcript:
        return self.message(message_id or f"msg-{call_id}", calls(call_id, name, **given), stop="tool_use")

    def result(self, call_id: str, text: Any = "ok", *, error: bool = False, detail: Any = None) -> Transcript:
        block = {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": error}
        return self.add("user", message={"role": "user", "content": [block]}, toolUseResult=detail)

    def turn(self, prompt: str = "Do it.", call_id: str = "toolu_1") -> Transcript:
        return self.prompt(prompt).call(call_id, command="true").result(call_id).say("Done.")

    def text(self) -> str:
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def calls(call_id: str, name: str = "Bash", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def write(folder: Path, main: Transcript, *agents: Transcript, metas: dict[str, dict[str, Any]] | None = None) -> Path:
    """Write a session's files as Claude Code lays them out; gives the transcript's path."""
    path = folder / "projects" / "-home-dev-project" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(main.text(), encoding="utf-8")
    beside = path.with_suffix("") / "subagents"
    for agent in agents:
        beside.mkdir(parents=True, exist_ok=True)
        (beside / f"agent-{agent.agent}.jsonl").write_text(agent.text(), encoding="utf-8")
    for name, meta in (metas or {}).items():
        (beside / f"agent-{name}.meta.json").write_text(json.dumps(meta))
    return path


def parse(
    folder: Path, main: Transcript, *agents: Transcript, metas: dict[str, dict[str, Any]] | None = None
) -> TraceRecord:
    record = ClaudeCodeParser().parse(write(folder, main, *agents, metas=metas)).record
    assert isinstance(record, TraceRecord)
    return record


def fixture(name: str, to: Path) -> tuple[Path, Path]:
    """A recorded session copied below ``to``: its transcript, and the project folder with its sidecars."""
    source = FIXTURES / name
    shutil.copytree(source / "projects", to / "projects")
    project = to / "project"
    project.mkdir()
    if (source / "sidecar").exists():
        shutil.copytree(source / "sidecar", project / ".opentraces")
    return next((to / "projects" / "-home-dev-project").glob("*.jsonl")), project
