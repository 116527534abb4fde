"""The settings: which there are, where they come from, and how the file is edited."""

from __future__ import annotations

import json
import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkit import config
from hookkit.cli import run
from hookkit.errors import HookkitError, UsageError
from hookkit.git.heal import Limits
from hookkit.store import config_edit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def write(text: str | bytes) -> Path:
    path = config.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_file_everything_is_as_it_is_by_default() -> None:
    assert {name: config.explain(name) for name in config.SETTINGS} == {
        name: (setting.default, "default") for name, setting in config.SETTINGS.items()
    }
    assert not config.path().parent.exists()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write('pager = "most"\n[list]\nlimit = 7\n[adk]\nsanitize_args = false\ntrace_dir = "/a"\n')
    assert config.explain("list.limit") == (7, "file")
    assert config.get("adk.sanitize_args") is False
    monkeypatch.setenv("HOOKKIT_LIST_LIMIT", "9")
    monkeypatch.setenv("HOOKKIT_ADK_SANITIZE_ARGS", "on")
    monkeypatch.setenv("AGENTTRACE_DIR", "/b")
    assert config.explain("list.limit") == (9, "environment")
    assert config.get("adk.sanitize_args") is True
    assert config.get("adk.trace_dir") == "/b"
    monkeypatch.setenv("HOOKKIT_ADK_TRACE_DIR", "/c")
    assert config.get("adk.trace_dir") == "/c"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pager = 'less'\n\nlist = [1,\n", "line 3"),
        ("a = 1\na = 2\n", "line 2"),
        (b"a = 1\nb = '\xff'\n", "line 2"),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str | bytes, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(text)
    assert run(["config", "get", "pager"]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert str(path) in said
    assert run(["config", "set", "pager", "less"]) == 1
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    assert run(["config", "list", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "BROKEN_CONFIG"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[list]\nlimit = '7'\n", "list.limit"),
        ("[list]\nlimit = -7\n", "list.limit"),
        ("[list]\nlimit = true\n", "list.limit"),
        ("icons = 'pretty'\n", "icons"),
        ("[adk]\nsanitize_args = 1\n", "adk.sanitize_args"),
        ("pager = 3\n", "pager"),
    ],
)
def test_a_value_that_is_none_is_refused_and_not_guessed_at(text: str, name: str) -> None:
    write(text)
    with pytest.raises(HookkitError, match=name):
        config.get(name)


def test_a_variable_that_is_no_value_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_LIST_LIMIT", "many")
    with pytest.raises(HookkitError, match="HOOKKIT_LIST_LIMIT"):
        config.get("list.limit")


def test_an_unknown_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        config.get("list.limt")
    for command in (["get", "list.limt"], ["set", "list.limt", "3"], ["unset", "list.limt"]):
        assert run(["config", *command]) == 2
        assert "list.limit" in capsys.readouterr().err
    assert not config.path().exists()
    write("colour = 1\n[list]\nlimt = 3\nlimit = 4\n")
    assert run(["config", "list"]) == 0
    said = capsys.readouterr()
    assert "colour" in said.err
    assert "list.limt" in said.err
    assert "list.limit" not in said.err


def test_an_edit_keeps_comments_order_and_layout(capsys: pytest.CaptureFixture[str]) -> None:
    text = "# mine\n[list]   # of sessions\nlimit = 7 # few\n\n[capture]\nmax_untracked_files=10\n# end\n"
    path = write(text)
    assert run(["config", "set", "list.limit", "50"]) == 0
    assert path.read_text() == text.replace("7", "50")
    assert run(["config", "set", "pager", "less -S"]) == 0
    assert tomllib.loads(path.read_text())["pager"] == "less -S"
    assert path.read_text().replace('pager = "less -S"\n', "").replace("\n\n", "\n") == text.replace("7", "50").replace(
        "\n\n", "\n"
    )
    assert run(["config", "unset", "pager"]) == 0
    assert run(["config", "unset", "list.limit"]) == 0
    assert tomllib.loads(path.read_text()).get("list", {}) == {}
    assert "# mine" in path.read_text()
    assert run(["config", "unset", "list.limit"]) == 0
    assert "was not set" in capsys.readouterr().err


def test_set_get_list_and_path(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{config.path()}\n"
    assert run(["config", "set", "adk.sanitize_args", "no"]) == 0
    assert config.path().stat().st_mode & 0o777 == 0o600
    assert run(["config", "get", "adk.sanitize_args"]) == 0
    assert capsys.readouterr().out == "false\n"
    assert run(["config", "set", "adk.retention_days", "soon"]) == 2
    assert "whole number" in capsys.readouterr().err
    assert run(["config", "list", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows.keys() == config.SETTINGS.keys()
    assert (rows["adk.sanitize_args"]["value"], rows["adk.sanitize_args"]["source"]) == (False, "file")
    monkeypatch.setenv("HOOKKIT_LIST_LIMIT", "3")
    assert run(["config", "set", "list.limit", "5"]) == 0
    assert "HOOKKIT_LIST_LIMIT is set here and wins" in capsys.readouterr().err


def test_a_linked_file_is_edited_where_it_is(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.toml"
    kept.write_text("# mine\n")
    config.path().parent.mkdir(parents=True)
    config.path().symlink_to(kept)
    config_edit.put("list.limit", 5)
    assert config.path().is_symlink()
    assert tomllib.loads(kept.read_text()) == {"list": {"limit": 5}}


def test_a_home_that_cannot_be_written_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.write_text("a file")
    assert run(["config", "set", "list.limit", "5"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_section_that_is_none_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    path = write("list = 3\n")
    assert run(["config", "set", "list.limit", "5"]) == 1
    assert path.read_text() == "list = 3\n"
    assert "[list]" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["list.limit = 3\n", "list = {limit = 3}\n", "[list]\n", "[other]\nx = 1\n"])
def test_every_way_to_write_a_section_can_be_edited(text: str) -> None:
    path = write(text)
    config_edit.put("list.limit", 8)
    assert config.get("list.limit") == 8
    config_edit.put("pager", "cat")
    assert (config.get("pager"), config.get("list.limit")) == ("cat", 8)
    assert config_edit.drop("list.limit")
    assert config.explain("list.limit") == (20, "default")
    assert ("[other]" in text) == ("[other]" in path.read_text())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_every_text_comes_back_as_it_was_set(value: str) -> None:
    config_edit.put("pager", value)
    assert config.get("pager") == value


def test_variables_are_made_of_names() -> None:
    for name, setting in config.SETTINGS.items():
        assert set(setting.variable) <= set(string.ascii_uppercase + "_")
        assert setting.variable == f"HOOKKIT_{name.replace('.', '_')}".upper()


def test_the_limits_of_slow_captures_are_settings() -> None:
    assert Limits.load() == Limits()
    write("[capture]\nmax_untracked_files = 3\n")
    assert Limits.load() == Limits(max_untracked_files=3)
    write("[capture\n")
    assert Limits.load() == Limits()
