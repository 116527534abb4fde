"""What a pipeline holds in its hands: traces, phases, calls. Thread-safe, and never in the way."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from hookkit.phases import context
from hookkit.phases.growing import GrowingPhase, GrowingTrace, amount, count
from hookkit.store.node import DIR, estimate, is_id, short_id, write

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_log = logging.getLogger("hookkit.phases")
_taken: set[Path] = set()  # files of the traces that are open
_taken_lock = threading.Lock()


def _safely(otherwise: R) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """A failure of the recording is logged, and the pipeline goes on."""

    def wrap(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        @functools.wraps(method)
        def safe(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(self, *args, **kwargs)
            except Exception:
                _log.warning("%s was not recorded.", method.__name__, exc_info=True)
                return otherwise

        return safe

    return wrap


class _Handle:
    """What a trace and a phase both do: take calls and completions. Each does nothing while the trace is not open."""

    _trace: Trace | None

    def _phase(self) -> GrowingPhase | None:
        """Where events of this handle go. Called with the trace's lock, while it is open."""
        raise NotImplementedError

    def _tell(self, event: Callable[[GrowingPhase], None]) -> None:
        if self._trace is not None:
            with self._trace._lock:
                phase = self._phase() if self._trace._growing is not None else None
                if phase is not None:
                    event(phase)

    def tool(self, name: str, input: object = None) -> Tool:  # noqa: A002 - as agents call it
        """A tool call, for a ``with`` block; set its ``output`` to what the tool said."""
        return Tool(self, name, input)

    @_safely("")
    def tool_start(self, name: str, input: object = None, id: str | None = None) -> str:  # noqa: A002
        """A tool call begins; gives its id: yours, or a new one. A call of that id that is still open ends."""
        call_id, named = (short_id() if id is None else _text(id)), _text(name)
        tokens = _estimate(named) + _estimate(input)
        self._tell(lambda phase: phase.tool_start(call_id, named, tokens))
        return call_id

    @_safely(None)
    def tool_result(self, id: str, output: object = None) -> None:  # noqa: A002
        """A tool call ends. output: what it said, for the estimate of tokens. An id that is not open is ignored."""
        call_id, tokens = _text(id), _estimate(output)
        if self._trace is not None:
            with self._trace._lock:
                holder = self._trace._holder(self, call_id)
                if holder is not None:
                    holder.tool_result(call_id, tokens)

    @_safely(None)
    def completion(
        self,
        text: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        duration_ms: float | None = None,
        model: str | None = None,
    ) -> None:
        """The model answered. Without tokens they are estimated, from what was said since the completion before."""
        said, tokens = _estimate(text), (count(input_tokens), count(output_tokens))
        cost = None if cost_usd is None else amount(cost_usd)
        lasted, named = amount(duration_ms), "" if model is None else _text(model)
        self._tell(lambda phase: phase.completion(said, tokens, cost, lasted, named))


