"""Pipelines beside each other, in one trace and in many: each has its own phases."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hookkit import phases
from hookkit.phases import Node, Phase

from .support import names, phase, shape, written

WORKERS = 10
ROUNDS = 4


def work(number: int, own: Phase, wait: Callable[[], object]) -> None:
    """Calls and completions that say whose they are; ``wait`` lets all the others come in between."""
    for at in range(ROUNDS):
        call = own.tool_start(f"tool-{number}", "x" * 4 * number, id=str(at))
        wait()
        own.tool_result(call, "y" * 4 * number)
        own.completion(input_tokens=number, output_tokens=1, cost_usd=number / 64, model=f"m{number}")
        wait()


def check(tree: Node) -> None:
    """Every pipeline has its own calls and figures, as if it had been alone."""
    kinds = [kind for kind, _ in shape(tree)]
    assert kinds == ["marker", "phase"] * WORKERS
    assert all(
        marker.agent_name == f"→ {own.agent_name}" for marker, own in zip(*[iter(tree.children)] * 2, strict=True)
    )
    for number in range(WORKERS):
        own = phase(tree, f"phase-{number}")
        assert names(own) == [f"tool-{number}"] * ROUNDS
        assert (own.input_tokens, own.output_tokens, own.model) == (number * ROUNDS, ROUNDS, f"m{number}")
        assert own.cost_usd == number / 64 * ROUNDS
        said = 2 + number  # tokens of the name and of the input
        assert [(call.input_tokens, call.output_tokens) for call in own.children] == [
            (number * at, said * (at + 1)) for at in range(ROUNDS)
        ]


def test_ten_threads_that_inherit_the_context() -> None:
    barrier = threading.Barrier(WORKERS)

    def pipeline(number: int) -> None:
        with phases.phase(f"phase-{number}"):
            barrier.wait(300)
            current = phases.current()
            assert isinstance(current, Phase)
            work(number, current, lambda: barrier.wait(300))

    with phases.trace("pool") as run, ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(contextvars.copy_context().run, pipeline, number) for number in range(WORKERS)]
        for one in done:
            one.result()
    check(written(run))


def test_ten_threads_that_inherit_nothing_use_the_handles() -> None:
    barrier = threading.Barrier(WORKERS)

    def pipeline(number: int) -> None:
        phases.current().tool_start("of no trace")
        with run.phase(f"phase-{number}") as own:
            barrier.wait(300)
            work(number, own, lambda: barrier.wait(300))

    with phases.trace("pool") as run, ThreadPoolExecutor(WORKERS) as pool:
        [*pool.map(pipeline, range(WORKERS))]
    check(written(run))


def test_ten_tasks() -> None:
    async def pipeline(number: int) -> None:
        with phases.phase(f"phase-{number}"):
            for at in range(ROUNDS):
                own = phases.current()
                with own.tool(f"tool-{number}", "x" * 4 * number) as call:
                    await asyncio.sleep(0)
                    assert phases.current() is own
                    call.output = "y" * 4 * number
                phases.current().completion(None, number, 1, number / 64, None, f"m{number}")
                await asyncio.sleep(0 if at % 2 else 0.001)

    async def main() -> None:
        await asyncio.gather(*(pipeline(number) for number in range(WORKERS)))

    with phases.trace("tasks") as run:
        asyncio.run(main())
    check(written(run))


def test_workers_may_enter_the_phase_of_their_caller() -> None:
    def worker(number: int) -> None:
        with shared:
            phases.current().tool_start(f"tool-{number}")
        phases.current().tool_start("of no trace")

    with phases.trace("pool") as run, phases.phase("shared") as shared:
        with ThreadPoolExecutor(4) as pool:
            [*pool.map(worker, range(WORKERS))]
        phases.current().tool_start("last")
    tree = written(run)
    assert names(tree) == ["→ shared", "shared"]
    assert sorted(names(phase(tree, "shared"))) == ["last", *(f"tool-{number}" for number in range(WORKERS))]


@pytest.mark.parametrize("ids", ["own", "shared"])
def test_each_thread_may_have_a_trace_of_its_own(folder: Path, ids: str) -> None:
    barrier = threading.Barrier(WORKERS)

    def pipeline(number: int) -> phases.Trace:
        with phases.trace(f"run-{number}", f"id-{number}" if ids == "own" else "shared") as run:
            barrier.wait(300)
            with phases.phase(f"phase-{number}"):
                barrier.wait(300)
                phases.current().tool_start(f"tool-{number}")
            barrier.wait(300)
        return run

    with ThreadPoolExecutor(WORKERS) as pool:
        runs = [*pool.map(pipeline, range(WORKERS))]
    for number, run in enumerate(runs):
        assert run.path
        tree = phases.read_file(run.path)
        assert (tree.agent_name, names(tree)) == (f"run-{number}", [f"→ phase-{number}", f"phase-{number}"])
        assert names(tree.children[1]) == [f"tool-{number}"]
    assert len([*(folder / ".belay" / "traces").iterdir()]) == WORKERS
    assert sum(run.error is None for run in runs) == (WORKERS if ids == "own" else 1)


def test_a_block_may_end_in_another_context_than_it_began_in() -> None:
    async def items() -> AsyncIterator[int]:
        with phases.phase("generator") as own:
            own.tool_start("made")
            yield 1

    async def main() -> None:
        stream = items()
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await stream.aclose()
        phases.current().tool_start("after")

    with phases.trace("run") as run:
        asyncio.run(main())
    tree = written(run)
    assert names(phase(tree, "generator")) == ["made"]
    assert names(phase(tree, "default")) == ["after"]


def test_a_trace_may_end_while_others_still_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    def worker() -> None:
        with run.phase("late") as late:
            late.tool_start("in time")
            begun.set()
            ended.wait(300)
            late.tool_start("too late")

    with phases.trace("run") as run:
        thread = threading.Thread(target=worker)
        thread.start()
        begun.wait(300)
    ended.set()
    thread.join()
    assert names(phase(written(run), "late")) == ["in time"]
