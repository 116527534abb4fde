"""Record Pi's fixtures from real runs; see ``record`` for what they are.

usage, at the root of the repository:  python -m tests.agents.record_pi

The payloads are what hookkit's extension gives to the hook script, which here is one that keeps them.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .drivers.pi import PiDriver
from .model_server import ModelServer
from .normalise import Normaliser
from .pi_box import PiBox
from .programs import PI, InstalledAgent, install
from .script import ApiError, Bash, Call, Edit, Position, Read, Script, Skill, Text, Turn, Write
from .wire import Answer, Json
from .wires.chat import ChatCompletions

_HERE = Path(__file__).parent
_FIXTURES = _HERE / "fixtures"
_PLAYED = _HERE.parent.parent / "src" / "hookkit" / "agents" / "recordings"
_PROJECT, _HOME, _FOLDER = "/home/dev/project", "/home/dev", "--home-dev-project--"
_START = 1_795_338_000_000  # milliseconds since 1970, where the normaliser's times begin
_ENTRY = re.compile(r"[0-9a-f]{8}")

# Commands for what Pi only does in its own interface, a call that is not allowed, and a thought.
_HELPER = """\
export default function (pi) {
  pi.on("tool_call", (event) => {
    if (event.input.command === "make forbidden") return { block: true, reason: "Not allowed here." };
  });
  pi.registerCommand("mark", { description: "leave entries of every kind", handler: async (args, ctx) => {
    pi.appendEntry("my-state", { count: 1 });
    pi.sendMessage({ customType: "ctx", content: "Injected context.", display: false });
    pi.setLabel(ctx.sessionManager.getLeafId(), "mark");
  }});
  pi.registerCommand("back", { description: "go back to the last prompt", handler: async (args, ctx) => {
    const users = ctx.sessionManager.getBranch().filter((e) => e.type === "message" && e.message.role === "user");
    await ctx.navigateTree(users[users.length - 1].id, { summarize: args === "summarize" });
  }});
}
"""
_SKILL = "---\nname: greet\ndescription: Greets the user.\n---\nSay hello.\n"
_KEEPER = """\
import json, os, subprocess, sys
sys.path.insert(0, {here!r})
import snapshot
payload = json.loads(sys.stdin.buffer.read())
path = payload.get("transcript_path")
note = {{
    "payload": payload,
    "files": snapshot.worktree({project!r}),
    "size": os.path.getsize(path) if path and os.path.exists(path) else 0,
}}
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, json.dumps(note).encode() + b"\\n")
"""


class _Thinking(ChatCompletions):
    """A model that thinks before the answers that begin with a text."""

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        answer = super().render(request, position, turn)
        chunks = list(answer.chunks)
        if turn and isinstance(turn[0], Text) and chunks:
            first = json.loads(chunks[0].decode().removeprefix("data: "))
            first["choices"][0]["delta"] = {"reasoning_content": f"I think of {turn[0].text!r}."}
            chunks.insert(1, f"data: {json.dumps(first)}\n\n".encode())
        return Answer(answer.status, answer.content_type, chunks)


class Recording:
    """A box whose every payload is kept, and the neutral form of what it kept."""

    def __init__(self, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        self.box = PiBox(agent, server, base)
        self._log = base / "snapshots.jsonl"
        keeper = base / "keeper.py"
        keeper.write_text(_KEEPER.format(here=str(_HERE), project=str(self.box.project), log=str(self._log)))
        self.box.wire(keeper)
        self.box.extension("somebody-elses.ts", _HELPER)  # after ours
        encoded = "--" + str(self.box.project).strip("/").replace("/", "-") + "--"
        places = {str(self.box.project): _PROJECT, str(self.box.home): _HOME, encoded: _FOLDER}
        self._normaliser = Normaliser(places)
        self._entries: dict[str, str] = {}

    @property
    def snapshots(self) -> list[Json]:
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def lines(self, transcript: Path) -> list[Json]:
        text = transcript.read_text(encoding="utf-8")
        self._normaliser.learn_times(text)
        return [json.loads(line) for line in text.splitlines()]

    def neutral(self, value: Any) -> Any:
        return self._ids(self._normaliser.apply(value))

    def name(self, transcript: Path) -> str:
        """The name of a session's file, as it stands in the payloads."""
        return str(self.neutral(transcript.name))

    def _ids(self, value: Any, key: str = "") -> Any:
        match value:
            case str():
                if _ENTRY.fullmatch(value) and (key == "id" or key.endswith("Id")):
                    return self._entries.setdefault(value, f"{len(self._entries) + 1:08x}")
                return _FILE.sub(self._file, value)
            case list():
                return [self._ids(item, key) for item in value]
            case dict():
                return {name: self._ids(item, name) for name, item in value.items()}
            case bool():
                return value
            case int() if key == "timestamp":
                return _START
            case int() if key == "duration_ms":
                return 10
            case _:
                return value

    def _file(self, found: re.Match[str]) -> str:
        return f"2026-11-22T09-00-00-000Z_{self._normaliser.apply(found[1])}.jsonl"


