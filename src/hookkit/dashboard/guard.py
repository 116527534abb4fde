"""What every request has to pass, and what every answer carries.

A page of another site must neither read this server nor make it do anything: not by a name that it lets point here (the
``Host`` tells), not by a request across sites (the browser says so), not by being shown inside of it.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE = "hookkit"
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask. host: where the server listens; on another than a loopback address a token is needed. token: ""
    for none. names: further names that lead here."""

    host: str = "127.0.0.1"
    token: str = ""
    names: Collection[str] = ()

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can reach the server."""
        return not is_loopback(self.host)

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header names this server. A name that is made to point here (DNS rebinding) does not."""
        name = host_name(host)
        if name in LOOPBACK or name == self.host.casefold() or name in self.names:
            return True
        return self.is_open and _is_address(name)  # nobody can make an address lead elsewhere


class Json(JSONResponse):
    """JSON in ASCII: what sessions said may have halves of characters, which UTF-8 cannot write."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        answer = self._refusal(scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    if name not in headers:
                        headers[name] = value
            await send(message)

        await (answer or self.app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self.rules.knows(headers.get("host", "")):
            return refuse(421, "UNKNOWN_HOST", "This server is not known by that name.", "Open it as localhost.")
        if is_foreign(headers):
            return refuse(403, "CROSS_SITE", "Another site asked.", "Open the address yourself.")
        return self._without_token(scope, headers) if self.rules.token else None

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in pairs if name == "token"), None)
        if given is not None and self._is_token(given):
            rest = urlencode([pair for pair in pairs if pair[0] != "token"])
            path = "/" + scope["path"].lstrip("/\\")  # never another host
            answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(COOKIE, self.rules.token, httponly=True, samesite="strict", path="/")
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(_cookie(headers)):
            return None
        return refuse(401, "NO_TOKEN", "This needs the token.", "Open the address that `hookkit serve` printed.")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.rules.token.encode())


class NoBrowsers:
    """Before a receiver of telemetry: programs may write there, pages of other sites may not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_foreign(Headers(scope=scope), own=False):
            await refuse(403, "CROSS_SITE", "Pages do not send telemetry.", "Use an exporter.")(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_foreign(headers: Headers, *, own: bool = True) -> bool:
    """Whether a page of another site asks. A link that a person follows, and whatever is no browser, is not foreign.

    own: whether pages of this very server may ask.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and not (own and urlsplit(origin).netloc == headers.get("host")):
        return True
    if site in (None, "none") or (own and site == "same-origin"):
        return False
    return headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") != "document" or not own


def refuse(status: int, code: str, message: str, hint: str) -> Response:
    """An error as the API tells it."""
    return Json({"error": {"code": code, "message": message, "hint": hint}}, status)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def host_name(header: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in lower case; "" for what is none."""
    found = _HOST.fullmatch(header.lower())
    return found["name"] or found["address"] if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers) -> str:
    jars: Iterable[str] = headers.getlist("cookie")
    for text in jars:
        try:
            jar: SimpleCookie = SimpleCookie(text)
        except CookieError:
            continue
        if COOKIE in jar:
            return jar[COOKIE].value
    return ""
