"""What hookkit knows of an agent: one frozen table that drives installer, hooks, parser dispatch, doctor and docs.

The facts carry their evidence: which version was run, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal[
    "session_start", "session_end", "prompt", "tool_pre", "tool_post", "tool_failure",
    "subagent_start", "subagent_stop", "compact_pre", "compact_post", "turn_end", "turn_failure",
]  # fmt: skip
Scope = Literal["user", "project", "local"]
Places = Mapping[Scope, Callable[[Mapping[str, str], Path], Path]]


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One event of the agent: its own name, what it means to hookkit, its timeout in the agent's unit."""

    name: str
    role: Role
    timeout: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the contract was checked: ``run`` = the real program was run; ``documented`` = read only."""

    level: Literal["run", "documented"]
    version: str
    date: str  # ISO 8601

    def __str__(self) -> str:
        if self.level == "run":
            return f"checked by running {self.version} on {self.date}"
        return f"documented, not run ({self.version}, {self.date})"


def command_handler(command: str, event: HookEvent) -> dict[str, object]:
    """The registered handler in the form that most agents share."""
    return {"type": "command", "command": command, "timeout": event.timeout}


@dataclass(frozen=True, slots=True)
class Switch:
    """A value in a settings file that keeps hooks from running. path: the keys that lead to it.

    off: the value; where there is a list, it keeps hooks from running if it holds the value.
    """

    path: tuple[str, ...]
    off: object


@dataclass(frozen=True, slots=True)
class SettingsWiring:
    """Hooks that are registered as shell commands in a JSON file, below its key ``hooks``.

    places: scope -> function of (environment, project folder) giving the settings file.
    schema: name of the JSON Schema (schemas/<schema>.schema.json, or that file in hooks_package) of the file.
    handler: the handler of an event; command_key: the key of the handler that holds the command.
    flat: handlers stand in the event's list themselves; otherwise each in a group, ``{"hooks": [handler]}``.
    root: keys with their values that the file must have besides, such as a version.
    positional: an entry's place is part of its identity, so what is taken out leaves an empty group behind.
    comments: whether the agent itself reads a file that holds comments or trailing commas.
    skips_invalid: whether one invalid handler makes the agent skip the whole file.
    managed: machine-wide policy files that can forbid hooks, in order. switches: see Switch.
    """

    places: Places
    schema: str
    timeout_unit: Literal["s", "ms"] = "s"
    handler: Callable[[str, HookEvent], Mapping[str, object]] = command_handler
    command_key: str = "command"
    flat: bool = False
    root: Mapping[str, object] = field(default_factory=dict)
    positional: bool = False
    comments: bool = False
    skips_invalid: bool = True
    managed: tuple[Path, ...] = ()
    switches: tuple[Switch, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtensionWiring:
    """One file of ours in a folder from which the agent loads extensions by itself.

    places: scope -> function of (environment, project folder) giving the file.
    template: name of the file in hooks/; ``{{interpreter}}`` and ``{{script}}`` in it become JSON strings.
    """

    places: Places
    template: str
    timeout_unit: Literal["s", "ms"] = "ms"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where telemetry is sent. protocol: grpc, http/protobuf or http/json. endpoint: a URL without a path."""

    protocol: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class TelemetryWiring:
    """How an agent is told to send its telemetry by OTLP.

    file: function of the environment giving the user's settings file; None: by environment variables alone.
    values: function of a destination giving what belongs in that file, path of two keys -> value; where there is no
    file, variable -> value, under a key of its own. protocols: those that the agent speaks, the preferred first.
    unset: what may stand at these places as if nothing did.
    overriding: environment variables that win over the file, by how they begin; first: but not those that it sets.
    beside: function of the project's folder giving files that some versions of the agent go by instead.
    """

    file: Callable[[Mapping[str, str]], Path] | None
    values: Callable[[Destination], Mapping[tuple[str, str], object]]
    protocols: tuple[str, ...] = ("grpc", "http/protobuf", "http/json")
    syntax: Literal["json", "toml"] = "json"
    unset: tuple[object, ...] = ()
    overriding: tuple[str, ...] = ()
    first: bool = False
    beside: Callable[[Path], Sequence[Path]] = lambda _project: ()


@dataclass(frozen=True, slots=True)
class Resuming:
    """How an agent takes a session up again.

    command: function of the session id giving the program's arguments. same_folder: whether it must be started in the
    folder that the session was started in. at_step: "module:function" that makes a copy of a session that ends at a
    step (a ``capture.resume.Cut``), or None where the agent's sessions cannot be cut.
    """

    command: Callable[[str], Sequence[str]]
    same_folder: bool = True
    at_step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSource:
    """Whose sessions hookkit reads: an agent with hooks, or one that keeps a log of its own.

    transcripts: function of the environment giving the folder that holds the agent's sessions.
    parser: "module:class" of the SessionParser, imported on first use.
    call_ids: whether the hooks' call ids are those of the transcript ("transcript"), only pair the hooks of one call
        ("hook"), or are not there at all ("none"): then calls are told by tool, input and order.
    tool_names: the hooks' name of a tool -> the transcript's, where they differ.
    """

    name: str
    title: str
    transcripts: Callable[[Mapping[str, str]], Path]
    parser: str
    call_ids: Literal["transcript", "hook", "none"] = "transcript"
    tool_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContract(SessionSource):
    """The contract of one agent whose hooks hookkit installs.

    hook_entry: the script the agent runs; hook_files: every file of hooks/ that it needs beside it, itself included.
    hooks_package: where these files are, besides the ones that all agents share.
    lines: where hooks write their lines: the session's own transcript, once it exists, and before that the sidecar in
        the worktree ("transcript"); always that sidecar ("worktree"); or one in the user's state folder ("state"). It
        is what the events module of the agent's hooks calls LINES.
    probe: "module:name" of what else install, status and doctor must ask; see installer.probes.
    writes: function of a tool's name and input giving the paths that the call may write, as they were given; () for a
        tool that writes no file of a worktree, None for one that may write anything, as every unknown tool may.
    containers: tools whose windows hold the windows of other calls, and that write nothing beside those.
    background: whether a call goes on after its window was closed.
    brings_back: whether a call may bring back content that git keeps, such as ``git stash pop`` in a shell.
    resuming: how a session is taken up again; None: the agent cannot. skills: the user's folder of agent skills.
    telemetry: how it is told to send its telemetry; None: it has none that hookkit knows.
    """

    program: str
    hook_entry: str
    hook_files: tuple[str, ...]
    events: tuple[HookEvent, ...]
    wiring: SettingsWiring | ExtensionWiring
    config_home: Callable[[Mapping[str, str]], Path]
    session_field: str = "session_id"
    turn_field: str | None = None
    call_field: str | None
    lines: Literal["transcript", "worktree", "state"] = "worktree"
    trust: str
    probe: str | None = None
    writes: Callable[[str, Mapping[str, Any]], tuple[str, ...] | None]
    containers: frozenset[str] = frozenset()
    background: Callable[[str, Mapping[str, Any]], bool]
    brings_back: Callable[[str, Mapping[str, Any]], bool]
    resuming: Resuming | None = None
    skills: Callable[[Mapping[str, str]], Path] | None = None
    telemetry: TelemetryWiring | None = None
    evidence: Evidence
    hooks_package: str = "hookkit.hooks"

    @property
    def places(self) -> Places:
        """Scope -> where the hooks are put."""
        return self.wiring.places


def home_of(env: Mapping[str, str]) -> Path:
    """The user's home folder in an environment."""
    return Path(env.get("HOME") or Path.home())
