"""What the scripted model says, independent of agent and wire format.

A script is a list of turns for the main conversation and one for every subagent conversation. A turn is one answer
of the model: a tuple of actions, all in one assistant message, so several calls in a turn are parallel calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAIN = "main"

# Put into a subagent's prompt, so that the server knows from the request alone whose turn it is.
_CONVERSATION = re.compile(r"\[\[conversation ([\w-]+)\]\]")
# Put into a compaction summary: the messages are gone afterwards, the count of the turns they held must survive.
_ANSWERED = re.compile(r"\[\[answered (\d+)\]\]")


@dataclass(frozen=True, slots=True)
class Text:
    """A text block."""

    text: str


@dataclass(frozen=True, slots=True)
class Write:
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    path: str
    old: str
    new: str
    replace_all: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    path: str


@dataclass(frozen=True, slots=True)
class Bash:
    command: str


@dataclass(frozen=True, slots=True)
class Agent:
    """Start the subagent conversation ``name``; its turns are ``Script.subagents[name]``."""

    name: str
    task: str = "Do your part."
    kind: str = "general-purpose"

    @property
    def prompt(self) -> str:
        return f"{self.task} [[conversation {self.name}]]"


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    args: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call spelled in the agent's own words, for what has no abstract action."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApiError:
    """Answer the request with this HTTP status instead of a message."""

    status: int
    message: str = "scripted failure"


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the answer, in seconds; the end of the server cuts it short."""

    seconds: float


ToolAction = Write | Edit | Read | Bash | Agent | Skill | Call
Action = Text | ApiError | Delay | ToolAction
Turn = Sequence[Action]


@dataclass(frozen=True, slots=True)
class Script:
    """Turns of the main conversation and of each subagent conversation.

    A conversation that is longer than its script is ended with the text "Done.".
    """

    turns: Sequence[Turn]
    subagents: Mapping[str, Sequence[Turn]] = field(default_factory=dict)

    def turn(self, conversation: str, index: int) -> Turn:
        turns = self.turns if conversation == MAIN else self.subagents[conversation]
        return turns[index] if index < len(turns) else (Text("Done."),)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a request stands: in which conversation, after how many answers of the model."""

    conversation: str
    answered: int


def conversation_of(first_prompt: str) -> str:
    """The conversation that a first user message belongs to."""
    found = _CONVERSATION.search(first_prompt)
    return found.group(1) if found else MAIN


def summary_text(position: Position) -> str:
    """The compaction summary of a conversation; ``answered_before`` reads the count back out of it."""
    return f"<summary>Work in progress. [[answered {position.answered}]]</summary>"


def answered_before(text: str) -> int:
    """How many turns were answered before the compaction whose summary is in ``text``; 0 without one."""
    return max((int(n) for n in _ANSWERED.findall(text)), default=0)
