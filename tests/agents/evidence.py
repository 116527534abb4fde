"""Proof that a session was recorded: hook lines and trace against the witness, who shares no code with hookkit."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .sandbox import Json, Note, Sandbox

NAMESPACE = uuid.UUID("6f1c1d7e-5d0c-5b0a-9d52-2f7f0c6a3c11")
BOUNDARIES = frozenset(
    {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop", "StopFailure"}
)
_POST = ("PostToolUse", "PostToolUseFailure")
_CALLS = ("PreToolUse", *_POST)

# (event, the agent's own name of it where it is another, tool call, subagent): what tells two hook lines of a session
# apart, but for their order. A call without an id is (tool, input).
Key = tuple[str, str | None, Hashable, str | None]
# Whether a recorded tree is a state that the worktree was in.
Legal = Callable[[Sandbox, str], bool]


def hook_lines(box: Sandbox) -> list[Json]:
    """Every hook line of the session, from the transcript and from sidecars, in the order they were taken."""
    lines = [record for record in _records(box) if record.get("type") == "opentraces_hook"]
    return sorted(lines, key=lambda line: str(line["timestamp"]))


def _records(box: Sandbox) -> list[Json]:
    files = {path for known, path in box.driver.sessions(box.place) if known == box.session_id}
    files = {path for path in files if path.suffix == ".jsonl"}
    files |= set(box.base.rglob(f"hooks/{box.session_id}.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]


def call_key(tool: Any, given: Any) -> str:
    """What is the same for two calls of one tool with one input."""
    return json.dumps([tool, given], sort_keys=True)


def tree_of(line: Json) -> str | None:
    """The tree id of a hook line or of a trace's hook entry."""
    trail = line.get("data", line).get("trail")
    return str(trail["tree_id"]["hex"]) if trail else None


def assert_lines_match_the_witness(box: Sandbox, *, legal: Legal | None = None) -> None:
    """One line for each event, with the tree id that plain git gave at that event.

    Where the agent has no command hooks, and so no witness, the lines are only held to their form.
    legal: for boundaries while something else was writing, when two programs cannot see the same moment.
    """
    seen, written = defaultdict(list), defaultdict(list)
    for note in box.notes():
        seen[_key_of_note(note)].append(note.tree if note.event in BOUNDARIES else None)
    for line in hook_lines(box):
        assert set(line) == {"type", "event", "timestamp", "data"}
        data = line["data"]
        assert (data["session_id"], data["agent"]) == (box.session_id, box.agent.name)
        assert data.get("tool_call_id") == data.get("tool_use_id")
        written[_key_of_line(line)].append(tree_of(line))
    assert_trees_can_be_read(box)
    if box.driver.events:
        assert {key: len(trees) for key, trees in written.items()} == {key: len(trees) for key, trees in seen.items()}
        if legal is None:
            assert dict(written) == dict(seen)
    if legal is not None:
        assert all(legal(box, tree) for trees in written.values() for tree in trees if tree)


def _key_of_note(note: Note) -> Key:
    heard = note.heard
    call = heard.call or (call_key(heard.tool, heard.input) if heard.event in _CALLS else None)
    return (heard.event, heard.own if heard.own != heard.event else None, call, heard.subagent)


def _key_of_line(line: Json) -> Key:
    data = line["data"]
    call = data.get("tool_call_id") or (
        call_key(data.get("tool"), data.get("tool_input")) if line["event"] in _CALLS else None
    )
    return (line["event"], data.get("agent_event"), call, data.get("agent_id"))


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
    """The session's trace, once it holds every call and every end of turn that the witness saw.

    Where there is no witness, those that the hook lines tell of.
    """
    box.settle()
    heard = [(note.event, note.call) for note in box.notes()] if box.driver.events else _heard_by_hooks(box)
    begun = [call for event, call in heard if event == "PreToolUse"]
    ids = set(begun) if box.driver.call_ids == "transcript" else set()
    stops = sum(event in ("Stop", "StopFailure") for event, _ in heard)

    def complete(trace: Json) -> bool:
        metadata = trace["metadata"]
        before = metadata.get("hook_pre_tool_use", {})
        return ids <= set(before) and len(before) >= len(begun) and len(metadata.get("hook_stop", [])) >= stops

    trace = box.trace(complete)
    assert trace["session_id"] == box.session_id
    assert trace["trace_id"] == str(uuid.uuid5(NAMESPACE, f"{box.agent.name}:{box.session_id}"))
    return trace


