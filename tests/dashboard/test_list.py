"""The list of sessions: filters before limits, orders, and pages that hold still while sessions arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from .made import put, record

Many = Callable[..., list[str]]


def _items(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/all/sessions{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _titles(client: TestClient, query: str = "") -> list[str]:
    return [item["title"] for item in _items(client, query)]


def _walk(client: TestClient, query: str) -> list[str]:
    """The titles of all pages, one after the other."""
    found, after = [], ""
    while True:
        body = client.get(f"/api/v1/all/sessions?{query}{after}").json()
        found += [item["title"] for item in body["items"]]
        if body["next"] is None:
            return found
        after = f"&after={body['next']}"


def test_the_latest_activity_comes_first(many: Many, client: TestClient) -> None:
    many(3)
    assert _titles(client) == ["Prompt of session 2", "Prompt of session 1", "Prompt of session 0"]


def test_a_session_tells_what_it_took(many: Many, client: TestClient) -> None:
    put(record(4, usd=0.25, failed=2))
    item = _items(client)[0]
    assert item["totalCostUsd"] == 0.25
    assert item["costSource"] == "agent"
    assert item["totalErrors"] == 2
    assert item["durationMs"] == 5000
    assert (item["totalInputTokens"] > 0, item["sources"]) == (True, ["trace"])
    assert item["startTime"] == "2026-03-01T12:04:00.000000Z"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=special", {"A special one"}),
        ("?q=SPECIAL+one", {"A special one"}),
        ("?q=special+absent", set()),
        ("?agent=pi", {"Of another agent"}),
        ("?project=tides", {"Of another project"}),
        ("?project=/home/dev/tides", {"Of another project"}),
        ("?model=GPT", {"Of another model"}),
        ("?errors=1", {"With errors"}),
        ("?min_cost=0.5", {"A dear one"}),
        ("?until=2026-03-01T12:00:30Z", {"Prompt of session 0"}),
        ("?since=2026-03-01T13:00:00Z", {"Late"}),
    ],
)
def test_filters_look_at_all_sessions_before_the_limit_cuts(
    many: Many, client: TestClient, query: str, expected: set[str]
) -> None:
    """What is looked for is older than a page is long."""
    put(record(0))
    put(record(1, title="A special one"))
    put(record(2, title="Of another agent", agent="pi"))
    put(record(3, title="Of another project", project="/home/dev/tides"))
    put(record(4, title="Of another model", model="openai/gpt-5.5"))
    put(record(5, title="With errors", failed=1))
    put(record(6, title="A dear one", usd=0.75))
    for number in range(10, 30):
        put(record(number))
    put(record(99, title="Late", minutes=120))
    assert set(_titles(client, f"{query}&limit=5")) == expected


@pytest.mark.parametrize(
    ("sort", "first"), [("cost", "dear"), ("errors", "failed"), ("duration", "long"), ("activity", "late")]
)
def test_the_largest_comes_first(many: Many, client: TestClient, sort: str, first: str) -> None:
    put(record(1, title="plain", minutes=1))
    put(record(2, title="dear", usd=3, minutes=2))
    put(record(3, title="failed", failed=4, minutes=3))
    put(record(500, title="long", minutes=4))
    put(record(5, title="late", minutes=90))
    assert _titles(client, f"?sort={sort}")[0] == first


@pytest.mark.parametrize("sort", ["activity", "cost", "duration", "errors", "tokens", "calls"])
def test_pages_go_through_every_session_once(many: Many, client: TestClient, sort: str) -> None:
    """Also where many have the same value, and some have none."""
    for number in range(23):
        put(record(number, usd=None if number % 3 else number % 2, minutes=number // 4))
    found = _walk(client, f"limit=5&sort={sort}")
    assert len(found) == 23
    assert len(set(found)) == 23


def test_a_walk_repeats_and_loses_nothing_while_sessions_arrive(many: Many, client: TestClient) -> None:
    many(12)
    first = client.get("/api/v1/all/sessions?limit=5").json()
    for number in range(100, 105):
        put(record(number))
    second = client.get(f"/api/v1/all/sessions?limit=20&after={first['next']}").json()
    titles = [item["title"] for page in (first, second) for item in page["items"]]
    assert titles == [f"Prompt of session {number}" for number in range(11, -1, -1)]


def test_a_session_that_goes_is_gone_and_one_that_changed_is_new(many: Many, client: TestClient, home: Any) -> None:
    ids = many(2)
    assert len(_items(client)) == 2
    (home / "traces" / f"{ids[0]}.json").unlink()
    put(record(1, title="Another title"))
    assert _titles(client) == ["Another title"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=501", "limit=x", "limit=-1", "sort=name", "after=zzz", "after=W10", "since=yesterday",
        "until=7x", "min_cost=-1", "min_cost=1e9", "errors=perhaps", f"q={'x' * 600}",
    ],
)  # fmt: skip
def test_a_parameter_that_means_nothing_is_refused_with_a_hint(many: Many, client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/all/sessions?{query}")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] in ("BAD_PARAMETER", "BAD_CURSOR")
    assert error["hint"]


def test_the_place_of_one_order_is_none_of_another(many: Many, client: TestClient) -> None:
    many(3)
    after = client.get("/api/v1/all/sessions?limit=1").json()["next"]
    assert client.get(f"/api/v1/all/sessions?limit=1&sort=cost&after={after}").status_code == 400


def test_words_are_words_and_no_pattern_or_sql(many: Many, client: TestClient) -> None:
    put(record(1, title="100% of it"))
    put(record(2, title="all"))
    assert _titles(client, "?q=%25") == ["100% of it"]
    assert _titles(client, "?q=_") == []
    assert _titles(client, "?q=%27+OR+1=1+--") == []
    assert _titles(client, "?agent=%27+OR+1=1+--") == []


def test_each_filter_of_the_page_can_be_removed_alone(many: Many, client: TestClient) -> None:
    put(record(1, title="fix it", failed=1, usd=1))
    page = client.get("/?q=fix&errors=1&min_cost=0.5&sort=cost").text
    links = [part.split('"')[0] for part in page.split('<ul class="chips"')[1].split('href="/')[1:]]
    left = [set(parse_qs(urlsplit(link.replace("&amp;", "&")).query)) for link in links[:3]]
    assert left == [{"errors", "min_cost", "sort"}, {"q", "min_cost", "sort"}, {"q", "errors", "sort"}]


def test_the_same_filters_hold_for_tools_and_costs(many: Many, client: TestClient) -> None:
    put(record(1, usd=1, model="a/cheap"))
    put(record(2, usd=5, model="a/dear", failed=1))
    costs = client.get("/api/v1/all/cost?errors=1").json()["items"]
    assert [(row["name"], row["totalCostUsd"]) for row in costs] == [("a/dear", 5)]
    assert client.get("/api/v1/all/tools?errors=1").json()["items"][0]["callCount"] == 1
    assert client.get("/api/v1/all/tools?min_cost=9").json()["items"] == []


def test_the_empty_page_says_what_to_do(home: Any, client: TestClient) -> None:
    page = client.get("/").text
    assert "hookkit install claude-code" in page
    assert "hookkit ingest" in page


def test_a_page_without_a_match_says_how_to_get_out(many: Many, client: TestClient) -> None:
    many(1)
    page = client.get("/?q=absent").text
    assert "No session matches these filters" in page
    assert 'href="/search?q=absent"' in page
