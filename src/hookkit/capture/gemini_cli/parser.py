"""The parser of Gemini CLI's sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hookkit.capture.assembly import Assembly
from hookkit.capture.calls import Keyed
from hookkit.capture.fold.assemble import AgentMeta, assemble
from hookkit.capture.fold.fold import Fold
from hookkit.capture.gemini_cli.fold import OTHER, GeminiFold
from hookkit.capture.gemini_cli.lost_calls import with_lost_calls
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import is_session_id
from hookkit.capture.jsonl import decode
from hookkit.capture.session import Source, worktree
from hookkit.capture.transcripts import TranscriptParser

_HEAD = 64 << 10  # bytes; the first line of a session is short
_TURN_END = frozenset({"Stop", "SessionEnd"})


class GeminiCliParser(TranscriptParser):
    """Reads ``~/.gemini/tmp/<project>/chats/session-<minute>-<start of the session id>.jsonl``.

    A session that is resumed in a later minute leaves a second file with its id that says nothing: all files of an id
    are one session, and the first of them stands for it. Subagents' files are in ``chats/<session id>/``.
    """

    agent_name = "gemini-cli"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """The first file of every session below a folder."""
        seen: set[tuple[Path, str]] = set()
        for path in sorted(projects_path.rglob("session-*.jsonl")):
            if path.parent.name != "chats" or not path.is_file():
                continue
            key = (path.parent, self.session_id_from_path(path))
            if key not in seen:
                seen.add(key)
                yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir``, or in a folder of that worktree: each folder of sessions
        says whose it is."""
        wanted = {project_dir.absolute(), project_dir.resolve()}
        for marker in sorted(self.storage().glob("*/.project_root")):
            root = self._root(marker.parent / "chats" / "-")
            if root is None or not any(Path(root).is_relative_to(project) for project in wanted):
                continue
            if Path(root) in wanted or worktree(root).resolve() in wanted:
                yield from self.discover_sessions(marker.parent / "chats")

    def session_id_from_path(self, session_path: Path) -> str:
        """The id in the first line; the file's name has only its start."""
        try:
            with session_path.open("rb") as file:
                first = file.readline(_HEAD)
        except OSError:
            return session_path.stem
        header = decode(first.strip())[0] or {}
        found = header.get("sessionId")
        return found if isinstance(found, str) and is_session_id(found) else session_path.stem

    def candidates(self, session_id: str) -> Iterator[Path]:
        yield from sorted(self.storage().glob(f"*/chats/session-*-{session_id[:8]}.jsonl"))

    def first(self, session_path: Path) -> Path:
        """The file that stands for the session that this one belongs to."""
        session = self.session_id_from_path(session_path)
        return next(iter([*self._files(session_path, session), session_path]))

    def beside(self, session_path: Path) -> list[Path]:
        """The session's other files, and those of its subagents."""
        session = self.session_id_from_path(session_path)
        others = [path for path in self._files(session_path, session) if path != session_path]
        return [*others, *sorted((session_path.parent / session).glob("*.jsonl"))]

    def new_fold(self, session_id: str) -> GeminiFold:
        return GeminiFold(session_id)

    def subagent_sources(self, session_path: Path, fold: GeminiFold) -> Iterator[Source]:
        """The files that go on with the session, in order of time, then those of the subagents."""
        session = self.session_id_from_path(session_path)
        for path in self._files(session_path, session):
            if path != session_path:
                yield Source(OTHER, path)
        for path in sorted((session_path.parent / session).glob("*.jsonl")):
            yield Source(path.stem, path)

    def keyed_calls(self, fold: Fold) -> list[Keyed]:
        """The calls by the time of their results: those of subagents come between those of the main agent."""
        assert isinstance(fold, GeminiFold)
        calls = [
            replace(call, begin_us=fold.begins.get(call.call_id), mark=fold.marks.get(call.call_id, ""))
            for call in super().keyed_calls(fold)
        ]
        return sorted(calls, key=lambda call: (call.end_us is None, call.end_us or 0))

    def assemble(self, session_path: Path, fold: GeminiFold) -> Assembly:
        found = assemble(fold, {agent: AgentMeta(_kind(fold, call_id)) for agent, call_id in fold.spawned.items()})
        found.cwd = self._root(session_path) or found.cwd
        return found

    def complete(self, assembly: Assembly, hooks: HookIndex) -> Assembly:
        """Adds calls that were running at the end; an answer that no end of a turn followed is not the last one, as its
        calls are not written before they have ended."""
        assembly = with_lost_calls(assembly, hooks)
        prompted = max((row.us for event, row in hooks.events() if event == "UserPromptSubmit"), default=0)
        stopped = max((row.us for event, row in hooks.events() if event in _TURN_END), default=0)
        return replace(assembly, ended=False) if prompted > stopped else assembly

    def _files(self, session_path: Path, session: str) -> list[Path]:
        if not is_session_id(session):
            return []
        files = sorted(session_path.parent.glob(f"session-*-{session[:8]}.jsonl"))
        return [path for path in files if self.session_id_from_path(path) == session]

    def _root(self, session_path: Path) -> str | None:
        """The folder that the sessions beside this file were started in."""
        try:
            root = (session_path.parent.parent / ".project_root").read_bytes()
        except OSError:
            return None
        return os.fsdecode(root).strip() or None


def _kind(fold: GeminiFold, call_id: str) -> str:
    """The kind of subagent that a call started."""
    call = fold.calls.get(call_id)
    if call is None:
        return ""
    for made in fold.cells.open(call.cell)["tool_calls"]:
        if made["tool_call_id"] == call_id:
            name = made["input"].get("agent_name")
            return name if isinstance(name, str) else ""
    return ""
