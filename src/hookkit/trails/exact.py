"""A patch that somebody states outright: "this text was written at that step, and it is in this commit"."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hookkit.errors import UsageError
from hookkit.git import objects
from hookkit.git.run import run
from hookkit.git.worktree import Worktree, find
from hookkit.trails import vocabulary
from hookkit.trails.events import TrailEvent, TrailEventDraft, content_id, object_id
from hookkit.trails.log import append_events
from hookkit.trails.snapshots import clean_hash, text_hash


def append_exact_patch_trail(
    repo: Path,
    *,
    trace_id: str,
    step_index: int,
    file_path: str,
    authored_text: str,
    commit_ref: str = "HEAD",
    writer: str = "manual_attach",
    capture_method: Sequence[str] | None = None,
    generation_index: int = 0,
) -> list[TrailEvent]:
    """Append snapshots before and after, the patch, and its anchor in the commit; [] if the log has them already.

    ``file_path`` is relative to the worktree's root, and ``authored_text`` whole lines of it, as they are in the commit
    (a final newline may be left out). Where they are there more than once, the lines that the commit added are meant.
    UsageError when the text is not in the file, or there is no such file or commit.
    """
    worktree = find(repo)
    if worktree is None:
        raise UsageError("NOT_A_WORKTREE", f"{repo} is in no git worktree.", "Name a folder of a git repository.")
    commit = _commit(worktree, commit_ref)
    said = run(worktree.root, "show", "-s", "--format=%T %P%n%cI", "--no-show-signature", commit).decode()
    (after_tree, *parents), when = said.splitlines()[0].split(), said.splitlines()[1]
    before_tree = _tree(worktree, parents[0]) if parents else None
    text = os.fsencode(authored_text)
    before_blob, old = (_file(worktree, before_tree, file_path) if before_tree else None) or ("", b"")
    after_blob, content = _file(worktree, after_tree, file_path) or ("", b"")
    place = _range(content, old, text)
    if not place:
        raise UsageError(
            "TEXT_NOT_IN_COMMIT",
            f"{file_path} of {commit} does not hold this text.",
            "Give whole lines as they are committed.",
        )
    common = {"worktree_root": str(worktree.root), "event_time": when, "attached_step": step_index}
    origin = {"trace_id": trace_id, "generation_index": generation_index, "step_index": step_index}
    snapshots = {}
    drafts = []

    def draft(event_type: str, payload: dict[str, Any]) -> None:
        drafts.append(
            TrailEventDraft(
                event_type, common | payload, tuple(capture_method or ("manual_attach",)), trace_id, generation_index,
                step_index,
            )
        )  # fmt: skip

    for role, tree, head in (("before", before_tree, parents[:1]), ("after", after_tree, [commit])):
        typed = object_id(tree) if tree else None
        snapshots[role] = content_id(vocabulary.SNAPSHOT, origin | {"role": role, "tree_id": typed})
        draft(
            "trace_snapshot_created",
            {
                "snapshot_id": snapshots[role],
                "snapshot_role": role,
                "tree_id": typed,
                "git_head": object_id(head[0]) if head else None,
                "tool_call_id": None,
                "capture_limitations": [],
            },
        )
    patch = {
        "file_path": file_path,
        "affected_range": place,
        "raw_authored_hash": text_hash(text),
        "before_blob_id": object_id(before_blob) if before_blob else None,
        "after_blob_id": object_id(after_blob),
    }
    patch_id = content_id(vocabulary.TRACE_PATCH, origin | patch)
    draft(
        "trace_patch_created",
        {
            **patch,
            "trace_patch_id": patch_id,
            "snapshot_before_id": snapshots["before"],
            "snapshot_after_id": snapshots["after"],
            "tool_call_id": None,
            "old_path": file_path,
            "status": "modified" if before_blob else "added",
            "binary": False,
            "authored_text": authored_text,
            "git_clean_hash": clean_hash(text),
            "capture_limitations": [],
        },
    )
    anchor = {"trace_patch_id": patch_id, "commit_id": object_id(commit), "path": file_path, "range": place}
    draft(
        "git_anchor_created",
        {
            **anchor,
            "git_anchor_id": content_id(vocabulary.GIT_ANCHOR, anchor | {"evidence_tier": "exact_range_hash"}),
            "blob_id": object_id(after_blob),
            "relation": "anchored_in_git",
            "evidence_tier": "exact_range_hash",
            "evidence_firmness": "firm",
            "source": writer,
            "capture_limitations": [],
        },
    )
    return append_events(worktree, drafts, writer=writer, trees=[tree for tree in (before_tree, after_tree) if tree])


def _commit(worktree: Worktree, ref: str) -> str:
    name = f"{ref}^{{commit}}"
    said = run(worktree.root, "rev-parse", "--verify", "--quiet", "--end-of-options", name, check=False).decode()
    found = [line for line in said.split() if re.fullmatch("[0-9a-f]{40,64}", line)]  # older gits echo the option
    if not found:
        raise UsageError("NO_COMMIT", f"git knows no commit {ref!r}.", "Name a commit, a branch or a tag.")
    return found[-1]


def _tree(worktree: Worktree, commit: str) -> str:
    return run(worktree.root, "rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()


def _file(worktree: Worktree, tree: str, path: str) -> tuple[str, bytes] | None:
    """(blob, content) of a file in a tree."""
    command = ("--literal-pathspecs", "ls-tree", "-z", "--full-tree", tree, "--", path)
    fields = run(worktree.root, *command, check=False).partition(b"\t")[0].decode().split()
    if len(fields) != 3 or fields[1] != "blob":
        return None
    found = next(objects.read(worktree, [fields[2]]))
    return (fields[2], found[1]) if found else None


def _range(content: bytes, old: bytes, text: bytes) -> dict[str, int] | None:
    """Where ``text`` is in ``content``, 1-based; a place that ``old`` does not have, if there is one."""
    wanted, there = text.removesuffix(b"\n").split(b"\n"), content.split(b"\n")
    if not text:
        return None
    starts = [at for at in range(len(there) - len(wanted) + 1) if there[at : at + len(wanted)] == wanted]
    if not starts:
        return None
    was = old.split(b"\n")
    # Lines above and below that are the same before and after were not added by this commit.
    same = min(len(was), len(there))
    above = next((at for at in range(same) if was[at] != there[at]), same)
    below = next((at for at in range(1, same - above + 1) if was[-at] != there[-at]), same - above + 1) - 1
    added = [at for at in starts if at + len(wanted) > above and at < len(there) - below]
    start = (added or starts)[0]
    return {"start_line": start + 1, "end_line": start + len(wanted)}
