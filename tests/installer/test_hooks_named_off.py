"""Gemini CLI has a list of the hooks that its user switched off: ours in it is told as what keeps them from running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.gemini_cli import CONTRACT
from hookkit.installer import SettingsHookInstaller, doctor


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    (tmp_path / ".gemini").mkdir()
    (tmp_path / "project" / ".gemini").mkdir(parents=True)
    return tmp_path


def installer(home: Path) -> SettingsHookInstaller:
    return SettingsHookInstaller(CONTRACT, env={"HOME": str(home), "PATH": ""}, project=home / "project")


def told(home: Path) -> list[tuple[str, str, bool]]:
    warnings: Any = installer(home).status()["warnings"]
    return [(warn["code"], warn["path"], warn["blocks"]) for warn in warnings]


GATE = ("HOOKS_DISABLED", "$.hooksConfig.disabled", True)


def test_a_list_that_names_ours_keeps_them_from_running(home: Path) -> None:
    settings = home / ".gemini" / "settings.json"
    settings.write_text('{"hooksConfig": {"disabled": ["other", "hookkit"]}}')
    result = installer(home).install()
    assert not result.active
    (warn,) = result.warnings
    assert warn.message == 'hooksConfig.disabled holds "hookkit", so Gemini CLI does not run these hooks.'
    assert warn.hint == 'Take "hookkit" out of it when hooks may run.'
    assert (installer(home).status()["active"], told(home)) == (False, [GATE])
    checks = doctor.examine(CONTRACT, installer(home), home / "project")
    assert next(check.status for check in checks if warn.message in check.message) == "failed"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "hooksConfig": {"disabled": []}}))
    assert (installer(home).status()["active"], told(home)) == (True, [])


def test_the_list_of_the_project_counts_too(home: Path) -> None:
    installer(home).install()
    (home / "project" / ".gemini" / "settings.json").write_text('{"hooksConfig": {"disabled": ["hookkit"]}}')
    assert told(home) == [GATE]


@pytest.mark.parametrize("given", ['["other"]', "[true]", "{}", '[["hookkit"]]'])
def test_a_list_that_does_not_name_ours_says_nothing(home: Path, given: str) -> None:
    (home / ".gemini" / "settings.json").write_text(f'{{"hooksConfig": {{"disabled": {given}}}}}')
    assert GATE not in [(warn.code, warn.path, warn.blocks) for warn in installer(home).install().warnings]


def test_a_switch_that_is_a_list_is_not_off(home: Path) -> None:
    (home / ".gemini" / "settings.json").write_text('{"hooksConfig": {"enabled": [false]}}')
    assert "HOOKS_DISABLED" not in [warn.code for warn in installer(home).install().warnings]
