"""`hookkit import git-ai`: what another recorder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.cli import run
from tests.exporters.support import check
from tests.exporters.test_git_ai_claims import annotate

from .recorded import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    world = World(tmp_path / "repo")
    sha = world.commit("first", a_txt="one\ntwo\nthree\n")
    annotate(world.root, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-2", "  h_31dce776f88375 3")
    monkeypatch.chdir(world.root)
    return world


def body(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["import", "git-ai", "--json", *arguments]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    check("import-git-ai", found)
    return found


def test_json_says_what_each_note_claims(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sha = world.git("rev-parse", "HEAD")
    one = {"commit": sha, "ai_lines": 2, "human_lines": 1, "sessions": ["conv-1"]}
    assert body(capsys, "--dry-run")["notes"] == [one | {"status": "imported"}]
    assert body(capsys)["notes"] == [one | {"status": "imported"}]
    assert body(capsys, "HEAD")["notes"] == [one | {"status": "unchanged"}]
    assert body(capsys, "--forget") == {"status": "ok", "forgotten": True}
    assert body(capsys, "--forget") == {"status": "ok", "forgotten": False}


def test_it_says_what_it_did(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    short = world.git("rev-parse", "HEAD")[:8]
    assert run(["import", "git-ai"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{short}  2 lines of 1 session, 1 line of people"
    assert said[1] == "1 note imported, 0 known already. Blame shows their claims as provisional."


def test_a_note_that_cannot_be_read_makes_the_exit_code_1(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sha = world.commit("second", b_txt="x\n")
    annotate(world.root, sha, schema_version="\x1b[31mauthorship/9")
    assert [one["status"] for one in body(capsys, code=1)["notes"]].count("unreadable") == 1
    assert run(["import", "git-ai"]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_without_notes_it_says_how_to_get_them(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.git("update-ref", "-d", "refs/notes/ai")
    assert run(["import", "git-ai"]) == 0
    assert "git fetch origin 'refs/notes/ai:refs/notes/ai'" in capsys.readouterr().out


def test_blame_shows_claims_where_nothing_was_recorded(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def origins() -> list[tuple[str, str, str | None, str | None]]:
        capsys.readouterr()
        assert run(["blame", "a.txt", "--json"]) == 0
        found = [json.loads(line)["origin"] for line in capsys.readouterr().out.splitlines()]
        return [(one["kind"], one["firmness"], one["agent"], one["session_id"]) for one in found]

    assert origins() == [("unknown", "none", None, None)] * 3
    body(capsys)
    claimed = ("tool_call", "provisional", "claude-code", "conv-1")
    assert origins() == [claimed, claimed, ("outside_tool_call", "provisional", None, None)]
    assert run(["blame", "a.txt"]) == 0
    assert "claude-code" in capsys.readouterr().out
    assert run(["blame", "a.txt:1"]) == 0
    assert "git_ai_note" in capsys.readouterr().out
    body(capsys, "--forget")
    assert origins() == [("unknown", "none", None, None)] * 3
