"""Pieces of pages: long sessions, bars, patches, money, and questions while everything changes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hookkit.dashboard import changes
from hookkit.dashboard.app import create
from hookkit.dashboard.entries import Entry
from hookkit.dashboard.nested import bar, nest
from hookkit.dashboard.numbers import percentile
from hookkit.dashboard.opened import Sums, Turn
from hookkit.dashboard.prices import Money
from hookkit.dashboard.site import open_site
from hookkit.dashboard.templating import money
from hookkit.trails.patch import between
from tests.cli.recorded import World

from . import events
from .events import event, request, tool
from .made import put, record


def _long(prompts: int, calls: int) -> dict[str, Any]:
    """A session with many steps."""
    found = record(1, title="A long one")
    user, agent = found["steps"]
    steps = []
    for prompt in range(prompts):
        steps.append({**user, "content": f"Prompt number {prompt + 1}."})
        for number in range(calls):
            call = {**agent["tool_calls"][0], "tool_call_id": f"toolu_{prompt}_{number}"}
            result = {**agent["observations"][0], "source_call_id": call["tool_call_id"]}
            steps.append({**agent, "content": None, "tool_calls": [call], "observations": [result], "token_usage": {}})
    found["steps"] = [{**step, "step_index": index} for index, step in enumerate(steps)]
    return found


@pytest.mark.parametrize(("prompts", "calls"), [(100, 10), (3, 900), (1, 1), (401, 0)])
def test_a_long_session_is_shown_in_pages_that_leave_nothing_out(
    home: Path, client: TestClient, prompts: int, calls: int
) -> None:
    start = f"/sessions/{put(_long(prompts, calls))}"
    seen: list[str] = []
    path, pages = start, 0
    while path:
        page = client.get(path).text
        pages += 1
        rows = re.findall(r"toolu_(\d+_\d+)\?fragment=1", page)
        assert len(rows) <= 410
        seen += rows
        following = re.search(r'<a href="(\?row=\d+)" rel="next"', page)
        path = start + following[1] if following else ""
    assert seen == [f"{prompt}_{number}" for prompt in range(prompts) for number in range(calls)]
    assert pages >= prompts * (calls + 1) // 410
    last = client.get(start).text.split('<nav class="prompts"')[-1]
    if prompts > 1:
        link = re.search(rf'href="([^"]+)#turn-{min(prompts, 300)}"', last)
        assert link
        assert f'id="turn-{min(prompts, 300)}"' in client.get(link[1]).text


def test_where_the_time_of_a_prompt_went() -> None:
    second = 1_000_000
    calls = [
        Entry("call", 1, us=1, event={"time_us": 4 * second, "duration_ms": 3000}),
        Entry("call", 1, us=1, event={"time_us": 5 * second, "duration_ms": 3000}),
        Entry("request", 1, us=1, event={"time_us": 10 * second, "duration_ms": 2000}),
        Entry("event", 1, us=1, event={"name": "tool.blocked_on_user", "time_us": 7 * second, "duration_ms": 1000}),
    ]
    told = bar(Turn(1, "x", 0, 0, 4, Sums(), 10 * second), calls)
    assert told
    assert (told.total, told.model, told.tool, told.waiting) == (10_000, 2000, 4000, 1000)  # calls at once count once
    assert sorted(told.parts) == [("model", 800, 200), ("tool", 100, 400), ("waiting", 600, 100)]
    assert bar(Turn(1, "x", 0, 0, 0, Sums(), 10 * second), []) is None
    assert bar(Turn(1, "x", None, 0, 4, Sums(), None), calls) is None


def test_subagents_hold_what_they_did() -> None:
    entries = [
        Entry("call", 1, 0), Entry("subagent", 1, 1), Entry("call", 1, 1), Entry("subagent", 1, 2), Entry("call", 1, 2),
        Entry("call", 1, 1), Entry("subagent", 1, 1), Entry("call", 1, 0),
    ]  # fmt: skip
    for number, entry in enumerate(entries):
        entry.number = number

    def told(nodes: list[Any]) -> list[Any]:
        return [(node.entry.number, told(node.inside)) for node in nodes]

    top = nest(entries, entries)
    assert told(top) == [(0, []), (1, [(2, []), (3, [(4, [])]), (5, [])]), (6, []), (7, [])]
    assert top[1].sums
    assert top[1].sums.calls == 3


def test_a_patch_as_rows(tmp_path: Path) -> None:
    world = World(tmp_path.resolve() / "repo")
    world.commit("One", a_txt="one\ntwo\nthree\n", gone_txt="x\n" * 20, strange_txt="-- a\n++ b\n")
    before = world.git("rev-parse", "HEAD^{tree}")
    world.write("bin.dat", b"\0\1\2")
    (world.root / "gone.txt").rename(world.root / "moved.txt")
    world.commit("Two", a_txt="one\n2\nthree", strange_txt="diff --git a/x b/x\n@@ -1 +1 @@\n\x1b[31m<b>\n")
    after = world.git("rev-parse", "HEAD^{tree}")
    from hookkit.git.worktree import find

    worktree = find(world.root)
    assert worktree
    files = {file.path: file for file in changes.files(between(worktree, before, after))}
    assert {file.name for file in files.values()} == {"a.txt", "bin.dat", "gone.txt → moved.txt", "strange.txt"}
    assert [(line.kind, line.old, line.new, line.text) for line in files["a.txt"].lines] == [
        ("hunk", None, None, "@@ -1,3 +1,3 @@"),
        ("", 1, 1, "one"),
        ("removed", 2, None, "two"),
        ("removed", 3, None, "three"),
        ("added", None, 2, "2"),
        ("added", None, 3, "three"),
        ("note", None, None, " No newline at end of file"),
    ]
    assert [line.text for line in files["bin.dat"].lines] == ["Binary file"]
    strange = [line.text for line in files["strange.txt"].lines if line.kind == "added"]
    assert strange == ["diff --git a/x b/x", "@@ -1 +1 @@", "\\x1b[31m<b>"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([Money(40_000), Money(2_000)], "$0.04"),
        ([Money(40_000), Money(2_000, estimate=True)], "~$0.04"),
        ([Money(40_000), Money(None)], "$0.04+"),
        ([Money(None), Money(None)], ""),
        ([], ""),
    ],
)
def test_sums_of_money_say_what_they_are(parts: list[Money], expected: str) -> None:
    total = None
    for part in parts:
        total = Money.sum(total, part)
    assert money(total) == expected


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([1.0, 2.0], 0.5, 1.0), ([float(n) for n in range(1, 101)], 0.95, 95.0)],
)
def test_percentiles(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def test_questions_are_answered_while_everything_changes(home: Path, many: Callable[..., list[str]]) -> None:
    """Pages and API by several threads, while traces and telemetry arrive: each answer is whole."""
    many(5)
    client = TestClient(create(open_site(every=0)), base_url="http://localhost")
    ended = threading.Event()

    def ask(path: str) -> int:
        asked = 0
        while not ended.is_set() or not asked:
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            asked += 1
            if path.startswith("/api/v1/all/sessions"):
                assert len(answer.json()["items"]) >= 5
        return asked

    def write() -> None:
        try:
            for number in range(12):
                put(record(100 + number))
                events.put(
                    request(number), tool(number, "Bash", f"t{number}"), event(number, "user_prompt", session="s")
                )
        finally:
            ended.set()

    paths = ["/", "/api/v1/all/sessions", "/cost", "/tools", "/api/v1/all/cost?by=day", f"/api/v1/all/tools?q={'p'}"]
    with ThreadPoolExecutor(len(paths) + 1) as pool:
        asking = [pool.submit(ask, path) for path in paths]
        pool.submit(write).result(120)
        assert all(each.result(60) for each in asking)
    assert len(client.get("/api/v1/all/sessions").json()["items"]) == 5 + 12 + 2
    tools = client.get("/api/v1/all/tools").json()["items"]
    assert next(row for row in tools if row["toolName"] == "Bash")["callCount"] == 12
