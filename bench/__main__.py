"""`python -m bench [--runs N] [--only NAME]... [--no-peer] [--json]`: every budget as a ratio taken in one run."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import every_agent, peer, repositories, sessions, trails
from bench.timing import Command, Row, milliseconds, once, versus

SIZES = (20, 10_000, 50_000)
PEER_PAIRS = {20: 9, 10_000: 3, 50_000: 2}  # its hook takes seconds there


class Bench:
    """What the measurements share: a scratch folder, hookkit installed into it, repositories made once."""

    def __init__(self, scratch: Path, runs: int, with_peer: bool, peer_calls: int) -> None:
        self.scratch, self.runs, self.with_peer, self.peer_calls = scratch, runs, with_peer, peer_calls
        self.home = scratch / "home"
        self.home.mkdir()
        self.settings = self.home / ".claude" / "settings.json"
        self.env = repositories.clean_environment(self.home, HOOKKIT_HOME=str(self.home / "hk"))
        self.install("claude-code")

    def install(self, agent: str) -> None:
        """Wire an agent in the scratch home."""
        command = [sys.executable, "-m", "hookkit", "install", agent]
        subprocess.run(command, env=self.env, cwd=self.scratch, check=True, stdout=subprocess.DEVNULL)

    def registered(self, agent: str) -> Mapping[str, str | Sequence[str]]:
        """Event -> what the agent runs there."""
        from hookkit import agents
        from hookkit.installer import agent_installer

        hooks_dir = self.home / "hk" / "hooks"
        return agent_installer(agents.get(agent))(env=self.env, project=self.scratch, hooks_dir=hooks_dir).registered()

    def repository(self, files: int) -> Path:
        """The repository of that many files."""
        folder = self.scratch / f"repository-{files}"
        return folder if folder.exists() else repositories.make(folder, files)

    def hookkit(self, *arguments: str) -> Command:
        """A hookkit command line in the scratch home."""
        return Command([sys.executable, "-m", "hookkit", *arguments], self.env, self.scratch)


def hook(bench: Bench) -> Iterator[Row]:
    """One hook process against its floor, with the worktree untouched and with one file edited before each call."""
    for files in SIZES:
        repository = bench.repository(files)
        for touch in (False, True):
            for event in ("PreToolUse", "PostToolUse"):
                ours = repositories.hook(
                    bench.home, repository, repositories.registered(bench.settings, event), event, touch
                )
                floor = repositories.floor(bench.home, repository, touch)
                ratio, mine, bare = versus(ours, floor, bench.runs, warmup=2)
                name = f"{event}, {files:,} files, {'one edit' if touch else 'clean'}"
                yield Row(name, "floor", ratio, "<= 1.5", milliseconds(mine), milliseconds(bare))


def hook_against_peer(bench: Bench) -> Iterator[Row]:
    """The same payload through the hooks of opentraces 0.4.13."""
    interpreter = peer.python() if bench.with_peer else None
    if interpreter is None:
        return
    home = bench.scratch / "peer-home"
    settings, hooks = home / "settings.json", home / "hooks"
    home.mkdir(exist_ok=True)
    env = repositories.clean_environment(home)
    setup = ["setup", "claude-code", "--hooks-dir", str(hooks), "--settings-file", str(settings)]
    subprocess.run([str(interpreter), "-m", "opentraces", *setup], env=env, check=True, capture_output=True)
    for files, pairs in PEER_PAIRS.items():
        repository = bench.repository(files)
        event = "PreToolUse"
        mine = repositories.registered(bench.settings, event)
        ours = repositories.hook(bench.home, repository, mine, event, touch=True)
        theirs = repositories.hook(home, repository, repositories.registered(settings, event), event, touch=True)
        ratio, a, b = versus(theirs, ours, pairs, warmup=1)
        budget = {20: ">= 10", 10_000: ">= 100"}.get(files, "")
        yield Row(
            f"{event}, {files:,} files, times faster", "opentraces", ratio, budget, milliseconds(b), milliseconds(a)
        )


def session(bench: Bench) -> Iterator[Row]:
    """A real Claude Code session of fifty calls, with and without hookkit."""
    yield from every_agent.sessions(bench, ["claude-code"], calls=50)


def agents(bench: Bench) -> Iterator[Row]:
    """A row for each agent: one hook process, and a real session of twenty calls with and without hookkit."""
    from hookkit.agents import AGENTS

    yield from every_agent.hooks(bench)
    yield from every_agent.sessions(bench, AGENTS)


def ingest(bench: Bench) -> Iterator[Row]:
    """A 20,000-line session from nothing; then ten lines more."""
    repository = bench.repository(20)
    projects = bench.home / ".claude" / "projects" / "bench"
    transcript = sessions.write(projects / f"{repositories.SESSION}.jsonl", 20_000, repository)
    state = bench.home / "hk"

    def forget() -> None:
        for path in (*state.glob("traces/*"), *state.glob("state/ingest/*"), *state.glob("index.sqlite*")):
            path.unlink()

    def grow() -> None:
        with transcript.open("a", encoding="utf-8") as file:
            for line in transcript.read_text(encoding="utf-8").splitlines()[-10:]:
                file.write(line + "\n")

    arguments = ["-m", "hookkit", "ingest", str(transcript)]  # as the hook's ingest, without waiting for it to settle
    whole = Command([sys.executable, *arguments], bench.env, bench.scratch, before=forget)
    more = Command([sys.executable, *arguments], bench.env, bench.scratch, before=grow)
    interpreter = peer.python() if bench.with_peer else None
    if interpreter:
        env = repositories.clean_environment(bench.scratch / "peer-ingest")
        theirs = Command(
            [str(interpreter), "-m", "opentraces", "_ingest-session", str(transcript), "--project", str(repository)],
            env, repository,
        )  # fmt: skip
        ratio, b, a = versus(theirs, whole, 1, warmup=0)
        memory = f"{a[0].mebibytes:.0f} MiB against {b[0].mebibytes:.0f} MiB"
        yield Row(
            "ingest, 20,000 lines, times faster", "opentraces", ratio, ">= 10", milliseconds(a), milliseconds(b), memory
        )
    first, startup = once(whole), once(bench.hookkit("--version"))
    note = f"{first.mebibytes:.0f} MiB (<= 120)"
    yield Row(
        "ingest, 20,000 lines",
        "--version",
        first.seconds / startup.seconds,
        "",
        first.seconds * 1e3,
        startup.seconds * 1e3,
        note,
    )
    ratio, a, b = versus(more, whole, 3, warmup=1)
    yield Row("ingest, ten lines more", "from nothing", ratio, "< 1", milliseconds(a), milliseconds(b))


def listing(bench: Bench) -> Iterator[Row]:
    """`hookkit list` over 5,000 sessions."""
    store = bench.scratch / "many"
    command = [sys.executable, "-m", "bench.many_traces", str(store), "5000"]
    root = Path(__file__).resolve().parent.parent
    subprocess.run(command, env=bench.env | {"HOOKKIT_HOME": str(store), "PYTHONPATH": str(root)}, check=True)
    env = bench.env | {"HOOKKIT_HOME": str(store)}
    ours = Command([sys.executable, "-m", "hookkit", "list", "--json"], env, bench.scratch)
    ratio, a, b = versus(ours, Command([sys.executable, "-c", "pass"], env, bench.scratch), bench.runs)
    yield Row("list --json, 5,000 sessions", "python -c pass", ratio, "200 ms", milliseconds(a), milliseconds(b))
    filtered = Command([sys.executable, "-m", "hookkit", "list", "--tool", "Bash", "--errors"], env, bench.scratch)
    ratio, a, b = versus(filtered, ours, bench.runs)
    yield Row("list --tool --errors, 5,000 sessions", "list --json", ratio, "<= 1.2", milliseconds(a), milliseconds(b))


def searching(bench: Bench) -> Iterator[Row]:
    """`hookkit search` over a gigabyte in 5,000 sessions, for what is in one of them."""
    from bench.large_store import fill

    store = bench.scratch / "large"
    fill(store, sessions=5000, size=200_000, needle="the needle")
    env = bench.env | {"HOOKKIT_HOME": str(store)}
    bare = Command([sys.executable, "-c", "pass"], env, bench.scratch)
    once(Command([sys.executable, "-m", "hookkit", "list"], env, bench.scratch))  # the index
    for arguments, budget in (
        (["the needle"], "1,000 ms"),
        (["THE NEEDLE", "-i"], ""),
        (["the .* needle", "--regex"], ""),
    ):
        ours = Command([sys.executable, "-m", "hookkit", "search", *arguments], env, bench.scratch)
        ratio, a, b = versus(ours, bare, 3)
        name = f"search {' '.join(arguments[1:])}".strip() + ", 1 GB"
        yield Row(name, "python -c pass", ratio, budget, milliseconds(a), milliseconds(b))


def startup(bench: Bench) -> Iterator[Row]:
    """`hookkit --version`."""
    bare = Command([sys.executable, "-c", "pass"], bench.env, bench.scratch)
    ratio, a, b = versus(bench.hookkit("--version"), bare, bench.runs)
    yield Row("--version", "python -c pass", ratio, "60 ms", milliseconds(a), milliseconds(b))


def trail(bench: Bench) -> Iterator[Row]:
    """Ten thousand calls: ingest and blame."""
    yield from trails.measure(bench.scratch, bench.runs)


def trail_against_peer(bench: Bench) -> Iterator[Row]:
    """The git folder after a thousand calls; ``--peer-calls 10000`` takes its ingest half an hour."""
    interpreter = peer.python() if bench.with_peer else None
    if interpreter:
        yield from trails.against_peer(bench.scratch, interpreter, bench.peer_calls)


def committing(bench: Bench) -> Iterator[Row]:
    """`git commit` with hookkit's git hooks and without, in a repository with nothing recorded and with much."""
    from bench.commit import measure

    for calls in (0, 2_000):
        yield from measure(bench.scratch / f"commit-{calls}", calls, bench.runs)


