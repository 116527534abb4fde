"""What an agent's parser makes of a session, before the hook lines join it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookkit.capture.fold.ledger import Ledger
from hookkit.capture.windows import CallEnd


def _no_input(_call_id: str) -> Mapping[str, Any] | None:
    return None


@dataclass(slots=True)
class Assembly:
    """The steps of a session in their final places, and what a record says besides.

    source: ``transcript`` or ``hook_lines``. steps: placed, canonical. ends: call id -> its end in the transcript.
    usage: input, output, cache read, cache write. ledger: the same by model. costs: step -> nano-dollars that it cost,
    as the agent says. span: see ``values.widen``. What is counted is without the steps that were copied from another
    session, which ``metadata["copied_steps"]`` names.
    last: how the main conversation stands (``prompt``, ``agent``, ``result``, ``error``, ``interrupted``, "").
    ended: the agent finished its turn by itself. end_us: time of the main conversation's last message.
    """

    source: str
    steps: list[bytes] = field(default_factory=list)
    ends: Mapping[str, CallEnd] = field(default_factory=dict)
    tool_input: Callable[[str], Mapping[str, Any] | None] = _no_input
    prompt: str | None = None
    prompt_source: str | None = None
    version: str | None = None
    branch: str | None = None
    cwd: str | None = None
    model: str | None = None
    models: list[str] = field(default_factory=list)
    usage: tuple[int, int, int, int] = (0, 0, 0, 0)
    ledger: Ledger = field(default_factory=Ledger)
    costs: Mapping[int, int] = field(default_factory=dict)
    span: list[Any] = field(default_factory=list)
    turns: int = 0
    tool_calls: int = 0
    failed_tool_calls: int = 0
    subagents: int = 0
    last: str = ""
    last_failed: bool = False
    ended: bool = False
    end_us: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    unknown_types: Mapping[str, int] = field(default_factory=dict)
