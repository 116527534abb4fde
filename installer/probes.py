"""What else status, doctor and install must ask about an agent, besides its files: such as whether it trusts our hooks.

A contract names its probe as "module:name": the object itself, or what makes it when it is called without arguments.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from hookkit.agents.contract import AgentContract
from hookkit.errors import HookkitError, UsageError
from hookkit.installer.envelope import Warn
from hookkit.installer.protocol import Check
from hookkit.installer.target import Target


class Probe(Protocol):
    """What an agent can be asked, and told. A subclass writes what its agent has; the rest says and does nothing.

    target: whom and what it is about: its contract, link (the settings file or the extension), scope, project, env, and
    what is registered() there now.
    HookkitError where the agent cannot be asked: it becomes a warning.
    """

    def warnings(self, target: Target) -> tuple[Warn, ...]:
        """What keeps the agent from running the hooks that are there now, and what else is to be known."""
        return ()

    def ask(self, target: Target) -> tuple[Check, ...]:
        """What the agent itself answers when it is started and asked; for doctor, which may take its time."""
        return ()

    def trust(self, target: Target) -> tuple[str, ...]:
        """Make the agent run our hooks, which the user has asked for; give what was done, a sentence each."""
        return ()

    def untrust(self, target: Target) -> tuple[str, ...]:
        """Take back what ``trust``, or the user, told the agent about our hooks, while they are still in their places.

        What was done, a sentence each.
        """
        return ()

    def after_install(self, target: Target) -> tuple[str, ...]:
        """What the user has to do now, with the exact commands that they will be shown; () where nothing is left."""
        return ()


def probe_of(contract: AgentContract) -> Probe | None:
    """The probe of an agent, imported now."""
    if contract.probe is None:
        return None
    module, _, name = contract.probe.partition(":")
    named = getattr(importlib.import_module(module), name)
    found: Probe = named() if isinstance(named, type) or not hasattr(named, "warnings") else named
    return found


def can_trust(contract: AgentContract) -> bool:
    """Whether there is a way to make the agent run our hooks without its own dialog."""
    probe = probe_of(contract)
    return probe is not None and type(probe).trust is not Probe.trust


def refuse_trust(title: str, name: str) -> UsageError:
    """The error of ``--trust`` where it means nothing."""
    return UsageError(
        "NOTHING_TO_TRUST",
        f"hookkit cannot tell {title} to trust its hooks.",
        f"Leave out --trust; what {title} asks is in: hookkit agents --json. hookkit install {name}",
    )


def warnings(target: Target) -> tuple[Warn, ...]:
    """What the agent says about our hooks."""
    probe = probe_of(target.contract)
    try:
        return probe.warnings(target) if probe else ()
    except HookkitError as error:
        return (_failed(target, "PROBE_FAILED", error, blocks=False),)


def ask(target: Target) -> tuple[Check, ...]:
    """What the agent itself answers about our hooks."""
    probe = probe_of(target.contract)
    try:
        return probe.ask(target) if probe else ()
    except HookkitError as error:
        return (Check("agent", "warning", error.message, error.hint),)


def trust(target: Target) -> tuple[tuple[str, ...], tuple[Warn, ...]]:
    """Make the agent run our hooks. What was done, and what went wrong."""
    probe = probe_of(target.contract)
    try:
        return (probe.trust(target) if probe else ()), ()
    except HookkitError as error:
        return (), (_failed(target, "TRUST_FAILED", error, blocks=True),)


def untrust(target: Target) -> tuple[tuple[str, ...], tuple[Warn, ...]]:
    """Take back what was told to the agent about our hooks. What was done, and what went wrong: a remove goes on."""
    probe = probe_of(target.contract)
    try:
        return (probe.untrust(target) if probe else ()), ()
    except HookkitError as error:
        return (), (_failed(target, "TRUST_LEFT", error, blocks=False),)


def after_install(target: Target) -> tuple[str, ...]:
    """What the user has to do before the agent runs our hooks."""
    probe = probe_of(target.contract)
    try:
        return probe.after_install(target) if probe else ()
    except HookkitError as error:
        return (f"{error.message} {error.hint}",)


def _failed(target: Target, code: str, error: HookkitError, blocks: bool) -> Warn:
    return Warn(code, str(target.link), "$", error.message, error.hint, blocks)
