"""What a session cost: as its agent says, and what of it counts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.capture import prices
from hookkit.capture.fold.fold import Fold
from hookkit.capture.fold.ledger import NANO, Ledger, Use
from hookkit.capture.pi.cut import cut
from hookkit.exporters.formats.belay import node_tree

from . import opencode_support, pi_support
from .recorded_sessions import by_turns, check_pieces
from .support import Transcript, parse, said

NOT_A_COST = [None, True, -1, float("nan"), float("inf"), 10**400, "1", [], {}]


@pytest.fixture
def no_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "load", lambda: None)


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list on which every request of a model whose name has a ``$`` costs a dollar."""
    listed = prices.Prices("list 1", lambda model, use, _when: use.requests * NANO if "$" in model else None)
    monkeypatch.setattr(prices, "load", lambda: listed)


def cost_of(record: TraceRecord) -> dict[str, Any]:
    found = record.metadata["cost"]
    assert isinstance(found, dict)
    assert record.metrics.estimated_cost_usd == found["usd"]
    return found


def costing(usd: object, **more: Any) -> dict[str, Any]:
    return {"usage": {**pi_support.USAGE, "cost": {"input": 0, "total": usd}}, **more}


def text(word: str) -> dict[str, Any]:
    return {"type": "text", "text": word}


def test_pis_own_figures_add_up(tmp_path: Path, no_prices: None) -> None:
    made = pi_support.Session().prompt("x").answer(text("a"), **costing(0.25)).answer(text("b"), **costing(0.0625))
    found = cost_of(made.prompt("y").answer(text("c"), **costing(1e-7)).parse(tmp_path))
    assert (found["usd"], found["source"], found["prices"], found["unpriced"]) == (0.3125001, "agent", None, [])
    assert found["steps"] == {"1": 0.25, "2": 0.0625, "4": 1e-7}
    used = {"input_tokens": 30, "output_tokens": 15, "cache_read_tokens": 9, "cache_write_tokens": 6}
    assert found["models"] == {"scripted/one": {"usd": 0.3125001, **used}}


@pytest.mark.parametrize("name", ["tour", "resumed", "compacted"])
def test_opencodes_own_figures_add_up(name: str, tmp_path: Path, no_prices: None) -> None:
    session, rows = opencode_support.recorded(name)
    told = []
    for row in rows:
        data = row["row"].get("data")
        if row["table"] == "message" and data["role"] == "assistant" and data["tokens"]["input"]:
            told.append(data.setdefault("cost", 0))
            data["cost"] = told[-1] = len(told) * 0.0123456789
    path = opencode_support.make(tmp_path)
    opencode_support.put(path, rows)
    found = cost_of(opencode_support.record_of(path / session))
    assert found["source"] == "agent"
    assert found["usd"] == pytest.approx(sum(told), abs=1e-8)
    assert sum(found["steps"].values()) == pytest.approx(found["usd"], abs=1e-8)


def test_the_cost_of_a_message_in_fragments_counts_once(tmp_path: Path, no_prices: None) -> None:
    lines = Transcript().prompt("Go.").message("m", said("a"), costUSD=0.5).message("m", said("b"), costUSD=0.5)
    found = cost_of(parse(tmp_path, lines.message("n", said("c"), costUSD=0.125)))
    assert (found["usd"], found["steps"]) == (0.625, {"1": 0.5, "2": 0.125})


@pytest.mark.parametrize("bad", NOT_A_COST)
def test_what_is_no_amount_tells_nothing(bad: object, no_prices: None) -> None:
    fold = Fold("s")
    cell = fold.message(fold.stream(), "m", None)
    assert cell is not None
    fold.used(cell, (1, 2, 3, 4))
    fold.cost(cell, bad)
    assert fold.costs == {}
    assert [row for _, told, row in fold.ledger.models() if not told.cost] == [[Use(1, 1, 2, 3, 4)]]


def test_a_cost_of_zero_for_tokens_is_estimated(tmp_path: Path, dear: None) -> None:
    made = pi_support.Session().prompt("x").answer(text("a"), model="m$", **costing(0))
    found = cost_of(made.parse(tmp_path))
    assert (found["usd"], found["source"], found["prices"], found["steps"]) == (1.0, "estimate", "list 1", {})


def test_a_part_that_nobody_prices_makes_it_a_lower_bound(tmp_path: Path, dear: None) -> None:
    made = pi_support.Session().prompt("x").answer(text("a"), **costing(0.5)).answer(text("b"), model="m$")
    found = cost_of(made.answer(text("c"), model="other").answer(text("d")).parse(tmp_path))
    assert (found["usd"], found["source"]) == (1.5, "mixed")
    assert found["unpriced"] == ["scripted/one", "scripted/other"]
    assert {name: model["usd"] for name, model in found["models"].items()} == {
        "scripted/m$": 1.0,
        "scripted/one": 0.5,
        "scripted/other": None,
    }


