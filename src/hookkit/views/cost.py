"""What a session cost, in figures that say whose they are. summary: schemas/session-summary.schema.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.store.plain import plain
from hookkit.store.summary import summarise
from hookkit.views import text


def marks(summary: Mapping[str, Any]) -> tuple[str, str]:
    """What stands before and behind an amount: ``~`` of an estimate, ``+`` where models without a price are missing."""
    return "" if summary["cost_source"] == "agent" else "~", "+" * bool(summary["unpriced_models"])


def short(summary: Mapping[str, Any]) -> str:
    """``$0.42``, ``~$0.0012+``; "" where it is not known."""
    if summary["cost_usd"] is None:
        return ""
    before, behind = marks(summary)
    return before + text.usd(summary["cost_usd"]) + behind


def told(record: Mapping[str, Any]) -> str:
    """What it cost, and who says so, in words; "" for a session without tokens."""
    summary = summarise(record)
    usd, source = summary["cost_usd"], summary["cost_source"]
    listed = plain(((record.get("metadata") or {}).get("cost") or {}).get("prices") or "")
    unpriced = ", ".join(plain(model) for model in summary["unpriced_models"])
    if usd is None:
        if not unpriced:
            return ""
        return f"not known: {listed} has no price of {unpriced}" if listed else "not known without hookkit[prices]"
    estimate = f"estimate, {listed}" if listed else "estimate"
    said = {"agent": "as the agent says", "mixed": f"in part as the agent says, in part {estimate}"}
    without = f"; without {unpriced}" if unpriced else ""
    return f"{'at least ' if unpriced else ''}{text.usd(usd)} ({said.get(source, estimate)}{without})"
