"""``json``: the TraceRecord, in the very form in which traces are stored."""

from __future__ import annotations

from collections.abc import Iterator

from hookkit.capture.record import canonical
from hookkit.exporters.source import Source


def export(source: Source) -> Iterator[bytes]:
    """One line of canonical JSON."""
    yield canonical(source.record) + b"\n"
