"""The HookInstaller of agents that load an extension: one file of ours, made of a template."""

from __future__ import annotations

import dataclasses
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.errors import HookInstallError
from hookkit.installer import ExtensionInstaller, SettingsHookInstaller, files
from hookkit.installer import record as records
from hookkit.installer.extension_target import Runs, read_back, render
from tests.installer.shapes import TEMPLATE, contract_of, source_of

Snapshot = Callable[[], dict[str, str]]
Install = Callable[..., ExtensionInstaller]


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_of(tmp_path_factory.mktemp("source"))


@pytest.fixture
def make(source: Path, tmp_path: Path) -> Install:
    (tmp_path / "project").mkdir()

    def made(**arguments: Any) -> ExtensionInstaller:
        options = {"project": tmp_path / "project", "source": source, **arguments}
        return ExtensionInstaller(contract_of("extension"), **options)

    return made


@pytest.fixture
def extension(isolated_home: Path) -> Path:
    return isolated_home / ".made-up" / "hooks.json"


def test_the_paths_stand_in_the_file_as_strings_whatever_is_in_them() -> None:
    runs = Runs('/a "b"\\1/py\n\u2028', "/é/{{script}}/$&")
    text = render(TEMPLATE, runs)
    assert text.startswith("// Written by hookkit.\nconst INTERPRETER: string = ")
    assert json.loads(re.findall("SCRIPT: string = (.*);", text)[0]) == runs.script
    assert "{{other}}" in text
    assert text.isascii()
    assert read_back(TEMPLATE, text) == runs
    assert read_back(TEMPLATE, text + " ") is None
    assert read_back(TEMPLATE, text.replace('"/a', '"/b', 1)) == Runs("/b" + runs.interpreter[2:], runs.script)
    assert read_back(TEMPLATE, text.replace('"/\\u00e9', '"/x', 1)) is None  # two places, two paths


def test_an_install_puts_one_file_and_the_scripts_there(make: Install, extension: Path) -> None:
    result = make().install()
    assert (result.changed, result.active, result.warnings) == (True, True, ())
    runs = read_back(TEMPLATE, extension.read_text())
    assert runs
    assert Path(runs.script) == paths.hooks() / contract_of("extension").hook_entry
    assert Path(runs.script).is_file()
    assert stat.S_IMODE(extension.stat().st_mode) == 0o600
    state = make().status()
    assert (state["installed"], state["active"], state["stale"], state["recorded"]) == (True, True, [], True)
    assert make().registered()["Stop"] == runs.command


def test_status_has_the_keys_of_every_other_installer(make: Install, tmp_path: Path) -> None:
    settings = SettingsHookInstaller(contract_of("nested"), settings_file=tmp_path / "any.json")
    assert make().status().keys() == settings.status().keys()
    make().install()
    assert make().status().keys() == settings.status().keys()


def test_a_second_install_changes_nothing(make: Install, snapshot: Snapshot) -> None:
    make().install()
    before = snapshot()
    result = make().install()
    assert (result.changed, {action.action for action in result.actions}) == (False, {"keep"})
    assert snapshot() == before


@pytest.mark.parametrize("scope", ["user", "project"])
def test_remove_leaves_nothing_that_was_not_there(
    scope: Any, make: Install, snapshot: Snapshot, tmp_path: Path
) -> None:
    before = snapshot()
    make(scope=scope).install()
    place = make(scope=scope).place
    assert place.exists()
    assert stat.S_IMODE(place.stat().st_mode) == (0o644 if scope == "project" else 0o600)
    assert make(scope=scope).remove().changed
    assert snapshot() == before
    assert records.load_all() == ()
    assert not make(scope=scope).remove().changed


def test_the_plan_names_every_path_that_an_install_changes(make: Install, snapshot: Snapshot, extension: Path) -> None:
    before = snapshot()
    plan, preview = make().plan(), make().preview_install()
    assert snapshot() == before
    assert f"+++ {extension}" in preview.diff
    assert "+const SCRIPT: string = " in preview.diff
    make().install()
    assert {path for path in snapshot() if path not in before} <= {str(entry["dest"]) for entry in plan}
    assert "-const SCRIPT: string = " in make().preview_remove().diff


