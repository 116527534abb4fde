"""The agents hookkit knows."""

from __future__ import annotations

from collections.abc import Mapping

from hookkit.agents import claude_code
from hookkit.agents.contract import AgentContract
from hookkit.errors import UsageError

AGENTS: Mapping[str, AgentContract] = {
    "claude-code": claude_code.CONTRACT,
}


def get(name: str) -> AgentContract:
    """The contract of the agent ``name``; UsageError names the known ones."""
    try:
        return AGENTS[name]
    except KeyError:
        raise UsageError(
            "UNKNOWN_AGENT", f"hookkit does not know an agent named {name!r}.", f"Known agents: {', '.join(AGENTS)}."
        ) from None
