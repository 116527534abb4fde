"""The API: sessions, their timelines, tools and costs, and what happens right now. JSON, read only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookkit.dashboard import changes, filters, numbers, openapi, shapes
from hookkit.dashboard.guard import Json
from hookkit.dashboard.live import is_wanted
from hookkit.dashboard.site import NotFoundError, Site
from hookkit.errors import UsageError
from hookkit.views.patch import patch_json

_LAST = (1 << 63) - 1
_PING = 15  # seconds
_SLOW = 30.0  # seconds that a listener may take for what it is sent


def routes(site: Site) -> list[Route]:
    """The routes below /api/v1."""

    def route(path: str, answer: Callable[[Site, Request], Mapping[str, Any]]) -> Route:
        def endpoint(request: Request) -> Response:
            return Json(answer(site, request))

        return Route(f"/api/v1/{{agent}}{path}", endpoint)

    async def live(request: Request) -> Response:
        return await _live(site, request)

    return [
        route("/sessions", _sessions),
        route("/sessions/{id}", _session),
        route("/sessions/{id}/timeline", _timeline),
        route("/sessions/{id}/tools", _session_tools),
        route("/sessions/{id}/cost", _session_cost),
        route("/sessions/{id}/diff", _diff),
        route("/cost", _cost),
        route("/tools", _tools),
        route("/events", _events),
        Route("/api/v1/{agent}/live", live),
        Route("/openapi.json", lambda request: Json(openapi.document(str(request.base_url).rstrip("/")))),
    ]


def _sessions(site: Site, request: Request) -> Mapping[str, Any]:
    page = site.catalogue.page(filters.listing(request.query_params, site.agent(request)))
    return {"items": [shapes.session(row) for row in page.sessions], "next": page.next or None}


def _session(site: Site, request: Request) -> Mapping[str, Any]:
    return shapes.session(site.session(request))


def _timeline(site: Site, request: Request) -> Mapping[str, Any]:
    opened = site.open(site.session(request))
    first = filters.whole("after", request.query_params.get("after") or "0", 0, _LAST)
    last = first + filters.limit(request.query_params, 100)
    items = [shapes.entry(entry) for entry in opened.entries[first:last]]
    return {"items": items, "next": str(last) if last < len(opened.entries) else None}


def _session_tools(site: Site, request: Request) -> Mapping[str, Any]:
    rows = numbers.session_tools(site.open(site.session(request)).entries)
    return {"items": [shapes.camel(row) for row in rows]}


def _session_cost(site: Site, request: Request) -> Mapping[str, Any]:
    by = _choice(request, "by", ("model", "subagent"))
    rows = numbers.session_costs(site.open(site.session(request)), by)
    return {"items": [shapes.camel(row) for row in rows]}


def _cost(site: Site, request: Request) -> Mapping[str, Any]:
    wanted = filters.read(request.query_params, site.agent(request))
    by = _choice(request, "by", (*numbers.COST_BY,))
    rows = numbers.costs(site.catalogue, wanted, by, filters.limit(request.query_params, filters.MOST))
    return {"by": by, "items": [shapes.camel(row) for row in rows]}


def _tools(site: Site, request: Request) -> Mapping[str, Any]:
    wanted = filters.read(request.query_params, site.agent(request))
    rows = numbers.tools(site.catalogue, wanted, filters.limit(request.query_params, filters.MOST))
    return {"items": [shapes.camel(row) for row in rows]}


def _diff(site: Site, request: Request) -> Mapping[str, Any]:
    changed = changed_of(site, request)
    return {"notes": list(changed.notes), **patch_json(changed.patch)}


def changed_of(site: Site, request: Request) -> changes.Changed:
    """What the call (``call``), the turn (``turn``), the gap (``gap``) or the whole session changed."""
    session, asked = site.session(request), request.query_params
    opened = site.open(session)
    if asked.get("gap"):
        return changes.of_gap(session, opened, filters.whole("gap", asked["gap"], 0, _LAST))
    if asked.get("call"):
        if opened.call(asked["call"]) is None:
            raise NotFoundError(
                "UNKNOWN_CALL", f"The session has no call {asked['call'][:80]!r}.", "Its timeline lists those it has."
            )
        return changes.of_calls(session, opened, {asked["call"]})
    turn = filters.whole("turn", asked["turn"], 0, _LAST) if asked.get("turn") else None
    return changes.of_calls(session, opened, set(changes.call_ids(opened, turn)))


def _events(site: Site, request: Request) -> Mapping[str, Any]:
    """What came after a position: for who cannot hold a stream open."""
    agent, session = site.agent(request), request.query_params.get("session", "")
    said = request.query_params.get("after")
    if not said:
        return {"items": [], "next": str(site.hub.position)}
    after = filters.whole("after", said, 0, _LAST)
    limit = filters.limit(request.query_params, filters.MOST)
    rows = site.hub.since(after, limit)
    wanted = [row for row in rows if is_wanted(row, agent, session)]
    return {"items": [shapes.event(row) for row in wanted], "next": str(rows[-1]["position"] if rows else after)}


async def _live(site: Site, request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool

    agent = await run_in_threadpool(site.agent, request)
    said = request.headers.get("last-event-id") or request.query_params.get("after")
    after = filters.whole("after", said, 0, _LAST) if said else None
    site.hub.check()
    stream = site.hub.listen(after, agent, request.query_params.get("session", ""))
    return EventSourceResponse(stream, ping=_PING, send_timeout=_SLOW)


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    said = request.query_params.get(name) or allowed[0]
    if said not in allowed:
        raise UsageError("BAD_PARAMETER", f"{name} is {said[:50]!r}.", f"It is one of {', '.join(allowed)}.")
    return said
