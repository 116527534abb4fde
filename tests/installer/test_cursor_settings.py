"""Cursor's hooks.json, in the form that it is documented to have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents import AGENTS
from hookkit.errors import HookkitError
from hookkit.installer import SettingsHookInstaller

CONTRACT = AGENTS["cursor"]
OTHERS = """{
  "version": 1,
  "hooks": {
    "afterFileEdit": [ { "command": "./fmt.sh" } ],
    "stop": [ { "command": "node \\"a b.js\\"", "loop_limit": null, "failClosed": false } ],
    "preToolUse": [ { "type": "prompt", "prompt": "Is it safe?", "matcher": "Shell", "timeout": 2.5 } ]
  }
}
"""


@pytest.fixture
def settings(isolated_home: Path) -> Path:
    path = isolated_home / ".cursor" / "hooks.json"
    path.parent.mkdir()
    return path


def installer(tmp_path: Path, **more: Any) -> SettingsHookInstaller:
    return SettingsHookInstaller(CONTRACT, project=tmp_path, **more)


@pytest.mark.parametrize("text", [None, "", "{}", '{"version": 1}', OTHERS])
def test_hooks_are_put_in_flat_and_taken_out_to_the_byte(settings: Path, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        settings.write_text(text)
    installer(tmp_path).install()
    found = json.loads(settings.read_text())
    assert found["version"] == 1
    for event in CONTRACT.events:
        ours = found["hooks"][event.name][-1]
        assert ours["command"].endswith("hookkit_cursor.py >/dev/null 2>&1 || :")
        assert (ours["timeout"], set(ours)) == (10, {"command", "timeout"})
    if text == OTHERS:
        assert [len(found["hooks"][name]) for name in ("afterFileEdit", "stop", "preToolUse")] == [1, 2, 2]
    assert installer(tmp_path).status()["installed"]
    installer(tmp_path).remove()
    assert (settings.read_text() if settings.exists() else None) == text


@pytest.mark.parametrize(
    "text", ['{"version": 1, "hooks": {"stop": {"command": "x"}}}', '{"version": 1, "hooks": []}', "[]", "{"]
)
def test_a_file_of_another_form_is_left_as_it_is(settings: Path, tmp_path: Path, text: str) -> None:
    settings.write_text(text)
    with pytest.raises(HookkitError) as refused:
        installer(tmp_path).install()
    assert refused.value.hint
    assert settings.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        '{"version": "1", "hooks": {}}',
        '{"version": 2, "hooks": {}}',
        '{"version": 1, "hooks": {"stop": [{"command": 5}]}}',
        '{"version": 1, "hooks": {"stop": [{"timeout": 5}]}}',
    ],
)
def test_what_makes_cursor_discard_the_file_is_said(settings: Path, tmp_path: Path, text: str) -> None:
    settings.write_text(text)
    assert [warning.hint for warning in installer(tmp_path).install().warnings if warning.blocks]


def test_it_is_said_that_nothing_was_run(settings: Path, tmp_path: Path) -> None:
    result = installer(tmp_path).install()
    assert any("documented, not run" in str(warning) for warning in result.warnings)


def test_a_project_has_a_file_of_its_own(isolated_home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    SettingsHookInstaller(CONTRACT, project=project, scope="project").install()
    assert "preToolUse" in json.loads((project / ".cursor" / "hooks.json").read_text())["hooks"]
    assert not (isolated_home / ".cursor" / "hooks.json").exists()