def test_a_file_of_somebody_else_is_refused_and_left(make: Install, extension: Path, snapshot: Snapshot) -> None:
    extension.parent.mkdir()
    extension.write_text("mine")
    before = snapshot()
    with pytest.raises(HookInstallError) as caught:
        make().install()
    assert caught.value.code == "EXTENSION_IN_THE_WAY"
    assert "hookkit install made-up" in caught.value.hint
    assert not make().remove().changed
    assert snapshot() == before
    assert not paths.state().exists()
    state = make().status()
    assert (state["installed"], [w["code"] for w in state["warnings"]]) == (  # type: ignore[attr-defined]
        False,
        ["EXTENSION_IN_THE_WAY"],
    )


def test_a_file_of_ours_that_somebody_changed_is_left_and_said_so(make: Install, extension: Path) -> None:
    make().install()
    extension.write_text(extension.read_text() + "// mine\n")
    with pytest.raises(HookInstallError):
        make().install()
    result = make().remove()
    assert [(warn.code, warn.file) for warn in result.warnings] == [("SCRIPT_LEFT", str(extension))]
    assert extension.exists()
    assert not paths.hooks().exists()


def test_an_older_file_of_ours_is_stale_and_replaced(make: Install, source: Path, extension: Path) -> None:
    (source / "made_up.ts").write_text(TEMPLATE.replace("Written", "Once written"))
    make().install()
    (source / "made_up.ts").write_text(TEMPLATE)
    state = make().status()
    assert (state["installed"], state["active"]) == (True, False)
    assert state["stale"] == [event.name for event in contract_of("extension").events]
    assert make().install().changed
    assert extension.read_text().startswith("// Written")
    assert make().status()["active"]


def test_stale_scripts_and_a_python_that_is_gone_are_seen_and_put_right(make: Install, tmp_path: Path) -> None:
    make(interpreter=str(tmp_path / "gone" / "python3")).install()
    state = make().status()
    assert (state["installed"], state["interpreter_ok"]) == (False, False)
    make().install()
    (paths.hooks() / "hookkit_recorder.py").write_text("old")
    state = make().status()
    assert (state["installed"], state["active"], state["scripts_current"]) == (True, False, False)
    make().install()
    assert make().status()["active"]


def test_without_its_record_it_is_still_known_and_taken_out(make: Install, tmp_path: Path, extension: Path) -> None:
    make(hooks_dir=tmp_path / "h").install()
    for path in records.folder().iterdir():
        path.unlink()
    state = make().status()
    assert (state["active"], state["hooks_dir"], state["recorded"]) == (True, str(tmp_path / "h"), False)
    make().remove()
    assert not extension.exists()
    assert list((tmp_path / "h").iterdir()) == []


def test_moved_scripts_are_named_anew_and_the_old_ones_go(make: Install, tmp_path: Path) -> None:
    make(hooks_dir=tmp_path / "old").install()
    make(hooks_dir=tmp_path / "new").install()
    assert not (tmp_path / "old").exists()
    assert make().status()["hooks_dir"] == str(tmp_path / "new")
    assert make().remove().hooks_dir == tmp_path / "new"
    assert not (tmp_path / "new").exists()


def test_a_copy_in_the_project_is_reported_for_both_are_loaded(make: Install) -> None:
    make(scope="project").install()
    assert [warn.code for warn in make().install().warnings] == ["REGISTERED_TWICE"]
    assert [path.name for path, _ in make(hooks_dir=None).left_alone([make().target.file])] == ["hooks.json"]


def test_scripts_stay_while_another_agent_or_another_place_runs_them(
    make: Install, tmp_path: Path, source: Path
) -> None:
    other = SettingsHookInstaller(contract_of("nested"), settings_file=tmp_path / "any.json", source=source)
    other.target = dataclasses.replace(
        other.target, contract=dataclasses.replace(other.target.contract, name="claude-code")
    )
    make().install()
    make(scope="project").install()
    other.install()
    make().remove()
    assert make(scope="project").status()["active"]
    make(scope="project").remove()
    assert other.status()["installed"]
    other.remove()
    assert not paths.hooks().exists()


def test_a_first_install_that_fails_half_way_leaves_nothing(
    make: Install, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot()

    def full(name: str) -> None:
        if name == "stage opened hooks.json":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "step", full)
    with pytest.raises(HookInstallError):
        make().install()
    assert snapshot() == before
    assert records.load_all() == ()


def test_a_link_stays_a_link(make: Install, extension: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "x.ts"
    extension.parent.mkdir()
    extension.symlink_to(real)
    make().install()
    assert extension.is_symlink()
    assert real.is_file()
    make().remove()
    assert extension.is_symlink()
    assert not real.parent.exists()
