"""Play a recorded real session through hook commands, in a scratch repository, the way the agent runs them.

A recording is JSON: the agent's ``version``; ``files`` of the project; the ``environment`` that the agent gives hooks;
``events``, each with its ``payload``, the ``effects`` of the agent on the files before it, and the lines that the agent
had written by then (``transcript``, ``subagents``); ``after``: the lines that come last. ``transcript``: its path below
the scratch folder, where it is not ``projects/rehearsal/{session}.jsonl``. Placeholders: ``{root}`` the project,
``{session}`` the session's id, ``{transcript}``, ``{session_dir}`` the folder beside it, ``{scratch}`` what holds all.
``database``: the SQL statements that make it, where sessions are rows: what an event has of the transcript are rows
then (see ``rehearsal_database``), and ``transcript`` is the path that stands for the session, below the database's.

`hookkit doctor` rehearses the registered commands to prove that they fire; `hookkit demo` shows what comes out.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from hookkit import git
from hookkit.agents.contract import AgentContract
from hookkit.installer.rehearsal_database import RehearsalDatabase

#: A line for a shell, or the words of a command.
Command = str | Sequence[str]

_SUBAGENT_FOLDER = "subagents"
_TRANSCRIPT = "projects/rehearsal/{session}.jsonl"
_IDLE_WAIT = 15.0  # seconds; an ingest waits for its transcript to settle first


@dataclass(frozen=True, slots=True)
class Played:
    """What one event's command did.

    event: the agent's name of it. code: exit code. output: stdout and stderr together. seconds: wall time.
    lines: the hook lines that appeared. tree: hex tree id of the worktree at that moment, taken without the hooks.
    """

    event: str
    code: int
    output: str
    seconds: float
    lines: tuple[Mapping[str, Any], ...]
    tree: str

    @property
    def recorded(self) -> str | None:
        """Hex tree id as the hook recorded it; None where its line carries none."""
        return next((line["data"]["trail"]["tree_id"]["hex"] for line in self.lines if "trail" in line["data"]), None)


def recording(contract: AgentContract) -> Mapping[str, Any] | None:
    """The recorded session of an agent; None where there is none."""
    source = files("hookkit.agents") / "recordings" / f"{contract.name}.json"
    if not source.is_file():
        return None
    found: Mapping[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return found


class Rehearsal:
    """A scratch repository and transcript, and the recording that is played there. There must be one."""

    def __init__(self, contract: AgentContract, scratch: Path) -> None:
        found = recording(contract)
        assert found is not None
        self.contract = contract
        self.root = scratch / "project"
        self._scratch, self._sidecars = scratch, scratch
        self._recording = found
        self.session_id: str = found["events"][0]["payload"][contract.session_field]
        self.transcript = scratch / str(found.get("transcript", _TRANSCRIPT)).replace("{session}", self.session_id)
        self.root.mkdir(parents=True)
        self._database = None
        if "database" in found:
            self._database = RehearsalDatabase(self.transcript.parent, found["database"])
        else:
            self.transcript.parent.mkdir(parents=True)
        for name, text in self._recording["files"].items():
            self._write(name, text)
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "The project as the session found it")
        worktree = git.find(self.root)
        assert worktree is not None
        self.worktree = worktree

    @property
    def version(self) -> str:
        """The version of the agent that was recorded."""
        return str(self._recording["version"])

    def play(self, commands: Mapping[str, Command], environment: Mapping[str, str]) -> Iterator[Played]:
        """Play the events that have a command, in order. ``environment`` is what the agent would pass on.

        With ``HOOKKIT_HOME`` in it, what is recorded stays apart.
        """
        self._sidecars = Path(environment.get("HOOKKIT_HOME", self._scratch)) / "state" / "sidecars"
        for event in self._recording["events"]:
            for effect in event["effects"]:
                self._apply(effect)
            self._grow(event)
            name = event["payload"]["hook_event_name"]
            if name in commands:
                yield self._run(name, commands[name], _now(self._here(event["payload"])), environment)
        self._grow(self._recording.get("after", {}))

    def _run(self, event: str, command: Command, payload: Any, environment: Mapping[str, str]) -> Played:
        before = self._lines()
        own = self._here(self._recording.get("environment", {}))
        tree = git.snapshot(self.worktree)
        started = time.monotonic()
        done = subprocess.run(
            ["/bin/sh", "-c", command] if isinstance(command, str) else [*command],
            input=json.dumps(payload).encode() + b"\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.root,
            env={**environment, **own},
            timeout=30,
            check=False,
        )
        seconds = time.monotonic() - started
        lines = tuple(line for line in self._lines() if line not in before)
        return Played(event, done.returncode, done.stdout.decode(errors="replace"), seconds, lines, tree)

    def _lines(self) -> list[dict[str, Any]]:
        below = Path(self.contract.name, "hooks", f"{self.session_id}.jsonl")
        places = (self.transcript, self.root / ".opentraces" / below, self._sidecars / below)
        texts = [path.read_text(encoding="utf-8") for path in places if path.exists()]
        parsed = [_line(line) for text in texts for line in text.splitlines()]
        return [line for line in parsed if line.get("type") == "opentraces_hook"]

    def _apply(self, effect: Mapping[str, str]) -> None:
        if "write" in effect:
            self._write(effect["write"], effect["text"])
        else:
            (self.root / effect["delete"]).unlink()

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _grow(self, event: Mapping[str, Any]) -> None:
        """Append what the agent had written to its transcripts by then."""
        if self._database is not None:
            self._database.put([self._here(row) for row in event.get("transcript", [])])
            return
        self._append(self.transcript, event.get("transcript", []))
        for name, lines in event.get("subagents", {}).items():
            folder = self.transcript.with_suffix("") / _SUBAGENT_FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            self._append(folder / name, lines)

    def _append(self, path: Path, lines: list[Any]) -> None:
        if lines:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(_now(self._here(line)), ensure_ascii=False) + "\n" for line in lines)

    def _here(self, value: Any) -> Any:
        """The recording's placeholders, made paths of this rehearsal."""
        session_dir = str(self.transcript.with_suffix(""))
        match value:
            case str():
                placed = value.replace("{transcript}", str(self.transcript)).replace("{session_dir}", session_dir)
                placed = placed.replace("{session}", self.session_id).replace("{scratch}", str(self._scratch))
                return placed.replace("{root}", str(self.root))
            case list():
                return [self._here(item) for item in value]
            case dict():
                return {key: self._here(item) for key, item in value.items()}
            case _:
                return value

    def _git(self, *arguments: str) -> None:
        """The recording's own commits need an identity, and none of the user's settings (signing, templates, hooks)."""
        names = {f"GIT_{who}_{what}": "hookkit" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        git.run(self.root, *arguments, extra=names | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull})


