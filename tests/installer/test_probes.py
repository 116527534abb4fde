"""What an agent itself is asked and told: through its probe, which the contract names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents
from hookkit.agents.contract import AgentContract
from hookkit.cli import run
from hookkit.errors import HookInstallError
from hookkit.installer import doctor, probes
from hookkit.installer.envelope import Warn
from hookkit.installer.probes import Probe
from hookkit.installer.target import Target
from tests.installer.shapes import ALL, contract_of, installer_of, source_of

SAID: list[str] = []
TRUSTED: set[str] = set()


class Trusting(Probe):
    """An agent that runs only what it trusts."""

    def warnings(self, target: Target) -> tuple[Warn, ...]:
        if str(target.link) in TRUSTED:
            return ()
        return (Warn("UNTRUSTED", str(target.link), "$", "It does not trust the hooks.", "Press t.", blocks=True),)

    def trust(self, target: Target) -> tuple[str, ...]:
        SAID.append(f"trust {len(target.registered())}")
        TRUSTED.add(str(target.link))
        return ("It trusts them now.",)

    def untrust(self, target: Target) -> tuple[str, ...]:
        SAID.append(f"untrust {len(target.registered())}")
        TRUSTED.discard(str(target.link))
        return ("It forgot them.",)

    def after_install(self, target: Target) -> tuple[str, ...]:
        return () if str(target.link) in TRUSTED else ("Start it and press t.",)


class Silent(Probe):
    """An agent that can only be asked."""


class Broken(Probe):
    """An agent whose program is gone."""

    def warnings(self, target: Target) -> tuple[Warn, ...]:
        raise HookInstallError("GONE", "It is gone.", "Install it.")

    def trust(self, target: Target) -> tuple[str, ...]:
        raise HookInstallError("GONE", "It is gone.", "Install it.")

    def untrust(self, target: Target) -> tuple[str, ...]:
        raise HookInstallError("GONE", "It is gone.", "Install it.")


trusting = Trusting()


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    SAID.clear()
    TRUSTED.clear()


def probed(shape: str, name: str, tmp_path: Path) -> Any:
    installer = installer_of(shape, tmp_path / "home", source_of(tmp_path / "source"))
    contract = dataclasses.replace(installer.target.contract, probe=f"{__name__}:{name}")
    installer.target = dataclasses.replace(installer.target, contract=contract)
    return installer


@pytest.mark.parametrize("shape", ALL)
@pytest.mark.parametrize("name", ["Trusting", "trusting"])
def test_an_agent_that_asks_for_trust_is_not_active_until_it_has_it(shape: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    installer = probed(shape, name, tmp_path)
    assert installer.status()["warnings"] == []  # nothing of ours is there to be trusted
    result = installer.install()
    assert (result.active, result.notes) == (False, ("Start it and press t.",))
    assert [warn.code for warn in result.warnings] == ["UNTRUSTED"]
    assert (installer.status()["installed"], installer.status()["active"]) == (True, False)
    result = installer.install(trust=True)
    assert (result.changed, result.active, result.notes) == (False, True, ("It trusts them now.",))
    assert installer.status()["active"]
    assert installer.install().notes == ()
    assert installer.remove().notes == ("It forgot them.",)
    assert SAID == ["trust 12", "untrust 12"]  # while the hooks are still there
    assert installer.remove().notes == ()


@pytest.mark.parametrize("shape", ALL)
def test_an_agent_that_cannot_be_asked_is_in_nobodys_way(shape: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    installer = probed(shape, "Broken", tmp_path)
    result = installer.install(trust=True)
    assert [(warn.code, warn.blocks) for warn in result.warnings] == [("TRUST_FAILED", True), ("PROBE_FAILED", False)]
    assert installer.status()["active"]
    result = installer.remove()
    assert [(warn.code, warn.hint) for warn in result.warnings] == [("TRUST_LEFT", "Install it.")]
    assert not installer.place.exists()


def test_who_can_be_told_to_trust_is_who_says_how() -> None:
    claude = contract_of("nested")
    able = {
        name: probes.can_trust(dataclasses.replace(claude, probe=f"{__name__}:{name}"))
        for name in ("Trusting", "trusting", "Silent", "Broken")
    }
    assert able == {"Trusting": True, "trusting": True, "Silent": False, "Broken": True}
    assert not probes.can_trust(claude)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Make hookkit know a made-up agent."""
    monkeypatch.chdir(tmp_path)

    def add(**changes: Any) -> None:
        contract = dataclasses.replace(contract_of("nested"), **changes)
        contracts: dict[str, AgentContract] = {contract.name: contract}
        for place in ("hookkit.agents.AGENTS", "hookkit.cli.install.AGENTS", "hookkit.cli.agents.AGENTS"):
            monkeypatch.setattr(place, contracts)
        assert agents.get("made-up") is contract

    return add


