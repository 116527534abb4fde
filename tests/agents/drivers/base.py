"""How the tests run one agent: offline, headless, with a fresh HOME, against a scripted model server on loopback."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..programs import AgentPackage
from ..script import Agent, Bash, Edit, Read, Script, Text, ToolAction, Turn, Write
from ..usage import Usage, buckets
from ..wire import Json, Wire

# What hookkit calls the events of every agent.
CANONICAL = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "SubagentStart",
    "SubagentStop",
    "PreCompact",
    "PostCompact",
    "Stop",
    "StopFailure",
    "SessionEnd",
)

# Where the APIs keep the messages of a request.
_CONVERSATIONS = ("messages", "input", "contents")
_OURS = re.compile(r"hookkit_\w+\.py|\bhookkit\.(?:ts|js|mjs)\b")


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call as the agent's model would send it. input: an object, or the text of a free-form tool."""

    name: str
    input: dict[str, Any] | str


# (action, names of the tools that the request offers) -> the call
Say = Callable[[ToolAction, Collection[str]], ToolUse]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a driver acts: the fresh home, the project, and the model server's URL (no trailing slash)."""

    home: Path
    project: Path
    server: str
    program: Path


@dataclass(frozen=True, slots=True)
class Heard:
    """A payload in hookkit's words. event: one of CANONICAL; own: the agent's name of it.

    call: the id that the payload gives the call, None where it gives none; subagent: whose event it is, None for the
    main agent.
    """

    event: str
    own: str
    session: str
    tool: str | None = None
    call: str | None = None
    input: Json = field(default_factory=dict)
    subagent: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A way to a call that begins and never ends. extra: of the command line."""

    turn: Turn
    extra: Sequence[str] = ()


def without(value: Any, names: Collection[str]) -> Any:
    """A copy of a JSON value without the fields of these names, at any depth."""
    match value:
        case list():
            return [without(item, names) for item in value]
        case dict():
            return {key: without(item, names) for key, item in value.items() if key not in names}
        case _:
            return value


class Driver(ABC):
    """One agent. Nothing here knows hookkit, but for its words: a driver runs the agent as any user could.

    chooses_session: whether the caller can choose the session id. events: every event that a command hook of somebody
    else (the witness) can be registered for; () for an agent without command hooks.
    canonical: the agent's name of an event -> hookkit's, where it is another; see ``event``.
    call_ids: whether the payloads' call ids are those of the transcript ("transcript"), only the same in all payloads
    of one call ("hook"), or not there at all ("none").
    tells_of_running_calls: whether the session's file names a call before it has ended.
    install_options: what a user adds to ``hookkit install`` so that the hooks run without any further question.
    compact: the prompt that makes the agent compact the conversation, where it has one.
    """

    package: ClassVar[AgentPackage]
    events: ClassVar[tuple[str, ...]] = ()
    chooses_session: ClassVar[bool] = False
    canonical: ClassVar[Mapping[str, str]] = {}
    call_ids: ClassVar[Literal["transcript", "hook", "none"]] = "transcript"
    tells_of_running_calls: ClassVar[bool] = True
    install_options: ClassVar[tuple[str, ...]] = ()
    compact: ClassVar[str | None] = None

    @abstractmethod
    def wire(self) -> Wire:
        """The model API that the agent speaks."""

    @abstractmethod
    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        """An abstract action in the agent's own tools; ``offered``: names of the tools that the request offers."""

    @abstractmethod
    def env(self, place: Place) -> dict[str, str]:
        """The agent's own part of the environment; HOME, PATH and LANG come from the sandbox."""

    def configure(self, place: Place) -> None:  # noqa: B027 -- an agent may need nothing
        """Write what the agent needs below its home to run against the server: once, before the first run."""

    @abstractmethod
    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        """The headless command line. session_id: the one to use or, with ``resume``, to go on with."""

    @abstractmethod
    def settings(self, place: Place) -> Path:
        """The user's file that holds hooks, or the folder of extensions' file that hookkit puts there."""

    def witness(self, place: Place, command: str) -> None:
        """Register ``command`` (a shell command, payload on stdin) for every event, as somebody else's hook."""
        raise NotImplementedError(f"{self.package.name} has no command hooks")

    @abstractmethod
    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        """(session id, transcript) of every session that the agent kept, the oldest first; one database for all."""

    # What the agent tells its hooks

    def event(self, payload: Json) -> str | None:
        """hookkit's name of the event; None for one that hookkit does not ask for."""
        own = str(payload.get("hook_event_name"))
        name = self.canonical.get(own, own)
        return name if name in CANONICAL else None

    def hear(self, payload: Json) -> Heard | None:
        """The payload in hookkit's words; None for an event that hookkit does not ask for."""
        event = self.event(payload)
        if event is None:
            return None
        return Heard(
            event,
            str(payload.get("hook_event_name", event)),
            str(payload.get("session_id")),
            payload.get("tool_name"),
            payload.get("tool_use_id"),
            payload.get("tool_input") or {},
            payload.get("agent_id"),
        )

    def same_call(self, heard: Heard, tool: str, given: Any) -> bool:
        """Whether a call of the transcript is the one of a payload, to which the agent may give other names."""
        return (heard.tool, heard.input) == (tool, given)

    # What tells two runs of one script apart, though nothing of it matters

    def neutral(self, text: str) -> str:
        """A text without what the agent drew, measured, or says about the hooks that are there.

        Paths of the sandbox, the server's address and a session id that the agent chose are gone already.
        """
        return text

    def stable_answer(self, stdout: str) -> Any:
        """What the agent printed, without what it drew or measured."""
        return stdout

    def shown(self, request: Json) -> Any:
        """What a request shows the model: the conversation, but not the settings of the agent around it."""
        return next((request[key] for key in _CONVERSATIONS if key in request), None)

    def notes_hooks(self, record: Json) -> bool:
        """Whether a record of the transcript says something about hookkit's hooks."""
        return _OURS.search(json.dumps(record)) is not None

    # What scenarios need to know

    def usage(self, told: Json) -> Usage:
        """The four buckets of the usage that the wire handed out with one answer."""
        return buckets(told)

    def unfinished(self, place: Place) -> Unfinished | None:
        """A turn whose call begins and has no event after it; None where only killing the agent leads there."""
        return None

    def has_subagents(self) -> bool:
        """Whether the agent can start subagents."""
        try:
            self.say(Agent("any"), ())
        except ValueError:
            return False
        return True

    def parts(self, transcript: Path) -> dict[str, Path]:
        """The files of a session: "" is its own, the others its subagents', by name."""
        return {"": transcript}

    def tour(self, place: Place) -> Script:
        """A session with every tool that matters to hookkit, to be recorded as a fixture; see record.tour."""
        here = f"{place.project}/"
        turns: list[Turn] = [
            [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\n")],
            [Read(f"{here}a.txt")],
            [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
            [Edit(f"{here}a.txt", "three\n", "")],
            [Bash("echo changed > old.txt; ls missing"), Bash("mkdir -p sub && cd sub && pwd")],
            [Read(f"{here}old.txt"), Read(f"{here}README.md")],
        ]
        if not self.has_subagents():
            return Script([*turns, [Text("Everything is done.")]])
        subagents: dict[str, Sequence[Turn]] = {
            "sub": [[Bash("echo sub > sub.txt")], [Write(f"{here}inner.txt", "inner\n")], [Text("Sub is done.")]]
        }
        return Script([*turns, [Agent("sub")], [Text("Everything is done.")]], subagents)
