"""The parser of GitHub Copilot CLI's sessions: one file of events each, those of its subagents included."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hookkit.agents.copilot_cli import HOOK_NAMES
from hookkit.capture.assembly import Assembly
from hookkit.capture.calls import Keyed, call_key
from hookkit.capture.copilot_cli.fold import CopilotFold
from hookkit.capture.copilot_cli.lost import with_lost_calls
from hookkit.capture.fold.assemble import AgentMeta, assemble
from hookkit.capture.fold.fold import Fold
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import is_session_id
from hookkit.capture.transcripts import TranscriptParser
from hookkit.capture.values import text_of

_FILE = "events.jsonl"
_HEAD = 16 << 10  # bytes
_TAIL = 1 << 20  # bytes
_CWD = re.compile(rb'"cwd":\s*("(?:[^"\\]|\\.)*")')
_LOCK = re.compile(r"inuse\.(\d{1,9})\.lock")
# The events that tell how the main conversation stands.
_STANDS = {"user.message", "assistant.message", "tool.execution_complete", "session.shutdown", "session.error", "abort"}


class CopilotCliParser(TranscriptParser):
    """Reads ``~/.copilot/session-state/<session id>/events.jsonl``."""

    agent_name = "copilot-cli"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session below the folder."""
        for path in sorted(projects_path.glob(f"*/{_FILE}")):
            if is_session_id(path.parent.name) and path.is_file():
                yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir`` or below: their first event says where."""
        roots = {project_dir.absolute(), project_dir.resolve()}
        for path in self.discover_sessions(self.storage()):
            cwd = _cwd(path)
            if cwd is not None and any(cwd.is_relative_to(root) for root in roots):
                yield path

    def session_id_from_path(self, session_path: Path) -> str:
        """The name of the session's folder; a path that stands for a missing session has it as its own."""
        return session_path.parent.name if session_path.name == _FILE else session_path.stem

    def candidates(self, session_id: str) -> Iterator[Path]:
        yield from (path for path in (self.storage() / session_id / _FILE,) if path.is_file())

    def is_final(self, session_path: Path) -> bool:
        """Whether the turn's last event is there: they all are written after the hooks ran, and in a short session only
        when it ends. Nothing more comes of a program that is gone."""
        alive, kind, waits = _in_use(session_path.parent), *_standing(session_path)
        if not alive:
            return kind != ""
        return kind in ("assistant.message", "session.error", "abort") and not waits

    def new_fold(self, session_id: str) -> CopilotFold:
        return CopilotFold(session_id)

    def assemble(self, session_path: Path, fold: CopilotFold) -> Assembly:
        """The session as read so far, with the tokens of requests whose answers are not there: a user stopped them."""
        del session_path
        found = assemble(fold, {agent: AgentMeta(kind) for agent, kind in fold.kinds.items()})
        unanswered = fold.unanswered()
        given, made, read, written = map(sum, zip(found.usage, *(tokens for _, tokens in unanswered), strict=True))
        found.usage = (given, made, read, written)
        found.ledger = found.ledger.copy()
        for model, tokens in unanswered:
            found.ledger.add(model, (any(tokens), *tokens))
        return found

    def complete(self, assembly: Assembly, hooks: HookIndex) -> Assembly:
        return with_lost_calls(assembly, hooks)

    def keyed_calls(self, fold: Fold) -> list[Keyed]:
        """The calls with the times at which their hooks were run, of which the hooks' payloads are."""
        assert isinstance(fold, CopilotFold)
        found = []
        for one in super().keyed_calls(fold):
            agent = fold.streams[fold.calls[one.call_id].stream].agent
            before, after = fold.pre_at.get(one.call_id), fold.post_at.get(one.call_id)
            found.append(replace(one, agent=agent, before_us=before, after_us=after))
        return found

    def hook_key(self, tool: str, given: Mapping[str, Any]) -> str:
        """Several tools have the same name in the hooks."""
        return call_key(HOOK_NAMES.get(tool, tool), given)


def _cwd(path: Path) -> Path | None:
    try:
        with path.open("rb") as file:
            found = _CWD.search(file.read(_HEAD))
        return Path(json.loads(found[1])) if found else None
    except (OSError, ValueError):
        return None


def _in_use(folder: Path) -> bool:
    """Whether a program has the session open: it keeps a file that is named by its process there."""
    for lock in folder.glob("inuse.*.lock"):
        found = _LOCK.fullmatch(lock.name)
        try:
            if found:
                os.kill(int(found[1]), 0)
                return True
        except PermissionError:
            return True
        except (OSError, OverflowError):
            continue
    return False


def _standing(path: Path) -> tuple[str, bool]:
    """(type of the last event that tells how the main conversation stands, whether calls are to follow it)."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")
    except OSError:
        return "", False
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and text_of(entry.get("type")) in _STANDS and not entry.get("agentId"):
            data = entry.get("data")
            return entry["type"], isinstance(data, dict) and bool(data.get("toolRequests"))
    return "", False
