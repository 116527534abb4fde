from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hookkit.capture.claude_code.final import has_final_message
from hookkit.capture.settle import settle

from .support import Transcript, hook, write


class Clock:
    """Time that passes only while somebody sleeps; at given moments something happens."""

    def __init__(self, events: dict[float, Callable[[], object]] | None = None) -> None:
        self.now = 0.0
        self.events = dict(events or {})

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.events if moment <= self.now]:
            self.events.pop(moment)()

    def run(self, path: Path) -> bool:
        return settle(path, is_final=has_final_message, clock=self, sleep=self.sleep)


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """A transcript whose turn has no final message yet, though its Stop hook ran."""
    return write(tmp_path, Transcript().prompt("Go.").call("a").result("a").raw(hook("Stop", 9, at=1)))


def append(path: Path, text: str) -> Callable[[], object]:
    def write_more() -> None:
        with path.open("a") as file:
            file.write(text)

    return write_more


def test_finished_transcript_settles_after_the_quiet_period(tmp_path: Path) -> None:
    clock = Clock()
    assert clock.run(write(tmp_path, Transcript().turn()))
    assert clock.now == pytest.approx(0.6, abs=0.11)


def test_final_message_after_the_stop_hook_is_waited_for(waiting: Path) -> None:
    clock = Clock({1.5: append(waiting, Transcript().say("Done.").text())})
    assert clock.run(waiting)
    assert clock.now == pytest.approx(2.1, abs=0.21)


def test_final_message_that_never_comes_is_not_waited_for_long(waiting: Path) -> None:
    clock = Clock()
    assert clock.run(waiting)
    assert clock.now == pytest.approx(3.0, abs=0.11)


def test_transcript_that_never_rests_is_read_after_ten_seconds(waiting: Path) -> None:
    clock = Clock({moment / 10: append(waiting, "{}\n") for moment in range(1, 200)})
    assert not clock.run(waiting)
    assert clock.now == pytest.approx(10.0, abs=0.11)


def test_missing_transcript_is_settled(tmp_path: Path) -> None:
    clock = Clock()
    assert clock.run(tmp_path / "none.jsonl")
    assert clock.now < 1


@pytest.mark.parametrize(
    ("last", "final"),
    [
        (Transcript().turn(), True),
        (Transcript().turn().raw(hook("Stop", 9)), True),
        (Transcript().prompt("Go."), False),
        (Transcript().prompt("Go.").call("a"), False),
        (Transcript().turn().add("user", isSidechain=True, message={"content": "Be a subagent."}), True),
        (Transcript(), False),
    ],
)
def test_final_means_an_answer_that_asks_for_nothing(tmp_path: Path, last: Transcript, final: bool) -> None:
    assert has_final_message(write(tmp_path, last)) is final


def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, Transcript().turn())
    with path.open("ab") as file:
        file.write(b'"user" \xff\n{"type":"user"\n' + json.dumps(["user"]).encode() + b"\n")
    assert has_final_message(path)
