"""`hookkit diff`: patches that git applies, of nothing but what the calls themselves changed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookkit.cli import run

from .recorded import Session, World, valid


def patch(*arguments: str) -> bytes:
    """As another program gets it: byte for byte."""
    done = subprocess.run([sys.executable, "-m", "hookkit", "diff", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run(["diff", *arguments, "--json"]) == 0
    return valid(capsys.readouterr().out, "diff")


def apply(tree: str, text: bytes, world: World, folder: Path) -> dict[str, bytes]:
    """The files of a tree or commit with a patch applied, in a folder of their own."""
    folder.mkdir()
    archive = subprocess.run(["git", "-C", str(world.root), "archive", tree], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    done = subprocess.run(["git", "apply", "--index", "-"], cwd=folder, input=text, capture_output=True, check=False)
    if done.returncode:
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
        done = subprocess.run(["git", "apply", "-"], cwd=folder, input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def test_a_call_is_a_patch_that_git_applies(inside: Session, tmp_path: Path) -> None:
    files = apply("HEAD~1", patch("last:1"), inside.world, tmp_path / "out")
    assert files["fetch.py"] == b"def fetch(url):\n    return get(url)\n"


def test_a_session_is_the_sum_of_its_calls_without_what_others_did(inside: Session, tmp_path: Path) -> None:
    files = apply("HEAD~1", patch("last"), inside.world, tmp_path / "out")
    assert files == {
        "README.md": b"# Demo\n",  # the human's line is none of the session's
        "app.py": (inside.world.root / "app.py").read_bytes(),
        "net/fetch.py": b"def fetch(url):\n    return get(url)\n# moved\n",
        "bin.dat": b"\0\1\2",
    }


def test_a_call_can_be_taken_back(inside: Session, tmp_path: Path) -> None:
    text = patch("last:7")
    done = subprocess.run(
        ["git", "-C", str(inside.world.root), "apply", "-R", "--check", "-"],
        input=text,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_head_tells_what_the_patch_is_of(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "last:2", "--stat"]) == 0
    text = capsys.readouterr().out
    name = inside.trace_id[:8]
    for expected in (
        f"call {name}:2\n",
        f"Session: {inside.session_id}  claude-code\n",
        "Call:    Edit app.py  toolu_02edit\n",
        "Date:    2026-01-05 10:0",
        "    Add retry to fetch,…\n",
        "1 file changed, 2 lines added, 0 removed\n",
        " app.py | 2 ++\n",
    ):
        assert expected in text


def test_every_way_to_name_a_call_gives_the_same_patch(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    expected = report(capsys, "last:2")
    name = inside.trace_id
    for ref in (
        "last:step_2", "last:toolu_02edit", "toolu_02edit", f"{name[:8]}:2", f"{name}:2", f"{inside.session_id[:8]}:2",
        f"t:{name[:8]}:2", f"ot://trace/{name}/steps/2",
    ):  # fmt: skip
        assert report(capsys, ref) == expected, ref


def test_a_patch_reference_is_one_hunk(inside: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from hookkit.trails.log import read_events

    (last,) = [
        event.payload["trace_patch_id"]
        for event in read_events(inside.world.root)
        if event.event_type == "trace_patch_created"
        and event.payload["tool_call_id"] == "toolu_02edit"
        and event.payload["affected_range"]["start_line"] > 3
    ]
    for ref in (f"tp:{last[:12]}", f"ot://trace-patch/sha256/{last}", f"ot://trace-patch/sha256/{last}/trail"):
        files = apply("HEAD~1", patch(ref), inside.world, tmp_path / ref.replace("/", "-"))
        assert files["app.py"] == b"import os\n\n\ndef main():\n    fetch.x()\n    print('hi')\n"


def test_renames_binaries_and_modes_are_in_the_report(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    body = report(capsys, "last:4")
    assert body["kind"] == "call"
    assert [(f["status"], f["path"], f["old_path"], f["added"]) for f in body["files"]] == [
        ("A", "bin.dat", "bin.dat", None), ("R", "net/fetch.py", "fetch.py", 1),
    ]  # fmt: skip


def test_gaps_are_what_changed_between_the_calls(
    inside: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = report(capsys, "last", "--gaps")
    (gap,) = body["gaps"]
    assert [file["path"] for file in gap["files"]] == ["README.md"]
    assert "+by hand" in gap["patch"]
    files = apply("HEAD~1", patch("last", "--gaps"), inside.world, tmp_path / "out")
    assert files["README.md"] == b"# Demo\n\nby hand\n"
    assert report(capsys, "last:turn_2", "--gaps") == body
    assert report(capsys, "last:4", "--gaps") == body
    assert report(capsys, "last:turn_1", "--gaps")["gaps"] == []
    assert run(["diff", "last:2", "--gaps"]) == 0
    assert "Nothing changed outside" in capsys.readouterr().err


def test_a_call_that_changed_nothing_says_so(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "last:5"]) == 0
    assert "Nothing changed." in capsys.readouterr().out
    assert report(capsys, "last:5")["files"] == []


def test_calls_that_overlap_each_have_their_own_part(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [f"line {n}\n" for n in range(1, 21)]
    world.commit("Begin", a_txt="".join(lines), b_txt="b\n")
    session = world.session()
    session.prompt("Both at once")
    a, b = (str(world.root / name) for name in ("a.txt", "b.txt"))
    session.begin("toolu_01a", "Edit", {"file_path": a})
    session.begin("toolu_02b", "Edit", {"file_path": b}, same_step=True)
    world.write("a.txt", "".join(["by one\n", *lines]))
    world.write("b.txt", "b\nby two\n")
    session.end("toolu_01a")
    session.end("toolu_02b")
    session.ingest()
    assert [f["path"] for f in report(capsys, "last:toolu_01a")["files"]] == ["a.txt"]
    assert [f["path"] for f in report(capsys, "last:toolu_02b")["files"]] == ["b.txt"]
    both = report(capsys, "last:1")
    assert both["kind"] == "step"
    assert [f["path"] for f in both["files"]] == ["a.txt", "b.txt"]


def test_edits_of_one_file_by_several_calls_are_one_patch(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.commit("Begin", a_txt="1\n2\n3\n", gone_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "1\nzwei\n3\n")
    session.edit("toolu_02", "a.txt", "1\nzwei\n3\n4\n")
    session.edit("toolu_03", "new.txt", "for a moment\n")
    with session.call("Bash", "toolu_04", command="rm new.txt gone.txt; chmod +x a.txt"):
        (world.root / "new.txt").unlink()
        (world.root / "gone.txt").unlink()
        os.chmod(world.root / "a.txt", 0o755)
    session.ingest()
    body = report(capsys)
    assert [(f["status"], f["path"], f["added"], f["removed"]) for f in body["files"]] == [
        ("M", "a.txt", 2, 1), ("D", "gone.txt", 0, 1),
    ]  # fmt: skip
    assert body["files"][0]["new_mode"] == "100755"
    assert apply("HEAD", patch(), world, tmp_path / "out") == {"a.txt": b"1\nzwei\n3\n4\n"}


def test_where_somebody_else_edited_in_between_the_parts_still_apply(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [f"line {n}\n" for n in range(1, 41)]
    world.commit("Begin", a_txt="".join(lines))
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "".join(["first\n", *lines]))
    world.write("a.txt", "".join(["first\n", *lines[:20], "human\n", *lines[20:]]))
    session.edit("toolu_02", "a.txt", "".join(["first\n", *lines[:20], "human\n", *lines[20:], "second\n"]))
    session.ingest()
    files = apply("HEAD", patch(), world, tmp_path / "out")
    assert files["a.txt"] == "".join(["first\n", *lines, "second\n"]).encode()


def test_bytes_that_are_no_utf_8_and_missing_newlines_survive(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.commit("Begin", a_txt="old")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "caf\udce9 \u00e9.txt", b"caf\xe9\r\nno newline")
    session.edit("toolu_02", "a.txt", "new")
    session.ingest()
    text = patch()
    files = apply("HEAD", text, world, tmp_path / "out")
    assert files == {"a.txt": b"new", "caf\udce9 \u00e9.txt": b"caf\xe9\r\nno newline"}
    body = report(capsys)
    assert text.endswith(base64.b64decode(body["patch_base64"]))
    assert "caf\udce9 \u00e9.txt" in [file["path"] for file in body["files"]]


def test_the_users_settings_for_diffs_change_nothing(world: World) -> None:
    world.commit("Begin", a_txt="1\n2\n3\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "1\n2\n3\n4\n")
    session.ingest()
    plain = patch()
    for name, value in (
        ("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("diff.external", "false"), ("color.ui", "always"),
        ("diff.context", "0"), ("diff.renames", "false"), ("core.quotePath", "true"), ("diff.algorithm", "minimal"),
    ):  # fmt: skip
        world.git("config", name, value)
    assert patch() == plain


def test_on_a_terminal_control_characters_are_spelled_out(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go \x1b]0;owned\x07")
    session.edit("toolu_01", "a.txt", "x\n\x1b[2Jgone\n")
    session.ingest()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["diff"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "+\\x1b[2Jgone" in text


def test_a_trace_whose_calls_no_hook_saw_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.pre, session.post = {}, {}
    session.store()
    assert run(["diff", "last", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "NOT_CAPTURED"


def test_a_trace_that_never_got_into_the_log_says_how_it_gets_there(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "y\n")
    session.store()
    assert run(["diff", "last"]) == 1
    assert "hookkit trail rebuild" in capsys.readouterr().err
    assert run(["trail", "rebuild"]) == 0
    assert "1 trace" in capsys.readouterr().out
    assert run(["diff", "last"]) == 0


def test_of_calls_that_wrote_one_file_at_once_no_hunk_is_told_twice(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = [f"line {n}\n" for n in range(1, 41)]
    world.commit("Begin", a_txt="".join(lines))
    session = world.session()
    session.prompt("Both at once")
    path = str(world.root / "a.txt")
    session.begin("toolu_01top", "Edit", {"file_path": path})
    session.begin("toolu_02end", "Edit", {"file_path": path}, same_step=True)
    world.write("a.txt", "".join(["top\n", *lines, "end\n"]))
    for call, line in (("toolu_01top", 1), ("toolu_02end", 42)):
        session.end(call)
        session.post[call]["ranges"] = [{"start_line": line, "end_line": line, "change_type": "addition"}]
    session.ingest()
    parts = [report(capsys, f"last:{call}") for call in ("toolu_01top", "toolu_02end")]
    added = [file["added"] for part in parts for file in part["files"]]
    assert sum(added) == 2  # no line is counted twice, whoever is told to have written it
    assert any("concurrent_writer_overlap" in part["limitations"] for part in parts)
    both = apply("HEAD", patch("last:1"), world, tmp_path / "both")["a.txt"]
    assert both == "".join(["top\n", *lines, "end\n"]).encode()


@pytest.mark.parametrize("extra", [["--object-format=sha256"], []])
def test_linked_worktrees_and_sha256_repositories_work_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    base = tmp_path.resolve()
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    subprocess.run(["git", "init", "-q", "-b", "main", *extra, str(base / "main")], check=True)
    main = World(base / "main")
    main.commit("Begin", a_txt="1\n")
    main.git("worktree", "add", "-q", str(base / "linked"))
    world = World(base / "linked", second=main.second)
    session = world.session()
    session.prompt("Go")
    session.edit("toolu_01", "a.txt", "1\n2\n")
    session.ingest()
    world.commit("Two")
    monkeypatch.chdir(world.root)
    assert apply("HEAD~1", patch("last:1"), world, tmp_path / "out")["a.txt"] == b"1\n2\n"
    for command, schema in (
        (["blame", "a.txt:2"], "blame"), (["blame", "commit", "HEAD"], "blame-commit"), (["track"], "track"),
        (["graph", "--limit", "1"], "graph"), (["trail", "snapshot", "last"], "trail-snapshot"),
        (["trail", "verify", "--full"], "trail-verify"),
    ):  # fmt: skip
        capsys.readouterr()
        assert run([*command, "--json"]) == 0, command
        body = valid(capsys.readouterr().out, schema)
        assert "toolu_01" in json.dumps(body) or schema == "trail-verify"
