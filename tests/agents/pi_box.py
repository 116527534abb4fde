"""A fresh machine for Pi: empty HOME, fresh git repository, bare environment, hookkit's extension or none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .drivers.base import Place
from .drivers.pi import PiDriver
from .model_server import ModelServer, Recorded
from .pi_rpc import PiRpc
from .programs import InstalledAgent
from .sandbox import PATIENCE, interpreter
from .script import Script

Json = dict[str, Any]
HOOKS = Path(__file__).parents[2] / "hooks"


@dataclass(frozen=True, slots=True)
class Done:
    """What one run of Pi gave back, and what it asked the model."""

    returncode: int
    stdout: str
    stderr: str
    requests: list[Recorded]


class PiBox:
    """One HOME and one repository under ``base``, and the ways to act in them."""

    def __init__(self, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        self.base = base
        self.server = server
        self.driver = PiDriver()
        self.place = Place(base / "home", base / "project", server.url, agent.program)
        self.home, self.project = self.place.home, self.place.project
        self.home.mkdir(parents=True)
        self.project.mkdir()
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = Dev\n\temail = dev@example.invalid\n[init]\n\tdefaultBranch = main\n", encoding="utf-8"
        )
        self.driver.configure(self.place)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of everything that runs here."""
        folders = [str(Path(found).parent) for found in (shutil.which("git"), shutil.which("node")) if found]
        path = os.pathsep.join(dict.fromkeys([*folders, "/usr/bin", "/bin"]))
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **self.driver.env(self.place)}

    @property
    def extensions(self) -> Path:
        return self.driver.settings(self.place).parent

    def extension(self, name: str, text: str) -> None:
        """Somebody else's extension."""
        self.extensions.mkdir(parents=True, exist_ok=True)
        (self.extensions / name).write_text(text, encoding="utf-8")

    def wire(self, script: Path, program: str | None = None) -> None:
        """Put hookkit's extension there, with the script that it starts at each event."""
        text = (HOOKS / "hookkit_pi.ts").read_text(encoding="utf-8")
        text = text.replace("{{interpreter}}", json.dumps(program or interpreter()))
        self.extension("hookkit.ts", text.replace("{{script}}", json.dumps(str(script))))

    def hookkit(self) -> Path:
        """The scripts and the extension as the installer leaves them, without an ingest; gives the folder."""
        folder = self.base / "hook scripts"
        shutil.copytree(HOOKS, folder)
        state = {"version": "0", "home": str(self.base / "data"), "state": str(self.base / "state"), "ingest": None}
        (folder / "runtime.json").write_text(json.dumps(state), encoding="utf-8")
        self.wire(folder / "hookkit_pi.py")
        return folder

    # The repository

    def write(self, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.project, env=self.env, capture_output=True, check=True)
        return os.fsdecode(done.stdout).strip()

    def repository(self, files: Mapping[str, str] | None = None) -> None:
        self.git("init", "-q")
        self.write({"README.md": "A project.\n", "old.txt": "one\ntwo\nthree\n"} if files is None else files)
        self.git("add", "-A")
        self.git("commit", "-qm", "Start")

    # The agent

    def run(
        self,
        script: Script,
        prompt: str = "Go on.",
        *,
        session_id: str | None = None,
        cwd: Path | None = None,
        extra: Sequence[str] = (),
        **environment: str,
    ) -> Done:
        """Run Pi once, headless, until it ends by itself. session_id: of the session to go on with."""
        self.server.play(script)
        command = self.driver.command(
            self.place, prompt, session_id=session_id, resume=session_id is not None, extra=extra
        )
        done = subprocess.run(
            command, cwd=cwd or self.project, env={**self.env, **environment}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr, self.server.requests)

    def rpc(self, script: Script) -> PiRpc:
        self.server.play(script)
        first, *rest = self.driver.command(self.place, "")[:-2]
        return PiRpc([first, *rest, "--mode", "rpc"], self.project, self.env)

    def sessions(self) -> list[tuple[str, Path]]:
        return list(self.driver.sessions(self.place))

    def lines(self) -> list[Json]:
        """Every hook line in the project, in order of time."""
        found = []
        for path in (self.project / ".opentraces" / "pi" / "hooks").glob("*.jsonl"):
            found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return sorted(found, key=lambda line: str(line["timestamp"]))
