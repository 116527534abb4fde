"""Settings of Qwen Code, as its users and the program itself write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit.agents.qwen_code import CONTRACT
from hookkit.installer import SettingsHookInstaller

WRITTEN = '{\n  // mine\n  "general": {"enableAutoUpdate": false}, /* and this */\n  "$version": 4\n}\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    path = tmp_path / ".qwen" / "settings.json"
    path.parent.mkdir()
    return path


def install(settings: Path) -> SettingsHookInstaller:
    return SettingsHookInstaller(CONTRACT, settings_file=settings)


@pytest.mark.parametrize("text", [WRITTEN, "\ufeff" + WRITTEN, WRITTEN.replace("\n", "\r\n"), "{}"])
def test_hooks_come_and_go_beside_comments(settings: Path, text: str) -> None:
    settings.write_bytes(text.encode())
    result = install(settings).install()
    assert (result.active, result.warnings) == (True, ())
    assert b'"timeout": 10000' in settings.read_bytes()
    install(settings).remove()
    assert settings.read_bytes() == text.encode()


def test_nothing_in_a_command_is_taken_for_a_variable(settings: Path) -> None:
    """Qwen replaces ``$NAME`` in any string of its settings."""
    install(settings).install()
    assert "$" not in json.dumps(json.loads(settings.read_text())["hooks"])


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ('{"hooks": {"Stop": [{"hooks": [{"type": "command"}]}]}}', "IGNORED_SETTING", "$.hooks.Stop[0].hooks[0]"),
        ('{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": 5}]}]}}', "IGNORED_SETTING",
         "$.hooks.Stop[0].hooks[0].command"),
    ],
)  # fmt: skip
def test_a_handler_that_qwen_drops_costs_nothing_else(settings: Path, text: str, code: str, path: str) -> None:
    settings.write_text(text)
    result = install(settings).install()
    assert [(warn.code, warn.path, warn.blocks) for warn in result.warnings] == [(code, path, False)]
    assert result.active


def test_the_switch_that_works_is_told_and_those_that_do_not_are_not(settings: Path) -> None:
    settings.write_text('{"disableAllHooks": true}')
    result = install(settings).install()
    assert (result.active, [warn.path for warn in result.warnings]) == (False, ["$.disableAllHooks"])
    install(settings).remove()
    settings.write_text('{"hooksConfig": {"enabled": false}, "tools": {"enableHooks": false}}')
    assert install(settings).install().active
