"""The agents that the tests run, one driver each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from .base import Driver

# Agent -> the module that holds its driver, imported on first use: one that cannot be loaded concerns no other.
DRIVERS: Mapping[str, str] = {
    "claude-code": "claude_code",
    "codex-cli": "codex_cli",
    "pi": "pi",
    "gemini-cli": "gemini_cli",
    "opencode": "opencode",
    "copilot-cli": "copilot_cli",
    "qwen-code": "qwen_code",
}


def driver_of(agent: str) -> Driver:
    """A driver of the agent; ModuleNotFoundError where there is none."""
    module = importlib.import_module(f"{__name__}.{DRIVERS[agent]}")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Driver) and value.__module__ == module.__name__
    )
    return found()
