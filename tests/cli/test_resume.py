"""`hookkit resume`: the right command in the right folder; a worktree and a conversation as they were at a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents
from hookkit.capture.claude_code.parser import ClaudeCodeParser, encoded
from hookkit.capture.resume import Resumer, get_resumers
from hookkit.cli import run

from .recorded import World

SESSION = "00000001-0000-4000-8000-000000000000"


class Played:
    """A session of two turns in a repository with a commit, and its transcript where Claude Code keeps it."""

    def __init__(self, base: Path) -> None:
        self.world = World(base / "a repo")
        self.world.commit("Begin", README_md="# Demo\n")
        self.home = base / "home"
        self.session = self.world.session()
        self.lines: list[dict[str, Any]] = []
        self.session.prompt("Write it.")
        self._say("user", {"role": "user", "content": "Write it."})
        self.session.edit("toolu_1", "one.txt", "one\n")
        self._call("toolu_1", "Write", {"file_path": "one.txt", "content": "one\n"})
        self.session.edit("toolu_2", "two.txt", "two\n")
        self._call("toolu_2", "Write", {"file_path": "two.txt", "content": "two\n"})
        self.session.stop()
        self.session.prompt("Again.")
        self._say("user", {"role": "user", "content": "Again."})
        self.session.edit("toolu_3", "one.txt", "three\n")
        self._call("toolu_3", "Write", {"file_path": "one.txt", "content": "three\n"})
        self.session.stop()
        self.session.ingest()
        folder = self.home / ".claude" / "projects" / encoded(self.world.root)
        folder.mkdir(parents=True)
        self.transcript = folder / f"{SESSION}.jsonl"
        self.transcript.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def _say(self, kind: str, message: dict[str, Any]) -> None:
        number = len(self.lines)
        self.lines.append(
            {
                "type": kind,
                "uuid": f"u{number}",
                "parentUuid": f"u{number - 1}" if number else None,
                "sessionId": SESSION,
                "cwd": str(self.world.root),
                "timestamp": f"2026-01-05T10:00:{number:02d}.000Z",
                "message": message,
            }
        )

    def _call(self, call_id: str, tool: str, given: dict[str, Any]) -> None:
        block = {"type": "tool_use", "id": call_id, "name": tool, "input": given}
        self._say("assistant", {"id": f"m-{call_id}", "role": "assistant", "model": "m", "content": [block]})
        result = {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}
        self._say("user", {"role": "user", "content": [result]})


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    base = tmp_path.resolve()
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    monkeypatch.setenv("HOME", str(base / "home"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PATH", f"{base / 'bin'}:{os.environ['PATH']}")
    found = Played(base)
    monkeypatch.chdir(base)
    return found


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["resume", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file() and path.name != ".git"}


def test_a_dry_run_prints_the_agents_own_command_and_the_folder(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resume", "last", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"cd '{played.world.root}' && claude --resume {SESSION}\n"


def test_the_agent_is_started_there_with_its_session_and_its_exit_code_is_ours(played: Played, tmp_path: Path) -> None:
    program = tmp_path.resolve() / "bin" / "claude"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\npwd; echo "$@"; exit 7\n')
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "hookkit", "resume", "last"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, f"{played.world.root}\n--resume {SESSION}\n")


def test_a_program_that_is_not_here_is_named_with_the_command_to_type(
    played: Played, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run(["resume", "last"]) == 1
    assert f"claude --resume {SESSION}" in capsys.readouterr().err


def test_a_session_that_the_agent_deleted_cannot_be_resumed(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.transcript.unlink()
    assert run(["resume", "last"]) == 1
    assert "no longer has session" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "expected", "calls"),
    [
        (0, {"README.md": "# Demo\n"}, 0),
        (1, {"README.md": "# Demo\n", "one.txt": "one\n"}, 1),
        (2, {"README.md": "# Demo\n", "one.txt": "one\n", "two.txt": "two\n"}, 2),
        (4, {"README.md": "# Demo\n", "one.txt": "three\n", "two.txt": "two\n"}, 3),
    ],
)
def test_a_step_gives_a_linked_worktree_and_a_conversation_that_ends_there(
    played: Played, capsys: pytest.CaptureFixture[str], tmp_path: Path, step: int, expected: dict[str, str], calls: int
) -> None:
    into = tmp_path.resolve() / "then"
    status = played.world.git("status", "--porcelain=v2", "--branch")
    before = played.transcript.read_bytes()
    found = plan(capsys, "last", "--at-step", str(step), "--into", str(into))
    assert files(into) == expected
    assert found["files"] == len(expected)
    assert found["folder"] == str(into)
    assert str(into) in played.world.git("worktree", "list")
    # What was not committed then shows as such, and nothing of the user's own was touched.
    listed = subprocess.run(
        ["git", "-C", str(into), "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert sorted(listed.stdout.split("\n")[:-1]) == [f"?? {name}" for name in sorted(expected) if name != "README.md"]
    assert played.world.git("status", "--porcelain=v2", "--branch") == status
    assert played.transcript.read_bytes() == before
    copy = ClaudeCodeParser().find_session(found["session_id"])
    assert copy.parent.name == encoded(into)
    assert found["command"] == ["claude", "--resume", found["session_id"]]
    lines = [json.loads(line) for line in copy.read_text().splitlines()]
    assert {(line["sessionId"], line["cwd"]) for line in lines} == {(found["session_id"], str(into))}
    said = [
        block for line in lines if isinstance(line["message"]["content"], list) for block in line["message"]["content"]
    ]
    assert sum(block["type"] == "tool_use" for block in said) == calls
    assert sum(block["type"] == "tool_result" for block in said) == calls


def test_the_worktree_alone_needs_neither_the_agent_nor_its_session(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played.transcript.unlink()
    assert run(["resume", "last", "--at-step", "1", "--worktree-only"]) == 0
    name = played.session.trace_id[:8]
    beside = played.world.root.with_name(f"{played.world.root.name}-{name}-step-1")
    assert files(beside) == {"README.md": "# Demo\n", "one.txt": "one\n"}
    assert f"git worktree remove --force {beside}" in capsys.readouterr().out


def test_a_dry_run_of_a_step_makes_nothing(played: Played, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    into = tmp_path.resolve() / "then"
    assert run(["resume", "last", "--at-step", "1", "--into", str(into), "--dry-run"]) == 0
    assert "claude --resume" in capsys.readouterr().out
    assert not into.exists()
    assert len(list((played.home / ".claude" / "projects").glob("*/*.jsonl"))) == 1


@pytest.mark.parametrize("step", ["99", "-1"])
def test_a_step_that_is_not_there_is_a_matter_of_usage(played: Played, step: str) -> None:
    assert run(["resume", "last", "--at-step", step]) == 2


def test_a_folder_that_holds_something_is_refused_and_stays(
    played: Played, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    into = tmp_path.resolve() / "full"
    into.mkdir()
    (into / "mine.txt").write_text("mine")
    assert run(["resume", "last", "--at-step", "1", "--into", str(into)]) == 2
    assert files(into) == {"mine.txt": "mine"}
    assert str(into) not in played.world.git("worktree", "list")


def test_into_without_a_step_is_a_matter_of_usage(played: Played, tmp_path: Path) -> None:
    assert run(["resume", "last", "--into", str(tmp_path / "x")]) == 2


def test_an_object_that_is_gone_leaves_no_half_worktree(
    played: Played, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hookkit.trails import linked
    from hookkit.trails.boundaries import Boundary

    lost = Boundary("0" * 39 + "1", "", str(played.world.root), played.world.git("rev-parse", "HEAD"), None, ())
    monkeypatch.setattr("hookkit.trails.steps.at_step", lambda record, step: lost)
    into = tmp_path.resolve() / "then"
    assert run(["resume", "last", "--at-step", "1", "--into", str(into)]) == 1
    assert "no longer has all" in capsys.readouterr().err
    assert not into.exists()
    assert str(into) not in played.world.git("worktree", "list")
    assert linked  # the module whose failure this is


def _shorten(played: Played) -> None:
    played.transcript.write_text("".join(json.dumps(line) + "\n" for line in played.lines[:4]))


def _begin_inside_a_subagent(played: Played) -> None:
    for line in played.lines:
        line.update(isSidechain=True, agentId="a1")
    played.transcript.write_text("".join(json.dumps(line) + "\n" for line in played.lines))


def _delete_transcript(played: Played) -> None:
    played.transcript.unlink()


def _fill_folder(played: Played) -> None:
    (played.home.parent / "then").mkdir()
    (played.home.parent / "then" / "mine.txt").write_text("mine")


def _lose_objects(played: Played) -> None:
    private = Path(played.world.git("rev-parse", "--git-common-dir"))
    subprocess.run(
        ["git", "-C", str(played.world.root), "update-ref", "-d", "refs/opentraces/local/events/v1"], check=True
    )
    for folder in ("hookkit", "objects/pack"):
        for path in (played.world.root / private / folder).rglob("*"):
            if path.is_file():
                path.unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (_shorten, 1, "Step 4 is not in"),
        (_begin_inside_a_subagent, 1, "is a subagent's"),
        (_delete_transcript, 1, "no longer has session"),
        (_fill_folder, 2, "is not empty"),
        (_lose_objects, 1, "no longer has all"),
    ],
)
def test_a_dry_run_refuses_what_the_real_run_refuses_in_the_same_words(
    played: Played, capsys: pytest.CaptureFixture[str], spoil: Callable[[Played], None], code: int, message: str
) -> None:
    spoil(played)
    arguments = ["resume", "last", "--at-step", "4", "--into", str(played.home.parent / "then"), "--json"]
    dry = run([*arguments, "--dry-run"]), *capsys.readouterr()
    assert dry == (run(arguments), *capsys.readouterr())
    assert dry[0] == code
    assert message in dry[1] + dry[2]


@pytest.mark.parametrize("name", agents.AGENTS)
def test_every_agent_says_how_its_sessions_are_taken_up_and_whether_at_a_step(name: str) -> None:
    resumer = Resumer(name)
    assert (name in get_resumers()) == (resumer.contract.resuming is not None)
    assert not resumer.supports_at_step or resumer.contract.resuming is not None
