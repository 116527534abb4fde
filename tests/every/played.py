"""The recorded session of an agent, played once through its installed hooks in a real repository, and ingested."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookkit import agents
from hookkit.agents.contract import AgentContract
from hookkit.capture.identity import trace_id
from hookkit.capture.registry import get_parser
from hookkit.installer.rehearsal import Played, Rehearsal, wait_until_idle

ROOT = Path(__file__).resolve().parents[2]


def environment(home: Path) -> dict[str, str]:
    """What a program of a user sees whose home is ``home``."""
    who = {f"GIT_{role}_{key}": "Test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    kept = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", **who}
    return kept | {"HOME": str(home), "HOOKKIT_HOME": str(home / "hookkit")}


def hookkit(home: Path, *arguments: str, cwd: Path | None = None, code: int = 0) -> str:
    """Run hookkit as that user; its standard output."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hookkit", *arguments],
        env=environment(home), cwd=cwd or home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def commands(home: Path, contract: AgentContract) -> Mapping[str, str | Sequence[str]]:
    """Event -> what the installed hooks run."""
    from hookkit.installer import agent_installer

    installer = agent_installer(contract)(env=environment(home), project=home, hooks_dir=home / "hookkit" / "hooks")
    return installer.registered()


def keep(transcript: Path, place: Path) -> None:
    """Copy a session, and what lies beside it, to ``place``; a database is copied as a whole."""
    if transcript.parent.is_file():
        place.parent.parent.mkdir(parents=True)
        with sqlite3.connect(transcript.parent) as source, sqlite3.connect(place.parent) as copy:
            source.backup(copy)
    else:
        shutil.copytree(transcript.parent, place.parent)


@dataclass(frozen=True)
class Session:
    """What came of it. before: the transcript as the agent and the hooks left it; b"" where it is a database."""

    name: str
    home: Path
    root: Path
    transcript: Path
    session_id: str
    before: bytes
    steps: tuple[Played, ...]
    trace: Mapping[str, Any]

    @property
    def contract(self) -> AgentContract:
        return agents.get(self.name)

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        return [line for step in self.steps for line in step.lines]

    def of(self, role: str) -> list[Mapping[str, Any]]:
        """The hook lines of the events of a role."""
        from hookkit.installer.rehearsal import recording

        assert recording(self.contract)
        names = {event.name for event in self.contract.events if event.role == role}
        return [line for step in self.steps if step.event in names for line in step.lines]

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """The calls of the trace, in order."""
        return [call for step in self.trace["steps"] for call in step["tool_calls"]]


def played(name: str, home: Path) -> Session:
    """Install, play, ingest."""
    contract = agents.get(name)
    home.mkdir()
    hookkit(home, "install", name)
    rehearsal = Rehearsal(contract, home)
    steps = tuple(rehearsal.play(commands(home, contract), environment(home)))
    wait_until_idle(home)  # the hooks of a turn's end started an ingest
    hookkit(home, "ingest", str(rehearsal.transcript), "--agent", name, cwd=rehearsal.root)
    trace = home / "hookkit" / "traces" / f"{trace_id(name, rehearsal.session_id)}.json"
    return Session(
        name, home, rehearsal.root, rehearsal.transcript, rehearsal.session_id,
        rehearsal.transcript.read_bytes() if rehearsal.transcript.is_file() else b"",
        steps, json.loads(trace.read_bytes()),
    )  # fmt: skip


def parser(name: str) -> Any:
    """The parser of an agent."""
    return get_parser(name)
