"""The text and the JSON of ``hookkit diff --gaps``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hookkit.store.index import activity
from hookkit.store.plain import plain
from hookkit.trails.changed import Gap, gaps
from hookkit.trails.patch import FileStat, Patch
from hookkit.trails.refs import Selection
from hookkit.views import text
from hookkit.views.patch import patch_json, session_json, summary

if TYPE_CHECKING:
    from hookkit.trails.events import TrailEvent


def of(selection: Selection, events: Sequence[TrailEvent]) -> list[Gap]:
    """The gaps of a session; of a turn or a call, those from the call before it to its own end."""
    found = gaps(events)
    if selection.part == "session":
        return found
    times = [activity(stamp) for call in selection.calls for stamp in (call.opened, call.closed) if stamp]
    if not times:
        return []
    ends = [activity(call.closed) for call in selection.session.calls if call not in selection.calls]
    since = max((end for end in ends if end < min(times)), default=0)
    return [gap for gap in found if since <= activity(gap.since) and activity(gap.until) <= max(times)]


def head(gap: Gap, files: Sequence[FileStat]) -> Iterator[str]:
    """When the gap was. No line of it can be taken for a part of the patch."""
    form = "%Y-%m-%d %H:%M:%S"
    yield text.styled(f"gap {plain(gap.before_tree[:8])}..{plain(gap.after_tree[:8])}", "yellow")
    yield f"Date:    {text.local(gap.since, form)} to {text.local(gap.until, '%H:%M:%S')}"
    if gap.limitations:
        yield f"Limits:  {', '.join(plain(name) for name in gap.limitations)}"
    yield ""
    yield summary(files)
    yield ""


def to_json(selection: Selection, found: Sequence[tuple[Gap, Patch]]) -> str:
    """schemas/diff.schema.json, with ``gaps``."""
    return json.dumps(
        {
            "kind": "gaps",
            **session_json(selection),
            "gaps": [
                {
                    "worktree_root": gap.root,
                    "since": gap.since,
                    "until": gap.until,
                    "before_tree": gap.before_tree,
                    "after_tree": gap.after_tree,
                    "limitations": list(gap.limitations),
                    **patch_json(patch),
                }
                for gap, patch in found
            ],
        }
    )
