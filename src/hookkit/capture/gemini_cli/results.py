"""What Gemini CLI says in a message, and how a call of it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.values import count, text_of

SHELL = "run_shell_command"
GROUP = "Process Group PGID"
_OPENED, _CLOSED = "<untrusted_context>\nOutput: ", "\n</untrusted_context>"
_FAILED = ("Exit Code", "Signal")
_ENDING = frozenset({*_FAILED, "Error", "Background PIDs", GROUP})
# What the agent adds to a prompt, in parts of their own.
_ADDED = ("\n<system_note>", "\n--- Content from referenced files ---", "<hook_context>")
# Whole messages of type "user" that nobody typed.
_INJECTED = (
    "<session_context>",
    "<hook_context>",
    "System: Potential loop detected.",
    "You have stopped calling tools without finishing.",
)
_GO_ON = "Please continue."


def text_in(content: object) -> str:
    """The text of a message, without the model's thoughts."""
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_part, content if isinstance(content, list) else ())))


def prompt_in(entry: Mapping[str, Any]) -> str:
    """What the user typed; "" for a message that nobody did."""
    parts = entry.get("content")
    typed = text_in(entry.get("displayContent"))
    if typed:
        return typed
    if isinstance(parts, list):
        added = next((at for at, part in enumerate(parts) if _part(part).startswith(_ADDED)), len(parts))
        parts = parts[:added]
    text = text_in(parts)
    return "" if text.startswith(_INJECTED) or text == _GO_ON else text


def is_results(content: object) -> bool:
    """Whether a message holds the results of calls, as they were sent to the model."""
    return isinstance(content, list) and any(
        isinstance(part, Mapping) and "functionResponse" in part for part in content
    )


def result_in(result: object) -> str:
    """What the model was told of a call: its output, or its error."""
    found = []
    for part in result if isinstance(result, list) else []:
        answer = part.get("functionResponse") if isinstance(part, Mapping) else None
        response = answer.get("response") if isinstance(answer, Mapping) else None
        if isinstance(response, Mapping):
            told = response.get("error", response.get("output"))
            found.append(told if isinstance(told, str) else "" if told is None else str(told))
    return "\n".join(found)


def ending(text: str, shown: object) -> Mapping[str, str]:
    """The lines that the agent puts below what a command printed: exit code, signal, process group.

    shown: what the user saw of it. The same reading is in hookkit_gemini_events.
    """
    if not text.endswith(_CLOSED):
        return {}
    text = text[: -len(_CLOSED)]
    if isinstance(shown, str) and shown and text.startswith(_OPENED + shown):
        text = text[len(_OPENED + shown) :]  # what was printed may look like such lines
    found: dict[str, str] = {}
    for line in reversed(text.split("\n")):
        name, colon, value = line.partition(": ")
        if not colon or name not in _ENDING or name in found:
            break
        found[name] = value.strip()
    return found


def failure(found: Mapping[str, str]) -> str | None:
    """How a command failed, from its ``ending``; None where it did not."""
    return next((f"{name}: {found[name]}" for name in _FAILED if found.get(name, "0") != "0"), None)


def buckets(tokens: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write. Gemini's input holds the cached tokens, its output not the thoughts."""
    if not isinstance(tokens, Mapping):
        return (0, 0, 0, 0)
    given, made, read, thoughts, tool = (
        count(tokens.get(key)) for key in ("input", "output", "cached", "thoughts", "tool")
    )
    return (max(0, given - read) + tool, made + thoughts, read, 0)


def thoughts_in(entry: Mapping[str, Any]) -> str:
    """The model's thoughts of a message."""
    thoughts = entry.get("thoughts")
    return "\n".join(filter(None, map(_thought, thoughts if isinstance(thoughts, list) else ())))


def _thought(thought: object) -> str:
    if not isinstance(thought, Mapping):
        return ""
    return ": ".join(part for part in map(text_of, (thought.get("subject"), thought.get("description"))) if part)


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("thought") is True:
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return "[file]" if "inlineData" in part or "fileData" in part else ""
