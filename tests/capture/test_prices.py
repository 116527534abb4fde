"""Estimates are what genai-prices says of each request, and need neither the network nor the package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture import prices
from hookkit.capture.fold.ledger import NANO, SIZES, Ledger, Use

from .support import Transcript, parse, said

WHEN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OPUS = "anthropic/claude-opus-4-8"


@pytest.fixture
def listed() -> prices.Prices:
    found = prices.load()
    assert found is not None
    return found


@pytest.fixture
def fresh() -> Iterator[None]:
    """The package is looked for anew, in the test and after it."""
    prices.load.cache_clear()
    yield
    prices.load.cache_clear()


def theirs(model: str, use: Use, provider: str | None) -> Decimal:
    usage = genai_prices.Usage(
        input_tokens=use.input + use.cache_read + use.cache_write,
        output_tokens=use.output,
        cache_read_tokens=use.cache_read,
        cache_write_tokens=use.cache_write,
        cache_write_1h_tokens=use.hour_write,
    )
    return genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=WHEN).total_price


@st.composite
def uses(draw: st.DrawFn) -> Use:
    tokens = st.integers(0, 400_000)
    written = draw(tokens)
    return Use(1, draw(tokens), draw(tokens), draw(tokens), written, draw(st.integers(0, written)))


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        (OPUS, "anthropic", "claude-opus-4-8"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),  # dearer above 200,000 tokens
        ("google/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("openai/gpt-5.4", "openai", "gpt-5.4"),
        ("openrouter/anthropic/claude-sonnet-4.5", "openrouter", "anthropic/claude-sonnet-4.5"),
        ("github/claude-opus-4.8", "github-copilot", "claude-opus-4.8"),
        ("github/claude-sonnet-4.5", None, "claude-sonnet-4.5"),  # not on GitHub's list
        ("opencode/claude-opus-4-8", None, "claude-opus-4-8"),
        ("claude-opus-4-8", None, "claude-opus-4-8"),
    ],
)
@given(requests=st.lists(uses(), max_size=8))
def test_an_estimate_is_the_sum_of_what_the_package_says_of_each_request(
    model: str, provider: str | None, name: str, requests: list[Use]
) -> None:
    listed, ledger = prices.load(), Ledger()
    assert listed is not None
    for use in requests:
        ledger.add(model, use)
    found = [listed.price(model, use, WHEN) for _, _, sizes in ledger.models() for use in sizes]
    told = sum((theirs(name, use, provider) for use in requests if any(use[1:])), Decimal(0)) * NANO
    assert sum(price for price in found if price is not None) == pytest.approx(float(told), abs=len(SIZES))
    assert None not in found


def test_the_sizes_of_prompts_are_those_at_which_prices_change() -> None:
    def tiers() -> Iterator[int]:
        for provider in providers:
            for model in provider.models:
                for each in model.prices if isinstance(model.prices, list) else [model.prices]:
                    for price in vars(getattr(each, "prices", each)).values():
                        yield from (tier.start for tier in getattr(price, "tiers", ()))

    assert set(tiers()) <= set(SIZES)


@pytest.mark.parametrize("model", ["scripted/one", "anthropic/one", "", "/", "ollama/llama3", "a/b/c", "\ud800/\x00"])
def test_an_unknown_model_has_no_price(model: str, listed: prices.Prices) -> None:
    assert listed.price(model, Use(1, 100, 100), WHEN) is None


def test_a_session_without_times_has_the_latest_price(listed: prices.Prices) -> None:
    assert (
        listed.price(OPUS, Use(1, 1_000_000), None) == listed.price(OPUS, Use(1, 1_000_000), datetime.max) == 5 * NANO
    )


def test_a_session_is_estimated(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 10, "output_tokens": 500, "cache_read_input_tokens": 90_000, "cache_creation_input_tokens": 900,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 700},
    }  # fmt: skip
    lines = Transcript().prompt("Go.").message("m", said("a"), usage=usage).message("n", said("b"), usage=usage)
    cost = parse(tmp_path, lines).metadata["cost"]
    each = theirs("claude-opus-4-8", Use(1, 10, 500, 90_000, 900, 700), "anthropic")
    assert cost["usd"] == cost["models"][OPUS]["usd"] == float(2 * each)
    assert (cost["source"], cost["prices"]) == ("estimate", f"genai-prices {genai_prices.__version__}")
    assert cost["models"][OPUS]["cache_write_tokens"] == 1800


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["genai_prices", "genai_prices.data", "genai_prices.data_snapshot"])
def test_without_the_package_there_are_no_prices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert prices.load() is None


@pytest.mark.usefixtures("fresh")
def test_a_package_that_fails_is_no_error(listed: prices.Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise TypeError("other arguments now")

    monkeypatch.setattr("genai_prices.data_snapshot.DataSnapshot.calc", broken)
    assert listed.price(OPUS, Use(1, 100), WHEN) is None


def test_nothing_is_asked_of_the_network_and_nothing_loaded_before_it_is_needed() -> None:
    code = """
import socket, sys
def refused(*_, **__): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refused
from hookkit.capture import ingest, prices
from hookkit.capture.fold.ledger import Use
assert not {"genai_prices", "httpx2", "pydantic"} & sys.modules.keys()
assert prices.load().price("openai/gpt-5.4", Use(1, 10, 10), None)
import threading
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
