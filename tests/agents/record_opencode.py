"""Record OpenCode's fixtures from real runs; see ``record`` for what they are.

usage, at the root of the repository:  python -m tests.agents.record_opencode

The payloads are what hookkit's plugin gives to the hook script, which here is one that keeps them. A transcript is a
JSON file with the rows of a session, its subagents' included, from which a test makes the database again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .drivers.base import Place
from .drivers.opencode import OpenCode
from .model_server import ModelServer
from .opencode_rows import READ_ROWS, TABLES, Neutral, rows, schema, selected
from .programs import OPENCODE, InstalledAgent, install
from .record_pi import _refuse_traces_of_the_machine, _write_json
from .sandbox import PATIENCE, interpreter
from .script import Agent, ApiError, Bash, Call, Edit, Position, Read, Script, Skill, Text, Turn, Write
from .wire import Answer, Json

_HERE = Path(__file__).parent
_FIXTURES = _HERE / "fixtures"
_PLAYED = _HERE.parent.parent / "src" / "hookkit" / "agents" / "recordings"
_HOOKS = _HERE.parent.parent / "hooks"
_PROJECT, _HOME = "/home/dev/project", "/home/dev"
_DATABASE = ".local/share/opencode/opencode.db"
_PLACE = "opencode/opencode.db"  # below the folder of data
_GREET = "---\nname: greet\ndescription: Greets the user.\n---\nSay hello.\n"
_KEEPER = """\
import json, os, sys
sys.path.insert(0, {here!r})
import snapshot
payload = json.loads(sys.stdin.buffer.read())
rows = snapshot_rows({database!r}) if os.path.exists({database!r}) else []
note = {{"payload": payload, "files": snapshot.worktree({project!r}), "rows": rows}}
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, json.dumps(note).encode() + b"\\n")
"""


class Recording:
    """A fresh machine for OpenCode, whose every payload is kept."""

    def __init__(self, agent: InstalledAgent, base: Path) -> None:
        self.driver = OpenCode()
        wire = type(self.driver.wire())

        class Thinking(wire):  # type: ignore[misc, valid-type]
            """A model that thinks before the answers that begin with a text."""

            def render(self, request: Json, position: Position, turn: Turn) -> Answer:
                answer = super().render(request, position, turn)
                chunks = list(answer.chunks)
                if turn and isinstance(turn[0], Text) and chunks:
                    first = json.loads(chunks[0].decode().removeprefix("data: "))
                    first["choices"][0]["delta"] = {"reasoning_content": f"I think of {turn[0].text!r}."}
                    chunks.insert(1, f"data: {json.dumps(first)}\n\n".encode())
                return Answer(answer.status, answer.content_type, chunks, answer.headers)

        self.server = ModelServer([Thinking(self.driver.say)])
        self.home, self.project = base / "home", base / "project"
        self.home.mkdir(parents=True)
        self.project.mkdir()
        self.place = Place(self.home, self.project, self.server.url, agent.program)
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = Dev\n\temail = dev@example.invalid\n[init]\n\tdefaultBranch = main\n", encoding="utf-8"
        )
        self.driver.configure(self.place)
        self.database = self.home / _DATABASE
        self._log = base / "snapshots.jsonl"
        keeper = base / "keeper.py"
        text = _KEEPER.format(
            here=str(_HERE), project=str(self.project), log=str(self._log), database=str(self.database)
        )
        keeper.write_text(READ_ROWS.format(tables=TABLES[:3]) + text)
        plugin = self.driver.settings(self.place)
        plugin.parent.mkdir(parents=True)
        template = (_HOOKS / "hookkit_opencode.js").read_text(encoding="utf-8")
        template = template.replace("{{interpreter}}", json.dumps(interpreter()))
        plugin.write_text(template.replace("{{script}}", json.dumps(str(keeper))), encoding="utf-8")

    def configure(self, **more: Any) -> None:
        path = self.home / ".config" / "opencode" / "opencode.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        for name, limit in more.items():
            config["provider"]["scripted"]["models"][name.replace("_", "-")] = {"limit": limit}
        path.write_text(json.dumps(config), encoding="utf-8")

    def repository(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.project / name).write_text(text, encoding="utf-8")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"]):
            subprocess.run(["git", *words], cwd=self.project, env=self.env, check=True)

    def close(self) -> None:
        """End the model server."""
        self.server.close()

    @property
    def env(self) -> dict[str, str]:
        folders = [str(Path(found).parent) for found in (shutil.which("git"), shutil.which("node")) if found]
        path = os.pathsep.join(dict.fromkeys([*folders, "/usr/bin", "/bin"]))
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **self.driver.env(self.place)}

    @property
    def snapshots(self) -> list[Json]:
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def run(self, script: Script, prompt: str, session: str | None = None, extra: Sequence[str] = ()) -> str:
        """Run once, to the end; the newest session."""
        self.server.play(script)
        command = self.driver.command(
            self.place, prompt, session_id=session, resume=session is not None, extra=[*extra, "--title", "A title"]
            if session is None else extra,
        )  # fmt: skip
        subprocess.run(
            command, cwd=self.project, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return [*self.driver.sessions(self.place)][-1][0]


def tour(recording: Recording) -> str:
    """Calls of every tool that matters, such as fail included, and a subagent."""
    skill = recording.project / ".opencode" / "skills" / "greet" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text(_GREET, encoding="utf-8")
    here = f"{recording.project}/"
    script = Script(
        [
            [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\n")],
            [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
            [Edit(f"{here}a.txt", "o", "0", replace_all=True)],
            [Edit(f"{here}a.txt", "three\n", ""), Edit(f"{here}a.txt", "nowhere", "x")],
            [Write(f"{here}a.txt", "1\n2\n"), Read(f"{here}old.txt"), Read(f"{here}missing.txt")],
            [Bash("echo changed > old.txt; exit 4"), Bash("echo x > x.txt"), Bash("echo x > x.txt")],
            [Call("frobnicate", {"a": 1}), Call("write", {"content": "x"})],
            [Skill("greet")],
            [Agent("sub"), Call("bash", {"command": "sleep 5", "description": "Wait", "timeout": 300})],
            [Text("Everything is done.")],
        ],
        {"sub": [[Write(f"{here}s.txt", "s\n"), Bash("echo sub > sub.txt")], [Text("Sub is done.")]]},
    )
    return recording.run(script, "Take the tour.")


def resumed(recording: Recording) -> str:
    """A session that is taken up again."""
    here = f"{recording.project}/"
    script = Script(
        [[Write(f"{here}b.txt", "1\n")], [Text("First.")], [Edit(f"{here}b.txt", "1", "2")], [Text("Second.")]]
    )
    session = recording.run(script, "Begin.")
    recording.run(script, "Continue.", session)
    return session


def failed_request(recording: Recording) -> str:
    """A turn that ends in an API error."""
    script = Script([[Write(f"{recording.project}/c.txt", "c\n")], [ApiError(400, "Bad request")]])
    return recording.run(script, "Write c.")


def compacted(recording: Recording) -> str:
    """A conversation that grows beyond what the model takes."""
    recording.configure(small={"context": 4396, "output": 4096})
    here = f"{recording.project}/"
    turns: list[Turn] = [[Write(f"{here}{name}.txt", "1\n")] for name in "defg"]
    return recording.run(Script([*turns, [Text("The end.")]]), "Write much.", extra=["-m", "scripted/small"])


def patched(recording: Recording) -> str:
    """A model that is given ``apply_patch`` instead of the other tools that write."""
    recording.configure(gpt_5={"context": 128_000, "output": 4096})
    patch = (
        "*** Begin Patch\n*** Add File: p.txt\n+p\n*** Update File: README.md\n@@\n-A project.\n+A patched project.\n"
        "*** Delete File: gone.txt\n*** End Patch"
    )
    missing = patch.replace("p.txt", "q.txt").replace("-A project.", "-nowhere").replace("gone", "nothing")
    turns: list[Turn] = [[Call("apply_patch", {"patchText": text})] for text in (patch, missing)]
    return recording.run(Script([*turns, [Text("Patched.")]]), "Patch it.", extra=["-m", "scripted/gpt-5"])


def demo(recording: Recording) -> str:
    """A bug is fixed: read, edit, a test, a failing run that leaves a log, a second edit, the docs."""
    source = "def mean(values):\n    return sum(values) / len(values) - 1\n"
    recording.repository({"README.md": "# stats\n", "stats.py": source, ".gitignore": "__pycache__/\n"})
    test = (
        "import unittest\n\nfrom stats import mean\n\n\nclass MeanTest(unittest.TestCase):\n"
        "    def test_mean_of_three(self):\n        self.assertEqual(mean([1, 2, 3]), 2)\n\n"
        "    def test_mean_of_nothing(self):\n        self.assertEqual(mean([]), 0)\n\n\n"
        'if __name__ == "__main__":\n    unittest.main()\n'
    )
    run_tests = "set -o pipefail; python3 -m unittest test_stats > test.log 2>&1"
    guard = "    if not values:\n        return 0\n    return sum(values)"
    here = f"{recording.project}/"
    script = Script(
        [
            [Text("I look at the code first."), Read(f"{here}stats.py")],
            [Text("The result is one too low."), Edit(f"{here}stats.py", "len(values) - 1", "len(values)")],
            [Text("A test keeps it fixed."), Write(f"{here}test_stats.py", test)],
            [Bash(run_tests)],
            [Text("No values is a case of its own."), Edit(f"{here}stats.py", "    return sum(values)", guard)],
            [Bash(f"{run_tests} && rm test.log")],
            [Write(f"{here}README.md", "# stats\n\n## mean(values)\n\nThe mean; 0 for no values.\n")],
            [Text("mean() is right now, has a test, and is described in the README.")],
        ]
    )
    return recording.run(script, "mean() in stats.py gives wrong results. Fix it, with a test, and document it.")


def demo_events(recording: Recording, session: str) -> Iterator[Json]:
    """The session event by event: what changed since the event before, then the payload."""
    files: dict[str, str] = recording.snapshots[0]["files"]
    known: list[Json] = []
    for snapshot in recording.snapshots:
        after, found = snapshot["files"], selected(snapshot["rows"], [session])
        effects = [{"write": name, "text": text} for name, text in after.items() if files.get(name) != text]
        effects += [{"delete": name} for name in files if name not in after]
        yield {
            "payload": snapshot["payload"],
            "effects": effects,
            "transcript": [_plain(row) for row in found if row not in known],
        }
        files, known = after, found
    yield {"transcript": [_plain(row) for row in rows(recording.database, [session]) if row not in known]}


def _plain(row: Json) -> Json:
    """Without what a session does not need to be read, and which changes at every step."""
    if row["table"] == "session":
        dropped = ("permission", "summary", "tokens", "cost", "metadata", "share")
        return {**row, "row": {key: value for key, value in row["row"].items() if not key.startswith(dropped)}}
    return row


def placed(value: Any, session: str) -> Any:
    """The recording with placeholders."""
    match value:
        case str():
            return value.replace(session, "{session}").replace(_PROJECT, "{root}")
        case list():
            return [placed(item, session) for item in value]
        case dict():
            return {key: placed(item, session) for key, item in value.items()}
        case _:
            return value


def write_payloads(folder: Path, payloads: Sequence[Json]) -> None:
    """One file per event, tool and outcome; every edit and command, no two are alike."""
    for payload in payloads:
        event, tool = payload["hook_event_name"], payload.get("tool_name")
        name = ".".join(part for part in (event, tool, "subagent" if "agent_id" in payload else None) if part)
        if tool in ("edit", "bash", "apply_patch"):
            numbered = (f"{name}-{number}" for number in range(2, 100))
            name = next(free for free in (name, *numbered) if not (folder / f"{free}.json").exists())
        if not (folder / f"{name}.json").exists():
            _write_json(folder / f"{name}.json", payload)


def write_transcript(folder: Path, name: str, database: Path, session: str, places: Mapping[str, str]) -> Neutral:
    """Keep a session of any database as a fixture; gives what makes the rest of it neutral."""
    found = rows(database, [session])
    neutral = Neutral(places)
    neutral.learn(found)
    _write_json(folder / f"{name}.json", {"session": neutral.apply(session), "rows": neutral.apply(found)})
    return neutral


def main() -> None:
    agent = install(OPENCODE)
    folder = _FIXTURES / agent.name / agent.version
    shutil.rmtree(folder / "payloads", ignore_errors=True)
    base = Path(tempfile.mkdtemp(prefix="hookkit-record-")).resolve()
    played = _PLAYED / f"{agent.name}.json"
    recording = Recording(agent, base / "tour")
    recording.repository({"README.md": "A project.\n", "old.txt": "one\ntwo\nthree\n", "gone.txt": "gone\n"})
    places = {str(recording.project): _PROJECT, str(recording.home): _HOME}
    for play in (tour, resumed, failed_request, compacted, patched):
        heard = len(recording.snapshots)
        session = play(recording)
        name = play.__name__.replace("_", "-")
        neutral = write_transcript(folder / "transcripts", name, recording.database, session, places)
        payloads = [snapshot["payload"] for snapshot in recording.snapshots[heard:]]
        write_payloads(folder / "payloads", [neutral.apply(payload) for payload in payloads])
    _write_json(folder / "schema.json", {"statements": schema(recording.database)})
    recording.close()
    recording = Recording(agent, base / "demo")
    session = demo(recording)
    time.sleep(1)
    events: list[Any] = [*demo_events(recording, session)]
    places = {str(recording.project): _PROJECT, str(recording.home): _HOME}
    neutral = Neutral(places, "{{time:{}}}".format)
    neutral.learn(events)
    events = neutral.apply(events)
    tail = events.pop()
    own = events[0]["payload"]["session_id"]
    document = {
        "agent": agent.name,
        "version": agent.version,
        "transcript": f"{_PLACE}/{{session}}",
        "database": schema(recording.database),
        "environment": {"XDG_DATA_HOME": "{scratch}", "OPENCODE": "1"},
        "files": recording.snapshots[0]["files"],
        "events": events,
        "after": tail,
    }
    document = placed(document, own)
    document["events"][0]["payload"]["session_id"] = own  # the rehearsal takes the session's id from there
    _write_json(played, document)
    recording.close()
    _refuse_traces_of_the_machine([played, *folder.rglob("*.json")], base)
    shutil.rmtree(base)


if __name__ == "__main__":
    main()
