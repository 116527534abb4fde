"""Codex CLI: ``codex exec``, its hooks in ~/.codex/hooks.json, its sessions as rollout files."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..programs import AgentPackage
from ..script import Agent, Bash, Call, Edit, Read, Skill, ToolAction, Write
from ..wire import Json, Wire
from ..wires.responses import OpenAiResponses
from .base import Driver, Heard, Place, ToolUse, Unfinished, without

# A model that Codex lets call its tools one by one, and one that it lets write JavaScript which calls them.
DIRECT = "gpt-5.5"
CODE_MODE = "gpt-6.2-sol"

_DRAWN = re.compile(
    r"\b(?:fco|ctco|msg|rs|amsg|exec)[_-][0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|"
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|"
    r"(?<=Chunk ID: )[0-9a-f]+|(?<=Wall time: )[\d.]+|(?<=Wall time )[\d.]+|(?<=session ID )\d+"
)
_KEY = "SCRIPTED_MODEL_KEY"
# Codex cuts longer ones to this, with a warning; without any, these two get one second.
_SHORT = {"SessionEnd": 3, "Interrupt": 3}
_TRUST_SECONDS = 60
_FREE_FORM = frozenset({"apply_patch", "exec"})

_CONFIG = """\
model = "{model}"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "{server}/v1"
wire_api = "responses"
env_key = "{key}"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""


