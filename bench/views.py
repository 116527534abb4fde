"""How soon an interactive view shows something, in a pseudo-terminal: of a short session, and of one of a gibibyte."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pexpect

from bench.large_trace import TRACE
from bench.timing import Row

ROOT = Path(__file__).resolve().parent.parent
_MINIMAL = ["-m", "bench.minimal_app"]
_SHOW = ["-m", "hookkit", "show", "last", "-i"]


def measure(scratch: Path, env: Mapping[str, str], runs: int) -> Iterator[Row]:
    """Rows of first paint, and of scrolling while a long session is still read."""
    env = {**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    small, large = (env | {"HOOKKIT_HOME": str(scratch / name)} for name in ("short", "long"))
    for where, mebibytes in ((small, 1), (large, 1024)):
        _fill(Path(where["HOOKKIT_HOME"]), mebibytes, where)
    pairs = [(_until(_SHOW, small, "A very long"), _until(_MINIMAL, env, "minimal")) for _ in range(runs + 1)][1:]
    yield _row("first paint, show -i", "Textual app", pairs, "500 ms")
    pairs = [
        (_until(["-m", "hookkit", "list", "-i"], small, "A very long"), _until(_MINIMAL, env, "minimal"))
        for _ in range(runs)
    ]
    yield _row("first session, list -i", "Textual app", pairs, "")
    pairs = [(_until(_SHOW, large, "Prompt number 0"), _until(_SHOW, small, "Prompt number 0")) for _ in range(runs)]
    yield _row("first rows, show -i, 1 GiB", "1 MiB", pairs, "<= 2")
    pairs = [(_key(large), _key(small)) for _ in range(runs)]
    yield _row("two pages down while 1 GiB is read", "1 MiB", pairs, "")


def _fill(home: Path, mebibytes: int, env: Mapping[str, str]) -> None:
    """A store with one trace, indexed."""
    (home / "traces").mkdir(parents=True)
    path = home / "traces" / f"{TRACE}.json"
    for command in (["-m", "bench.large_trace", str(path), str(mebibytes)], ["-m", "hookkit", "list", "--json"]):
        subprocess.run([sys.executable, *command], env=env, check=True, stdout=subprocess.DEVNULL)


def _row(name: str, against: str, pairs: Sequence[tuple[float, float]], budget: str) -> Row:
    ours, theirs = (statistics.median(side) * 1000 for side in zip(*pairs, strict=True))
    return Row(name, against, statistics.median(a / b for a, b in pairs), budget, ours, theirs)


def _until(arguments: Sequence[str], env: Mapping[str, str], text: str) -> float:
    """Seconds from the start of a program until a text is on its screen."""
    started = time.perf_counter()
    child = _start(arguments, env)
    child.expect_exact(text)
    seconds = time.perf_counter() - started
    child.close(force=True)
    return seconds


def _key(env: Mapping[str, str]) -> float:
    """Seconds from a key to what it brings, just after the first rows came."""
    child = _start(_SHOW, env)
    child.expect_exact("Prompt number 0")
    child.expect_exact("module_15.py")  # the last but some of the first page
    time.sleep(0.5)  # more than a page was read by now
    started = time.perf_counter()
    child.send("\x1b[6~" * 2)
    child.expect_exact("module_33.py")
    seconds = time.perf_counter() - started
    child.close(force=True)
    return seconds


def _start(arguments: Sequence[str], env: Mapping[str, str]) -> pexpect.spawn[bytes]:
    child = pexpect.spawn(sys.executable, [*arguments], env=dict(env), dimensions=(24, 80), timeout=60, cwd=str(ROOT))
    child.delaybeforesend = None
    return child
