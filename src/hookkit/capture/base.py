"""The protocols of the capture contract. Structural: an adapter implements the methods, it inherits nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from opentraces_schema import TraceRecord


@runtime_checkable
class SessionParser(Protocol):
    """Reads the sessions that a live agent leaves on disk."""

    agent_name: str

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file under the agent's storage root; subagents' files are not sessions."""
        ...

    def parse_session(self, session_path: Path, byte_offset: int = 0) -> TraceRecord | None:
        """The session as a record; None when it cannot be read or is below the quality threshold."""
        ...


@runtime_checkable
class ProjectSessionDiscoverer(Protocol):
    """Maps a project folder to the agent's session files of that project."""

    agent_name: str

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]: ...


@runtime_checkable
class SessionPathIdentifier(Protocol):
    """Gives the agent's own session id of a session file."""

    def session_id_from_path(self, session_path: Path) -> str: ...


@runtime_checkable
class AgentResumer(Protocol):
    """Hands a session back to the agent that recorded it."""

    agent_name: str
    supports_at_step: bool

    def resume_session(self, session_id: str, *, project_cwd: Path, dry_run: bool = False) -> int: ...

    def resolve_at_step(
        self,
        trace_id_prefix: str,
        step_id: str,
        staging: Path,
        *,
        project_cwd: Path,
        state: object,
        materialize: bool = True,
    ) -> object: ...


@runtime_checkable
class FormatImporter(Protocol):
    """Maps the rows of a data set to records."""

    format_name: str
    file_extensions: list[str]

    def import_traces(self, input_path: Path, max_records: int = 0) -> list[TraceRecord]: ...

    def map_record(
        self, row: dict[str, Any], index: int, source_info: dict[str, Any] | None = None
    ) -> TraceRecord | None: ...


@runtime_checkable
class HookInstaller(Protocol):
    """Wires an agent's settings to the hooks, and takes them out again."""

    installer_name: str

    def plan(self) -> list[dict[str, Any]]: ...

    def install(self) -> object: ...

    def remove(self) -> object: ...

    def status(self) -> dict[str, Any]: ...


@dataclass
class ParseOutcome:
    """What a parse gave: the record, and why it must not be exported as it is.

    errors: one sentence each; empty means clean.
    """

    record: object | None = None
    errors: list[str] = field(default_factory=list)

    def is_blocked(self) -> bool:
        """Whether the trace may not leave the machine until it is ingested again."""
        return bool(self.errors)

    def block_reason(self) -> str:
        """The word that stands for every cause in a blocked trace."""
        return "parse_error"
