"""After a file tool the line says which lines the call wrote, from the hunks that the agent reports."""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .rig import VALIDATOR, Payload, Rig, hook_module

events = hook_module("hookkit_claude_events")
hunks = hook_module("hookkit_hunks")


def sha256_of(*lines: str) -> str:
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def shown(line: str) -> str:
    """A line as Claude Code 2.1.197 shows it in a hunk: each tab that it begins with as two spaces."""
    rest = line.lstrip("\t")
    return "  " * (len(line) - len(rest)) + rest


def structured_patch(before: str, after: str, context: int = 3) -> list[Payload]:
    """The hunks from `before` to `after`, made by Python's own differ."""
    old, new = before.split("\n"), after.split("\n")
    found = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        lines: list[str] = []
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [" " + shown(line) for line in old[i1:i2]]
            else:
                lines += ["-" + shown(line) for line in old[i1:i2]] + ["+" + shown(line) for line in new[j1:j2]]
        first, last = group[0], group[-1]
        sizes = {"oldLines": last[2] - first[1], "newLines": last[4] - first[3]}
        found.append({"oldStart": first[1] + 1, "newStart": first[3] + 1, **sizes, "lines": lines})
    return found


def edited(path: Path, before: str, old: str, new: str, everywhere: bool = False) -> Payload:
    """What an Edit of a file sends after the call, and the file as it leaves it."""
    after = before.replace(old, new, -1 if everywhere else 1)
    path.write_text(after)
    patch = structured_patch(before.removesuffix("\n"), after.removesuffix("\n"))
    return {
        "tool_name": "Edit",
        "tool_input": {"file_path": str(path), "old_string": old, "new_string": new, "replace_all": everywhere},
        "tool_response": {
            "filePath": str(path),
            "oldString": old,
            "newString": new,
            "originalFile": before,
            "structuredPatch": patch,
            "userModified": False,
            "replaceAll": everywhere,
        },
    }


def written(path: Path, content: str, before: str | None = None) -> Payload:
    path.write_text(content)
    response = {"filePath": str(path), "content": content, "originalFile": before, "userModified": False}
    patch = [] if before is None else structured_patch(before.removesuffix("\n"), content.removesuffix("\n"))
    response |= {"type": "create" if before is None else "update", "structuredPatch": patch}
    return {
        "tool_name": "Write",
        "tool_input": {"file_path": str(path), "content": content},
        "tool_response": response,
    }


def attribution(sent: Payload) -> Payload:
    """The attribution of one call, in the test's own process; `test_the_hook_says_the_same` runs the hook."""
    payload = {"tool_use_id": "toolu_1", **sent}
    data: Payload = events.data("tool_post", payload, foreign=False)
    line = {
        "type": "opentraces_hook",
        "event": "PostToolUse",
        "timestamp": "2026-11-22T06:36:35.246250Z",
        "data": {"session_id": "s", "agent": "claude-code", **data},
    }
    line["data"]["limitations"] = [*data["limitations"], "no_worktree"]
    if len(json.dumps(line)) < 16_000 and "content" not in data["tool_input"]:
        VALIDATOR.validate(line)
    return data


def test_the_hook_says_the_same(rig: Rig) -> None:
    data = rig.fire("PostToolUse", **edited(rig.project / "a.txt", "one\ntwo\nthree\n", "two", "2\nzwei"))["data"]
    assert data["file_path"] == str(rig.project / "a.txt")
    assert (data["start_line"], data["end_line"]) == (2, 3)
    assert data["content_hash"] == sha256_of("2", "zwei")
    assert (data["capture_status"], data["confidence"], data["limitations"]) == ("captured", "high", [])
    assert data["ranges"] == [
        {
            "start_line": 2,
            "end_line": 3,
            "change_type": "modification",
            "deleted_lines": 1,
            "content_hash": sha256_of("2", "zwei"),
        }
    ]


def test_a_created_file_is_all_of_its_lines(tmp_path: Path) -> None:
    data = attribution(written(tmp_path / "new", "a\n\tb\nc\n"))
    assert (data["start_line"], data["end_line"], data["confidence"]) == (1, 3, "high")
    assert data["content_hash"] == sha256_of("a", "\tb", "c")
    assert [found["change_type"] for found in data["ranges"]] == ["addition"]


def test_a_created_empty_file_has_no_lines(tmp_path: Path) -> None:
    data = attribution(written(tmp_path / "new", ""))
    assert (data["capture_status"], data["ranges"], data["limitations"]) == ("captured", [], [])
    assert not {"start_line", "end_line", "content_hash"} & set(data)


