"""Where a session's subagents leave their lines, and which call each belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from hookkit.capture.fold.assemble import AgentMeta
from hookkit.capture.identity import is_session_id
from hookkit.capture.values import text_of


def files(session_path: Path, known: Iterable[str]) -> Mapping[str, Path]:
    """Agent id -> its file, ordered by id.

    known: agent ids that the session names. Claude Code before 2.1 kept every agent's file beside the sessions, so
    there a file is ours only if the session names it.
    """
    found = {
        path.stem.removeprefix("agent-"): path for path in _folder(session_path).glob("agent-*.jsonl") if path.is_file()
    }
    for agent in known:
        beside = session_path.with_name(f"agent-{agent}.jsonl")
        if agent not in found and is_session_id(agent) and beside.is_file():
            found[agent] = beside
    return dict(sorted(found.items()))


def metas(session_path: Path) -> Mapping[str, AgentMeta]:
    """Agent id -> what Claude Code keeps beside the agent's file; an unreadable one says nothing."""
    found = {}
    for path in _folder(session_path).glob("agent-*.meta.json"):
        try:
            fields = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(fields, dict):
            agent = path.name.removeprefix("agent-").removesuffix(".meta.json")
            agent_type, call = text_of(fields.get("agentType")), text_of(fields.get("toolUseId"))
            found[agent] = AgentMeta(agent_type or "", call or "")
    return found


def _folder(session_path: Path) -> Path:
    return session_path.with_suffix("") / "subagents"
