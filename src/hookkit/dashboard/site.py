"""What all pages and endpoints share: the sessions, and where to find one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookkit import agents
from hookkit.dashboard.catalogue import Catalogue, Session
from hookkit.dashboard.filters import Filter
from hookkit.dashboard.guard import Rules
from hookkit.dashboard.live import Hub
from hookkit.dashboard.opened import Opened, Sessions
from hookkit.dashboard.told import Event, Told
from hookkit.errors import HookkitError
from hookkit.store.files import trace_path

if TYPE_CHECKING:
    from starlette.requests import Request


class NotFoundError(HookkitError):
    """There is no such thing: an answer with status 404."""


@dataclass
class Site:
    """One server's. receiver: where telemetry arrives, by protocol; {} if nothing is received."""

    catalogue: Catalogue
    hub: Hub
    rules: Rules = field(default_factory=Rules)
    receiver: dict[str, str] = field(default_factory=dict)
    opened: Sessions = field(default_factory=Sessions)

    @property
    def told(self) -> Told:
        """What telemetry tells."""
        return self.catalogue.told

    def agent(self, request: Request) -> str:
        """The agent that a path names, or ``all``; NotFoundError for one that nobody knows."""
        self.catalogue.refresh()
        name = str(request.path_params["agent"])
        if name != "all" and name not in agents.SOURCES and name not in self.catalogue.names("agent"):
            raise NotFoundError("UNKNOWN_AGENT", f"There is no agent {name[:80]!r}.", "`all` means every agent.")
        return name

    def session(self, request: Request) -> Session:
        """The session that a path names; NotFoundError if there is none."""
        agent = self.agent(request) if "agent" in request.path_params else "all"
        return self.find(str(request.path_params["id"]), agent)

    def find(self, identifier: str, agent: str = "all") -> Session:
        """The session with that trace id or session id."""
        self.catalogue.refresh()
        found = self.catalogue.one(identifier, agent)
        if found is None:
            raise NotFoundError(
                "UNKNOWN_SESSION",
                f"There is no session {identifier[:80]!r}.",
                "It may have been pruned; the list of sessions shows those that are there.",
            )
        return found

    def events(self, session: Session) -> list[Event]:
        """The telemetry of a session, in its order."""
        return self.told.timeline(session["agent"], session["session_id"]) if session["has_telemetry"] else []

    def open(self, session: Session) -> Opened:
        """A session with all that happened in it."""
        file = self.file(session)
        try:
            found = file.stat() if file else None
        except OSError as error:
            raise NotFoundError(
                "UNKNOWN_SESSION", f"The trace is gone: {error.strerror}.", "Look at the list again."
            ) from error
        stamp = found and (found.st_mtime_ns, found.st_size)
        version = self.catalogue.version if session["has_telemetry"] else 0
        return self.opened.open((session["id"], stamp, version), file, lambda: self.events(session))

    def recorded(self) -> int:
        """How many sessions there are."""
        return int(self.catalogue.totals(Filter())["sessions"])

    def file(self, session: Session) -> Path | None:
        """The trace file of a session."""
        return trace_path(session["id"]) if session["has_trace"] else None


def agent_title(name: str) -> str:
    """What an agent is called."""
    found: Any = agents.SOURCES.get(name)
    return str(found.title) if found else name


def open_site(rules: Rules | None = None, every: float = 3.0) -> Site:
    """The site of this user's sessions. every: seconds between two looks at the files."""
    catalogue = Catalogue(Told(), every)
    catalogue.refresh()
    return Site(catalogue, Hub(catalogue), rules or Rules())
