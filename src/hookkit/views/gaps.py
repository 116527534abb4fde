"""Windows and gaps of a session, from the hook lines in its trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Window:
    """Tree ids (hex) at a call's two boundaries; None where there is none. inferred: no hook saw the end."""

    before: str | None
    after: str | None
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """The worktree changed outside any tool call: between two boundaries, no window open.

    since: time of the earlier boundary, as the hook wrote it. call_id: the call whose window starts at the later one,
    "" if that is no call's.
    """

    before: str
    after: str
    since: str
    call_id: str = ""


def windows(metadata: Mapping[str, Any]) -> Mapping[str, Window]:
    """Tool call id -> window."""
    pre, post = metadata.get("hook_pre_tool_use") or {}, metadata.get("hook_post_tool_use") or {}
    return {
        call_id: Window(
            _tree(pre.get(call_id)),
            _tree(post.get(call_id)),
            (post.get(call_id) or {}).get("capture_status") == "post_inferred",
        )
        for call_id in {**pre, **post}
    }


def gaps(metadata: Mapping[str, Any]) -> list[Gap]:
    """The gaps in order of time.

    Only where no window is open can a change be told to lie outside of all.
    """
    pre, post = metadata.get("hook_pre_tool_use") or {}, metadata.get("hook_post_tool_use") or {}
    moments = [(entry["timestamp"], 1, call_id, entry) for call_id, entry in pre.items()]
    moments += [(entry["timestamp"], 0, call_id, entry) for call_id, entry in post.items() if call_id in pre]
    others = [*(metadata.get("hook_stop") or []), *(metadata.get("hook_events") or [])]
    moments += [(entry["timestamp"], 2, "", entry) for entry in others]
    found = []
    ends: dict[str, tuple[str, str]] = {}  # worktree root -> tree at its last boundary, and when that was
    open_calls: set[str] = set()
    for moment, kind, call_id, entry in sorted(moments, key=lambda moment: moment[:3]):
        tree, root = _tree(entry), (entry.get("trail") or {}).get("worktree_root", "")
        if kind == 0:
            open_calls.discard(call_id)
        elif tree and not open_calls:
            before, since = ends.get(root, (tree, moment))
            if before != tree:
                found.append(Gap(before, tree, since, call_id))
        if kind == 1:
            open_calls.add(call_id)
        if tree:
            ends[root] = (tree, moment)
    return found


def _tree(entry: Mapping[str, Any] | None) -> str | None:
    trail = (entry or {}).get("trail") or {}
    tree = trail.get("tree_id") or {}
    digits = tree.get("hex")
    return digits if isinstance(digits, str) else None
