"""Phases of a pipeline, recorded as a tree that belay and ``hookkit show --tree`` read.

    from hookkit import phases

    with phases.trace("nightly", context_window=200_000):
        with phases.phase("research") as research:
            with research.tool("search", {"query": "git trees"}) as call:
                call.output = search("git trees")
            research.completion("Found three.", input_tokens=900, output_tokens=40, cost_usd=0.004)

The tree is written to ``.belay/traces/<trace id>.json`` when the trace ends. Which phase is open belongs to the thread
or asyncio task, and is inherited as any context variable is: pipelines that run beside each other keep their phases
apart. A thread that does not inherit it (``ThreadPoolExecutor``) uses the handles of its caller, or enters a phase
again (``with research:``). Outside a trace everything here does nothing. Nothing here raises into the pipeline: what
went wrong is said in the log ``hookkit.phases``, and kept as ``Trace.error``.
"""

from __future__ import annotations

import os

from hookkit.phases import context
from hookkit.phases.handles import Phase, Tool, Trace
from hookkit.store.node import DIR, Node, read_file, read_latest

__all__ = ["Node", "Phase", "Tool", "Trace", "current", "phase", "read_file", "read_latest", "trace"]


def trace(
    name: str,
    id: str | None = None,  # noqa: A002 - the name that the file is known by
    dir: str | os.PathLike[str] = DIR,  # noqa: A002
    *,
    context_window: int = 0,
    prices: tuple[float, float] = (0.0, 0.0),
) -> Trace:
    """A trace, for a ``with`` block; at its end the tree is written to ``<dir>/<id>.json``.

    id: 1 to 64 of ``A-Za-z0-9._-``; eight hex digits if it is left out, is none, or if a trace of that file is open.
    dir: relative to the folder in which the block begins. context_window: tokens, said of every call; 0 if not known.
    prices: USD for a million input and a million output tokens, for completions that do not tell their cost.
    """
    return Trace(name, id, dir, context_window=context_window, prices=prices)


def phase(name: str) -> Phase:
    """A phase of the trace that is open here, for a ``with`` block; outside a trace it does nothing."""
    here = context.here()
    return Phase(here.trace if here else None, name)


def current() -> Phase | Trace:
    """The phase that is open here; else the trace, whose calls go to its ``default`` phase; else what does nothing."""
    here = context.here()
    found: Phase | Trace = (here.phase or here.trace) if here else Phase(None, "")
    return found
