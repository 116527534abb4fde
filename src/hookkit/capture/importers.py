"""Static data sets into the store, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hookkit import paths
from hookkit.capture.hermes import HermesImporter
from hookkit.capture.jsonl import LineReader
from hookkit.errors import HookkitError, UsageError
from hookkit.store.files import replace_file, trace_path
from hookkit.store.index import Index
from hookkit.store.summary import summarise

# Format -> its importer. ShareGPT is what hermes adds its tags to.
IMPORTERS: Mapping[str, type[HermesImporter]] = {"hermes": HermesImporter, "sharegpt": HermesImporter}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row. number: counted from 1."""

    number: int
    status: Literal["imported", "unchanged", "malformed"]
    trace_id: str | None = None
    summary: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Report:
    """What is known once all rows were read. unreadable: reason -> lines that are no row at all."""

    unreadable: Counter[str] = field(default_factory=Counter)


def get_importers() -> Mapping[str, type[HermesImporter]]:
    """Format name -> importer class."""
    return IMPORTERS


def get_importer(name: str) -> HermesImporter:
    """The importer of a format; UsageError names the known ones."""
    if name not in IMPORTERS:
        raise UsageError("UNKNOWN_FORMAT", f"There is no format {name!r}.", f"Known formats: {', '.join(IMPORTERS)}.")
    return IMPORTERS[name]()


def import_file(name: str, path: Path, report: Report, *, limit: int = 0, dry_run: bool = False) -> Iterator[Row]:
    """Import the rows of a file, one at a time; a row that was imported before is written only if it changed.

    limit: how many rows to import, 0 for all. HookkitError if the file or the store cannot be read or written.
    """
    importer, imported = get_importer(name), 0
    source = {"file": path.name}
    reader = LineReader(path)
    try:
        with Index() as index:
            for row, number in importer.rows(path, reader):
                record = importer.read(row, number, source)
                if record is None:
                    yield Row(number + 1, "malformed")
                    continue
                trace, text = record.head["trace_id"], b"".join(record.text())
                file = trace_path(trace)
                summary = summarise({**record.head, "metadata": record.metadata}, record.tools())
                known = file.is_file() and file.read_bytes() == text
                if not known and not dry_run:
                    paths.private_dir(paths.traces())
                    index.put(trace, replace_file(file, [text]), summary)
                yield Row(number + 1, "unchanged" if known else "imported", trace, summary)
                imported += 1
                if imported == limit:
                    break
    except OSError as error:
        raise HookkitError(
            "CANNOT_IMPORT",
            f"{error.filename or path} cannot be read or written: {error.strerror}.",
            "Make it readable, or free space; rows that were imported stay, and importing again changes nothing there.",
        ) from error
    report.unreadable.update(reader.skipped)
