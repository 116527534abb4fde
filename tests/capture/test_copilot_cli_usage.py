"""Copilot CLI's tokens are counted whether the answer to a request was kept or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_copilot_cli_parser import AGENT, USAGE, Session, ls, record_of

ONE = (50, 7, 30, 20)  # what USAGE is in the four buckets


def spent(made: Session, folder: Path) -> tuple[int, int, int, int]:
    metrics = record_of(made.write(folder)).metrics
    return (
        metrics.total_input_tokens,
        metrics.total_output_tokens,
        metrics.total_cache_read_tokens,
        metrics.total_cache_creation_tokens,
    )


def times(number: int) -> tuple[int, ...]:
    return tuple(number * tokens for tokens in ONE)


@pytest.mark.parametrize("end", ["abort", "session.error", "session.shutdown", None])
@pytest.mark.parametrize("answers", [0, 1])
def test_a_request_without_an_answer_counts(tmp_path: Path, end: str | None, answers: int) -> None:
    made = Session().prompt("x")
    if answers:
        made.answer("", ls()).done("c1")
    made.add("session.usage_record", usage=USAGE)
    if end:
        made.add(end, reason="user_abort", message="no")
    assert spent(made, tmp_path) == times(answers + 1)


def test_it_counts_once_when_the_session_goes_on(tmp_path: Path) -> None:
    made = Session().prompt("x").add("session.usage_record", usage=USAGE).add("abort", reason="user_abort")
    assert spent(made.prompt("y").answer("Yes."), tmp_path) == times(2)


def test_a_subagents_counts_too(tmp_path: Path) -> None:
    made = Session().prompt("x").answer("", ls()).add("session.usage_record", AGENT, usage=USAGE)
    assert spent(made.add("abort", reason="user_abort"), tmp_path) == times(2)
