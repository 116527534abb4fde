"""Deletes what is kept of old sessions."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.store.files import trace_path
from hookkit.store.index import Index, activity

_NESTED = "agents"  # below an agent's sidecars: those that are named by subagents


@dataclass(frozen=True, slots=True)
class Pruned:
    """A session that goes, or went. size: bytes of its files."""

    trace_id: str
    title: str | None
    last_activity_at: str | None
    size: int


def prune(before_us: int, *, dry_run: bool) -> list[Pruned]:
    """Delete every trace whose last activity (microseconds since 1970) was before ``before_us``.

    A trace without any time stays: nothing says that it is old. So does a session that an agent just went on with.
    """
    from filelock import FileLock, Timeout

    with Index().sync() as index:
        read = [(row.mtime_ns, json.loads(row.summary)) for row in index.rows() if row.summary]
        old = [(mtime, item) for mtime, item in read if 0 < activity(item["last_activity_at"]) < before_us]
        gone, ingest = [], paths.state() / "ingest"
        if old and not dry_run:
            paths.private_dir(ingest)
        for mtime_ns, summary in old:
            lock = FileLock(ingest / f"{summary['trace_id']}.lock", timeout=0)
            try:
                with contextlib.nullcontext() if dry_run else lock:
                    files = _files(summary)
                    if _went_on(summary["trace_id"], files, mtime_ns, before_us):
                        continue
                    size = sum(path.stat().st_size for path in files)
                    if not dry_run:
                        _delete(files)
            except (Timeout, FileNotFoundError):
                continue  # somebody reads the session right now, or deleted it
            gone.append(Pruned(summary["trace_id"], summary["title"], summary["last_activity_at"], size))
        if not dry_run:
            index.sync()
    return gone


def _went_on(trace: str, files: list[Path], mtime_ns: int, before_us: int) -> bool:
    """Whether the trace was written since the index read it, or somebody left a hook line or a request since."""
    left = (path for path in files if path.parent.name in ("hooks", _NESTED) or path.suffix == ".request")
    return trace_path(trace).stat().st_mtime_ns != mtime_ns or any(
        path.stat().st_mtime_ns >= before_us * 1000 for path in left
    )


def _delete(files: list[Path]) -> None:
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _subagents(trace: str) -> list[str]:
    """The subagents of a session: where an agent's hooks know no more than these, their lines lie by their ids."""
    try:
        steps = json.loads(trace_path(trace).read_bytes())["steps"]
        found = {step["subagent_trajectory_ref"] for step in steps}
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return sorted(one for one in found if isinstance(one, str) and os.sep not in one)


def _files(summary: dict[str, Any]) -> list[Path]:
    """The trace late: if deleting stops half way, the next run still finds the session. Last the lock that we hold."""
    trace, session, agent = summary["trace_id"], summary["session_id"], str(summary["agent"])
    state, request, lock = (paths.state() / "ingest" / f"{trace}.{kind}" for kind in ("state.jsonl", "request", "lock"))
    roots = [paths.state() / "sidecars"]
    if summary["project"]:
        roots.append(Path(summary["project"]) / ".opentraces")
    name = f"{session}.jsonl"
    safe = os.sep not in name and os.sep not in agent and agent not in ("", ".", "..")
    folders = [root / agent / "hooks" for root in roots] if safe else []
    nested = [folder / _NESTED for folder in folders if (folder / _NESTED).is_dir()]
    inside = _subagents(trace) if nested else ()
    sidecars = [folder / name for folder in folders] + [at / f"{one}.jsonl" for at in nested for one in inside]
    return [path for path in (state, request, *sidecars, trace_path(trace), lock) if path.is_file()]
