"""Random sessions: every firm answer is right, and "unknown" is said only where there is no evidence."""

from __future__ import annotations

import pytest

from .run import GENERATOR, run_seed

# Together more than 200 sessions; `python -m tests.trails.fuzz --seeds 0:2500` plays more.
BATCHES = [range(start, start + 5) for start in range(0, 100, 5)]
# Seeds of this generator that once found a fault.
ONCE_WRONG: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "seeds",
    [BATCHES[0], *(pytest.param(batch, marks=pytest.mark.long) for batch in BATCHES[1:])],
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
