"""One line of thought of a session: the main conversation, or one subagent's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stream:
    """What is kept of a stream while it is read.

    file: "" for the transcript itself, else the agent id whose file it comes from.
    agent: agent id, "" for the main conversation. Old transcripts hold subagents' lines inside the main file;
    those without an agent id go by the uuid of their first line.
    cells: numbers of its steps, in order. pending: a slash command whose nature the next lines will show.
    """

    file: str
    agent: str
    cells: list[int] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    first_prompt: str | None = None
    prompt_source: str | None = None
    turns: int = 0
    last: str = ""  # prompt, agent, result, error or interrupted
    last_stop: str | None = None
    last_failed: bool = False
    last_us: int = 0
    pending: dict[str, Any] | None = None
    skills: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    compactions: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    denials: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rank(self) -> tuple[str, str]:
        """The order of streams in a record, whatever order they were read in."""
        return (self.file, self.agent)

    def to_json(self) -> dict[str, Any]:
        """The fields by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Call:
    """A tool call: where it is, and whether its result is known.

    result_us: time of the result, microseconds since 1970; None if the result had none or is still missing.
    """

    stream: int
    cell: int
    state: str = "open"  # open, ok or failed
    result_us: int | None = None

    def row(self) -> list[Any]:
        return [self.stream, self.cell, self.state, self.result_us]
