"""Waiting for what happens in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds until something counts as never happening: a busy machine fails nothing

_Found = TypeVar("_Found")


def wait_for(condition: Callable[[], _Found]) -> _Found:
    """The first true value of ``condition()``; AssertionError if there is none."""
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)
    return found
