"""What the programs that send telemetry call things: one table a program.

The names are those that the real programs sent (docs/telemetry.md). A name that is in no table is kept, as ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "prompt", "response", "request", "request_error", "tool", "decision", "compaction", "subagent", "hook", "metric",
    "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """How a program says things.

    agent: hookkit's name of it; "": the name of the service. kinds: name of an event or a span -> what it is.
    columns: column -> attributes that hold it, the first that is there. inclusive: whether its count of input tokens
    includes those that were read from the cache. spans_count: whether its requests and calls are told by spans; else
    by events, and spans only say how long they took. thoughts: the attribute with tokens of thoughts, where they are
    counted beside the output and not within.
    """

    agent: str = ""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inclusive: bool = False
    spans_count: bool = False
    thoughts: str = ""


# The semantic conventions of OpenTelemetry for generative AI, and what is common besides.
_COMMON: Mapping[str, tuple[str, ...]] = {
    "session_id": ("session.id", "conversation.id", "gen_ai.conversation.id", "session_id"),
    "prompt_id": ("prompt.id", "prompt_id"),
    "sequence": ("event.sequence",),
    "tool_use_id": ("tool_use_id", "call_id", "gen_ai.tool.call.id"),
    "tool_name": ("tool_name", "gen_ai.tool.name", "function_name"),
    "model": ("model", "gen_ai.response.model", "gen_ai.request.model"),
    "agent_name": ("agent.name", "gen_ai.agent.name", "agent_name", "subagent_name", "query_source"),
    "duration_ms": ("duration_ms", "total_duration_ms"),
    "input_tokens": ("input_tokens", "input_token_count", "gen_ai.usage.input_tokens"),
    "output_tokens": ("output_tokens", "output_token_count", "gen_ai.usage.output_tokens"),
    "cache_read_tokens": (
        "cache_read_tokens", "cached_token_count", "cached_content_token_count", "gen_ai.usage.cache_read.input_tokens",
    ),
    "cache_creation_tokens": (
        "cache_creation_tokens", "cache_write_token_count", "gen_ai.usage.cache_creation.input_tokens",
    ),
    "success": ("success",),
    "decision": ("decision", "decision_type"),
    "decision_source": ("decision_source", "source"),
    "error": ("error", "error_type", "error.message", "error.type", "exception.message"),
    "prompt_length": ("prompt_length",),
    "terminal": ("terminal.type",),
}  # fmt: skip

_CLAUDE = Program(
    "claude-code",
    {
        "claude_code.user_prompt": "prompt",
        "claude_code.assistant_response": "response",
        "claude_code.api_request": "request",
        "claude_code.api_error": "request_error",
        "claude_code.api_refusal": "request_error",
        "claude_code.api_retries_exhausted": "request_error",
        "claude_code.tool_result": "tool",
        "claude_code.tool_decision": "decision",
        "claude_code.compaction": "compaction",
        "claude_code.subagent_completed": "subagent",
        "claude_code.hook_registered": "hook",
        "claude_code.hook_execution_start": "hook",
        "claude_code.hook_execution_complete": "hook",
    },
    _COMMON,
)
_CODEX = Program(
    "codex-cli",
    {
        "codex.user_prompt": "prompt",
        "codex.sse_event": "request",  # only the one that says what was used: see ``rows``
        "codex.api_request": "other",  # unless it failed, see ``rows``; what was used comes with the response
        "codex.tool_result": "tool",
        "codex.tool_decision": "decision",
    },
    {**_COMMON, "session_id": ("conversation.id", "session.id")},
    inclusive=True,
)
_GEMINI = Program(
    "gemini-cli",
    {
        "gemini_cli.user_prompt": "prompt",
        "gemini_cli.api_response": "request",
        "gemini_cli.api_error": "request_error",
        "gemini_cli.tool_call": "tool",
        "gemini_cli.agent.start": "subagent",
        "gemini_cli.agent.finish": "subagent",
        "gemini_cli.chat_compression": "compaction",
        "gemini_cli.hook_call": "hook",
    },
    _COMMON,
    inclusive=True,
    thoughts="thoughts_token_count",
)
_QWEN = Program(
    "qwen-code",
    {name.replace("gemini_cli", "qwen-code"): kind for name, kind in _GEMINI.kinds.items()}
    | {"qwen-code.subagent_execution": "subagent"},
    _COMMON,
    inclusive=True,
)
_COPILOT = Program("copilot-cli", {}, _COMMON, inclusive=True, spans_count=True)
_OTHER = Program("", {}, _COMMON, inclusive=True, spans_count=True)

# How the names of a program's events and metrics begin: a service can be renamed, they cannot.
_BEGINNINGS: Mapping[str, Program] = {
    "claude_code.": _CLAUDE,
    "codex.": _CODEX,
    "gemini_cli.": _GEMINI,
    "qwen-code.": _QWEN,
    "github.copilot.": _COPILOT,
}
_SERVICES: Mapping[str, Program] = {
    "claude-code": _CLAUDE,
    "claude-code-desktop": _CLAUDE,
    "codex_cli_rs": _CODEX,
    "codex_exec": _CODEX,
    "codex_tui": _CODEX,
    "gemini-cli": _GEMINI,
    "qwen-code": _QWEN,
    "github-copilot": _COPILOT,
    "github-copilot-cli": _COPILOT,
    "copilot-cli": _COPILOT,
}

# Operations of the semantic conventions, in ``gen_ai.operation.name``.
OPERATIONS: Mapping[str, Kind] = {
    "chat": "request",
    "text_completion": "request",
    "generate_content": "request",
    "execute_tool": "tool",
    "invoke_agent": "subagent",
}


def program(service: str, name: str) -> Program:
    """Whose event, span or metric it is, by the service that sends it and by its name."""
    known = _SERVICES.get(service)
    if known is not None:
        return known
    return next((found for start, found in _BEGINNINGS.items() if name.startswith(start)), _OTHER)
