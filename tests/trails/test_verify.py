from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit.git import Worktree
from hookkit.trails.events import canonical, content_hash, event_id
from hookkit.trails.log import REF, read_events
from hookkit.trails.log_cache import cache_path
from hookkit.trails.verify import VerifyResult, verify
from tests.trails.log_support import git, make_repository, record

Edit = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    worktree = make_repository(tmp_path / "r")
    record(worktree, "c1", "c2")
    record(worktree, "c3", "c4")
    return worktree


def rewrite(worktree: Worktree, edit: Edit, *, about: dict[str, Any] | None = None, text: bytes | None = None) -> None:
    """Put another batch in the place of the last one, as somebody would who wants it to look right."""
    root = worktree.root
    lines = [json.loads(line) for line in git(root, "show", f"{REF}:events.jsonl").splitlines()]
    edit(lines)
    written = b"".join(canonical(line) + b"\n" for line in lines) if text is None else text
    said = json.loads(git(root, "show", f"{REF}:batch.json")) | (about or {})
    entries = [line for line in git(root, "ls-tree", REF).splitlines() if line.endswith("trees")]
    for name, content in (("events.jsonl", written), ("batch.json", canonical(said))):
        blob = git(root, "hash-object", "-w", "--stdin", stdin=content)
        entries.append(f"100644 blob {blob}\t{name}")
    tree = git(root, "mktree", stdin="\n".join(entries).encode())
    git(root, "update-ref", REF, git(root, "commit-tree", tree, "-p", f"{REF}^", "-m", "x"))


def put(number: int, **fields: Any) -> Edit:
    def edit(lines: list[dict[str, Any]]) -> None:
        lines[number].update(fields)

    return edit


def rehashed(number: int, **fields: Any) -> Edit:
    """The same, with hashes that fit."""

    def edit(lines: list[dict[str, Any]]) -> None:
        lines[number].update(fields)
        lines[number]["content_hash"] = content_hash(lines[number]["payload"])
        lines[number]["event_id"] = event_id(lines[number])

    return edit


def test_a_log_that_nobody_touched_is_right(worktree: Worktree) -> None:
    assert verify(worktree, full=True) == VerifyResult(True, 4, 2)
    assert verify(worktree, full=False) == VerifyResult(True, 4, 2)


def test_a_repository_without_a_log_is_right(tmp_path: Path) -> None:
    worktree = make_repository(tmp_path / "none")
    assert verify(worktree, full=True) == verify(worktree, full=False) == VerifyResult(True, 0, 0)
    assert not (worktree.common_dir / "hookkit").exists()


@pytest.mark.parametrize(
    ("edit", "first_bad"),
    [
        (put(1, event_time="2020-01-01T00:00:00Z"), 4),
        (put(1, writer="somebody"), 4),
        (put(0, batch_id="batch-" + "0" * 32), 3),
        (put(0, trace_id="another"), 3),
        (put(0, step_index=99), 3),
        (put(0, capture_method=["manual_attach"]), 3),
        (put(0, event_type="git_anchor_created"), 3),
        (put(0, SCHEMA_VERSION="1"), 3),
        (put(0, payload={}), 3),
        (put(0, content_hash="sha256:" + "0" * 64), 3),
        (put(0, extra=1), 3),
        (put(1, event_sequence=7), 4),
        (rehashed(1, event_sequence=7), 4),
        (rehashed(0, previous_event_id=None), 3),
        (rehashed(0, payload={"x": 1}), 4),
        (rehashed(1, payload={"x": 1}), 3),
        (lambda lines: lines.reverse(), 3),
        (lambda lines: lines.pop(), 3),
        (lambda lines: lines.pop(0), 3),
        (lambda lines: lines.append(lines[-1]), 5),
        (lambda lines: lines.clear(), 3),
    ],
)
def test_the_first_bad_event_is_named(worktree: Worktree, edit: Edit, first_bad: int) -> None:
    rewrite(worktree, edit)
    for full in (False, True):
        found = verify(worktree, full=full)
        assert (found.ok, found.first_bad) == (False, first_bad), found.problem
        assert found.problem
        assert found.events < first_bad


@pytest.mark.parametrize(
    "about", [{"event_count": 3}, {"previous_event_log_head": None}, {"writer": "x"}, {"batch_id": "batch-1"}]
)
def test_a_batch_that_says_something_else_than_its_events_is_bad(worktree: Worktree, about: dict[str, Any]) -> None:
    rewrite(worktree, lambda lines: None, about=about)
    assert verify(worktree, full=False).first_bad == 3