def test_an_overwritten_file_is_only_what_changed(tmp_path: Path) -> None:
    data = attribution(written(tmp_path / "f", "a\nB\nc\nd\nE\n", before="a\nb\nc\nd\ne\n"))
    assert [(found["start_line"], found["end_line"]) for found in data["ranges"]] == [(2, 2), (5, 5)]
    assert (data["start_line"], data["end_line"], data["confidence"]) == (2, 5, "medium")
    assert data["content_hash"] == sha256_of("B", "E")


def test_a_write_that_changed_nothing_is_said_to_have_changed_nothing(tmp_path: Path) -> None:
    data = attribution(written(tmp_path / "f", "a\n", before="a\n"))
    assert (data["capture_status"], data["ranges"], data["limitations"]) == ("captured", [], [])


def test_a_write_that_only_turned_spaces_into_tabs_is_not_said_to_have_changed_nothing(tmp_path: Path) -> None:
    sent = written(tmp_path / "f", "\ta\n", before="  a\n")
    sent["tool_response"]["structuredPatch"] = []
    assert attribution(sent)["capture_status"] == "hook_only"


def test_lines_that_begin_with_tabs_are_hashed_as_they_were_written(tmp_path: Path) -> None:
    before = "func a() {\n\tx := 1\n\tif x {\n\t\ty()\n\t}\n}\n"
    sent = edited(tmp_path / "a.go", before, "\t\ty()", "\t\tz(\t1)\n  \tw()")
    assert "+    z(\t1)" in sent["tool_response"]["structuredPatch"][0]["lines"]
    data = attribution(sent)
    assert (data["start_line"], data["end_line"], data["confidence"], data["limitations"]) == (4, 5, "high", [])
    assert data["content_hash"] == data["ranges"][0]["content_hash"] == sha256_of("\t\tz(\t1)", "  \tw()")


def test_tabs_are_right_also_when_the_answer_holds_no_whole_file(tmp_path: Path) -> None:
    sent = edited(tmp_path / "a.go", "\ta\n\tb\n", "\tb", "\tc")
    del sent["tool_response"]["originalFile"]
    data = attribution(sent)
    assert (data["content_hash"], data["confidence"]) == (sha256_of("\tc"), "high")


def test_replace_all_names_every_range(tmp_path: Path) -> None:
    before = "".join(f"l{number} foo\n" if number % 10 == 0 else f"l{number}\n" for number in range(40))
    data = attribution(edited(tmp_path / "f", before, "foo", "bar", everywhere=True))
    assert [found["start_line"] for found in data["ranges"]] == [1, 11, 21, 31]
    assert [found["content_hash"] for found in data["ranges"]] == [sha256_of(f"l{n} bar") for n in (0, 10, 20, 30)]
    assert (data["start_line"], data["end_line"], data["confidence"]) == (1, 31, "medium")


def test_two_changes_in_one_hunk_are_two_ranges(tmp_path: Path) -> None:
    data = attribution(edited(tmp_path / "f", "x\nb\nx\n", "x", "y", everywhere=True))
    assert [(found["start_line"], found["end_line"]) for found in data["ranges"]] == [(1, 1), (3, 3)]


def test_deleted_lines_are_not_said_to_be_there(tmp_path: Path) -> None:
    data = attribution(edited(tmp_path / "f", "a\nb\nc\nd\n", "b\nc\n", ""))
    assert data["ranges"] == [{"start_line": 1, "end_line": 1, "change_type": "deletion", "deleted_lines": 2}]
    assert (data["capture_status"], data["limitations"]) == ("captured", ["lines_deleted_only"])
    assert not {"start_line", "end_line", "content_hash"} & set(data)


def test_a_deletion_beside_a_change_does_not_stretch_the_range(tmp_path: Path) -> None:
    before = "drop\n" + "".join(f"{number}\n" for number in range(20)) + "x\n"
    after = before.replace("drop\n", "").replace("x\n", "y\n")
    data = attribution(written(tmp_path / "f", after, before=before))
    assert [found["change_type"] for found in data["ranges"]] == ["deletion", "modification"]
    assert (data["start_line"], data["end_line"], data["confidence"]) == (21, 21, "high")


def test_a_file_emptied_is_a_deletion(tmp_path: Path) -> None:
    sent = written(tmp_path / "f", "", before="a\nb\n")
    hunk = {"oldStart": 1, "oldLines": 2, "newStart": 0, "newLines": 0, "lines": ["-a", "-b"]}
    sent["tool_response"]["structuredPatch"] = [hunk]
    data = attribution(sent)
    assert data["ranges"] == [{"start_line": 1, "end_line": 1, "change_type": "deletion", "deleted_lines": 2}]


