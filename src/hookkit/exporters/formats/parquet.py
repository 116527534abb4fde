"""``parquet``: the rows of ``csv`` with typed columns, written by DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hookkit.errors import HookkitError
from hookkit.exporters.formats.table import COLUMNS, rows
from hookkit.exporters.source import Source
from hookkit.trails.timeline import micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 1 << 20
# One thread: the same session gives the same file. No extension is ever fetched.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def export(source: Source) -> Iterator[bytes]:
    """The bytes of the file. HookkitError if DuckDB is not there."""
    try:
        import duckdb
    except ImportError as error:
        raise HookkitError(
            "LIBRARY_MISSING", "Parquet is written by DuckDB, which is not installed.", "pip install 'hookkit[parquet]'"
        ) from error
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with tempfile.TemporaryDirectory(prefix="hookkit-") as folder, duckdb.connect(config=_SETTINGS) as database:
        database.execute(f"CREATE TABLE calls ({columns})")
        values = [[_typed(row[name], kind) for name, kind in COLUMNS.items()] for row in rows(source)]
        if values:
            database.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * len(COLUMNS))})", values)
        path = Path(folder) / "calls.parquet"
        database.execute("COPY calls TO ? (FORMAT parquet)", [str(path)])
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece


def _typed(value: Any, kind: str) -> Any:
    if kind.startswith("TIMESTAMP"):
        us = micros(value)
        return None if us is None else _EPOCH + timedelta(microseconds=us)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
