"""Pages from templates. Everything that a session said is escaped, and its control characters are spelled out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from hookkit import __version__
from hookkit.dashboard import shapes
from hookkit.dashboard.prices import Money
from hookkit.dashboard.site import agent_title
from hookkit.exporters import prose
from hookkit.store.plain import plain
from hookkit.views import text


@cache
def environment() -> Environment:
    """The templates, with what they need to tell times, money and texts."""
    made = Environment(
        loader=PackageLoader("hookkit.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "agent": agent_title,
        "ago": lambda us: text.ago(shapes.stamp(us)),
        "attributes": attributes,
        "clock": lambda us: text.local(shapes.stamp(us), "%H:%M:%S"),
        "duration": text.duration,
        "event_name": lambda event: plain(shapes.event_name(event)),
        "iso": lambda us: shapes.stamp(us) or "",
        "line": lambda said, width=160: text.one_line(str(said or ""), width),
        "local": lambda us: text.local(shapes.stamp(us), "%Y-%m-%d %H:%M:%S"),
        "money": money,
        "part": lambda said: quote(str(said), safe=""),
        "plain": lambda said: plain(str(said or "")),
        "safe_text": lambda said: prose.safe(str(said or "")),
        "tail": lambda path: plain(str(path or "").rstrip("/").rpartition("/")[2]),
        "tokens": text.tokens,
        "usd": lambda micros: "" if micros is None else text.usd(micros / 1e6),
        "counted": text.counted,
        "model": lambda name: plain(str(name or "").partition("/")[2] or str(name or "")),
        "live": shapes.is_live,
    }
    made.globals |= {"version": __version__}
    return made


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The answer that a template makes."""
    # Halves of characters, as torn JSON has them, cannot be written in UTF-8.
    made = environment().get_template(name).render(values).encode("utf-8", "replace")
    return HTMLResponse(made, status)


def money(amount: Money | Mapping[str, Any] | None) -> str:
    """``$0.42``; ``~`` before an estimate, ``+`` behind what leaves out a part; "" if nothing is known."""
    if isinstance(amount, Mapping):  # a row of the table of sessions
        source = amount["cost_source"]
        amount = Money(amount["cost_micros"], source not in ("agent", "telemetry"), amount["bound"])
    if amount is None or amount.micros is None:
        return ""
    return "~" * amount.estimate + text.usd(amount.micros / 1e6) + "+" * amount.bound


def attributes(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All that a row of telemetry says, by the names of its program."""
    try:
        found = json.loads(event.get("attributes") or "{}")
    except ValueError:
        return []
    pairs = found.items() if isinstance(found, dict) else ()
    return [
        (plain(str(name)), prose.safe(value if isinstance(value, str) else json.dumps(value))) for name, value in pairs
    ]
