"""`hookkit trail`: the event log as people and programs see it, and the trees that it keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hookkit.cli import run

from .recorded import Session, World, rows, valid


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(["trail", *arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 or "--json" in arguments or "verify" in arguments else err


def events(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    return rows(said(capsys, "show", *arguments, "--json"), "trail-event")


def kinds(found: list[Any]) -> set[str]:
    return {event["event_type"] for event in found}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def users(world: World) -> dict[str, bytes]:
    """All that git keeps, without what is hookkit's."""
    return {name: text for name, text in files(world.root / ".git").items() if not name.startswith("hookkit/")}


def test_show_as_json_is_the_events_themselves(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    found = events(capsys, "last")
    assert {event["trace_id"] for event in found} == {inside.trace_id}
    assert {"trace_step_window_opened", "trace_patch_created", "filesystem_mutation_observed"} <= kinds(found)
    of_call = events(capsys, "last:2")
    assert {event["payload"]["tool_call_id"] for event in of_call} == {"toolu_02edit"}
    assert sum(event["event_type"] == "trace_patch_created" for event in of_call) == 2


def test_show_tells_a_session_in_order_of_time(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show")
    name = inside.trace_id[:8]
    order = [
        f"Trail of {name}", "origin  ", f"{name}:1  Write fetch.py", f"{name}:2  Edit app.py", "gap  ",
        f"{name}:4  Bash git mv fetch.py net/fetch.py", f"{name}:7  Edit app.py",
    ]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "R  fetch.py => net/fetch.py:3  +1 -0" in text
    assert "A  bin.dat  binary" in text


def test_show_of_an_object_is_what_made_it_and_what_names_it(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    from hookkit.git.worktree import find
    from hookkit.trails import anchors

    worktree = find(inside.world.root)
    assert worktree
    anchors.update(worktree)
    everything = events(capsys, "last")
    patch = next(e for e in everything if e["event_type"] == "trace_patch_created")
    patch_id = patch["payload"]["trace_patch_id"]
    assert kinds(events(capsys, f"tp:{patch_id[:10]}")) == {"trace_patch_created", "git_anchor_created"}
    assert events(capsys, f"ot://trace-patch/sha256/{patch_id}")[0] == patch
    before = patch["payload"]["snapshot_before_id"]
    assert kinds(events(capsys, f"snap:{before[:10]}")) == {"trace_snapshot_created", "trace_patch_created"}
    anchor = next(e for e in everything if e["event_type"] == "git_anchor_created")["payload"]["git_anchor_id"]
    assert kinds(events(capsys, f"ga:{anchor}")) == {"git_anchor_created"}
    head = inside.world.git("rev-parse", "HEAD")
    for ref in (f"c:{head[:8]}", f"ot://repo/local/git/commit/sha1/{head}"):
        assert kinds(events(capsys, ref)) == {"git_anchor_created"}
    assert f"  {'commit_id':<22} {head}" in said(capsys, "show", f"c:{head[:8]}")
    assert f"c:{head[:8]}  net/fetch.py:1-2  firm" in said(capsys, "show", "last:1")


@pytest.mark.parametrize("mode", [[], ["--fast"], ["--full"]])
def test_verify_finds_a_good_log_good(inside: Session, capsys: pytest.CaptureFixture[str], mode: list[str]) -> None:
    assert "The log is whole" in said(capsys, "verify", *mode)
    result = valid(said(capsys, "verify", *mode, "--json"), "trail-verify")
    assert result["ok"]
    assert result["full"] == (mode == ["--full"])
    assert result["events"] > 30


def test_verify_names_the_first_bad_event_and_fails(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.ingest()
    ref = "refs/opentraces/local/events/v1"
    lines = world.git("cat-file", "blob", f"{ref}:events.jsonl").splitlines()
    lines[2] = lines[2].replace('"writer":"', '"writer":"not ')
    blob = world.git("hash-object", "-w", str(world.write("forged", "\n".join(lines) + "\n")))
    monkeypatch.setenv("GIT_INDEX_FILE", str(world.root / ".git" / "forged-index"))
    world.git("read-tree", ref)
    world.git("update-index", "--cacheinfo", f"100644,{blob},events.jsonl")
    world.git("update-ref", ref, world.git("commit-tree", world.git("write-tree"), "-m", "forged"))
    monkeypatch.delenv("GIT_INDEX_FILE")
    result = valid(said(capsys, "verify", "--full", "--json", code=1), "trail-verify")
    assert (result["ok"], result["first_bad"]) == (False, 3)
    assert "Event 3 is wrong" in said(capsys, "verify", "--full", code=1)


def test_verify_without_a_log_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    assert "no event log" in said(capsys, "verify")


def test_a_snapshot_is_the_worktree_as_it_was(
    inside: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said(capsys, "snapshot", "last:4", "--before", "--to", str(tmp_path / "before"))
    assert files(tmp_path / "before") == {
        "README.md": b"# Demo\n\nby hand\n",
        "app.py": b"import os\nimport fetch\n\n\ndef main():\n    fetch.x()\n    print('hi')\n",
        "fetch.py": b"def fetch(url):\n    return get(url)\n",
    }
    body = valid(said(capsys, "snapshot", "last:4", "--to", str(tmp_path / "after"), "--json"), "trail-snapshot")
    assert body["files"] == 4
    assert body["tool_call_id"] == "toolu_04move"
    assert "net/fetch.py" in files(tmp_path / "after")


def test_of_a_session_before_and_after_are_its_ends(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = (inside.events[0], inside.stops[-1])
    first, last = (entry["trail"]["tree_id"]["hex"] for entry in metadata)
    assert said(capsys, "snapshot", "last", "--before").strip() == first
    assert said(capsys, "snapshot", "last").strip() == last


def test_a_snapshot_reference_is_its_own_boundary(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    origin = next(e for e in events(capsys, "last") if e["payload"].get("snapshot_role") == "origin")["payload"]
    assert said(capsys, "snapshot", f"snap:{origin['snapshot_id'][:12]}").strip() == origin["tree_id"]["hex"]


def test_a_snapshot_never_writes_where_something_is(
    inside: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("x")
    assert "is not empty" in said(capsys, "snapshot", "last", "--to", str(tmp_path), code=2)
    assert files(tmp_path) == {"mine": b"x"}
    assert "cannot be written" in said(capsys, "snapshot", "last", "--to", str(tmp_path / "mine" / "x"), code=1)


def test_a_snapshot_changes_nothing_of_the_users(
    inside: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inside.world.git("status")
    before = users(inside.world)
    said(capsys, "snapshot", "last:1", "--to", str(tmp_path / "out"))
    assert users(inside.world) == before


def test_what_git_has_lost_is_said_to_be_lost(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    world.write("b.txt", "by hand\n")
    session.edit("toolu_02", "a.txt", "z\n")
    session.ingest()
    git_dir = world.root / ".git"
    shutil.rmtree(git_dir / "objects" / "pack")
    shutil.rmtree(git_dir / "hookkit" / "objects")
    (git_dir / "refs" / "opentraces").rename(tmp_path / "kept")
    (git_dir / "hookkit" / "objects").mkdir()
    world.git("fsck")
    (tmp_path / "kept").rename(git_dir / "refs" / "opentraces")
    for command in (["snapshot", "last:1", "--to", str(tmp_path / "out")], ["snapshot", "last:1", "last:2"]):
        assert "error:" in said(capsys, *command, code=1)


def test_a_snapshot_leaves_nothing_behind_whatever_git_is_set_to(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.commit("Begin", a_txt="x\n")
    world.write("in/side.txt", "in\n")
    world.commit("More")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.ingest()
    for name, value in (("core.splitIndex", "true"), ("index.sparse", "true"), ("core.untrackedCache", "true")):
        world.git("config", name, value)
    world.git("sparse-checkout", "set", "nothing")
    before = users(world)
    said(capsys, "snapshot", "last", "--to", str(tmp_path / "out"))
    assert files(tmp_path / "out") == {"a.txt": b"y\n", "in/side.txt": b"in\n"}
    assert users(world) == before


def test_two_boundaries_are_compared(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    body = valid(said(capsys, "snapshot", "last:1", "last:4", "--json"), "trail-snapshot")
    assert [file["path"] for file in body["files"]] == ["README.md", "app.py", "bin.dat", "net/fetch.py"]
    assert "+by hand" in said(capsys, "snapshot", "last:1", "last:4")
    assert "fetch.py => net/fetch.py" in said(capsys, "snapshot", "last:1", "last:4", "--stat")
    assert said(capsys, "snapshot", "last:1", "last:1") == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "deadbeef"], "UNKNOWN_TRACE"),
        (["show", "tp:deadbeef"], "UNKNOWN_REFERENCE"),
        (["show", "c:deadbeef"], "UNKNOWN_REVISION"),
        (["show", "ot://file/a/line/1/origin"], "NOT_AN_EVENT"),
        (["snapshot", "last", "last", "last"], "TOO_MANY_REFERENCES"),
        (["snapshot", "last", "last", "--to", "x"], "TOO_MANY_REFERENCES"),
        (["snapshot", "last:99"], "UNKNOWN_STEP"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_hint(
    inside: Session, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    error = json.loads(said(capsys, *arguments, "--json", code=2))["error"]
    assert error["code"] == code
    assert error["hint"]


def test_rebuild_makes_the_log_again_with_the_same_facts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    for number in (1, 2):
        session = world.session(number)
        session.prompt(f"Go {number}")
        session.edit(f"toolu_0{number}", "a.txt", f"{number}\n")
        session.stop()
        session.ingest()

    def facts() -> list[Any]:
        return sorted(json.dumps([e["event_type"], e["payload"]]) for n in (0, 1) for e in events(capsys, f"last~{n}"))

    before = facts()
    world.git("update-ref", "-d", "refs/opentraces/local/events/v1")
    assert "hookkit trail rebuild" in said(capsys, "show", code=1)
    body = valid(said(capsys, "rebuild", "--json"), "trail-rebuild")
    assert body["traces"] == 2
    assert facts() == before
    assert said(capsys, "verify", "--full").startswith("The log is whole")


def test_rebuild_takes_the_sessions_of_linked_worktrees_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    world.git("worktree", "add", "-q", "../linked")
    linked = World(world.root.parent / "linked", second=world.second)
    session = linked.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.store()
    assert valid(said(capsys, "rebuild", "--json"), "trail-rebuild")["traces"] == 1
    assert events(capsys, "last:1")


def test_outside_a_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["verify"], ["rebuild"], ["show", "tp:deadbeef"]):
        assert run(["trail", *command]) == 2
        assert "not inside a git worktree" in capsys.readouterr().err


def test_a_session_whose_repository_is_gone_says_so(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.ingest()
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(world.root)
    assert "has no repository" in said(capsys, "show", code=1)
