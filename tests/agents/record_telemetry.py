"""Record what the real agents export: python -m tests.agents.record_telemetry [AGENT ...]   (all that can, by default)

Writes fixtures/<agent>/<version>/telemetry/{logs,metrics,traces}.jsonl: one export request a line, as OTLP/JSON, in the
order of arrival. Ids, paths and whatever tells of the machine are neutral; times are shifted, so durations are real.
Long texts are cut, and of an agent with hundreds of spans only the first ones of each name are kept.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .drivers import driver_of
from .drivers.base import Driver
from .model_server import ModelServer
from .normalise import Normaliser
from .otlp_receiver import Export, OtlpReceiver
from .programs import install
from .record import refuse_traces_of_the_machine
from .sandbox import Json, Sandbox, interpreter
from .script import Agent, ApiError, Bash, Edit, Read, Script, Text, Turn, Write

_FIXTURES = Path(__file__).parent / "fixtures"
_START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANO = re.compile(r"UnixNano$")
_ISO = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_LONG = 1000  # characters
# Codex CLI has a span for nearly every function that it runs, and a point for every skill and tool that it offers.
_PER_NAME: Mapping[str, int] = {"codex-cli": 2}
_ACCOUNT = re.compile(r"\b[0-9a-f]{64}\b")
# Attributes that tell of the machine or of its user, and what stands in for them.
_NEUTRAL: Mapping[str, Json] = {
    "host.name": {"stringValue": "devbox"},
    "host.id": {"stringValue": "0123456789abcdef0123456789abcdef"},
    "os.version": {"stringValue": "6.8.0"},
    "process.pid": {"intValue": "4242"},
    "process.owner": {"stringValue": "dev"},
    "process.executable.path": {"stringValue": "/home/dev/bin/node"},
    "os": {"stringValue": "Linux"},
    "os_version": {"stringValue": "6.8.0"},
    "service.instance.id": {"stringValue": "copilot-otel-4242-0"},
}


def session(box: Sandbox) -> None:
    """A file is written, edited and read, a command fails, a subagent works, a request fails; then it is compacted."""
    here = f"{box.project}/"
    box.repository()
    turns: list[Turn] = [
        [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\n")],
        [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
        [Read(f"{here}a.txt"), Bash("ls missing")],
    ]
    subagents: dict[str, Sequence[Turn]] = {}
    if box.driver.has_subagents():
        turns.append([Agent("sub")])
        subagents["sub"] = [[Bash("echo sub > sub.txt")], [Text("Sub is done.")]]
    script = Script([*turns, [Text("Everything is done.")], [ApiError(529, "Overloaded")]], subagents)
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, "hookkit:telemetry")) if box.driver.chooses_session else None
    known = box.run(script, "Begin.", session_id=identity).session_id
    box.run(script, "Go on.", session_id=known, resume=True)
    if box.driver.compact:
        box.run(script, box.driver.compact, session_id=known, resume=True)


class Shift:
    """Moves every moment by the same span, so that the first one of a recording is a fixed one."""

    def __init__(self, exports: Sequence[Export]) -> None:
        first = min(moment for export in exports for moment in _moments(export.body))
        self._nanos = round((_START - _EPOCH).total_seconds()) * 10**9 - first

    def apply(self, value: Any) -> Any:
        """A copy of a JSON value with all moments moved."""
        match value:
            case str():
                return _ISO.sub(lambda found: self._iso(found.group()), value)
            case list():
                return [self.apply(item) for item in value]
            case dict():
                return {key: self._nano(item) if _NANO.search(key) else self.apply(item) for key, item in value.items()}
            case _:
                return value

    def _nano(self, moment: str | int) -> str | int:
        """As the agent wrote it: a number or a text; 0 is no moment."""
        moved = int(moment) + self._nanos if int(moment) else 0
        return str(moved) if isinstance(moment, str) else moved

    def _iso(self, text: str) -> str:
        moved = datetime.fromisoformat(text) + timedelta(microseconds=self._nanos / 1000)
        return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moments(value: Any) -> list[int]:
    match value:
        case list():
            return [moment for item in value for moment in _moments(item)]
        case dict():
            own = [int(item) for key, item in value.items() if _NANO.search(key) and int(item)]
            return own + [moment for key, item in value.items() if not _NANO.search(key) for moment in _moments(item)]
        case _:
            return []


class Neutral:
    """What stands in for the ids of spans and accounts, and for what tells of the machine."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def apply(self, value: Any) -> Any:
        match value:
            case str():
                short = value if len(value) <= _LONG else f"{value[:_LONG]}… (cut)"
                return _ACCOUNT.sub(lambda found: self._numbered(found.group()), short)
            case list():
                return [self.apply(item) for item in value]
            case {"key": str(key), "value": _} if key in _NEUTRAL:
                return {"key": key, "value": _NEUTRAL[key]}
            case dict():
                return {key: self._member(key, item) for key, item in value.items()}
            case _:
                return value

    def _member(self, key: str, value: Any) -> Any:
        is_id = key in ("traceId", "spanId", "parentSpanId") and value
        return self._numbered(value) if is_id else self.apply(value)

    def _numbered(self, found: str) -> str:
        return self._ids.setdefault(found, f"{len(self._ids) + 1:0{len(found)}x}")


def few(export: Export, most: int, seen: Counter[str]) -> Json:
    """An export without the spans, and the points of a metric, that are more than ``most`` of one name."""
    for _, record in export.records():
        for kind in ("sum", "gauge", "histogram", "exponentialHistogram"):
            if kind in record:
                del record[kind]["dataPoints"][most:]
    for resource in export.body.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            kept = []
            for span in scope["spans"]:
                seen[span["name"]] += 1
                kept += [span] if seen[span["name"]] <= most else []
            scope["spans"] = kept
    return export.body


def record(driver: Driver) -> None:
    agent = install(driver.package)
    folder = _FIXTURES / agent.name / agent.version / "telemetry"
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    with ModelServer([driver.wire()]) as server, OtlpReceiver() as receiver:
        box = Sandbox(driver, agent, server, base / "box")
        box.install()
        box.export_to(receiver.endpoint("http/json"), "http/json")
        session(box)
        box.settle()
        assert receiver.failures == [], receiver.failures
        exports = [*receiver.exports]
        places = {str(box.project): "/home/dev/project", str(box.home): "/home/dev"}
        programs = str(agent.program.parent.parent.parent)
        normaliser = Normaliser({**places, programs: "/home/dev/agents", interpreter(): "/usr/bin/python3"})
    shift, neutral, seen = Shift(exports), Neutral(), Counter[str]()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for export in exports:
        told = few(export, _PER_NAME[agent.name], seen) if agent.name in _PER_NAME else export.body
        body = shift.apply(neutral.apply(normaliser.apply(told)))
        with (folder / f"{export.signal}.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(body, ensure_ascii=False) + "\n")
    refuse_traces_of_the_machine(folder, base)
    shutil.rmtree(base)


def main() -> None:
    for name in sys.argv[1:] or ["claude-code", "codex-cli", "gemini-cli", "copilot-cli", "qwen-code"]:
        record(driver_of(name))


if __name__ == "__main__":
    main()
