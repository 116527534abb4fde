"""What holds of a session in every format: nothing secret, the same bytes, nothing lost on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.errors import HookkitError
from hookkit.exporters.formats import BINARY, FORMATS, WITH_DIFFS
from hookkit.exporters.source import Source
from hookkit.redaction import MARK
from tests.exporters.sessions import NAMES, PATCH, Patches, hostile, made, record, text

SECRETS = (
    "sk-ant-api03-abcdefghijklmnopqrstuvwx",
    "ghp_" + "a1" * 18,
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
)
TEXTS = sorted(set(FORMATS) - BINARY)


def test_what_is_said_of_formats_is_said_of_formats_that_exist() -> None:
    assert set(FORMATS) >= BINARY | WITH_DIFFS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_session_gives_the_same_bytes(form: str, name: str) -> None:
    found = made(form, Source(record(name)))
    assert found == made(form, Source(record(name)))
    assert found


@pytest.mark.parametrize("name", NAMES)
def test_json_is_a_valid_record_that_says_that_it_was_redacted(name: str) -> None:
    given = record(name)
    given["steps"][0]["content"] += f" {SECRETS[0]} {SECRETS[1]}"
    told = json.loads(made("json", Source(given)))
    model = TraceRecord.model_validate(told)
    assert (model.security.scanned, model.security.redactions_applied) == (True, 2)
    assert model.content_hash == model.compute_content_hash()
    expected = TraceRecord.model_validate(given)
    expected.security, expected.content_hash = model.security, model.content_hash
    expected.steps[0].content = (given["steps"][0]["content"]).replace(SECRETS[0], MARK).replace(SECRETS[1], MARK)
    assert model == expected


@pytest.mark.parametrize("name", NAMES)
def test_json_without_redaction_is_the_record(name: str) -> None:
    given = record(name)
    given["steps"][0]["content"] += f" {SECRETS[0]}"
    assert json.loads(made("json", Source(given, redacted=False))) == given


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a text that somebody said: what was written, given, answered."""
    yield from ((step, key) for step in value["steps"] for key in ("content", "reasoning_content"))
    for step in value["steps"]:
        for call in step["tool_calls"]:
            yield from ((call["input"], key) for key in (*call["input"], "new key"))
            yield call["input"].setdefault("deep", [{}])[0], "deeper"
            yield value["metadata"]["hook_pre_tool_use"].setdefault(call["tool_call_id"], {}), "tool_input"
        for observation in step["observations"]:
            yield from ((observation, key) for key in ("content", "output_summary", "error"))
    yield value["task"], "description"
    yield value["outcome"], "description"
    yield value["environment"]["vcs"], "branch"
    yield value["metadata"], "anything else"
    yield value["metadata"].setdefault("session_errors", [{}])[0], "message"
    yield value["system_prompts"], "0" * 64


@settings(max_examples=15, deadline=None)
@given(st.data(), st.sampled_from(SECRETS), st.text(max_size=8), st.text(max_size=8))
def test_a_secret_leaves_in_no_format_wherever_it_was(data: Any, secret: str, before: str, after: str) -> None:
    name = data.draw(st.sampled_from(NAMES))
    given = record(name)
    holder, key = data.draw(st.sampled_from([*_places(given)]))
    if data.draw(st.booleans()):
        holder[key] = f"{before} {secret} {after}"
    else:
        secret = "correct horse battery"
        holder[key] = f'{before} {{"password": "{secret}"}} {after}'
    for form in TEXTS:
        source = Source(given, diffs=Patches(f"+token = '{secret}'\n-export API_KEY={secret.split()[0]}\n"))
        told = text(form, source).replace("\\", "")
        assert secret not in told, form
        assert source.redactions
    assert any(secret in text(form, Source(given, redacted=False)) for form in ("json", "jsonl"))


def test_a_key_that_names_a_secret_hides_its_value_in_every_format() -> None:
    given = record("claude-code")
    given["steps"][1]["tool_calls"][0]["input"]["api_key"] = "hunter2"
    for form in TEXTS:
        assert "hunter2" not in text(form, Source(given)), form


@pytest.mark.parametrize("form", sorted(WITH_DIFFS))
def test_secrets_in_diffs_go_and_are_counted(form: str) -> None:
    source = Source(record("pi"), diffs=Patches(PATCH.replace("old", SECRETS[0])))
    assert source.redactions == 0
    assert SECRETS[0] not in text(form, source)
    assert source.redactions == sum(len(step["tool_calls"]) for step in source.record["steps"])


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_a_session_says_it_can_be_written(form: str) -> None:
    source = Source(hostile(), diffs=Patches())
    told = made(form, source)
    if form not in BINARY:
        assert "<" in told.decode("utf-8")
    if form in WITH_DIFFS:  # what is read by people may end up on a terminal
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", told.decode("utf-8"))


@pytest.mark.parametrize("form", sorted({*FORMATS} - {"atif"}))
def test_a_session_of_which_no_step_is_known_can_be_written(form: str) -> None:
    assert made(form, Source(record("claude-code") | {"steps": []}))


def test_atif_has_no_word_for_a_session_without_a_step() -> None:
    with pytest.raises(HookkitError, match="no steps"):
        made("atif", Source(record("claude-code") | {"steps": []}))
