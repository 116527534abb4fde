"""One ingest at a time, detached, and none is forgotten."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hookkit.runlog import ingester
from hookkit.runlog.ingester import Ingester
from tests.waiting import wait_for


class Child:
    """A process that ends when it is told to."""

    running: ClassVar[list[Child]] = []
    started: ClassVar[list[tuple[list[str], dict[str, Any]]]] = []

    def __init__(self, command: list[str], **more: Any) -> None:
        assert not Child.running or Child.at_the_end, "two at a time"
        Child.started.append((command, more))
        Child.running.append(self)
        self.done = threading.Event()
        self.returncode: int | None = None

    at_the_end = False

    def wait(self) -> None:
        self.done.wait(10)
        Child.running.remove(self)


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> None:
    Child.running, Child.started, Child.at_the_end = [], [], False
    monkeypatch.setattr(ingester.subprocess, "Popen", Child)


def logs() -> list[str]:
    return [command[5] for command, _ in Child.started]


def test_one_after_the_other_and_each_once() -> None:
    one = Ingester()
    one.request(Path("/a"))
    wait_for(lambda: Child.running)
    for name in ("/b", "/b", "/c"):
        one.request(Path(name))
    for expected in (["/a"], ["/a", "/b"], ["/a", "/b", "/c"]):
        wait_for(lambda expected=expected: logs() == expected and Child.running)
        Child.running[0].done.set()
    wait_for(lambda: not Child.running)
    command, more = Child.started[0]
    assert command[1:] == ["-P", "-m", "hookkit", "_ingest-session", "/a", "--agent", "google-adk"]
    assert more["start_new_session"] is True
    assert {more[name] for name in ("stdin", "stdout", "stderr")} == {subprocess.DEVNULL}


def test_what_waits_when_the_program_ends_is_started_and_not_waited_for() -> None:
    one = Ingester()
    one.request(Path("/a"))
    wait_for(lambda: Child.running)
    for number in range(9):
        one.request(Path(f"/{number}"))
    Child.at_the_end = True
    one.finish()
    assert logs() == ["/a", "/0", "/1", "/2", "/3"]
    one._waiting.clear()
    Child.running[0].done.set()
    wait_for(lambda: not one._busy)


def test_a_machine_without_processes_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_more: Any) -> None:
        raise OSError(11, "no more processes")

    monkeypatch.setattr(ingester.subprocess, "Popen", fail)
    one = Ingester()
    one.request(Path("/a"))
    wait_for(lambda: not one._busy)
    one.finish()
