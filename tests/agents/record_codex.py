"""Record the fixtures of Codex CLI from real runs, as record.py does; its rollouts have a layout of their own.

usage, at the root of the repository:  python -m tests.agents.record_codex

Writes fixtures/codex-cli/<version>/payloads/ and transcripts/<play>/rollout-…-<thread>.jsonl, and the session that
`hookkit doctor` plays. Long texts of Codex itself (instructions, schemas of tools, copies of the conversation) are cut.
"""

from __future__ import annotations

import bisect
import json
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from . import record
from .drivers.codex_cli import CODE_MODE, DIRECT, CodexCli
from .model_server import ModelServer
from .programs import InstalledAgent, install
from .record import Recording
from .sandbox import Json, attempts
from .script import Agent, ApiError, Bash, Call, Edit, Read, Script, Text, Write

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")
_FILE = re.compile(r"20\d\d/\d\d/\d\d/rollout-20\d\d-\d\d-\d\dT\d\d-\d\d-\d\d")
_NAME = re.compile(r"rollout-20\d\d-\d\d-\d\dT\d\d-\d\d-\d\d")
_MEASURED = (
    (re.compile(r"Chunk ID: [0-9a-f]+"), "Chunk ID: a1b2c3"),
    (re.compile(r"Wall time(:?) [\d.]+ seconds"), r"Wall time\1 0.1 seconds"),
    (re.compile(r'("?wall_time_seconds"?:)[\d.]+'), r"\g<1>0.1"),
    (re.compile(r'("?chunk_id"?:"?)[0-9a-f]{6}'), r"\1a1b2c3"),
)
_LONG = 2000  # characters of a text of Codex's own that are kept
_NOTHING = frozenset({"base_instructions", "replacement_history", "replacement_history_metadata", "state", "tools"})
_BEGUN = 1795338000  # seconds since 1970: the moment at which every recording begins


