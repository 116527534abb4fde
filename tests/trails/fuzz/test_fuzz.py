"""Random sessions: every firm answer is right, and "unknown" is said only where there is no evidence."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from hookkit.trails.lines.model import UNKNOWN, Origin

from .check import Judge
from .run import GENERATOR, environment, fast_folder, play, run_seed

pytestmark = pytest.mark.long

# Together more than 200 sessions; `python -m tests.trails.fuzz --seeds 0:2500` plays more.
BATCHES = [range(start, start + 5) for start in range(0, 100, 5)]
# Seeds of this generator that once found a fault.
ONCE_WRONG: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "seeds",
    BATCHES,
    ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}",
)
def test_every_line_has_the_author_that_the_model_says(seeds: range) -> None:
    _judge(seeds)


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_seeds_that_once_found_a_fault_find_none(seed: int) -> None:
    _judge(range(seed, seed + 1))


def _judge(seeds: range) -> None:
    firm = 0
    for seed in seeds:
        report, _ = run_seed(seed)
        firm += report.counts["firm right"]
        assert not report.problems, "\n".join(
            [f"generator {GENERATOR}, python -m tests.trails.fuzz --seeds {seed} --log", *report.problems[:20]]
        )
    assert firm or len(seeds) == 1


def _lie(kind: str, origin: Origin) -> Origin:
    if kind == "everything is outside":
        return replace(origin, kind="outside_tool_call", firmness="firm", tool_call_id=None, trace_id=None)
    if kind == "another call":
        return replace(origin, tool_call_id=f"{origin.tool_call_id}0") if origin.tool_call_id else origin
    if kind == "nothing is known":
        return replace(UNKNOWN)
    return replace(origin, line=origin.line + 1) if origin.line else origin


@pytest.mark.parametrize("kind", ["everything is outside", "another call", "nothing is known", "the next line"])
def test_a_product_that_lies_is_found_out(kind: str) -> None:
    folder = fast_folder()
    try:
        with environment(folder / "home"):
            player = play(3, folder)
            honest = Judge(player)
            honest.everything()

            class Liar(Judge):
                def line(
                    self, place: str, text: bytes, origin: Origin, where: bool = True, foreign: bool = False
                ) -> None:
                    super().line(place, text, _lie(kind, origin), where, foreign)

            liar = Liar(player).everything()
    finally:
        shutil.rmtree(folder)
    assert not honest.report.problems
    assert len(liar.problems) > 10
