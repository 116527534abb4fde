"""What Claude Code's lines repeat, and which conversation each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import prompts
from hookkit.capture.fold.fold import Fold


class FoldState(Fold):
    """The session as far as it was read.

    uuids: line uuid -> stream. roots: uuid of an old sidechain line -> uuid of its first line.
    """

    KEPT = ("uuids", "roots")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.uuids: dict[str, int] = {}
        self.roots: dict[str, str] = {}

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

    def note(self, stream: int, entry: Mapping[str, Any]) -> str | None:
        """Keep the facts that every line repeats; gives the line's time if it is one."""
        cwd = entry.get("cwd")
        if self.streams[stream].rank == ("", ""):
            for key, name in (("version", "version"), ("gitBranch", "branch"), ("permissionMode", "permission_mode")):
                self.fact(name, entry.get(key))
            self.folder(cwd)
        elif isinstance(cwd, str) and cwd and cwd not in self.cwds and len(self.cwds) < 64:
            self.cwds.append(cwd)  # of a subagent, which does not say where the session was started
        session = entry.get("sessionId")
        if isinstance(session, str) and session != self.session_id:
            self.counts["lines_of_other_sessions"] += 1
        # Claude Code adds system lines after its Stop hook.
        return self.moment(stream, entry.get("timestamp"), counts=entry.get("type") != "system")

    def error_text(self, text: str) -> str:
        return text.removeprefix("<tool_use_error>").removesuffix("</tool_use_error>").strip()

    def is_denial(self, error: str) -> bool:
        return prompts.is_denial(error)

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
