"""Record the fixtures of this folder from real runs of the real agent.

usage, at the root of the repository:  python -m tests.agents.record

Writes fixtures/<agent>/<version>/:
  payloads/       what the agent gives its hooks: <Event>.json, and <Event>.<Tool>[-n].json for further tools
  transcripts/    the transcripts of the recorded sessions, subagents' beside them as the agent lays them out
and src/hookkit/agents/recordings/<agent>.json: one small session, event by event, with what happened to the worktree in
between; `hookkit demo` and `hookkit doctor` play it.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import vocabulary
from .anthropic_wire import AnthropicMessages
from .model_server import ModelServer
from .normalise import Normaliser
from .programs import CLAUDE_CODE, InstalledAgent, install
from .sandbox import EVENTS, Json, Sandbox, interpreter
from .script import Agent, ApiError, Bash, Call, Edit, Read, Script, Skill, Text, Turn, Write

_HERE = Path(__file__).parent
_FIXTURES = _HERE / "fixtures"
_PLAYED = _HERE.parent.parent / "src" / "hookkit" / "agents" / "recordings"
_NOTEBOOK = {"cells": [{"cell_type": "code", "execution_count": None, "id": "c1", "metadata": {}, "outputs": [],
             "source": "1 + 1"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}  # fmt: skip
_SKILL = "---\nname: greet\ndescription: Greets the user.\n---\nSay hello.\n"


class Recording:
    """A sandbox whose every event is kept, and the neutral form of what it kept."""

    def __init__(self, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        self.box = Sandbox(agent, server, base)
        self._log = base / "snapshots.jsonl"
        command = shlex.join([interpreter(), "-I", "-S", str(_HERE / "snapshot.py"), str(self._log)])
        group = {"hooks": [{"type": "command", "command": command, "timeout": 30}]}
        self.box.settings.parent.mkdir()
        self.box.settings.write_text(json.dumps({"hooks": {event: [group] for event in EVENTS}}), encoding="utf-8")
        self.normaliser = Normaliser(
            {
                str(self.box.project): "/home/dev/project",
                str(self.box.home): "/home/dev",
                re.sub(r"\W", "-", str(self.box.project)).replace("_", "-"): "-home-dev-project",
                command: "/home/dev/hooks/somebody-elses-hook",
            }
        )

    @property
    def snapshots(self) -> list[Json]:
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def files(self, session_id: str) -> dict[str, list[Json]]:
        """Transcript lines of a session, by file: "" is its own, the others its subagents'."""
        main = self.box.transcript(session_id)
        paths = {"": main, **{path.name: path for path in sorted(main.with_suffix("").glob("subagents/*"))}}
        texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
        self.normaliser.learn_times("\n".join(texts.values()))
        return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}