def test_a_missing_last_newline_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a\nB")
    lines = [" a", "-b", "\\ No newline at end of file", "+B", "\\ No newline at end of file"]
    hunk = {"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": lines}
    sent = edited(path, "a\nb", "b", "B")
    sent["tool_response"]["structuredPatch"] = [hunk]
    data = attribution(sent)
    assert (data["start_line"], data["end_line"], data["confidence"]) == (2, 2, "high")
    assert data["content_hash"] == sha256_of("B")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_line_ends_and_byte_order_marks_are_not_part_of_a_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    sent = edited(path, "one\ntwo\nthree\n", "one\ntwo", "1\n2")
    path.write_bytes("1\r\n2\r\nthree\r\n".encode(encoding))
    data = attribution(sent)
    assert (data["content_hash"], data["confidence"], data["limitations"]) == (sha256_of("1", "2"), "high", [])
    crlf = written(path, "1\r\n2\r\n")
    assert attribution(crlf)["content_hash"] == sha256_of("1", "2")


def test_a_formatter_that_was_faster_lowers_the_confidence(tmp_path: Path) -> None:
    sent = edited(tmp_path / "f", "a\nb\n", "b", "c=1")
    (tmp_path / "f").write_text("a\nc = 1\n")
    data = attribution(sent)
    assert (data["confidence"], data["limitations"]) == ("low", ["hook_payload_state_mismatch"])
    assert (data["start_line"], data["content_hash"]) == (2, sha256_of("c=1"))


def test_a_file_that_is_gone_lowers_the_confidence(tmp_path: Path) -> None:
    sent = written(tmp_path / "f", "a\n")
    (tmp_path / "f").unlink()
    assert attribution(sent)["limitations"] == ["hook_payload_state_mismatch"]


def test_a_file_that_cannot_be_read_is_taken_at_the_agents_word(tmp_path: Path) -> None:
    sent = written(tmp_path / "f", "a\n")
    (tmp_path / "f").write_bytes(b"\xff\xff")
    assert attribution(sent)["confidence"] == "high"
    (tmp_path / "f").unlink()
    (tmp_path / "f").mkdir()
    assert attribution(sent)["confidence"] == "high"


def test_several_edits_at_once_are_captured(tmp_path: Path) -> None:
    sent = edited(tmp_path / "f", "a\nb\nc\n", "a", "A")
    sent["tool_name"] = "MultiEdit"
    sent["tool_input"] = {"file_path": str(tmp_path / "f"), "edits": [{"old_string": "a", "new_string": "A"}]}
    data = attribution(sent)
    assert (data["capture_status"], data["start_line"], data["content_hash"]) == ("captured", 1, sha256_of("A"))


def test_a_notebook_cell_is_captured_from_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    before = json.dumps({"cells": [{"source": ["x = 1\n"]}, {"source": ["y"]}]}, indent=1)
    after = before.replace("x = 1", "x = 2")
    path.write_text(after)
    response = {"original_file": before, "updated_file": after, "error": "", "edit_mode": "replace"}
    sent = {"tool_name": "NotebookEdit", "tool_input": {"notebook_path": str(path)}, "tool_response": response}
    data = attribution(sent)
    number = after.split("\n").index('    "x = 2\\n"') + 1
    assert (data["file_path"], data["start_line"], data["end_line"]) == (str(path), number, number)
    assert data["content_hash"] == sha256_of('    "x = 2\\n"')
    assert data["confidence"] == "high"
    response["error"] = "no such cell"
    assert attribution(sent)["capture_status"] == "hook_only"


def test_other_tools_are_hook_only_whatever_they_answer(tmp_path: Path) -> None:
    sent = {**edited(tmp_path / "f", "a\n", "a", "b"), "tool_name": "mcp__files__edit"}
    data = attribution(sent)
    assert data["capture_status"] == "hook_only"
    assert data["limitations"] == ["hook_only", "posttooluse_no_file_range"]
    assert not {"file_path", "ranges", "content_hash", "confidence"} & set(data)


@pytest.mark.parametrize("path", ["relative/f", "/with\0zero", "/\ud800", "/" + "x/" * 3000, 7, None, ""])
def test_a_path_that_is_none_is_hook_only(tmp_path: Path, path: Any) -> None:
    sent = edited(tmp_path / "f", "a\n", "a", "b")
    sent["tool_input"]["file_path"] = path
    assert attribution(sent)["capture_status"] == "hook_only"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELD = st.sampled_from(["newStart", "newLines", "lines", "oldStart"])


