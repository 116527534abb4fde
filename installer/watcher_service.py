"""Talks to the service manager of this machine: start, stop, ask. The files are there before, whatever it says."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hookkit.installer.watcher_units import LABEL, TIMER, Manager

_WAIT = 30  # seconds


@dataclass(frozen=True, slots=True)
class Service:
    """The watcher, as its service manager sees it. unit: the file that launchd is given."""

    manager: Manager
    unit: Path

    @property
    def program(self) -> str | None:
        """The service manager's command; None where this machine has none."""
        return shutil.which("systemctl" if self.manager == "systemd" else "launchctl")

    @property
    def start_commands(self) -> tuple[tuple[str, ...], ...]:
        if self.manager == "systemd":
            return ("systemctl", "--user", "daemon-reload"), ("systemctl", "--user", "restart", TIMER)
        return (("launchctl", "bootstrap", _domain(), str(self.unit)),)

    @property
    def stop_commands(self) -> tuple[tuple[str, ...], ...]:
        if self.manager == "systemd":
            return (("systemctl", "--user", "stop", TIMER),)
        return (("launchctl", "bootout", f"{_domain()}/{LABEL}"),)

    def start(self) -> str | None:
        """Let it run from now on. None, or why the service manager would not."""
        if self.manager == "launchd" and self.is_running():
            self.stop()  # it reads a file again only after it has let go of it
        for command in self.start_commands:
            code, said = _run(command)
            if code:
                return f"{shlex.join(command)}: {said or f'exit code {code}'}"
        return None

    def stop(self) -> None:
        """Let it run no more; nothing to be done where it does not."""
        for command in self.stop_commands:
            _run(command)

    def forget(self) -> None:
        """The files are gone."""
        if self.manager == "systemd":
            _run(("systemctl", "--user", "daemon-reload"))

    def is_running(self) -> bool:
        """Whether the service manager runs it now."""
        if self.program is None:
            return False
        if self.manager == "systemd":
            return _run(("systemctl", "--user", "is-active", "--quiet", TIMER))[0] == 0
        return _run(("launchctl", "print", f"{_domain()}/{LABEL}"))[0] == 0


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _run(command: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and what was said, in one line."""
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_WAIT, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, " ".join((done.stderr or done.stdout or "").split())
