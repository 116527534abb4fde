"""Record the fixtures of this folder from real runs of the real agent.

usage, at the root of the repository:  python -m tests.agents.record [AGENT ...]   (claude-code by default)

Writes fixtures/<agent>/<version>/:
  payloads/       what the agent gives its hooks: <Event>.json, and <Event>.<Tool>[-n].json for further tools; of an
                  agent without command hooks, what hookkit's extension gives the script in their place
  transcripts/    the transcripts of the recorded sessions that are files, subagents' beside them
and src/hookkit/agents/recordings/<agent>.json: one small session, event by event, with what happened to the worktree in
between; `hookkit demo` and `hookkit doctor` play it.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .drivers import driver_of
from .drivers.base import Driver
from .model_server import ModelServer
from .normalise import Normaliser
from .programs import CLAUDE_CODE, InstalledAgent, install
from .sandbox import Json, Sandbox, interpreter
from .script import Agent, ApiError, Bash, Edit, Read, Script, Text, Turn, Write

_HERE = Path(__file__).parent
_FIXTURES = _HERE / "fixtures"
_PLAYED = _HERE.parent.parent / "src" / "hookkit" / "agents" / "recordings"
_NOTEBOOK = {"cells": [{"cell_type": "code", "execution_count": None, "id": "c1", "metadata": {}, "outputs": [],
             "source": "1 + 1"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}  # fmt: skip
_SKILL = "---\nname: greet\ndescription: Greets the user.\n---\nSay hello.\n"


class Recording:
    """A sandbox whose every event is kept, and the neutral form of what it kept."""

    def __init__(self, driver: Driver, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        self.box = Sandbox(driver, agent, server, base)
        self._log = base / "snapshots.jsonl"
        words = [str(_HERE / "snapshot.py"), str(self._log), str(self.box.project)]
        command = shlex.join([interpreter(), "-I", "-S", *words])
        if driver.events:
            driver.witness(self.box.place, command)
        else:
            self._stand_in(words)
        self.normaliser = Normaliser(
            {
                str(self.box.project): "/home/dev/project",
                str(self.box.home): "/home/dev",
                re.sub(r"\W", "-", str(self.box.project)).replace("_", "-"): "-home-dev-project",
                command: "/home/dev/hooks/somebody-elses-hook",
            }
        )

    def _stand_in(self, words: Sequence[str]) -> None:
        """Take the place of the script that hookkit's extension calls: only an extension hears this agent's events."""
        self.box.install()
        (entry,) = (self.box.home / ".local" / "share" / "hookkit" / "hooks").rglob(
            f"hookkit_{self.box.agent.name.partition('-')[0]}.py"
        )
        entry.write_text(
            f"import runpy, sys\nsys.argv = {[*words]!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
        )

    @property
    def snapshots(self) -> list[Json]:
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def files(self, session_id: str) -> dict[str, list[Json]]:
        """Transcript lines of a session, by file: "" is its own, the others its subagents'."""
        paths = self.box.driver.parts(self.box.transcript(session_id))
        if paths[""].suffix != ".jsonl":
            return {}
        texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
        self.normaliser.learn_times("\n".join(texts.values()))
        return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}

    def session(self, name: str) -> str | None:
        """A session id that is the same in every recording, where the agent lets us choose it."""
        if not self.box.driver.chooses_session:
            return None
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hookkit:recording:{name}"))


def tour(recording: Recording) -> str:
    """Every tool that matters to hookkit, and subagents."""
    box = recording.box
    box.repository()
    box.write({"nb.ipynb": json.dumps(_NOTEBOOK), ".claude/skills/greet/SKILL.md": _SKILL})
    return box.run(box.driver.tour(box.place), "Take the tour.", session_id=recording.session("tour")).session_id


def resumed_and_compacted(recording: Recording) -> str:
    """A session that is resumed, compacted where the agent has a prompt for it, and resumed again."""
    box = recording.box
    here = f"{box.project}/"
    script = Script(
        [
            [Write(f"{here}b.txt", "first\n")],
            [Text("First turn done.")],
            [Read(f"{here}b.txt")],
            [Edit(f"{here}b.txt", "first", "second")],
            [Text("Second turn done.")],
            [Bash("echo third >> b.txt")],
            [Text("Third turn done.")],
        ]
    )
    session = box.run(script, "Begin.", session_id=recording.session("resumed")).session_id
    box.run(script, "Continue.", session_id=session, resume=True)
    if box.driver.compact:
        box.run(script, box.driver.compact, session_id=session, resume=True)
    return box.run(script, "Finish.", session_id=session, resume=True).session_id