class Neutral:
    """The neutral form of everything that one recording kept."""

    def __init__(self, recording: Recording) -> None:
        self._normaliser = recording.normaliser
        self._moments: list[tuple[int, str]] = []

    def learn(self, lines: list[Json]) -> None:
        self._normaliser.learn_times(json.dumps(lines))
        stamps = sorted({line["timestamp"] for line in lines} | {stamp for _, stamp in self._moments})
        self._moments = [(_ms(stamp), stamp) for stamp in stamps]

    def apply(self, value: Any) -> Any:
        return self._form(self._normaliser.apply(self._cut(value)))

    def name(self, path: Path) -> str:
        name: str = self._text(self._normaliser.apply(path.name))
        return name

    def _cut(self, value: Any, key: str = "") -> Any:
        match value:
            case dict() if value.get("role") == "developer":
                cut = {"content": [{"type": "input_text", "text": "(cut)"}], "tools": []}
                return {name: cut.get(name, item) for name, item in value.items()}
            case dict():
                return {name: self._member(name, item) for name, item in value.items()}
            case list() if key in _NOTHING:
                return []
            case list():
                return [self._cut(item) for item in value]
            case str() if len(value) > _LONG:
                return value[:_LONG]
            case _:
                return value

    def _member(self, name: str, value: Any) -> Any:
        if name in _NOTHING and isinstance(value, dict):
            return {}
        if name.endswith("_at_ms") and isinstance(value, int):
            return self._moment(value)
        if name in ("started_at", "completed_at", "create_time") and isinstance(value, int | float):
            return _BEGUN
        if name == "duration" and isinstance(value, dict):
            return {"secs": 0, "nanos": 250_000_000}
        if name in ("time_to_first_token_ms",):
            return 10
        return self._cut(value, name)

    def _moment(self, ms: int) -> int:
        """What stands in for the last line before a moment."""
        at = bisect.bisect_right(self._moments, (ms, "~"))
        if not at:
            return _BEGUN * 1000
        return _ms(self._normaliser.apply(self._moments[at - 1][1]))

    def _form(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case list():
                return [self._form(item) for item in value]
            case dict():
                return {self._text(key): self._form(item) for key, item in value.items()}
            case _:
                return value

    def _text(self, text: str) -> str:
        text = _FILE.sub("2026/11/22/rollout-2026-11-22T09-00-00", text)
        text = _NAME.sub("rollout-2026-11-22T09-00-00", text)
        for pattern, instead in _MEASURED:
            text = pattern.sub(instead, text)
        return _ID.sub(lambda found: str(self._normaliser.apply(found.group())), text)


def _ms(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def tour(recording: Recording) -> str:
    """Every kind of call that Codex lets the model make one by one, and a subagent."""
    box = recording.box
    box.repository()
    here = f"{box.project}/"
    two = "*** Begin Patch\n*** Add File: b.txt\n+b\n*** Update File: a.txt\n@@\n one\n-two\n+2\n*** End Patch\n"
    heredoc = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: c.txt\n+c\n*** End Patch\nEOF"
    script = Script(
        [
            [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\n")],
            [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
            [Edit(f"{here}a.txt", "one and a half\n", "")],
            [Call("apply_patch", {"input": two})],
            [Edit(f"{here}a.txt", "nowhere", "there")],
            [Bash("echo changed > old.txt; ls missing"), Bash("mkdir -p sub"), Bash("mkdir -p sub")],
            [Call("exec_command", {"cmd": "echo sub > sub.txt", "workdir": "sub"})],
            [Bash(heredoc)],
            [Call("exec_command", {"cmd": "sleep 1; echo late > late.txt; exit 3", "yield_time_ms": 250})],
            [Bash("sleep 1.5")],
            [Call("no_such_tool", {"x": 1})],
            [Agent("sub")],
            [Text("Everything is done.")],
        ],
        {"sub": [[Bash("echo sub > sub2.txt")], [Write(f"{here}inner.txt", "inner\n")], [Text("Sub is done.")]]},
    )
    return box.run(script, "Take the tour.").session_id


def resumed(recording: Recording) -> str:
    box = recording.box
    box.repository()
    path = f"{box.project}/b.txt"
    script = Script([[Write(path, "first\n")], [Text("First.")], [Edit(path, "first", "second")], [Text("Second.")]])
    session = box.run(script, "Begin.").session_id
    return box.run(script, "Continue.", session_id=session, resume=True).session_id


def compacted(recording: Recording) -> str:
    box = recording.box
    box.repository()
    script = Script([[Bash("echo one > d.txt")], [Bash("echo two > d.txt")], [Bash("echo 3 > d.txt")], [Text("End.")]])
    return box.run(script, "Compact.", extra=["-c", "model_auto_compact_token_limit=1700"]).session_id


def failed_request(recording: Recording) -> str:
    box = recording.box
    box.repository()
    script = Script([[Write(f"{box.project}/c2.txt", "c\n")], [ApiError(500, "Overloaded")]])
    return box.run(script, "Write c.").session_id


def code_mode(recording: Recording) -> str:
    """The model writes scripts; one goes on after the model was told of it. A subagent that is given all."""
    box = recording.box
    box.repository()
    yielding = '// @exec: {"yield_time_ms": 250}\nawait tools.exec_command({cmd: "sleep 1; echo late > late.txt"});'
    script = Script(
        [
            [Text("I write."), Write(f"{box.project}/a.txt", "one\ntwo\n")],
            [Edit(f"{box.project}/a.txt", "two", "2")],
            [Bash("echo x > x.txt; exit 4")],
            [Call("exec", {"input": yielding})],
            [Call("wait", {"cell_id": "4", "yield_time_ms": 5000})],
            [Call("exec", {"input": "throw new Error('boom')"})],
            [
                Call(
                    "collaboration.spawn_agent",
                    {"task_name": "kid", "message": "Do it. [[conversation kid]]", "fork_turns": "all"},
                )
            ],
            [Text("Done.")],
        ],
        {"kid": [[Bash("echo kid > kid.txt")], [Text("Kid is done.")]]},
    )
    return box.run(script, "Script it.").session_id


def interrupted(recording: Recording) -> str:
    """A command that is still running when the user presses Ctrl-C."""
    box = recording.box
    box.repository()
    agent = box.start(Script([[Bash("echo begun > begun.txt; sleep 30")]]), "Begin.")
    for _ in attempts():
        if (box.project / "begun.txt").exists():
            break
    os.killpg(agent.pid, signal.SIGINT)
    agent.wait()
    ((session, _),) = box.driver.sessions(box.place)
    return session


PLAYS = {
    tour: DIRECT,
    resumed: DIRECT,
    compacted: DIRECT,
    failed_request: DIRECT,
    interrupted: DIRECT,
    code_mode: CODE_MODE,
}


def demo(recording: Recording) -> str:
    """A bug is fixed: read, edit, a test, a failing run, a second edit."""
    box = recording.box
    source = "def mean(values):\n    return sum(values) / len(values) - 1\n"
    box.repository({"README.md": "# stats\n", "stats.py": source, ".gitignore": "__pycache__/\n"})
    here = f"{box.project}/"
    check = "from stats import mean\n\nassert mean([1, 2, 3]) == 2\nassert mean([]) == 0\n"
    guard = "    if not values:\n        return 0\n    return sum(values)"
    script = Script(
        [
            [Text("I look at the code first."), Read(f"{here}stats.py")],
            [Text("The result is one too low."), Edit(f"{here}stats.py", "len(values) - 1", "len(values)")],
            [Text("A check keeps it fixed."), Write(f"{here}check.py", check)],
            [Bash("python3 check.py > check.log 2>&1")],
            [Text("No values is a case of its own."), Edit(f"{here}stats.py", "    return sum(values)", guard)],
            [Bash("python3 check.py && rm check.log")],
            [Text("mean() is right now, and check.py says so.")],
        ]
    )
    return box.run(script, "mean() in stats.py gives wrong results. Fix it, with a check.").session_id


def main() -> None:
    agent = install(CodexCli.package)
    folder = record._FIXTURES / agent.name / agent.version
    shutil.rmtree(folder, ignore_errors=True)
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    with ModelServer([CodexCli().wire()]) as server:
        heard: list[Json] = []
        for play, model in PLAYS.items():
            driver = CodexCli(model)
            recording = Recording(driver, agent, server, base / play.__name__)
            neutral = Neutral(recording)
            parts = driver.parts(recording.box.transcript(play(recording)))
            lines = {path: _lines(path) for path in parts.values()}
            neutral.learn([line for each in lines.values() for line in each])
            for path, each in lines.items():
                place = folder / "transcripts" / play.__name__.replace("_", "-") / neutral.name(path)
                place.parent.mkdir(parents=True, exist_ok=True)
                text = "".join(json.dumps(neutral.apply(line), ensure_ascii=False) + "\n" for line in each)
                place.write_text(text, encoding="utf-8")
            heard += [neutral.apply(snapshot["payload"]) for snapshot in recording.snapshots]
        _write_payloads(folder / "payloads", heard)
        write_demo(agent, server, base / "demo")
    played = record._PLAYED / f"{agent.name}.json"
    for path in (played, *folder.rglob("*.json*")):
        # Codex itself names its agents "/root/…", so that alone is no path of a home.
        if any(secret in path.read_text(encoding="utf-8") for secret in (str(base), base.name, socket.gethostname())):
            raise SystemExit(f"{path} names this machine")
    shutil.rmtree(base)


def _write_payloads(folder: Path, payloads: list[Json]) -> None:
    """One file per event, tool and source; of the tools that write, one per input."""
    seen = set()
    for payload in payloads:
        event, tool = payload["hook_event_name"], payload.get("tool_name")
        parts = (event, tool, payload.get("source"), payload.get("status"), "subagent" if "agent_id" in payload else "")
        name = ".".join(part for part in parts if part)
        given = json.dumps(payload["tool_input"]) if tool in ("Bash", "apply_patch") else ""
        if (name, given) in seen:
            continue
        seen.add((name, given))
        numbered = (f"{name}-{number}" for number in range(2, 100))
        free = next(each for each in (name, *numbered) if not (folder / f"{each}.json").exists())
        record._write_json(folder / f"{free}.json", payload)


def write_demo(agent: InstalledAgent, server: ModelServer, base: Path) -> None:
    recording = Recording(CodexCli(), agent, server, base)
    neutral = Neutral(recording)
    path = recording.box.transcript(demo(recording))
    neutral.learn(_lines(path))
    events = neutral.apply(list(_events(recording, path)))
    session, transcript = events[0]["payload"]["session_id"], events[0]["payload"]["transcript_path"]
    after = events.pop()
    document = {
        "agent": agent.name,
        "version": agent.version,
        "transcript": "sessions/2026/11/22/rollout-2026-11-22T09-00-00-{session}.jsonl",
        "files": record.recording_start(recording),
        "events": events,
        "after": {"transcript": after["transcript"]},
    }
    placed = _placeholders(document, transcript, session)
    placed["events"][0]["payload"]["session_id"] = session  # the rehearsal takes the session's id from there
    record._write_json(record._PLAYED / f"{agent.name}.json", placed)


def _events(recording: Recording, path: Path) -> Iterator[Json]:
    raw, lines, before, seen = path.read_bytes(), _lines(path), record.recording_start(recording), 0
    for snapshot in recording.snapshots:
        upto = len(raw[: snapshot["sizes"][""]].splitlines())
        effects = record._effects(before, snapshot["files"])
        yield {"payload": snapshot["payload"], "effects": effects, "transcript": lines[seen:upto]}
        before, seen = snapshot["files"], upto
    yield {"transcript": lines[seen:]}


def _placeholders(value: Any, transcript: str, session: str) -> Any:
    match value:
        case str():
            text = value.replace(transcript, "{transcript}").replace(session, "{session}")
            return text.replace("/home/dev/project", "{root}")
        case list():
            return [_placeholders(item, transcript, session) for item in value]
        case dict():
            return {
                _placeholders(key, transcript, session): _placeholders(item, transcript, session)
                for key, item in value.items()
            }
        case _:
            return value


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
