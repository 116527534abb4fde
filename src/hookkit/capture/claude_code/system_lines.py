"""System lines and attachments: compaction, retried requests, local commands, prompts typed while the agent works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import prompts, user_lines
from hookkit.capture.claude_code.fold_state import FoldState
from hookkit.capture.values import count


def read(fold: FoldState, number: int, entry: Mapping[str, Any], line: int) -> None:
    """Take in one line of type ``system``."""
    if not fold.is_new(number, entry):
        return
    stamp = fold.note(number, entry)
    subtype = entry.get("subtype")
    if subtype == "compact_boundary":
        detail = entry.get("compactMetadata")
        fields = detail if isinstance(detail, Mapping) else {}
        trigger = fields.get("trigger")
        fold.compacted(
            number,
            stamp,
            line,
            trigger=trigger if isinstance(trigger, str) else None,
            pre_tokens=count(fields.get("preTokens")),
            post_tokens=count(fields.get("postTokens")),
        )
    elif subtype == "local_command":
        user_lines.settle_command(fold, number, own=False)
    elif subtype == "api_error":
        attempt = entry.get("retryAttempt")
        tried = attempt if type(attempt) is int else None
        fold.trouble(number, "api_retry", _error_text(entry), stamp, line, attempt=tried)


def read_attachment(fold: FoldState, number: int, entry: Mapping[str, Any], line: int) -> None:
    """Take in one line of type ``attachment``."""
    attachment = entry.get("attachment")
    if not isinstance(attachment, Mapping) or attachment.get("type") != "queued_command":
        return
    if not fold.is_new(number, entry):
        return
    stamp = fold.note(number, entry)
    if attachment.get("commandMode") not in (None, "prompt"):
        return
    own = [text for text in prompts.texts(attachment.get("prompt")) if prompts.kind(text) == "prompt" and text.strip()]
    if own:
        fold.prompt(number, "\n".join(own), stamp, "user_prompt")


def _error_text(entry: Mapping[str, Any]) -> str:
    error = entry.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    return error if isinstance(error, str) else ""
