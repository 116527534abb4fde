"""The rows of a session of OpenCode, as fixtures keep them: free of the machine, and of what was drawn."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from .normalise import Normaliser
from .wire import Json

_START = 1_795_338_000_000  # milliseconds since 1970: 2026-11-22T09:00:00Z
TABLES = ("session", "message", "part", "event")
_EVENTS = ("message.removed.1",)
_ID = re.compile(r"\b(ses|msg|prt|evt|per)_[0-9A-Za-z]{20,40}\b")
_ULID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_OID = re.compile(r"\b[0-9a-f]{40}\b")
READ_ROWS = """\
import json, sqlite3
def snapshot_rows(path):
    connection = sqlite3.connect("file:" + path + "?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    found = []
    for table in {tables!r}:
        for row in connection.execute("select * from " + table + " order by rowid"):
            found.append({{"table": table, "row": {{k: row[k] for k in row.keys() if row[k] is not None}}}})
    return found
"""


def rows(database: Path, sessions: Iterable[str] | None = None) -> list[Json]:
    """The rows of a database, or of these sessions and their subagents'; columns of JSON as what they hold."""
    space: dict[str, Any] = {}
    exec(READ_ROWS.format(tables=TABLES), space)
    return selected(space["snapshot_rows"](str(database)), sessions)


def selected(found: list[Json], sessions: Iterable[str] | None) -> list[Json]:
    """Of the log of events what tells of messages that are gone."""
    wanted = None if sessions is None else set(sessions)
    for each in found if wanted is not None else ():
        if each["table"] == "session" and each["row"].get("parent_id") in wanted:
            wanted.add(each["row"]["id"])
    kept = []
    gone = {json.loads(each["row"]["data"]).get("messageID") for each in found if each["row"].get("type") in _EVENTS}
    for each in found:
        table, row = each["table"], each["row"]
        owner = row.get({"session": "id", "event": "aggregate_id"}.get(table, "session_id"))
        if wanted is not None and owner not in wanted:
            continue
        if table != "session":
            row = {**row, "data": json.loads(row["data"])}
        if table == "event":
            about = row["data"].get("messageID") or row["data"].get("info", {}).get("id")
            if (about or row["data"].get("part", {}).get("messageID")) not in gone:
                continue
        kept.append({"table": table, "row": row})
    return kept


def schema(database: Path) -> list[str]:
    """The statements that make the tables, without what binds them to others."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = ", ".join(f"'{name}'" for name in TABLES)
        found = connection.execute(f"select sql from sqlite_master where type = 'table' and name in ({names})")
        made = [re.sub(r",\s*CONSTRAINT `fk_.*", "\n)", sql, flags=re.DOTALL) for (sql,) in found.fetchall()]
    return ["pragma journal_mode = wal", *(re.sub(r"\s*\n\s*", " ", sql) for sql in made)]


class Neutral:
    """Makes rows and payloads free of the machine, and of what OpenCode drew; ids keep their order."""

    def __init__(self, places: Mapping[str, str], times: Callable[[int], Any] | None = None) -> None:
        self._normaliser = Normaliser(places)
        self._ids: dict[str, str] = {}
        self._moments: dict[int, int] = {}
        self._times = times or (lambda number: _START + 250 * number)

    def learn(self, value: Any) -> None:
        """Note every id and every time, so that their order stays."""
        text = json.dumps(value)
        for kind in ("ses", "msg", "prt", "evt", "per"):
            ids = sorted({found.group() for found in _ID.finditer(text) if found[1] == kind})
            ids.sort(reverse=kind == "ses")  # the newest session has the lowest id
            self._ids |= {own: f"{kind}_{number:026d}" for number, own in enumerate(ids, 1)}
        for number, own in enumerate(dict.fromkeys(_ULID.findall(text)), 1):
            self._ids[own] = f"01M{number:023d}"
        for number, own in enumerate(dict.fromkeys(_OID.findall(text)), 1):
            self._ids[own] = f"{number:040x}"
        moments = sorted({int(found) for found in re.findall(r"(?<![\w.])1[789]\d{11}(?![\w.])", text)})
        self._moments = {moment: number for number, moment in enumerate(moments)}

    def apply(self, value: Any, key: str = "") -> Any:
        match value:
            case str():
                text = self._normaliser.apply(value)
                for pattern in (_ID, _ULID, _OID):
                    text = pattern.sub(lambda found: self._ids.get(found.group(), found.group()), text)
                return text
            case list():
                return [self.apply(item) for item in value]
            case dict():
                return {name: self.apply(item, name) for name, item in value.items()}
            case bool():
                return value
            case int() if value in self._moments:
                return self._times(self._moments[value])
            case int() if key == "duration_ms":
                return 10
            case _:
                return value
