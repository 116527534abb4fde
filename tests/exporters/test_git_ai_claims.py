"""What git-ai notes claim, shown where nothing was recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hookkit.exporters import git_ai_claims, git_notes
from hookkit.exporters.git_ai_claims import Imported, database_path, forget, overlay, take_over
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.model import UNKNOWN, BlamedLine, CallFacts, Origin

from .support import SESSION, git, repository, told, written

SESSIONS = {
    "s_c9883b05a2487d": {"agent_id": {"tool": "claude", "id": "conv-1", "model": "claude-opus-4-8"}},
    "s_e7f2a90b31cc48": {"agent_id": {"tool": "cursor", "id": "conv-2", "model": ""}},
}
HUMANS = {"h_31dce776f88375": {"author": "Alice <alice@example.com>"}}


def annotate(root: Path, sha: str, *lines: str, **more: object) -> None:
    head: dict[str, object] = {"schema_version": "authorship/3.0.0", "base_commit_sha": sha, "prompts": {}}
    head |= {"sessions": SESSIONS, "humans": HUMANS}
    content = "\n".join([*lines, "---", json.dumps(head | more)])
    git(root, "notes", "--ref=refs/notes/ai", "add", "-f", "-F", "-", sha, stdin=content.encode())


def line(commit: str, number: int, *, path: str = "a.txt", origin: Origin = UNKNOWN) -> BlamedLine:
    return BlamedLine(number, b"x", commit, "Bob", 0, "c", path, number, origin, None)


def kinds(worktree: Worktree, lines: list[BlamedLine]) -> list[tuple[str, str, str | None]]:
    return [
        (one.origin.kind, one.origin.firmness, one.call and one.call.session_id)
        for one in overlay(worktree.root, lines)
    ]


@pytest.fixture
def noted(tmp_path: Path) -> tuple[Worktree, str]:
    worktree, (sha,) = repository(tmp_path)
    annotate(
        tmp_path,
        sha,
        "a.txt",
        "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-3",
        "  s_e7f2a90b31cc48::t_deadbeef012345 3-4",
        "  h_31dce776f88375 6",
    )
    return worktree, sha


def test_an_import_counts_what_the_notes_claim(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    assert take_over(worktree) == [Imported(sha, "imported", 4, 1, ("conv-1", "conv-2"))]
    assert take_over(worktree) == [Imported(sha, "unchanged", 4, 1, ("conv-1", "conv-2"))]


def test_claims_stand_where_nothing_was_recorded_and_are_never_firm(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    assert kinds(worktree, [line(sha, number) for number in range(1, 8)]) == [
        ("tool_call", "provisional", "conv-1"),
        ("tool_call", "provisional", "conv-1"),
        ("tool_call", "provisional", "conv-2"),  # of two claims about a line the later one holds
        ("tool_call", "provisional", "conv-2"),
        ("unknown", "none", None),
        ("outside_tool_call", "provisional", None),
        ("unknown", "none", None),
    ]


def test_a_claim_names_its_agent_model_and_key(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    first, third = (one for one in overlay(worktree.root, [line(sha, 1), line(sha, 3)]))
    assert first.call == CallFacts("", "conv-1", "claude-code", "claude-opus-4-8", "git_ai_note", -1, None, None)
    assert first.origin.tool_call_id == "s_c9883b05a2487d::t_9f8e7d6c5b4a32"
    assert first.origin.trace_id is None
    assert third.call
    assert (third.call.agent, third.call.model) == ("cursor", None)


def test_a_recorded_call_and_what_is_proven_are_never_overridden(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    recorded = [
        Origin("tool_call", "firm", trace_id="t", tool_call_id="toolu_1"),
        Origin("tool_call", "provisional", trace_id="t", tool_call_id="toolu_1"),
        Origin("outside_tool_call", "firm"),
    ]
    lines = [line(sha, 1, origin=origin) for origin in recorded]
    assert overlay(worktree.root, lines) == lines
    (found,) = overlay(worktree.root, [line(sha, 1, origin=Origin("outside_tool_call", "provisional"))])
    assert found.origin.kind == "tool_call"


def test_lines_of_other_commits_and_files_get_nothing(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    lines = [line("0" * 40, 1), line(sha, 1, path="b.txt"), replace(line(sha, 1), original_line=99)]
    assert overlay(worktree.root, lines) == lines


def test_without_an_import_nothing_is_claimed_and_nothing_is_written(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    lines = [line(sha, 1)]
    assert overlay(worktree.root, lines) == lines
    assert take_over(worktree, dry_run=True) == [Imported(sha, "imported", 4, 1, ("conv-1", "conv-2"))]
    assert not database_path(worktree).parent.exists()


def test_a_note_that_changed_replaces_what_it_said(noted: tuple[Worktree, str], tmp_path: Path) -> None:
    worktree, sha = noted
    take_over(worktree)
    annotate(tmp_path, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 6")
    assert [one.status for one in take_over(worktree, dry_run=True)] == ["imported"]
    assert [one.status for one in take_over(worktree)] == ["imported"]
    assert [kind for kind, *_ in kinds(worktree, [line(sha, 1), line(sha, 6)])] == ["unknown", "tool_call"]


def test_a_note_that_cannot_be_read_says_why_and_claims_nothing_more(
    noted: tuple[Worktree, str], tmp_path: Path
) -> None:
    worktree, sha = noted
    take_over(worktree)
    annotate(tmp_path, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1", schema_version="authorship/9.0.0")
    for _ in range(2):
        (found,) = take_over(worktree)
        assert (found.status, "authorship/9.0.0" in found.problem) == ("unreadable", True)
    assert [kind for kind, *_ in kinds(worktree, [line(sha, 1)])] == ["unknown"]


def test_only_the_notes_of_named_commits_are_taken(tmp_path: Path) -> None:
    worktree, ids = repository(tmp_path, 2)
    for sha in ids:
        annotate(tmp_path, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1")
    assert [one.commit for one in take_over(worktree, [ids[1]])] == [ids[1]]
    assert [kind for kind, *_ in kinds(worktree, [line(sha, 1) for sha in ids])] == ["unknown", "tool_call"]


def test_the_same_note_on_two_commits_is_taken_for_both(tmp_path: Path) -> None:
    worktree, ids = repository(tmp_path, 2)
    for sha in ids:
        annotate(tmp_path, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1", base_commit_sha="")
    assert len(take_over(worktree)) == 2
    assert [kind for kind, *_ in kinds(worktree, [line(sha, 1) for sha in ids])] == ["tool_call", "tool_call"]


def test_forgetting_takes_everything_back(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    assert forget(worktree)
    assert not forget(worktree)
    assert not list(worktree.common_dir.joinpath("hookkit").glob("git-ai*"))
    assert overlay(worktree.root, [line(sha, 1)]) == [line(sha, 1)]


def test_a_damaged_file_is_made_anew(noted: tuple[Worktree, str]) -> None:
    worktree, sha = noted
    take_over(worktree)
    database_path(worktree).write_bytes(b"no database" * 500)
    assert overlay(worktree.root, [line(sha, 1)]) == [line(sha, 1)]
    assert [one.status for one in take_over(worktree)] == ["imported"]
    assert database_path(worktree).stat().st_mode & 0o777 == 0o600


def test_a_claim_about_billions_of_lines_costs_nothing(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    spans = ",".join(f"{n}-9999999999" for n in range(1, 2000))
    annotate(tmp_path, sha, "a.txt", f"  s_c9883b05a2487d::t_9f8e7d6c5b4a32 {spans}")
    assert take_over(worktree)[0].ai_lines == 9999999999
    assert kinds(worktree, [line(sha, 5)]) == [("tool_call", "provisional", "conv-1")]


def test_names_that_are_no_text_and_halves_of_characters_do_no_harm(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    odd = {"s_c9883b05a2487d": {"agent_id": {"tool": "\ud800", "id": "x\u0000", "model": "m"}}}
    annotate(tmp_path, sha, "a.txt", "  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1", sessions=odd)
    content = git(tmp_path, "notes", "--ref=refs/notes/ai", "show", sha).encode().replace(b"a.txt", b"caf\xe9")
    blob = git(tmp_path, "hash-object", "-w", "--stdin", stdin=content).strip()
    git(tmp_path, "notes", "--ref=refs/notes/ai", "add", "-f", "-C", blob, sha)
    take_over(worktree)
    (found,) = overlay(worktree.root, [line(sha, 1, path="caf\udce9")])
    assert found.call
    assert (found.call.agent, found.call.session_id) == ("?", "x\0")


def test_our_own_notes_come_back_as_claims_on_another_machine(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    git_notes.add(worktree, [told(sha, written((1, 1)))])
    take_over(worktree)
    (found,) = overlay(worktree.root, [line(sha, 1)])
    assert found.call
    assert (found.call.session_id, found.call.agent, found.origin.firmness) == (SESSION, "claude-code", "provisional")


def test_a_repository_without_notes_has_nothing_to_import(tmp_path: Path) -> None:
    worktree, _ = repository(tmp_path)
    assert take_over(worktree) == []
    assert git_ai_claims.CAPTURE_METHOD == "git_ai_note"
