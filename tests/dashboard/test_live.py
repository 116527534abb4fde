"""What happens, told as it happens: order, resume, who listens, and how many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hookkit.dashboard.app import create
from hookkit.dashboard.live import Hub, TooManyError
from hookkit.dashboard.site import Site, open_site

from . import events
from .events import SESSION, event, request
from .made import put, record

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("home")]


class Stream:
    """What a listener is sent, event by event."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.chunks = chunks
        self.kept: list[dict[str, str]] = []

    async def next(self, number: int, seconds: float = 20) -> list[dict[str, str]]:
        while len(self.kept) < number:
            chunk = (await asyncio.wait_for(anext(self.chunks), seconds)).decode()
            assert chunk.endswith("\n\n")
            for part in chunk.removesuffix("\n\n").split("\n\n"):
                self.kept.append(dict(line.split(": ", 1) for line in part.split("\n")))  # type: ignore[misc]
        found, self.kept = self.kept[:number], self.kept[number:]
        return found

    async def close(self) -> None:
        await self.chunks.aclose()  # type: ignore[attr-defined]


async def _next(stream: Stream, number: int) -> list[dict[str, str]]:
    return await stream.next(number)


async def _put(*rows: dict[str, Any]) -> None:
    await asyncio.to_thread(events.put, *rows)


def _names(found: list[dict[str, str]]) -> list[str]:
    return [json.loads(each["data"])["eventName"] for each in found]


async def _listening(hub: Hub, **asked: Any) -> Stream:
    stream = Stream(hub.listen(asked.pop("after", None), **asked))
    assert (await _next(stream, 1))[0]["event"] == "connected"
    return stream


def _run(site: Site, what: Any) -> None:
    async def run() -> None:
        pump = asyncio.create_task(site.hub.pump())
        try:
            await asyncio.wait_for(what(site.hub), 60)
        finally:
            site.hub.close()
            await pump

    asyncio.run(run())


def test_what_comes_is_told_to_all_in_order_and_once() -> None:
    async def what(hub: Hub) -> None:
        streams = [await _listening(hub) for _ in range(3)]
        await _put(event(1, "one"), event(2, "two"))
        hub.wake()
        await _put(event(3, "three"))
        hub.wake()
        for stream in streams:
            found = await _next(stream, 3)
            assert _names(found) == ["one", "two", "three"]
            assert [each["event"] for each in found] == ["event"] * 3
            ids = [int(each["id"]) for each in found]
            assert ids == sorted(set(ids))

    _run(open_site(every=0), what)


def test_who_was_away_gets_what_came_meanwhile_and_then_goes_on() -> None:
    async def what(hub: Hub) -> None:
        first = await _listening(hub)
        await _put(event(1, "one"), event(2, "two"))
        (seen, _) = await _next(first, 2)
        await first.close()
        await _put(event(3, "three"))
        again = await _listening(hub, after=int(seen["id"]))
        assert _names(await _next(again, 2)) == ["two", "three"]
        await _put(event(4, "four"))
        assert _names(await _next(again, 1)) == ["four"]

    _run(open_site(every=0), what)


def test_a_listener_that_is_slow_reads_on_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """More happens than is shared: nothing is lost, and nothing is kept for it."""
    monkeypatch.setattr("hookkit.dashboard.live._SHARED", 5)

    async def what(hub: Hub) -> None:
        slow = await _listening(hub)
        await _put(*(event(number, f"e{number}") for number in range(40)))
        quick = await _listening(hub, after=0)
        assert _names(await _next(quick, 40)) == [f"e{number}" for number in range(40)]
        assert _names(await _next(slow, 40)) == [f"e{number}" for number in range(40)]

    _run(open_site(every=0), what)


def test_one_session_and_one_agent() -> None:
    async def what(hub: Hub) -> None:
        mine = await _listening(hub, agent="claude-code", session_id=SESSION)
        await _put(event(1, "other", session="another"), event(2, "mine"))
        (found,) = await _next(mine, 1)
        assert (found["event"], _names([found])) == ("claude-code-event", ["mine"])

    _run(open_site(every=0), what)


def test_a_trace_that_was_written_is_told() -> None:
    site = open_site(every=0)

    async def what(hub: Hub) -> None:
        stream = await _listening(hub)
        await asyncio.to_thread(put, record(1, title="Just now"))
        (found,) = await _next(stream, 1)
        assert found["event"] == "session"
        assert "id" not in found
        assert json.loads(found["data"])["title"] == "Just now"

    _run(site, what)


@pytest.mark.long
def test_a_thousand_listen_and_no_more() -> None:
    async def what(hub: Hub) -> None:
        streams = [await _listening(hub) for _ in range(1000)]
        with pytest.raises(TooManyError):
            await _listening(hub)
        await _put(event(1, "one"))
        for stream in streams:
            assert _names(await _next(stream, 1)) == ["one"]
        for stream in streams:
            await stream.close()
        assert hub.listeners == 0
        await _listening(hub)

    _run(open_site(every=0), what)


def test_closing_ends_every_stream() -> None:
    site = open_site(every=0)

    async def what(hub: Hub) -> None:
        stream = await _listening(hub)
        waiting = asyncio.create_task(_next(stream, 1))
        await asyncio.sleep(0.05)
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await waiting

    _run(site, what)


def test_too_many_listeners_are_refused_before_the_stream_begins(site: Site) -> None:
    site.hub.most = 0
    client = TestClient(create(site), base_url="http://localhost")
    answer = client.get("/api/v1/all/live")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "TOO_MANY_LISTENERS"


@pytest.mark.parametrize("after", ["x", "-1", "1e3", "9" * 30])
def test_a_position_that_is_none_is_refused(client: TestClient, after: str) -> None:
    assert client.get(f"/api/v1/all/live?after={after}").status_code == 400
    assert client.get("/api/v1/all/live", headers={"last-event-id": after}).status_code == 400
    assert client.get(f"/api/v1/all/events?after={after}").status_code == 400


def test_who_cannot_hold_a_stream_asks_again_and_again(client: TestClient) -> None:
    begin = client.get("/api/v1/all/events").json()
    assert begin["items"] == []
    events.put(request(1), event(2, "two"))
    client.get("/")  # looks at the files
    body = client.get(f"/api/v1/all/events?after={begin['next']}&limit=1").json()
    assert [item["eventName"] for item in body["items"]] == ["api_request"]
    body = client.get(f"/api/v1/all/events?after={body['next']}").json()
    assert [item["eventName"] for item in body["items"]] == ["two"]
    assert client.get(f"/api/v1/all/events?after={body['next']}").json()["items"] == []


def test_the_live_page_begins_with_what_came_last(home: Path, client: TestClient) -> None:
    events.put(request(1))
    client.get("/")
    assert "api_request" in client.get("/live").text
