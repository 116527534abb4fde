"""A real Claude Code session of fifty tool calls, with and without hookkit, against the scripted model server."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from pathlib import Path

CALLS = 50


def fifty_calls(pairs: int) -> tuple[float, float, float, int] | None:
    """(median ratio, median ms with hookkit, median ms without, calls); None where Claude Code cannot be installed."""
    from tests.agents import vocabulary
    from tests.agents.anthropic_wire import AnthropicMessages
    from tests.agents.model_server import ModelServer
    from tests.agents.programs import CLAUDE_CODE, AgentUnavailableError, install
    from tests.agents.sandbox import Sandbox
    from tests.agents.script import Bash, Script, Text, Write

    try:
        agent = install(CLAUDE_CODE)
    except AgentUnavailableError:
        return None

    def session(box: Sandbox) -> float:
        stem = f"{box.project}/{uuid.uuid4().hex}"
        calls = [
            Write(f"{stem}-{number}.txt", f"{number}\n") if number % 2 else Bash(f"echo {number} >> {stem}.log")
            for number in range(CALLS)
        ]
        started = time.perf_counter()
        run = box.run(Script([*([call] for call in calls), [Text("Done.")]]), "Count.", session_id=str(uuid.uuid4()))
        seconds = time.perf_counter() - started
        assert run.returncode == 0, run.stderr
        box.settle()  # the detached ingest must not run into the next measurement
        return seconds

    with (
        tempfile.TemporaryDirectory(prefix="hookkit-bench-", ignore_cleanup_errors=True) as folder,
        ModelServer([AnthropicMessages(vocabulary.claude_code)]) as server,
    ):
        bare = Sandbox(agent, server, Path(folder).resolve() / "bare")
        wired = Sandbox(agent, server, Path(folder).resolve() / "wired")
        for box in (bare, wired):
            box.repository()
        wired.hookkit("install", "claude-code")
        for box in (bare, wired):
            session(box)
        times = [(session(wired), session(bare)) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in times)
    return ratio, statistics.median(a for a, _ in times) * 1e3, statistics.median(b for _, b in times) * 1e3, CALLS
