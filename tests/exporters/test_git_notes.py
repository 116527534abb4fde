"""Notes in a real repository: added to, never taken from."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from hookkit.errors import HookkitError
from hookkit.exporters import git_ai_ref, git_notes
from hookkit.exporters.git_ai_format import call_key, session_key

from .support import SESSION, TRACE, check_note, commit, git, note, repository, told, written

KEY = f"{session_key('claude', SESSION)}::{call_key(TRACE, 'toolu_1')}"


def set_note(root: Path, sha: str, content: str) -> None:
    git(root, "notes", "--ref=refs/notes/ai", "add", "-f", "-F", "-", sha, stdin=content.encode())


def foreign(lines: str, **metadata: object) -> str:
    head = {"schema_version": "authorship/3.0.0", "git_ai_version": "1.4.5", "base_commit_sha": "", "prompts": {}}
    human = {"humans": {"h_31dce776f88375": {"author": "Alice <alice@example.com>"}}}
    return f"a.txt\n  h_31dce776f88375 {lines}\n---\n{json.dumps(head | human | metadata)}\n"


def test_a_new_note_names_session_call_and_lines(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    (noted,) = git_notes.add(worktree, [told(sha, written((1, 3)), written((7, 7)), written((5, 5), "toolu_2"))])
    assert (noted.status, noted.lines, noted.new_lines, noted.calls, noted.sessions) == ("written", 5, 5, 2, 1)
    other = f"{session_key('claude', SESSION)}::{call_key(TRACE, 'toolu_2')}"
    shown = note(worktree, sha)
    assert shown.startswith(f"a.txt\n  {KEY} 1-3,7\n  {other} 5\n---\n")
    assert check_note(shown) == {
        "schema_version": "authorship/3.0.0",
        "base_commit_sha": sha,
        "prompts": {},
        "sessions": {
            session_key("claude", SESSION): {
                "agent_id": {"tool": "claude", "id": SESSION, "model": "claude-opus-4-8"},
            }
        },
    }


def test_a_second_export_changes_nothing(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    facts = [told(sha, written((1, 3)))]
    git_notes.add(worktree, facts)
    tip = git_ai_ref.tip(worktree)
    (noted,) = git_notes.add(worktree, facts)
    assert (noted.status, noted.new_lines) == ("unchanged", 0)
    assert git_ai_ref.tip(worktree) == tip


def test_a_later_export_adds_what_was_learned_since(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    git_notes.add(worktree, [told(sha, written((1, 3)))])
    (noted,) = git_notes.add(worktree, [told(sha, written((1, 4)), written((9, 9), path="b.txt"))])
    assert (noted.status, noted.new_lines) == ("written", 2)
    assert note(worktree, sha).startswith(f"a.txt\n  {KEY} 1-4\nb.txt\n  {KEY} 9\n---\n")


def test_lines_that_others_claim_stay_theirs(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    set_note(tmp_path, sha, foreign("2,4-5", later={"x": [1]}))
    (noted,) = git_notes.add(worktree, [told(sha, written((1, 6)))])
    assert noted.new_lines == 3
    shown = note(worktree, sha)
    assert shown.startswith(f"a.txt\n  h_31dce776f88375 2,4-5\n  {KEY} 1,3,6\n---\n")
    metadata = check_note(shown)
    assert metadata["git_ai_version"] == "1.4.5"
    assert metadata["later"] == {"x": [1]}
    assert metadata["humans"] == {"h_31dce776f88375": {"author": "Alice <alice@example.com>"}}


def test_a_note_where_everything_is_claimed_is_not_touched(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    set_note(tmp_path, sha, foreign("1-9"))
    tip = git_ai_ref.tip(worktree)
    (noted,) = git_notes.add(worktree, [told(sha, written((1, 6)))])
    assert (noted.status, noted.new_lines, git_ai_ref.tip(worktree)) == ("unchanged", 0, tip)


@pytest.mark.parametrize(
    "content", ["free text\n", '---\n{"schema_version": "authorship/4.0.0"}\n', "a.txt\n  ? 1\n---\n{}"]
)
def test_a_note_of_another_form_is_left_alone_and_the_others_are_written(tmp_path: Path, content: str) -> None:
    worktree, (first, second) = repository(tmp_path, 2)
    set_note(tmp_path, first, content)
    before = note(worktree, first)
    noted = git_notes.add(worktree, [told(first, written((1, 1))), told(second, written((2, 2)))])
    assert [one.status for one in noted] == ["unreadable", "written"]
    assert noted[0].problem
    assert note(worktree, first) == before


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    (noted,) = git_notes.add(worktree, [told(sha, written((1, 1)))], dry_run=True)
    assert (noted.status, git_ai_ref.tip(worktree)) == ("written", None)


def test_a_commit_without_lines_of_calls_gets_no_note(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    (noted,) = git_notes.add(worktree, [told(sha)])
    assert (noted.status, git_ai_ref.tip(worktree)) == ("nothing", None)


def test_all_notes_of_one_export_are_one_commit_on_top_of_those_of_others(tmp_path: Path) -> None:
    worktree, ids = repository(tmp_path, 3)
    set_note(tmp_path, ids[0], "theirs")
    before = git_ai_ref.tip(worktree)
    git_notes.add(worktree, [told(sha, written((1, 1))) for sha in ids[1:]])
    assert git(tmp_path, "rev-list", "--parents", "-1", "refs/notes/ai").split() == [git_ai_ref.tip(worktree), before]
    assert note(worktree, ids[0]) == "theirs\n"
    git(tmp_path, "fsck", "--strict")


def test_hundreds_of_notes_are_found_by_git_whatever_the_layout(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    tree = git(tmp_path, "rev-parse", f"{sha}^{{tree}}").strip()
    stream = b"".join(b"commit refs/heads/many\ncommitter a <a@b> %d +0000\ndata 0\n" % n for n in range(1, 301))
    git(tmp_path, "fast-import", "--quiet", stdin=stream)
    ids = git(tmp_path, "rev-list", "many").split()
    assert len(ids) == 300
    assert tree
    git_notes.add(worktree, [told(one, written((1, 1))) for one in ids[:20]])
    noted = git_notes.add(worktree, [told(one, written((1, 1))) for one in ids])
    assert [one.status for one in noted] == ["unchanged"] * 20 + ["written"] * 280
    assert git_ai_ref.note_ids(worktree).keys() == {*ids}
    assert len(set(git(tmp_path, "notes", "--ref=refs/notes/ai", "list").split()[1::2])) == 300


def test_two_exports_at_once_lose_nothing(tmp_path: Path) -> None:
    worktree, ids = repository(tmp_path, 6)
    failed: list[Exception] = []

    def export(sha: str) -> None:
        try:
            git_notes.add(worktree, [told(sha, written((1, 1)))])
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=export, args=(sha,)) for sha in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert git_ai_ref.note_ids(worktree).keys() == {*ids}


def test_a_ref_that_never_stands_still_is_an_error_and_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree, (sha,) = repository(tmp_path)
    real = git_notes._identity

    def moved(of: object) -> str:
        set_note(
            tmp_path, git(tmp_path, "hash-object", "-w", "--stdin", stdin=str(counter.pop()).encode()).strip(), "x"
        )
        return real(worktree)

    counter = list(range(100))
    monkeypatch.setattr(git_notes, "_identity", moved)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(HookkitError) as refused:
        git_notes.add(worktree, [told(sha, written((1, 1)))])
    assert refused.value.code == "NOTES_BUSY"
    assert sha not in git_ai_ref.note_ids(worktree)
    assert len(git_ai_ref.note_ids(worktree)) == 100 - len(counter)


def test_it_works_in_a_sha256_repository_and_a_linked_worktree(tmp_path: Path) -> None:
    _, (sha,) = repository(tmp_path / "main", 1, "--object-format=sha256")
    git(tmp_path / "main", "worktree", "add", "-q", str(tmp_path / "linked"))
    from hookkit.git.worktree import find

    linked = find(tmp_path / "linked")
    assert linked
    git_notes.add(linked, [told(sha, written((1, 1)))])
    assert check_note(git(tmp_path / "main", "notes", "--ref=refs/notes/ai", "show", sha))["base_commit_sha"] == sha


def test_a_user_without_a_name_can_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worktree, (sha,) = repository(tmp_path)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "config", "user.useConfigOnly", "true")
    git_notes.add(worktree, [told(sha, written((1, 1)))])
    assert git(tmp_path, "log", "-1", "--format=%cn <%ce>", "refs/notes/ai").strip() == "hookkit <hookkit@localhost>"


def test_nothing_of_the_users_but_the_ref_and_its_objects_changes(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    (tmp_path / ".git" / "hooks" / "reference-transaction").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".git" / "hooks" / "reference-transaction").chmod(0o755)

    def state() -> dict[str, bytes]:
        kept = (path for path in (tmp_path / ".git").rglob("*") if path.is_file() and "objects" not in path.parts)
        return {str(path): path.read_bytes() for path in kept if "notes" not in path.parts}

    before = state()
    git_notes.add(worktree, [told(sha, written((1, 1)))])
    assert state() == before


def test_the_session_of_git_ai_itself_has_the_same_id(tmp_path: Path) -> None:
    """Who records with both has one session in the note, with the record that was there first."""
    worktree, (sha,) = repository(tmp_path)
    session = session_key("claude", SESSION)
    record = {"agent_id": {"tool": "claude", "id": SESSION, "model": "m"}, "human_author": "a@b"}
    head = {"schema_version": "authorship/3.0.0", "base_commit_sha": "", "prompts": {}, "sessions": {session: record}}
    set_note(tmp_path, sha, f"a.txt\n  {session}::t_aaaaaaaaaaaaaa 2\n---\n{json.dumps(head)}")
    git_notes.add(worktree, [told(sha, written((1, 3)))])
    assert check_note(note(worktree, sha))["sessions"] == {session: record}
    assert f"  {session}::t_aaaaaaaaaaaaaa 2\n  {KEY} 1,3\n" in note(worktree, sha)


def test_a_crash_report_of_git_is_not_left_behind(tmp_path: Path) -> None:
    worktree, _ = repository(tmp_path)
    with pytest.raises(HookkitError):
        git_notes.add(worktree, [told("0" * 39 + "1", written((1, 1)))])
    assert not list((tmp_path / ".git").glob("fast_import_crash*"))


def test_notes_that_git_pushes_and_fetches_arrive(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path / "a")
    git_notes.add(worktree, [told(sha, written((1, 1)))])
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "hub")], check=True)
    git(tmp_path / "a", "push", "-q", str(tmp_path / "hub"), "main", "refs/notes/ai")
    subprocess.run(["git", "clone", "-q", str(tmp_path / "hub"), str(tmp_path / "b"), "-b", "main"], check=True)
    git(tmp_path / "b", "fetch", "-q", "origin", "refs/notes/ai:refs/notes/ai")
    check_note(git(tmp_path / "b", "notes", "--ref=refs/notes/ai", "show", sha))


def test_a_path_that_is_not_ascii_is_named_as_it_is(tmp_path: Path) -> None:
    worktree, _ = repository(tmp_path)
    sha = commit(tmp_path, "日本/ü b.txt", b"x\n")
    git_notes.add(worktree, [told(sha, written((1, 1), path="日本/ü b.txt"))])
    assert note(worktree, sha).startswith('"日本/ü b.txt"\n')
