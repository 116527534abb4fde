"""Events of the log: what an emitter hands in, what the log holds, and how both are hashed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from hookkit.errors import HookkitError
from hookkit.trails.vocabulary import (
    ATTRIBUTION_VERSION,
    CAPTURE_LIMITATIONS,
    EVENT_TYPES,
    SCHEMA_VERSION,
    SECURITY_VERSION,
)

_LENGTHS = {"sha1": 40, "sha256": 64}
_HEX = re.compile("[0-9a-f]+")
_OBJECT_KEY = re.compile(r"(.*_)?(tree_id|blob_id|commit_id|git_head|git_head_id|base_commit|oid)|.*_sha")
_TIMES = ("event_time", "after_time")

# What makes two events the same fact. All else describes it, and may be told in other words by a later reading of the
# same transcript. step_index is not among them: steps are counted anew when a transcript turns out to hold more.
_IDENTITY = (
    "tool_call_id", "boundary", "snapshot_role", "worktree_root", "tree_id", "before_tree_id", "after_tree_id",
    "event_time", "before_time", "after_time", "file_path", "old_path", "path", "status", "old_mode", "new_mode",
    "before_blob_id", "after_blob_id", "blob_id", "affected_range", "removed_range", "range", "ranges", "commit_id",
    "old_commit_id", "new_commit_id", "git_anchor_id", "superseded_by", "snapshot_before_id", "snapshot_after_id",
    "reasons", "attached_step",
)  # fmt: skip


class TrailError(HookkitError):
    """An event that cannot be, or an event log that cannot be read or written."""


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only: the form that is hashed. TrailError for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _invalid(f"it cannot be written as JSON ({error})") from None


def content_id(canonicalization: str, material: Mapping[str, Any]) -> str:
    """Hex id of an object that events name (snapshot, patch, anchor), derived from what it is."""
    return hashlib.sha256(canonicalization.encode() + b"\0" + canonical(material)).hexdigest()


@dataclass(frozen=True, slots=True)
class TrailEventDraft:
    """An event that is not in the log yet. TrailError unless it may be.

    event_time: when the fact happened, ISO 8601 with zone; by default the payload's ``event_time`` or ``after_time``.
    Git objects in the payload are ``{"algo", "hex"}``.
    """

    event_type: str
    payload: Mapping[str, Any]
    capture_method: Sequence[str]
    trace_id: str | None = None
    generation_index: int = 0
    step_index: int | None = None
    event_time: str | None = None

    def __post_init__(self) -> None:
        if self.event_type not in EVENT_TYPES:
            raise _invalid(f"there is no event type {self.event_type!r}")
        methods = self.capture_method
        if isinstance(methods, str) or not methods or not all(isinstance(each, str) and each for each in methods):
            raise _invalid("capture_method must be an array of one or more names")
        object.__setattr__(self, "capture_method", tuple(methods))
        if not isinstance(self.payload, Mapping):
            raise _invalid("its payload is no object")
        if self.event_time is None:
            found = next((self.payload[key] for key in _TIMES if isinstance(self.payload.get(key), str)), None)
            if found is None:
                raise _invalid("it does not say when it happened")
            object.__setattr__(self, "event_time", found)
        if not _has_zone(str(self.event_time)):
            raise _invalid(f"{self.event_time!r} is no ISO 8601 time with a zone")
        for key, value in _walk(self.payload):
            _check(key, value)
        canonical(self.payload)

    def fact(self) -> str:
        """Hex; the same for events that state the same fact, so that a fact gets into the log once."""
        return fact(self.event_type, self.trace_id, self.payload)


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One event of the log. Fields and JSON keys have the same names; ``event_id`` is a hash of all the others."""

    event_id: str
    event_sequence: int
    event_time: str
    previous_event_id: str | None
    trace_id: str | None
    generation_index: int | None
    step_index: int | None
    batch_id: str
    writer: str
    capture_method: tuple[str, ...]
    event_type: str
    payload: Mapping[str, Any]
    content_hash: str
    SCHEMA_VERSION: str = field(default=SCHEMA_VERSION)
    SECURITY_VERSION: str = field(default=SECURITY_VERSION)
    ATTRIBUTION_VERSION: str = field(default=ATTRIBUTION_VERSION)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrailEvent:
        """The event that a parsed line is. Keys that are not known are dropped. TrailError when one is missing."""
        try:
            known = {name: value[name] for name in _FIELDS}
            known["capture_method"] = tuple(known["capture_method"])
            event = cls(**known)
        except (KeyError, TypeError) as error:
            raise TrailError("BAD_EVENT", f"An event of the log is not whole: {error}.", _VERIFY) from None
        if type(event.event_sequence) is not int or not isinstance(event.payload, dict):
            raise TrailError("BAD_EVENT", "An event of the log has a field of the wrong type.", _VERIFY)
        return event

    def to_json(self) -> dict[str, Any]:
        """As it is written, one line of ``events.jsonl`` each."""
        out = {name: getattr(self, name) for name in _FIELDS}
        out["capture_method"] = list(self.capture_method)
        return out

    def fact(self) -> str:
        """See ``TrailEventDraft.fact``."""
        return fact(self.event_type, self.trace_id, self.payload)