def failed_request(recording: Recording) -> str:
    """A turn that ends in an API error."""
    box = recording.box
    script = Script([[Write(f"{box.project}/c.txt", "c\n")], [ApiError(529, "Overloaded")]])
    return box.run(script, "Write c.", session_id=recording.session("failed")).session_id


def unfinished(recording: Recording) -> str | None:
    """A call that begins and never ends, where the agent has a way to one."""
    box = recording.box
    way = box.driver.unfinished(box.place)
    if way is None:
        return None
    script = Script([way.turn, [Text("It was not allowed.")]])
    return box.run(script, "Touch a file.", session_id=recording.session("denied"), extra=way.extra).session_id


def demo(recording: Recording) -> str:
    """A bug is fixed: read, edit, a test, a failing run that leaves a log, a second edit, a subagent for the docs."""
    box = recording.box
    source = "def mean(values):\n    return sum(values) / len(values) - 1\n"
    box.repository(
        {
            "README.md": "# stats\n\nSmall statistics, no dependencies.\n",
            "stats.py": source,
            ".gitignore": "__pycache__/\n",
        }
    )
    here = f"{box.project}/"
    test = (
        "import unittest\n\nfrom stats import mean\n\n\nclass MeanTest(unittest.TestCase):\n"
        "    def test_mean_of_three(self):\n        self.assertEqual(mean([1, 2, 3]), 2)\n\n"
        "    def test_mean_of_nothing(self):\n        self.assertEqual(mean([]), 0)\n\n\n"
        'if __name__ == "__main__":\n    unittest.main()\n'
    )
    run_tests = "set -o pipefail; python3 -m unittest test_stats 2>&1 | tee test.log"
    guard = "    if not values:\n        return 0\n    return sum(values)"
    docs = "# stats\n\nSmall statistics, no dependencies.\n\n## mean(values)\n\nThe mean; 0 for no values.\n"
    turns: list[Turn] = [
        [Text("I look at the code first."), Read(f"{here}stats.py")],
        [Text("The result is one too low."), Edit(f"{here}stats.py", "len(values) - 1", "len(values)")],
        [Text("A test keeps it fixed."), Write(f"{here}test_stats.py", test)],
        [Bash(run_tests)],
        [Text("No values is a case of its own."), Edit(f"{here}stats.py", "    return sum(values)", guard)],
        [Bash(f"{run_tests} && rm test.log")],
    ]
    describing: list[Turn] = [[Read(f"{here}README.md")], [Write(f"{here}README.md", docs)]]
    last: Turn = [Text("mean() is right now, has a test, and is described in the README.")]
    if box.driver.has_subagents():
        subagents: dict[str, list[Turn]] = {"docs": [*describing, [Text("README.md describes mean().")]]}
        script = Script([*turns, [Agent("docs", "Describe mean() in README.md.")], last], subagents)
    else:
        script = Script([*turns, *describing, last])
    prompt = "mean() in stats.py gives wrong results. Fix it, with a test, and document it."
    return box.run(script, prompt, session_id=recording.session("demo")).session_id


def demo_events(recording: Recording, session_id: str) -> Iterator[Json]:
    """The session event by event: what changed since the event before, then the payload."""
    files = {name: list(lines) for name, lines in recording.files(session_id).items()}
    raw = _raw_lines(recording.box.driver.parts(recording.box.transcript(session_id))) if files else {}
    before: dict[str, str] = recording_start(recording)
    seen: dict[str, int] = {}
    for snapshot in recording.snapshots:
        grown = {}
        for name, size in snapshot["sizes"].items() if files else ():
            upto = len(raw[name][:size].splitlines())
            grown[name] = files[name][seen.get(name, 0) : upto]
            seen[name] = upto
        yield _event(snapshot["payload"], _effects(before, snapshot["files"]), grown)
        before = snapshot["files"]
    rest = {name: lines[seen.get(name, 0) :] for name, lines in files.items()}
    yield _event(None, [], rest)


def recording_start(recording: Recording) -> dict[str, str]:
    """The worktree as the session found it."""
    files: dict[str, str] = recording.snapshots[0]["files"]
    return files


def _raw_lines(paths: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in paths.items()}


def _event(payload: Json | None, effects: list[Json], grown: dict[str, list[Json]]) -> Json:
    event: Json = {"payload": payload, "effects": effects, "transcript": grown.pop("", [])}
    subagents = {name: lines for name, lines in grown.items() if lines}
    return {**event, "subagents": subagents} if subagents else event


