"""Tokens: what a scripted answer says it cost, in the words of each API, and the four buckets that a trace counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

from .wire import Json

_NAMES = ("usage", "usageMetadata")


@dataclass(frozen=True, slots=True)
class Usage:
    """input: what was read and not cached."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def handed_out(body: bytes) -> Json:
    """The usage that an answer tells; of a stream, the last word on each field. Empty where it tells none."""
    told: Json = {}
    for document in _documents(body):
        for found in _usages(document):
            told.update(found)
    return told


def buckets(told: Json) -> Usage:
    """The buckets as each API means them: the first counts cached tokens apart, the others within what was read.

    Thoughts are part of what was written; one API counts them within, another one beside it.
    """
    if "promptTokenCount" in told:
        cached = told.get("cachedContentTokenCount") or 0
        output = (told.get("candidatesTokenCount") or 0) + (told.get("thoughtsTokenCount") or 0)
        return Usage(told["promptTokenCount"] - cached, output, cached)
    if "prompt_tokens" in told:
        cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return Usage(told["prompt_tokens"] - cached, told["completion_tokens"], cached)
    if "input_tokens_details" in told:
        cached = told["input_tokens_details"].get("cached_tokens") or 0
        return Usage(told["input_tokens"] - cached, told["output_tokens"], cached)
    return Usage(
        told.get("input_tokens") or 0,
        told.get("output_tokens") or 0,
        told.get("cache_read_input_tokens") or 0,
        told.get("cache_creation_input_tokens") or 0,
    )


def total(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())


def _documents(body: bytes) -> Iterator[Any]:
    text = body.decode()
    if not text.startswith(("event:", "data:")):
        yield json.loads(text)
        return
    for line in text.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _usages(document: Any) -> Iterator[Json]:
    """Usage objects of a document, not deeper than the envelope around a message."""
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if key in _NAMES and isinstance(value, dict):
            yield value
        elif key in ("message", "response"):
            yield from _usages(value)
