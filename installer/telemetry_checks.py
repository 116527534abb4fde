"""What `hookkit doctor` asks about telemetry: who listens, what has arrived, and what overrides the settings."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from hookkit.agents.contract import SettingsWiring
from hookkit.installer import envelope
from hookkit.installer.protocol import Check
from hookkit.installer.settings_target import readable
from hookkit.installer.telemetry import TelemetryInstaller

_PATIENCE = 0.5  # seconds
_LOCAL = ("127.0.0.1", "localhost", "::1")
_SIGNALS = {"log": "events", "metric": "metrics", "span": "traces"}


def examine(installer: TelemetryInstaller, folder: Path) -> Iterator[Check]:
    """Besides whether the values stand where they belong. folder: of the project that doctor was asked about."""
    yield from _arrived(installer)
    yield from _listens(installer)
    yield from _managed(installer)
    yield from _environment(installer)
    yield from _project(installer, folder)


def _arrived(installer: TelemetryInstaller) -> Iterator[Check]:
    from hookkit.telemetry.arrived import arrivals

    found = arrivals().get(installer.contract.name, {})
    if not found:
        hint = f"`hookkit serve`, then start {installer.contract.program} anew: it reads its settings when it starts."
        yield Check("arrived", "warning", f"Nothing has arrived from {installer.contract.title} yet.", hint)
        return
    told = [
        f"{_SIGNALS.get(signal, signal)}: {said.get('count', 0):,}, the last {_ago(said.get('last_us', 0))}"
        for signal, said in sorted(found.items())
    ]
    yield Check("arrived", "ok", "; ".join(told) + ".")


def _ago(then_us: int) -> str:
    seconds = max(0, int(time.time() - then_us / 1e6))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} s ago"


def _listens(installer: TelemetryInstaller) -> Iterator[Check]:
    """Whether somebody takes a connection; only on this machine: doctor calls nobody else."""
    place = urlsplit(installer.sent_to())
    if place.hostname not in _LOCAL:
        yield Check("receiver", "ok", f"It is sent to {installer.sent_to()}, which was not asked.")
        return
    try:
        with socket.create_connection((place.hostname, place.port or 80), _PATIENCE):
            yield Check("receiver", "ok", f"Somebody listens at {installer.sent_to()}.")
    except OSError:
        yield Check("receiver", "warning", f"Nobody listens at {installer.sent_to()} now.", "hookkit serve")


def _managed(installer: TelemetryInstaller) -> Iterator[Check]:
    """A policy of the machine wins over the user's settings, and may take variables away."""
    wiring = installer.contract.wiring
    if not isinstance(wiring, SettingsWiring):
        return
    for path in envelope.policy_files(wiring.managed):
        doc = readable(path)
        data = doc.root.data() if doc is not None and doc.root is not None else None
        env = data.get("env") if isinstance(data, Mapping) else None
        named = [name for name in env or () if _overrides(installer, name)] if isinstance(env, Mapping) else []
        if named:
            message = f"A policy of this machine ({path}) decides {', '.join(sorted(named))}."
            hint = "What the policy says counts. Its collector can send on to hookkit: docs/telemetry.md"
            yield Check("policy", "warning", message, hint)


def _environment(installer: TelemetryInstaller) -> Iterator[Check]:
    """Variables of the shell that win over the settings: of Claude Code, those that its settings do not name."""
    set_there = {key for _, key in installer.wiring.values(installer.destination)} if installer.wiring.first else ()
    named = [name for name in sorted(installer.env) if _overrides(installer, name) and name not in set_there]
    if named:
        message = f"{', '.join(named)} in this shell: {installer.contract.title} started here may send elsewhere."
        yield Check("environment", "warning", message, f"unset {' '.join(named)}")


def _project(installer: TelemetryInstaller, folder: Path) -> Iterator[Check]:
    """Claude Code 2.1.197 goes by what a project says (measured); its documentation has later versions ignore it."""
    for path in installer.wiring.beside(folder):
        if not os.path.exists(path) or os.path.samefile(
            path, installer.place
        ):  # the user's own, where home is a project
            continue
        doc = readable(path)
        data = doc.root.data() if doc is not None and doc.root is not None else None
        env = data.get("env") if isinstance(data, Mapping) else None
        named = [name for name in env if _overrides(installer, name)] if isinstance(env, Mapping) else []
        if named:
            versions = f"some versions of {installer.contract.title} go by that in this project, others ignore it"
            message = f"{path} sets {', '.join(sorted(named))}: {versions}."
            yield Check("project", "warning", message, f"Take it out there: {installer.place} is the place for it.")


def _overrides(installer: TelemetryInstaller, name: str) -> bool:
    return name.startswith(installer.wiring.overriding) if installer.wiring.overriding else False
