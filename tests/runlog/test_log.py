"""One event is one line, whoever else writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.runlog.log import Phase, RunLog, current_phase, remove_old
from hookkit.runlog.plain import plain
from hookkit.runlog.run import Reply, Run


def events(log: RunLog) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.path.read_text("utf-8").splitlines()]


def test_an_event_has_its_type_its_run_and_its_time(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "new" / "folder", "r1")
    assert log.write("run.start", timestamp=12.3456789, agent_name="ä", nothing=None)
    assert events(log) == [{"type": "run.start", "run_id": "r1", "timestamp": 12.345679, "agent_name": "ä"}]


def test_a_phase_that_is_open_is_named_and_one_that_is_given_stays(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "r1")
    token = current_phase.set(phase := Phase("p1", "build", Phase("p0", "all", began=1.0), began=2.0))
    log.write("tool.start")
    log.write("phase.start", phase_id="p2", name="inner", parent_id="p1")
    current_phase.reset(token)
    log.write("tool.start")
    phase.end()
    said = events(log)
    assert all(event.pop("run_id") == "r1" for event in said)
    times = [event.pop("timestamp") for event in said]
    assert times[:2] == [1.0, 2.0]
    assert said == [
        {"type": "phase.start", "phase_id": "p0", "name": "all"},
        {"type": "phase.start", "phase_id": "p1", "name": "build", "parent_id": "p0"},
        {"type": "tool.start", "phase": "build", "phase_id": "p1"},
        {"type": "phase.start", "phase_id": "p2", "name": "inner", "parent_id": "p1"},
        {"type": "tool.start"},
        {"type": "phase.end", "phase_id": "p1", "name": "build", "parent_id": "p0"},
    ]


def test_threads_and_processes_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "r1")
    code = f"""
from pathlib import Path
from hookkit.runlog.log import RunLog
log = RunLog(Path({str(tmp_path)!r}), "r1")
for number in range(200):
    log.write("x", number=number, text="y" * 9000)
"""
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda: [log.write("x", number=n, text="z" * 9000) for n in range(200)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.wait() for child in children] == [0, 0]
    assert sorted(event["number"] for event in events(log)) == sorted([*range(200)] * 4)


def test_a_disk_that_stays_full_for_a_while_tears_only_what_it_tears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = RunLog(tmp_path, "r1"), os.write
    log.write("x", number=0)
    with monkeypatch.context() as patch:
        patch.setattr("hookkit.runlog.log.os.write", lambda descriptor, data: real(descriptor, data[:-1]))
        assert [log.write("x", number=number) for number in (1, 2)] == [False, False]
    assert log.write("x", number=3)
    found = [json.loads(line)["number"] for line in log.path.read_text().splitlines()]
    assert found == [0, 1, 2, 3]  # only the ends of the lines were lost


def test_a_lone_surrogate_is_no_reason_to_lose_an_event(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "r1")
    log.write("x", text="a\ud800b")
    assert events(log)[0]["text"] == "a?b"


def test_only_old_logs_are_removed_and_never_the_current_ones(tmp_path: Path) -> None:
    names = ("2026-01-01_a.jsonl", "2026-01-01_keep.jsonl", "other.jsonl", "2026-01-01_a.txt")
    for name in names:
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "2026-01-01_link.jsonl").symlink_to(tmp_path / "other.jsonl")
    (tmp_path / "2026-01-01_folder.jsonl").mkdir()
    assert remove_old(tmp_path, 30, keep=[tmp_path / names[1]]) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], "2026-01-01_link.jsonl", "2026-01-01_folder.jsonl"])
    assert remove_old(tmp_path, 0) == remove_old(tmp_path / "nowhere", 30) == 0


class Model:
    def model_dump(self, exclude_none: bool) -> dict[str, Any]:
        return {"inner": 1, "none": exclude_none}


def test_any_value_becomes_json() -> None:
    endless: list[Any] = []
    endless.append(endless)
    told = plain({1: (2, {3}), "b": b"abc", "m": Model(), "nan": float("nan"), "o": object, "e": endless})
    assert (told["1"], told["b"], told["m"], told["nan"]) == ([2, [3]], "[3 bytes]", {"inner": 1, "none": True}, None)
    assert told["o"] == "<class 'object'>"
    assert "…" in json.dumps(told["e"], ensure_ascii=False)


def test_a_value_of_any_size_is_cut() -> None:
    assert plain("x" * 100, 10) == "x" * 10 + "…"
    assert len(json.dumps(plain({"a": ["x" * 9] * 10_000}, 1000))) < 3000
    assert len(plain([{}] * 10_000, 500)) < 600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@given(json_values)
def test_plain_json_stays_as_it_is(value: Any) -> None:
    assert plain(value) == value


# A run, without a framework


def run(tmp_path: Path, **more: Any) -> Run:
    return Run(RunLog(tmp_path, "r1"), "e-1", "root", parent=None, **{"clean": True, "preview": 50, **more})


def test_a_secret_at_the_edge_of_a_preview_is_not_cut_in_two(tmp_path: Path) -> None:
    secret = "sk-ant-api03-abcdefghijklmnopqrstuvwx"
    one = run(tmp_path)
    one.tool_ended("a", "t", {}, "root", None, "x" * 40 + " " + secret)
    assert "sk-ant" not in one.log.path.read_text()


def test_an_answer_that_waits_for_ids_is_said_when_the_run_ends(tmp_path: Path) -> None:
    one = run(tmp_path)
    one.start(user_message="Go.")
    one.asked("root", None, model="m", messages=1, tools=[])
    one.answered("root", None, Reply(calls=[{"tool_call_id": None, "tool_name": "t", "tool_args": {}}]))
    assert [event["type"] for event in events(one.log)] == ["run.start", "llm.request"]
    one.end("ok")
    answer = events(one.log)[2]
    assert (answer["has_tool_calls"], answer["tool_calls"][0]["tool_call_id"]) == (True, None)
    assert "incomplete" not in answer


@pytest.mark.parametrize(("result", "good"), [({"error": "no"}, False), ({"error": ""}, True), ("error", True)])
def test_a_result_that_tells_an_error_is_no_success(tmp_path: Path, result: object, good: bool) -> None:
    one = run(tmp_path)
    one.tool_ended("a", "t", {}, "root", None, result)
    assert events(one.log)[-1]["success"] is good
