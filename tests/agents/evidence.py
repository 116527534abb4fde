"""Proof that a session was recorded: hook lines and trace against the witness, who shares no code with hookkit."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .sandbox import Json, Note, Sandbox

NAMESPACE = uuid.UUID("6f1c1d7e-5d0c-5b0a-9d52-2f7f0c6a3c11")
BOUNDARIES = frozenset(
    {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop", "StopFailure"}
)
_POST = ("PostToolUse", "PostToolUseFailure")

# (event, tool call, subagent): what tells two hook lines of a session apart, but for their order.
Key = tuple[str, str | None, str | None]
# Whether a recorded tree is a state that the worktree was in.
Legal = Callable[[Sandbox, str], bool]


def hook_lines(box: Sandbox) -> list[Json]:
    """Every hook line of the session, from the transcript and from sidecars, in the order they were taken."""
    lines = [record for record in _records(box) if record.get("type") == "opentraces_hook"]
    return sorted(lines, key=lambda line: str(line["timestamp"]))


def _records(box: Sandbox) -> list[Json]:
    files = [*(box.home / ".claude" / "projects").glob(f"*/{box.session_id}.jsonl")]
    files += box.base.rglob(f"hooks/{box.session_id}.jsonl")
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]


def tree_of(line: Json) -> str | None:
    """The tree id of a hook line or of a trace's hook entry."""
    trail = line.get("data", line).get("trail")
    return str(trail["tree_id"]["hex"]) if trail else None


def assert_lines_match_the_witness(box: Sandbox, *, legal: Legal | None = None) -> None:
    """One line for each event, with the tree id that plain git gave at that event.

    legal: for boundaries while something else was writing, when two programs cannot see the same moment.
    """
    seen, written = defaultdict(list), defaultdict(list)
    for note in box.notes():
        key: Key = (note.event, note.call, note.payload.get("agent_id"))
        seen[key].append(note.tree if note.event in BOUNDARIES else None)
    for line in hook_lines(box):
        assert set(line) == {"type", "event", "timestamp", "data"}
        data = line["data"]
        assert (data["session_id"], data["agent"]) == (box.session_id, "claude-code")
        assert data.get("tool_call_id") == data.get("tool_use_id")
        written[line["event"], data.get("tool_call_id"), data.get("agent_id")].append(tree_of(line))
    assert_trees_can_be_read(box)
    if legal is None:
        assert dict(written) == dict(seen)
        return
    assert {key: len(trees) for key, trees in written.items()} == {key: len(trees) for key, trees in seen.items()}
    assert all(legal(box, tree) for trees in written.values() for tree in trees if tree)


def assert_trees_can_be_read(box: Sandbox) -> None:
    """Every object below every recorded tree is in the user's store or in hookkit's private one."""
    trees = defaultdict(set)
    for line in hook_lines(box):
        if tree := tree_of(line):
            trees[line["data"]["trail"]["worktree_root"]].add(tree)
    for root, found in trees.items():
        _stored(box, root, "rev-list", "--objects", "--quiet", *sorted(found))


def tree_files(box: Sandbox, tree: str) -> dict[str, bytes]:
    """Path -> content of a recorded tree of the project."""
    names = _stored(box, str(box.project), "ls-tree", "-r", "-z", "--name-only", tree).split(b"\0")[:-1]
    return {
        os.fsdecode(name): _stored(box, str(box.project), "cat-file", "blob", f"{tree}:{os.fsdecode(name)}")
        for name in names
    }


