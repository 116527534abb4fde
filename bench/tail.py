"""How long after an agent wrote it `hookkit tail` tells an event, in a short session and in a long one.

Against the system's own `tail -f`, which is told by the kernel and reads nothing but the new bytes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.timing import Row

_STEPS = (5, 2_000)  # answers before the first that is timed
_ID = "7a110000-0000-4000-8000-000000000000"


def measure(scratch: Path, env: Mapping[str, str], runs: int) -> Iterator[Row]:
    """Event to display."""
    scratch.mkdir(parents=True, exist_ok=True)
    project = scratch / "project"
    subprocess.run(["git", "init", "-q", str(project)], check=True, env=dict(env))
    folder = scratch / "claude" / "projects" / str(project).replace("/", "-").replace(".", "-").replace("_", "-")
    folder.mkdir(parents=True)
    for steps in _STEPS:
        path = folder / f"{_ID[:-4]}{steps:04}.jsonl"
        path.write_text("".join(_line(path.stem, project, number) for number in range(steps)))
        given = {**env, "CLAUDE_CONFIG_DIR": str(scratch / "claude")}
        ours = [sys.executable, "-m", "hookkit", "tail", "--json", "-n", "1"]
        took = _latencies(ours, path, project, given, steps, max(20, runs))
        theirs = _latencies(["tail", "-n", "1", "-f", str(path)], path, project, given, steps + 1000, max(20, runs))
        ratio = statistics.median(took) / statistics.median(theirs)
        worst = f"95th of 100: {sorted(took)[int(len(took) * 0.95)] * 1000:.0f} ms; budget 100 ms"
        yield Row(
            f"tail, event to display, {steps} answers", "tail -f", ratio, "",
            statistics.median(took) * 1000, statistics.median(theirs) * 1000, worst,
        )  # fmt: skip
        path.unlink()


def _latencies(
    command: list[str], path: Path, project: Path, env: Mapping[str, str], first: int, times: int
) -> list[float]:
    found = []
    with subprocess.Popen(
        command, cwd=project, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout
        child.stdout.readline()  # what was there before
        for number in range(first, first + times):
            time.sleep(0.05 + number % 7 / 100)
            line = _line(path.stem, project, number).encode()
            started = time.perf_counter()
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, line)
            os.close(descriptor)
            while f"answer {number}".encode() not in child.stdout.readline():
                pass
            found.append(time.perf_counter() - started)
        child.kill()
    return found


def _line(session: str, project: Path, number: int) -> str:
    said = {
        "role": "assistant",
        "id": f"m{number}",
        "model": "m",
        "content": [{"type": "text", "text": f"answer {number}"}],
    }
    entry = {
        "type": "assistant", "sessionId": session, "cwd": str(project), "uuid": f"u{number}",
        "timestamp": f"2026-11-22T09:{number // 60 % 60:02}:{number % 60:02}.000Z", "message": said,
    }  # fmt: skip
    return json.dumps(entry) + "\n"
