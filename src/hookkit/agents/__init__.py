"""The agents hookkit knows: its own, and those of other packages.

``AGENTS`` are those whose hooks hookkit installs; ``SOURCES`` are all whose sessions it reads.

A package adds an agent with an entry point of the group ``hookkit.agents`` whose value is an ``AgentContract``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeVar

from hookkit.agents.contract import AgentContract, SessionSource
from hookkit.errors import UsageError

GROUP = "hookkit.agents"
_T = TypeVar("_T")
# Agent -> the module of its contract, imported on first use: most commands are about one agent, or none.
_BUILT_IN = {
    "claude-code": "claude_code",
    "codex-cli": "codex_cli",
    "pi": "pi",
    "gemini-cli": "gemini_cli",
    "opencode": "opencode",
    "copilot-cli": "copilot_cli",
    "qwen-code": "qwen_code",
    "cursor": "cursor",
}
# What keeps a log of its own, without hooks.
_LOGGING = {"google-adk": "google_adk"}


class _Agents(Mapping[str, AgentContract]):
    """Name -> contract. Those of other packages come last and cannot take the place of a built-in one."""

    def __getitem__(self, name: str) -> AgentContract:
        if name in _BUILT_IN:
            contract = importlib.import_module(f"hookkit.agents.{_BUILT_IN[name]}").CONTRACT
        else:
            contract = _foreign()[name]
        assert isinstance(contract, AgentContract)
        return contract

    def __iter__(self) -> Iterator[str]:
        yield from _BUILT_IN
        yield from _foreign()

    def __len__(self) -> int:
        return len(_BUILT_IN) + len(_foreign())


@cache
def _foreign() -> Mapping[str, AgentContract]:
    """The contracts of other packages. One that cannot be loaded is left out: it must not disturb the others."""
    from importlib.metadata import entry_points

    found: dict[str, AgentContract] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            contract = point.load()
        except Exception:
            continue
        if isinstance(contract, AgentContract) and contract.name not in _BUILT_IN:
            found.setdefault(contract.name, contract)
    return found


AGENTS: Mapping[str, AgentContract] = _Agents()


class _Sources(Mapping[str, SessionSource]):
    """Name -> whose sessions can be read: every agent, then what keeps a log of its own."""

    def __getitem__(self, name: str) -> SessionSource:
        if name not in _LOGGING:
            return AGENTS[name]
        found = importlib.import_module(f"hookkit.agents.{_LOGGING[name]}").SOURCE
        assert isinstance(found, SessionSource)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in AGENTS if name not in _LOGGING)
        yield from _LOGGING

    def __len__(self) -> int:
        return sum(1 for _ in self)


SOURCES: Mapping[str, SessionSource] = _Sources()


def get(name: str) -> AgentContract:
    """The contract of the agent ``name``; UsageError names the known ones."""
    return _known(AGENTS, name)


def source(name: str) -> SessionSource:
    """Whose sessions ``name`` stands for; UsageError names the known ones."""
    return _known(SOURCES, name)


def _known(known: Mapping[str, _T], name: str) -> _T:
    try:
        return known[name]
    except KeyError:
        raise UsageError(
            "UNKNOWN_AGENT", f"hookkit does not know an agent named {name!r}.", f"Known agents: {', '.join(known)}."
        ) from None