def _heard_by_hooks(box: Sandbox) -> list[tuple[str, str | None]]:
    return [(line["event"], line["data"].get("tool_call_id")) for line in hook_lines(box)]


def assert_trace_matches_the_witness(box: Sandbox, trace: Json, *, legal: Legal | None = None) -> None:
    """Every call is bound to the trees that the witness saw before and after it, and nothing is invented."""
    if not box.driver.events:
        return
    metadata, notes = trace["metadata"], box.notes()
    calls = {call["tool_call_id"]: call for step in trace["steps"] for call in step["tool_calls"]}
    begun = _noted(box, [note for note in notes if note.event == "PreToolUse"])
    ended = _noted(box, [note for note in notes if note.event in _POST])
    before = metadata.get("hook_pre_tool_use", {})
    after = {
        call: entry
        for call, entry in metadata.get("hook_post_tool_use", {}).items()
        if "post_inferred" not in entry["limitations"]
    }
    of_entry = _entered(box, before, before, calls)
    _assert_bound(box, {of_entry[call]: entry for call, entry in before.items()}, begun, legal)
    of_later = _entered(box, after, before, calls)
    _assert_bound(box, {of_later[call]: entry for call, entry in after.items()}, ended, legal)
    assert set(before) <= set(calls)
    for call in before:
        heard = begun[of_entry[call]].heard
        told = calls[call]
        assert box.driver.same_call(heard, told["tool_name"], told["input"]), (heard, told)


def _noted(box: Sandbox, notes: Iterable[Note]) -> dict[Hashable, Note]:
    """Call -> note. A call whose id the transcript does not know is told by tool, input and order."""
    if box.driver.call_ids == "transcript":
        return {note.call: note for note in notes}
    counted: Counter[str] = Counter()
    found: dict[Hashable, Note] = {}
    for note in notes:
        key = call_key(note.heard.tool, note.heard.input)
        counted[key] += 1
        found[key, counted[key]] = note
    return found


def _entered(
    box: Sandbox, entries: Mapping[str, Json], before: Mapping[str, Json], calls: Collection[str]
) -> dict[str, Hashable]:
    """Call id of the trace -> the call as ``_noted`` tells it. before: the entries that hold the inputs."""
    if box.driver.call_ids == "transcript":
        return {call: call for call in entries}
    counted: Counter[str] = Counter()
    found: dict[str, Hashable] = {}
    for call in (*(call for call in calls if call in entries), *(call for call in entries if call not in calls)):
        key = call_key(entries[call]["tool"], before[call]["tool_input"])
        counted[key] += 1
        found[call] = (key, counted[key])
    return found


def _assert_bound(
    box: Sandbox, entries: Mapping[Hashable, Json], notes: Mapping[Hashable, Note], legal: Legal | None
) -> None:
    trees = {call: tree_of(entry) for call, entry in entries.items()}
    if legal is None:
        assert trees == {call: note.tree for call, note in notes.items()}
    else:
        assert set(trees) == set(notes)
        assert all(tree and legal(box, tree) for tree in trees.values())
    assert {call: entry["tool"] for call, entry in entries.items()} == {
        call: note.heard.tool for call, note in notes.items()
    }


def assert_no_trace_of_hooks_in_the_transcript(box: Sandbox) -> None:
    """Agents may note in the transcript what hooks said or how they failed; there is no such note."""
    for record in _records(box):
        assert record.get("type") == "opentraces_hook" or not box.driver.notes_hooks(record), record


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
