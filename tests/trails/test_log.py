from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from opentraces_schema import SCHEMA_VERSION as TRACE_SCHEMA_VERSION

from hookkit.git import Worktree
from hookkit.trails import log, vocabulary
from hookkit.trails.events import TrailError, TrailEvent, TrailEventDraft, event_id, object_id
from hookkit.trails.log import REF, append_events, has_fact, known_facts, read_events, read_events_for_trace
from hookkit.trails.log_batch import about
from hookkit.trails.log_cache import cache_path
from hookkit.trails.pack import listed
from hookkit.trails.verify import verify
from tests.trails.log_support import (
    SCHEMA,
    assert_whole,
    at,
    capture,
    change,
    git,
    make_repository,
    private_files,
    record,
    snapshot,
)  # fmt: skip


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    return make_repository(tmp_path / "work: tree")


def test_events_come_back_in_order_as_they_were_written(worktree: Worktree) -> None:
    written = record(worktree, "c1", "c2") + record(worktree, "c3", trace="other")
    events = read_events(worktree.root)
    assert events == written
    assert [event.event_sequence for event in events] == [1, 2, 3]
    assert [event.previous_event_id for event in events] == [None, *(event.event_id for event in events[:-1])]
    assert events[0].batch_id == events[1].batch_id != events[2].batch_id
    assert [event.event_sequence for event in read_events(worktree, since=1)] == [2, 3]
    assert [event.event_sequence for event in read_events_for_trace(worktree, "other")] == [3]
    assert read_events_for_trace(worktree, "none") == []


def test_every_line_is_as_the_schema_says(worktree: Worktree) -> None:
    record(worktree, "c1")
    for line in git(worktree.root, "show", f"{REF}:events.jsonl").splitlines():
        SCHEMA.validate(json.loads(line))


def test_a_repository_without_a_log_has_no_events_and_stays_as_it_is(worktree: Worktree) -> None:
    assert (read_events(worktree), known_facts(worktree)) == ([], set())
    assert not (worktree.common_dir / "hookkit").exists()


@pytest.mark.parametrize("name", [name for name in TrailEvent.__slots__ if name != "event_id"])
def test_the_id_covers_every_field(name: str, worktree: Worktree) -> None:
    (event,) = record(worktree, "c1")
    value = event.to_json()
    assert event_id(value) == event.event_id
    assert event_id(value | {name: "another"}) != event.event_id


def test_a_fact_is_appended_once_however_it_is_told(worktree: Worktree) -> None:
    tree = change(worktree, "a", "a")
    first, told_again = snapshot(worktree, tree, "c1"), snapshot(worktree, tree, "c1", agent="renamed")
    told_again = replace(told_again, step_index=7)
    other = snapshot(worktree, tree, "c2")
    assert len(append_events(worktree, [first, told_again], writer="w", trees=[tree])) == 1
    assert append_events(worktree, [told_again], writer="another", trees=[tree]) == []
    assert [event.payload["tool_call_id"] for event in append_events(worktree, [first, other], writer="w")] == ["c2"]
    assert known_facts(worktree) == {first.fact(), other.fact()}
    assert has_fact(worktree, first.fact())
    assert append_events(worktree, [], writer="w") == []


def test_the_same_facts_give_the_same_log_wherever_and_whenever(tmp_path: Path) -> None:
    heads = []
    for name in ("one", "two"):
        worktree = make_repository(tmp_path / name / "same")
        worktree = Worktree(worktree.root, worktree.git_dir, worktree.common_dir)
        trees = [change(worktree, f"{number}.txt", str(number)) for number in range(3)]
        for number, tree in enumerate(trees):
            draft = snapshot(worktree, tree, f"c{number}", worktree_root="/elsewhere")
            append_events(worktree, [draft], writer="w", trees=[tree])
        heads.append(git(worktree.root, "rev-parse", REF))
    assert heads[0] == heads[1]


