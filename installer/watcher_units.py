"""What a service manager is given to run `hookkit watch --once` every few minutes: systemd units, a launchd agent."""

from __future__ import annotations

import os
import plistlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hookkit import agents
from hookkit.errors import HookInstallError

Manager = Literal["systemd", "launchd"]

MINUTES = 5
TIMER = "hookkit-watch.timer"
LABEL = "hookkit.watch"
_SERVICE = "hookkit-watch.service"
_WANTS = f"timers.target.wants/{TIMER}"
_OWN_VARIABLES = ("HOOKKIT_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")

_SERVICE_TEXT = """\
# Written by `hookkit install watcher`, deleted by `hookkit remove watcher`.
[Unit]
Description=Read the agent sessions that no hook reported

[Service]
Type=oneshot
ExecStart={command}
{environment}Nice=10
StandardOutput=null
"""

_TIMER_TEXT = """\
# Written by `hookkit install watcher`, deleted by `hookkit remove watcher`.
[Unit]
Description=Look for agent sessions that no hook reported

[Timer]
OnStartupSec={minutes}min
OnUnitInactiveSec={minutes}min
AccuracySec=30s

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True, slots=True)
class Units:
    """files: name in the service manager's folder -> content; links: name -> where it leads. No other file is ours."""

    manager: Manager
    folder: Path
    files: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the service manager calls the thing that runs."""
        return TIMER if self.manager == "systemd" else LABEL


def units(manager: Manager, env: Mapping[str, str], program: str | None = None) -> Units:
    """The files for one service manager. env: the user's environment; program: instead of this Python.

    HookInstallError where a path cannot stand in such a file.
    """
    home = Path(env.get("HOME") or Path.home())
    command = [program or sys.executable, "-E", "-P", "-m", "hookkit", "watch", "--once"]
    variables = dict(_variables(env))
    for text in (*command, *variables.values()):
        _check(text)
    if manager == "launchd":
        folder = home / "Library" / "LaunchAgents"
        return Units(manager, folder, {f"{LABEL}.plist": _plist(command, variables)})
    folder = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user"
    lines = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in variables.items())
    service = _SERVICE_TEXT.format(
        command=" ".join(_quoted(word).replace("$", "$$") for word in command), environment=lines
    )
    files = {_SERVICE: service.encode(), TIMER: _TIMER_TEXT.format(minutes=MINUTES).encode()}
    return Units(manager, folder, files, {_WANTS: f"../{TIMER}"})


def _plist(command: list[str], variables: Mapping[str, str]) -> bytes:
    body: dict[str, object] = {
        "Label": LABEL,
        "ProgramArguments": command,
        "StartInterval": MINUTES * 60,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/dev/null",
        "EnvironmentVariables": dict(variables),
    }
    return plistlib.dumps(body)


class _Asked(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env, self.asked = env, set[str]()

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return self.env[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.env)

    def __len__(self) -> int:
        return len(self.env)


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What moves hookkit's or an agent's folders: a service manager does not know the variables of a shell."""
    asked = _Asked(env)
    for contract in agents.AGENTS.values():
        contract.transcripts(asked)
    for name in (*_OWN_VARIABLES, *sorted(asked.asked - {"HOME"})):
        if env.get(name):
            yield name, env[name]
    git = shutil.which("git", path=env.get("PATH"))
    places = [os.path.dirname(git)] if git else []
    yield "PATH", os.pathsep.join(dict.fromkeys([*places, "/usr/local/bin", "/usr/bin", "/bin"]))


def _check(text: str) -> None:
    try:
        plain = "\n" not in text and bool(text.encode())
    except UnicodeEncodeError:
        plain = False
    if not plain:
        raise HookInstallError(
            "UNUSABLE_PATH",
            f"{text!r} cannot stand in a file of the service manager.",
            "Use folders with plain names, or run `hookkit watch` yourself.",
        )


def _quoted(text: str) -> str:
    """A word of a systemd unit."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
