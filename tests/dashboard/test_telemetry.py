"""Sessions that telemetry tells of: alone, and joined with a trace."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hookkit.dashboard.app import create
from hookkit.dashboard.site import open_site
from tests.cli.recorded import Session, World

from . import events
from .events import SESSION, event, request, tool


def _get(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def alone(home: Path) -> None:
    """Two prompts, of which the second one's words are not told."""
    events.put(
        event(0, "user_prompt", prompt__id="p1", prompt="Fix the bug\nplease", prompt_length=18),
        request(2),
        event(
            3, "tool_decision", prompt__id="p1", tool_name="Edit", tool_use_id="t1", decision="accept", source="config"
        ),
        tool(4, "Edit", "t1"),
        event(5, "api_error", prompt__id="p1", model="m", error="overloaded", status_code="529"),
        request(6, 0.01, model="claude-haiku-4-5", query_source="auxiliary"),
        event(10, "user_prompt", prompt__id="p2", prompt_length=9),
        event(
            11,
            "tool_decision",
            prompt__id="p2",
            tool_name="Bash",
            tool_use_id="t2",
            decision="reject",
            source="user_reject",
        ),
        tool(12, "Bash", "t3", "p2", success="false", error="Exit code 1"),
        event(13, "compaction", prompt__id="p2", pre_tokens=150_000, post_tokens=20_000),
        event(14, "brand_new_event", prompt__id="p2", detail="<script>alert(1)</script>"),
    )


@pytest.mark.usefixtures("alone")
def test_a_session_without_a_trace_is_listed_with_its_own_figures(client: TestClient) -> None:
    (item,) = _get(client, "/api/v1/claude-code/sessions")["items"]
    assert item["sessionId"] == SESSION
    assert item["title"] == "Fix the bug"
    assert item["sources"] == ["telemetry"]
    assert (item["totalPrompts"], item["totalApiCalls"], item["totalToolCalls"]) == (2, 2, 2)
    assert item["totalCostUsd"] == pytest.approx(0.05)
    assert item["costSource"] == "telemetry"
    assert (item["totalInputTokens"], item["totalCacheReadTokens"]) == (200, 1800)
    assert item["totalErrors"] == 2


@pytest.mark.usefixtures("alone")
def test_its_timeline_goes_by_prompts_and_counts_a_call_once(client: TestClient) -> None:
    items = _get(client, f"/api/v1/all/sessions/{SESSION}/timeline")["items"]
    assert [(item["turn"], item["eventName"]) for item in items] == [
        (1, "user_prompt"), (1, "api_request"), (1, "tool_result"), (1, "api_error"), (1, "api_request"),
        (2, "user_prompt"), (2, "tool_decision"), (2, "tool_result"), (2, "compaction"), (2, "brand_new_event"),
    ]  # fmt: skip
    edit = items[2]
    assert (edit["toolUseId"], edit["decision"], edit["decisionSource"]) == ("t1", "accept", "config")
    assert edit["durationMs"] == 250
    assert items[1]["costUsd"] == 0.04


@pytest.mark.usefixtures("alone")
def test_its_page_shows_prompts_requests_errors_and_what_nobody_knows(client: TestClient) -> None:
    page = client.get(f"/sessions/{SESSION}", follow_redirects=True).text
    first, second = page.split('<section class="turn"')[1:]
    assert "Fix the bug" in first
    assert "overloaded" in first
    assert "accept by config" in first
    assert "$0.05" in first
    assert "its words were not told" in second
    assert "reject by user_reject" in second
    assert "150.0k → 20.0k tokens" in second
    assert "brand_new_event" in second
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in second
    assert '<rect class="model"' in first
    assert '<rect class="tool"' in first


@pytest.mark.usefixtures("alone")
def test_tools_and_costs_of_all_sessions(client: TestClient) -> None:
    tools = {row["toolName"]: row for row in _get(client, "/api/v1/all/tools")["items"]}
    assert (tools["Edit"]["callCount"], tools["Edit"]["acceptCount"], tools["Edit"]["p95DurationMs"]) == (1, 1, 250)
    assert (tools["Bash"]["callCount"], tools["Bash"]["failureCount"], tools["Bash"]["rejectCount"]) == (1, 1, 1)
    models = _get(client, "/api/v1/all/cost")["items"]
    assert [(row["name"], row["apiCalls"]) for row in models] == [(events.MODEL, 1), ("claude-haiku-4-5", 1)]
    subagents = _get(client, "/api/v1/all/cost?by=subagent")["items"]
    assert {row["name"]: row["totalCostUsd"] for row in subagents} == {"main": 0.04, "auxiliary": 0.01}
    days = _get(client, "/api/v1/all/cost?by=day")["items"]
    assert [row["name"] for row in days] == ["2026-02-02"]
    assert _get(client, "/api/v1/all/cost?min_cost=1")["items"] == []


