"""The parser of Qwen Code's sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.assemble import AgentMeta, assemble
from hookkit.capture.jsonl import decode
from hookkit.capture.qwen_code.fold import QwenFold
from hookkit.capture.session import Source, worktree
from hookkit.capture.transcripts import TranscriptParser, sessions_in
from hookkit.capture.values import text_of

_SUBAGENT = "agent-"
_HEAD = 1 << 20  # bytes: the first line holds the first prompt
_TAIL = 256 << 10


class QwenCodeParser(TranscriptParser):
    """Reads ``~/.qwen/projects/<encoded cwd>/chats/<session id>.jsonl``; subagents' files are in
    ``…/subagents/<session id>/agent-<agent id>.jsonl``."""

    agent_name = "qwen-code"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file in a folder, and in the projects below it."""
        for pattern in ("*.jsonl", "chats/*.jsonl", "*/chats/*.jsonl"):
            yield from sessions_in(projects_path, pattern)

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir``, or in a folder of that worktree."""
        roots = {project_dir.absolute(), project_dir.resolve()}
        names = tuple(map(encoded, roots))
        storage = self.storage()
        for path in sessions_in(storage, "*/chats/*.jsonl"):
            folder = path.parent.parent.name
            if not folder.startswith(names):
                continue
            cwd = _head(path).get("cwd")  # folders of different names can have the same encoded one
            if not isinstance(cwd, str):
                if folder in names:
                    yield path
            elif Path(cwd) in roots or roots & {worktree(cwd), worktree(cwd).resolve()}:
                yield path

    def candidates(self, session_id: str) -> Iterator[Path]:
        yield from self.storage().glob(f"*/chats/{session_id}.jsonl")

    def beside(self, session_path: Path) -> list[Path]:
        """The subagents' files."""
        return sorted(_subagents(session_path).glob(f"{_SUBAGENT}*.jsonl"))

    def is_final(self, session_path: Path) -> bool:
        """Whether the last message is the agent's and asks for no tool: Qwen queues what it writes, and its last
        message is often not in the file while the Stop hook runs."""
        try:
            with session_path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                lines = file.read(_TAIL).split(b"\n")
        except OSError:
            return True
        for line in reversed(lines):
            entry = decode(line)[0] if line else None
            if entry is None or entry.get("type") not in ("user", "assistant", "tool_result"):
                continue
            message = entry.get("message")
            parts = message.get("parts") if isinstance(message, Mapping) else None
            asked = isinstance(parts, list) and any(isinstance(part, dict) and "functionCall" in part for part in parts)
            return entry["type"] == "assistant" and not asked
        return False

    def new_fold(self, session_id: str) -> QwenFold:
        return QwenFold(session_id)

    def subagent_sources(self, session_path: Path, fold: QwenFold) -> list[Source]:
        """The subagents' files, by agent id."""
        return [Source(path.stem.removeprefix(_SUBAGENT), path) for path in self.beside(session_path)]

    def assemble(self, session_path: Path, fold: QwenFold) -> Assembly:
        """The session as read so far. Which model a subagent asked is said beside its file only."""
        metas = {}
        for number, stream in enumerate(fold.streams):
            if not stream.file:
                continue
            about = _about(session_path, stream.file)
            model = text_of(_flags(about).get("model"))
            stream.models.clear()
            for cell in stream.cells if model else ():
                if fold.cells.open(cell)["role"] == "agent":
                    fold.model(number, cell, fold.provided(str(model)))
            call = text_of(about.get("toolUseId")) or _caller(fold, stream.file)
            metas[stream.file] = AgentMeta(text_of(about.get("agentType")) or "", call)
        return assemble(fold, metas)


def encoded(folder: Path) -> str:
    """The name Qwen Code gives the folder of a project's sessions."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(folder))


def _subagents(session_path: Path) -> Path:
    return session_path.parent.parent / "subagents" / session_path.stem


def _head(path: Path) -> Mapping[str, Any]:
    """The first line of a session; {} where there is none."""
    try:
        with path.open("rb") as file:
            return decode(file.readline(_HEAD).strip())[0] or {}
    except OSError:
        return {}


def _about(session_path: Path, agent: str) -> Mapping[str, Any]:
    """What is said beside a subagent's file; an unreadable one says nothing."""
    try:
        return decode((_subagents(session_path) / f"{_SUBAGENT}{agent}.meta.json").read_bytes().strip())[0] or {}
    except OSError:
        return {}


def _flags(about: Mapping[str, Any]) -> Mapping[str, Any]:
    flags = about.get("persistedCliFlags")
    return flags if isinstance(flags, dict) else {}


def _caller(fold: QwenFold, agent: str) -> str:
    """The call that started a subagent, whose id ends with that call's."""
    return next((call_id for call_id in fold.calls if agent.endswith(f"-{call_id}")), "")
