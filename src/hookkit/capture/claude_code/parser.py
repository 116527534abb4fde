"""The parser of Claude Code's sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hookkit.capture.assembly import Assembly
from hookkit.capture.claude_code import subagents
from hookkit.capture.claude_code.final import has_final_message
from hookkit.capture.claude_code.fold import SessionFold
from hookkit.capture.fold.assemble import assemble
from hookkit.capture.identity import is_session_id
from hookkit.capture.session import Source
from hookkit.capture.transcripts import TranscriptParser

_LONGEST_NAME = 200  # characters of a project's folder name; beyond, Claude Code cuts it and adds a hash


class ClaudeCodeParser(TranscriptParser):
    """Reads ``~/.claude/projects/<encoded cwd>/<session id>.jsonl`` and the subagents' files beside it."""

    agent_name = "claude-code"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file in ``projects_path`` and one level below; subagents' files are no sessions."""
        for path in sorted([*projects_path.glob("*.jsonl"), *projects_path.glob("*/*.jsonl")]):
            if is_session_id(path.stem) and not path.name.startswith("agent-") and path.is_file():
                yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir``."""
        projects = self.storage()
        names = dict.fromkeys(encoded(folder) for folder in (project_dir.absolute(), project_dir.resolve()))
        for name in names:
            folders = [projects / name]
            if len(name) > _LONGEST_NAME:
                folders = sorted(projects.glob(f"{name[:_LONGEST_NAME]}-*"))
            for folder in folders:
                yield from self.discover_sessions(folder) if folder.is_dir() else ()

    def candidates(self, session_id: str) -> Iterator[Path]:
        """Every project's folder names its sessions by their ids."""
        yield from self.storage().glob(f"*/{session_id}.jsonl")

    def beside(self, session_path: Path) -> list[Path]:
        """The subagents' transcripts, in a folder named like the session."""
        folder = session_path.with_suffix("")
        return list(folder.rglob("*.jsonl")) if folder.is_dir() else []

    def is_final(self, session_path: Path) -> bool:
        """Whether the agent's last message is there and asks for no tool."""
        return has_final_message(session_path)

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
