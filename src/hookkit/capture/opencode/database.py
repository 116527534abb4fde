"""OpenCode's database, read without writing to it, to its folder, or into the way of OpenCode.

Its journal is a write-ahead log: a reader sees one state of the whole and holds up nobody. Without such a log SQLite
would make one just to read, so the file is then read as it stands, and read again if it changed meanwhile.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from hookkit.capture.jsonl import decode
from hookkit.capture.values import text_of

T = TypeVar("T")
Entry = dict[str, Any]

_PATIENCE = 2.0  # seconds for another program's lock
_TRIES = 3
_REMOVED = "message.removed.1"
_MOST_SESSIONS = 10_000  # of one session and its subagents


def read(path: Path, ask: Callable[[sqlite3.Connection], T]) -> T:
    """What ``ask`` gives of one state of the database. Raises sqlite3.Error where it cannot be read."""
    for number in range(_TRIES):
        settled = not any(_size(path, end) for end in ("-wal", "-journal"))
        before = _stamp(path)
        with closing(_connect(path, immutable=settled)) as connection:
            try:
                connection.execute("begin")
                found = ask(connection)
            except sqlite3.Error:
                if settled and number + 1 < _TRIES and _stamp(path) != before:
                    continue
                raise
        if not settled or _stamp(path) == before:
            return found
    raise sqlite3.OperationalError("it changes too fast to be read")


def _connect(path: Path, *, immutable: bool) -> sqlite3.Connection:
    if not path.is_file():
        raise sqlite3.OperationalError("there is no such file")
    options = "mode=ro&immutable=1" if immutable else "mode=ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_PATIENCE, isolation_level=None
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _size(path: Path, end: str) -> int:
    try:
        return os.stat(f"{path}{end}").st_size
    except OSError:
        return 0


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


# What is asked


def roots(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """(id, folder that it was started in) of every session that is no subagent's, the oldest first."""
    select = "select id, directory from session where parent_id is null order by time_created, id"
    return [(row[0], row[1]) for row in connection.execute(select) if all(isinstance(value, str) for value in row)]


def root_of(connection: sqlite3.Connection, session: str) -> str | None:
    """The session that a subagent's belongs to, itself for any other; None where there is no such session."""
    seen: set[str] = set()
    while session not in seen:
        seen.add(session)
        row = connection.execute("select parent_id from session where id = ?", (session,)).fetchone()
        if row is None:
            return None if len(seen) == 1 else session
        if not isinstance(row[0], str):
            return session
        session = row[0]
    return session


def family(connection: sqlite3.Connection, session: str) -> list[Entry]:
    """The session and those of its subagents, of any depth, as entries; [] where there is no such session."""
    columns = "id, parent_id, directory, version, time_created, time_updated"
    found = connection.execute(f"select {columns} from session where id = ?", (session,)).fetchall()
    seen = {session}
    place = 0
    while place < len(found) < _MOST_SESSIONS:
        below = f"select {columns} from session where parent_id = ? order by time_created, id"
        for row in connection.execute(below, (found[place][0],)):
            if row[0] not in seen:
                seen.add(row[0])
                found.append(row)
        place += 1
    names = ("id", "parent", "directory", "version", "created", "updated")
    return [{"kind": "session", **dict(zip(names, row, strict=True))} for row in found]


def state(connection: sqlite3.Connection, members: list[Entry]) -> list[Any]:
    """What tells one state of these sessions from another."""
    found: list[Any] = []
    for member in members:
        rows = [
            connection.execute(f"select count(*), max(time_updated) from {table} where session_id = ?", (member["id"],))
            for table in ("message", "part")
        ]
        counts = [value for row in rows for value in row.fetchone()]
        gone = "select count(*) from event where aggregate_id = ? and type = ?"
        removed = connection.execute(gone, (member["id"], _REMOVED)).fetchone()[0] if _has_log(connection) else 0
        found.append([member["id"], member["updated"], *counts, removed])
    return found


def last_change(state: list[Any]) -> int:
    """When something of a state was last written, in milliseconds since 1970."""
    return max((value for _, *values in state for value in values[::2] if isinstance(value, int)), default=0)


def entries(connection: sqlite3.Connection, members: list[Entry]) -> Iterator[Entry]:
    """The sessions, each with its messages in order, those that a revert took away included.

    ``{"kind": "message", "id", "session", "created", "data", "parts": [{"id", "data"}], "removed"}``; data: an object,
    or None for what is no JSON.
    """
    for member in members:
        yield member
        session = member["id"]
        parts: dict[Any, list[Entry]] = {}
        for own, message, data in connection.execute(
            "select id, message_id, data from part where session_id = ? order by message_id, id", (session,)
        ):
            parts.setdefault(message, []).append({"id": own, "data": _object(data)})
        found = [
            _message(own, session, created, _object(data), parts.get(own, []))
            for own, created, data in connection.execute(
                "select id, time_created, data from message where session_id = ?", (session,)
            )
        ]
        found += _removed(connection, session, {message["id"] for message in found})
        yield from sorted(found, key=lambda message: (_number(message["created"]), str(message["id"])))


def last_message(connection: sqlite3.Connection, session: str) -> Entry | None:
    """The data of a session's newest message."""
    select = "select data from message where session_id = ? order by time_created desc, id desc limit 1"
    row = connection.execute(select, (session,)).fetchone()
    return None if row is None else _object(row[0])


def _removed(connection: sqlite3.Connection, session: str, there: set[Any]) -> list[Entry]:
    """The messages that a revert took away: the log of the session's events still has them."""
    select = "select data from event where aggregate_id = ? and type = ? order by seq"
    if not _has_log(connection):
        return []
    gone = {
        told.get("messageID")
        for (data,) in connection.execute(select, (session, _REMOVED))
        if (told := _object(data)) and isinstance(told.get("messageID"), str)
    } - there
    if not gone:
        return []
    found: dict[str, Entry] = {}
    for (data,) in connection.execute(select, (session, "message.updated.1")):
        info = (_object(data) or {}).get("info")
        if isinstance(info, dict) and text_of(info.get("id")) in gone:
            time = info.get("time")
            created = time.get("created") if isinstance(time, dict) else None
            found[info["id"]] = {**_message(info["id"], session, created, info, []), "removed": True}
    parts: dict[tuple[str, str], Entry] = {}
    for (data,) in connection.execute(select, (session, "message.part.updated.1")):
        part = (_object(data) or {}).get("part")
        if isinstance(part, dict) and text_of(part.get("messageID")) in found and isinstance(part.get("id"), str):
            parts[part["messageID"], part["id"]] = part
    for (message, own), part in sorted(parts.items()):
        found[message]["parts"].append({"id": own, "data": part})
    return list(found.values())


def _has_log(connection: sqlite3.Connection) -> bool:
    """Whether the sessions' events are kept, too."""
    named = "select 1 from sqlite_master where type = 'table' and name = 'event'"
    return connection.execute(named).fetchone() is not None


def _message(own: Any, session: str, created: Any, data: Entry | None, parts: list[Entry]) -> Entry:
    return {"kind": "message", "id": own, "session": session, "created": created, "data": data, "parts": parts}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _object(data: object) -> Entry | None:
    """A column of JSON as an object, made safe as a line of a transcript is."""
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    return decode(data)[0] if isinstance(data, bytes) else None


def problem(path: Path, error: Exception) -> str:
    """Why nothing of a database could be used, in a sentence."""
    return f"{path.name} could not be read as a database of OpenCode 1: {json.dumps(str(error))[1:-1]}."