def views(bench: Bench) -> Iterator[Row]:
    """First paint of the interactive views, and a session of a gibibyte."""
    from bench.views import measure

    yield from measure(bench.scratch / "views", bench.env, bench.runs)


def tailing(bench: Bench) -> Iterator[Row]:
    """From the write of an event to the line that tells it."""
    from bench.tail import measure

    yield from measure(bench.scratch / "tail", bench.env, bench.runs)


def adk(bench: Bench) -> Iterator[Row]:
    """The plugin for Google ADK, in a run of a thousand events."""
    from bench.adk import measure

    yield from measure(bench.scratch, bench.runs)


def telemetry(bench: Bench) -> Iterator[Row]:
    """The receiver, and the dashboard over a million events of five thousand sessions."""
    from bench.telemetry import measure

    yield from measure(bench.scratch / "telemetry", bench.env, bench.runs)


MEASUREMENTS = {
    "hook": hook,
    "peer": hook_against_peer,
    "session": session,
    "agents": agents,
    "ingest": ingest,
    "list": listing,
    "search": searching,
    "commit": committing,
    "adk": adk,
    "startup": startup,
    "tail": tailing,
    "telemetry": telemetry,
    "views": views,
    "trails": trail,
    "trails-peer": trail_against_peer,
}


def show(rows: Sequence[Row]) -> None:
    """One table; absolute times depend on the machine, ratios much less."""
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; medians of alternating runs\n"
    )
    print(
        f"| {'what':<44} | {'against':<14} | {'ratio':>8} | {'budget':<16} | {'ours':>9} | {'theirs':>9} |"
        f" {'':<3} | note |"
    )
    print(f"|{'-' * 46}|{'-' * 16}|{'-' * 10}|{'-' * 18}|{'-' * 11}|{'-' * 11}|-----|------|")
    for row in rows:
        print(
            f"| {row.name:<44} | {row.against:<14} | {row.ratio:>8.2f} | {row.budget:<16} | {row.ours_ms:>9.1f}"
            f" | {row.theirs_ms:>9.1f} | {row.unit:<3} | {row.note} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="alternating pairs of each measurement (default 15)")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="measure only this (repeatable)")
    parser.add_argument("--no-peer", action="store_true", help="do not install or run opentraces 0.4.13")
    parser.add_argument("--peer-calls", type=int, default=1000, help="calls that it ingests for trails-peer (1000)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hookkit-bench-", ignore_cleanup_errors=True) as scratch:
        bench = Bench(Path(scratch), options.runs, not options.no_peer, options.peer_calls)
        for name in options.only or MEASUREMENTS:
            print(f"measuring {name} …", file=sys.stderr)
            rows += MEASUREMENTS[name](bench)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