def test_git_alone_keeps_all_that_was_recorded(worktree: Worktree) -> None:
    trees = [event.payload["tree_id"]["hex"] for event in record(worktree, "c1", "d/c2") + record(worktree, "c3")]
    assert private_files(worktree) == []
    for path in worktree.root.glob("*c*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert_whole(worktree, trees)
    git(worktree.root, "reflog", "expire", "--expire=now", "--all")
    git(worktree.root, "gc", "-q", "--prune=now")
    assert_whole(worktree, trees)
    assert verify(worktree, full=True).ok
    record(worktree, "c4")
    assert_whole(worktree, trees)


def test_gc_between_capture_and_append_loses_nothing(worktree: Worktree) -> None:
    tree = change(worktree, "a", "a\n")
    (worktree.root / "a").unlink()
    git(worktree.root, "gc", "-q", "--prune=now")
    append_events(worktree, [snapshot(worktree, tree, "c1")], writer="w", trees=[tree])
    assert_whole(worktree, [tree])


def test_a_tree_that_lost_an_object_of_the_users_is_left_out_and_named(worktree: Worktree) -> None:
    (worktree.root / "a").write_text("only in the user's store\n")
    git(worktree.root, "add", "a")
    lost, whole = capture(worktree), ""
    git(worktree.root, "rm", "-q", "--cached", "a")
    (worktree.root / "a").unlink()
    git(worktree.root, "gc", "-q", "--prune=now")
    whole = change(worktree, "b", "b\n")
    drafts = [snapshot(worktree, tree, f"c{number}") for number, tree in enumerate((lost, whole, "1" * 40))]
    events = append_events(worktree, drafts, writer="w", trees=[lost, whole, "1" * 40])
    assert len(events) == 3
    assert_whole(worktree, [whole])
    said = about(worktree, git(worktree.root, "rev-parse", REF))
    assert said["missing_trees"] == [object_id(tree) for tree in sorted((lost, "1" * 40))]
    assert verify(worktree, full=True).ok


def test_the_empty_tree_is_kept_like_any_other(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    git(root, "init", "-q")
    worktree = at(root)
    tree = capture(worktree)
    append_events(worktree, [snapshot(worktree, tree, "c1")], writer="w", trees=[tree])
    git(root, "gc", "-q", "--prune=now")
    assert_whole(worktree, [tree])
    assert verify(worktree, full=True).ok


def test_packs_stay_few_and_nothing_is_stored_twice(worktree: Worktree) -> None:
    trees = []
    for number in range(40):
        trees += [event.payload["tree_id"]["hex"] for event in record(worktree, f"c{number}")]
        assert len(listed(worktree)) <= 8
    counted = dict(line.split(": ") for line in git(worktree.root, "count-objects", "-v").splitlines())
    assert int(counted["packs"]) <= 8
    reached = git(worktree.root, "rev-list", "--objects", "--no-object-names", REF).split()
    assert int(counted["in-pack"]) <= len(reached)
    assert private_files(worktree) == []
    assert_whole(worktree, trees)


def test_a_pack_that_the_users_gc_replaced_is_forgotten(worktree: Worktree) -> None:
    record(worktree, "c1")
    git(worktree.root, "gc", "-q")
    assert listed(worktree) == []
    record(worktree, "c2")
    assert len(listed(worktree)) == 1


def test_what_no_session_will_ask_for_leaves_the_private_store(
    worktree: Worktree, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(worktree, "a", "a\n")
    forgotten = private_files(worktree)
    assert forgotten
    record(worktree, "c1")
    assert set(private_files(worktree)) <= set(forgotten)
    month = 32 * 86400
    now = (worktree.common_dir / "hookkit" / "tidied").stat().st_mtime
    monkeypatch.setattr("time.time", lambda: now + month)
    record(worktree, "c2")
    assert private_files(worktree) == []


def test_a_linked_worktree_shares_the_log(worktree: Worktree, tmp_path: Path) -> None:
    git(worktree.root, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = at(tmp_path / "linked")
    events = record(linked, "c1") + record(worktree, "c2")
    assert read_events(linked) == read_events(worktree) == events


def test_a_repository_with_sha256_ids(tmp_path: Path) -> None:
    worktree = make_repository(tmp_path / "r", "--object-format=sha256")
    (event,) = record(worktree, "c1")
    assert event.payload["tree_id"]["algo"] == "sha256"
    git(worktree.root, "gc", "-q", "--prune=now")
    assert_whole(worktree, [event.payload["tree_id"]["hex"]])
    assert verify(worktree, full=True).ok


def test_the_users_configuration_and_hooks_do_not_matter(worktree: Worktree, isolated_home: Path) -> None:
    reached = isolated_home / "reached"
    hook = worktree.git_dir / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho $1 >> '{reached}'\nexit 1\n")
    hook.chmod(0o755)
    for name, value in {
        "core.logAllRefUpdates": "always", "commit.gpgSign": "true", "gpg.program": "false", "core.abbrev": "6",
        "user.useConfigOnly": "true", "i18n.commitEncoding": "UTF-16", "log.showSignature": "true", "gc.auto": "1",
        "transfer.fsckObjects": "true", "pack.packSizeLimit": "1m", "core.autocrlf": "true", "core.quotePath": "false",
    }.items():  # fmt: skip
        git(worktree.root, "config", name, value)
        git(worktree.root, "config", "--global", name, value)
    record(worktree, "c1")
    record(worktree, "c2")
    assert not reached.exists()
    assert not (worktree.common_dir / "logs" / "refs" / "opentraces").exists()
    commit = git(worktree.root, "cat-file", "commit", REF)
    assert "author hookkit <hookkit@localhost> " in commit
    assert "gpgsig" not in commit
    assert verify(worktree, full=True).ok


def test_the_users_index_head_and_refs_are_not_touched(worktree: Worktree) -> None:
    def state() -> tuple[object, ...]:
        index = worktree.git_dir / "index"
        refs = git(worktree.root, "for-each-ref", "refs/heads", "refs/tags", "--format=%(refname) %(objectname)")
        return index.read_bytes(), index.stat().st_mtime_ns, (worktree.git_dir / "HEAD").read_bytes(), refs

    before = state()
    record(worktree, "c1")
    assert state() == before


@pytest.mark.parametrize("damage", ["deleted", "garbage", "empty", "old"])
def test_the_cache_can_be_lost_at_any_time(damage: str, worktree: Worktree) -> None:
    events = record(worktree, "c1", "c2")
    path = cache_path(worktree)
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    if damage == "garbage":
        path.write_bytes(b"no database" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "old":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE meta (x)")
            db.execute("PRAGMA user_version = 99")
        db.close()
    assert read_events(worktree) == events
    assert record(worktree, "c3")[0].previous_event_id == events[-1].event_id


def test_a_log_that_was_replaced_is_read_anew(worktree: Worktree) -> None:
    first = record(worktree, "c1")
    head = git(worktree.root, "rev-parse", REF)
    record(worktree, "c2")
    read_events(worktree)
    git(worktree.root, "update-ref", REF, head)
    assert read_events(worktree) == first
    git(worktree.root, "update-ref", "-d", REF)
    assert read_events(worktree) == []
    assert [event.event_sequence for event in record(worktree, "c3")] == [1]


def test_batches_of_other_programs_are_read_and_followed(worktree: Worktree) -> None:
    mine = record(worktree, "c1")[0]
    theirs = mine.to_json() | {
        "event_id": "trailevent-sha256:" + "9" * 64, "event_sequence": 2, "previous_event_id": mine.event_id,
        "writer": "another", "event_type": "git_anchor_search_completed", "trace_id": None,
    }  # fmt: skip
    blob = git(worktree.root, "hash-object", "-w", "--stdin", stdin=json.dumps(theirs, indent=2).encode())
    folder = git(worktree.root, "mktree", stdin=f"100644 blob {blob}\t{2:012}.json\n".encode())
    tree = git(worktree.root, "mktree", stdin=f"040000 tree {folder}\tevents\n".encode())
    commit = git(worktree.root, "commit-tree", tree, "-p", REF, "-m", "another batch")
    git(worktree.root, "update-ref", REF, commit)
    last = record(worktree, "c3")[0]
    assert (last.event_sequence, last.previous_event_id) == (3, theirs["event_id"])
    assert [event.writer for event in read_events(worktree)] == ["test", "another", "test"]
    assert verify(worktree, full=True).ok


def test_a_damaged_log_is_an_error_with_a_way_out(worktree: Worktree) -> None:
    record(worktree, "c1")
    blob = git(worktree.root, "hash-object", "-w", "--stdin", stdin=b"{torn")
    tree = git(worktree.root, "mktree", stdin=f"100644 blob {blob}\tevents.jsonl\n".encode())
    commit = git(worktree.root, "commit-tree", tree, "-p", REF, "-m", "torn")
    git(worktree.root, "update-ref", REF, commit)
    for attempt in (lambda: read_events(worktree), lambda: record(worktree, "c2")):
        with pytest.raises(TrailError) as caught:
            attempt()
        assert caught.value.code == "LOG_DAMAGED"
        assert "rebuild" in caught.value.hint


def test_a_lock_that_a_killed_git_left_heals_and_one_in_use_is_waited_for(
    worktree: Worktree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_TRIES", 3)
    record(worktree, "c1")
    lock = worktree.common_dir / f"{REF}.lock"
    lock.write_text("")
    with pytest.raises(TrailError) as caught:
        record(worktree, "c2")
    assert caught.value.code == "LOG_BUSY"
    assert len(read_events(worktree)) == 1
    os.utime(lock, (1, 1))
    assert len(record(worktree, "c2")) == 1


OK = {"tree_id": object_id("1" * 40), "event_time": "2026-11-22T06:36:35.246250Z"}


@pytest.mark.parametrize(
    "bad",
    [
        {"event_type": "no_such_type"},
        {"capture_method": []},
        {"capture_method": "hook_stop"},
        {"capture_method": [""]},
        {"payload": OK | {"tree_id": "1" * 40}},
        {"payload": OK | {"tree_id": {"algo": "sha1", "hex": "1" * 64}}},
        {"payload": OK | {"tree_id": {"algo": "sha1", "hex": "X" * 40}}},
        {"payload": OK | {"deep": [{"commit_id": "1" * 40}]}},
        {"payload": OK | {"commit_sha": "1" * 40}},
        {"payload": OK | {"capture_limitations": ["tracked_files_only"]}},
        {"payload": OK | {"capture_limitations": "hook_only"}},
        {"payload": OK | {"event_time": "yesterday"}},
        {"payload": OK | {"event_time": "2026-11-22T06:36:35"}},
        {"payload": {"tree_id": None}},
        {"payload": OK | {"number": float("nan")}},
        {"payload": OK | {"thing": object()}},
        {"payload": []},
    ],
)
def test_what_must_not_get_into_the_log_is_refused_at_once(bad: dict[str, object]) -> None:
    good = {"event_type": "trace_session_closed", "payload": OK, "capture_method": ["hook_stop"]}
    TrailEventDraft(**good)  # type: ignore[arg-type]
    with pytest.raises(TrailError) as caught:
        TrailEventDraft(**{**good, **bad})  # type: ignore[arg-type]
    assert caught.value.code == "INVALID_EVENT"


def test_names_that_are_no_utf8_survive(worktree: Worktree) -> None:
    tree = capture(worktree)
    draft = snapshot(worktree, tree, "c1", tool_name="\udcff\n\u2028\U0001f600")
    append_events(worktree, [draft], writer="w", trees=[tree])
    assert read_events(worktree)[0].payload["tool_name"] == "\udcff\n\u2028\U0001f600"
    assert verify(worktree, full=True).ok


def test_the_vocabulary_is_the_shared_one() -> None:
    assert vocabulary.SCHEMA_VERSION == TRACE_SCHEMA_VERSION
    assert len(vocabulary.EVENT_TYPES) == 16
    assert len(vocabulary.CAPTURE_LIMITATIONS) == 10
    properties = SCHEMA.schema["properties"]
    assert set(properties["event_type"]["enum"]) == vocabulary.EVENT_TYPES
    assert set(SCHEMA.schema["$defs"]["capture_limitations"]["items"]["enum"]) == vocabulary.CAPTURE_LIMITATIONS
    assert set(SCHEMA.schema["required"]) == set(properties) == set(TrailEvent.__slots__)