_FILE = re.compile(r"20\d\d-\d\d-\d\d(?:T[\d-]+Z)_([0-9a-f-]{36})\.jsonl")


def tour(recording: Recording) -> Path:
    """Every kind of entry: calls of every tool that matters, ways back, a compaction, what a user types besides."""
    box = recording.box
    box.repository()
    skills = box.home / ".pi" / "agent" / "skills" / "greet"
    skills.mkdir(parents=True)
    (skills / "SKILL.md").write_text(_SKILL, encoding="utf-8")
    here = f"{box.project}/"
    several = [{"oldText": "two\n", "newText": "2\n"}, {"oldText": "four\n", "newText": "4\n"}]
    script = Script(
        [
            [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\nfour\n")],
            [Edit("a.txt", "one\n", "one\none and a half\n")],
            [Call("edit", {"path": "@a.txt", "edits": several})],
            [Edit(f"{here}a.txt", "three\n", "")],
            [Write("a.txt", "1\n2\n"), Read("old.txt"), Read("missing.txt")],
            [Bash("echo changed > old.txt; exit 4"), Bash("echo x > x.txt"), Bash("echo x > x.txt")],
            [Call("frobnicate", {"a": 1}), Call("bash", {"cmd": "x"}), Edit("a.txt", "nowhere", "x")],
            [Bash("make forbidden")],
            [Skill("greet")],
            [Text("The first part is done.")],
            [Bash("echo aside > aside.txt")],
            [Text("That was one way to do it.")],
            [Bash("echo ahead > ahead.txt")],
            [Text("Hello, world.")],
            [Text("The end.")],
        ]
    )
    with box.rpc(script) as pi:
        pi.send("set_auto_compaction", enabled=False)
        pi.prompt("Take the tour.")
        pi.send("bash", command="echo by the user > user.txt; exit 3")
        pi.command("/mark")
        pi.prompt("Try one way.")
        pi.command("/back summarize")
        time.sleep(1)  # nothing tells that it has come back
        pi.prompt("Try another way.")
        pi.send("set_thinking_level", level="high")
        pi.prompt("/skill:greet the world")
        pi.send("compact", customInstructions="Keep it short.")
        pi.prompt("Come to an end.")
        pi.send("set_session_name", name="The tour")
        assert pi.close() == (0, "")
    return box.sessions()[-1][1]


def resumed(recording: Recording) -> Path:
    """A session that is taken up again."""
    box = recording.box
    script = Script(
        [[Write("b.txt", "first\n")], [Text("First.")], [Edit("b.txt", "first", "second")], [Text("Second.")]]
    )
    box.run(script, "Begin.")
    session, path = box.sessions()[-1]
    box.run(script, "Continue.", session_id=session)
    return path


def forked(recording: Recording) -> Path:
    """A session that goes on from a copy of another."""
    box = recording.box
    session, _ = box.sessions()[-1]
    script = Script([[], [], [], [], [Bash("echo fork > fork.txt")], [Text("Forked.")]])
    box.run(script, "Go another way.", extra=["--fork", session])
    return box.sessions()[-1][1]


def failed_request(recording: Recording) -> Path:
    """A turn that ends in an API error."""
    script = Script([[Write("c.txt", "c\n")], [ApiError(500, "Overloaded")]])
    recording.box.run(script, "Write c.")
    return recording.box.sessions()[-1][1]


def aborted(recording: Recording) -> Path:
    """A turn that the user interrupts in the middle of a command."""
    script = Script([[Bash("echo begun > begun.txt; sleep 30; echo late > late.txt")], [Text("Never said.")]])
    with recording.box.rpc(script) as pi:
        pi.send("prompt", message="Take long.")
        pi.wait(lambda said: said.get("type") == "tool_execution_update")
        while not (recording.box.project / "begun.txt").exists():
            time.sleep(0.05)
        pi.send("abort")  # which answers when the turn has ended
        assert pi.close() == (0, "")
    return recording.box.sessions()[-1][1]


def demo(recording: Recording) -> Path:
    """A bug is fixed: read, edit, a test, a failing run that leaves a log, a second edit, the docs."""
    box = recording.box
    source = "def mean(values):\n    return sum(values) / len(values) - 1\n"
    box.repository({"README.md": "# stats\n", "stats.py": source, ".gitignore": "__pycache__/\n"})
    test = (
        "import unittest\n\nfrom stats import mean\n\n\nclass MeanTest(unittest.TestCase):\n"
        "    def test_mean_of_three(self):\n        self.assertEqual(mean([1, 2, 3]), 2)\n\n"
        "    def test_mean_of_nothing(self):\n        self.assertEqual(mean([]), 0)\n\n\n"
        'if __name__ == "__main__":\n    unittest.main()\n'
    )
    run_tests = "set -o pipefail; python3 -m unittest test_stats > test.log 2>&1"
    guard = "    if not values:\n        return 0\n    return sum(values)"
    script = Script(
        [
            [Text("I look at the code first."), Read("stats.py")],
            [Text("The result is one too low."), Edit("stats.py", "len(values) - 1", "len(values)")],
            [Text("A test keeps it fixed."), Write("test_stats.py", test)],
            [Bash(run_tests)],
            [Text("No values is a case of its own."), Edit("stats.py", "    return sum(values)", guard)],
            [Bash(f"{run_tests} && rm test.log")],
            [Write("README.md", "# stats\n\n## mean(values)\n\nThe mean; 0 for no values.\n")],
            [Text("mean() is right now, has a test, and is described in the README.")],
        ]
    )
    box.run(script, "mean() in stats.py gives wrong results. Fix it, with a test, and document it.")
    return box.sessions()[-1][1]


def demo_events(recording: Recording, transcript: Path) -> Iterator[Json]:
    """The session event by event: what changed since the event before, then the payload."""
    lines, raw = recording.lines(transcript), transcript.read_bytes()
    before: dict[str, str] = recording.snapshots[0]["files"]
    seen = 0
    for snapshot in recording.snapshots:
        upto = len(raw[: snapshot["size"]].splitlines())
        after = snapshot["files"]
        effects = [{"write": name, "text": text} for name, text in after.items() if before.get(name) != text]
        effects += [{"delete": name} for name in before if name not in after]
        yield {"payload": snapshot["payload"], "effects": effects, "transcript": lines[seen:upto]}
        before, seen = after, upto
    yield {"transcript": lines[seen:]}


def _placeholders(value: Any, transcript: str, session: str) -> Any:
    match value:
        case str():
            text = value.replace(transcript, "{transcript}").replace(session, "{session}")
            return text.replace(_PROJECT, "{root}")
        case list():
            return [_placeholders(item, transcript, session) for item in value]
        case dict():
            return {key: _placeholders(item, transcript, session) for key, item in value.items()}
        case _:
            return value


def write_payloads(folder: Path, payloads: Sequence[Json]) -> None:
    """One file per event, tool and outcome; every edit and command, no two are alike."""
    for payload in payloads:
        event, tool = payload["hook_event_name"], payload.get("tool_name")
        outcome = "failed" if payload.get("is_error") else payload.get("stop_reason")
        outcome = None if outcome == "stop" else outcome
        name = ".".join(part for part in (event, tool, outcome) if part)
        if tool in ("write", "edit", "bash"):
            numbered = (f"{name}-{number}" for number in range(2, 100))
            name = next(free for free in (name, *numbered) if not (folder / f"{free}.json").exists())
        if not (folder / f"{name}.json").exists():
            _write_json(folder / f"{name}.json", payload)


def _write_json(path: Path, value: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _refuse_traces_of_the_machine(paths: Sequence[Path], base: Path) -> None:
    """A recording that names this machine is no fixture."""
    secrets = (str(base), base.name, str(_HERE), str(Path.home()), socket.gethostname())
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for secret in secrets:
            if secret in text:
                raise SystemExit(f"{path} names {secret}")


def main() -> None:
    agent = install(PI)
    folder = _FIXTURES / agent.name / agent.version
    shutil.rmtree(folder, ignore_errors=True)
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    played = _PLAYED / f"{agent.name}.json"
    with ModelServer([_Thinking(PiDriver().say)]) as server:
        recording = Recording(agent, server, base / "tour")
        for play in (tour, resumed, forked, failed_request, aborted):
            heard = len(recording.snapshots)
            transcript = play(recording)
            place = folder / "transcripts" / play.__name__.replace("_", "-") / recording.name(transcript)
            place.parent.mkdir(parents=True)
            lines = recording.neutral(recording.lines(transcript))
            place.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
            payloads = [snapshot["payload"] for snapshot in recording.snapshots[heard:]]
            write_payloads(folder / "payloads", recording.neutral(payloads))
        recording = Recording(agent, server, base / "demo")
        transcript = demo(recording)
        events = recording.neutral(list(demo_events(recording, transcript)))
        tail = events.pop()
        files = recording.snapshots[0]["files"]
        session, path = events[0]["payload"]["session_id"], events[0]["payload"]["transcript_path"]
        document = {
            "agent": agent.name,
            "version": agent.version,
            "transcript": f"sessions/{_FOLDER}/{Path(path).name}",
            "environment": {"PI_CODING_AGENT": "true"},
            "files": files,
            "events": events,
            "after": tail,
        }
        placed = _placeholders(document, path, session)
        placed["events"][0]["payload"]["session_id"] = session  # the rehearsal takes the session's id from there
        _write_json(played, placed)
    _refuse_traces_of_the_machine([played, *folder.rglob("*.json*")], base)
    shutil.rmtree(base)


if __name__ == "__main__":
    main()
