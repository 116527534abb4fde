"""Node trees and their files, held against what belay writes and reads."""

from __future__ import annotations

import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.errors import HookkitError, UsageError
from hookkit.store.node import MOST, Node, estimate, is_id, read_file, read_latest, write

from . import go_node

CALL = Node("00000003", "tool_call", "Read", duration_ms=5, input_tokens=9, output_tokens=4, context_window=100)
PHASE = Node(
    "00000002", "phase", "find", "m/1", duration_ms=70, cost_usd=0.25, input_tokens=8, output_tokens=3, children=(CALL,)
)
TREE = Node("run-1", "trace", "run <&> ☃", duration_ms=80, children=(Node("00000001", "marker", "→ find"), PHASE))

counts = st.integers(0, MOST)
nodes = st.recursive(
    st.builds(
        Node, st.text(), st.text(), st.text(), st.text(), counts, st.floats(0, allow_nan=False, allow_infinity=False),
        counts, counts, counts,
    ),
    lambda some: st.builds(Node, st.text(), st.text(), st.text(), children=st.lists(some, max_size=4).map(tuple)),
    max_leaves=8,
)  # fmt: skip


def as_go(node: Node) -> dict[str, Any]:
    """The fields of a Go struct."""
    fields = {key: getattr(node, key) for key in Node.__slots__}
    return fields | {"children": [as_go(child) for child in node.children] or None}


def pairs(text: str) -> Any:
    """What a text says, the order of keys included; a number is a number, however it is written."""
    return json.loads(text, object_pairs_hook=list, parse_int=float)


def test_the_text_is_the_one_that_belay_writes() -> None:
    assert (
        TREE.to_json()
        == """{
  "id": "run-1",
  "node_type": "trace",
  "agent_name": "run <&> ☃",
  "duration_ms": 80,
  "cost_usd": 0,
  "input_tokens": 0,
  "output_tokens": 0,
  "children": [
    {
      "id": "00000001",
      "node_type": "marker",
      "agent_name": "→ find",
      "duration_ms": 0,
      "cost_usd": 0,
      "input_tokens": 0,
      "output_tokens": 0
    },
    {
      "id": "00000002",
      "node_type": "phase",
      "agent_name": "find",
      "model": "m/1",
      "duration_ms": 70,
      "cost_usd": 0.25,
      "input_tokens": 8,
      "output_tokens": 3,
      "children": [
        {
          "id": "00000003",
          "node_type": "tool_call",
          "agent_name": "Read",
          "duration_ms": 5,
          "cost_usd": 0,
          "input_tokens": 9,
          "output_tokens": 4,
          "context_window": 100
        }
      ]
    }
  ]
}"""
    )


@settings(deadline=None)
@given(nodes)
def test_go_reads_what_is_written_and_would_write_the_same(node: Node) -> None:
    text = node.to_json()
    assert go_node.unmarshal(text) == as_go(node)
    theirs = go_node.marshal_indent(as_go(node))
    assert pairs(text) == pairs(theirs)


@settings(deadline=None)
@given(nodes)
def test_what_is_read_is_what_was_written(node: Node) -> None:
    assert Node.from_json(node.to_json()) == node


@pytest.mark.parametrize(
    ("cost", "said"), [(0.0, "0"), (1.0, "1"), (0.1, "0.1"), (1e-7, "1e-07"), (12.5, "12.5"), (1e300, "1e+300")]
)
def test_costs_are_written_without_a_fraction_that_says_nothing(cost: float, said: str) -> None:
    text = Node("a", "phase", "p", cost_usd=cost).to_json()
    assert f'"cost_usd": {said},' in text
    assert go_node.unmarshal(text)["cost_usd"] == cost


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_ms": 1.5}, {"duration_ms": -1}, {"input_tokens": MOST + 1}, {"output_tokens": "3"},
        {"context_window": True}, {"cost_usd": float("nan")}, {"cost_usd": float("inf")}, {"cost_usd": -0.1},
        {"cost_usd": 10**400}, {"model": None},
    ],
)  # fmt: skip
def test_a_node_that_go_would_refuse_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Node("a", "phase", "p", **wrong)


