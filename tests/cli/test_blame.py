"""`hookkit blame`: lines, one line, commits, references, and every way to ask it something impossible."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookkit.cli import run

from .recorded import Session, World, retries, rows, valid


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(["blame", *arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def origins(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[Any, ...]]:
    lines = rows(said(capsys, *arguments, "--json"), "blame")
    return [(line["text"], line["origin"]["kind"], line["origin"]["tool_call_id"]) for line in lines]


def test_every_line_names_its_call_and_what_was_there_before_is_unknown(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert origins(capsys, "app.py") == [
        ("import os", "unknown", None),
        ("import net", "tool_call", "toolu_07edit"),
        ("", "unknown", None),
        ("", "unknown", None),
        ("def main():", "unknown", None),
        ("    fetch.x()", "tool_call", "toolu_02edit"),
        ("    print('hi')", "unknown", None),
    ]


def test_lines_keep_their_call_through_a_move_and_an_agents_own_commit(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = rows(said(capsys, "net/fetch.py", "--json"), "blame")
    assert [line["origin"]["tool_call_id"] for line in lines] == ["toolu_01write", "toolu_01write", "toolu_04move"]
    first = lines[0]
    assert first["commit"] == inside.world.git("rev-parse", "HEAD")
    assert first["summary"] == "Add fetch"
    assert first["origin"] | {"blob": "?"} == {
        "kind": "tool_call", "firmness": "firm", "limitations": [], "trace_id": inside.trace_id,
        "session_id": inside.session_id, "agent": "claude-code", "model": "anthropic/claude-opus-4-8", "turn": 1,
        "prompt": "Add retry to fetch, please", "step_index": 1, "tool_call_id": "toolu_01write", "tool": "Write",
        "path": "fetch.py", "blob": "?", "line": 1,
    }  # fmt: skip


def test_what_a_human_wrote_between_calls_is_outside_of_them(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert origins(capsys, "README.md")[2] == ("by hand", "outside_tool_call", None)


def test_text_stands_in_columns_before_the_code_as_in_git_blame(
    inside: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    begin, head = (inside.world.git("rev-parse", rev)[:8] for rev in ("HEAD~1", "HEAD"))
    blank = " " * len('2 "Add retry to fetch, please" Edit')
    assert said(capsys, "app.py").splitlines() == [
        f"{begin} (? Jane Doe    {blank} 1) import os",
        '00000000 (* claude-code 2 "Now move it"                Edit 2) import net',
        f"{begin} (? Jane Doe    {blank} 3)",
        f"{begin} (? Jane Doe    {blank} 4)",
        f"{begin} (? Jane Doe    {blank} 5) def main():",
        f'{head} (* claude-code 1 "Add retry to fetch, please" Edit 6)     fetch.x()',
        f"{begin} (? Jane Doe    {blank} 7)     print('hi')",
    ]


def test_one_line_tells_its_whole_story_and_what_to_type_next(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "app.py:6")
    name = inside.trace_id[:8]
    head = inside.world.git("rev-parse", "HEAD")[:8]
    for expected in (
        "app.py:6\n        fetch.x()\n",
        "written by  claude-code (anthropic/claude-opus-4-8)",
        "call        Edit app.py  toolu_02edit",
        'turn        1  "Add retry to fetch,…"',
        f"trace       {name} (session {inside.session_id}, step 2)",
        "evidence    firm: tree ids prove it",
        f"commit      {head}  Jane Doe, ",
        f"hookkit diff {name}:2",
        f"hookkit track {name}:2",
    ):
        assert expected in text


def test_the_story_of_a_line_that_no_call_wrote(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nobody's tool call" in said(capsys, "README.md:3")
    unknown = said(capsys, "app.py:1")
    assert "nothing was recorded" in unknown
    assert "hookkit diff" not in unknown


def test_the_story_says_where_a_moved_line_was(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert "fetch.py:1 when it was written" in said(capsys, "net/fetch.py:1")


def test_a_range_and_a_revision_are_asked_for_as_git_would(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row[0] for row in origins(capsys, "app.py:2-3")] == ["import net", ""]
    assert [row[0] for row in origins(capsys, "app.py:2", "--rev", "HEAD")] == ["import fetch"]
    assert [row[1] for row in origins(capsys, "app.py", "--rev", "HEAD~1")] == ["unknown"] * 5


def test_paths_are_relative_to_the_current_folder_or_absolute(
    inside: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(inside.world.root / "net")
    assert len(origins(capsys, "fetch.py")) == 3
    assert len(origins(capsys, "../app.py:1-2")) == 2
    monkeypatch.chdir(tmp_path)
    (line,) = rows(said(capsys, str(inside.world.root / "net" / "fetch.py") + ":3", "--json"), "blame")
    assert line["path"] == "net/fetch.py"


def test_a_reference_to_a_line_is_the_line(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert origins(capsys, "ot://file/net/fetch.py/line/3/origin") == [("# moved", "tool_call", "toolu_04move")]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing.py"], "NO_SUCH_FILE"),
        (["fetch.py"], "NO_SUCH_FILE"),
        (["fetch.py", "--rev", "HEAD"], "NO_SUCH_FILE"),
        (["net"], "IS_A_FOLDER"),
        (["net", "--rev", "HEAD"], "IS_A_FOLDER"),
        (["."], "IS_A_FOLDER"),
        (["bin.dat"], "BINARY_FILE"),
        (["bin.dat", "--rev", "HEAD"], "BINARY_FILE"),
        (["app.py:99"], "BAD_RANGE"),
        (["app.py:99", "--rev", "HEAD"], "BAD_RANGE"),
        (["app.py:5-2"], "BAD_RANGE"),
        (["app.py:0"], "BAD_RANGE"),
        (["app.py", "--rev", "nowhere"], "UNKNOWN_REVISION"),
        (["app.py", "--rev", "--contents=/etc/passwd"], "UNKNOWN_REVISION"),
        (["app.py", "README.md"], "TOO_MANY_PATHS"),
        (["commit", "nowhere"], "UNKNOWN_REVISION"),
        (["commit", "HEAD", "--rev", "HEAD"], "TOO_MANY_REVISIONS"),
        (["ot://nothing/at/all"], "BAD_REFERENCE"),
        (["ot://trace/1234"], "NO_FILE"),
        (["/"], "NOT_A_REPOSITORY"),
    ],
)
def test_what_cannot_be_blamed_is_refused_with_a_hint(
    inside: Session, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    capsys.readouterr()
    assert run(["blame", *arguments, "--json"]) == 2
    import json

    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert error["hint"]


def test_a_commits_lines_are_shared_out_among_the_calls(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    report = valid(said(capsys, "commit", "HEAD", "--json"), "blame-commit")
    assert (report["added_lines"], report["tool_call_lines"], report["outside_tool_call_lines"]) == (7, 5, 2)
    assert {call["tool_call_id"]: call["lines"] for call in report["calls"]} == {
        "toolu_01write": 2, "toolu_02edit": 2, "toolu_04move": 1,
    }  # fmt: skip
    assert report["calls"][0]["files"] == [{"path": "net/fetch.py", "ranges": [[1, 2]]}]
    text = said(capsys, "commit")
    assert "5 of 7 added lines by 3 tool calls (71 %)" in text
    assert "2  -  outside of all tool calls" in text
    assert f"{inside.trace_id[:8]}:1" in text


@pytest.mark.parametrize("form", ["c:{}", "ot://repo/local/git/commit/sha1/{}"])
def test_a_reference_to_a_commit_is_the_commit(inside: Session, capsys: pytest.CaptureFixture[str], form: str) -> None:
    sha = inside.world.git("rev-parse", "HEAD")
    assert valid(said(capsys, form.format(sha), "--json"), "blame-commit")["commit"]["id"] == sha


def test_a_commit_from_before_the_recording_has_no_calls(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No tool call is known" in said(capsys, "commit", "HEAD~1")


def test_names_may_hold_colons_spaces_and_bytes_that_are_no_text(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a:12", "with space.txt", "caf\udce9.txt", "commit", "c:abcdef"]
    world.commit("Begin", README_md="x\n")
    session = world.session()
    session.prompt("Write odd names")
    for number, name in enumerate(names):
        session.edit(f"toolu_0{number}name", name, f"line of {number}\n")
    session.ingest()
    world.commit("Odd names")
    for number, name in enumerate(names):
        argument = "./commit" if name == "commit" else name
        assert origins(capsys, argument) == [(f"line of {number}", "tool_call", f"toolu_0{number}name")], name
    assert origins(capsys, "a:12:1") == [("line of 0", "tool_call", "toolu_00name")]
    assert origins(capsys, "commit") == [("line of 3", "tool_call", "toolu_03name")]


def test_bytes_that_are_no_utf_8_are_kept_in_json_and_safe_in_text(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", README_md="x\n")
    session = world.session()
    session.prompt("Say it in Latin-1 \x1b[31m")
    session.edit("toolu_01latin", "latin.txt", b"caf\xe9\r\n\x1b[2Jtab\there\n")
    session.ingest()
    world.commit("Latin")
    first, second = rows(said(capsys, "latin.txt", "--json"), "blame")
    assert base64.b64decode(first["text_base64"]) == b"caf\xe9\r"
    assert second["text"] == "\x1b[2Jtab\there"
    text = said(capsys, "latin.txt") + said(capsys, "latin.txt:2")
    assert "\x1b" not in text
    assert "\\x1b[2Jtab\there" in text
    assert "caf\ufffd\n" in text


def test_a_name_that_is_no_text_is_no_trouble_in_an_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    for form in (["blame", "caf\udce9"], ["blame", "caf\udce9", "--json"], ["blame", "caf\udce9", "--rev", "HEAD"]):
        done = subprocess.run([sys.executable, "-m", "hookkit", *form], capture_output=True, check=False)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert b"does not exist" in done.stdout + done.stderr


def test_an_empty_file_has_no_lines(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", empty_txt="")
    assert said(capsys, "empty.txt") == ""
    assert said(capsys, "empty.txt", "--json") == ""


def test_a_file_that_nobody_added_yet_is_blamed_if_it_was_recorded(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", README_md="x\n")
    session = world.session()
    session.prompt("Write")
    session.edit("toolu_01new", "new.txt", "one\ntwo\n")
    session.ingest()
    assert origins(capsys, "new.txt") == [("one", "tool_call", "toolu_01new"), ("two", "tool_call", "toolu_01new")]
    assert origins(capsys, "new.txt:2") == [("two", "tool_call", "toolu_01new")]


def test_a_file_that_neither_git_nor_the_recording_knows_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", README_md="x\n")
    world.write("new.txt", "nobody saw this\n")
    assert "new.txt is not tracked by git" in said(capsys, "new.txt", code=2)
    assert "new.txt is not tracked by git" in said(capsys, "new.txt:1", code=2)


def test_a_deleted_file_is_blamed_where_it_was(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", README_md="x\n")
    session = world.session()
    session.prompt("Write")
    session.edit("toolu_01gone", "sub/gone.txt", "one\n")
    session.ingest()
    world.commit("Gone")
    (world.root / "sub" / "gone.txt").unlink()
    (world.root / "sub").rmdir()
    assert "--rev HEAD" in said(capsys, "sub/gone.txt", code=2)
    assert origins(capsys, "sub/gone.txt", "--rev", "HEAD") == [("one", "tool_call", "toolu_01gone")]


def test_outside_a_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.txt").write_text("x\n")
    monkeypatch.chdir(tmp_path)
    assert "not inside a git worktree" in said(capsys, "file.txt", code=2)
    assert "not inside a git worktree" in said(capsys, "commit", "HEAD", code=2)


def test_a_repository_that_was_never_recorded_is_blamed_all_the_same(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", a_txt="x\n")
    assert origins(capsys, "a.txt") == [("x", "unknown", None)]
    assert world.git("status", "--porcelain") == ""


def test_the_example_in_the_readme_is_what_is_printed(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Jane Doe")
    retries(world)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"```text\n{said(capsys, 'src/app.py')}```\n" in readme


def test_help_does_not_load_what_blame_needs(inside: Session) -> None:
    code = (
        "import sys; from hookkit.cli import blame; print(*sorted(m for m in sys.modules if m.startswith('hookkit.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [
        name for name in done.stdout.split() if name.startswith(("hookkit.trails", "hookkit.git", "hookkit.views"))
    ]
