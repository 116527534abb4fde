"""A record as text, built piece by piece.

A trace is written as canonical JSON: keys sorted, ASCII, the separators of ``json.dumps``. That is the very form over
which ``TraceRecord.compute_content_hash`` takes its hash, so one serialisation serves for both, and a long session
never has to exist as objects: its steps and hook lines are pieces of text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# The shape that is written here; importing it from the package would load pydantic into every ingest.
SCHEMA_VERSION = "0.9.0"

_encode = json.JSONEncoder(sort_keys=True, check_circular=False).encode

STEP_KEYS: Mapping[str, Any] = {
    "agent_role": None,
    "call_type": None,
    "content": None,
    "context_node_id": None,
    "model": None,
    "observations": [],
    "parent_step": None,
    "reasoning_content": None,
    "role": "agent",
    "snippets": [],
    "step_index": 0,
    "subagent_trajectory_ref": None,
    "system_prompt_hash": None,
    "timestamp": None,
    "token_usage": {},
    "tool_calls": [],
    "tools_available": [],
}
_PLACE = b'{"agent_role": null, "call_type": null, '
_PARENT = b', "parent_step": null, '
# The end of a call: its keys are sorted, and a quote inside a string is escaped.
_TOOL = re.compile(rb'"tool_call_id": "(?:[^"\\]|\\.)*", "tool_name": "((?:[^"\\]|\\.)*)"')
_INDEX = b', "step_index": 0, "subagent_trajectory_ref": null, '


def canonical(value: object) -> bytes:
    """``value`` in the canonical form."""
    return _encode(value).encode()


def new_step(role: str, timestamp: str | None) -> dict[str, Any]:
    """A step of the schema's shape with nothing in it; its place in the record is given when it is written."""
    return {
        **STEP_KEYS,
        "role": role,
        "timestamp": timestamp,
        "observations": [],
        "tool_calls": [],
        "token_usage": new_usage(),
    }


def new_usage() -> dict[str, int]:
    """Token counts of the schema's shape, all zero."""
    return {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "prefix_reuse_tokens": 0,
    }


def observation(call_id: str, content: str | None, error: str | None) -> dict[str, Any]:
    """The result of a tool call in the schema's shape."""
    return {"source_call_id": call_id, "content": content, "output_summary": None, "error": error}


def place_step(step: bytes, *, index: int, parent: int | None, call_type: str, role: str, ref: str | None) -> bytes:
    """A canonical step with its place in the record filled in.

    Only plain strings precede the places in the sorted keys, and a quote inside a string is escaped, so the first
    match is the place itself whatever the session said.
    """
    body = step.removeprefix(_PLACE)
    before, _, rest = body.partition(_PARENT)
    between, _, after = rest.partition(_INDEX)
    return b"".join(
        (
            b'{"agent_role": ', _word(role), b', "call_type": ', _word(call_type), b", ",
            before, b', "parent_step": ', b"null" if parent is None else b"%d" % parent, b", ",
            between, b', "step_index": %d, "subagent_trajectory_ref": ' % index, _word(ref), b", ",
            after,
        )
    )  # fmt: skip


@lru_cache(maxsize=64)
def _word(text: str | None) -> bytes:
    return canonical(text)


@dataclass(frozen=True, slots=True)
class Pieces:
    """A JSON object or list whose members are already text: dict of key -> canonical value, or list of them."""

    members: Mapping[str, bytes] | list[bytes]

    def text(self) -> Iterator[bytes]:
        between = b""
        if isinstance(self.members, list):
            yield b"["
            for item in self.members:
                yield between + item
                between = b", "
            yield b"]"
        else:
            yield b"{"
            for key in sorted(self.members):
                yield b"%b%b: %b" % (between, canonical(key), self.members[key])
                between = b", "
            yield b"}"


