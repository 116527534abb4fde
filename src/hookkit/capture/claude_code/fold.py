"""Folds the lines of a Claude Code session, one by one, into the steps of a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import assistant_lines, system_lines, user_lines
from hookkit.capture.claude_code.fold_state import FoldState

# The types of line that carry nothing for a trace; any other unknown one is counted.
_QUIET = frozenset(
    {
        "agent-color", "agent-name", "agent-setting", "agent_metadata", "ai-title", "attribution-snapshot",
        "bridge-session", "content-replacement", "custom-title", "ended-by-model", "file-history-delta",
        "file-history-snapshot", "fork-context-ref", "frame-link", "isolation-latch", "last-prompt",
        "marble-origami-commit", "marble-origami-reset", "marble-origami-snapshot", "mode", "permission-mode",
        "pr-link", "progress", "queue-operation", "relocated", "speculation-accept", "summary", "tag",
        "worktree-state",
    }
)  # fmt: skip


class SessionFold(FoldState):
    """The session as far as it was read; takes in its next lines."""

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line. file: "" for the transcript, else the id of the agent whose file it is."""
        kind, source = entry.get("type"), entry.get("forkedFrom")
        self.copying = isinstance(source, Mapping)
        if isinstance(source, Mapping):
            self.fact("forked_from", source.get("sessionId"))
        if kind == "user":
            user_lines.read(self, self.stream_of(file, entry), entry, line)
        elif kind == "assistant":
            assistant_lines.read(self, self.stream_of(file, entry), entry, line)
        elif kind == "system":
            system_lines.read(self, self.stream_of(file, entry), entry, line)
        elif kind == "attachment":
            system_lines.read_attachment(self, self.stream_of(file, entry), entry, line)
        elif not isinstance(kind, str) or kind not in _QUIET:
            self.no_such_type(kind)
