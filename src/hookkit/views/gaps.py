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
    """The worktree changed outside any tool call: from the end of one window to the start of the next."""

    before: str
    after: str


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


def gaps(metadata: Mapping[str, Any]) -> Mapping[str, Gap]:
    """Tool call id -> the gap before its window; ``""`` -> the gap after the last window.

    Only where no window is open can a change be told to lie outside of all.
    """
    pre, post = metadata.get("hook_pre_tool_use") or {}, metadata.get("hook_post_tool_use") or {}
    moments = [(entry["timestamp"], 1, call_id, entry) for call_id, entry in pre.items()]
    moments += [(entry["timestamp"], 0, call_id, entry) for call_id, entry in post.items() if call_id in pre]
    stops = metadata.get("hook_stop") or []
    moments += [(entry["timestamp"], 2, "", entry) for entry in stops]
    found: dict[str, Gap] = {}
    ends: dict[str, str] = {}  # worktree root -> tree at the end of its last window
    open_calls: set[str] = set()
    for _, kind, call_id, entry in sorted(moments, key=lambda moment: moment[:3]):
        tree, root = _tree(entry), (entry.get("trail") or {}).get("worktree_root", "")
        if kind == 0:
            open_calls.discard(call_id)
        elif tree and not open_calls and ends.get(root, tree) != tree:
            found[call_id] = Gap(ends[root], tree)
        if kind == 1:
            open_calls.add(call_id)
        if tree:
            ends[root] = tree
    return found


def _tree(entry: Mapping[str, Any] | None) -> str | None:
    trail = (entry or {}).get("trail") or {}
    tree = trail.get("tree_id") or {}
    digits = tree.get("hex")
    return digits if isinstance(digits, str) else None