@dataclass(slots=True)
class Record:
    """A trace ready to be written.

    head: every key of the schema but ``steps`` and ``metadata``; metadata values may be ``Pieces``.
    steps: placed steps, canonical.
    unseen: not written: the calls that no hook saw -> when they ended, if that is known (microseconds since 1970).
    """

    head: dict[str, Any]
    metadata: dict[str, Any]
    steps: list[bytes] = field(default_factory=list)
    unseen: Mapping[str, int | None] = field(default_factory=dict)

    def tools(self) -> dict[str, int]:
        """Name of a tool -> its calls."""
        names = Counter(name for step in self.steps for name in _TOOL.findall(step))
        return dict(sorted((json.loads(b'"%b"' % name), number) for name, number in names.items()))

    def text(self) -> Iterator[bytes]:
        """The whole record with its content hash, in pieces, ending with a newline."""
        yield from self._keys(set(self._all_keys()), {"content_hash": self.content_hash()})
        yield b"\n"

    def content_hash(self) -> str:
        """What ``TraceRecord.compute_content_hash`` gives for this record."""
        digest = hashlib.sha256()
        for piece in self._keys(set(self._all_keys()) - {"content_hash", "trace_id"}, {}):
            digest.update(piece)
        return digest.hexdigest()

    def _all_keys(self) -> Iterable[str]:
        return (*self.head, "metadata", "steps")

    def _keys(self, keys: set[str], replaced: Mapping[str, Any]) -> Iterator[bytes]:
        members: dict[str, Iterable[bytes]] = {}
        for key in keys:
            if key == "steps":
                members[key] = Pieces(self.steps).text()
            elif key == "metadata":
                members[key] = _object({name: _text(value) for name, value in self.metadata.items()})
            else:
                members[key] = _text(replaced.get(key, self.head[key]))
        return _object(members)


def _text(value: object) -> Iterable[bytes]:
    return value.text() if isinstance(value, Pieces) else [canonical(value)]


def _object(members: Mapping[str, Iterable[bytes]]) -> Iterator[bytes]:
    yield b"{"
    for number, key in enumerate(sorted(members)):
        yield (b", " if number else b"") + canonical(key) + b": "
        yield from members[key]
    yield b"}"


def new_head(trace_id: str, session_id: str, agent: str) -> dict[str, Any]:
    """Every top-level key of the schema but ``steps`` and ``metadata``, with the schema's defaults."""
    return {
        "schema_version": SCHEMA_VERSION,
        "trace_id": trace_id,
        "session_id": session_id,
        "content_hash": None,
        "timestamp_start": None,
        "timestamp_end": None,
        "execution_context": "devtime",
        "task": {
            "description": None, "source": None, "repository": None, "repository_url": None, "base_commit": None,
        },
        "agent": {"name": agent, "version": None, "model": None},
        "environment": {
            "os": None, "shell": None,
            "vcs": {"type": "none", "base_commit": None, "branch": None, "diff": None},
            "language_ecosystem": [], "resolved_dependencies": None, "interpreter": None,
            "arch": None, "platform": None, "abi_tag": None,
        },
        "system_prompts": {},
        "tool_definitions": [],
        "outcome": {
            "success": None, "signal_source": "transcript", "signal_confidence": "inferred", "description": None,
            "committed": False, "commit_sha": None, "terminal_state": None, "reward": None, "reward_source": None,
        },
        "dependencies": [],
        "metrics": {
            "total_steps": 0, "total_input_tokens": 0, "total_output_tokens": 0, "total_cache_read_tokens": 0,
            "total_cache_creation_tokens": 0, "total_duration_s": None, "cache_hit_rate": None,
            "estimated_cost_usd": None,
        },
        "security": {"scanned": False, "flags_reviewed": 0, "redactions_applied": 0, "classifier_version": None},
        "attribution": None,
        "lifecycle": "provisional",
        "generation_index": 0,
        "patches": [],
        "git_links": [],
        "context_tree_summary": {},
    }  # fmt: skip
