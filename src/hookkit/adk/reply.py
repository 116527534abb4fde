"""What a model's answer says, in ADK's shape and in ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.adk.models.llm_response import LlmResponse
from google.genai import types

from hookkit.runlog.run import Reply


def parts_of(answer: LlmResponse) -> list[types.Part]:
    return (answer.content.parts if answer.content else None) or []


def text_of(content: types.Content | None) -> str:
    return "\n".join(_shown(content.parts or ())) if content else ""


def _shown(parts: Iterable[types.Part]) -> Iterator[str]:
    """The texts of parts; a placeholder for what is no text."""
    for part in parts:
        if part.text:
            yield part.text
        elif part.inline_data or part.file_data:
            yield f"[{(part.inline_data or part.file_data).mime_type}]"
        elif part.executable_code:
            yield part.executable_code.code or ""
        elif part.code_execution_result:
            yield part.code_execution_result.output or ""


def reply_of(answer: LlmResponse) -> Reply:
    parts = parts_of(answer)
    usage, finish = answer.usage_metadata, answer.finish_reason
    return Reply(
        text="".join(_shown(part for part in parts if not part.thought)),
        thought="".join(_shown(part for part in parts if part.thought)),
        calls=[
            {"tool_call_id": call.id, "tool_name": call.name, "tool_args": call.args or {}}
            for part in parts
            if (call := part.function_call) is not None
        ],
        tokens=_tokens(usage) if usage else {},
        model=getattr(answer, "model_version", None),
        finish_reason=getattr(finish, "value", finish),
        error_code=answer.error_code,
        error_message=answer.error_message,
    )


def _tokens(usage: types.GenerateContentResponseUsageMetadata) -> dict[str, int]:
    thoughts = usage.thoughts_token_count or 0
    return {
        "input_tokens": (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        "output_tokens": (usage.candidates_token_count or 0) + thoughts,
        "total_tokens": usage.total_token_count or 0,
        "cached_tokens": usage.cached_content_token_count or 0,
        "thought_tokens": thoughts,
    }
