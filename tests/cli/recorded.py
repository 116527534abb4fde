"""Sessions played in a real repository: real trees at every boundary, a trace in the store, real trail events."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hookkit import paths
from hookkit.capture.identity import trace_id
from hookkit.capture.record import Record, canonical, new_head, new_step
from hookkit.store.files import replace_file, trace_path

START = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
MODEL = "anthropic/claude-opus-4-8"


@dataclass
class World:
    """A repository and a clock; every boundary, commit and edit takes a second."""

    root: Path
    second: int = 0
    sessions: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, check: bool = True) -> str:
        date = f"{int(self.now.timestamp())} +0000"
        env = dict(os.environ) | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = subprocess.run(["git", "-C", str(self.root), *arguments], env=env, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.decode(errors="replace").strip()

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def tick(self) -> str:
        self.second += 1
        return self.now.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def commit(self, message: str, **files: str) -> str:
        """Commit everything that is there, after writing ``files`` (``a_txt`` is a.txt); gives the commit's id."""
        self.tick()
        for name, content in files.items():
            self.write(name.replace("_", "."), content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def boundary(self) -> dict[str, Any]:
        """What a hook records at a boundary: the tree id of the whole worktree, in the private store."""
        folder = self.root / self.git("rev-parse", "--git-common-dir") / "hookkit"
        (folder / "objects").mkdir(parents=True, exist_ok=True)
        git_dir = self.root / self.git("rev-parse", "--git-dir")
        index = git_dir / "hookkit-test-index"
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(git_dir / "index", index)
        env = dict(os.environ) | {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(folder.parent / "objects"),
        }
        for command in (["add", "-A"], ["write-tree"]):
            done = subprocess.run(["git", "-C", str(self.root), *command], env=env, capture_output=True, check=True)
        index.unlink()
        head = self.git("rev-parse", "-q", "--verify", "HEAD", check=False)
        tree = done.stdout.decode().strip()
        return {
            "worktree_root": str(self.root),
            "tree_id": {"algo": "sha1" if len(tree) == 40 else "sha256", "hex": tree},
            "git_head": {"algo": "sha1" if len(head) == 40 else "sha256", "hex": head} if head else None,
        }

    def session(self, number: int = 1) -> Session:
        session = Session(self, f"{number:08x}-0000-4000-8000-000000000000")
        self.sessions.append(session)
        return session


@dataclass
class Session:
    """One session of an agent."""

    world: World
    session_id: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    pre: dict[str, Any] = field(default_factory=dict)
    post: dict[str, Any] = field(default_factory=dict)
    stops: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    project: str | None = None

    def __post_init__(self) -> None:
        self.events.append(self._event("SessionStart"))

    @property
    def trace_id(self) -> str:
        return trace_id("claude-code", self.session_id)

    def prompt(self, text: str) -> int:
        """A turn begins; gives the index of the prompt's step."""
        self.events.append(self._event("UserPromptSubmit"))
        step = new_step("user", self.world.tick())
        step["content"] = text
        return self._add(step)

    @contextlib.contextmanager
    def call(
        self, tool: str, call_id: str, *, error: str | None = None, same_step: bool = False, **given: Any
    ) -> Iterator[int]:
        """A tool call: what happens inside the block is its window. Yields the index of its step."""
        self.begin(call_id, tool, given, same_step=same_step)
        yield len(self.steps) - 1
        self.end(call_id, error=error)

    def begin(self, call_id: str, tool: str, given: Mapping[str, Any], *, same_step: bool = False) -> None:
        trail = self.world.boundary()
        stamp = self.world.tick()
        self.pre[call_id] = {
            "timestamp": stamp, "tool": tool, "tool_input": dict(given), "trail": trail, "event": "PreToolUse",
        }  # fmt: skip
        if not same_step:
            self._add(new_step("agent", stamp) | {"model": MODEL})
        self.steps[-1]["tool_calls"].append(
            {"tool_call_id": call_id, "tool_name": tool, "input": dict(given), "duration_ms": 5}
        )

    def end(self, call_id: str, *, error: str | None = None) -> None:
        trail = self.world.boundary()
        opened = self.pre[call_id]
        self.post[call_id] = {
            "timestamp": self.world.tick(), "tool": opened["tool"], "file_path": opened["tool_input"].get("file_path"),
            "start_line": None, "end_line": None, "content_hash": None, "confidence": None, "limitations": [],
            "capture_status": "captured", "trail": trail, "event": "PostToolUseFailure" if error else "PostToolUse",
        }  # fmt: skip
        step = next(step for step in self.steps if any(c["tool_call_id"] == call_id for c in step["tool_calls"]))
        step["observations"].append(
            {"source_call_id": call_id, "content": error or "ok", "output_summary": None, "error": error}
        )

    def stop(self) -> None:
        self.stops.append(self._event("Stop"))

    def edit(self, call_id: str, name: str, content: str | bytes, *, tool: str = "Write") -> int:
        """A whole call that writes one file; gives the index of its step."""
        with self.call(tool, call_id, file_path=str(self.world.root / name)) as step:
            self.world.write(name, content)
        return step

    def ingest(self) -> Session:
        """Store the trace and emit its events, as the ingest does."""
        from hookkit.trails.emit import emit_step_window_events_from_record

        record = self.store()
        emit_step_window_events_from_record(self.world.root, record)
        return self

    def store(self) -> dict[str, Any]:
        head = new_head(self.trace_id, self.session_id, "claude-code")
        head["task"]["description"] = next((s["content"] for s in self.steps if s["role"] == "user"), None)
        head["timestamp_start"], head["timestamp_end"] = self.events[0]["timestamp"], self.world.tick()
        head["environment"]["vcs"]["type"] = "git"
        calls = sum(len(step["tool_calls"]) for step in self.steps)
        metadata = {
            "project": self.project or str(self.world.root),
            "capture": {"turns": 1, "tool_calls": calls, "failed_tool_calls": 0, "complete": True, "models": [MODEL]},
            "hook_pre_tool_use": self.pre,
            "hook_post_tool_use": self.post,
            "hook_stop": self.stops,
            "hook_events": self.events,
        }
        paths.private_dir(paths.traces())
        record = Record(head, metadata, [canonical(step) for step in self.steps])
        replace_file(trace_path(self.trace_id), record.text())
        loaded: dict[str, Any] = json.loads(trace_path(self.trace_id).read_bytes())
        return loaded

    def _add(self, step: dict[str, Any]) -> int:
        self.steps.append(step | {"step_index": len(self.steps), "call_type": "main"})
        return len(self.steps) - 1

    def _event(self, name: str) -> dict[str, Any]:
        return {
            "timestamp": self.world.tick(),
            "event": name,
            "session_id": self.session_id,
            "trail": self.world.boundary(),
        }


def retries(world: World) -> Session:
    """The example of the README: a file that was there, a call that adds a line, a human who adds another."""
    world.write("src/app.py", "import os\n")
    world.commit("Begin")
    session = world.session()
    session.prompt("Name what to try again")
    session.prompt("Retry failed fetches")
    session.edit("toolu_01retry", "src/app.py", "import os\nimport time\n", tool="Edit")
    session.stop()
    world.write("src/app.py", "import os\nimport time\nimport urllib.request\n")
    session.prompt("Thanks")
    session.stop()
    world.commit("Retry failed fetches")
    return session.ingest()


@contextlib.contextmanager
def isolated(base: Path) -> Iterator[None]:
    """For fixtures that outlive a test: a home below ``base``, and nothing of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "HOOKKIT_"))]:
            patch.delenv(name)
        (base / "home").mkdir(parents=True)
        patch.setenv("HOME", str(base / "home"))
        patch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Jane Doe")
            patch.setenv(f"GIT_{who}_EMAIL", "jane@localhost")
        yield


@functools.cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    source = Path(__file__).parents[2] / "schemas" / f"{schema}.schema.json"
    found = json.loads(source.read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def valid(text: str, schema: str) -> Any:
    """What a command printed as JSON, checked against its schema."""
    body = json.loads(text)
    _validator(schema).validate(body)
    return body


def rows(text: str, schema: str) -> list[Any]:
    """The same of a command that prints one object a line."""
    return [valid(line, schema) for line in text.splitlines()]
