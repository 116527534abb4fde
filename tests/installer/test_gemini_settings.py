"""Settings of Gemini CLI, as its users and the program itself write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit.agents.gemini_cli import CONTRACT
from hookkit.installer import SettingsHookInstaller

WRITTEN = '{\n  // mine\n  "general": {"enableAutoUpdate": false}, /* and this */\n  "ui": {"theme": "Ayu"}\n}\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    path = tmp_path / ".gemini" / "settings.json"
    path.parent.mkdir()
    return path


def install(settings: Path) -> SettingsHookInstaller:
    return SettingsHookInstaller(CONTRACT, settings_file=settings)


@pytest.mark.parametrize("text", [WRITTEN, WRITTEN.replace("\n", "\r\n"), "{}", WRITTEN.rstrip("\n")])
def test_hooks_come_and_go_beside_comments(settings: Path, text: str) -> None:
    settings.write_bytes(text.encode())
    result = install(settings).install()
    assert (result.active, result.warnings) == (True, ())
    install(settings).remove()
    assert settings.read_bytes() == text.encode()


def test_a_handler_is_in_the_form_that_gemini_reads(settings: Path) -> None:
    install(settings).install()
    hooks = json.loads(settings.read_text())["hooks"]
    assert set(hooks) == {event.name for event in CONTRACT.events}
    for groups in hooks.values():
        ((handler,),) = [group["hooks"] for group in groups]
        assert (handler["type"], handler["name"]) == ("command", "hookkit")
        assert 1000 <= handler["timeout"] <= 60000  # milliseconds
        # A script that is not there would otherwise end the run: exit codes from 2 on, with a word on stderr, deny.
        assert handler["command"].endswith(" >/dev/null 2>&1 || :")


def test_nothing_in_a_command_is_taken_for_a_variable(settings: Path) -> None:
    """Gemini replaces ``$NAME`` in any string of its settings."""
    install(settings).install()
    assert "$" not in json.dumps(json.loads(settings.read_text())["hooks"])


def test_hooks_are_found_again_after_the_program_wrote_the_file_anew(settings: Path) -> None:
    """It indents by two and leaves out the last line end."""
    settings.write_text(WRITTEN)
    install(settings).install()
    settings.write_text(settings.read_text().replace("    ", "  ").rstrip("\n"))
    assert install(settings).status()["active"]
    install(settings).remove()
    assert "hookkit" not in settings.read_text()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"hooks": {"AfterTool": [{"hooks": [{"type": "command"}]}]}}', "$.hooks.AfterTool[0].hooks[0]"),
        ('{"hooks": {"AfterTool": [{"hooks": [{"type": "command", "command": 5}]}]}}',
         "$.hooks.AfterTool[0].hooks[0].command"),
        ('{"hooks": {"AfterTool": [{"matcher": "x"}]}}', "$.hooks.AfterTool[0]"),
    ],
)  # fmt: skip
def test_a_handler_that_gemini_drops_costs_nothing_else(settings: Path, text: str, path: str) -> None:
    settings.write_text(text)
    result = install(settings).install()
    assert [(warn.code, warn.path, warn.blocks) for warn in result.warnings] == [("IGNORED_SETTING", path, False)]
    assert result.active


def test_the_switch_that_works_is_told_and_those_that_do_not_are_not(settings: Path) -> None:
    settings.write_text('{"hooksConfig": {"enabled": false}}')
    result = install(settings).install()
    assert (result.active, [warn.path for warn in result.warnings]) == (False, ["$.hooksConfig.enabled"])
    install(settings).remove()
    settings.write_text('{"tools": {"enableHooks": false}, "disableAllHooks": true}')
    assert install(settings).install().active
