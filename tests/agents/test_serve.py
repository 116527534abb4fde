"""`hookkit serve` beside a real agent: what it shows of the session is what the agent did and says that it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.dashboard.process import Served, serving

from .drivers import driver_of
from .drivers.base import Driver
from .questions import play
from .sandbox import Sandbox, attempts
from .script import Bash, Edit, Text, Turn, Write
from .twins import Twins
from .usage import handed_out, total

pytestmark = pytest.mark.real_agent


@pytest.fixture(params=["claude-code", "codex-cli"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return driver_of(request.param)


def script(box: Sandbox) -> list[Turn]:
    here = f"{box.project}/"
    return [
        [Write(f"{here}a.txt", "one\n")],
        [Bash("ls missing"), Bash("echo '<b>hi</b>' > b.txt")],
        [Edit(f"{here}a.txt", "one", "two")],
        [Text("Done.")],
    ]


def api(served: Served, path: str) -> Any:
    return json.loads(served.get(f"/api/v1/{path}")[1])


def joined(served: Served, box: Sandbox, calls: int) -> Mapping[str, Any]:
    """The session, once trace and telemetry have both told all of its calls."""
    found: list[Any] = []
    for _ in attempts():
        found = api(served, f"{box.agent.name}/sessions")["items"]
        told = dict(found[0]) if found else {"sources": ()}
        counts = [told.get("totalApiCalls"), told.get("totalToolCalls")]
        if set(told["sources"]) == {"trace", "telemetry"} and told["complete"] and counts == [calls, calls]:
            return told
    raise AssertionError(f"trace and telemetry never met: {found}")


def test_the_page_of_a_session_joins_hooks_transcript_and_telemetry(twins: Twins) -> None:
    box = twins.bare("served")
    box.repository()
    with serving(env=box.env) as served:
        http = str(served.told["otlp_http"])
        where = ["--telemetry", "--telemetry-protocol", "http/protobuf", "--telemetry-endpoint", http]
        box.hookkit("install", box.agent.name, *box.driver.install_options, *where)
        run = play(box, script(box), prompt="Change it. <script>alert(1)</script>")
        session = joined(served, box, 4)
        used = total(box.driver.usage(handed_out(bytes(one.answer))) for one in run.requests)
        assert (session["sessionId"], session["totalPrompts"]) == (box.session_id, 1)
        assert (session["totalInputTokens"], session["totalOutputTokens"]) == (used.input, used.output)
        assert session["totalCacheReadTokens"] == used.cache_read
        if box.agent.name == "claude-code":
            assert session["totalCostUsd"] == pytest.approx(run.result["total_cost_usd"], abs=1e-6)
            assert session["costSource"] == "telemetry"
        place = f"{box.agent.name}/sessions/{box.session_id}"
        tools = api(served, f"{place}/tools")
        assert sum(tool["callCount"] for tool in tools["items"]) == 4
        events = api(served, f"{place}/timeline")["items"]
        told = [event for event in events if event["kind"] == "call"]
        results = [event["toolUseId"] for event in told]
        assert len(set(results)) == len(results) == 4
        assert {event["source"] for event in told} == {"both"}
        assert all(event["beforeTree"] and event["decision"] for event in told)
        page = served.get(f"/sessions/{session['traceId']}")[1].decode()
        assert "changed files" in page
        assert "<script>alert" not in page
        for call in results:
            found = served.get(f"/sessions/{session['traceId']}/calls/{call}")[1].decode()
            assert "<b>hi</b>" not in found
        changes = served.get(f"/sessions/{session['traceId']}/changes")[1].decode()
        assert "a.txt" in changes
        assert "b.txt" in changes
        assert served.stop() == (0, "")
