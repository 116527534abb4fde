"""Arguments, then the environment, then the file, then defaults."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.runlog import settings
from hookkit.runlog.settings import SETTINGS, Settings, load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text)


def test_defaults(home: Path) -> None:
    assert load({}) == Settings(trace_dir=home / "runs")
    assert paths.runs() == settings.trace_dir({}) == home / "runs"


def test_each_source_goes_before_the_next(home: Path) -> None:
    env: dict[str, str] = {}
    assert load(env).retention_days == 30
    write(home, "[adk]\nretention_days = 20\n")
    assert load(env).retention_days == 20
    env["AGENTTRACE_RETENTION_DAYS"] = "10"
    assert load(env).retention_days == 10
    assert load(env, retention_days=0).retention_days == 0


def test_every_setting_comes_from_where_it_may(home: Path) -> None:
    env = {
        "AGENTTRACE_DIR": "~/logs", "AGENTTRACE_RUN_ID": "a/b c", "AGENTTRACE_SANITIZE_ARGS": "off",
        "AGENTTRACE_MAX_RESPONSE_PREVIEW": "9", "AGENTTRACE_INGEST": "0", "AGENTTRACE_LIVE": "/tmp/live",
        "AGENTTRACE_DISABLE": "1", "AGENTTRACE_RETENTION_DAYS": "1",
    }  # fmt: skip
    assert env.keys() == {setting.variable for setting in SETTINGS.values()}
    found = load(env)
    assert found == Settings(
        trace_dir=Path.home() / "logs", run_id="a-b-c", retention_days=1, sanitize_args=False, max_response_preview=9,
        ingest=False, live=Path("/tmp/live"), disabled=True,
    )  # fmt: skip
    write(
        home,
        '[adk]\ntrace_dir = "/srv/t"\nretention_days = 2\nsanitize_args = false\nmax_response_preview = 3\n'
        "ingest = false\n",
    )
    assert load({}) == Settings(Path("/srv/t"), None, 2, False, 3, False)


@pytest.mark.parametrize(
    "text", ["", "[adk", "adk = 1\n", "[adk]\nretention_days = -1\n", '[adk]\nsanitize_args = "maybe"\n', "\xff"]
)
def test_a_file_of_no_use_changes_nothing(home: Path, text: str) -> None:
    (home / "config.toml").write_bytes(text.encode("latin-1"))
    assert load({}) == Settings(trace_dir=home / "runs")


def test_a_variable_of_no_use_is_left_out_and_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(home, "[adk]\nretention_days = 20\n")
    with caplog.at_level(logging.WARNING, "hookkit.adk"):
        found = load({"AGENTTRACE_RETENTION_DAYS": "soon", "AGENTTRACE_LIVE": "1"})
    assert (found.retention_days, found.live) == (20, None)
    said = [record.getMessage() for record in caplog.records]
    assert [text.split()[0] for text in said] == ["AGENTTRACE_RETENTION_DAYS", "AGENTTRACE_LIVE"]


@pytest.mark.parametrize("given", [{"retention_days": -1}, {"sanitize_args": "x"}, {"trace_dir": ""}, {"live": "here"}])
def test_an_argument_of_no_use_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        load({}, **given)


def test_hookkit_s_own_switch_is_a_switch_here_too() -> None:
    assert load({"HOOKKIT_DISABLE": "1"}).disabled
    assert not load({"HOOKKIT_DISABLE": "0"}).disabled


def test_nothing_is_recorded_in_a_folder_that_is_excluded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "secret" / ".opentraces").mkdir(parents=True)
    (home / "secret" / "inner").mkdir()
    monkeypatch.chdir(home / "secret" / "inner")
    assert not load({}).disabled
    (home / "secret" / ".opentraces" / "excluded").touch()
    assert load({}).disabled
