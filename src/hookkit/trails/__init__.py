"""The trail: an append-only log of what every call did to the worktree, and the lines that came of it.

The functions of the capture contract can be imported from here; each is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookkit.trails.emit import StepTrailEmissionResult, emit_step_window_events_from_record
    from hookkit.trails.exact import append_exact_patch_trail
    from hookkit.trails.log import append_events, read_events

__all__ = [
    "StepTrailEmissionResult",
    "append_events",
    "append_exact_patch_trail",
    "emit_step_window_events_from_record",
    "read_events",
]

_HOMES = {
    "StepTrailEmissionResult": "emit",
    "append_events": "log",
    "append_exact_patch_trail": "exact",
    "emit_step_window_events_from_record": "emit",
    "read_events": "log",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
