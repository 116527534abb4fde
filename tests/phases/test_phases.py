"""What belaykit's provider does with the same events, and what it got wrong."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest

from hookkit import phases
from hookkit.store.node import MOST

from .conftest import Clock
from .support import names, phase, shape, written


def test_each_phase_has_a_marker_before_it(clock: Clock) -> None:
    with phases.trace("hiveminer-run") as run:
        with phases.phase("subreddit-discovery") as one:
            with one.tool("WebSearch", {"q": "go"}):
                clock.sleep(0.25)
            one.completion(cost_usd=0.5, duration_ms=5000, input_tokens=100, output_tokens=20, model="opus")
        with phases.phase("thread-discovery") as two:
            two.completion(cost_usd=0.25, duration_ms=3000, model="sonnet")
        clock.sleep(1)
    tree = written(run)
    assert (tree.id, tree.node_type, tree.agent_name) == (run.id, "trace", "hiveminer-run")
    assert len(run.id) == 8
    assert shape(tree) == [
        ("marker", "→ subreddit-discovery"), ("phase", "subreddit-discovery"),
        ("marker", "→ thread-discovery"), ("phase", "thread-discovery"),
    ]  # fmt: skip
    first, second = tree.children[1], tree.children[3]
    assert (first.model, first.cost_usd, first.duration_ms) == ("opus", 0.5, 5000)
    assert (first.input_tokens, first.output_tokens) == (100, 20)
    assert (second.model, second.cost_usd, second.duration_ms) == ("sonnet", 0.25, 3000)
    assert [(call.node_type, call.agent_name, call.duration_ms) for call in first.children] == [
        ("tool_call", "WebSearch", 250)
    ]
    assert tree.duration_ms == 1250
    assert (tree.cost_usd, tree.input_tokens, tree.output_tokens) == (0, 0, 0)


def test_a_phase_event_ends_the_open_phase(clock: Clock) -> None:
    run = phases.trace("events")
    run.start()
    run.begin("one")
    clock.sleep(2)
    run.begin("two")
    run.tool_start("Read", id="r")
    clock.sleep(3)
    run.tool_result("r")
    run.end()
    tree = written(run)
    assert names(tree) == ["→ one", "one", "→ two", "two"]
    assert [node.duration_ms for node in tree.children] == [0, 2000, 0, 3000]
    assert phases.current() is not run


@pytest.mark.parametrize("event", ["tool", "completion"])
def test_what_is_in_no_phase_goes_to_default_which_has_no_marker(event: str) -> None:
    with phases.trace("run") as run:
        if event == "tool":
            run.tool_start("Read")
        else:
            run.completion(cost_usd=0.5)
    assert shape(written(run)) == [("phase", "default")]


def test_default_ends_where_a_phase_begins_and_goes_on_after_it(clock: Clock) -> None:
    with phases.trace("run") as run:
        run.tool_start("first", id="1")
        run.tool_result("1")
        clock.sleep(1)
        with phases.phase("work"):
            clock.sleep(10)
        clock.sleep(100)
        run.tool_start("last")
        clock.sleep(2)
    tree = written(run)
    assert names(tree) == ["default", "→ work", "work"]
    assert names(phase(tree, "default")) == ["first", "last"]
    assert phase(tree, "default").duration_ms == 3000


def test_nothing_happens_outside_of_a_trace(folder: Path) -> None:
    with phases.phase("alone") as alone:
        alone.completion("x", cost_usd=1)
        with alone.tool("Read"):
            phases.current().tool_start("Write")
    phases.current().tool_result("nobody's")
    unopened = phases.trace("never begun")
    unopened.completion(cost_usd=1)
    unopened.begin("x")
    unopened.end()
    assert os.listdir(folder) == []
    assert (unopened.path, unopened.error) == (None, None)


def test_nothing_happens_after_the_end(folder: Path) -> None:
    with phases.trace("run") as run, phases.phase("p") as late:
        pass
    before = written(run)
    late.tool_start("Read")
    run.completion(cost_usd=1)
    with run.phase("too late"), run:
        run.tool_start("Read")
    run.end()
    assert written(run) == before
    assert os.listdir(folder / ".belay" / "traces") == [f"{run.id}.json"]


def test_a_result_that_belongs_to_no_call_is_ignored() -> None:
    with phases.trace("run") as run, phases.phase("p"):
        run.tool_result("unknown")
    assert names(phase(written(run), "p")) == []


def test_a_result_finds_its_call_after_the_phase_has_changed(clock: Clock) -> None:
    with phases.trace("run") as run:
        run.begin("one")
        run.tool_start("slow", id="s")
        run.begin("two")
        clock.sleep(4)
        run.tool_result("s")
        clock.sleep(50)
    assert phase(written(run), "one").children[0].duration_ms == 4000


def test_calls_of_one_id_in_two_phases_are_two(clock: Clock) -> None:
    with phases.trace("run") as run, run.phase("a") as a, run.phase("b") as b:
        a.tool_start("A", id="1")
        b.tool_start("B", id="1")
        clock.sleep(1)
        a.tool_result("1")
        clock.sleep(1)
        b.tool_result("1")
    tree = written(run)
    assert [phase(tree, name).children[0].duration_ms for name in ("a", "a / b")] == [1000, 2000]


def test_an_unfinished_call_is_as_long_as_its_trace(clock: Clock) -> None:
    with phases.trace("run") as run, phases.phase("p") as p:
        p.tool_start("hangs")
        p.tool_start("again", id="x")
        clock.sleep(1)
        p.tool_start("again", id="x")
        clock.sleep(2)
    assert [call.duration_ms for call in phase(written(run), "p").children] == [3000, 1000, 2000]


def test_duration_is_that_of_the_completions_else_the_time_that_the_phase_was_open(clock: Clock) -> None:
    with phases.trace("run") as run:
        with phases.phase("told") as told:
            clock.sleep(9)
            told.completion(duration_ms=1500)
            told.completion(duration_ms=250.9)
        with phases.phase("not told") as untold:
            clock.sleep(9)
            untold.completion("hello")
    tree = written(run)
    assert phase(tree, "told").duration_ms == 1750
    assert phase(tree, "not told").duration_ms == 9000


def test_costs_add_up_and_are_estimated_where_they_are_not_told() -> None:
    with phases.trace("run", prices=(3, 15)) as run, phases.phase("p") as p:
        p.completion(cost_usd=0.1, input_tokens=1_000_000)
        p.completion(cost_usd=0)
        p.completion(input_tokens=1_000, output_tokens=100)
    assert phase(written(run), "p").cost_usd == pytest.approx(0.1 + 0.003 + 0.0015)


def test_calls_tell_the_context_at_their_begin_and_not_their_use() -> None:
    with phases.trace("run", context_window=200_000) as run:
        with phases.phase("one") as one:
            with one.tool("Read", {"a": 1}) as call:  # 4 bytes and {"a":1}
                call.output = "x" * 9
            with one.tool("Edit"):
                pass
            one.completion("y" * 8, input_tokens=5000)
        with phases.phase("two") as two:
            two.tool_start("Bash", b"1234")
            two.completion("z")
    tree = written(run)
    calls = [*phase(tree, "one").children, *phase(tree, "two").children]
    assert [(call.agent_name, call.input_tokens, call.output_tokens) for call in calls] == [
        ("Read", 0, 3), ("Edit", 3, 4), ("Bash", 3, 8),
    ]  # fmt: skip
    assert {call.context_window for call in calls} == {200_000}
    assert "context_window" not in tree.children[1].body()
    assert (phase(tree, "one").input_tokens, phase(tree, "one").output_tokens) == (5000, 0)


def test_a_conversation_goes_on_where_the_one_before_or_around_was() -> None:
    with phases.trace("run") as run:
        with phases.phase("outer") as outer:
            outer.completion("x" * 40)
            with phases.phase("inner") as inner:
                inner.tool_start("1234")
        with run.phase("long") as long, run.phase("short"):
            long.completion("x" * 400)
        with phases.phase("next") as last:
            last.tool_start("1234")
    tree = written(run)
    assert phase(tree, "outer / inner").children[0].output_tokens == 11
    assert phase(tree, "next").children[0].output_tokens == 112


def test_the_model_is_that_of_the_last_completion_that_tells_one() -> None:
    with phases.trace("run") as run, phases.phase("p") as p:
        for model in ("small", "large", None):
            p.completion(model=model)
    assert phase(written(run), "p").model == "large"


def test_an_estimate_is_counted_once() -> None:
    with phases.trace("run") as run, phases.phase("p") as p:
        with p.tool("Read") as call:
            call.output = "x" * 40
        p.completion("y" * 4)
        p.completion("y" * 4)
    assert (phase(written(run), "p").input_tokens, phase(written(run), "p").output_tokens) == (10, 3)


def test_a_phase_inside_of_a_phase_stops_its_clock(clock: Clock) -> None:
    with phases.trace("run") as run, phases.phase("outer") as outer:
        clock.sleep(1)
        with phases.phase("inner"):
            clock.sleep(10)
            with phases.phase("core"):
                clock.sleep(100)
        clock.sleep(2)
        assert phases.current() is outer
    tree = written(run)
    assert names(tree)[1::2] == ["outer", "outer / inner", "outer / inner / core"]
    assert [node.duration_ms for node in tree.children[1::2]] == [3000, 10_000, 100_000]


def test_traces_inside_of_traces_are_independent() -> None:
    with phases.trace("outer", "o") as outer, phases.phase("p"):
        with phases.trace("inner", "i") as inner:
            phases.current().completion(cost_usd=1)
            with phases.phase("q"):
                phases.current().tool_start("mine")
                outer.tool_start("theirs")
        phases.current().tool_start("back")
    assert names(written(inner)) == ["default", "→ q", "q"]
    assert names(phase(written(inner), "q")) == ["mine"]
    assert names(written(outer)) == ["→ p", "p"]
    assert names(phase(written(outer), "p")) == ["theirs", "back"]


def test_an_error_of_the_pipeline_passes_and_the_tree_is_written() -> None:
    run = phases.trace("run")
    with pytest.raises(ZeroDivisionError), run, phases.phase("p") as p, p.tool("Divide"):
        print(1 / 0)
    assert names(phase(written(run), "p")) == ["Divide"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "..", "x" * 65, 7])
def test_an_id_that_is_no_file_name_is_replaced_and_reported(
    folder: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with phases.trace("run", name, dir=folder / "in") as run:
        pass
    assert [str(path.relative_to(folder)) for path in folder.rglob("*.json")] == [f"in/{run.id}.json"]
    assert "no name for a file" in str(run.error)
    assert caplog.messages == [str(run.error)]


def test_two_open_traces_do_not_write_the_same_file(caplog: pytest.LogCaptureFixture) -> None:
    with phases.trace("one", "same") as one, phases.trace("two", "same") as two:
        pass
    assert one.id == "same"
    assert one.path != two.path
    assert "in use" in caplog.text
    with phases.trace("three", "same") as three:
        pass
    assert written(three).agent_name == "three"
    assert three.path == one.path


def test_a_write_that_fails_is_reported_and_not_raised(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "file").write_text("")
    with phases.trace("run", dir=folder / "file") as run:
        run.completion(cost_usd=1)
    assert run.path is None
    assert isinstance(run.error, OSError)
    assert "could not be written" in caplog.text


class Hostile:
    """Raises whatever is done with it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __float__ = __int__ = __eq__ = __fspath__ = __iter__ = __str__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def test_nothing_that_is_given_can_disturb_the_pipeline(caplog: pytest.LogCaptureFixture) -> None:
    bad = Hostile()
    circle: list[object] = []
    circle.append(circle)
    with phases.trace(bad, context_window=bad) as run, phases.phase(bad) as p:  # type: ignore[arg-type]
        with p.tool(bad, bad) as call:  # type: ignore[arg-type]
            call.output = circle
        p.tool_start("x", {"a": bad}, id=bad)  # type: ignore[arg-type]
        p.completion(bad, bad, bad, bad, bad, bad)  # type: ignore[arg-type]
        p.completion("\ud800", -1, MOST * 4, float("nan"), float("inf"))
        p.completion(None, 1, MOST, 1e308, 1e308)
        p.completion(None, 1, MOST, 1e308, 1e308)
    tree = written(run)
    assert names(phase(tree, "Hostile")) == ["Hostile", "x"]
    assert phase(tree, "Hostile").output_tokens == MOST
    for unusable in (phases.trace("x", dir=bad), phases.trace("x", prices=bad)):  # type: ignore[arg-type]
        with unusable, phases.phase("p"):
            phases.current().completion(cost_usd=1)
        assert unusable.path is None
        assert isinstance(unusable.error, RuntimeError)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_the_folder_is_that_of_the_begin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "elsewhere").mkdir()
    with phases.trace("run", "r") as run:
        monkeypatch.chdir(folder / "elsewhere")
    assert run.path == folder / ".belay" / "traces" / "r.json"
    assert stat.S_IMODE(run.path.stat().st_mode) & 0o600 == 0o600


def test_the_keys_are_those_that_belay_demands() -> None:
    with phases.trace("run") as run, phases.phase("p"):
        pass
    assert run.path
    root = json.loads(run.path.read_bytes())
    assert [*root] == [
        "id", "node_type", "agent_name", "duration_ms", "cost_usd", "input_tokens", "output_tokens", "children",
    ]  # fmt: skip
    assert not run.path.read_bytes().endswith(b"\n")
    with phases.trace("empty") as empty:
        pass
    assert "children" not in written(empty).body()