@contextlib.contextmanager
def scratch_folder(prefix: str, keep: bool = False) -> Iterator[Path]:
    """A folder for rehearsals that is gone afterwards, also where the process is told to end. keep: it stays.

    Ingests that hooks started there are waited for: one that begins late would make the folder anew.
    """
    with _ended_by_exception():
        scratch = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        try:
            yield scratch
        finally:
            wait_until_idle(scratch)
            if not keep:
                shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _ended_by_exception() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the program instead of ending it on the spot."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def wait_until_idle(scratch: Path) -> None:
    """Wait until no process is about a path in ``scratch``: no ingest that a hook started there."""
    quiet, deadline = 0, time.monotonic() + _IDLE_WAIT
    while quiet < 2 and time.monotonic() < deadline:
        # Twice in a row: in the moment of its start a process shows no command line.
        quiet = 0 if _named_by_a_process(scratch) else quiet + 1
        time.sleep(0.05)


def _named_by_a_process(scratch: Path) -> bool:
    """Whether the command line of a running process names a path in ``scratch``."""
    wanted = os.fsencode(scratch) + b"/"
    if os.path.isdir("/proc/self"):
        return any(wanted in _command_line(folder) for folder in Path("/proc").glob("[0-9]*"))
    with contextlib.suppress(OSError):
        return wanted in subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, check=False).stdout
    return False


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _line(text: str) -> dict[str, Any]:
    """A line of a file that need not be ours, nor of lines of JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _now(line: dict[str, Any]) -> dict[str, Any]:
    """The line as if it were written now: its time is compared with that of the hook lines, which are."""
    now = datetime.now(UTC)
    match line.get("timestamp"):
        case str():
            return line | {"timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case int():
            return line | {"timestamp": int(now.timestamp() * 1000)}
        case _:
            return line