class CodexCli(Driver):
    """model: DIRECT or CODE_MODE. In code mode every action is a script of its own, and its hooks name made-up ids."""

    package = AgentPackage("codex-cli", "@openai/codex", "0.171.0", "codex")
    events = (
        "SessionStart",
        "UserPromptSubmit",
        "PreModelRequest",
        "PostModelRequest",
        "PreToolUse",
        "PermissionRequest",
        "PostToolUse",
        "PreCompact",
        "PostCompact",
        "SubagentStart",
        "SubagentStop",
        "Stop",
        "Interrupt",
        "SessionEnd",
    )

    install_options = ("--trust",)

    def __init__(self, model: str = DIRECT) -> None:
        self.model = model

    def wire(self) -> Wire:
        return OpenAiResponses(self.say, _wait_for_subagents)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Agent(name):
                return _spawn(name, action.prompt, offered)
            case Call(tool, arguments):
                free = tool in _FREE_FORM and set(arguments) == {"input"}
                return ToolUse(tool, str(arguments["input"]) if free else dict(arguments))
            case _:
                use = _direct(action)
                return use if "exec_command" in offered or "exec" not in offered else _script(use)

    def env(self, place: Place) -> dict[str, str]:
        return {_KEY: "dummy"}

    def configure(self, place: Place) -> None:
        self._home(place).mkdir(exist_ok=True)
        config = _CONFIG.format(model=self.model, server=place.server, key=_KEY)
        (self._home(place) / "config.toml").write_text(config, encoding="utf-8")

    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        """The session's id is Codex's to choose: without ``resume`` a ``session_id`` means nothing."""
        return [
            str(place.program),
            "exec",
            *(["resume"] if resume else []),
            "--skip-git-repo-check",
            "--json",
            "--dangerously-bypass-approvals-and-sandbox",
            *extra,
            *(["--last"] if resume and not session_id else []),
            "--",
            *([session_id] if resume and session_id else []),
            prompt,
        ]

    def settings(self, place: Place) -> Path:
        return self._home(place) / "hooks.json"

    def witness(self, place: Place, command: str) -> None:
        groups = {
            event: [{"hooks": [{"type": "command", "command": command, "timeout": _SHORT.get(event, 30)}]}]
            for event in self.events
        }
        self._home(place).mkdir(exist_ok=True)
        self.settings(place).write_text(json.dumps({"hooks": groups}, indent=2), encoding="utf-8")
        self.trust(place)

    def trust(self, place: Place) -> None:
        """Say yes to every hook registered now, as a user does in ``/hooks``; Codex passes over all others in silence.

        The flag that makes Codex run hooks unseen is not used: it adds messages to the output.
        """
        env = {"HOME": str(place.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        with _AppServer(place, env) as codex:
            untrusted = [hook for hook in codex.hooks() if hook["trustStatus"] != "trusted"]
            edits = [
                {
                    "keyPath": f"hooks.state.{_quoted(hook['key'])}",
                    "value": {"trusted_hash": hook["currentHash"]},
                    "mergeStrategy": "upsert",
                }
                for hook in untrusted
            ]
            codex.call("config/batchWrite", {"edits": edits, "reloadUserConfig": True})
            still = [hook["key"] for hook in codex.hooks() if hook["trustStatus"] != "trusted"]
        if still:
            raise RuntimeError(f"Codex does not trust {still}")

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        """Without the rollouts of subagents, which belong to their parent's session."""
        found = []
        for path in (self._home(place) / "sessions").rglob("rollout-*.jsonl"):
            with path.open(encoding="utf-8") as lines:
                meta = json.loads(next(lines))["payload"]
            if meta["id"] == meta["session_id"]:
                found.append((meta["timestamp"], meta["id"], path))
        for _, session, path in sorted(found):
            yield session, path

    def neutral(self, text: str) -> str:
        return _DRAWN.sub("#", text)

    def stable_answer(self, stdout: str) -> Any:
        """The lines of ``--json``. Commands of one answer begin, end and are numbered in whichever order it happens."""
        lines: list[Json] = []
        for is_command, group in groupby(map(json.loads, stdout.splitlines()), key=_is_command):
            found = [without(line, ("id",)) for line in group]
            lines += sorted(found, key=json.dumps) if is_command else found
        return lines

    def same_call(self, heard: Heard, tool: str, given: Json) -> bool:
        """The hooks call every shell ``Bash``, and what a tool is given as text ``command``.

        Of a patch that a script made, the rollout has the changes alone.
        """
        if tool == "exec_command":
            return (heard.tool, heard.input) == ("Bash", {"command": given.get("cmd")})
        if tool == "apply_patch" and "changes" in given:
            return heard.tool == tool
        if tool == "apply_patch":
            return (heard.tool, heard.input) == (tool, {"command": given.get("input")})
        return heard.tool is not None and heard.tool.endswith(tool) and heard.input == given

    def unfinished(self, place: Place) -> Unfinished:
        """A patch that does not apply: Codex checks it after the hooks of the call's beginning."""
        patch = "*** Begin Patch\n*** Update File: old.txt\n@@\n-nowhere\n+there\n*** End Patch\n"
        return Unfinished([Call("apply_patch", {"input": patch})])

    def parts(self, transcript: Path) -> dict[str, Path]:
        """A subagent's rollout lies beside the session's."""
        found = {"": transcript}
        session = transcript.stem[-36:]
        for path in sorted(transcript.parent.glob("rollout-*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                meta = json.loads(next(lines))["payload"]
            if meta["session_id"] == session != meta["id"]:
                found[path.name] = path
        return found

    @staticmethod
    def _home(place: Place) -> Path:
        return place.home / ".codex"


def _direct(action: Write | Edit | Read | Bash | Skill) -> ToolUse:
    match action:
        case Write(path, text):
            # A patch ends every line with a line feed.
            if text and (not text.endswith("\n") or "\r" in text):
                folder = shlex.quote(os.path.dirname(path) or ".")
                return _shell(f"mkdir -p {folder} && printf %s {shlex.quote(text)} > {shlex.quote(path)}")
            return _patch(f"*** Add File: {path}", [f"+{line}" for line in text.split("\n")[:-1]])
        case Edit(path, old, new, replace_all):
            return _patch(f"*** Update File: {path}", _hunks(_content(path), old, new, -1 if replace_all else 1))
        case Read(path):
            return _shell(f"cat {shlex.quote(path)}")
        case Bash(command):
            return _shell(command)
        case Skill(name, _):
            # Codex has no tool for skills: the model is told where they are and reads them.
            return _shell(f"cat ~/.agents/skills/{shlex.quote(name)}/SKILL.md")


def _is_command(line: Json) -> bool:
    return bool((line.get("item") or {}).get("type") == "command_execution")


def _shell(command: str) -> ToolUse:
    return ToolUse("exec_command", {"cmd": command})


def _patch(header: str, lines: Sequence[str]) -> ToolUse:
    return ToolUse("apply_patch", "\n".join(["*** Begin Patch", header, *lines, "*** End Patch"]) + "\n")


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _hunks(text: str, old: str, new: str, count: int) -> list[str]:
    """A patch knows whole lines only, so the lines around ``old`` come from the file, as a model has read them.

    Without ``old`` in the file the hunk asks for it all the same, and Codex refuses the patch.
    """
    after = text.replace(old, new, count)
    if after == text:
        return ["@@", *(f"-{line}" for line in old.splitlines()), *(f"+{line}" for line in new.splitlines())]
    was, will = _lines(text), _lines(after)
    matcher = difflib.SequenceMatcher(None, was, will, autojunk=False)
    groups = list(matcher.get_grouped_opcodes(3))
    if not _unambiguous(was, groups):
        groups = list(matcher.get_grouped_opcodes(len(was) + len(will)))
    hunks: list[str] = []
    for group in groups:
        hunks.append("@@")
        for tag, i, j, k, m in group:
            if tag == "equal":
                hunks += [f" {line}" for line in was[i:j]]
            else:
                hunks += [f"-{line}" for line in was[i:j]] + [f"+{line}" for line in will[k:m]]
    return hunks


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _unambiguous(was: list[str], groups: list[list[tuple[str, int, int, int, int]]]) -> bool:
    """Whether each hunk's old lines are first met, looking on from the hunk before, where they are meant to be."""
    at = 0
    for group in groups:
        first, last = group[0][1], group[-1][2]
        wanted = was[first:last]
        if next(n for n in range(at, first + 1) if was[n : n + len(wanted)] == wanted) != first:
            return False
        at = last
    return True


def _script(use: ToolUse) -> ToolUse:
    """The same call in code mode. What it prints leaves out ids and times, which differ from run to run."""
    if use.name == "exec_command":
        printed = "text(done.output); text(`exit code ${done.exit_code}`);"
        return ToolUse("exec", f"const done = await tools.exec_command({json.dumps(use.input)}); {printed}")
    return ToolUse("exec", f"text(await tools.{use.name}({json.dumps(use.input)}));")


def _spawn(name: str, prompt: str, offered: Collection[str]) -> ToolUse:
    if "collaboration.spawn_agent" in offered:
        task = re.sub(r"[^a-z0-9_]", "_", name.lower())
        return ToolUse("collaboration.spawn_agent", {"task_name": task, "message": prompt, "fork_turns": "none"})
    # Offered only after a search for it, but there from the start.
    return ToolUse("multi_agent_v1.spawn_agent", {"message": prompt})


def _wait_for_subagents(items: Sequence[Json]) -> ToolUse | None:
    """Codex starts subagents and goes on at once; the scripts are written for agents that wait."""
    spawned: list[str] = []
    answered: set[str] = set()
    told = ""
    calls = {item["call_id"]: item.get("name") for item in items if item.get("type") == "function_call"}
    for item in items:
        match item.get("type"):
            case "agent_message":
                answered.add(item["author"])
            case "message" if item.get("role") == "user":
                told += json.dumps(item["content"])
            case "function_call_output":
                answer = _json(item.get("output"))
                if calls.get(item["call_id"]) == "spawn_agent":
                    spawned += [answer[key] for key in ("agent_id", "task_name") if key in answer]
                elif calls.get(item["call_id"]) == "wait_agent":
                    if answer.get("timed_out"):
                        return None
                    told += json.dumps(answer.get("status"))
    # Of the older kind of subagent a notice with its id tells, of the newer kind a message from its path.
    waiting = [agent for agent in spawned if agent not in answered and (agent.startswith("/") or agent not in told)]
    if not waiting:
        return None
    if waiting[0].startswith("/"):
        return ToolUse("collaboration.wait_agent", {"timeout_ms": 60000})
    return ToolUse("multi_agent_v1.wait_agent", {"targets": waiting, "timeout_ms": 60000})


def _json(text: Any) -> Json:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _quoted(key: str) -> str:
    """One part of a key path; its quotes know no other escapes."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _AppServer:
    """``codex app-server``: what Codex's own interface asks for hooks and their trust, one JSON document a line."""

    def __init__(self, place: Place, env: dict[str, str]) -> None:
        self._project = str(place.project)
        self._process = subprocess.Popen(
            [str(place.program), "app-server"], cwd=place.project, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked, self._answers = self._process.stdin, self._process.stdout
        self._patience = threading.Timer(_TRUST_SECONDS, self._process.kill)
        self._patience.start()
        self._last = 0

    def __enter__(self) -> _AppServer:
        client = {"name": "hookkit-tests", "title": None, "version": "0"}
        self.call("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": True}})
        self._send({"method": "initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.close()
        self._process.wait()
        self._answers.close()
        self._patience.cancel()

    def hooks(self) -> list[Json]:
        (listed,) = self.call("hooks/list", {"cwds": [self._project]})["data"]
        if listed["errors"]:
            raise RuntimeError(f"Codex cannot list its hooks: {listed['errors']}")
        return list(listed["hooks"])

    def call(self, method: str, params: Json) -> Json:
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        for line in self._answers:
            answer = json.loads(line)
            if answer.get("id") == self._last and "method" not in answer:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: Json = answer["result"]
                return result
        raise RuntimeError(f"{method}: codex app-server ended without an answer")

    def _send(self, message: Json) -> None:
        self._asked.write(json.dumps(message) + "\n")
        self._asked.flush()
