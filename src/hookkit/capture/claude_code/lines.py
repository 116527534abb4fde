"""The record types of a transcript that carry nothing for a trace. Any other unknown type is counted."""

from __future__ import annotations

QUIET = frozenset(
    {
        "agent-color", "agent-name", "agent-setting", "agent_metadata", "ai-title", "attribution-snapshot",
        "bridge-session", "content-replacement", "custom-title", "ended-by-model", "file-history-delta",
        "file-history-snapshot", "fork-context-ref", "frame-link", "isolation-latch", "last-prompt",
        "marble-origami-commit", "marble-origami-reset", "marble-origami-snapshot", "mode", "permission-mode",
        "pr-link", "progress", "queue-operation", "relocated", "speculation-accept", "summary", "tag",
        "worktree-state",
    }
)  # fmt: skip
