"""Agent Trace 0.1.0 (agent-trace.dev): one record for each commit and agent, of the lines that recorded calls wrote.

What the format leaves open: a conversation is a trace and a model, its ``url`` is the trace's name (``ot://trace/…``);
``content_hash`` is the sha256 of the lines' bytes, newlines included; ``metadata.hookkit`` names the calls.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from hookkit import __version__
from hookkit.exporters.git_ai_format import is_text, joined
from hookkit.exporters.git_ai_ref import contents
from hookkit.exporters.recorded import Recorded, Told, Written
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.refs import resource

VERSION = "0.1.0"

# How models.dev spells who made a model; a name that begins in another way is given as it is.
_PROVIDERS = (
    ("claude-", "anthropic"), ("gpt-", "openai"), ("codex-", "openai"), ("o1", "openai"), ("o3", "openai"),
    ("o4", "openai"), ("gemini-", "google"), ("qwen", "alibaba"), ("grok-", "xai"),
)  # fmt: skip
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:hookkit:agent-trace")
_LONGEST_MODEL = 250

can_be_named = is_text  # JSON holds text: a path that is none cannot be told


def records(worktree: Worktree, told: Told, recorded: Recorded) -> Iterator[dict[str, Any]]:
    """The records of one commit; none if no recorded call wrote any of it. The same facts give the same bytes."""
    by_agent = sorted(told.written, key=lambda part: part.facts.agent)
    for agent, parts in groupby(by_agent, key=lambda part: part.facts.agent):
        yield _record(worktree, told.commit, agent, [*parts], recorded)


def _record(worktree: Worktree, commit: str, agent: str, parts: list[Written], recorded: Recorded) -> dict[str, Any]:
    versions = {recorded.agent_version(part.facts.trace_id) for part in parts} - {None}
    version = versions.pop() if len(versions) == 1 else None
    lines = _Lines(worktree, parts)
    return {
        "version": VERSION,
        "id": str(uuid.uuid5(_NAMESPACE, f"{commit}:{agent}")),
        "timestamp": _time(worktree, commit),
        "vcs": {"type": "git", "revision": commit},
        "tool": {"name": agent, "version": version or "unknown"},
        "files": [
            {"path": path, "conversations": [*_conversations([*of_path], lines)]}
            for path, of_path in groupby(parts, key=lambda part: part.path)
        ],
        "metadata": {"hookkit": {"version": __version__, "calls": [_call(part) for part in parts]}},
    }


def _conversations(parts: list[Written], lines: _Lines) -> Iterator[dict[str, Any]]:
    def conversation(part: Written) -> tuple[str, str]:
        return part.facts.trace_id, model_id(part.facts.model) or ""

    for (trace_id, model), some in groupby(sorted(parts, key=conversation), key=conversation):
        contributor = {"type": "ai"} | ({"model_id": model} if model else {})
        same = [*some]
        blob = same[0].blob
        yield {
            "url": resource("trace", trace_id),
            "contributor": contributor,
            "ranges": [
                {"start_line": first, "end_line": last, "content_hash": lines.hash(blob, first, last)}
                for first, last in joined(part.lines for part in same)
            ],
        }


def _call(part: Written) -> dict[str, Any]:
    return {
        "path": part.path,
        "start_line": part.lines[0],
        "end_line": part.lines[1],
        "session_id": part.facts.session_id,
        "tool_call_id": part.tool_call_id,
        "tool": part.facts.tool,
        "turn": part.facts.turn,
        "firmness": "firm" if part.firm else "provisional",
    }


class _Lines:
    """The lines of the files that parts are of."""

    def __init__(self, worktree: Worktree, parts: list[Written]) -> None:
        blobs = sorted({part.blob for part in parts})
        self._lines = {blob: data.split(b"\n") for blob, data in contents(worktree, blobs)}

    def hash(self, blob: str, first: int, last: int) -> str:
        """``sha256:…`` of the lines, each with its newline; the last of a file has it only if the file has."""
        lines = self._lines[blob]
        text = b"\n".join(lines[first - 1 : last]) + (b"\n" if last < len(lines) else b"")
        return f"sha256:{hashlib.sha256(text).hexdigest()}"


def model_id(model: str | None) -> str | None:
    """A model's name as models.dev spells it, ``provider/model``; None for what names no model (``<synthetic>``)."""
    if not model or model.startswith("<"):
        return None
    provider = next((provider for start, provider in _PROVIDERS if model.lower().startswith(start)), None)
    known = model if "/" in model or provider is None else f"{provider}/{model}"
    return known[:_LONGEST_MODEL]


def _time(worktree: Worktree, commit: str) -> str:
    """When the commit was made, in UTC."""
    seconds = int(run(worktree.root, "show", "-s", "--no-show-signature", "--format=%ct", commit).split()[-1])
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