def test_without_prices_it_is_not_known(tmp_path: Path, no_prices: None) -> None:
    found = cost_of(pi_support.Session().prompt("x").say("a").parse(tmp_path))
    assert (found["usd"], found["source"], found["prices"], found["unpriced"]) == (None, None, None, ["scripted/one"])


def test_a_session_without_tokens_has_none(tmp_path: Path) -> None:
    record = pi_support.Session().prompt("x").answer(text("a"), usage=None).parse(tmp_path)
    assert "cost" not in record.metadata
    assert record.metrics.estimated_cost_usd is None


def test_what_was_copied_costs_there(tmp_path: Path, no_prices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path / "pi"))
    made = (
        pi_support.Session()
        .prompt("x")
        .answer(text("a"), **costing(0.5))
        .prompt("y")
        .answer(text("b"), **costing(0.25))
    )
    original = made.write(tmp_path)
    assert cost_of(pi_support.record_of(original))["usd"] == 0.75
    copy = cut(original, 1, "5f3a1c7e-5d0c-5b0a-9d52-2f7f0c6a3c11", tmp_path / "then")
    assert "cost" not in pi_support.record_of(copy).metadata
    message = {"role": "assistant", "content": [text("c")], "provider": "p", "model": "m", **costing(2)}
    entry = {"type": "message", "id": "ffff", "parentId": None, "timestamp": "2099-01-01T00:00:00Z", "message": message}
    with copy.open("a") as file:
        file.write(json.dumps(entry) + "\n")
    found = cost_of(pi_support.record_of(copy))
    assert found["usd"] == 2
    assert list(found["models"]) == ["p/m"]


@given(seed=st.integers(0, 2**32))
def test_read_in_pieces_it_costs_the_same(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder, chance = tmp_path_factory.mktemp("cost"), random.Random(seed)
    made = pi_support.Session().prompt("x")
    for number in range(12):
        made.answer(text("a"), model=chance.choice("ab"), **costing(chance.choice([0, 0.1, 1e-6 * number])))
    path = made.write(folder)
    head, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(head + b"\n")
    check_pieces(by_turns({path: rest}, chance), path, folder, "pi")


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.tuples(*[st.integers(0, 300_000)] * 4),
        st.sampled_from([0, 0, 0.0, 0.1, 2, 1e-9]),
    ),
    max_size=12,
)


@given(requests=REQUESTS, seed=st.integers(0, 2**32))
def test_the_models_buckets_add_up_to_the_sessions_in_any_order(requests: list[Any], seed: int) -> None:
    def folded(order: list[Any]) -> Fold:
        fold = Fold("s")
        for number, (model, counts, usd) in enumerate(order):
            cell = fold.message(fold.stream(), str(number), None)
            assert cell is not None
            fold.model(0, cell, "first guess")
            fold.used(cell, tuple(value // 2 for value in counts))  # type: ignore[arg-type]
            fold.cost(cell, usd / 2)
            fold.model(0, cell, model)
            fold.cost(cell, usd)
            fold.used(cell, counts)
        return fold

    fold = folded(requests)
    rows = [row for sizes in fold.ledger.rows.values() for row in sizes.values()]
    assert [sum(row[place] for row in rows) for place in range(1, 5)] == fold.usage
    assert sum(row[-1] for row in rows) == sum(fold.costs.values()) == sum(round(usd * NANO) for *_, usd in requests)
    random.Random(seed).shuffle(requests)
    assert folded(requests).ledger.rows == fold.ledger.rows
    again = Fold("s")
    again.load(json.loads(json.dumps(fold.dump())), fold.cells.texts())
    assert (again.ledger.rows, again.costs) == (fold.ledger.rows, fold.costs)


def test_a_ledger_forgets_what_was_taken_back() -> None:
    ledger = Ledger()
    ledger.add("m", (1, 2, 3, 4, 5))
    kept = ledger.copy()
    ledger.add("m", (1, 2, 3, 4, 5), -1)
    assert (ledger.rows, kept.rows) == ({}, {"m": {"0": [1, 2, 3, 4, 5, 0, 0]}})


def test_a_node_tree_has_the_cost_of_each_turn(tmp_path: Path, dear: None) -> None:
    made = pi_support.Session().prompt("x").answer(text("a"), **costing(0.25))
    made.prompt("y").answer(text("b"), **costing(0.5)).prompt("z").answer(text("c"), model="m$")
    record = made.parse(tmp_path).model_dump(mode="json")
    costs = {child.agent_name: child.cost_usd for child in node_tree(record).children if child.cost_usd}
    assert costs == {"turn 1: x": 0.25, "turn 2: y": 0.5, "turn 3: z": 1.0}  # the last is an estimate
