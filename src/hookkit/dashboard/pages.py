"""The pages about many sessions: the list, search, tools, costs, and what happens right now."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookkit.dashboard import filters, numbers, surviving
from hookkit.dashboard.filters import SORTS, Filter
from hookkit.dashboard.site import Site
from hookkit.dashboard.templating import page
from hookkit.store import search
from hookkit.store.index import Row

_HITS = 100
_SPANS = (
    ("", "any time"),
    ("1h", "last hour"),
    ("24h", "last 24 hours"),
    ("7d", "last 7 days"),
    ("4w", "last 4 weeks"),
)
_RECENT = 50  # events that the live page begins with


def routes(site: Site) -> list[Route]:
    """``/`` and what its menu leads to."""
    return [
        Route("/", partial(_list, site)),
        Route("/search", partial(_search, site)),
        Route("/tools", partial(_tools, site)),
        Route("/cost", partial(_cost, site)),
        Route("/live", partial(_live, site)),
    ]


def _list(site: Site, request: Request) -> Response:
    asked = filters.listing(request.query_params)
    site.catalogue.refresh()
    found = site.catalogue.page(asked)
    order = "" if asked.sort == "activity" else asked.sort
    return page(
        "sessions.html",
        here="sessions",
        sessions=found.sessions,
        totals=site.catalogue.totals(asked.filter),
        sort=asked.sort,
        sorts=[(name, asked.filter.query(sort="" if name == "activity" else name)) for name in SORTS],
        next=asked.filter.query(sort=order, after=found.next) if found.next else "",
        first=asked.filter.query(sort=order) or "/" if asked.place else "",
        setup=_setup(site),
        **_choices(site, asked.filter, sort=order),
    )


def _choices(site: Site, wanted: Filter, **kept: str) -> dict[str, Any]:
    """What the form of filters shows. kept: what else its address says."""
    projects = site.catalogue.names("project")
    return {
        "filter": wanted,
        "chips": [(name, value, wanted.query(**{name: "", **kept}) or "?") for name, value, _ in wanted.removable()],
        "kept": {name: value for name, value in kept.items() if value},
        "choices": {
            "agent": site.catalogue.names("agent"),
            "project": projects,
            "model": site.catalogue.names("model"),
        },
        "spans": _SPANS,
    }


def _setup(site: Site) -> dict[str, Any]:
    """What the empty page says to do next."""
    return {"receiver": site.receiver, "recorded": site.recorded()}


def _search(site: Site, request: Request) -> Response:
    wanted = filters.read({name: value for name, value in request.query_params.items() if name != "q"})
    said = request.query_params.get("q", "").strip()[:500]
    site.catalogue.refresh()
    hits: list[Any] = []
    if said:
        where, values = wanted.where()
        rows = site.catalogue.ask(
            f"SELECT id, session_id, title FROM sessions WHERE has_trace AND {where} ORDER BY last_us DESC, id", values
        )
        titles = {row["id"]: row["title"] for row in rows}
        traces = (Row(row["id"], row["session_id"], "{}", 0) for row in rows)
        found = search.search(traces, search.query(said, ignore_case=True))
        with contextlib.closing(found) as left:  # type: ignore[type-var]
            hits = [(hit, titles[hit.trace_id], *_around(hit)) for hit in islice(left, _HITS)]
    return page("search.html", here="sessions", said=said, hits=hits, most=_HITS, **_choices(site, wanted, q=said))


def _around(hit: search.Hit) -> tuple[str, str, str]:
    """What stands before a match, it, and what stands behind it."""
    start, end = hit.start, min(hit.end, hit.start + 200)
    return hit.text[max(0, start - 80) : start], hit.text[start:end], hit.text[end : end + 120]


def _tools(site: Site, request: Request) -> Response:
    wanted = filters.read(request.query_params)
    site.catalogue.refresh()
    rows = numbers.tools(site.catalogue, wanted)
    return page("tools.html", here="tools", rows=rows, **_choices(site, wanted))


def _cost(site: Site, request: Request) -> Response:
    wanted = filters.read(request.query_params)
    by = request.query_params.get("by") or "model"
    site.catalogue.refresh()
    ways = (*numbers.COST_BY, "line")
    by = by if by in ways else "model"
    told: dict[str, Any] = {"rows": [], "lines": None}
    if by == "line":
        told["lines"] = surviving.of_sessions(site, wanted)
    else:
        told["rows"] = numbers.costs(site.catalogue, wanted, by)
    links = [(way, wanted.query(by="" if way == "model" else way) or "/cost") for way in ways]
    kept = {} if by == "model" else {"by": by}
    totals = site.catalogue.totals(wanted)
    return page("cost.html", here="cost", by=by, ways=links, totals=totals, **told, **_choices(site, wanted, **kept))


def _live(site: Site, request: Request) -> Response:
    site.catalogue.refresh()
    recent = site.told.recent(_RECENT)
    return page("live.html", here="live", recent=recent, position=site.hub.position, receiver=site.receiver)
