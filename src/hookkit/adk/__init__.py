"""Logs what a program on Google's Agent Development Kit does: ``App(..., plugins=[AgentTracePlugin(), ...])``.

Listed first, since a plugin that answers hides the call from those behind it. It answers nothing itself, raises
nothing into the run, and waits for nothing. See docs/adk.md.
"""

from hookkit.adk.plugin import AgentTracePlugin

__all__ = ["AgentTracePlugin"]
