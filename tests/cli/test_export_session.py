"""`hookkit export REF`: which session, where to, and what is said about it."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.cli import run
from hookkit.exporters.formats import FORMATS
from hookkit.store.files import replace_file, trace_path

from .recorded import Session

SECRET = "sk-ant-api03-abcdefghijklmnopqrstuvwx"


def out(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """Standard output and standard error."""
    capfd.readouterr()
    assert run(["export", *arguments]) == code
    found = capfd.readouterr()
    return found.out, found.err


@pytest.fixture
def changed(inside: Session) -> Any:
    """Change the stored record by a function; it is as it was after the test."""
    path = trace_path(inside.trace_id)
    kept = path.read_bytes()

    def change(edit: Any) -> None:
        record = json.loads(kept)
        edit(record)
        replace_file(path, [json.dumps(record).encode()])

    yield change
    replace_file(path, [kept])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_one_option_away(
    form: str, inside: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "session"
    said, told = out(capfd, inside.trace_id[:8], "--format", form, "-o", str(target))
    assert said == ""
    assert told == "0 secrets replaced. What does not look like one stays: read it before you publish it.\n"
    assert target.stat().st_size > 100
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [target]


def test_the_newest_session_is_meant_and_json_without_more_words(
    inside: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    said, _ = out(capfd, "--json")
    assert TraceRecord.model_validate_json(said).trace_id == inside.trace_id
    assert said == out(capfd, "last", "--format", "json")[0] == out(capfd, "last")[0]
    assert said == out(capfd, "last", "-o", "-")[0]
    assert out(capfd, "--no-redact", "last")[0] == trace_path(inside.trace_id).read_text()
    assert out(capfd, "last", "--json", "--format", "md", code=2)[1] == ""


def test_the_name_of_the_file_tells_the_format(
    inside: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out(capfd, "last", "-o", str(tmp_path / "a.html"))
    out(capfd, "last", "-o", str(tmp_path / "a.md"))
    out(capfd, "last", "-o", str(tmp_path / "a.txt"))
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "a.md").read_text().startswith("# Add retry to fetch,")
    assert TraceRecord.model_validate_json((tmp_path / "a.txt").read_text())


@pytest.mark.parametrize("form", ["md", "html"])
def test_each_call_shows_what_it_changed_and_gaps_are_told(
    form: str, inside: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    said, _ = out(capfd, "last", "--format", form)
    lines = [re.sub("<[^>]*>", "", line).strip() for line in said.splitlines()]
    assert lines.count("+import fetch") == 1
    assert lines.count("rename from fetch.py") == 1
    assert lines.count("Binary file") == 1
    assert "+by hand" not in lines
    assert "Changed outside any tool call" in said
    assert said.count("diff --git a/bin.dat b/bin.dat") == 1


def test_without_the_repository_it_says_why_there_are_no_diffs(
    inside: Session, changed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(lambda record: record["metadata"].update(project="/home/gone"))
    monkeypatch.chdir(tmp_path)
    said, told = out(capfd, "last", "--format", "md")
    assert "- **diffs**: Trace " in said
    assert "Without diffs: Trace " in told
    assert "/home/gone is no git worktree (any more)." in told
    assert "Without diffs" not in out(capfd, "last", "--format", "csv")[1]


def test_secrets_are_replaced_and_counted_unless_they_are_wanted(
    inside: Session, changed: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(lambda record: record["steps"][0].update(content=f"use {SECRET}"))
    said, told = out(capfd, "last", "--format", "md")
    assert SECRET not in said
    assert told.startswith("1 secret replaced.")
    assert json.loads(out(capfd, "last")[0])["security"]["redactions_applied"] == 1
    said, told = out(capfd, "last", "--format", "md", "--no-redact")
    assert SECRET in said
    assert told == "Secrets were left in.\n"


def test_a_session_that_was_not_read_in_full_is_refused(
    inside: Session, changed: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(lambda record: record["metadata"]["capture"].update(blocked=["A line was torn.\x1b[31m"]))
    said, told = out(capfd, "last", "--format", "md", code=1)
    assert said == ""
    assert told.startswith("error: The session could not be read in full: A line was torn.\\x1b[31m\n hint: ")
    assert json.loads(out(capfd, "last", "--json", code=1)[0])["error"]["code"] == "TRACE_BLOCKED"
    assert "- **blocked**: A line was torn." in out(capfd, "last", "--format", "md", "--blocked")[0]


def test_a_file_that_is_there_stays_unless_forced(
    inside: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target, link = tmp_path / "a.md", tmp_path / "link.md"
    target.write_text("mine")
    link.symlink_to(target)
    assert "is there already" in out(capfd, "last", "-o", str(target), code=1)[1]
    assert target.read_text() == "mine"
    out(capfd, "last", "-o", str(link), "--force")
    assert link.is_symlink()
    assert target.read_text().startswith("# Add retry")
    out(capfd, "last", "-o", str(tmp_path))
    assert (tmp_path / f"{inside.trace_id}.json").is_file()
    assert "is not a file" in out(capfd, "last", "-o", "/dev/null", "--force", code=1)[1]
    assert "cannot be written" in out(capfd, "last", "-o", str(tmp_path / "none" / "a.md"), code=1)[1]


def test_a_failure_on_the_way_leaves_the_old_file(
    inside: Session, changed: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed(lambda record: record.update(steps=[]))
    target = tmp_path / "a.atif"
    target.write_text("mine")
    assert "no steps" in out(capfd, "last", "-o", str(target), "--force", code=1)[1]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.atif", "mine")]


def test_a_terminal_gets_no_control_character_and_no_bytes(
    inside: Session, changed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(lambda record: record["steps"][0].update(content="\x1b]0;owned\x07 \u202e\ttab"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("HOOKKIT_PAGER", "cat")
    for form in sorted({*FORMATS} - {"parquet"}):
        said, _ = out(capsys, "last", "--format", form)
        assert said.count("\n") > 0
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said), form
    said, told = out(capsys, "last", "--format", "parquet", code=2)
    assert (said, told[:30]) == ("", "error: A terminal cannot show ")


def test_an_unknown_session_or_format_is_a_usage_error(inside: Session, capfd: pytest.CaptureFixture[str]) -> None:
    assert "hookkit list" in out(capfd, "deadbeef", code=2)[1]
    assert "Invalid value for '--format'" in out(capfd, "last", "--format", "pdf", code=2)[1]


def test_a_damaged_trace_says_how_to_get_it_back(inside: Session, capfd: pytest.CaptureFixture[str]) -> None:
    path = trace_path(inside.trace_id)
    kept = path.read_bytes()
    try:
        path.write_text("{")
        assert "hookkit ingest" in out(capfd, inside.trace_id, code=1)[1]
    finally:
        replace_file(path, [kept])


def test_help_of_a_session_is_the_help_of_export(inside: Session, capfd: pytest.CaptureFixture[str]) -> None:
    said, _ = out(capfd, "last", "--help")
    assert said == out(capfd, "--help")[0]
    for word in ("--format", "--no-redact", "git-ai", "agent-trace", "Examples:"):
        assert word in said
    assert "REVISION" in out(capfd, "git-ai", "--help")[0]
