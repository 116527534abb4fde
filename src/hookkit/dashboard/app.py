"""The application: routes, errors, and the guard around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookkit.dashboard import api, pages, session_pages
from hookkit.dashboard.guard import Guard, refuse
from hookkit.dashboard.live import TooManyError
from hookkit.dashboard.site import NotFoundError, Site
from hookkit.dashboard.templating import page
from hookkit.errors import HookkitError, UsageError

_STATIC = {"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}


def create(site: Site) -> Starlette:
    """The application of a site. Its pump of news runs as long as the application does."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        pump = asyncio.create_task(site.hub.pump())
        yield
        site.hub.close()
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump

    return Starlette(
        routes=[*api.routes(site), *pages.routes(site), *session_pages.routes(site), Route("/static/{name}", _static)],
        middleware=[Middleware(Guard, rules=site.rules)],
        exception_handlers={HookkitError: _refused, HTTPException: _wrong, Exception: _broken},
        lifespan=lifespan,
    )


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    found = resources.files("hookkit.dashboard") / "static" / name
    return Response(found.read_bytes(), media_type=_STATIC[name])


async def _refused(request: Request, error: Exception) -> Response:
    """An expected failure, as JSON or as a page."""
    assert isinstance(error, HookkitError)
    status = 404
    if isinstance(error, TooManyError):
        status = 503
    elif isinstance(error, UsageError) and not isinstance(error, NotFoundError):
        status = 400
    elif error.code == "UNREADABLE_TRACE":
        status = 500
    return _told(request, status, error.code, error.message, error.hint)


async def _wrong(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "NOT_FOUND", 405: "NOT_ALLOWED"}.get(error.status_code, "REFUSED")
    said = {404: "There is no such page.", 405: "Here one can only read."}.get(error.status_code, error.detail)
    return _told(
        request, error.status_code, code, said, "The sessions are at /, the API is described in /openapi.json."
    )


async def _broken(request: Request, error: Exception) -> Response:
    """A defect of ours. The server's log has the traceback."""
    said = f"hookkit failed: {type(error).__name__}."
    return _told(request, 500, "UNEXPECTED", said, "What the server printed says more; please report it.")


def _told(request: Request, status: int, code: str, message: str, hint: str) -> Response:
    if request.url.path.startswith("/api/") or request.url.path == "/openapi.json":
        return refuse(status, code, message, hint)
    name = "fragment_error.html" if "fragment" in request.query_params else "error.html"
    return page(name, status, code=code, message=message, hint=hint, here="")
