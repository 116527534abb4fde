"""A tree that grows by events. Knows neither threads nor contexts: whoever calls holds the trace's lock.

The rules are those of belaykit's provider. What it got wrong is right here: several phases may be open at once, a call
without a result is as long as its trace, and an estimate is counted once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from hookkit.runlog import log
from hookkit.store.node import MOST, Node, short_id


@dataclass(slots=True)
class Call:
    """said: estimated tokens of the conversation when it began, itself included. began, ended: seconds."""

    name: str
    said: tuple[int, int]
    began: float
    ended: float | None = None

    def node(self, window: int) -> Node:
        lasted = (time.monotonic() if self.ended is None else self.ended) - self.began
        return Node(
            short_id(),
            "tool_call",
            self.name,
            duration_ms=count(lasted * 1000),
            input_tokens=count(self.said[0]),
            output_tokens=count(self.said[1]),
            context_window=window,
        )


@dataclass(slots=True, eq=False)
class GrowingPhase:
    """A phase of a tree. said: estimated tokens of its conversation so far, in and out; it goes on where its outer
    phase or the trace was. told: those that a completion has counted. entered: how many blocks are inside of it.
    logged: as logs of runs name it; None for ``default``."""

    trace: GrowingTrace
    name: str
    outer: GrowingPhase | None
    marked: bool
    said: tuple[int, int]
    told: tuple[int, int]
    logged: log.Phase | None = None
    entered: int = 0
    model: str = ""
    cost_usd: float = 0.0
    completed_ms: float = 0.0
    tokens: tuple[int, int] = (0, 0)
    open_calls: dict[str, Call] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    _inside: int = 0
    _since: float | None = None
    _open_s: float = 0.0

    def enter(self) -> None:
        if not self.entered and self.outer:
            self.outer._clock(inside=1)
        self._clock(entered=1)

    def leave(self) -> None:
        self._clock(entered=-1)
        if not self.entered:
            self.trace.heard(self.said)
            if self.outer:
                self.outer._clock(inside=-1)

    def _clock(self, *, entered: int = 0, inside: int = 0) -> None:
        """It runs while the phase is entered, in whatever thread, and no phase is open inside of it."""
        now = time.monotonic()
        if self._since is not None:
            self._open_s += now - self._since
        self.entered += entered
        self._inside += inside
        self._since = now if self.entered and not self._inside else None

    def tool_start(self, call_id: str, name: str, tokens: int) -> None:
        """tokens: estimated, of the name and the input."""
        self._hear(0, tokens)
        if call_id in self.open_calls:
            self.tool_result(call_id, 0)
        call = self.open_calls[call_id] = Call(name, self.said, time.monotonic())
        self.calls.append(call)

    def tool_result(self, call_id: str, tokens: int) -> None:
        """tokens: estimated, of the output."""
        self.open_calls.pop(call_id).ended = time.monotonic()
        self._hear(tokens, 0)

    def completion(
        self, text: int, tokens: tuple[int, int], cost_usd: float | None, duration_ms: float, model: str
    ) -> None:
        """text: its estimated tokens. tokens: as the model counted them, (0, 0) if it did not."""
        self._hear(0, text)
        if tokens == (0, 0):
            tokens = self.said[0] - self.told[0], self.said[1] - self.told[1]
        self.told = self.said
        self.tokens = self.tokens[0] + tokens[0], self.tokens[1] + tokens[1]
        if cost_usd is None:
            cost_usd = sum(price * number for price, number in zip(self.trace.prices, tokens, strict=True)) / 1e6
        self.cost_usd = amount(self.cost_usd + cost_usd)
        self.completed_ms += duration_ms
        self.model = model or self.model

    def _hear(self, taken: int, given: int) -> None:
        self.said = self.said[0] + taken, self.said[1] + given

    def nodes(self) -> list[Node]:
        """The marker, if it has one, and the phase; what is still open is as long as until now."""
        self._clock()
        phase = Node(
            self.logged.id if self.logged else short_id(),
            "phase",
            self.name,
            model=self.model,
            duration_ms=count(self.completed_ms) or count(self._open_s * 1000),
            cost_usd=self.cost_usd,
            input_tokens=count(self.tokens[0]),
            output_tokens=count(self.tokens[1]),
            children=tuple(call.node(self.trace.window) for call in self.calls),
        )
        return [Node(short_id(), "marker", f"→ {self.name}"), phase] if self.marked else [phase]


@dataclass(slots=True, eq=False)
class GrowingTrace:
    """A tree from its first event on. window: tokens, 0 if not known. prices: USD a million tokens, in and out.
    since: seconds of the monotonic clock."""

    id: str
    name: str
    window: int
    prices: tuple[float, float]
    since: float
    phases: list[GrowingPhase] = field(default_factory=list)
    said: tuple[int, int] = (0, 0)
    _default: GrowingPhase | None = None

    def phase(self, name: str, outer: GrowingPhase | None) -> GrowingPhase:
        """A new phase with its marker; ``default`` ends where it begins outside of all others."""
        if outer is None and self._default is not None and self._default.entered:
            self._default.leave()
        added = self._add(f"{outer.name} / {name}" if outer else name, outer, marked=True)
        added.logged = log.Phase(short_id(), name, outer.logged if outer else None)
        return added

    def default(self) -> GrowingPhase:
        """The phase of what happens in none. It has no marker."""
        if self._default is None:
            self._default = self._add("default", None, marked=False)
        if not self._default.entered:
            self._default.enter()
        return self._default

    def _add(self, name: str, outer: GrowingPhase | None, *, marked: bool) -> GrowingPhase:
        said = outer.said if outer else self.said
        added = GrowingPhase(self, name, outer, marked, said, said)
        self.phases.append(added)
        return added

    def heard(self, said: tuple[int, int]) -> None:
        """A phase has ended: what comes next goes on from the longest conversation so far."""
        self.said = max(self.said[0], said[0]), max(self.said[1], said[1])

    def node(self) -> Node:
        lasted = count((time.monotonic() - self.since) * 1000)
        children = tuple(node for phase in self.phases for node in phase.nodes())
        return Node(self.id, "trace", self.name, duration_ms=lasted, children=children)


def count(number: object) -> int:
    """A whole number that a node may hold; 0 for what is none."""
    return min(max(number, 0), MOST) if isinstance(number, int) else min(int(amount(number)), MOST)


def amount(number: object) -> float:
    """A finite amount, 0 or more; 0 for what is none."""
    try:
        made = float(number)  # type: ignore[arg-type]
    except Exception:  # whatever was given
        return 0.0
    return made if 0 <= made < float("inf") else 0.0