def _session(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hookkit:recording:{name}"))


def tour(recording: Recording) -> str:
    """Every tool that matters to hookkit, and subagents inside a subagent."""
    box = recording.box
    box.repository()
    box.write({"nb.ipynb": json.dumps(_NOTEBOOK), ".claude/skills/greet/SKILL.md": _SKILL})
    here = f"{box.project}/"
    turns: list[Turn] = [
        [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\ntwo\n")],
        [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
        [Edit(f"{here}a.txt", "two", "2", replace_all=True)],
        [Write(f"{here}a.txt", "one\n2\nthree\n4\n")],
        [Edit(f"{here}a.txt", "three\n", "")],
        [Read(f"{here}nb.ipynb")],
        [Call("NotebookEdit", {"notebook_path": f"{here}nb.ipynb", "cell_id": "c1", "new_source": "2 + 2"})],
        [Bash("echo changed > old.txt; ls missing"), Bash("mkdir -p sub && cd sub && pwd")],
        [Read(f"{here}old.txt"), Read(f"{here}README.md")],
        [Skill("greet")],
        [Agent("outer"), Agent("beside")],
        [Text("Everything is done.")],
    ]
    subagents: dict[str, list[Turn]] = {
        "outer": [[Bash("echo outer > outer.txt")], [Agent("inner")], [Text("Outer is done.")]],
        "inner": [[Write(f"{here}inner.txt", "inner\n")], [Text("Inner is done.")]],
        "beside": [[Read(f"{here}README.md")], [Text("Beside is done.")]],
    }
    return box.run(Script(turns, subagents), "Take the tour.", session_id=_session("tour")).session_id


def resumed_and_compacted(recording: Recording) -> str:
    """A session that is resumed, compacted, and resumed again."""
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
    session = box.run(script, "Begin.", session_id=_session("resumed")).session_id
    box.run(script, "Continue.", session_id=session, resume=True)
    box.run(script, "/compact", session_id=session, resume=True)
    return box.run(script, "Finish.", session_id=session, resume=True).session_id


def failed_request(recording: Recording) -> str:
    """A turn that ends in an API error."""
    box = recording.box
    script = Script([[Write(f"{box.project}/c.txt", "c\n")], [ApiError(529, "Overloaded")]])
    return box.run(script, "Write c.", session_id=_session("failed")).session_id


def denied(recording: Recording) -> str:
    """A call that the permission mode does not allow: it begins and never ends."""
    box = recording.box
    script = Script([[Bash("touch denied.txt")], [Text("It was not allowed.")]])
    return box.run(script, "Touch a file.", session_id=_session("denied"), mode="default").session_id


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
    script = Script(
        [
            [Text("I look at the code first."), Read(f"{here}stats.py")],
            [Text("The result is one too low."), Edit(f"{here}stats.py", "len(values) - 1", "len(values)")],
            [Text("A test keeps it fixed."), Write(f"{here}test_stats.py", test)],
            [Bash(run_tests)],
            [Text("No values is a case of its own."), Edit(f"{here}stats.py", "    return sum(values)", guard)],
            [Bash(f"{run_tests} && rm test.log")],
            [Agent("docs", "Describe mean() in README.md.")],
            [Text("mean() is right now, has a test, and is described in the README.")],
        ],
        {
            "docs": [
                [Read(f"{here}README.md")],
                [Write(f"{here}README.md", docs)],
                [Text("README.md describes mean().")],
            ]
        },
    )
    prompt = "mean() in stats.py gives wrong results. Fix it, with a test, and document it."
    return box.run(script, prompt, session_id=_session("demo")).session_id


def demo_events(recording: Recording, session_id: str) -> Iterator[Json]:
    """The session event by event: what changed since the event before, then the payload."""
    files = {name: list(lines) for name, lines in recording.files(session_id).items()}
    raw = _raw_lines(recording.box.transcript(session_id))
    before: dict[str, str] = recording_start(recording)
    seen: dict[str, int] = {}
    for snapshot in recording.snapshots:
        grown = {}
        for name, size in snapshot["sizes"].items():
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


def _raw_lines(main: Path) -> dict[str, bytes]:
    parts = {path.name: path.read_bytes() for path in main.with_suffix("").glob("subagents/*")}
    return {"": main.read_bytes(), **parts}


def _event(payload: Json | None, effects: list[Json], grown: dict[str, list[Json]]) -> Json:
    event: Json = {"payload": payload, "effects": effects, "transcript": grown.pop("")}
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


def write_payloads(folder: Path, payloads: Sequence[Json]) -> None:
    """One file per event, tool, source and place (main agent or subagent); every edit and command, no two are alike."""
    for payload in payloads:
        event, tool = payload["hook_event_name"], payload.get("tool_name")
        place = "subagent" if tool and "agent_id" in payload else None
        if event == "SubagentStop" and not payload["agent_type"]:
            place = "compaction"
        name = ".".join(part for part in (event, tool, payload.get("source"), place) if part)
        if tool in ("Write", "Edit", "Bash") and not place:
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


def _refuse_traces_of_the_machine(folder: Path, base: Path) -> None:
    """A recording that names this machine is no fixture."""
    secrets = (str(base), re.sub(r"\W", "-", str(base)), str(_HERE), str(Path.home()), socket.gethostname())
    for path in folder.rglob("*.json*"):
        text = path.read_text(encoding="utf-8")
        for secret in secrets:
            if secret in text:
                raise SystemExit(f"{path} names {secret}")


def main() -> None:
    agent = install(CLAUDE_CODE)
    folder = _FIXTURES / agent.name / agent.version
    shutil.rmtree(folder, ignore_errors=True)
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    with ModelServer([AnthropicMessages(vocabulary.claude_code)]) as server:
        recording = Recording(agent, server, base / "tour")
        for play in (tour, resumed_and_compacted, failed_request, denied):
            session = play(recording)
            files = recording.files(session)
            payloads = [s["payload"] for s in recording.snapshots if s["payload"]["session_id"] == session]
            name = play.__name__.replace("_", "-")
            write_transcripts(
                folder / "transcripts",
                name,
                {recording.normaliser.apply(part): recording.normaliser.apply(lines) for part, lines in files.items()},
            )
            write_payloads(folder / "payloads", recording.normaliser.apply(payloads))
        recording = Recording(agent, server, base / "demo")
        session = demo(recording)
        events = recording.normaliser.apply(list(demo_events(recording, session)))
        files = recording.normaliser.apply(recording_start(recording))
        tail = events.pop()
        document = {"agent": agent.name, "version": agent.version, "files": files, "events": events}
        document["after"] = {key: tail[key] for key in ("transcript", "subagents") if tail.get(key)}
        _write_json(_PLAYED / f"{agent.name}.json", _placeholders(document, events[0]["payload"]["transcript_path"]))
    for recorded in (folder, _PLAYED):
        _refuse_traces_of_the_machine(recorded, base)
    shutil.rmtree(base)


if __name__ == "__main__":
    main()
