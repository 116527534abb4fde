"""The parser of Claude Code's sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hookkit.capture.assembly import Assembly
from hookkit.capture.base import ParseOutcome
from hookkit.capture.claude_code import subagents
from hookkit.capture.claude_code.assemble import assemble
from hookkit.capture.claude_code.fold import SessionFold
from hookkit.capture.identity import is_session_id
from hookkit.capture.session import Session, Source

if TYPE_CHECKING:
    from opentraces_schema import TraceRecord

_LONGEST_NAME = 200  # characters of a project's folder name; beyond, Claude Code cuts it and adds a hash


class ClaudeCodeParser:
    """Reads ``~/.claude/projects/<encoded cwd>/<session id>.jsonl`` and the subagents' files beside it."""

    agent_name = "claude-code"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file in ``projects_path`` and one level below; subagents' files are no sessions."""
        for path in sorted([*projects_path.glob("*.jsonl"), *projects_path.glob("*/*.jsonl")]):
            if is_session_id(path.stem) and not path.name.startswith("agent-") and path.is_file():
                yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir``."""
        import os

        from hookkit import agents

        projects = agents.get(self.agent_name).transcripts(os.environ)
        names = dict.fromkeys(encoded(folder) for folder in (project_dir.absolute(), project_dir.resolve()))
        for name in names:
            folders = [projects / name]
            if len(name) > _LONGEST_NAME:
                folders = sorted(projects.glob(f"{name[:_LONGEST_NAME]}-*"))
            for folder in folders:
                yield from self.discover_sessions(folder) if folder.is_dir() else ()

    def session_id_from_path(self, session_path: Path) -> str:
        """Claude Code's own id of the session, for ``claude --resume``."""
        return session_path.stem

    def parse_session(self, session_path: Path, byte_offset: int = 0) -> TraceRecord | None:
        """The session as a record; None if it cannot be read or is below the quality threshold.

        byte_offset: read the transcript from there, without what came before; negative means from the start, beyond
        the end gives None. A line that was not written to its end is left for the next call.
        """
        from hookkit.capture.quality import meets_quality_threshold

        record = self._parse(session_path, byte_offset)[0]
        return record if record is not None and meets_quality_threshold(record) else None

    def parse(self, session_path: Path, byte_offset: int = 0) -> ParseOutcome:
        """The session as a record, whatever its size, and why it must not be exported."""
        record, errors = self._parse(session_path, byte_offset)
        return ParseOutcome(record, errors)

    def _parse(self, session_path: Path, byte_offset: int) -> tuple[TraceRecord | None, list[str]]:
        from opentraces_schema import TraceRecord

        session = Session(self, self.session_id_from_path(session_path), session_path, None)
        try:
            if byte_offset > 0:
                session.read_suffix(byte_offset)
            else:
                session.read()
        except OSError as error:
            return None, [f"{session_path.name} could not be read: {error.strerror}."]
        record = session.record()
        if record is None:
            return None, session.errors()
        return TraceRecord.model_validate_json(b"".join(record.text())), session.errors()

    def new_fold(self, session_id: str) -> SessionFold:
        """An empty fold; see ``session.FoldingParser``."""
        return SessionFold(session_id)

    def subagent_sources(self, session_path: Path, fold: SessionFold) -> list[Source]:
        """The files of the session's subagents, by agent id."""
        return [Source(agent, path) for agent, path in subagents.files(session_path, fold.spawned).items()]

    def assemble(self, session_path: Path, fold: SessionFold) -> Assembly:
        """The session as read so far."""
        return assemble(fold, subagents.metas(session_path))


def encoded(folder: Path) -> str:
    """The name Claude Code gives the folder of a project's sessions."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(folder))
