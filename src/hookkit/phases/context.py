"""Which trace and which phase are open here: the one place that knows.

Whoever wants to hear of phases, or has phases of its own, joins here: ``enter`` and ``leave`` are the only ones that
change it. Logs of runs hear of them by ``runlog.log.current_phase``.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hookkit.runlog import log


@dataclass(frozen=True, slots=True)
class Here:
    """What is open: a ``Trace``, a ``Phase`` of it or none yet; how logs name that, or else the phase around it; and
    what was open before."""

    trace: Any
    phase: Any
    logged: log.Phase | None
    outer: Here | None


_current: ContextVar[Here | None] = ContextVar("hookkit_open_phase", default=None)


def here(trace: object = None) -> Here | None:
    """What is open in this thread or task; with ``trace``, of that one."""
    found = _current.get()
    while trace is not None and found is not None and found.trace is not trace:
        found = found.outer
    return found


def enter(trace: object, phase: object, logged: log.Phase | None = None) -> None:
    outer = _current.get()
    _open(Here(trace, phase, logged or (outer.logged if outer else None), outer))


def leave(trace: object, phase: object) -> None:
    """Open is what was open before. No token is kept: a block may end in another context than it began in, and one that
    never entered it stays as it is."""
    found = _current.get()
    while found is not None and (found.trace is not trace or found.phase is not phase):
        found = found.outer
    if found is not None:
        _open(found.outer)


def _open(found: Here | None) -> None:
    _current.set(found)
    log.current_phase.set(found.logged if found else None)
