"""Values in settings texts, JSON and TOML: put in, and taken out again to the character."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.agents.claude_code import CONTRACT as CLAUDE
from hookkit.agents.codex_cli import CONTRACT as CODEX
from hookkit.agents.contract import Destination
from hookkit.installer import jsonedit
from hookkit.installer.values_edit import Syntax, UnreadableError, Values, taken, with_values, without_values

TO = Destination("grpc", "http://127.0.0.1:4317")


def of(contract: Any) -> Values:
    return contract.telemetry.values(TO)  # type: ignore[no-any-return]


BOTH: list[tuple[Syntax, Values]] = [("json", of(CLAUDE)), ("toml", of(CODEX))]
TEXTS: list[tuple[Syntax, str]] = [
    ("json", ""),
    ("json", "{}"),
    ("json", "{\n}\n"),
    ("json", '{"env": {}}'),
    ("json", '{"env": {"A": "1"}, "model": "opus"}'),
    ("json", '{\r\n\t"env": {\r\n\t\t"A": "1", // mine\r\n\t},\r\n\t"x": [1, 2,]\r\n}'),
    ("json", '\ufeff{\n    "hooks": {"Stop": []},\n    "env": {\n        "A": "1"\n    }\n}'),
    ("toml", ""),
    ("toml", "# only this\n"),
    ("toml", 'model = "x"   # mine'),
    ("toml", '[otel]\nlog_user_prompt = true # yes\n\n[mcp_servers.a]\ncommand = "b"\n'),
    ("toml", 'a = 1\r\n[otel]\r\nenvironment = "dev"\r\n'),
    ("toml", "otel = { log_user_prompt = true }\n"),
    ("toml", 'otel.environment = "dev"\n'),
    ("toml", 'model = "x"\r\n'),
    ("toml", '[[projects]]\nname = "a"\n[projects.x]\ny = 1\n'),
]


def data(text: str, syntax: Syntax) -> dict[str, Any]:
    if syntax == "toml":
        return tomllib.loads(text)
    from hookkit.installer.jsontext import parse

    root = parse(text).root
    return {} if root is None else root.data()  # type: ignore[return-value]


@pytest.mark.parametrize(("syntax", "text"), TEXTS)
def test_what_is_put_in_is_there_and_the_way_back_is_exact(syntax: Syntax, text: str) -> None:
    values = dict(BOTH)[syntax]
    edit = with_values(text, syntax, values)
    assert taken(edit.text, syntax, values) == values
    assert jsonedit.apply(edit.text, edit.undo) == text
    before, after = data(text, syntax), data(edit.text, syntax)
    for (group, key), value in values.items():
        assert after[group].pop(key) == value
    assert {group: members for group, members in after.items() if members != {} or group in before} == before


@pytest.mark.parametrize(("syntax", "text"), TEXTS)
def test_where_others_edited_since_only_ours_is_taken_out(syntax: Syntax, text: str) -> None:
    values = dict(BOTH)[syntax]
    edit = with_values(text, syntax, values)
    more: Values = {("env", "THEIRS"): "2"} if syntax == "json" else {("theirs", "key"): 2}
    edited = with_values(edit.text, syntax, more)
    left = without_values(edited.text, syntax, values, edit.created)
    assert taken(left, syntax, values) == {}
    assert taken(left, syntax, more) == more
    assert data(left, syntax) == data(with_values(text, syntax, more).text, syntax)


def test_a_value_that_the_user_changed_since_is_the_users() -> None:
    values = dict(BOTH)["json"]
    edit = with_values("{}", "json", values)
    changed = edit.text.replace("http://127.0.0.1:4317", "http://elsewhere:4317")
    left = json.loads(without_values(changed, "json", values, edit.created))
    assert left == {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://elsewhere:4317"}}


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("json", "{"),
        ("json", "[]"),
        ("json", '{"env": []}'),
        ("toml", "a = "),
        ("toml", "otel = 1"),
        ("toml", "a=1\na=2"),
    ],
)
def test_a_text_that_is_no_such_thing_is_refused(syntax: Syntax, text: str) -> None:
    with pytest.raises(UnreadableError):
        taken(text, syntax, dict(BOTH)[syntax])
    with pytest.raises(UnreadableError):
        with_values(text, syntax, dict(BOTH)[syntax])


_NAMES = st.text("abcEnv_-", min_size=1, max_size=6)
_SCALARS = st.integers(-9, 9) | st.booleans() | st.text("xyz\"\\ '#/", max_size=6)


@given(
    env=st.dictionaries(_NAMES, _SCALARS, max_size=4) | st.none(),
    others=st.dictionaries(_NAMES, _SCALARS | st.lists(_SCALARS, max_size=2), max_size=3),
    indent=st.sampled_from([None, 1, 2, "\t"]),
    last=st.booleans(),
)
def test_any_json_settings_come_back_to_the_character(
    env: dict[str, Any] | None, others: dict[str, Any], indent: int | str | None, last: bool
) -> None:
    settings = {key: value for key, value in others.items() if key != "env"}
    if env is not None:
        settings = {**settings, "env": env} if last else {"env": env, **settings}
    text = json.dumps(settings, indent=indent)
    values = dict(BOTH)["json"]
    edit = with_values(text, "json", values)
    assert json.loads(edit.text)["env"].items() >= {key: value for (_, key), value in values.items()}.items()
    assert jsonedit.apply(edit.text, edit.undo) == text
    assert json.loads(without_values(edit.text, "json", values, edit.created)) == settings


@given(
    members=st.dictionaries(st.sampled_from(["environment", "log_user_prompt", "tracestate"]), _SCALARS, max_size=3),
    before=st.sampled_from(["", "# a\n", 'model = "x" # b\n\n', "[a.b]\nc = [1, # d\n 2]\n"]),
    after=st.sampled_from(["", "\n\n", "[z]\ny = 1 # w\n", "[[y]]\nx = 1\n\n# end"]),
)
def test_any_toml_settings_come_back_to_the_character(members: dict[str, Any], before: str, after: str) -> None:
    table = "".join(f"{key} = {json.dumps(value)}  # {key}\n" for key, value in members.items())
    text = before + (f"[otel]\n{table}" if members else "") + after
    values = dict(BOTH)["toml"]
    edit = with_values(text, "toml", values)
    found = tomllib.loads(edit.text)["otel"]
    assert found == members | {key: value for (_, key), value in values.items()}
    assert jsonedit.apply(edit.text, edit.undo) == text
    assert tomllib.loads(without_values(edit.text, "toml", values, edit.created)) == tomllib.loads(text)
