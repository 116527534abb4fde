"""Whose a hunk is, by what was at work while it came to be."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.trails.lines.intervals import Open, Owner, Window, owner_of

END = 100


def window(call: str, opened: int = 10, **given: Any) -> Window:
    known: dict[str, Any] = {
        "closed": END, "step": 1, "inferred": False, "declared": None, "container": False, "background": False,
        "ranges": None,
    }  # fmt: skip
    return Window("t", call, opened, **(known | given))


def edit(call: str, path: bytes = b"a", **given: Any) -> Window:
    return window(call, declared=frozenset({path}), **given)


OVERLAP, MISMATCH = "concurrent_writer_overlap", "hook_payload_state_mismatch"
BACKGROUND, UNBOUNDED = "background_process_overlap", "unbounded_mutation_window"


@pytest.mark.parametrize(
    ("during", "span", "call", "limits"),
    [
        pytest.param(Open([]), (4, 2), None, "", id="nobody at work: nobody's, and firm"),
        pytest.param(Open([window("bash")]), (4, 2), "bash", "", id="a shell at work: its own"),
        pytest.param(Open([window("one"), window("two", 20)]), (4, 2), "two", OVERLAP, id="two shells: the inner one?"),
        pytest.param(Open([edit("e")]), (4, 2), "e", "", id="the file is named, no lines are told"),
        pytest.param(Open([edit("e", b"b")]), (4, 2), None, OVERLAP, id="another file is named: nobody's, perhaps"),
        pytest.param(Open([edit("e", ranges=((5, 6),))]), (4, 2), "e", "", id="the lines are told"),
        pytest.param(Open([edit("e", ranges=((7, 8),))]), (4, 2), "e", "", id="a diff shows a block further up"),
        pytest.param(Open([edit("e", ranges=((90, 90),))]), (4, 2), "e", MISMATCH, id="other lines are told"),
        pytest.param(Open([edit("e", ranges=((5, 6),)), window("bash")]), (4, 2), "e", "", id="told beside a shell"),
        pytest.param(
            Open([edit("e", ranges=((5, 5),)), window("bash")]), (4, 2), "e", OVERLAP, id="half of it told, and a shell"
        ),
        pytest.param(
            Open([edit("e", ranges=((3, 3),)), window("bash")]), (4, 2), "e", OVERLAP,
            id="what comes next to the told lines may be the shell's",
        ),
        pytest.param(
            Open([edit("e", ranges=((5, 5),)), window("bash")]), (4, 0), "e", OVERLAP, id="a deletion is never told"
        ),
        pytest.param(Open([edit("e"), edit("f", opened=20)]), (4, 2), "f", OVERLAP, id="two name it: the later one?"),
        pytest.param(Open([window("task", container=True)]), (4, 2), None, OVERLAP, id="a container writes nothing"),
        pytest.param(
            Open([window("task", container=True), window("bash", 20)]), (4, 2), "bash", "", id="a call in a container"
        ),
        pytest.param(Open([window("bash", inferred=True)]), (4, 2), "bash", UNBOUNDED, id="nobody saw the end"),
        pytest.param(Open([], background=True), (4, 2), None, BACKGROUND, id="something runs on: nobody's, perhaps"),
        pytest.param(Open([window("bash")], background=True), (4, 2), "bash", BACKGROUND, id="something runs on, too"),
        pytest.param(Open([window("bash", background=True)], background=True), (4, 2), "bash", "", id="it is the call"),
        pytest.param(Open([edit("e")], background=True), (4, 2), "e", BACKGROUND, id="something may write that file"),
        pytest.param(
            Open([edit("e", ranges=((5, 6),))], background=True), (4, 2), "e", "", id="told, whatever runs on"
        ),
        pytest.param(Open([], elsewhere=True), (4, 2), None, OVERLAP, id="a shell in another worktree"),
    ],
)  # fmt: skip
def test_a_hunk_has_one_owner_and_is_firm_only_without_a_rival(
    during: Open, span: tuple[int, int], call: str | None, limits: str
) -> None:
    owner = owner_of((b"a", b"a"), during, END, span)
    assert (owner.kind, owner.call) == ("tool_call" if call else "outside_tool_call", call)
    assert (owner.firm, owner.limits) == (not limits, {limits} - {""})


@pytest.mark.parametrize("scratch", [b"dir/a.tmp.4711.deadbeef", b"dir/a.tmp.1.0"])
def test_a_file_that_an_agent_fills_before_it_renames_it_is_its_file(scratch: bytes) -> None:
    writer = edit("e", b"dir/a")
    assert owner_of((scratch, scratch), Open([writer, window("bash")]), END).call == "e"


@pytest.mark.parametrize("other", [b"dir/a.tmp.x.deadbeef", b"dir/a.tmp.1.xyz", b"dir/b.tmp.1.aa"])
def test_any_other_file_is_not(other: bytes) -> None:
    assert owner_of((other, other), Open([edit("e", b"dir/a")]), END).call is None


def test_a_rename_is_of_whoever_names_either_path() -> None:
    for path in (b"old", b"new"):
        assert owner_of((b"old", b"new"), Open([edit("e", path)]), END) == Owner("tool_call", "t", "e", 1, typed=True)
