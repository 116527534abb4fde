"""Made-up agents, one for each form that settings can have, and one that loads an extension."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract, ExtensionWiring, HookEvent, SettingsWiring
from hookkit.installer import ExtensionInstaller, SettingsHookInstaller, agent_installer

SHAPES = ("nested", "flat", "positional")
ALL = (*SHAPES, "extension")

TEMPLATE = """// Written by hookkit.
const INTERPRETER: string = {{interpreter}};
const SCRIPT: string = {{script}};
const AGAIN = [{{script}}, "$&", "\\\\1"]; // no place of ours: {{other}}
"""


def _flat_handler(command: str, event: HookEvent) -> Mapping[str, object]:
    return {"type": "command", "bash": command, "timeoutSec": event.timeout}


def contract_of(shape: str) -> AgentContract:
    """The made-up agent of a form: ``~/.made-up/hooks.json``, or ``.made-up/hooks.json`` in the project."""
    claude = AGENTS["claude-code"]
    places = {
        "user": lambda env, _project: Path(env["HOME"]) / ".made-up" / "hooks.json",
        "project": lambda _env, project: project / ".made-up" / "hooks.json",
    }
    settings = SettingsWiring(places=places, schema="claude-settings")  # type: ignore[arg-type]
    wirings = {
        "nested": settings,
        "flat": dataclasses.replace(
            settings, handler=_flat_handler, command_key="bash", flat=True, root={"version": 1}
        ),
        "positional": dataclasses.replace(settings, positional=True),
        "extension": ExtensionWiring(places=places, template="made_up.ts"),  # type: ignore[arg-type]
    }
    events = tuple(dataclasses.replace(event, timeout=10) for event in claude.events)
    if shape == "flat":
        events = tuple(dataclasses.replace(event, name=event.name[0].lower() + event.name[1:]) for event in events)
    return dataclasses.replace(
        claude,
        name="made-up",
        title="Made Up",
        program="made-up",
        wiring=wirings[shape],
        events=events,
        config_home=lambda env: Path(env["HOME"]) / ".made-up",
    )


def source_of(folder: Path) -> Path:
    """A folder that holds the scripts of the made-up agents, and the template."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in contract_of("nested").hook_files:
        (folder / name).write_text(f"# {name}\n")
    (folder / "made_up.ts").write_text(TEMPLATE)
    return folder


def installer_of(shape: str, home: Path, source: Path) -> SettingsHookInstaller | ExtensionInstaller:
    """Its installer for the user's settings, in a home and with scripts of its own."""
    make = agent_installer(contract_of(shape))
    return make(env={"HOME": str(home)}, project=home, source=source)
