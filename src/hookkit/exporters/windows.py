"""How many tokens a model can hold, by the start of its name; genai-prices 0.2.3 (2026-11) says so."""

from __future__ import annotations

_WINDOWS = {
    "claude-": 200_000,
    "claude-fable-": 1_000_000,
    "claude-haiku-5": 1_000_000,
    "claude-mythos-": 1_000_000,
    "claude-opus-4-6": 1_000_000,
    "claude-opus-4-7": 1_000_000,
    "claude-opus-4-8": 1_000_000,
    "claude-opus-5": 1_000_000,
    "claude-sonnet-4-6": 1_000_000,
    "claude-sonnet-5": 1_000_000,
    "gemini-2": 1_000_000,
    "gemini-2.5-flash": 1_048_576,
    "gemini-3-flash": 1_000_000,
    "gemini-3.5-flash": 1_000_000,
    "gpt-4.1": 1_000_000,
    "gpt-4o": 128_000,
    "gpt-5": 400_000,
    "gpt-5.3-codex": 400_000,
    "gpt-5.4": 1_050_000,
    "gpt-5.4-mini": 400_000,
    "gpt-5.4-nano": 400_000,
    "gpt-5.5": 1_000_000,
    "gpt-5.6": 1_050_000,
    "gpt-6": 1_050_000,
    "o3": 200_000,
    "o4-mini": 200_000,
}  # fmt: skip


def context_window(model: str | None) -> int:
    """Tokens; 0 for a model that is not known. model: with its provider before it (``anthropic/``), or without."""
    name = (model or "").rpartition("/")[2].lower()
    if name.endswith("[1m]"):  # as Claude Code calls the long variant
        return 1_000_000
    known = [start for start in _WINDOWS if name.startswith(start)]
    return _WINDOWS[max(known, key=len)] if known else 0