def _effects(before: dict[str, str], after: dict[str, str]) -> list[Json]:
    written = [{"write": name, "text": text} for name, text in after.items() if before.get(name) != text]
    return written + [{"delete": name} for name in before if name not in after]


def _placeholders(value: Any, transcript: str) -> Any:
    """Put {transcript}, {session_dir} and {root} where the neutral paths are."""
    match value:
        case str():
            stem = transcript.removesuffix(".jsonl")
            text = value.replace(transcript, "{transcript}").replace(stem, "{session_dir}")
            return text.replace("/home/dev/project", "{root}")
        case list():
            return [_placeholders(item, transcript) for item in value]
        case dict():
            return {key: _placeholders(item, transcript) for key, item in value.items()}
        case _:
            return value


def write_payloads(driver: Driver, folder: Path, payloads: Sequence[tuple[str, Json]]) -> None:
    """One file per event, tool, source and place (main agent or subagent); every edit and command, no two are alike.

    payloads: the agent's name of the event, and the payload.
    """
    actions = (Write("a.txt", "a\n"), Edit("a.txt", "a", "b"), Bash("true"))
    several = {driver.say(action, ()).name for action in actions} | {"Bash"}
    for event, payload in payloads:
        tool = payload.get("tool_name")
        place = "subagent" if tool and "agent_id" in payload else None
        if event == "SubagentStop" and not payload.get("agent_type"):
            place = "compaction"
        name = ".".join(part for part in (event, tool, payload.get("source"), place) if part)
        if tool in several and not place:
            numbered = (f"{name}-{number}" for number in range(2, 100))
            name = next(free for free in (name, *numbered) if not (folder / f"{free}.json").exists())
        if not (folder / f"{name}.json").exists():
            _write_json(folder / f"{name}.json", payload)


def write_transcripts(folder: Path, name: str, files: dict[str, list[Json]]) -> None:
    for part, lines in files.items():
        path = folder / f"{name}.jsonl" if part == "" else folder / name / "subagents" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _write_json(path: Path, value: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def refuse_traces_of_the_machine(folder: Path, base: Path) -> None:
    """A recording that names this machine is no fixture."""
    secrets = (str(base), re.sub(r"\W", "-", str(base)), str(_HERE), f"{Path.home()}/", socket.gethostname())
    for path in folder.rglob("*.json*"):
        text = path.read_text(encoding="utf-8")
        for secret in secrets:
            if secret in text:
                raise SystemExit(f"{path} names {secret}")


def record(driver: Driver) -> None:
    agent = install(driver.package)
    folder = _FIXTURES / agent.name / agent.version
    for part in ("payloads", "transcripts"):  # what the agent exports is recorded by record_telemetry
        shutil.rmtree(folder / part, ignore_errors=True)
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    with ModelServer([driver.wire()]) as server:
        recording = Recording(driver, agent, server, base / "tour")
        for play in (tour, resumed_and_compacted, failed_request, unfinished):
            session = play(recording)
            if session is None:
                continue
            files = recording.files(session)
            heard = [(snapshot["payload"], driver.hear(snapshot["payload"])) for snapshot in recording.snapshots]
            payloads = [
                (told.own, recording.normaliser.apply(payload))
                for payload, told in heard
                if told and told.session == session
            ]
            name = play.__name__.replace("_", "-").replace("unfinished", "denied")
            write_transcripts(
                folder / "transcripts",
                name,
                {recording.normaliser.apply(part): recording.normaliser.apply(lines) for part, lines in files.items()},
            )
            write_payloads(driver, folder / "payloads", payloads)
        recording = Recording(driver, agent, server, base / "demo")
        session = demo(recording)
        events = recording.normaliser.apply(list(demo_events(recording, session)))
        files_before = recording.normaliser.apply(recording_start(recording))
        tail = events.pop()
        document = {"agent": agent.name, "version": agent.version, "files": files_before, "events": events}
        document["after"] = {key: tail[key] for key in ("transcript", "subagents") if tail.get(key)}
        transcript = events[0]["payload"].get("transcript_path") or "\0"
        _write_json(_PLAYED / f"{agent.name}.json", _placeholders(document, transcript))
    for recorded in (folder, _PLAYED):
        refuse_traces_of_the_machine(recorded, base)
    shutil.rmtree(base)


def main() -> None:
    for name in sys.argv[1:] or [CLAUDE_CODE.name]:
        record(driver_of(name))


if __name__ == "__main__":
    main()
