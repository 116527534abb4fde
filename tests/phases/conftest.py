"""A folder of one's own, and a clock that only moves when it is told to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest


class Clock:
    """Seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("growing", "handles"):
        monkeypatch.setattr(f"hookkit.phases.{module}.time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
