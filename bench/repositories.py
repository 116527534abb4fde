"""Git repositories of a given size, and everything a hook needs to run in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.timing import Command

SESSION = "5e551011-0000-4000-8000-000000000001"


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment with nothing of the user's but PATH."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | extra


def make(folder: Path, files: int) -> Path:
    """A committed repository of ``files`` files of forty lines, a hundred to a folder."""
    folder.mkdir(parents=True)
    for number in range(files):
        path = folder / f"dir{number // 100:04d}" / f"file{number:05d}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"value_{line} = {number * line}\n" for line in range(40)))
    git = ["git", "-C", str(folder), "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


@dataclass(slots=True)
class Toucher:
    """Changes one file of the repository each time it is called: the edit that a tool call makes."""

    repository: Path
    count: int = 0

    def __call__(self) -> None:
        self.count += 1
        (self.repository / "dir0000" / "file00000.py").write_text(f"edited = {self.count}\n" * 40)


def transcript(home: Path) -> Path:
    """An existing Claude transcript for the hooks to append to."""
    path = home / ".claude" / "projects" / "bench" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def payload(home: Path, repository: Path, event: str) -> bytes:
    """What Claude Code 2.1 sends for an Edit."""
    edited = str(repository / "dir0000" / "file00000.py")
    body = {
        "session_id": SESSION,
        "transcript_path": str(transcript(home)),
        "cwd": str(repository),
        "prompt_id": "5e551011-0000-4000-8000-000000000002",
        "permission_mode": "bypassPermissions",
        "hook_event_name": event,
        "tool_name": "Edit",
        "tool_input": {"file_path": edited, "old_string": "value_1 = 0", "new_string": "value_1 = 1"},
        "tool_use_id": "toolu_bench",
    }
    if event == "PostToolUse":
        hunk = {"oldStart": 2, "oldLines": 1, "newStart": 2, "newLines": 1, "lines": ["-value_1 = 0", "+value_1 = 1"]}
        body["tool_response"] = {"filePath": edited, "structuredPatch": [hunk]}
        body["duration_ms"] = 3
    return json.dumps(body).encode()


def registered(settings: Path, event: str) -> str:
    """The command registered last for ``event`` in a Claude settings file."""
    command = json.loads(settings.read_text())["hooks"][event][-1]["hooks"][-1]["command"]
    assert isinstance(command, str)
    return command


def hook(home: Path, repository: Path, command: str, event: str, touch: bool) -> Command:
    """The registered command, run as Claude Code runs it."""
    env = clean_environment(
        home,
        CLAUDECODE="1",
        CLAUDE_PROJECT_DIR=str(repository),
        CLAUDE_CODE_SESSION_ID=SESSION,
        HOOKKIT_HOME=str(home / "hk"),
    )
    before = Toucher(repository) if touch else (lambda: None)
    return Command(["/bin/sh", "-c", command], env, repository, payload(home, repository, event), before)


def floor(home: Path, repository: Path, touch: bool) -> Command:
    """The least that such a hook can cost: a bare interpreter with json, and git on a warm scratch index."""
    scratch = repository / ".git" / "bench"
    (scratch / "objects").mkdir(parents=True, exist_ok=True)
    env = clean_environment(
        home,
        GIT_INDEX_FILE=str(scratch / "index"),
        GIT_OBJECT_DIRECTORY=str(scratch / "objects"),
        GIT_ALTERNATE_OBJECT_DIRECTORIES=str(repository / ".git" / "objects"),
    )
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    script = f"'{interpreter}' -I -S -c 'import json'; git add -A; git write-tree"
    before = Toucher(repository) if touch else (lambda: None)
    return Command(["/bin/sh", "-c", script], env, repository, before=before)
