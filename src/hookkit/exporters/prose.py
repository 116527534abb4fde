"""What the formats for people share: the facts of a session, texts that are safe to show, inputs and diffs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hookkit.exporters.source import Row, Source
from hookkit.store.plain import plain
from hookkit.store.summary import summarise
from hookkit.views import cost, text

_MOST = 100_000  # characters of one input, result or diff; the whole of it is in json and jsonl


def title(record: Mapping[str, Any]) -> str:
    """One line."""
    return plain(str(summarise(record)["title"] or "(no prompt)"))


def facts(source: Source) -> Iterator[tuple[str, str]]:
    """What a session is: names and values, one line each."""
    summary = summarise(source.record)
    words = (summary["agent"], summary["agent_version"])
    failed, subagents = summary["failed_tool_calls"], summary["subagents"]
    work = [text.counted(summary["turns"], "turn"), text.counted(summary["tool_calls"], "tool call")]
    work += [f"{failed} failed"] * bool(failed) + [text.counted(subagents, "subagent")] * bool(subagents)
    lasted = f" ({text.duration(summary['duration_s'] * 1000)})" if summary["duration_s"] is not None else ""
    buckets = ("input", "output", "cache_read", "cache_write")
    found = {
        "agent": " ".join(str(word) for word in words if word),
        "trace": summary["trace_id"],
        "session": summary["session_id"],
        "project": str(summary["project"] or "") + (f" ({summary['branch']})" if summary["branch"] else ""),
        "time": utc(summary["started_at"], "%Y-%m-%d %H:%M:%S UTC") + lasted,
        "model": ", ".join(summary["models"]),
        "work": ", ".join(work),
        "tokens": ", ".join(f"{name.replace('_', ' ')} {summary[f'{name}_tokens']:,}" for name in buckets),
        "cost": cost.told(source.record),
        "blocked": "; ".join(summary["blocked"]),
        "diffs": source.diffs.missing,
        "redacted": "" if source.redactions is None else "what looked like a secret, or was named like one",
    }
    for name, value in found.items():
        if value.strip():
            yield name, plain(value)


def utc(stamp: str | None, form: str = "%H:%M:%S") -> str:
    """An ISO 8601 time in UTC, so that an export reads alike everywhere; "" for none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime(form)
    except (ValueError, OverflowError):
        return ""


def safe(said: str) -> str:
    """Text of several lines with control characters spelled out, but for tabs; cut where it would fill a book."""
    shown = said[:_MOST]
    lines = ("\t".join(plain(piece) for piece in line.split("\t")) for line in shown.split("\n"))
    more = f"\n… {len(said) - _MOST:,} more characters" if len(said) > _MOST else ""
    return "\n".join(lines).rstrip("\n") + more


def given(row: Row) -> Iterator[tuple[str, str]]:
    """What a call was given: a name, "" for all that is short as JSON, and a text."""
    values: Mapping[str, Any] = row.call.get("input") or {}
    long = {key: value for key, value in values.items() if isinstance(value, str) and "\n" in value}
    short = {key: value for key, value in values.items() if key not in long}
    if short:
        yield "", safe(json.dumps(short, indent=1, ensure_ascii=False))
    for key, value in long.items():
        yield plain(key), safe(value)


def patch_lines(patch: str) -> Iterator[str]:
    """The lines of a patch; of binary files only that they are."""
    binary = False
    for line in safe(patch).split("\n") if patch else ():
        if line.startswith("diff --git "):
            binary = False
        elif line == "GIT binary patch":
            binary = True
            yield "Binary file"
        if not binary:
            yield line


def trees(row: Row) -> str:
    """``1a2b3c4..5d6e7f8``; one id if nothing changed, "" if nothing is known."""
    before, after = (plain(tree[:7]) if tree else "?" for tree in row.trees)
    if before == after:
        return "" if before == "?" else before
    return f"{before}..{after}" + (" inferred" if row.item.window and row.item.window.inferred else "")


def outcome(row: Row) -> str:
    """How a call went, in words: "" if it went well."""
    return {"failed": "failed", "no_result": "no result"}.get(row.item.state, "")


def work_of(row: Row) -> str:
    """What a ``tokens`` row says."""
    return f"{text.tokens(row.item.prompted)} tokens in, {text.tokens(row.item.made)} out"
