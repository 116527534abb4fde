"""Ids of snapshots and patches: hashes of what they are, so that the same session gives the same ones every time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hookkit.trails.events import content_id, object_id
from hookkit.trails.timeline import Moment
from hookkit.trails.vocabulary import SNAPSHOT, TRACE_PATCH


def role(moment: Moment) -> str:
    """The snapshot role of a boundary."""
    return "after" if moment.slot == "post" else "before"


def snapshot_id(trace_id: str, moment: Moment, as_role: str | None = None) -> str:
    """The id of the snapshot at a boundary that has a tree."""
    return content_id(
        SNAPSHOT,
        {
            "trace_id": trace_id,
            "tool_call_id": moment.call or None,
            "role": as_role or role(moment),
            "worktree_root": moment.root,
            "event_time": moment.time,
            "tree_id": object_id(moment.tree or ""),
        },
    )


def patch_id(trace_id: str, payload: Mapping[str, Any]) -> str:
    """The id of a patch, from the other keys of its payload that say what it is."""
    names = (
        "snapshot_before_id", "snapshot_after_id", "tool_call_id", "file_path", "old_path", "status", "old_mode",
        "new_mode", "affected_range", "removed_range", "before_blob_id", "after_blob_id", "raw_authored_hash",
    )  # fmt: skip
    return content_id(TRACE_PATCH, {"trace_id": trace_id, **{name: payload[name] for name in names}})


def text_hash(added: bytes) -> str:
    """sha256 of the added bytes as they are, hex."""
    return hashlib.sha256(added).hexdigest()


def clean_hash(added: bytes) -> str:
    """sha256 of the added bytes with every run of white space made one space, hex: survives a change of indentation."""
    return hashlib.sha256(b" ".join(added.split())).hexdigest()
