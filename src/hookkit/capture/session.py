"""One session while it is read: its agent's fold, its hook lines, and how far each file was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from hookkit import __version__, agents, paths
from hookkit.capture import state
from hookkit.capture.assembly import Assembly
from hookkit.capture.build import build
from hookkit.capture.calls import Keyed
from hookkit.capture.files import FileChangedError, Progress
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.hook_session import assemble_hooks
from hookkit.capture.identity import is_session_id, trace_id
from hookkit.capture.record import Record

HOOK_LINE = "opentraces_hook"
NESTED = "agents"  # see hookkit_recorder.NESTED
# A state that other code wrote is thrown away: reading everything again is always right.
VERSION = f"{__version__}/5"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a session. file: "" for the transcript itself, else the id of the agent it belongs to."""

    file: str
    path: Path


class FoldingParser(Protocol):
    """What ingest needs of a parser, besides the contract."""

    agent_name: ClassVar[str]

    def session_id_from_path(self, session_path: Path) -> str: ...

    def new_fold(self, session_id: str) -> Any: ...

    def snapshot(self, session_path: Path, known: object) -> tuple[object, Iterable[Mapping[str, Any]]] | None: ...

    def subagent_sources(self, session_path: Path, fold: Any) -> Iterable[Source]: ...

    def assemble(self, session_path: Path, fold: Any) -> Assembly: ...

    def keyed_calls(self, fold: Any) -> list[Keyed]: ...

    def subagent_sessions(self, fold: Any) -> set[str]: ...

    def complete(self, assembly: Assembly, hooks: HookIndex) -> Assembly: ...


