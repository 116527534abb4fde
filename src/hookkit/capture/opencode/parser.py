"""The parser of OpenCode's sessions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.assemble import AgentMeta, assemble, order
from hookkit.capture.identity import is_session_id
from hookkit.capture.opencode import database
from hookkit.capture.opencode.fold import OpenCodeFold, is_over
from hookkit.capture.transcripts import TranscriptParser


class OpenCodeParser(TranscriptParser):
    """Reads ``~/.local/share/opencode/opencode.db``, in which all sessions are.

    A session is named by a path that no file has: ``<database>/<session id>``.
    """

    agent_name = "opencode"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session of every database in a folder, without those of subagents."""
        for path, _ in self._sessions(projects_path):
            yield path

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir`` or below."""
        places = {project_dir.absolute(), project_dir.resolve()}
        for path, folder in self._sessions(self.storage()):
            if any(Path(folder).is_relative_to(place) for place in places):
                yield path

    def _sessions(self, folder: Path) -> Iterator[tuple[Path, str]]:
        for path in _databases(folder):
            try:
                found = database.read(path, database.roots)
            except sqlite3.Error:
                continue
            for session, started in found:
                if is_session_id(session):
                    yield path / session, started

    def session_id_from_path(self, session_path: Path) -> str:
        """OpenCode's own id of the session; "" for a path that names none, such as a database."""
        if session_path.parent.suffix == ".db":
            return session_path.name
        return session_path.stem if session_path.suffix == ".jsonl" else ""

    def candidates(self, session_id: str) -> Iterator[Path]:
        for path in _databases(self.storage()):
            if self.exists(path / session_id):
                yield path / session_id

    def exists(self, session_path: Path) -> bool:
        """Whether the session is in a database that can be read."""
        return self._root(session_path) is not None

    def first(self, session_path: Path) -> Path:
        """The session that a subagent's belongs to."""
        root = self._root(session_path)
        return session_path if root is None or not is_session_id(root) else session_path.with_name(root)

    def _root(self, session_path: Path) -> str | None:
        try:
            return database.read(session_path.parent, lambda db: database.root_of(db, session_path.name))
        except sqlite3.Error:
            return None

    def changed(self, session_path: Path) -> int:
        """When something was last written of the session or its subagents'; not when the database was."""
        try:
            found = database.read(
                session_path.parent, lambda db: database.state(db, database.family(db, session_path.name))
            )
        except sqlite3.Error:
            return 0
        return database.last_change(found) * 1_000_000

    def is_final(self, session_path: Path) -> bool:
        """Whether the newest message is an answer that OpenCode has ended."""
        try:
            last = database.read(session_path.parent, lambda db: database.last_message(db, session_path.name))
        except sqlite3.Error:
            return True
        return last is None or is_over(last)

    def new_fold(self, session_id: str) -> OpenCodeFold:
        return OpenCodeFold(session_id)

    def snapshot(self, session_path: Path, known: object) -> tuple[object, Iterable[Mapping[str, Any]]] | None:
        """The session as it is now, if it is not as it was. A database that cannot be used is an entry that says so."""

        def ask(db: sqlite3.Connection) -> tuple[object, list[database.Entry]] | None:
            members = database.family(db, session_path.name)
            state = database.state(db, members)
            return None if members and state == known else (state, list(database.entries(db, members)))

        path = session_path.parent
        if not os.path.lexists(path):
            return None, []
        try:
            return database.read(path, ask)
        except sqlite3.Error as error:
            return None, [{"kind": "problem", "text": database.problem(path, error)}]

    def subagent_sessions(self, fold: OpenCodeFold) -> set[str]:
        """Where the plugin did not see a subagent's session begin, it takes it for one of its own."""
        return set(fold.kinds)

    def assemble(self, session_path: Path, fold: OpenCodeFold) -> Assembly:
        """All that was done, in order, and which steps a revert took away."""
        del session_path
        metas = {agent: AgentMeta(agent_type=kind) for agent, kind in fold.kinds.items()}
        found = assemble(fold, metas)
        if fold.removed:
            removed = set(fold.removed)
            places = [index for index, (cell, *_) in enumerate(order(fold, metas)) if cell in removed]
            found.metadata["steps_of_other_branches"] = places
        return found


def _databases(folder: Path) -> Iterator[Path]:
    """The databases of a folder: OpenCode names them by its channel, or the user does, by a variable.

    For a database, itself.
    """
    if folder.suffix == ".db" and folder.is_file():
        yield folder
        return
    named = os.environ.get("OPENCODE_DB")
    own = folder / named if named else None
    if own is not None and own.parent == folder and own.is_file():
        yield own
    for path in sorted(folder.glob("opencode*.db")):
        if path != own and path.is_file():
            yield path
