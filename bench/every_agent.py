"""A row for each agent: one hook process against its floor, and what a whole session costs its user."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench import repositories
from bench.real_session import observe
from bench.timing import Command, Row, milliseconds, once, versus

if TYPE_CHECKING:
    from bench.__main__ import Bench


def hooks(bench: Bench) -> Iterator[Row]:
    """The hook before a call, with a recorded payload, in a repository of 20 files."""
    from hookkit.agents import AGENTS
    from hookkit.installer.rehearsal import recording

    repository = bench.repository(20)
    floor = repositories.floor(bench.home, repository, touch=False)
    for name, contract in AGENTS.items():
        found = recording(contract)
        if found is None:
            continue
        bench.install(name)
        before = next(event.name for event in contract.events if event.role == "tool_pre")
        payload = next(e["payload"] for e in found["events"] if e["payload"]["hook_event_name"] == before)
        places = {
            "root": str(repository),
            "session": found["events"][0]["payload"][contract.session_field],
            "scratch": str(bench.home),
        }
        transcript = bench.home / "bench-transcripts" / f"{places['session']}.jsonl"
        transcript.parent.mkdir(exist_ok=True)
        transcript.touch()
        places |= {"transcript": str(transcript), "session_dir": str(transcript.with_suffix(""))}
        command = bench.registered(name)[before]
        ours = Command(
            ["/bin/sh", "-c", command] if isinstance(command, str) else [*command],
            bench.env | _placed(found.get("environment", {}), places), repository, _text(payload, places),
        )  # fmt: skip
        before_it = _lines(bench.scratch)
        once(ours)
        if _lines(bench.scratch) <= before_it:
            raise RuntimeError(f"The hook of {contract.title} recorded nothing: how long that takes says nothing.")
        ratio, mine, bare = versus(ours, floor, bench.runs, warmup=2)
        yield Row(f"{contract.title}: {before}", "floor", ratio, "<= 1.5", milliseconds(mine), milliseconds(bare))


def sessions(bench: Bench, names: Iterable[str], calls: int = 20) -> Iterator[Row]:
    """Real sessions; agents that cannot be run here have no row."""
    from hookkit import agents

    for name in names:
        found = observe(name, calls, max(3, bench.runs // 5))
        if found is not None:
            note = f"{(found.with_ms - found.without_ms) / calls:.1f} ms a call"
            title = f"{agents.get(name).title}: session of {calls} calls"
            yield Row(title, "no hooks", found.ratio, "<= 50 ms a call", found.with_ms, found.without_ms, note)


def _lines(folder: Path) -> int:
    """How many hook lines there are below a folder."""
    return sum(path.read_bytes().count(b'"opentraces_hook"') for path in folder.rglob("*.jsonl"))


def _placed(environment: dict[str, str], places: dict[str, str]) -> dict[str, str]:
    placed: dict[str, str] = json.loads(_text(environment, places))
    return placed


def _text(value: object, places: dict[str, str]) -> bytes:
    text = json.dumps(value)
    for name, place in places.items():
        text = text.replace("{" + name + "}", json.dumps(os.fspath(Path(place)) if "/" in place else place)[1:-1])
    return text.encode()
