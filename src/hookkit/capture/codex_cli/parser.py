"""The parser of Codex CLI's sessions: rollouts, one file a thread; a subagent is a thread of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.codex_cli.fold import CodexFold
from hookkit.capture.fold.assemble import AgentMeta, assemble
from hookkit.capture.identity import is_session_id
from hookkit.capture.session import Source
from hookkit.capture.transcripts import TranscriptParser
from hookkit.capture.windows import CallEnd

_NAME = re.compile(r"rollout-.+-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_HEAD = 4096  # bytes: the first line begins with what tells threads apart, and goes on with instructions
_CWD = re.compile(rb'"cwd":\s*("(?:[^"\\]|\\.)*")')
_TAIL = 64 << 10
_ENDS = (b'"task_complete"', b'"turn_aborted"')


class CodexCliParser(TranscriptParser):
    """Reads ``~/.codex/sessions/<year>/<month>/<day>/rollout-<time>-<thread id>.jsonl``."""

    agent_name = "codex-cli"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every rollout below a folder that is a session: threads of subagents are not."""
        for path in sorted(projects_path.rglob("rollout-*.jsonl")):
            if _NAME.fullmatch(path.stem) and b'"parent_thread_id"' not in _head(path):
                yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir`` or below."""
        roots = {project_dir.absolute(), project_dir.resolve()}
        for path in self.discover_sessions(self.storage()):
            cwd = _cwd(_head(path))
            if cwd is not None and any(cwd.is_relative_to(root) for root in roots):
                yield path

    def session_id_from_path(self, session_path: Path) -> str:
        """The thread's id, for ``codex resume``."""
        found = _NAME.fullmatch(session_path.stem)
        return found[1] if found else session_path.stem

    def candidates(self, session_id: str) -> Iterator[Path]:
        yield from self.storage().glob(f"*/*/*/rollout-*-{session_id}.jsonl")

    def beside(self, session_path: Path) -> list[Path]:
        """The rollouts of the session's subagents, which are in the folders of the days on which they were started."""
        session = self.session_id_from_path(session_path).encode()
        others = (path for day in _days(session_path) for path in sorted(day.glob("rollout-*.jsonl")))
        return [
            path
            for path in others
            if path != session_path and (head := _head(path)) and b'"parent_thread_id"' in head and session in head
        ]

    def is_final(self, session_path: Path) -> bool:
        """Whether the turn's end is there: it is written after the Stop hook ran."""
        try:
            with session_path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL))
                tail = file.read(_TAIL)
        except OSError:
            return True
        ended, begun = max(map(tail.rfind, _ENDS)), tail.rfind(b'"task_started"')
        return ended > begun or (size <= _TAIL and begun < 0)

    def new_fold(self, session_id: str) -> CodexFold:
        return CodexFold(session_id)

    def subagent_sources(self, session_path: Path, fold: CodexFold) -> Iterator[Source]:
        """The rollouts of the subagents, as the rollouts that are read name them: those may name more."""
        done: set[str] = set()
        while missing := sorted(fold.spawned.keys() - done):
            for agent in missing:
                done.add(agent)
                path = self.find_session(agent) if is_session_id(agent) else None
                if path is None or not path.is_file():
                    path = next(iter(session_path.parent.glob(f"rollout-*-{agent}.jsonl")), None)
                if path is not None and path != session_path:
                    yield Source(agent, path)

    def assemble(self, session_path: Path, fold: CodexFold) -> Assembly:
        del session_path
        found = assemble(fold, {agent: AgentMeta(kind) for agent, kind in fold.kinds.items()})
        running = {call: CallEnd(False, None) for call in fold.running}
        found.ends = {**found.ends, **running}
        whole = found.tool_input
        found.tool_input = lambda call: _as_hooked(whole(call))
        return found


def _as_hooked(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A call's input in the hooks' words: the command, whatever the tool calls it."""
    if given is None:
        return None
    command = next((given[key] for key in ("cmd", "input", "command") if isinstance(given.get(key), str)), None)
    return given if command is None else {**given, "command": command}


def _days(session_path: Path) -> list[Path]:
    """The folders ``<year>/<month>/<day>`` from the session's own to that of its last change."""
    own = session_path.parent
    try:
        last = datetime.fromtimestamp(session_path.stat().st_mtime).astimezone() + timedelta(days=1)
        first = (own.parent.parent.name, own.parent.name, own.name)
        if not all(part.isdigit() for part in first):
            return [own]
        until = (f"{last.year:04}", f"{last.month:02}", f"{last.day:02}")
    except (OSError, OverflowError, ValueError):
        return [own]
    days = own.parent.parent.parent.glob("[0-9]*/[0-9]*/[0-9]*")
    return sorted({own, *(d for d in days if first <= (d.parent.parent.name, d.parent.name, d.name) <= until)})


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).partition(b'"base_instructions"')[0]
    except OSError:
        return b""


def _cwd(head: bytes) -> Path | None:
    found = _CWD.search(head)
    try:
        return Path(json.loads(found[1])) if found else None
    except ValueError:
        return None
