"""Whatever is told in whatever order, a valid tree comes of it, and it holds what was told."""

from __future__ import annotations

import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit import phases
from hookkit.store.node import Node, read_file

from .support import valid

NAMES = st.text(max_size=8) | st.sampled_from(["default", "→ x", "a / b"])
IDS = st.sampled_from("abc")
AMOUNTS = st.none() | st.integers(-5, 2**70) | st.floats()
EVENTS = st.one_of(
    st.tuples(st.just("enter"), NAMES),
    st.tuples(st.just("leave")),
    st.tuples(st.just("begin"), NAMES),
    st.tuples(st.just("again"), st.integers(0, 9)),
    st.tuples(st.just("tool_start"), NAMES, st.text(max_size=20) | st.none(), IDS),
    st.tuples(st.just("tool_result"), IDS, st.text(max_size=20) | st.none()),
    st.tuples(st.just("completion"), st.text(max_size=20) | st.none(), AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, NAMES),
)


class Teller:
    """Tells events, and counts what a tree must have of them."""

    def __init__(self, run: phases.Trace) -> None:
        self.run = run
        self.known: list[phases.Phase] = []
        self.blocks: list[phases.Phase] = []
        self.begun = 0
        self.calls: list[str] = []

    def tell(self, event: tuple[Any, ...]) -> None:
        kind, *given = event
        if kind == "enter":
            self._enter(phases.phase(given[0]))
            self.begun += 1
        elif kind == "again" and self.known:
            self._enter(self.known[given[0] % len(self.known)])
        elif kind == "leave" and self.blocks:
            self.blocks.pop().__exit__(None, None, None)
        elif kind == "begin":
            self.run.begin(given[0])
            self.begun += 1
        elif kind in ("tool_start", "tool_result", "completion"):
            getattr(phases.current(), kind)(*given)
            if kind == "tool_start":
                self.calls.append(given[0])

    def _enter(self, phase: phases.Phase) -> None:
        phase.__enter__()
        self.known.append(phase)
        self.blocks.append(phase)


@settings(deadline=None, max_examples=60)
@given(st.lists(EVENTS, max_size=25), st.integers(0, 3))
def test_any_events_give_a_valid_tree(events: list[tuple[Any, ...]], window: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with phases.trace("run", dir=folder, context_window=window) as run:
            teller = Teller(run)
            for event in events:
                teller.tell(event)
        assert run.error is None
        assert run.path is not None
        text = run.path.read_bytes()
        tree = read_file(run.path)
    valid(text)
    assert tree.to_json().encode() == text
    unmarked = []
    before: Node | None = None
    for node in tree.children:
        if node.node_type == "phase" and (before is None or before.agent_name != f"→ {node.agent_name}"):
            unmarked.append(node.agent_name)
        before = node if node.node_type == "marker" else None
    assert unmarked in ([], ["default"])
    kinds = [node.node_type for node in tree.children]
    assert kinds.count("marker") == teller.begun
    assert kinds.count("phase") == teller.begun + len(unmarked)
    calls = [call for node in tree.children for call in node.children]
    assert sorted(call.agent_name for call in calls) == sorted(teller.calls)
    assert all(call.context_window == window for call in calls)
    assert not isinstance(phases.current(), phases.Trace)  # nothing is left open
