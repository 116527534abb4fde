"""Where run logs are, and what they say as a whole."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.adk.fold import AdkFold
from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.assemble import AgentMeta, assemble, order
from hookkit.capture.jsonl import LineReader
from hookkit.capture.transcripts import TranscriptParser, sessions_in
from hookkit.capture.values import text_of

_FIRST = 20  # lines; a pipeline may say something before its first run
_KINDS = frozenset({"run.start", "phase.start"})


class AdkParser(TranscriptParser):
    """Reads ``<trace_dir>/<date>_<run id>.jsonl``."""

    agent_name = "google-adk"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every log of a folder."""
        yield from sessions_in(projects_path, "*.jsonl")

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The logs of programs that were started in ``project_dir`` or below."""
        roots = (project_dir.absolute(), project_dir.resolve())
        for path in self.discover_sessions(self.storage()):
            folder = next((entry["cwd"] for entry in _first(path) if isinstance(entry.get("cwd"), str)), None)
            if folder is not None and any(Path(folder).is_relative_to(root) for root in roots):
                yield path

    def candidates(self, session_id: str) -> Iterator[Path]:
        yield self.storage() / f"{session_id}.jsonl"

    def find_session(self, session_id: str) -> Path:
        """A log is named by its session, whether it is still there or not."""
        return self.storage() / f"{session_id}.jsonl"

    def claims(self, path: Path) -> bool:
        """Whether a file, wherever it is, is a run log."""
        return any(text_of(entry.get("type")) in _KINDS and "run_id" in entry for entry in _first(path))

    def new_fold(self, session_id: str) -> AdkFold:
        return AdkFold(session_id)

    def assemble(self, session_path: Path, fold: AdkFold) -> Assembly:
        """The runs, in order; agents that others started beside the call, or else the prompt, that began them."""
        del session_path
        metas = {agent: AgentMeta(*origin) for agent, origin in fold.origins.items()}
        found = assemble(fold, metas)
        if found.model is None and found.models:  # the agent at the top may only arrange others
            found.model = found.models[-1]
        found.metadata |= _metadata(fold)
        if fold.phases:
            found.metadata["phases"] = list(fold.phases.values())
            found.metadata["step_phases"] = {
                str(index): fold.cell_phases[str(cell)]
                for index, (cell, _, _) in enumerate(order(fold, metas))
                if str(cell) in fold.cell_phases
            }
        return found


def _metadata(fold: AdkFold) -> dict[str, Any]:
    kept = ("agent_name", "app_name", "session_id", "status", "duration_ms", "error", "parent_tool_call_id")
    runs = [
        {"invocation_id": name, **{key: run[key] for key in kept if run.get(key) is not None}}
        for name, run in fold.runs.items()
    ]
    found: dict[str, Any] = {"runs": runs} if runs else {}
    if fold.transfers:
        found["agent_transfers"] = fold.transfers
    if fold.states:
        found["state_changes"] = fold.states
    return found


def _first(path: Path) -> list[Mapping[str, Any]]:
    with contextlib.suppress(OSError):
        return list(itertools.islice(LineReader(path), _FIRST))
    return []
