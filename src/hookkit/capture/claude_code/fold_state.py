"""What was read of a Claude Code session so far, and what every line adds to it.

The state is plain JSON, so that the next ingest goes on where this one stopped. What comes out depends on the lines
alone, not on how many ingests it took to read them: whatever could depend on the order in which files were read
raises ``OutOfOrderError``, and the session is read again from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hookkit.capture.cells import Cells
from hookkit.capture.claude_code.streams import Call, Stream
from hookkit.capture.files import OutOfOrderError
from hookkit.capture.values import micros, widen


class FoldState:
    """The session as far as it was read.

    durations: tool call id -> milliseconds as the hook lines give them; they win over the transcript's own.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.durations: Mapping[str, int] = {}
        self.cells = Cells()
        self.streams: list[Stream] = []
        self.messages: dict[str, list[int]] = {}  # API message id -> [stream, cell]
        self.calls: dict[str, Call] = {}
        self.early: dict[str, list[Any]] = {}  # "stream call id" -> result that came before its call
        self.uuids: dict[str, int] = {}  # line uuid -> stream
        self.spawned: dict[str, str] = {}  # agent id -> id of the call that started it
        self.roots: dict[str, str] = {}  # uuid of an old sidechain line -> uuid of its first line
        self.facts: dict[str, Any] = {}
        self.cwds: list[str] = []
        self.usage = [0, 0, 0, 0]  # input, output, cache read, cache write
        self.span: list[Any] = []  # [start us, text, end us, text]
        self.counts: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self._index: dict[tuple[str, str], int] = {}

    def is_new(self, stream: int, entry: Mapping[str, Any]) -> bool:
        """Whether a line was not seen before: Claude Code writes some lines again when it compacts or resumes."""
        uuid = entry.get("uuid")
        if not isinstance(uuid, str) or not uuid:
            return True
        owner = self.uuids.setdefault(uuid, -1)
        if owner < 0:
            self.uuids[uuid] = stream
            return True
        self.lost(owner, stream)
        return False

    def lost(self, owner: int, stream: int) -> None:
        """Count a line that another stream already has; OutOfOrderError if that one ranks behind."""
        if self.streams[stream].file < self.streams[owner].file:
            raise OutOfOrderError
        self.counts["duplicate_lines"] += 1

    def note(self, stream: int, entry: Mapping[str, Any]) -> str | None:
        """Keep the facts that every line repeats; gives the line's time if it is one."""
        cwd = entry.get("cwd")
        if isinstance(cwd, str) and cwd and cwd not in self.cwds and len(self.cwds) < 64:
            self.cwds.append(cwd)
        if self.streams[stream].rank == ("", ""):
            for key, name in (("version", "version"), ("gitBranch", "branch"), ("permissionMode", "permission_mode")):
                value = entry.get(key)
                if isinstance(value, str) and value:
                    self.facts[name] = value
            if isinstance(cwd, str) and cwd:
                self.facts.setdefault("cwd", cwd)
        session = entry.get("sessionId")
        if isinstance(session, str) and session != self.session_id:
            self.counts["lines_of_other_sessions"] += 1
        stamp = entry.get("timestamp")
        moment = micros(stamp)
        if moment is None or not isinstance(stamp, str):
            return None
        self.span = widen(self.span, moment, stamp)
        if entry.get("type") != "system":  # Claude Code adds system lines after its Stop hook
            self.streams[stream].last_us = max(self.streams[stream].last_us, moment)
        return stamp

    def set_duration(self, call_id: str) -> None:
        """Bring a call's duration up to what the hook lines now say."""
        call = self.calls.get(call_id)
        if call is not None and call_id in self.durations:
            for tool_call in self.cells.open(call.cell)["tool_calls"]:
                if tool_call["tool_call_id"] == call_id:
                    tool_call["duration_ms"] = self.durations[call_id]

    def stream(self, file: str, agent: str) -> int:
        """The number of a stream, made when it is first asked for."""
        number = self._index.get((file, agent))
        if number is None:
            number = self._index[(file, agent)] = len(self.streams)
            self.streams.append(Stream(file, agent))
        return number

    def stream_of(self, file: str, entry: Mapping[str, Any]) -> int:
        if file:
            return self.stream(file, file)
        if entry.get("isSidechain") is not True:
            return self.stream("", "")
        agent = entry.get("agentId")
        if isinstance(agent, str) and agent:
            return self.stream("", agent)
        uuid, parent = entry.get("uuid"), entry.get("parentUuid")
        if not isinstance(uuid, str):
            return self.stream("", "sidechain")
        root = self.roots.get(parent, uuid) if isinstance(parent, str) else uuid
        self.roots[uuid] = root
        return self.stream("", root)

    def dump(self) -> dict[str, Any]:
        """The state as JSON, without the cells."""
        return {
            "streams": [stream.to_json() for stream in self.streams],
            "messages": self.messages,
            "calls": {key: call.row() for key, call in self.calls.items()},
            "early": self.early,
            "uuids": self.uuids,
            "spawned": self.spawned,
            "roots": self.roots,
            "facts": self.facts,
            "cwds": self.cwds,
            "usage": self.usage,
            "span": self.span,
            "counts": self.counts,
            "unknown": self.unknown,
        }

    def load(self, state: Mapping[str, Any], cells: list[bytes]) -> None:
        """Go on from what ``dump`` gave."""
        self.cells = Cells(cells)
        self.streams = [Stream(**stream) for stream in state["streams"]]
        self._index = {(stream.file, stream.agent): number for number, stream in enumerate(self.streams)}
        self.messages = state["messages"]
        self.calls = {key: Call(*row) for key, row in state["calls"].items()}
        self.early = state["early"]
        self.uuids = state["uuids"]
        self.spawned = state["spawned"]
        self.roots = state["roots"]
        self.facts = state["facts"]
        self.cwds = state["cwds"]
        self.usage = state["usage"]
        self.span = state["span"]
        self.counts = Counter(state["counts"])
        self.unknown = Counter(state["unknown"])