def test_install_with_trust_says_what_was_done_and_fails_where_it_was_not(
    known: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    known(probe=f"{__name__}:Trusting")
    assert run(["install", "made-up"]) == 0
    said = capsys.readouterr().out
    assert "Start it and press t." in said
    assert "does not run these hooks yet" in said
    assert run(["install", "made-up", "--trust"]) == 0
    assert "It trusts them now." in capsys.readouterr().out
    assert run(["remove"]) == 0
    assert "  It forgot them." in capsys.readouterr().out
    known(probe=f"{__name__}:Broken")
    assert run(["install", "made-up", "--trust"]) == 1
    assert "hint: Install it." in capsys.readouterr().out
    known(probe=f"{__name__}:Silent")
    assert run(["install", "made-up", "--trust"]) == 2


def test_doctor_says_what_the_agent_says_and_that_there_is_no_session_to_play(
    known: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    known(probe=f"{__name__}:Trusting")
    run(["install", "made-up"])
    capsys.readouterr()
    assert run(["doctor", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["agents"]
    checks = {(check["name"], check["status"]) for check in row["checks"]}
    assert ("settings", "failed") in checks
    assert ("hooks", "warning") in checks
    assert {"git", "transcripts", "disk"} <= {check["name"] for check in row["checks"]}
    assert run(["install", "made-up", "--trust"]) == 0
    assert run(["doctor"]) == 0
    assert "No session of Made Up is recorded" in capsys.readouterr().out


def test_an_agent_that_was_never_run_is_marked_and_said_and_installed(
    known: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = dataclasses.replace(contract_of("nested").evidence, level="documented", version="3.1")
    known(evidence=evidence)
    assert run(["agents"]) == 0
    assert "documented, not run (3.1, " in capsys.readouterr().out
    assert run(["install", "made-up", "--dry-run", "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)["plans"]
    assert [warn["code"] for warn in plan["warnings"]] == ["NOT_RUN"]
    assert run(["install", "made-up", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["active"], [(w["code"], w["blocks"]) for w in result["warnings"]]) == (True, [("NOT_RUN", False)])
    assert run(["status", "made-up", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["installers"][0]["warnings"] == []


def test_what_an_extension_starts_is_rehearsed_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude's scripts and recording, registered by an extension."""
    (tmp_path / "home").mkdir()
    contract = dataclasses.replace(contract_of("extension"), name="claude-code")
    package = tmp_path / "package" / "made_up_hooks"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "made_up.ts").write_text((source_of(tmp_path / "source") / "made_up.ts").read_text())
    monkeypatch.syspath_prepend(package.parent)
    from hookkit.installer import ExtensionInstaller

    contract = dataclasses.replace(contract, hooks_package="made_up_hooks")
    installer = ExtensionInstaller(contract, env={"HOME": str(tmp_path / "home")}, project=tmp_path)
    installer.install()
    checks = list(doctor.examine(contract, installer, tmp_path))
    assert [check for check in checks if check.status == "failed"] == []
    assert {"hooks", "silence", "tree ids", "ingest"} <= {check.name for check in checks}