def test_half_a_character_is_written_as_go_writes_it() -> None:
    text = Node("a", "phase", "x\ud83dy").to_json()
    assert Node.from_json(text.encode()).agent_name == "x\ufffdy"


def test_reading_is_as_lenient_and_as_strict_as_go() -> None:
    text = '{"id": "a", "node_type": "trace", "model": null, "children": [{"id": "b"}], "new": {"x": 1}}'
    read = Node.from_json(text)
    assert read == Node("a", "trace", "", children=(Node("b", "", ""),))
    assert as_go(read) == go_node.unmarshal(text)
    wrong = [
        "[]", "{", "null", '{"id": 1}', '{"duration_ms": 1.0}', '{"input_tokens": "1"}', '{"cost_usd": NaN}',
        '{"children": {}}', '{"children": [1]}', '{"cost_usd": true}', '{"input_tokens": 9223372036854775808}',
    ]  # fmt: skip
    for refused in wrong:
        with pytest.raises(ValueError, match=r"."):
            Node.from_json(refused)
        with pytest.raises(ValueError, match=r"."):
            go_node.unmarshal(refused)


@pytest.mark.parametrize("depth", [101, 5_000])
def test_a_tree_without_end_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="deep"):
        Node.from_json('{"children": [' * depth + "{}" + "]}" * depth)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("é", 1),
        ("→→", 2),
        (b"12345678", 2),
        (None, 0),
        ({}, 1),
        ({"ä": [1]}, 3),
    ],
)
def test_tokens_are_estimated_by_bytes(text: object, tokens: int) -> None:
    assert estimate(text) == tokens


def test_files_are_readable_by_all_and_replaced_as_a_whole(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = write(TREE, tmp_path / "new" / "traces")
    finally:
        os.umask(old)
    assert path == tmp_path / "new" / "traces" / "run-1.json"
    assert path.read_bytes() == TREE.to_json().encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o755}
    before = path.stat().st_ino
    write(PHASE, path.parent, "run-1")
    assert path.stat().st_ino != before
    assert read_file(path) == PHASE
    assert os.listdir(path.parent) == ["run-1.json"]


def test_many_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def writer(number: int) -> None:
        barrier.wait(300)
        for _ in range(5):
            write(Node("same", "trace", f"writer {number}"), tmp_path)

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(writer, range(8))]
    assert read_latest(tmp_path).agent_name.startswith("writer ")
    assert os.listdir(tmp_path) == ["same.json"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0b", "a b", "ä", "a" * 65, "a\n", "\\x"])
def test_an_id_that_is_no_file_name_writes_nothing(tmp_path: Path, name: str) -> None:
    assert not is_id(name)
    with pytest.raises(UsageError, match="id"):
        write(TREE, tmp_path / "traces", name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "a" * 64, "...", "-x", "A.b_c-9"])
def test_an_id_may_be_anything_else(name: str) -> None:
    assert is_id(name)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "run-1.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write(TREE, tmp_path)
    assert os.listdir(tmp_path) == ["run-1.json"]


def test_the_latest_is_the_newest_file_that_can_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, second in (("b", 5), ("a", 5), ("z", 4)):
        os.utime(write(Node(name, "trace", name), tmp_path), (second, second))
    assert read_latest(tmp_path).id == "b"
    (tmp_path / "new.json").write_text('{"id": 1}')
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "newer.txt").write_text("{}")
    (tmp_path / "lost.json").symlink_to("nowhere")
    assert read_latest(tmp_path).id == "b"
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'new.json'} cannot be read: id is no text: 1. It was skipped."
    ]


def test_no_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(HookkitError) as refused:
            read_latest(folder)
        assert refused.value.code == "NO_NODE_FILE"
        assert "--format belay" in refused.value.hint
    with pytest.raises(HookkitError, match=r"x\.json cannot be read: No such file"):
        read_file(tmp_path / "x.json")
