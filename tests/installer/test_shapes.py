"""The forms that settings of agents have besides Claude's: flat lists, keys of the root, places that count."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.contract import AgentContract, Switch
from hookkit.installer import SettingsHookInstaller
from hookkit.installer.jsonedit import apply
from hookkit.installer.settings_edit import Ours, with_hooks, without_hooks
from tests.installer.shapes import contract_of

ENTRY = "hookkit_any.py"
COMMAND = f"/usr/bin/python3 -I -S /h/{ENTRY} >/dev/null 2>&1 || :"
HANDLER = {"type": "command", "bash": COMMAND}
FLAT = Ours(ENTRY, {"stop": HANDLER}, command_key="bash", flat=True, root={"version": 1})
OLD = {"type": "command", "command": f"python3 /old/{ENTRY}"}
NOW = {"type": "command", "command": COMMAND, "timeout": 5}
GROUP = {"hooks": [NOW]}
STALE = {"hooks": [OLD]}
EMPTY: dict[str, Any] = {"hooks": []}
PLACED = Ours(ENTRY, {"Stop": NOW}, positional=True)
A, B = ({"hooks": [{"type": "command", "command": name}]} for name in ("a", "b"))


def groups(text: str) -> Any:
    return json.loads(text)["hooks"]["Stop"]


def placed(*these: Any) -> str:
    return json.dumps({"hooks": {"Stop": these}})


@pytest.mark.parametrize("text", ["", "{}", '{"x": 1}', '{"hooks": {}}', '{"hooks": {"stop": []}}'])
def test_a_key_of_the_root_is_added_where_it_is_missing_and_goes_with_the_last_hook(text: str) -> None:
    edit = with_hooks(text, FLAT)
    data = json.loads(edit.text)
    assert (data["version"], data["hooks"]["stop"]) == (1, [HANDLER])
    assert apply(edit.text, edit.undo) == text
    later = json.dumps({**data, "theme": "dark"})
    left = json.loads(without_hooks(later, FLAT, edit.created))
    assert left == {**json.loads(text or "{}"), "theme": "dark"}


@pytest.mark.parametrize("version", [1, 2, "x"])
def test_a_key_of_the_root_that_was_there_is_left(version: object) -> None:
    text = json.dumps({"version": version, "hooks": {"stop": []}})
    edit = with_hooks(text, FLAT)
    assert json.loads(edit.text)["version"] == version
    assert without_hooks(edit.text, FLAT, edit.created) == text


def test_a_key_of_the_root_stays_while_hooks_of_others_need_it() -> None:
    text = json.dumps({"hooks": {"other": [{"bash": "lint"}]}})
    edit = with_hooks(text, FLAT)
    assert json.loads(without_hooks(edit.text, FLAT, edit.created)) == {
        "hooks": {"other": [{"bash": "lint"}]},
        "version": 1,
    }
    assert apply(edit.text, edit.undo) == text  # but for a text that nobody changed since


def test_a_key_of_the_root_that_somebody_took_away_is_put_back() -> None:
    data = json.loads(with_hooks("{}", FLAT).text)
    del data["version"]
    assert json.loads(with_hooks(json.dumps(data), FLAT).text)["version"] == 1


def test_a_handler_in_a_flat_list_is_found_by_the_key_of_its_command_and_put_right() -> None:
    old = {"type": "command", "bash": f"python3 /old/{ENTRY}"}
    nested = {"matcher": "x", "hooks": [old]}
    theirs = {"type": "command", "command": COMMAND, "bash": "lint"}
    text = json.dumps({"version": 1, "hooks": {"stop": [old, theirs, nested]}})
    assert json.loads(with_hooks(text, FLAT).text)["hooks"]["stop"] == [theirs, HANDLER]


@pytest.mark.parametrize(
    ("before", "installed", "removed"),
    [
        ([], [GROUP], []),
        ([A], [A, GROUP], [A]),
        ([A, STALE], [A, GROUP], [A]),
        ([STALE, A], [GROUP, A], [EMPTY, A]),
        ([A, STALE, B], [A, GROUP, B], [A, EMPTY, B]),
        ([A, {"matcher": "x", "hooks": [OLD]}, B], [A, GROUP, B], [A, EMPTY, B]),
        ([A, {"hooks": [OLD, OLD]}, B], [A, GROUP, B], [A, EMPTY, B]),
        ([STALE, A, GROUP, B], [EMPTY, A, GROUP, B], [EMPTY, A, EMPTY, B]),
        ([STALE, A, STALE], [GROUP, A], [EMPTY, A]),
        ([OLD, A], [GROUP, A], [EMPTY, A]),
        ([EMPTY, A], [EMPTY, A, GROUP], [EMPTY, A]),
        ([A, EMPTY], [A, EMPTY, GROUP], [A, EMPTY]),
    ],
)  # fmt: skip
def test_where_places_count_ours_is_replaced_where_it_is_and_leaves_an_empty_group_only_before_others(
    before: list[Any], installed: list[Any], removed: list[Any]
) -> None:
    edit = with_hooks(placed(*before), PLACED)
    assert groups(edit.text) == installed
    assert not with_hooks(edit.text, PLACED).changed
    assert groups(without_hooks(edit.text, PLACED, edit.created)) == removed
    assert groups(apply(edit.text, edit.undo)) == removed


@pytest.mark.parametrize("indent", [None, 2])
def test_where_places_count_an_upgrade_never_moves_who_came_later(indent: Any, tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    path.write_text(json.dumps({"hooks": {"Stop": [A]}}, indent=indent))
    before = path.read_text()

    def installer(version: int) -> SettingsHookInstaller:
        python = f"/opt/python3.{version}"
        return SettingsHookInstaller(contract_of("positional"), settings_file=path, interpreter=python)

    installer(10).install()
    installer(11).install()
    assert groups(path.read_text())[0] == A
    installer(11).remove()
    assert path.read_text() == before
    installer(10).install()
    data = json.loads(path.read_text())
    data["hooks"]["Stop"].append(B)
    path.write_text(json.dumps(data, indent=indent))
    installer(11).install()
    assert [group["hooks"][0]["command"][:18] for group in groups(path.read_text())] == ["a", "/opt/python3.11 -I", "b"]
    assert not installer(11).install().changed
    installer(11).remove()
    assert groups(path.read_text()) == [A, EMPTY, B]


def test_comments_around_a_group_that_keeps_its_place_stay() -> None:
    text = '{"hooks": {"Stop": [ // 1\n' + json.dumps(STALE) + " /* 2 */, // 3\n" + json.dumps(B) + "]}}"
    left = without_hooks(text, PLACED)
    assert left == '{"hooks": {"Stop": [ // 1\n{"hooks": []} /* 2 */, // 3\n' + json.dumps(B) + "]}}"


def changed(contract: AgentContract, **wiring: Any) -> AgentContract:
    return dataclasses.replace(contract, wiring=dataclasses.replace(contract.wiring, **wiring))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("off", "text", "path", "hint"),
    [
        (False, '{"hooksConfig": {"enabled": false}}', "$.hooksConfig.enabled", "Set it to true"),
        ("none", '{"hooksConfig": {"enabled": "none"}}', "$.hooksConfig.enabled", "Delete it"),
        (False, '{"hooksConfig": {"enabled": 0}}', None, ""),
        (False, '{"hooksConfig": []}', None, ""),
        (False, '{"hooksConfig": {}}', None, ""),
    ],
)
def test_a_switch_is_what_the_contract_says(
    off: object, text: str, path: str | None, hint: str, tmp_path: Path
) -> None:
    contract = changed(contract_of("nested"), switches=(Switch(("hooksConfig", "enabled"), off),))
    settings = tmp_path / "settings.json"
    settings.write_text(text)
    result = SettingsHookInstaller(contract, settings_file=settings).install()
    assert [warn.path for warn in result.warnings] == ([path] if path else [])
    assert all(warn.hint.startswith(hint) for warn in result.warnings)
    assert result.active is (path is None)


def test_a_policy_of_the_machine_may_use_the_agents_own_switch(tmp_path: Path) -> None:
    switch = Switch(("hooksConfig", "enabled"), False)
    contract = changed(contract_of("nested"), switches=(switch,), managed=(tmp_path / "policy.json",))
    (tmp_path / "policy.json").write_text('{"hooksConfig": {"enabled": false}}')
    state = SettingsHookInstaller(contract, settings_file=tmp_path / "s.json").status()
    assert [(w["code"], w["path"]) for w in state["warnings"]] == [  # type: ignore[attr-defined]
        ("MANAGED_POLICY", "$.hooksConfig.enabled")
    ]


@pytest.mark.parametrize(("skips", "code"), [(True, "MALFORMED_SETTING"), (False, "IGNORED_SETTING")])
def test_whether_one_bad_handler_costs_the_file_is_the_agents_affair(skips: bool, code: str, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"hooks": {"Stop": [{"hooks": [{"type": "command"}]}]}}')
    result = SettingsHookInstaller(
        changed(contract_of("nested"), skips_invalid=skips), settings_file=settings
    ).install()
    assert [(warn.code, warn.blocks) for warn in result.warnings] == [(code, skips)]


def test_a_key_that_the_schema_does_not_know_is_named(tmp_path: Path) -> None:
    settings = tmp_path / "hooks.json"
    settings.write_text('{"version": 1}')
    result = SettingsHookInstaller(
        changed(contract_of("positional"), schema="codex-hooks"), settings_file=settings
    ).install()
    assert [(warn.code, warn.path, warn.hint) for warn in result.warnings] == [
        ("MALFORMED_SETTING", "$.version", "Correct or delete $.version.")
    ]