_FIELDS = tuple(each.name for each in fields(TrailEvent))
_VERIFY = "Run `hookkit trail verify` to see the first bad event, `hookkit trail rebuild` to make the log anew."


def fact(event_type: str, trace_id: str | None, payload: Mapping[str, Any]) -> str:
    """128 bits, hex."""
    found = {key: payload[key] for key in _IDENTITY if payload.get(key) is not None}
    return hashlib.sha256(canonical([event_type, trace_id, found or payload])).hexdigest()[:32]


def content_hash(payload: Mapping[str, Any]) -> str:
    """Hash of the payload alone."""
    return "sha256:" + hashlib.sha256(canonical(payload)).hexdigest()


def event_id(value: Mapping[str, Any]) -> str:
    """The id of an event, from its JSON object: a hash of everything in it but the id itself."""
    covered = {key: each for key, each in value.items() if key != "event_id"}
    return "trailevent-sha256:" + hashlib.sha256(canonical(covered)).hexdigest()


def batch_id(
    previous_event_id: str | None, writer: str, drafts: Sequence[TrailEventDraft] | Sequence[TrailEvent]
) -> str:
    """The id of a batch, from what is in it and what it follows."""
    content = [[d.event_type, d.trace_id, d.step_index, d.event_time, d.payload] for d in drafts]
    return "batch-" + hashlib.sha256(canonical([previous_event_id, writer, content])).hexdigest()[:32]


def chain(drafts: Sequence[TrailEventDraft], *, writer: str, last: tuple[int, str] | None) -> list[TrailEvent]:
    """The events that drafts become after the event ``last`` (sequence, id); None at the beginning of a log."""
    sequence, previous = last or (0, None)
    batch = batch_id(previous, writer, drafts)
    events = []
    for draft in drafts:
        sequence += 1
        assert draft.event_time is not None
        value = {
            "event_sequence": sequence,
            "event_time": draft.event_time,
            "previous_event_id": previous,
            "trace_id": draft.trace_id,
            "generation_index": draft.generation_index,
            "step_index": draft.step_index,
            "batch_id": batch,
            "writer": writer,
            "capture_method": list(draft.capture_method),
            "event_type": draft.event_type,
            "payload": draft.payload,
            "content_hash": content_hash(draft.payload),
            "SCHEMA_VERSION": SCHEMA_VERSION,
            "SECURITY_VERSION": SECURITY_VERSION,
            "ATTRIBUTION_VERSION": ATTRIBUTION_VERSION,
        }
        previous = event_id(value)
        # As a reader will see it: no tuples, no keys that are numbers.
        events.append(TrailEvent.from_json(json.loads(canonical(value | {"event_id": previous}))))
    return events


def _walk(value: object, key: str = "") -> Iterator[tuple[str, Any]]:
    yield key, value
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name != "reasons":  # its keys are words of ours, not names of objects
                yield from _walk(each, str(name))
    elif isinstance(value, (list, tuple)):
        for each in value:
            if isinstance(each, (Mapping, list, tuple)):
                yield from _walk(each)


def _check(key: str, value: Any) -> None:
    if key == "capture_limitations":
        unknown = set(value) - CAPTURE_LIMITATIONS if isinstance(value, (list, tuple)) else {value}
        if unknown:
            raise _invalid(f"capture_limitations is a closed vocabulary without {sorted(map(str, unknown))}")
    elif value is not None and _OBJECT_KEY.fullmatch(key) and not is_object_id(value):
        raise _invalid(f"{key} must be a typed object id, {{'algo', 'hex'}}")


def _has_zone(stamp: str) -> bool:
    try:
        return datetime.fromisoformat(stamp).tzinfo is not None
    except ValueError:
        return False


def is_object_id(value: object) -> bool:
    """Whether the value is ``{"algo": "sha1" | "sha256", "hex": ...}`` with as many digits as the algorithm has."""
    if not isinstance(value, Mapping) or set(value) != {"algo", "hex"}:
        return False
    text = value["hex"]
    return isinstance(text, str) and len(text) == _LENGTHS.get(value["algo"]) and bool(_HEX.fullmatch(text))


def object_id(text: str) -> dict[str, str]:
    """The typed id of a hex object name of git."""
    return {"algo": "sha1" if len(text) == _LENGTHS["sha1"] else "sha256", "hex": text}


def _invalid(why: str) -> TrailError:
    return TrailError("INVALID_EVENT", f"This event cannot go into the log: {why}.", "Please report this.")
