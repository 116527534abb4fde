"""A fresh machine for one agent: empty HOME, fresh git repository, bare environment, loopback only."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .drivers.base import Driver, Heard, Place
from .model_server import ModelServer, Recorded
from .programs import InstalledAgent
from .script import Bash, Script, Text, Turn

Json = dict[str, Any]

# Long enough for a loaded machine; nothing in the lane waits for it unless something is broken.
PATIENCE = 90.0

_PROC = Path("/proc")
_WITNESS = Path(__file__).with_name("witness.py")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the agent gave back, and what it asked the model."""

    session_id: str
    returncode: int
    stdout: str
    stderr: str
    requests: list[Recorded]

    @property
    def result(self) -> Json:
        """The document of ``--output-format json``."""
        document: Json = json.loads(self.stdout)
        return document

    @property
    def records(self) -> list[Json]:
        """The lines of ``--output-format stream-json``."""
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Note:
    """What the witness saw at one event. heard: the payload in hookkit's words."""

    payload: Json
    tree: str | None
    heard: Heard

    @property
    def event(self) -> str:
        return self.heard.event

    @property
    def call(self) -> str | None:
        return self.heard.call


class Sandbox:
    """One HOME and one repository under ``base``, and the ways to act in them.

    session_id: of every run here that does not say otherwise; "" until the first run of an agent that draws it itself.
    variables: what the user has put where the shell starts, besides.
    The repository's commits carry fixed dates, so two sandboxes that saw the same actions have the same commit ids.
    """

    def __init__(
        self, driver: Driver, agent: InstalledAgent, server: ModelServer, base: Path, session_id: str | None = None
    ) -> None:
        self.session_id = session_id or (str(uuid.uuid4()) if driver.chooses_session else "")
        self.variables: dict[str, str] = {}
        self.driver = driver
        self.agent = agent
        self.server = server
        self.base = base
        self.home = base / "home"
        self.project = base / "project"
        self.log = base / "witness.jsonl"
        self.home.mkdir(parents=True)
        self.project.mkdir()
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = Dev\n\temail = dev@example.invalid\n[init]\n\tdefaultBranch = main\n", encoding="utf-8"
        )
        driver.configure(self.place)

    @property
    def place(self) -> Place:
        return Place(self.home, self.project, self.server.url, self.agent.program)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of everything that runs here."""
        return {
            "HOME": str(self.home),
            "PATH": _path(),
            "LANG": "C.UTF-8",
            "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
            "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
            **self.driver.env(self.place),
            **self.variables,
        }

    # The repository

    def write(self, files: Mapping[str, str | bytes], under: Path | None = None) -> None:
        for name, content in files.items():
            path = (under or self.project) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def git(self, *args: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *args], cwd=cwd or self.project, env=self.env, capture_output=True, check=True)
        return os.fsdecode(done.stdout)

    def repository(self, files: Mapping[str, str | bytes] | None = None, *, commit: bool = True) -> None:
        """Make ``project`` a repository that holds ``files``."""
        self.git("init", "-q")
        self.write({"README.md": "A project.\n", "old.txt": "one\ntwo\nthree\n"} if files is None else files)
        if commit:
            self.git("add", "-A")
            self.git("commit", "-qm", "Start")

    def commit(self, message: str = "Work") -> None:
        """Commit everything, at the time that it is: hookkit asks when a commit was made."""
        self.git("add", "-A")
        env = {name: value for name, value in self.env.items() if not name.endswith("_DATE")}
        subprocess.run(["git", "commit", "-qm", message], cwd=self.project, env=env, check=True)

    # The agent

    @property
    def settings(self) -> Path:
        return self.driver.settings(self.place)

    @property
    def witness_command(self) -> str:
        return shlex.join([interpreter(), "-I", "-S", str(_WITNESS), str(self.log)])

    def witness(self) -> None:
        """Register the witness for every event in the user's settings, where the agent has command hooks."""
        if self.driver.events:
            self.driver.witness(self.place, self.witness_command)

    def notes(self) -> list[Note]:
        """What the witness saw so far, in order, of the events that hookkit asks for."""
        if not self.log.exists():
            return []
        seen = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            heard = self.driver.hear(note["payload"])
            if heard:
                seen.append(Note(note["payload"], note["tree"], heard))
        return seen

    def command(
        self, prompt: str, session_id: str | None, *, resume: bool = False, extra: Sequence[str] = ()
    ) -> list[str]:
        """The agent's headless command line."""
        return self.driver.command(self.place, prompt, session_id=session_id, resume=resume, extra=extra)

    def run(
        self, script: Script, prompt: str = "Go on.", *, session_id: str | None = None, cwd: Path | None = None,
        resume: bool = False, extra: Sequence[str] = (),
    ) -> Run:  # fmt: skip
        """Run the agent once, headless, until it ends by itself."""
        session_id = session_id or self.session_id
        known = set() if session_id else {known for known, _ in self.driver.sessions(self.place)}
        self.server.play(script)
        done = subprocess.run(
            self.command(prompt, session_id or None, resume=resume, extra=extra),
            cwd=cwd or self.project, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        if not session_id:
            self._learn_session()
            session_id = next((new for new, _ in self.driver.sessions(self.place) if new not in known), "")
        return Run(session_id, done.returncode, done.stdout, done.stderr, self.server.requests)

    def start(self, script: Script, prompt: str = "Go on.") -> subprocess.Popen[bytes]:
        """Start the agent in a process group of its own and do not wait for it."""
        self.server.play(script)
        return subprocess.Popen(
            self.command(prompt, self.session_id or None), cwd=self.project, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def kill_in_a_call(self, *before: Turn) -> None:
        """Run the agent and kill it while a command runs that has made begun.txt and would go on for ever.

        before: turns that come first. By then the session's file tells of the command, if the agent's does so at all:
        agents write a little later than they act.
        """
        release = self.base.parent / "release"
        endless = f"echo begun > begun.txt; until [ -e '{release}' ]; do sleep 0.05; done"
        agent = self.start(Script([*before, [Bash(endless)], [Text("Never said.")]]))
        words = b"begun.txt; until" if self.driver.tells_of_running_calls else b""
        for _ in attempts():
            if (self.project / "begun.txt").exists() and self._tells_of(words):
                break
        else:
            raise AssertionError("the command never began, or the session's file never told of it")
        os.killpg(agent.pid, signal.SIGKILL)  # the program may be a child of what was started
        agent.wait()
        release.touch()
        self.settle()

    def _tells_of(self, words: bytes) -> bool:
        kept = {path.with_name(path.name + end) for _, path in self.driver.sessions(self.place) for end in ("", "-wal")}
        return any(words in path.read_bytes() for path in kept if path.is_file())

    def transcript(self, session_id: str | None = None) -> Path:
        """The session's transcript, wherever the agent put it."""
        wanted = session_id or self.session_id
        (found,) = (path for known, path in self.driver.sessions(self.place) if known == wanted)
        return found

    def _learn_session(self) -> None:
        """The session of an agent that draws the id itself is the first one that it kept."""
        if not self.session_id:
            self.session_id = next((known for known, _ in self.driver.sessions(self.place)), "")

    # hookkit

    def hookkit(self, *args: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "hookkit", *args],
            cwd=cwd or self.project, env={**self.env, "PATH": self._path_of_the_user()}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"hookkit {shlex.join(args)} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def install(self) -> None:
        """Let hookkit install itself for the agent, so that its hooks run without any further question."""
        self.hookkit("install", self.agent.name, *self.driver.install_options)

    def export_to(self, endpoint: str, protocol: str) -> None:
        """Let hookkit tell the agent where its telemetry goes; where only variables can, do what hookkit says."""
        told = ["--telemetry", "--telemetry-endpoint", endpoint, "--telemetry-protocol", protocol]
        done = self.hookkit("install", self.agent.name, *self.driver.install_options, *told, check=False)
        said = done.stderr.rpartition("export ")[2]
        if done.returncode == 1 and said:
            self.variables |= dict(word.split("=", 1) for word in shlex.split(said))
        elif done.returncode:
            raise AssertionError(f"telemetry was not wired: {done.stderr}")

    def _path_of_the_user(self) -> str:
        """Somebody who installs hookkit for an agent has the agent on PATH, though no other one of ours."""
        folder = self.base / "bin"
        if not folder.exists():
            folder.mkdir()
            (folder / self.agent.program.name).symlink_to(self.agent.program)
        return os.pathsep.join((self.env["PATH"], str(folder)))

    def trace(self, until: Callable[[Json], bool] = lambda trace: True) -> Json:
        """The stored trace of the session, as ``hookkit show --json`` prints it, once ``until`` holds for it."""
        shown = None
        for round_ in attempts():
            self.settle()
            if round_ > 20 and _PROC.exists():
                break  # nothing is running any more that could still write it
            shown = self.hookkit("show", self.session_id, "--json", check=False)
            if shown.returncode == 0 and until(json.loads(shown.stdout)):
                return json.loads(shown.stdout)  # type: ignore[no-any-return]
        raise AssertionError(f"no such trace; last seen: {shown}")

    def settle(self) -> None:
        """Wait until no process is left that was started in this sandbox (detached ingests included)."""
        quiet = 0
        for _ in attempts():
            # Twice in a row: a process shows no environment in the moment between fork and exec.
            quiet = 0 if list(_processes(self.base)) else quiet + 1
            if quiet == 2:
                self._learn_session()
                return
        raise AssertionError(f"still running: {list(_processes(self.base))}")

    def close(self) -> None:
        self.settle()
        shutil.rmtree(self.base)


def hookkit(*args: str) -> subprocess.CompletedProcess[str]:
    """Run hookkit outside of every sandbox, for what it says about itself."""
    return subprocess.run(
        [sys.executable, "-m", "hookkit", *args], capture_output=True, text=True, timeout=PATIENCE, check=True
    )


def attempts() -> Iterator[int]:
    """Rounds of a waiting loop, counted, until the patience is over."""
    end = time.monotonic() + PATIENCE
    for number in itertools.count():
        if time.monotonic() > end:
            return
        yield number
        time.sleep(0.02)


def _processes(base: Path) -> Iterator[tuple[int, str]]:
    """Processes whose environment names ``base``; none where the system does not show environments as files."""
    marker = f"HOME={base}/".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            if marker in (folder / "environ").read_bytes():
                yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def _path() -> str:
    folders = [str(Path(found).parent) for found in (shutil.which("git"), shutil.which("node")) if found]
    return os.pathsep.join(dict.fromkeys([*folders, "/usr/local/bin", "/usr/bin", "/bin"]))


def interpreter() -> str:
    return os.path.realpath(sys.executable)
