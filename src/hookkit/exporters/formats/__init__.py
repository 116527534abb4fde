"""The formats that a session can be exported in.

Each is a module with ``export(source)``, which gives the pieces of the file in order: str, written as UTF-8, or bytes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookkit.exporters.source import Source

# Name, as --format takes it and as a file's name may end -> module of this package.
FORMATS: Mapping[str, str] = {
    "json": "record",
    "jsonl": "events",
    "csv": "table",
    "md": "markdown",
    "html": "page",
    "otlp": "otlp",
    "atif": "atif",
    "parquet": "parquet",
    "belay": "belay",
}
ENDS = {"belay": "json", "otlp": "json", "atif": "json"}  # how a file's name ends, where it is not the format's name
BINARY = frozenset({"parquet"})
WITH_DIFFS = frozenset({"md", "html"})


def pieces(name: str, source: Source) -> Iterator[bytes]:
    """A session in a format of ``FORMATS``. HookkitError if the format cannot hold it, or needs a library."""
    module = importlib.import_module(f"{__name__}.{FORMATS[name]}")
    for piece in module.export(source):
        # Halves of characters, as torn JSON has them, cannot be written in UTF-8.
        yield piece if isinstance(piece, bytes) else piece.encode("utf-8", "replace")
