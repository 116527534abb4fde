"""The table of sessions: what is left out where there is no room, and how long ago something was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.store.plain import plain
from hookkit.views import cells, listing, text
from hookkit.views.clock import Clock


def summary(**given: Any) -> dict[str, Any]:
    return {
        "trace_id": "8aa45309-0000-5000-8000-000000000000",
        "agent": "claude-code",
        "project": "/home/dev/shop",
        "title": "Add a retry to the fetcher, and a test of it",
        "last_activity_at": "2020-01-02T03:04:05Z",
        "turns": 3,
        "tool_calls": 12,
        "failed_tool_calls": 2,
        "input_tokens": 1200,
        "output_tokens": 300,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "cost_usd": 0.42,
        "cost_source": "agent",
        "unpriced_models": [],
        "models": ["anthropic/claude-opus-4-8"],
        "complete": True,
    } | given


def heads(room: int, *, long: bool = False) -> list[str]:
    first = listing.render([summary()], room=room, long=long).split("\n")[0]
    return [name for name in first.replace("LAST ACTIVITY", "LAST_ACTIVITY").split() if name]


def test_what_matters_least_goes_first() -> None:
    everything = heads(200)
    assert everything == ["TRACE", "ACTIVE", "AGENT", "PROJECT", "TURNS", "CALLS", "FAILED", "TOKENS", "COST", "TITLE"]
    assert heads(200, long=True)[-2:] == ["MODELS", "TITLE"]
    assert heads(80) == ["TRACE", "ACTIVE", "AGENT", "PROJECT", "CALLS", "FAILED", "TITLE"]
    assert heads(40) == ["TRACE", "ACTIVE", "TITLE"]
    assert heads(20) == ["TRACE", "TITLE"]
    before = everything
    for room in range(200, 14, -1):
        now = heads(room)
        assert [name for name in before if name in now] == now  # nothing comes back as it gets narrower
        before = now


def test_long_tells_the_time_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    head, line = listing.render([summary()], room=200, long=True).split("\n")
    assert "LAST ACTIVITY" in head
    assert "2020-01-02 " in line
    assert "ago" not in line
    assert "years ago" in listing.render([summary()], room=200)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=100), min_size=1, max_size=4), st.integers(12, 200))
def test_no_line_is_wider_than_the_terminal(titles: list[str], room: int) -> None:
    rows = [summary(title=title, project=f"/p/{title}", agent=title[:9], failed_tool_calls=0) for title in titles]
    lines = listing.render(rows, room=room).split("\n")
    assert len(lines) == len(titles) + 1
    assert all(cells.width(line) <= room and plain(line) == line for line in lines)
    assert all(line.startswith("8aa45309") for line in lines[1:])


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (-30, "just now"), (59, "just now"), (60, "1 min ago"), (3599, "59 min ago"), (7200, "2 h ago"),
        (86_400, "1 day ago"), (13 * 86_400, "13 days ago"), (14 * 86_400, "2 weeks ago"), (59 * 86_400, "1 month ago"),
        (61 * 86_400, "2 months ago"), (366 * 86_400, "1 year ago"), (-86_400, "2020-01-02 03:04"),
    ],
)  # fmt: skip
def test_how_long_ago(age: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    stamp = "2020-01-02T03:04:05Z"
    moment = text.seconds(stamp)
    assert moment is not None
    assert text.ago(stamp, moment + age) == said
    assert text.ago(None) == text.ago("soon") == ""


def test_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    stamps = ["2020-01-02T03:04:05Z", None, "2020-01-02T03:04:06.500Z", "2020-01-02T03:06:05Z", "2020-01-02T03:06:04Z"]

    def told(clock: Clock) -> list[str]:
        return [clock.tell(stamp) for stamp in stamps]

    assert told(Clock("absolute")) == ["03:04:05", "", "03:04:06", "03:06:05", "03:06:04"]
    assert told(Clock("relative", "2020-01-02T03:04:00Z")) == ["+5.0 s", "", "+6.5 s", "+2 min 5 s", "+2 min 4 s"]
    assert told(Clock("delta")) == ["", "", "+1.5 s", "+1 min 58 s", "-1.0 s"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "$0.42"),
        ({"cost_source": "estimate"}, "~$0.42"),
        ({"cost_source": "mixed", "unpriced_models": ["a/b"]}, "~$0.42+"),
        ({"cost_usd": 0.0}, "$0.00"),
    ],
)
def test_a_cost_says_whether_it_is_an_estimate_or_not_all(given: dict[str, Any], said: str) -> None:
    assert listing.render([summary(**given)], room=200).split("\n")[1].split("  ")[-2].strip() == said


def test_costs_have_no_column_where_none_is_known() -> None:
    unknown = summary(cost_usd=None, cost_source=None)
    assert "COST" not in listing.render([unknown], room=200)
    assert "COST" in listing.render([unknown, summary()], room=200)