class Trace(_Handle):
    """A trace; see ``hookkit.phases.trace``.

    id: of the trace and its file. path: the file, once it is written. error: why it was not, or why it is not called
    as it should be.
    """

    def __init__(
        self,
        name: str,
        id: str | None = None,  # noqa: A002
        dir: str | os.PathLike[str] = DIR,  # noqa: A002
        *,
        context_window: int = 0,
        prices: Sequence[float] = (0.0, 0.0),
    ) -> None:
        self.id = short_id() if id is None else id
        self.path: Path | None = None
        self.error: Exception | None = None
        self._trace = self
        self._name, self._dir, self._window, self._prices = _text(name), dir, count(context_window), prices
        self._lock = threading.RLock()
        self._growing: GrowingTrace | None = None
        self._begun = False

    def __enter__(self) -> Trace:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    @_safely(None)
    def start(self) -> None:
        """Open the trace here; what ``with`` does. A trace is opened once."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
            try:
                taken, given = self._prices
                self._reserve()
            except Exception as error:
                self.error = error
                raise
            prices = amount(taken), amount(given)
            self._growing = GrowingTrace(self.id, self._name, self._window, prices, time.monotonic())
        context.enter(self, None)

    def phase(self, name: str) -> Phase:
        """A phase of this trace, whatever is open here."""
        return Phase(self, name)

    @_safely(None)
    def begin(self, name: str) -> None:
        """A phase begins, and the one that is open here ends: for pipelines that tell events and have no blocks."""
        here = context.here(self)
        if here is not None and here.phase is not None:
            here.phase.end()
        Phase(self, name).start()

    @_safely(None)
    def end(self) -> None:
        """Write the tree; what ``with`` does at its end. What is still open is as long as until now."""
        context.leave(self, None)
        with self._lock:
            growing, self._growing = self._growing, None
        if growing is None:
            return
        for phase in growing.phases:
            if phase.logged:
                phase.logged.end()
        try:
            with self._lock:
                tree = growing.node()
            self.path = write(tree, self._file.parent, self.id)
        except Exception as error:
            self.error = error
            _log.warning("Trace %s could not be written: %s", self.id, error)
        finally:
            with _taken_lock:
                _taken.discard(self._file)

    def _reserve(self) -> None:
        """A file of its own: a valid id, and not that of another open trace."""
        folder, given, valid = Path(os.path.abspath(self._dir)), self.id, is_id(self.id)
        with _taken_lock:
            while not is_id(self.id) or folder / f"{self.id}.json" in _taken:
                self.id = short_id()
            self._file = folder / f"{self.id}.json"
            _taken.add(self._file)
        if self.id is not given:
            why = "is in use" if valid else "is no name for a file"
            self.error = ValueError(f"The id {given!r} {why}; the trace is {self.id}.")
            _log.warning("%s", self.error)

    def _phase(self) -> GrowingPhase | None:
        assert self._growing is not None
        here = context.here(self)
        open_here: Phase | None = here.phase if here else None
        return open_here._phase() if open_here is not None else self._growing.default()

    def _holder(self, handle: _Handle, call_id: str) -> GrowingPhase | None:
        """The phase that has this call open: the one that is meant, else any other."""
        if self._growing is None:
            return None
        here = context.here(self)
        meant = handle if isinstance(handle, Phase) else here.phase if here else None
        phases = [meant._phase() if meant else None, *self._growing.phases]
        return next((phase for phase in phases if phase is not None and call_id in phase.open_calls), None)


class Phase(_Handle):
    """A phase; a ``with`` block opens it.

    One that opens inside of another is called ``outer / inner``, and the outer one's clock stands still meanwhile. It
    may be entered again, from any thread, and takes events until its trace ends.
    """

    def __init__(self, trace: Trace | None, name: str) -> None:
        self._trace = trace
        self._name = _text(name)
        self._growing: GrowingPhase | None = None

    def __enter__(self) -> Phase:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    @_safely(None)
    def start(self) -> None:
        """Open the phase here; what ``with`` does."""
        if self._trace is None:
            return
        here = context.here(self._trace)
        with self._trace._lock:
            if self._trace._growing is None:
                return
            if self._growing is None:
                outer = here.phase._growing if here is not None and here.phase is not None else None
                self._growing = self._trace._growing.phase(self._name, outer)
            self._growing.enter()
        context.enter(self._trace, self, self._growing.logged)

    @_safely(None)
    def end(self) -> None:
        """Close the phase here; what ``with`` does at its end."""
        if self._trace is None:
            return
        context.leave(self._trace, self)
        with self._trace._lock:
            growing = self._growing
            if growing is None or not growing.entered:
                return
            growing.leave()
        if not growing.entered and growing.logged:
            growing.logged.end()

    def _phase(self) -> GrowingPhase | None:
        return self._growing


class Tool:
    """A tool call, open for a ``with`` block. output: set it to what the tool said: text, bytes, or JSON."""

    def __init__(self, handle: _Handle, name: str, input: object) -> None:  # noqa: A002
        self.output: Any = None
        self._handle, self._name, self._input = handle, name, input

    def __enter__(self) -> Tool:
        self._id = self._handle.tool_start(self._name, self._input)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._handle.tool_result(self._id, self.output)


def _text(name: object) -> str:
    try:
        return str(name)
    except Exception:  # whatever was given
        return type(name).__name__


def _estimate(said: object) -> int:
    try:
        return estimate(said)
    except Exception:  # whatever was given
        return 0