class Session:
    """A session of one agent; reads what is new and gives the record of all."""

    def __init__(self, parser: FoldingParser, session_id: str, transcript: Path, project: Path | None) -> None:
        self.parser = parser
        self.session_id = session_id
        self.transcript = transcript
        self.project = project
        named = agents.source(parser.agent_name).call_ids == "transcript"
        self.hooks = HookIndex(parser.agent_name, session_id, named=named)
        self.fold = self._new_fold()
        self.seen: object = None  # of a session that is no file: the state that was read
        self.placed = self.hooks  # the hook lines as the record has them
        self.progress: dict[str, Progress] = {}
        self._worktrees: dict[str, str] = {}
        self.stored: list[int] | None = None  # what the trace file was when the session was last written to it

    def read(self) -> int:
        """Read what is new in every file of the session; gives the number of lines that were new."""
        new = self._read_snapshot()
        if new is None:
            new = self._read_file(Source("", self.transcript))
        for source in self.parser.subagent_sources(self.transcript, self.fold):
            new += self._read_file(source)
        for path in self.sidecars():
            new += self._read_file(Source("", path), sidecar=True)
        # Lines of subagents that bear their names, as the transcript or the lines of the session give them.
        sessions = self.parser.subagent_sessions(self.fold)
        self.hooks.inside.update(self.fold.spawned, sessions)
        for path in (path for session in sorted(sessions) for path in self._sidecars(session)):
            new += self._read_file(Source("", path), sidecar=True)
        for agent in sorted(self.hooks.inside):
            for path in self._sidecars(agent, NESTED):
                new += self._read_file(Source("", path), sidecar=True)
        return new

    def read_suffix(self, byte_offset: int) -> None:
        """Read the transcript alone, from an offset; for callers that keep offsets of their own."""
        self.progress[str(self.transcript)] = Progress(offset=byte_offset)
        self._read_file(Source("", self.transcript))

    def sidecars(self) -> list[Path]:
        """Where hooks leave the lines of this session that do not go into its transcript."""
        return self._sidecars(self.session_id)

    def errors(self) -> list[str]:
        """Why the record must not be exported; empty means clean."""
        found = (self.progress[key].error(Path(key).name) for key in sorted(self.progress))
        return [*self.fold.problems, *(error for error in found if error is not None)]

    def record(self, *, complete: bool = True) -> Record | None:
        """The record of all that was read; None if there is neither a prompt nor a tool call.

        complete: with the calls that only hook lines tell of. While a session goes on, its agent may yet write them
        down, under names of their own.
        """
        assembly = self.parser.assemble(self.transcript, self.fold)
        self.placed = hooks = self.hooks.whole(lambda: self.parser.keyed_calls(self.fold))
        if not assembly.steps and (complete or hooks.named):
            assembly = assemble_hooks(hooks)
        if not assembly.steps:
            return None
        if complete:
            assembly = self.parser.complete(assembly, hooks)
        skipped: Counter[str] = Counter()
        for progress in self.progress.values():
            skipped.update(progress.skipped)
        project = self._project(assembly)
        return build(assembly, hooks, project=project, skipped=dict(skipped), errors=self.errors())

    def _new_fold(self) -> Any:
        fold = self.parser.new_fold(self.session_id)
        fold.durations = self.hooks.durations
        return fold

    def _read_snapshot(self) -> int | None:
        """Read a session that is no file anew if it changed; None where it is a file."""
        try:
            found = self.parser.snapshot(self.transcript, self.seen)
        except NotImplementedError:
            return None
        if found is None:
            return 0
        self.seen, entries = found
        self.fold = self._new_fold()
        number = 0
        for number, entry in enumerate(entries, 1):
            self.fold.feed("", entry, number)
        return number

    def _read_file(self, source: Source, sidecar: bool = False) -> int:
        key = str(source.path)
        if not source.path.is_file():
            return 0
        progress = self.progress.setdefault(key, Progress())
        before = progress.line
        for entry, line in progress.read(source.path):
            if entry.get("type") == HOOK_LINE:
                changed = self.hooks.add(entry, owned=True)
                if changed is not None:
                    self.fold.set_duration(changed)
            elif sidecar:
                self.hooks.counts["malformed_hook_lines"] += 1
            else:
                self.fold.feed(source.file, entry, line)
        return progress.line - before

    def _project(self, assembly: Assembly) -> str | None:
        if self.project is not None:
            return str(self.project).encode(errors="replace").decode()  # a folder's name may be no text
        return str(worktree(assembly.cwd)) if assembly.cwd else None

    def _sidecars(self, name: str, *folders: str) -> list[Path]:
        if not is_session_id(name):
            return []
        roots = {str(self.project)} if self.project else set()
        roots |= self.hooks.roots
        roots |= {self._worktree(cwd) for cwd in self.fold.cwds}
        below = Path(self.parser.agent_name, "hooks", *folders, f"{name}.jsonl")
        return [paths.state() / "sidecars" / below, *(Path(root, ".opentraces") / below for root in sorted(roots))]

    def _worktree(self, folder: str) -> str:
        """The worktree root above a folder, looked for once: there is a sidecar for each subagent to look for."""
        if folder not in self._worktrees:
            self._worktrees[folder] = str(worktree(folder))
        return self._worktrees[folder]

    def dump(self) -> tuple[dict[str, Any], list[bytes]]:
        """The state as JSON, and the texts it refers to by their order."""
        hooks, hook_texts = self.hooks.dump()
        cells = self.fold.cells.texts()
        state = {
            "version": VERSION,
            "transcript": str(self.transcript),
            "stored": self.stored,
            "seen": self.seen,
            "cells": len(cells),
            "fold": self.fold.dump(),
            "hooks": hooks,
            "progress": {key: progress.to_json() for key, progress in self.progress.items()},
        }
        return state, cells + hook_texts

    def load(self, state: Mapping[str, Any], texts: list[bytes]) -> None:
        """Go on from what ``dump`` gave; raises ``files.FileChangedError`` if a file is no longer what was read."""
        if (state["version"], state["transcript"]) != (VERSION, str(self.transcript)):
            raise FileChangedError(state["transcript"])
        progress = {key: Progress(**fields) for key, fields in state["progress"].items()}
        for key, one in progress.items():
            one.check(Path(key))
        self.progress = progress
        self.stored = state["stored"]
        self.seen = state["seen"]
        self.hooks.load(state["hooks"], texts[state["cells"] :])
        self.fold.load(state["fold"], texts[: state["cells"]])
        self.fold.durations = self.hooks.durations


def resumed(parser: FoldingParser, session_id: str, transcript: Path, project: Path | None) -> Session | None:
    """The session as the last ingest left it; None if there is nothing to go on from."""
    saved = state.load(trace_id(parser.agent_name, session_id))
    if saved is None:
        return None
    session = Session(parser, session_id, transcript, project)
    try:
        session.load(*saved)
    except (FileChangedError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return session


def worktree(folder: str) -> Path:
    """The worktree root above ``folder``, or the folder itself."""
    from hookkit.git.worktree import worktree_root

    try:
        return worktree_root(Path(folder)) or Path(folder)
    except (OSError, ValueError):  # ValueError: a NUL in it
        return Path(folder)