@pytest.mark.usefixtures("alone")
def test_a_session_has_the_costs_of_the_seed(client: TestClient) -> None:
    rows = _get(client, f"/api/v1/claude-code/sessions/{SESSION}/cost")["items"]
    assert rows[0] == {
        "model": events.MODEL, "apiCalls": 1, "totalCostUsd": 0.04, "estimate": False, "inputTokens": 100,
        "outputTokens": 30, "cacheReadTokens": 900, "cacheCreationTokens": 50,
    }  # fmt: skip


@pytest.fixture
def joined(tmp_path: Path, home: Path) -> Session:
    """A recorded session, whose agent sent its telemetry as well; a prompt came after the trace was made."""
    world = World(tmp_path.resolve() / "repo")
    world.commit("Begin", app_py="print('hi')\n")
    session = world.session()
    session.prompt("Change it")
    session.edit("toolu_01edit", "app.py", "print('bye')\n", tool="Edit")
    session.stop()
    session.ingest()
    began = datetime.fromisoformat(session.steps[0]["timestamp"]).timestamp() - events.START
    name = session.session_id
    events.put(
        event(began, "user_prompt", session=name, prompt__id="p1", prompt_length=9),
        request(began + 0.5, session=name),
        tool(began + 3, "Edit", "toolu_01edit", session=name),
        event(began + 90, "user_prompt", session=name, prompt__id="p2", prompt="And more", prompt_length=8),
        request(began + 92, 0.5, "p2", session=name),
    )
    return session


def test_a_call_that_both_tell_of_is_one_call(joined: Session, client: TestClient) -> None:
    (item,) = _get(client, "/api/v1/all/sessions")["items"]
    assert item["sources"] == ["trace", "telemetry"]
    assert (item["totalToolCalls"], item["totalPrompts"], item["totalCostUsd"]) == (1, 2, 0.54)
    items = _get(client, f"/api/v1/all/sessions/{joined.session_id}/timeline")["items"]
    calls = [entry for entry in items if entry["kind"] == "call"]
    assert [(call["toolUseId"], call["source"], call["durationMs"]) for call in calls] == [
        ("toolu_01edit", "both", 250)
    ]
    assert calls[0]["beforeTree"] != calls[0]["afterTree"]
    assert [(entry["turn"], entry["kind"]) for entry in items if entry["kind"] in ("turn", "request")] == [
        (1, "turn"), (1, "request"), (2, "turn"), (2, "request"),
    ]  # fmt: skip


def test_blame_tells_what_a_line_cost(joined: Session, client: TestClient) -> None:
    page = client.get(f"/sessions/{joined.trace_id}/blame?path=app.py").text
    assert re.search(r"\$0\.04 a line", page)


def test_what_arrives_while_the_server_runs_is_there_at_the_next_question(home: Path, client: TestClient) -> None:
    assert _get(client, "/api/v1/all/sessions")["items"] == []
    events.put(request(1))
    assert len(_get(client, "/api/v1/all/sessions")["items"]) == 1
    events.put(request(2, prompt="p9"))
    assert _get(client, "/api/v1/all/sessions")["items"][0]["totalApiCalls"] == 2
    assert _get(client, "/api/v1/all/cost")["items"][0]["apiCalls"] == 2


def test_programs_that_nobody_knows_are_shown(home: Path, client: TestClient) -> None:
    events.put(event(1, "anything", session="s-1", program="robot"), service="my-robot")
    assert _get(client, "/api/v1/my-robot/sessions")["items"][0]["agent"] == "my-robot"
    assert "anything" in client.get("/sessions/s-1", follow_redirects=True).text


def test_a_server_that_starts_anew_tells_the_same(alone: None, client: TestClient) -> None:
    paths = ["sessions", f"sessions/{SESSION}/timeline", "tools", "cost?by=day", "cost?by=subagent"]
    before = [_get(client, f"/api/v1/all/{path}") for path in paths]
    other = TestClient(create(open_site(every=0)), base_url="http://localhost")
    assert [_get(other, f"/api/v1/all/{path}") for path in paths] == before
