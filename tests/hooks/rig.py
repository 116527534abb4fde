"""What the tests of the hooks share: installed scripts, an agent's session, a repository, git as independent judge."""

from __future__ import annotations

import functools
import importlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema

from hookkit.agents.claude_code import CONTRACT

ROOT = Path(__file__).resolve().parents[2]
INTERPRETER = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
EVENTS = tuple(event.name for event in CONTRACT.events)
SESSION = "612003f6-6a8e-4c9b-9d51-0c0c1f2a7b11"
VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "hook-line.schema.json").read_text()))

Payload = dict[str, Any]


def hook_module(name: str) -> ModuleType:
    """A module of hooks/, imported into the test's own process."""
    sys.path.append(str(ROOT / "hooks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "hooks"))


def git(root: Path, *arguments: str, check: bool = True, **environment: str) -> str:
    """stdout of a git command, run the way a user would."""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, env={**os.environ, **environment}, check=False
    )
    assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def make_repository(root: Path, *options: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main", *options)
    git(root, "config", "user.name", "Test")
    git(root, "config", "user.email", "test@localhost")
    return root


def commit(root: Path, message: str = "a commit") -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


def expected_tree(root: Path) -> str:
    """The id of `git add -A && git write-tree` on a copy of the user's index, objects into a throw-away folder."""
    git_dir = Path(git(root, "rev-parse", "--absolute-git-dir"))
    objects = (root / git(root, "rev-parse", "--git-path", "objects")).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        if (git_dir / "index").exists():
            shutil.copy2(git_dir / "index", index)
        quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
        own = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        }
        quiet = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.safecrlf=false")
        settings = [word for setting in quiet for word in ("-c", setting)]
        git(root, *settings, "add", "-A", "--ignore-errors", check=False, **own)
        return git(root, *settings, "write-tree", **own)


def tree_of(root: Path, name: str) -> str:
    """What git lists under `name` in the newest tree that the hooks made."""
    return git(root, "ls-tree", "-r", name, GIT_ALTERNATE_OBJECT_DIRECTORIES=str(private(root) / "objects"))


def private(root: Path) -> Path:
    return (root / git(root, "rev-parse", "--git-common-dir")).resolve() / "hookkit"


class Rig:
    """Hooks as the installer leaves them, and a session of Claude Code in one project."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        self.base = base
        self.home = base / "home"
        self.hooks = base / "hook scripts"
        self.state = base / "state"
        self.session = SESSION
        self.project = project or base / "project"
        self.transcript = self.home / ".claude" / "projects" / "-project" / f"{SESSION}.jsonl"
        for folder in (self.hooks, self.project, self.transcript.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)
        self.runtime(ingest=None)

    def runtime(self, **settings: Any) -> None:
        """Write the file that the installer leaves beside the scripts."""
        content = {"version": "0", "home": str(self.base / "data"), "state": str(self.state), **settings}
        (self.hooks / "runtime.json").write_text(json.dumps(content))

    def record_ingest(self, name: str = "ingest.json") -> Path:
        """Let the ingest be a program that writes what it was given into the file that is returned."""
        program, report = self.base / f"{name}.py", self.base / name
        program.write_text(_INGEST.format(report=str(report)))
        self.runtime(ingest=[INTERPRETER, "-I", "-S", str(program)])
        return report

    def patch(self, script: str, old: str, new: str) -> None:
        """Change a constant of an installed script."""
        text = (self.hooks / script).read_text()
        assert text.count(old) == 1
        (self.hooks / script).write_text(text.replace(old, new))

    @property
    def command(self) -> str:
        """The string that is registered in the agent's settings."""
        script = self.hooks / CONTRACT.hook_entry
        return f"{shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(script))} >/dev/null 2>&1 || :"

    def environment(self, **changes: str | None) -> dict[str, str]:
        """What Claude Code gives a hook; None takes a variable away."""
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "CLAUDECODE": "1",
            "CLAUDE_PROJECT_DIR": str(self.project),
            "CLAUDE_CODE_SESSION_ID": self.session,
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        """What Claude Code 2.1.197 sends at the event; a value of ... takes a field away."""
        sent = {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "prompt_id": "e602eabf-19f7-4a3e-9d4f-55d2a9a01c77",
            "permission_mode": "bypassPermissions",
            "hook_event_name": event,
            **FIELDS[event],
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def begin(self, content: bytes = b'{"type":"user","uuid":"1"}\n') -> bytes:
        """Let the transcript exist."""
        self.transcript.write_bytes(content)
        return content

    def start(
        self, stdin: Any = subprocess.PIPE, cwd: Path | None = None, pass_fds: Any = (), **changes: str | None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", self.command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or self.project,
            env=self.environment(**changes),
            pass_fds=pass_fds,
            start_new_session=True,
        )

    def send(self, raw: bytes, cwd: Path | None = None, **changes: str | None) -> None:
        """Run the registered command with `raw` on stdin; it must end well and say nothing."""
        process = self.start(cwd=cwd, **changes)
        assert self.finish(process, raw) == (0, b"", b"")

    @staticmethod
    def finish(process: subprocess.Popen[bytes], raw: bytes | None = None) -> tuple[int, bytes, bytes]:
        try:
            said, wrong = process.communicate(raw, timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return process.returncode, said, wrong

    def fire(
        self, event: str, cwd: Path | None = None, env: Mapping[str, str | None] | None = None, **changes: Any
    ) -> Payload:
        """Run the hook for one event; the one line that it wrote."""
        before = self.lines()
        self.send(json.dumps(self.payload(event, **changes)).encode() + b"\n", cwd, **(env or {}))
        new = [line for line in self.lines() if line not in before]
        assert len(new) == 1, new
        return new[0]

    def tree(self, event: str = "PreToolUse", **arguments: Any) -> str:
        """The tree id of the line that the event writes."""
        line = self.fire(event, **arguments)
        assert "trail" in line["data"], line
        found: str = line["data"]["trail"]["tree_id"]["hex"]
        return found

    def trail(self) -> Payload:
        """What a line says of the worktree as it is now, by git's word."""
        head = {"algo": "sha1", "hex": git(self.project, "rev-parse", "HEAD")}
        tree = {"algo": "sha1", "hex": expected_tree(self.project)}
        return {"worktree_root": str(self.project.resolve()), "tree_id": tree, "git_head": head}

    def files(self) -> set[Path]:
        """Everything that is there, but for what git and Python leave."""
        return {path for path in self.base.rglob("*") if not {".git", "__pycache__"} & set(path.parts)}

    def send_odd(self, payload: Payload) -> None:
        """Send what no agent sends: it leaves one valid line at most, and nothing that is not in its place."""
        before = self.files()
        self.send(json.dumps(payload).encode())
        assert len(self.lines()) <= 1
        for path in self.files() - before:
            assert path.is_relative_to(self.project / ".opentraces") or path.is_relative_to(self.state), path
            assert path.is_dir() or path.name in (".gitignore", f"{self.session}.jsonl", "worktrees"), path

    def sidecars(self) -> list[Path]:
        folders = [self.project / ".opentraces", self.state / "sidecars"]
        return [path for folder in folders for path in sorted(folder.rglob("*.jsonl"))]

    def lines(self) -> list[Payload]:
        """Every hook line of the session, each valid by the schema; the transcript's first."""
        return [line for path in (self.transcript, *self.sidecars()) for line in hook_lines(path)]

    def limitations(self) -> list[str]:
        """Of the newest line."""
        found: list[str] = self.lines()[-1]["data"].get("limitations", [])
        return found


def hook_lines(path: Path) -> list[Payload]:
    if not path.exists():
        return []
    raw = [text for text in path.read_bytes().split(b"\n") if text.startswith(b'{"type":"opentraces_hook"')]
    assert all(len(text) < 16 << 10 for text in raw)
    return [_valid(text) for text in raw]


@functools.cache
def _valid(text: bytes) -> Payload:
    line: Payload = json.loads(text, parse_constant=_refuse)
    VALIDATOR.validate(line)
    return line


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def fake_git(folder: Path, script: str) -> str:
    """A PATH on which `git` is this shell script; "$REAL" is the real one."""
    folder.mkdir(exist_ok=True)
    real = shutil.which("git")
    program = folder / "git"
    program.write_text(f"#!/bin/sh\nREAL={shlex.quote(str(real))}\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def snapshot(root: Path) -> dict[str, Any]:
    """Everything of the user's in a repository that a hook must leave as it is."""
    git_dir = Path(git(root, "rev-parse", "--absolute-git-dir"))
    common = (root / git(root, "rev-parse", "--git-common-dir")).resolve()
    quiet = {"GIT_OPTIONAL_LOCKS": "0"}
    index = git_dir / "index"
    return {
        "index": (index.read_bytes(), index.stat().st_mtime_ns, index.stat().st_ino) if index.exists() else None,
        "head": (git_dir / "HEAD").read_bytes(),
        "refs": git(root, "for-each-ref"),
        "objects": sorted(str(path) for path in (common / "objects").rglob("*")),
        "config": (common / "config").read_bytes(),
        "folders": sorted(path.name for path in {*common.iterdir(), *git_dir.iterdir()} if path.name != "hookkit"),
        "status": git(root, "status", "--porcelain=v2", "--ignored=no", **quiet),
    }


def processes_with(text: str) -> Iterable[int]:
    """Ids of the running processes whose command line holds `text`."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text.encode() in (entry / "cmdline").read_bytes().replace(b"\0", b" "):
                yield int(entry.name)
        except OSError:
            continue


_INGEST = """import json, os, sys
descriptors = {{}}
for number in os.listdir("/proc/self/fd"):
    try:
        descriptors[number] = os.readlink("/proc/self/fd/" + number)
    except OSError:
        pass
report = {{
    "arguments": sys.argv[1:], "cwd": os.getcwd(), "session": os.getsid(0), "pid": os.getpid(),
    "descriptors": descriptors, "environment": dict(os.environ),
}}
with open({report!r} + ".part", "w") as file:
    json.dump(report, file)
os.replace({report!r} + ".part", {report!r})
"""
_CALL = {"tool_name": "Bash", "tool_input": {"command": "pwd"}, "tool_use_id": "toolu_1795331453858026_0"}
_END = {"stop_hook_active": False, "last_assistant_message": "done", "background_tasks": [], "session_crons": []}
FIELDS: dict[str, Payload] = {
    "SessionStart": {"source": "startup", "model": "claude-opus-4-8", "prompt_id": ...},
    "UserPromptSubmit": {"prompt": "Please mend it."},
    "PreToolUse": {**_CALL, "effort": {"level": "high"}},
    "PostToolUse": {
        **_CALL,
        "tool_response": {"stdout": "/x", "stderr": "", "interrupted": False, "isImage": False},
        "duration_ms": 32,
    },
    "PostToolUseFailure": {**_CALL, "error": "Exit code 3\nno", "is_interrupt": False, "duration_ms": 7},
    "SubagentStart": {"agent_id": "a3117c16562fad053", "agent_type": "general-purpose"},
    "SubagentStop": {
        "agent_id": "a3117c16562fad053",
        "agent_type": "general-purpose",
        "agent_transcript_path": "/home/u/.claude/projects/-x/subagents/agent-a3117c16562fad053.jsonl",
        **_END,
    },
    "PreCompact": {"trigger": "manual", "custom_instructions": "keep the plan"},
    "PostCompact": {"trigger": "manual", "compact_summary": "What was said."},
    "Stop": _END,
    "StopFailure": {"error": "rate_limit", "error_details": "429", "last_assistant_message": "…"},
    "SessionEnd": {"reason": "other"},
}