@given(hunk=JSON, field=FIELD, value=JSON, line=JSON, response=JSON)
def test_hunks_of_a_wrong_shape_are_not_believed(
    tmp_path_factory: pytest.TempPathFactory, hunk: Any, field: str, value: Any, line: Any, response: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "hunks"
    good = edited(path, "a\nb\nc\n", "b", "B")
    patch = good["tool_response"]["structuredPatch"]
    bent = [
        [hunk],
        [*patch, hunk],
        [{**patch[0], field: value}],
        [{key: kept for key, kept in patch[0].items() if key != field}],
        [{**patch[0], "lines": [*patch[0]["lines"], line]}],
        hunk,
    ]
    for each in bent:
        data = attribution({**good, "tool_response": {**good["tool_response"], "structuredPatch": each}})
        if data["capture_status"] == "captured" and data["ranges"]:
            assert all(1 <= found["start_line"] <= found["end_line"] for found in data["ranges"])
    attribution({**good, "tool_response": response})
    attribution({**good, "tool_input": response})


@pytest.mark.parametrize(
    "change",
    [
        {"newStart": "1"}, {"newStart": 1.0}, {"newStart": True}, {"newStart": -1}, {"newStart": None},
        {"newStart": 10**40}, {"newLines": 7}, {"lines": "+a"}, {"lines": [1]}, {"lines": [None]}, {"lines": [["+a"]]},
        {"lines": ["?a"]}, {"lines": [""]}, {"lines": None},
    ],
)  # fmt: skip
def test_a_hunk_with_one_wrong_field_is_hook_only(tmp_path: Path, change: Payload) -> None:
    sent = edited(tmp_path / "f", "a\nb\nc\n", "b", "B")
    sent["tool_response"]["structuredPatch"][0].update(change)
    assert attribution(sent)["capture_status"] == "hook_only"


LINE = st.text(alphabet="ab\t €", max_size=4)
TEXT = st.lists(LINE, min_size=1, max_size=14)


@given(before=TEXT, after=TEXT, context=st.integers(0, 4))
def test_the_ranges_are_exactly_the_added_lines_of_the_new_file(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str], context: int
) -> None:
    old, new = "\n".join([*before, "end"]), "\n".join([*after, "end"])
    path = tmp_path_factory.getbasetemp() / "ranges"
    sent = written(path, new, before=old)
    patch = sent["tool_response"]["structuredPatch"] = structured_patch(old, new, context)
    data = attribution(sent)
    if not patch:
        assert data["capture_status"] == "captured"
        assert data["ranges"] == []
        return
    expected, at = set(), 0
    for hunk in patch:
        at = hunk["newStart"]
        for line in hunk["lines"]:
            if line[0] == "+":
                expected.add(at)
            at += line[0] != "-"
    alive = [found for found in data["ranges"] if found["change_type"] != "deletion"]
    named = [number for found in alive for number in range(found["start_line"], found["end_line"] + 1)]
    assert named == sorted(expected)
    lines = new.split("\n")
    for found in alive:
        assert found["content_hash"] == sha256_of(*lines[found["start_line"] - 1 : found["end_line"]])
    removed = sum(line[0] == "-" for hunk in patch for line in hunk["lines"])
    assert sum(found.get("deleted_lines", 0) for found in data["ranges"]) == removed
    if alive:
        assert data["content_hash"] == sha256_of(*(lines[number - 1] for number in named))
        assert (data["start_line"], data["end_line"]) == (named[0], named[-1])
        assert data["confidence"] == ("high" if len(alive) == 1 else "medium")
    else:
        assert data["limitations"] == ["lines_deleted_only"]


@given(before=TEXT, after=TEXT)
def test_a_notebooks_range_turns_the_old_text_into_the_new(before: list[str], after: list[str]) -> None:
    found = hunks.ranges({"original_file": "\n".join(before) + "\n", "updated_file": "\n".join(after) + "\n"})
    if before == after:
        assert found == []
        return
    (change,) = found
    start = (
        change["start_line"]
        if change["lines"]
        else next(
            n for n in range(1, len(after) + 2) if before[: n - 1] + before[n - 1 + change["deleted_lines"] :] == after
        )
    )
    rebuilt = before[: start - 1] + change["lines"] + before[start - 1 + change.get("deleted_lines", 0) :]
    assert rebuilt == after
