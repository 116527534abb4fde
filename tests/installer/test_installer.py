"""The HookInstaller of Claude Code, end to end on real files."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import ClaudeCodeHookInstaller, SettingsHookInstaller, get_hook_installers
from hookkit.installer import record as records
from hookkit.installer.settings_installer import refuse_platform

Install = Callable[..., SettingsHookInstaller]
Snapshot = Callable[[], dict[str, str]]


def events(contract: AgentContract) -> list[str]:
    return [event.name for event in contract.events]


def test_a_fresh_install_registers_every_event_with_a_command_that_runs(
    installer: Install, settings: Path, contract: AgentContract
) -> None:
    result = installer().install()
    assert (result.changed, result.active, result.warnings) == (True, True, ())
    hooks = json.loads(settings.read_text())["hooks"]
    assert list(hooks) == events(contract)
    for event in contract.events:
        (group,) = hooks[event.name]
        (handler,) = group["hooks"]
        assert list(group) == ["hooks"]
        assert (handler["type"], handler["timeout"]) == ("command", event.timeout)
        done = subprocess.run(["/bin/sh", "-c", handler["command"]], input=b"{}", capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_scripts_are_executable_private_and_name_this_hookkit(installer: Install, contract: AgentContract) -> None:
    installer().install()
    assert stat.S_IMODE(paths.hooks().stat().st_mode) == 0o700
    for name in contract.hook_files:
        assert stat.S_IMODE((paths.hooks() / name).stat().st_mode) == 0o755
    runtime = json.loads((paths.hooks() / "runtime.json").read_text())
    assert runtime["ingest"] == [sys.executable, "-E", "-P", "-m", "hookkit"]
    assert (runtime["home"], runtime["state"]) == (str(paths.home()), str(paths.state()))
    assert stat.S_IMODE((paths.hooks() / "runtime.json").stat().st_mode) == 0o600


def test_the_ingest_is_not_led_astray_by_a_project_that_has_modules_of_our_names(
    installer: Install, tmp_path: Path
) -> None:
    installer().install()
    ingest = json.loads((paths.hooks() / "runtime.json").read_text())["ingest"]
    for name in ("click", "hookkit", "platformdirs"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    done = subprocess.run(
        [*ingest, "agents"], cwd=tmp_path, env=dict(os.environ) | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_install_changes_nothing(installer: Install, settings: Path, snapshot: Snapshot) -> None:
    installer().install()
    before = snapshot()
    identity = settings.stat().st_ino
    result = installer().install()
    assert not result.changed
    assert {action.action for action in result.actions} == {"keep"}
    assert snapshot() == before
    assert settings.stat().st_ino == identity


def test_remove_leaves_nothing_that_was_not_there(installer: Install, isolated_home: Path, snapshot: Snapshot) -> None:
    before = snapshot()
    installer().install()
    assert (isolated_home / ".claude" / "settings.json").exists()
    result = installer().remove()
    assert result.changed
    assert snapshot() == before
    assert not paths.hooks().exists()
    assert records.load_all() == ()


def test_remove_without_an_install_touches_nothing(installer: Install, settings: Path, snapshot: Snapshot) -> None:
    settings.write_text('{"model":1e3 , "x": [ ] }')
    before = snapshot()
    assert not installer().remove().changed
    assert snapshot() == before


def test_a_file_that_we_made_and_somebody_extended_keeps_what_they_wrote(installer: Install, settings: Path) -> None:
    installer().install()
    data = json.loads(settings.read_text())
    settings.write_text(json.dumps({**data, "model": "x"}, indent=2))
    installer().remove()
    assert settings.read_text() == '{\n  "model": "x"\n}'


def test_a_file_that_we_made_and_the_agent_only_laid_out_anew_goes(installer: Install, settings: Path) -> None:
    installer().install()
    settings.write_text(json.dumps(json.loads(settings.read_text())))
    installer().remove()
    assert not settings.exists()
    assert settings.parent.exists()


def test_an_empty_file_of_the_user_is_not_deleted(installer: Install, settings: Path) -> None:
    settings.write_bytes(b"")
    installer().install()
    installer().remove()
    assert settings.read_bytes() == b""


def test_the_plan_names_every_path_that_an_install_changes(
    installer: Install, settings: Path, snapshot: Snapshot, contract: AgentContract
) -> None:
    plan = installer().plan()
    before = snapshot()
    assert installer().plan() == plan
    assert snapshot() == before
    installer().install()
    changed = {path for path in snapshot() if path not in before}
    assert changed <= {str(entry["dest"]) for entry in plan}
    entries = {entry["event"]: entry for entry in plan if entry["dest"] == str(settings)}
    assert list(entries) == [*events(contract), "settings"]
    assert entries["Stop"]["action"] == "add"
    assert entries["Stop"]["command"] == json.loads(settings.read_text())["hooks"]["Stop"][0]["hooks"][0]["command"]
    assert {str(entry["dest"]) for entry in plan if entry["event"] == "script"} == {
        str(paths.hooks() / name) for name in (*contract.hook_files, "runtime.json")
    }
    assert {entry["action"] for entry in installer().plan()} == {"keep"}


def test_a_preview_shows_the_diff_and_changes_nothing(installer: Install, settings: Path, snapshot: Snapshot) -> None:
    settings.write_text('{\n  "model": "x"\n}\n')
    before = snapshot()
    diff = installer().preview_install().diff
    assert diff.startswith(f"--- {settings}\n+++ {settings}\n")
    assert '-  "model": "x"\n+  "model": "x",\n' in diff
    assert snapshot() == before
    installer().install()
    assert '-  "model": "x",\n' in installer().preview_remove().diff


@pytest.mark.parametrize("scope", ["project", "local"])
def test_each_scope_has_its_file(scope: Any, installer: Install, tmp_path: Path, isolated_home: Path) -> None:
    installer(scope=scope).install()
    name = {"project": "settings.json", "local": "settings.local.json"}[scope]
    path = tmp_path / "project" / ".claude" / name
    assert len(json.loads(path.read_text())["hooks"]) == 12
    assert stat.S_IMODE(path.stat().st_mode) == (0o644 if scope == "project" else 0o600)
    assert not (isolated_home / ".claude").exists()
    assert installer(scope=scope).status()["installed"]
    assert not installer().status()["installed"]
    installer(scope=scope).remove()
    assert list((tmp_path / "project").iterdir()) == []


def test_the_config_folder_of_the_environment_is_used(installer: Install, tmp_path: Path) -> None:
    moved = tmp_path / "moved config"
    installer(env={"CLAUDE_CONFIG_DIR": str(moved)}).install()
    assert len(json.loads((moved / "settings.json").read_text())["hooks"]) == 12


def test_scripts_stay_while_another_settings_file_runs_them(installer: Install) -> None:
    installer().install()
    installer(scope="project").install()
    installer().remove()
    assert installer(scope="project").status()["installed"]
    installer(scope="project").remove()
    assert not paths.hooks().exists()


@pytest.mark.parametrize("order", [("project", "local"), ("local", "project")])
def test_the_folder_that_two_installs_share_goes_with_the_last(order: Any, installer: Install, tmp_path: Path) -> None:
    installer(scope="project").install()
    installer(scope="local").install()
    for scope in order:
        installer(scope=scope).remove()
    assert list((tmp_path / "project").iterdir()) == []


def test_moved_scripts_are_registered_anew_and_the_old_ones_go(installer: Install, tmp_path: Path) -> None:
    old, new = tmp_path / "old place", tmp_path / "new place"
    installer(hooks_dir=old).install()
    installer(hooks_dir=new).install()
    assert not old.exists()
    state = installer().status()
    assert (state["hooks_dir"], state["installed"], state["stale"]) == (str(new), True, [])
    installer().remove()
    assert not new.exists()


def test_a_folder_of_the_user_keeps_its_other_files(installer: Install, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    (folder / "mine.py").write_text("pass")
    installer(hooks_dir=folder).install()
    cache = folder / "__pycache__"
    cache.mkdir()
    (cache / "hookkit_recorder.cpython-311.pyc").write_bytes(b"")
    (cache / "mine.cpython-311.pyc").write_bytes(b"")
    installer().remove()
    assert sorted(p.name for p in folder.rglob("*")) == ["__pycache__", "mine.cpython-311.pyc", "mine.py"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_script_that_somebody_changed_is_left_and_said_so(installer: Install, contract: AgentContract) -> None:
    installer().install()
    script = paths.hooks() / contract.hook_entry
    script.write_text("# mine now")
    assert not installer().status()["scripts_current"]
    result = installer().remove()
    assert script.read_text() == "# mine now"
    assert [(warn.code, warn.file) for warn in result.warnings] == [("SCRIPT_LEFT", str(script))]


def test_a_script_of_an_older_version_is_replaced_and_can_be_removed(contract: AgentContract, tmp_path: Path) -> None:
    source = tmp_path / "older"
    source.mkdir()
    older = dataclasses.replace(contract, hook_files=(*contract.hook_files, "hookkit_dropped.py"))
    for name in older.hook_files:
        (source / name).write_text(f"# {name}, version 0")
    path = tmp_path / "settings.json"
    SettingsHookInstaller(older, settings_file=path, source=source).install()
    newer = SettingsHookInstaller(contract, settings_file=path)
    assert not newer.status()["scripts_current"]
    newer.install()
    assert newer.status()["scripts_current"]
    newer.remove()
    assert not paths.hooks().exists()


def test_a_stale_interpreter_is_seen_and_replaced(installer: Install, settings: Path, tmp_path: Path) -> None:
    old = tmp_path / "old env" / "bin" / "python3"
    installer(interpreter=str(old)).install()
    state = installer().status()
    assert (state["installed"], state["interpreter_ok"], state["interpreter"]) == (False, False, str(old))
    installer().install()
    assert str(old) not in settings.read_text()
    assert installer().status()["installed"]


def test_an_upgrade_still_gives_the_original_bytes_back(installer: Install, settings: Path) -> None:
    original = b'{ "a" : 1e3 ,\r\n  "hooks":{}}'
    settings.write_bytes(original)
    installer(interpreter="/opt/python3.10").install()
    installer(interpreter="/opt/python3.11").install()
    installer().install()
    installer().remove()
    assert settings.read_bytes() == original


def test_a_container_of_ours_is_remembered_through_edits_and_upgrades(installer: Install, settings: Path) -> None:
    settings.write_text('{"hooks": {"Notification": []}}')
    installer(interpreter="/opt/python3.10").install()
    data = json.loads(settings.read_text())
    theirs = {"hooks": [{"type": "command", "command": "lint"}]}
    data["hooks"]["Stop"].append(theirs)
    settings.write_text(json.dumps(data))
    installer(interpreter="/opt/python3.11").install()
    data = json.loads(settings.read_text())
    data["hooks"]["Stop"].remove(theirs)
    settings.write_text(json.dumps(data))
    installer().remove()
    assert settings.read_text() == '{"hooks": {"Notification": []}}'


def test_status_says_what_is_missing_and_is_never_remembered(installer: Install, settings: Path) -> None:
    here = installer()
    assert here.status()["entries_present"]["Stop"] is False  # type: ignore[index]
    here.install()
    assert here.status()["installed"]
    data = json.loads(settings.read_text())
    del data["hooks"]["Stop"]
    data["hooks"]["PreToolUse"] *= 2
    settings.write_text(json.dumps(data))
    state = here.status()
    assert state["entries_present"]["Stop"] is False  # type: ignore[index]
    assert (state["installed"], state["duplicates"]) == (False, ["PreToolUse"])
    (paths.hooks() / "hookkit_recorder.py").unlink()
    assert here.status()["scripts_present"]["hookkit_recorder.py"] is False  # type: ignore[index]


def test_status_of_a_hook_whose_script_is_gone_is_not_installed(installer: Install, contract: AgentContract) -> None:
    installer().install()
    (paths.hooks() / contract.hook_entry).unlink()
    assert installer().status()["installed"] is False


def test_hooks_that_are_switched_off_are_reported_not_active(installer: Install, settings: Path) -> None:
    settings.write_text('{"disableAllHooks": true}')
    result = installer().install()
    assert not result.active
    assert [(w.code, w.path, w.blocks) for w in result.warnings] == [("HOOKS_DISABLED", "$.disableAllHooks", True)]
    state = installer().status()
    assert (state["installed"], state["active"]) == (True, False)


def test_hooks_that_another_settings_file_switches_off_are_reported(installer: Install, tmp_path: Path) -> None:
    other = tmp_path / "project" / ".claude" / "settings.local.json"
    other.parent.mkdir()
    other.write_text('{"disableAllHooks": true}')
    result = installer().install()
    assert [(w.code, w.file) for w in result.warnings] == [("HOOKS_DISABLED", str(other))]
    assert not result.active


def test_the_same_hook_by_another_command_elsewhere_is_reported(installer: Install, tmp_path: Path) -> None:
    installer(scope="project", hooks_dir=tmp_path / "elsewhere").install()
    assert [w.code for w in installer().install().warnings] == ["REGISTERED_TWICE"]


def test_the_same_command_in_two_scopes_is_run_once_and_no_worry(installer: Install) -> None:
    installer(scope="project").install()
    assert installer().install().warnings == ()


@pytest.mark.parametrize(
    ("handler", "path"),
    [
        ('{"type": "command", "command": 5}', "$.hooks.Stop[0].hooks[0].command"),
        ('{"type": "command"}', "$.hooks.Stop[0].hooks[0]"),
        ('{"command": "x"}', "$.hooks.Stop[0].hooks[0]"),
        ('{"type": "shell", "command": "x"}', "$.hooks.Stop[0].hooks[0].type"),
        ('{"type": "command", "command": "x", "timeout": 0}', "$.hooks.Stop[0].hooks[0].timeout"),
        ('{"type": "command", "command": "x", "timeout": "5"}', "$.hooks.Stop[0].hooks[0].timeout"),
        ('{"type": "command", "command": "x", "timeout": 1E400}', "$.hooks.Stop[0].hooks[0].timeout"),
        ('{"type": "command", "command": "x", "async": "yes"}', "$.hooks.Stop[0].hooks[0].async"),
        ('{"type": "command", "command": "x", "shell": "zsh"}', "$.hooks.Stop[0].hooks[0].shell"),
        ('{"type": "command", "command": "x", "args": [1]}', "$.hooks.Stop[0].hooks[0].args[0]"),
        ('{"type": "prompt"}', "$.hooks.Stop[0].hooks[0]"),
        ('{"type": "http", "url": "x"}', "$.hooks.Stop[0].hooks[0].url"),
        ('{"type": "mcp_tool", "server": "x"}', "$.hooks.Stop[0].hooks[0]"),
    ],
)
def test_one_handler_that_claude_rejects_is_reported_for_it_skips_the_whole_file(
    handler: str, path: str, installer: Install, settings: Path
) -> None:
    original = '{"hooks": {"Stop": [{"hooks": [' + handler + "]}]}}"
    settings.write_text(original)
    result = installer().install()
    assert [(w.code, w.path, w.blocks) for w in result.warnings] == [("MALFORMED_SETTING", path, True)]
    assert "skips the whole file" in result.warnings[0].message
    assert result.warnings[0].hint == f"Correct or delete {path}."
    assert (result.active, installer().status()["active"]) == (False, False)
    installer().remove()
    assert settings.read_text() == original


@pytest.mark.parametrize("group", ['{"matcher": 5, "hooks": []}', '{"matcher": "x"}', '"x"', '{"hooks": {}}'])
def test_a_group_that_claude_rejects_is_reported(group: str, installer: Install, settings: Path) -> None:
    settings.write_text('{"hooks": {"Stop": [' + group + "]}}")
    assert [w.code for w in installer().install().warnings] == ["MALFORMED_SETTING"]


@pytest.mark.parametrize(
    "text", ['{"disableAllHooks": "yes"}', '{"env": 5}', '{"model": 5}', '{"permissions": {"allow": "x"}}']
)
def test_another_setting_that_costs_the_whole_file_is_reported(text: str, installer: Install, settings: Path) -> None:
    settings.write_text(text)
    result = installer().install()
    assert [(w.code, w.blocks) for w in result.warnings] == [("MALFORMED_SETTING", True)]
    assert not result.active


@pytest.mark.parametrize(
    "handler",
    [
        '{"type": "prompt", "prompt": "x"}',
        '{"type": "http", "url": "http://127.0.0.1:9/"}',
        '{"type": "mcp_tool", "server": "a", "tool": "b"}',
        '{"type": "command", "command": "x", "timeout": 0.5, "shell": "bash", "unknown": 1}',
    ],
)
def test_every_kind_of_hook_that_claude_takes_is_no_worry(handler: str, installer: Install, settings: Path) -> None:
    settings.write_text('{"hooks": {"Stop": [{"hooks": [' + handler + ']}]}, "env": {"A": 5}, "unknown": 5}')
    assert installer().install().warnings == ()


def test_an_event_that_claude_only_ignores_does_not_block(installer: Install, settings: Path) -> None:
    settings.write_text('{"hooks": {"Notification": "?", "NoSuchEvent": 5}}')
    result = installer().install()
    assert [(w.code, w.path, w.blocks) for w in result.warnings] == [("IGNORED_SETTING", "$.hooks.Notification", False)]
    assert result.active


@pytest.mark.parametrize(
    ("text", "line"), [('{\n  // mine\n  "a": 1\n}', 2), ('{"a": 1,\n}', 1), ("/* x */ {}", 1), ('{"a": [1,]}', 1)]
)
def test_comments_and_trailing_commas_are_kept_and_reported(
    text: str, line: int, installer: Install, settings: Path
) -> None:
    settings.write_text(text)
    preview = installer().preview_install()
    result = installer().install()
    # A trailing comma at the place of our edit becomes the comma before it: then there is nothing to report.
    reported = [w.code for w in result.warnings]
    assert reported == ([] if text == '{"a": 1,\n}' else ["NOT_PLAIN_JSON"])
    assert [w.code for w in preview.warnings] == reported
    assert all(f"Line {line} holds" in w.message for w in result.warnings)
    installer().remove()
    assert settings.read_text() == text


def test_a_byte_order_mark_is_kept_and_no_worry(installer: Install, settings: Path) -> None:
    settings.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert installer().install().active
    assert settings.read_bytes().startswith(b"\xef\xbb\xbf{")
    installer().remove()
    assert settings.read_bytes() == b'\xef\xbb\xbf{"a": 1}'


@pytest.mark.parametrize("key", ["allowManagedHooksOnly", "disableAllHooks"])
@pytest.mark.parametrize("place", ["managed.json", "managed.d/10-hooks.json"])
def test_a_managed_policy_against_hooks_refuses_the_install_and_writes_nothing(
    key: str, place: str, installer: Install, settings: Path, tmp_path: Path, snapshot: Snapshot
) -> None:
    installer().install()
    policy = tmp_path / place
    policy.parent.mkdir(exist_ok=True)
    policy.write_text(json.dumps({key: True}))
    before = snapshot()
    with pytest.raises(HookInstallError) as caught:
        installer().install()
    assert caught.value.code == "MANAGED_POLICY"
    assert "administrator" in caught.value.hint
    assert snapshot() == before
    state = installer().status()
    assert (state["installed"], state["active"]) == (True, False)
    installer().remove()
    assert not settings.exists()


def test_a_managed_policy_that_allows_hooks_is_no_obstacle(installer: Install, tmp_path: Path) -> None:
    (tmp_path / "managed.json").write_text('{"allowManagedHooksOnly": false, "env": {}}')
    assert installer().install().active


def test_windows_is_refused_with_a_way_out() -> None:
    with pytest.raises(HookInstallError) as caught:
        refuse_platform("nt")
    assert caught.value.code == "WINDOWS_UNSUPPORTED"
    assert "WSL" in caught.value.hint


def test_a_scope_that_the_agent_does_not_have_is_a_usage_error(contract: AgentContract) -> None:
    wiring = dataclasses.replace(contract.wiring, places={"user": contract.places["user"]})
    only_user = dataclasses.replace(contract, wiring=wiring)
    with pytest.raises(UsageError) as caught:
        SettingsHookInstaller(only_user, scope="local")
    assert "user" in caught.value.hint


def test_a_path_that_is_not_text_is_refused(contract: AgentContract, tmp_path: Path) -> None:
    with pytest.raises(HookInstallError) as caught:
        SettingsHookInstaller(contract, hooks_dir=Path(os.fsdecode(b"/tmp/\xff")))
    assert caught.value.code == "UNUSABLE_PATH"


def test_the_registry_makes_an_installer_of_every_agent() -> None:
    made = {name: factory() for name, factory in get_hook_installers().items()}
    assert {name: installer.installer_name for name, installer in made.items()} == {name: name for name in made}
    assert ClaudeCodeHookInstaller().installer_name == "claude-code"


def test_an_agent_of_another_contract_is_installed_by_its_contract_alone(
    contract: AgentContract, tmp_path: Path
) -> None:
    other = dataclasses.replace(
        contract,
        name="other",
        hook_entry="hookkit_other.py",
        hook_files=("hookkit_other.py", "hookkit_recorder.py"),
        events=(dataclasses.replace(contract.events[0], name="Begin", timeout=5000),),
        wiring=dataclasses.replace(contract.wiring, comments=True),
    )
    source = tmp_path / "source"
    source.mkdir()
    for name in other.hook_files:
        (source / name).write_text("pass")
    path = tmp_path / "other.json"
    path.write_text("{} // fine")
    installer = SettingsHookInstaller(other, settings_file=path, source=source, hooks_dir=tmp_path / "other hooks")
    assert installer.install().warnings == ()
    assert '"timeout": 5000' in path.read_text()
    assert "hookkit_other.py" in path.read_text()
    installer.remove()
    assert path.read_text() == "{} // fine"


def test_without_its_record_an_install_is_still_taken_out(installer: Install, settings: Path) -> None:
    settings.write_text('{\n  "model": "x"\n}\n')
    installer().install()
    for path in records.folder().iterdir():
        path.write_text("not a record")
    installer().remove()
    assert settings.read_text() == '{\n  "model": "x"\n}\n'
    assert not paths.hooks().exists()
