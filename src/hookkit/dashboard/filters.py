"""Which sessions are wanted: what a query string says, and the same as a condition of SQL.

The same filters hold for every panel, and a page's address carries all of them.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hookkit.errors import UsageError
from hookkit.trails.timeline import micros

# Sort order -> column of the table ``sessions``; the largest value comes first.
SORTS: Mapping[str, str] = {
    "activity": "last_us",
    "cost": "cost_micros",
    "duration": "duration_ms",
    "errors": "errors",
    "tokens": "tokens",
    "calls": "calls",
}
LIMIT, MOST = 50, 500
_LONGEST = 500  # characters of a value
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?")
_SPAN = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_WORDS = ("q", "agent", "project", "model")


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for. given: the parameters that say it, as they were given; without sort, limit and place.

    since, until: microseconds since 1970. cost: the least, in microdollars.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    errors: bool = False
    since: int | None = None
    until: int | None = None
    cost: int | None = None

    def where(self) -> tuple[str, list[Any]]:
        """A condition on ``sessions``, and its parameters."""
        conditions, values = ["true"], list[Any]()
        for word in self.given.get("q", "").casefold().split():
            conditions.append("contains(haystack, ?)")
            values.append(word)
        if agent := self.given.get("agent"):
            conditions.append("agent = ?")
            values.append(agent)
        if project := self.given.get("project"):
            conditions.append("(project = ? OR ends_with(project, ?))")
            values += [project, f"/{project}"]
        if model := self.given.get("model"):
            conditions.append("contains(lower(array_to_string(models, chr(10))), ?)")
            values.append(model.casefold())
        if self.errors:
            conditions.append("errors > 0")
        for condition, value in (
            ("last_us >= ?", self.since),
            ("started_us < ?", self.until),
            ("cost_micros >= ?", self.cost),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        return " AND ".join(conditions), values

    def query(self, **changed: str) -> str:
        """These filters as a query string, ``?`` included; "" for none. changed: other values; "" takes one out."""
        wanted = {name: value for name, value in {**self.given, **changed}.items() if value}
        return f"?{urlencode(wanted)}" if wanted else ""

    def removable(self) -> Iterator[tuple[str, str, str]]:
        """Each filter: its name, its value, and the query string without it."""
        for name, value in self.given.items():
            yield name, value, self.query(**{name: ""})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the session with this value of the sort's column and this id."""

    value: int
    id: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of sessions that is asked for. place: None for the first."""

    filter: Filter
    sort: str = "activity"
    limit: int = LIMIT
    place: Place | None = None


def read(parameters: Mapping[str, str], agent: str = "all") -> Filter:
    """The filters of a query string; UsageError for a value that means nothing. agent: the only one, or ``all``."""
    given = {name: _word(name, parameters[name]) for name in _WORDS if parameters.get(name, "").strip()}
    if agent != "all":
        given["agent"] = agent
    errors = _flag("errors", parameters.get("errors", ""))
    if errors:
        given["errors"] = "1"
    moments = {}
    for name in ("since", "until"):
        if parameters.get(name):
            moments[name] = moment(name, parameters[name])
            given[name] = parameters[name]
    cost = None
    if parameters.get("min_cost"):
        cost = _dollars(parameters["min_cost"])
        given["min_cost"] = parameters["min_cost"]
    return Filter(given, errors, moments.get("since"), moments.get("until"), cost)


def listing(parameters: Mapping[str, str], agent: str = "all") -> Listing:
    """Filters, order, and which page. UsageError for what means nothing."""
    sort = parameters.get("sort") or "activity"
    if sort not in SORTS:
        raise UsageError("BAD_PARAMETER", f"There is no order {sort[:50]!r}.", f"sort is one of {', '.join(SORTS)}.")
    after = parameters.get("after")
    return Listing(read(parameters, agent), sort, limit(parameters), _place(after, sort) if after else None)


def limit(parameters: Mapping[str, str], default: int = LIMIT) -> int:
    """How many rows are asked for: 1 to 500."""
    return whole("limit", parameters.get("limit") or str(default), 1, MOST)


def whole(name: str, said: str, least: int, most: int) -> int:
    """A whole number of a query string."""
    if not re.fullmatch(r"\d{1,19}", said) or not least <= int(said) <= most:
        raise UsageError("BAD_PARAMETER", f"{name} is {said[:50]!r}.", f"It has to be a number from {least} to {most}.")
    return int(said)


def token(sort: str, place: Place) -> str:
    """A place as text that nobody need read."""
    return base64.urlsafe_b64encode(json.dumps([sort, place.value, place.id]).encode()).decode().rstrip("=")


def moment(name: str, said: str) -> int:
    """A time (ISO 8601) or a span before now (``7d``) as microseconds since 1970."""
    span = _SPAN.fullmatch(said.strip())
    if span:
        return int((time.time() - int(span[1]) * _UNITS[span[2]]) * 1e6)
    found = micros(said.strip())
    if found is None:
        raise UsageError("BAD_PARAMETER", f"{name} is {said[:50]!r}.", "It has to be 30m, 12h, 7d, 4w or 2026-01-31.")
    return found


def _place(said: str, sort: str) -> Place:
    try:
        kind, value, identifier = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        if kind == sort and type(value) is int and abs(value) < 1 << 62 and isinstance(identifier, str):
            return Place(value, identifier)
    except (ValueError, TypeError):
        pass
    raise UsageError("BAD_CURSOR", "That is not a place in this order.", "Begin without `after`; take it from `next`.")


def _word(name: str, said: str) -> str:
    if len(said) > _LONGEST:
        raise UsageError("BAD_PARAMETER", f"{name} is too long.", f"It may have {_LONGEST} characters.")
    return said.strip()


def _flag(name: str, said: str) -> bool:
    if said.lower() not in (*_YES, *_NO):
        raise UsageError("BAD_PARAMETER", f"{name} is {said[:50]!r}.", "It has to be 1 or 0.")
    return said.lower() in _YES


def _dollars(said: str) -> int:
    if not _NUMBER.fullmatch(said):
        raise UsageError("BAD_PARAMETER", f"min_cost is {said[:50]!r}.", "It has to be US dollars, like 0.5.")
    return math.ceil(float(said) * 1e6)
