"""Node trees as belay reads them: a trace, its phases and markers, their tool calls; and the files that hold them.

The JSON is that of belay's ``trace.Node``. A reader in Go refuses a fraction where it wants an integer and any number
that is none, so a ``Node`` that holds such a thing cannot be made.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hookkit.errors import HookkitError, UsageError

DIR = ".belay/traces"
MOST = (1 << 63) - 1  # Go's int64

NodeType = Literal["trace", "phase", "marker", "tool_call"]

_EXACT = 1e15
_DEEPEST = 100
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HALVES = re.compile("[\ud800-\udfff]")
_log = logging.getLogger("hookkit.node")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a tree.

    id: eight hex digits; of a trace, its id. agent_name: name of the trace or phase, ``→`` and the phase for a marker,
    the tool of a call. duration_ms: whole milliseconds. cost_usd: of phases; else 0. input_tokens, output_tokens: of a
    phase what its completions took and gave; of a call the size of the context when it began, not its own use; of a
    trace 0. context_window: tokens; 0 where it is not known. children: in order of time. Raises ValueError for numbers
    that are negative, too large, fractions (but for the cost) or no numbers.
    """

    id: str
    node_type: str
    agent_name: str
    model: str = ""
    duration_ms: int = 0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    context_window: int = 0
    children: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        for key in ("id", "node_type", "agent_name", "model"):
            if not isinstance(getattr(self, key), str):
                raise ValueError(f"{key} is no text: {getattr(self, key)!r}")
        for key in ("duration_ms", "input_tokens", "output_tokens", "context_window"):
            number = getattr(self, key)
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MOST:
                raise ValueError(f"{key} is no whole number of at most 63 bits: {number!r}")
        cost = self.cost_usd
        if not isinstance(cost, (int, float)) or isinstance(cost, bool) or not 0 <= cost <= sys.float_info.max:
            raise ValueError("cost_usd is no amount")

    def body(self) -> dict[str, Any]:
        """The node as a JSON object: its keys in belay's order, the optional ones only where they say something."""
        cost = self.cost_usd
        return {
            "id": _text(self.id),
            "node_type": _text(self.node_type),
            "agent_name": _text(self.agent_name),
            **({"model": _text(self.model)} if self.model else {}),
            "duration_ms": self.duration_ms,
            "cost_usd": int(cost) if cost < _EXACT and cost == int(cost) else cost,  # as Go writes it: 0, not 0.0
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            **({"context_window": self.context_window} if self.context_window else {}),
            **({"children": [child.body() for child in self.children]} if self.children else {}),
        }

    def to_json(self) -> str:
        """The file's text: two spaces of indentation, no escapes but those that JSON demands, no newline at the end."""
        return json.dumps(self.body(), ensure_ascii=False, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Node:
        """The tree of a text, read as Go would: keys that are missing or null count as zero, unknown ones are skipped.

        Raises ValueError for anything else.
        """
        try:
            return _node(json.loads(text), _DEEPEST)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def walk(self) -> Iterator[Node]:
        """The node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def is_id(name: object) -> bool:
    """Whether a trace may be called so: it becomes the name of a file."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None and name not in (".", "..")


def short_id() -> str:
    """A new id: eight hex digits."""
    return uuid.uuid4().hex[:8]


def estimate(said: object) -> int:
    """Tokens, as belaykit estimates them: a quarter of the bytes, rounded up. What is no text is measured as JSON."""
    if said is None:
        return 0
    if not isinstance(said, (str, bytes, bytearray)):
        said = json.dumps(said, ensure_ascii=False, separators=(",", ":"), default=str)
    return (len(said.encode("utf-8", "surrogatepass") if isinstance(said, str) else said) + 3) // 4


def write(node: Node, folder: str | os.PathLike[str] = DIR, trace_id: str | None = None) -> Path:
    """Write a tree to ``<folder>/<trace id>.json``; gives the path.

    The folder is made where it is not there (0755), the file (0644) is replaced as a whole: a reader sees the old tree
    or the new one. trace_id: the node's own id if left out. Raises UsageError for an id that is no file name, OSError.
    """
    name = node.id if trace_id is None else trace_id
    if not is_id(name):
        raise UsageError(
            "TRACE_ID", f"{name!r} is no id for a trace file.", "Use 1 to 64 of A-Z, a-z, 0-9, dot, hyphen, underscore."
        )
    path = Path(folder) / f"{name}.json"
    for parent in (*reversed(path.parent.parents), path.parent):
        if not parent.is_dir():
            parent.mkdir(mode=0o755, exist_ok=True)
    temporary = path.with_name(f".{name}.{uuid.uuid4().hex}.tmp")  # two threads may write at once
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(descriptor, "wb") as file:
            file.write(node.to_json().encode())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def read_file(path: str | os.PathLike[str]) -> Node:
    """The tree in a file; HookkitError if it cannot be read or holds none."""
    try:
        return Node.from_json(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or error
        raise HookkitError(
            "UNREADABLE_NODE_FILE", f"{os.fspath(path)} cannot be read: {said}.", "Give a file that belay can read."
        ) from error


def read_latest(folder: str | os.PathLike[str] = DIR) -> Node:
    """The tree in the ``*.json`` of a folder that was written last; of two of the same time, the one named last.

    A file that cannot be read is skipped, with a warning in the log ``hookkit.node``. HookkitError if there is none.
    """
    found: list[tuple[int, str]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(".json") and entry.is_file():
                    found.append((entry.stat().st_mtime_ns, entry.name))
    for _, name in sorted(found, reverse=True):
        try:
            return read_file(Path(folder) / name)
        except HookkitError as error:
            _log.warning("%s It was skipped.", error.message)
    raise HookkitError(
        "NO_NODE_FILE",
        f"There is no trace in {os.fspath(folder)}.",
        "`hookkit export REF --format belay -o DIR/` writes one, and so does hookkit.phases.",
    )


def _text(text: str) -> str:
    return _HALVES.sub("\ufffd", text)  # half a character is no UTF-8; Go writes the same


def _node(body: object, deeper: int) -> Node:
    if not isinstance(body, Mapping):
        raise ValueError("a node is no object")
    if not deeper:
        raise ValueError("it is nested too deeply")
    given = {key: body[key] for key in Node.__slots__ if body.get(key) is not None}
    children = given.get("children", [])
    if not isinstance(children, list):
        raise ValueError("children is no list")
    made = tuple(_node(child, deeper - 1) for child in children)
    names = {"id": "", "node_type": "", "agent_name": ""}
    return Node(**{**names, **given, "children": made})
