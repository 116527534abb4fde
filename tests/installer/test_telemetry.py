"""Agents are told to send their telemetry, beside the hooks, and both are taken out again to the byte."""

from __future__ import annotations

import json
import os
import socket
import time
import tomllib
from pathlib import Path

import pytest

from hookkit import agents, paths
from hookkit.cli import run
from hookkit.errors import HookInstallError
from hookkit.installer import files, record
from hookkit.installer.checkup import fix
from hookkit.installer.telemetry import TelemetryInstaller
from hookkit.installer.telemetry_checks import examine
from tests.cli.recorded import valid

CLAUDE = '{\n    "model": "opus",\n    "env": {"A": "1"}\n}'
CODEX = '# mine\nmodel = "x"   # c\n[mcp_servers.a]\ncommand = "b"'
Output = pytest.CaptureFixture[str]


@pytest.fixture
def home(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "CODEX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(isolated_home)
    return isolated_home


@pytest.fixture
def settings(home: Path) -> dict[str, Path]:
    """The files of two agents, as their user wrote them."""
    found = {"claude-code": home / ".claude" / "settings.json", "codex-cli": home / ".codex" / "config.toml"}
    for path, text in zip(found.values(), (CLAUDE, CODEX), strict=True):
        path.parent.mkdir()
        path.write_bytes(text.encode())
    return found


def contents(settings: dict[str, Path]) -> list[bytes]:
    return [path.read_bytes() for path in settings.values()]


def test_both_are_put_in_again_without_a_change_and_taken_out_to_the_byte(
    settings: dict[str, Path], capsys: Output
) -> None:
    before = contents(settings)
    assert run(["install", "claude-code", "codex-cli", "--telemetry"]) == 0
    env = json.loads(settings["claude-code"].read_text())["env"]
    assert env["A"] == "1"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4317"
    otel = tomllib.loads(settings["codex-cli"].read_text())["otel"]
    assert otel["exporter"]["otlp-http"] == {"endpoint": "http://127.0.0.1:4318/v1/logs", "protocol": "binary"}
    installed = contents(settings)
    capsys.readouterr()
    assert run(["install", "claude-code", "codex-cli", "--telemetry", "--json"]) == 0
    results = valid(capsys.readouterr().out, "install-result")["results"]
    assert [(result["installer"], result["changed"]) for result in results] == [
        ("claude-code", False), ("codex-cli", False), ("claude-code telemetry", False), ("codex-cli telemetry", False),
    ]  # fmt: skip
    assert run(["install", "claude-code"]) == 0  # says nothing of telemetry, so that stays
    assert contents(settings) == installed
    capsys.readouterr()
    assert run(["status", "--json"]) == 0
    told = {state["installer"]: state for state in valid(capsys.readouterr().out, "install-status")["installers"]}
    assert told["claude-code telemetry"]["active"]
    assert told["codex-cli telemetry"]["entries_present"] == {"exporter": True, "metrics_exporter": True}
    assert run(["remove"]) == 0
    assert contents(settings) == before
    assert record.load_all() == ()


def test_a_preview_changes_nothing_and_shows_what_would_be(settings: dict[str, Path], capsys: Output) -> None:
    before = contents(settings)
    assert run(["install", "claude-code", "--telemetry", "--dry-run"]) == 0
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in capsys.readouterr().out
    assert contents(settings) == before
    assert run(["install", "claude-code", "--telemetry"]) == 0
    capsys.readouterr()
    assert run(["remove", "claude-code", "--dry-run", "--json"]) == 0
    plans = valid(capsys.readouterr().out, "install-plan")["plans"]
    assert [plan["installer"] for plan in plans] == ["claude-code telemetry", "claude-code"]


def test_another_destination_takes_the_place_of_the_one_before(settings: dict[str, Path]) -> None:
    before = contents(settings)
    assert run(["install", "claude-code", "--telemetry"]) == 0
    there = ["--telemetry-protocol", "http/json", "--telemetry-endpoint", "http://collector:9/"]
    assert run(["install", "claude-code", "--telemetry", *there]) == 0
    env = json.loads(settings["claude-code"].read_text())["env"]
    assert env["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/json"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:9"
    assert run(["remove", "claude-code"]) == 0
    assert contents(settings) == before


def test_what_was_edited_since_stays_and_only_ours_goes(settings: dict[str, Path]) -> None:
    assert run(["install", "claude-code", "--telemetry"]) == 0
    path = settings["claude-code"]
    path.write_text(path.read_text().replace('"opus"', '"sonnet"').replace('"10000"', '"60000"'))
    assert run(["remove", "claude-code"]) == 0
    assert json.loads(path.read_text()) == {
        "model": "sonnet",
        "env": {"A": "1", "OTEL_METRIC_EXPORT_INTERVAL": "60000"},
    }


@pytest.mark.parametrize("agent", ["claude-code", "codex-cli"])
def test_a_receiver_of_the_users_own_is_not_taken_over(settings: dict[str, Path], agent: str, capsys: Output) -> None:
    settings["claude-code"].write_text('{"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://mine:1"}}')
    settings["codex-cli"].write_text('[otel]\nexporter = "statsig"\n')
    before = contents(settings)
    assert run(["install", agent, "--telemetry"]) == 1
    said = capsys.readouterr().err
    assert "already" in said
    assert "hint:" in said
    assert contents(settings) == before
    assert record.load_all() == ()
    assert not paths.hooks().exists()


def test_what_is_alike_or_off_is_no_hindrance_and_stays_the_users(settings: dict[str, Path], capsys: Output) -> None:
    settings["claude-code"].write_text('{"env": {"OTEL_LOGS_EXPORTER": "otlp"}}')
    settings["codex-cli"].write_text('[otel]\nexporter = "none" # off\nenvironment = "dev"\n')
    before = contents(settings)
    assert run(["install", "claude-code", "codex-cli", "--telemetry"]) == 0
    assert tomllib.loads(settings["codex-cli"].read_text())["otel"]["exporter"]["otlp-http"]
    installed = contents(settings)
    assert run(["install", "claude-code", "codex-cli", "--telemetry"]) == 0
    assert contents(settings) == installed
    assert TelemetryInstaller(agents.get("claude-code")).status()["active"]
    for path in settings.values():  # edited since, so that it is cut out and not undone
        path.write_text(path.read_text() + "\n")
    assert run(["remove"]) == 0
    assert json.loads(settings["claude-code"].read_text()) == {"env": {"OTEL_LOGS_EXPORTER": "otlp"}}
    assert settings["codex-cli"].read_bytes() == before[1] + b"\n"


def test_the_users_destination_stays_until_another_is_named(settings: dict[str, Path], capsys: Output) -> None:
    there = ["--telemetry-protocol", "http/json", "--telemetry-endpoint", "http://127.0.0.1:9"]
    assert run(["install", "claude-code", "--telemetry", *there]) == 0
    installed = contents(settings)
    assert run(["install", "claude-code", "--telemetry"]) == 0
    assert contents(settings) == installed
    text = settings["claude-code"].read_text()
    settings["claude-code"].write_text(text.replace('"OTEL_LOGS_EXPORTER": "otlp",', ""))
    assert fix(TelemetryInstaller(agents.get("claude-code")), Path.cwd())
    env = json.loads(settings["claude-code"].read_text())["env"]
    assert env["OTEL_LOGS_EXPORTER"] == "otlp"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:9"
    assert env["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/json"


def test_it_is_taken_out_alone(settings: dict[str, Path], capsys: Output) -> None:
    assert run(["install", "claude-code"]) == 0
    before = contents(settings)
    assert run(["install", "claude-code", "--telemetry"]) == 0
    installed = contents(settings)
    capsys.readouterr()
    assert run(["install", "claude-code", "--no-telemetry", "--dry-run"]) == 0
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in capsys.readouterr().out
    assert contents(settings) == installed
    assert run(["install", "claude-code", "--no-telemetry", "--json"]) == 0
    results = valid(capsys.readouterr().out, "install-result")["results"]
    assert [(r["installer"], r["action"]) for r in results] == [
        ("claude-code telemetry", "remove"), ("claude-code", "install"),
    ]  # fmt: skip
    assert contents(settings) == before
    assert run(["install", "pi", "--no-telemetry", "--dry-run"]) == 0


@pytest.mark.parametrize(("agent", "text"), [("claude-code", '{"env": 7}'), ("codex-cli", "[otel\n")])
def test_a_file_that_cannot_be_edited_is_left_as_it_is(settings: dict[str, Path], agent: str, text: str) -> None:
    settings[agent].write_text(text)
    with pytest.raises(HookInstallError) as refused:
        TelemetryInstaller(agents.get(agent)).install()
    assert refused.value.hint
    assert settings[agent].read_text() == text
    state = TelemetryInstaller(agents.get(agent)).status()
    assert not state["active"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["claude-code", "--telemetry", "--scope", "project"], 2, "belongs into the user's own settings"),
        (["claude-code", "--telemetry", "--settings-file", "x.json"], 2, "belongs into the user's own settings"),
        (["claude-code", "--telemetry-protocol", "grpc"], 2, "--telemetry"),
        (["claude-code", "--telemetry", "--telemetry-endpoint", "mine"], 2, "no address"),
        (["pi", "--telemetry"], 1, "sends no telemetry"),
        (["copilot-cli", "--telemetry"], 1, "export COPILOT_OTEL_ENABLED=true"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_written(
    home: Path, arguments: list[str], code: int, said: str, capsys: Output
) -> None:
    assert run(["install", *arguments]) == code
    assert said in capsys.readouterr().err
    assert record.load_all() == ()


def test_files_and_folders_that_were_made_for_it_go_with_it(home: Path) -> None:
    installer = TelemetryInstaller(agents.get("claude-code"))
    installer.install()
    assert (home / ".claude" / "settings.json").stat().st_mode & 0o777 == 0o600
    installer.remove()
    assert not (home / ".claude").exists()


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_killed_at_any_step_the_next_run_puts_it_right(
    settings: dict[str, Path], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(settings)
    steps = 0
    while True:
        installer = TelemetryInstaller(agents.get("claude-code"))
        if verb == "remove":
            installer.install()
        left = steps

        def killed(_name: str) -> None:
            nonlocal left
            if left == 0:
                raise _KilledError
            left -= 1

        with monkeypatch.context() as patch:
            patch.setattr(files, "step", killed)
            try:
                getattr(installer, verb)()
                done = True
            except _KilledError:
                done = False
        text = settings["claude-code"].read_text()
        json.loads(text)
        installer.install()
        assert installer.status()["active"]
        installer.remove()
        assert contents(settings) == before
        if done:
            break
        steps += 1
    assert steps > 3


def checks(home: Path) -> dict[str, tuple[str, str]]:
    found = examine(TelemetryInstaller(agents.get("claude-code")), home)
    return {check.name: (check.status, check.message) for check in found}


def test_doctor_tells_what_has_arrived_and_who_listens(settings: dict[str, Path], home: Path) -> None:
    TelemetryInstaller(agents.get("claude-code")).install()
    assert checks(home)["arrived"] == ("warning", "Nothing has arrived from Claude Code yet.")
    state = paths.private_dir(paths.state()) / "telemetry-arrivals.json"
    then = int((time.time() - 7200) * 1e6)
    state.write_text(json.dumps({"claude-code": {"log": {"last_us": then, "count": 1200}, "metric": {"count": 3}}}))
    status, said = checks(home)["arrived"]
    assert status == "ok"
    assert "events: 1,200, the last 2 h ago" in said
    state.write_text('{"claude-code": [')
    assert checks(home)["arrived"][0] == "warning"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        there = f"http://127.0.0.1:{listening.getsockname()[1]}"
        TelemetryInstaller(agents.get("claude-code"), endpoint=there).install()
        assert checks(home)["receiver"] == ("ok", f"Somebody listens at {there}.")
    assert checks(home)["receiver"] == ("warning", f"Nobody listens at {there} now.")


def test_doctor_tells_what_overrides_the_settings(
    settings: dict[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TelemetryInstaller(agents.get("claude-code")).install()
    assert not {"environment", "project", "policy"} & set(checks(home))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:1")
    assert "environment" not in checks(home), "what the settings say wins"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://elsewhere:1")
    local = home / ".claude" / "settings.local.json"
    local.write_text('{"env": {"OTEL_LOGS_EXPORTER": "otlp", "B": "1"}}')
    found = checks(home)
    assert "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT in this shell" in found["environment"][1]
    assert f"{local} sets OTEL_LOGS_EXPORTER: some versions" in found["project"][1]
