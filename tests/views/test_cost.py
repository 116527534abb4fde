"""What a session cost reads alike in every view: an estimate is no fact, and little money is not none."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.exporters.prose import facts
from hookkit.exporters.source import Source
from hookkit.store.node import Node
from hookkit.store.summary import summarise
from hookkit.views import cost, listing, tree
from hookkit.views.tui.head import head
from hookkit.views.tui.sessions import SessionRows
from tests.exporters.sessions import NAMES, record

COSTS = [
    ("$0.42", {"usd": 0.42, "source": "agent"}),
    ("~$0.42", {"usd": 0.42, "source": "estimate"}),
    ("~$0.0012+", {"usd": 0.0012, "source": "mixed", "unpriced": ["a/b"]}),
    ("<$0.0001+", {"usd": 1e-9, "source": "agent", "unpriced": ["a/b"]}),
    ("$0.00", {"usd": 0.0, "source": "agent"}),
]


def costing(usd: float | None, source: str | None, unpriced: list[str] | None = None) -> dict[str, Any]:
    told = record(NAMES[0])
    told["metadata"]["cost"] = {"usd": usd, "source": source, "prices": "list 1", "unpriced": unpriced or []}
    told["metrics"]["estimated_cost_usd"] = usd
    return told


@pytest.mark.parametrize(("said", "given"), COSTS)
def test_every_view_says_whether_it_is_an_estimate_or_not_all(said: str, given: dict[str, Any]) -> None:
    summary = summarise(costing(**given))
    assert cost.short(summary) == said
    rows = SessionRows()
    rows.all = [summary]
    rows.arrange()
    listed = listing.render([summary], room=300)
    lines = [listed, *("".join(piece for piece, _ in line) for line in (head(summary)[2], rows.line(0, 200)))]
    for line in lines:
        assert said in line.split()


def test_what_is_not_known_is_not_said() -> None:
    summary = summarise(costing(None, None, ["a/b"]))
    assert cost.short(summary) == ""
    assert "$" not in "".join(piece for line in head(summary) for piece, _ in line)


def test_exports_to_read_say_who_says_so() -> None:
    told = dict(facts(Source(costing(0.0012, "estimate", ["a/b"]))))
    assert told["cost"] == "at least $0.0012 (estimate, list 1; without a/b)"
    assert "cost" not in dict(facts(Source(costing(None, None))))


def test_every_cost_of_a_tree_has_the_marks() -> None:
    node = Node("t", "trace", "all", children=(Node("a", "phase", "one", cost_usd=0.5), Node("b", "phase", "two")))
    drawn = "\n".join(tree.render(node, 80, marks=cost.marks(summarise(costing(0.5, "estimate", ["a/b"])))))
    assert drawn.count("~$0.5000+") == drawn.count("$") == 2
