"""`hookkit tail` beside every real agent: what it does is told while it does it, and nothing that it did not do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .drivers import DRIVERS, driver_of
from .drivers.base import Driver
from .evidence import recorded_trace
from .questions import play
from .sandbox import Sandbox, attempts
from .script import Bash, Read, Text, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    return driver_of(request.param)


@pytest.fixture
def box(twins: Twins) -> Sandbox:
    box = twins.box("recorded", install=True)
    box.repository()
    return box


@contextmanager
def tail(box: Sandbox, *arguments: str) -> Iterator[list[dict[str, Any]]]:
    """The events that it tells; they come while the block runs."""
    events: list[dict[str, Any]] = []
    with subprocess.Popen(
        [sys.executable, "-m", "hookkit", "tail", "--json", *arguments],
        cwd=box.project, env=box.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        process.stderr.readline()  # it waits for a session
        reader = threading.Thread(target=lambda: events.extend(map(json.loads, process.stdout or ())), daemon=True)
        reader.start()
        try:
            yield events
        finally:
            process.terminate()
            reader.join(timeout=60)


def test_a_session_is_told_while_it_goes_on(box: Sandbox) -> None:
    new = f"{box.project}/new.txt"
    with tail(box) as events:
        play(box, [[Write(new, "alpha\n")], [Read(new), Bash("exit 3")], [Text("Done.")]])
        for _ in attempts():
            ended = [event for event in events if "success" in event]
            if len(ended) == 3 and any(event.get("text") == "Done." for event in events):
                break
    trace = recorded_trace(box)
    assert {event["trace_id"] for event in events} == {trace["trace_id"]}
    assert [event["text"] for event in events if event["type"] == "turn.start"] == ["Go on."]
    calls = {call["tool_call_id"] for step in trace["steps"] for call in step["tool_calls"]}
    assert {event["tool_call_id"] for event in ended} == calls
    post = trace["metadata"]["hook_post_tool_use"]
    assert {event["tool_call_id"]: event["after"] for event in ended} == {
        call: post[call]["trail"]["tree_id"]["hex"] for call in calls
    }
