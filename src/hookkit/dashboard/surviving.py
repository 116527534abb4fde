"""What a line cost that is still there: of the lines that a session wrote, how many were kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

from hookkit.dashboard.catalogue import Session
from hookkit.dashboard.changes import worktree_of
from hookkit.dashboard.filters import Filter, Listing
from hookkit.dashboard.site import Site
from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.trails.lines.fate import fates

_SESSIONS = 50  # the latest ones, that a page looks at
_BUDGET = 3.0  # seconds for a page
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines that a session wrote. kept: those that are still there, in the same file or another one."""

    session: Session
    written: int
    kept: int
    problem: str = ""

    @property
    def micros(self) -> float | None:
        """Microdollars for each line that was kept."""
        cost = self.session["cost_micros"]
        return cost / self.kept if self.kept and cost is not None else None


@dataclass(frozen=True, slots=True)
class Survey:
    """Some sessions. left: how many there was no time for."""

    found: list[Lines]
    left: int


_known: dict[tuple[object, ...], Counter[str]] = {}
_lock = threading.Lock()


def of_session(session: Session) -> Lines:
    """The lines of one session. Asking git takes its time; what was found is kept until a trace or HEAD changes."""
    try:
        worktree = worktree_of(session)
        head = run(worktree.root, "rev-parse", "-q", "--verify", "HEAD").decode().strip()
        key = (session["id"], session["last_us"], str(worktree.root), head, int(time.time() // 30))
        with _lock:
            states = _known.get(key)
        if states is None:
            told = fates(worktree, session["id"])
            states = Counter(fate.state for lines in told.values() for fate in lines)
            with _lock:
                if len(_known) >= _KEPT:
                    _known.clear()
                _known[key] = states
    except HookkitError as error:
        return Lines(session, 0, 0, error.message)
    return Lines(session, states.total(), states["alive"] + states["moved"])


def of_sessions(site: Site, wanted: Filter) -> Survey:
    """The latest sessions that a filter leaves and that wrote something, as many as there is time for."""
    sessions = [row for row in site.catalogue.page(Listing(wanted, limit=_SESSIONS)).sessions if row["has_trace"]]
    until = time.monotonic() + _BUDGET
    found: list[Lines] = []
    for at, session in enumerate(sessions):
        if time.monotonic() > until:
            return Survey(found, len(sessions) - at)
        lines = of_session(session)
        if lines.written or lines.problem:
            found.append(lines)
    return Survey(found, 0)