def _stored(box: Sandbox, root: str, *args: str) -> bytes:
    """Run git so that it sees hookkit's private objects too."""
    common = box.git("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=Path(root)).strip()
    env = {**box.env, "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{common}/hookkit/objects"}
    return subprocess.run(["git", "-C", root, *args], env=env, capture_output=True, check=True).stdout


def recorded_trace(box: Sandbox) -> Json:
    """The session's trace, once it holds every call and every end of turn that the witness saw."""
    calls = {note.call for note in box.notes() if note.event == "PreToolUse"}
    stops = sum(note.event in ("Stop", "StopFailure") for note in box.notes())

    def complete(trace: Json) -> bool:
        metadata = trace["metadata"]
        return calls <= set(metadata.get("hook_pre_tool_use", {})) and len(metadata.get("hook_stop", [])) >= stops

    trace = box.trace(complete)
    assert trace["session_id"] == box.session_id
    assert trace["trace_id"] == str(uuid.uuid5(NAMESPACE, f"claude-code:{box.session_id}"))
    return trace


def assert_trace_matches_the_witness(box: Sandbox, trace: Json, *, legal: Legal | None = None) -> None:
    """Every call is bound to the trees that the witness saw before and after it, and nothing is invented."""
    metadata, notes = trace["metadata"], box.notes()
    begun = {note.call: note for note in notes if note.event == "PreToolUse"}
    ended = {note.call: note for note in notes if note.event in _POST}
    before = metadata.get("hook_pre_tool_use", {})
    after = {
        call: entry
        for call, entry in metadata.get("hook_post_tool_use", {}).items()
        if "post_inferred" not in entry["limitations"]
    }
    _assert_bound(box, before, begun, legal)
    _assert_bound(box, after, ended, legal)
    calls = {call["tool_call_id"]: call for step in trace["steps"] for call in step["tool_calls"]}
    assert set(begun) <= set(calls)
    assert {call: calls[call]["tool_name"] for call in begun} == {
        call: note.payload["tool_name"] for call, note in begun.items()
    }
    assert {call: calls[call]["input"] for call in begun} == {
        call: note.payload["tool_input"] for call, note in begun.items()
    }


def _assert_bound(
    box: Sandbox, entries: Mapping[str, Json], notes: Mapping[str | None, Note], legal: Legal | None
) -> None:
    trees = {call: tree_of(entry) for call, entry in entries.items()}
    if legal is None:
        assert trees == {call: note.tree for call, note in notes.items()}
    else:
        assert set(trees) == set(notes)
        assert all(tree and legal(box, tree) for tree in trees.values())
    assert {call: entry["tool"] for call, entry in entries.items()} == {
        call: note.payload["tool_name"] for call, note in notes.items()
    }


def assert_no_trace_of_hooks_in_the_transcript(box: Sandbox) -> None:
    """Claude notes in the transcript every hook that failed or printed something; there is no such note."""
    for record in _records(box):
        kind = (record.get("attachment") or {}).get("type", "") if record.get("type") == "attachment" else ""
        assert not kind.startswith("hook_"), record


def written_tree(scratch: Path, files: Mapping[str, bytes | tuple[str, bytes]]) -> str:
    """The tree id of literal files, built with plain git in a repository of its own.

    files: path -> content of a plain file, or (octal git mode, content).
    """
    subprocess.run(["git", "init", "-q", str(scratch)], check=True)
    entries = []
    for path, value in files.items():
        mode, content = value if isinstance(value, tuple) else ("100644", value)
        blob = _git(scratch, "hash-object", "-w", "--stdin", given=content).decode().strip()
        entries.append(f"{mode} {blob}\t{path}".encode())
    _git(scratch, "update-index", "-z", "--add", "--index-info", given=b"".join(entry + b"\0" for entry in entries))
    return _git(scratch, "write-tree").decode().strip()


def _git(folder: Path, *args: str, given: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", str(folder), *args], input=given, capture_output=True, check=True).stdout


@dataclass(frozen=True, slots=True)
class Window:
    """A tool call of a trace with the trees around it."""

    call: str
    tool: str
    before: str | None
    after: str | None


def windows(trace: Json) -> list[Window]:
    """The calls of the main agent in their order."""
    metadata = trace["metadata"]
    before, after = metadata.get("hook_pre_tool_use", {}), metadata.get("hook_post_tool_use", {})
    return [
        Window(
            call["tool_call_id"],
            call["tool_name"],
            tree_of(before.get(call["tool_call_id"], {})),
            tree_of(after.get(call["tool_call_id"], {})),
        )
        for step in trace["steps"]
        if step["call_type"] != "subagent"
        for call in step["tool_calls"]
    ]
