"""What the parsers of all agents share: one transcript a session, folded line by line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hookkit.capture.assembly import Assembly
from hookkit.capture.base import ParseOutcome
from hookkit.capture.calls import Keyed, call_key
from hookkit.capture.fold.assemble import assemble
from hookkit.capture.fold.fold import Fold
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import is_session_id
from hookkit.capture.session import Session, Source

if TYPE_CHECKING:
    from opentraces_schema import TraceRecord

_MISSING = "missing"


class TranscriptParser:
    """A SessionParser, and what the ingest needs besides. An agent says where its sessions are, and folds their lines.

    A session whose agent kept no transcript is named by a path that stands for it: ``missing/<session id>.jsonl``.
    """

    agent_name: ClassVar[str]

    # Where sessions are

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file under the agent's storage root; subagents' files are not sessions."""
        raise NotImplementedError

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir``."""
        raise NotImplementedError

    def session_id_from_path(self, session_path: Path) -> str:
        """The agent's own id of a session."""
        return session_path.stem

    def storage(self) -> Path:
        """The folder that holds the agent's sessions."""
        from hookkit import agents

        return agents.source(self.agent_name).transcripts(os.environ)

    def find_session(self, session_id: str) -> Path:
        """The transcript of a session, wherever it was started; a path that stands for it if the agent kept none."""
        for path in self.candidates(session_id):
            if self.session_id_from_path(path) == session_id:
                return path
        return self.storage() / _MISSING / f"{session_id}.jsonl"

    def candidates(self, session_id: str) -> Iterable[Path]:
        """Where a session may be; all of them, for an agent whose files are not named by it."""
        del session_id
        return self.discover_sessions(self.storage())

    def exists(self, session_path: Path) -> bool:
        """Whether the agent kept this session."""
        return session_path.is_file()

    def claims(self, path: Path) -> bool:
        """Whether a file is a session of this agent by what is in it, wherever it lies."""
        del path
        return False

    def first(self, session_path: Path) -> Path:
        """The file that stands for a session, where several hold it."""
        return session_path

    def beside(self, session_path: Path) -> list[Path]:
        """The other files that grow with a session, such as its subagents' transcripts."""
        del session_path
        return []

    def changed(self, session_path: Path) -> int:
        """When something was last written of a session, in nanoseconds since 1970; 0 where there is nothing."""
        return max(map(_changed, (session_path, *self.beside(session_path))))

    def is_final(self, session_path: Path) -> bool:
        """Whether the last message of the turn is in the transcript: some agents write it after their last hook."""
        del session_path
        return True

    # What they say

    def new_fold(self, session_id: str) -> Any:
        """An empty fold of the agent's own kind."""
        raise NotImplementedError

    def snapshot(self, session_path: Path, known: object) -> tuple[object, Iterable[Mapping[str, Any]]] | None:
        """For an agent whose sessions are no files that grow: (what tells this state from others, all its entries).

        known: what the last reading gave first; None if nothing is new since then. Raises NotImplementedError where
        the session is a file of lines.
        """
        raise NotImplementedError

    def subagent_sources(self, session_path: Path, fold: Any) -> Iterable[Source]:
        """The files of the session's subagents, in the order in which they are to be read."""
        del session_path, fold
        return ()

    def subagent_sessions(self, fold: Any) -> set[str]:
        """The session's subagents whose calls the hooks report as those of a session of their own, by its id."""
        del fold
        return set()

    def assemble(self, session_path: Path, fold: Any) -> Assembly:
        """The session as read so far."""
        del session_path
        return assemble(fold, {})

    def complete(self, assembly: Assembly, hooks: HookIndex) -> Assembly:
        """The session with what hook lines know of it and its transcript does not."""
        del hooks
        return assembly

    def keyed_calls(self, fold: Fold) -> list[Keyed]:
        """The calls of the transcript, in order, as the hooks of an agent without call ids tell them apart."""
        found = []
        for call_id, call in fold.calls.items():
            tool_call = next(c for c in fold.cells.open(call.cell)["tool_calls"] if c["tool_call_id"] == call_id)
            key = self.hook_key(tool_call["tool_name"], tool_call["input"])
            found.append(Keyed(call_id, key, call.result_us))
        return found

    def hook_key(self, tool: str, given: Mapping[str, Any]) -> str:
        """The key that the hooks give to a call of the transcript."""
        from hookkit import agents

        names = agents.source(self.agent_name).tool_names
        return call_key(next((hook for hook, own in names.items() if own == tool), tool), given)

    # The contract's way to read one session

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


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def sessions_in(folder: Path, pattern: str) -> Iterator[Path]:
    """The files of a folder that are named like sessions, in a stable order."""
    for path in sorted(folder.glob(pattern)):
        if is_session_id(path.stem) and path.is_file():
            yield path
