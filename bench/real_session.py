"""Real sessions of many tool calls, with and without hookkit, against the scripted model server."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Observed:
    """What an agent's user sees: median ratio of whole sessions, and the medians in milliseconds."""

    ratio: float
    with_ms: float
    without_ms: float


def observe(name: str, calls: int, pairs: int) -> Observed | None:
    """``pairs`` sessions of ``calls`` calls with hookkit, in turn with as many without.

    name: of the agent. None where it cannot be installed here, or there is no way to drive it.
    """
    from tests.agents.drivers import DRIVERS, driver_of
    from tests.agents.model_server import ModelServer
    from tests.agents.programs import AgentUnavailableError, install
    from tests.agents.sandbox import Sandbox
    from tests.agents.script import Bash, Script, Text, Write

    if name not in DRIVERS:
        return None
    driver = driver_of(name)
    try:
        agent = install(driver.package)
    except AgentUnavailableError:
        return None
    runs = 0

    def session(box: Sandbox) -> float:
        nonlocal runs
        runs += 1
        stem = f"{box.project}/run-{runs}"
        turns = [
            [Write(f"{stem}-{number}.txt", f"{number}\n") if number % 2 else Bash(f"echo {number} >> {stem}.log")]
            for number in range(calls)
        ]
        started = time.perf_counter()
        chosen = str(uuid.uuid4()) if driver.chooses_session else None
        run = box.run(Script([*turns, [Text("Done.")]]), "Count.", session_id=chosen)
        seconds = time.perf_counter() - started
        assert run.returncode == 0, run.stderr
        box.settle()  # the detached ingest must not run into the next measurement
        return seconds

    with (
        tempfile.TemporaryDirectory(prefix="hookkit-bench-", ignore_cleanup_errors=True) as folder,
        ModelServer([driver.wire()]) as server,
    ):
        bare = Sandbox(driver, agent, server, Path(folder).resolve() / "bare")
        wired = Sandbox(driver, agent, server, Path(folder).resolve() / "wired")
        for box in (bare, wired):
            box.repository()
        wired.install()
        for box in (bare, wired):
            session(box)
        times = [(session(wired), session(bare)) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in times)
    with_ms, without_ms = (statistics.median(pair[side] for pair in times) * 1e3 for side in (0, 1))
    return Observed(ratio, with_ms, without_ms)