@pytest.mark.parametrize("text", [b"{torn\n", b"[]\n", b"null\n", b'{"payload": 1}\n', b"\xff\n", b"[" * 100_000])
def test_a_line_that_is_no_event_is_bad(worktree: Worktree, text: bytes) -> None:
    rewrite(worktree, lambda lines: None, text=text)
    assert verify(worktree, full=True).first_bad == 3


def test_an_event_that_is_spelled_in_another_way_is_bad(worktree: Worktree) -> None:
    lines = git(worktree.root, "show", f"{REF}:events.jsonl").splitlines()
    rewrite(worktree, lambda _: None, text="".join(json.dumps(json.loads(line)) + "\n" for line in lines).encode())
    assert verify(worktree, full=True).first_bad == 3


def test_a_batch_that_was_taken_out_is_missed(worktree: Worktree) -> None:
    record(worktree, "c5")
    tree = git(worktree.root, "rev-parse", f"{REF}^{{tree}}")
    git(worktree.root, "update-ref", REF, git(worktree.root, "commit-tree", tree, "-p", f"{REF}~2", "-m", "x"))
    assert verify(worktree, full=True).first_bad == 3


def test_a_log_that_was_merged_from_two_is_bad(worktree: Worktree) -> None:
    tree = git(worktree.root, "rev-parse", f"{REF}^{{tree}}")
    commit = git(worktree.root, "commit-tree", tree, "-p", f"{REF}^", "-p", "HEAD", "-m", "x")
    git(worktree.root, "update-ref", REF, commit)
    assert verify(worktree, full=True).first_bad == 3


def test_a_tree_that_is_kept_under_another_name_is_bad(worktree: Worktree) -> None:
    root = worktree.root
    kept = git(root, "ls-tree", f"{REF}:trees").splitlines()
    names = [line.split("\t")[1] for line in kept]
    swapped = "\n".join(f"{line.split(chr(9))[0]}\t{name}" for line, name in zip(kept, reversed(names), strict=True))
    trees = git(root, "mktree", stdin=swapped.encode())
    rest = [line for line in git(root, "ls-tree", REF).splitlines() if not line.endswith("trees")]
    tree = git(root, "mktree", stdin="\n".join([*rest, f"040000 tree {trees}\ttrees"]).encode())
    git(root, "update-ref", REF, git(root, "commit-tree", tree, "-p", f"{REF}^", "-m", "x"))
    assert verify(worktree, full=False).first_bad == 3


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_full_finds_the_event_whose_objects_git_has_not(worktree: Worktree, how: str) -> None:
    root = worktree.root
    pack = next((root / ".git/objects/pack").glob("*.pack"))
    for each in (root / ".git/objects/pack").glob("*.pack"):
        moved = each.rename(root / each.name)
        each.with_suffix(".idx").unlink()
        git(root, "unpack-objects", "-q", stdin=moved.read_bytes())
    assert pack
    bad = read_events(worktree)[2]
    blob = git(root, "rev-parse", f"{bad.payload['tree_id']['hex']}:c3.txt")
    path = root / ".git/objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.unlink() if how == "lost" else path.write_bytes(b"garbage")
    found = verify(worktree, full=True)
    assert (found.ok, found.first_bad, found.first_bad_id) == (False, 3, bad.event_id)


def test_fast_looks_only_at_what_came_since_it_was_found_right(worktree: Worktree) -> None:
    verify(worktree, full=True)
    record(worktree, "c5")
    assert verify(worktree, full=False) == VerifyResult(True, 5, 3)
    record(worktree, "c6")
    rewrite(worktree, put(0, writer="x"))
    assert verify(worktree, full=False).first_bad == 6
    assert verify(worktree, full=True).first_bad == 6


def test_fast_begins_anew_where_the_log_is_another_one(worktree: Worktree) -> None:
    verify(worktree, full=False)
    rewrite(worktree, put(0, writer="x"))
    assert verify(worktree, full=False).first_bad == 3


def test_a_cache_that_is_gone_is_no_obstacle(worktree: Worktree) -> None:
    verify(worktree, full=False)
    cache_path(worktree).unlink()
    assert verify(worktree, full=False).ok
