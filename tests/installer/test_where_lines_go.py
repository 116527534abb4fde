"""What an install says of where the agent's hooks write is where they write."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkit import paths
from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract
from hookkit.installer import agent_installer
from hookkit.installer.result import short
from tests.hooks.rig import hook_module

EVERY = pytest.mark.parametrize("contract", AGENTS.values(), ids=lambda contract: contract.name)


@EVERY
def test_the_contract_says_of_its_lines_what_the_hooks_do(contract: AgentContract) -> None:
    (events,) = (name for name in contract.hook_files if name.endswith("_events.py"))
    module = hook_module(events.removesuffix(".py"))
    assert (contract.lines, contract.name) == (module.LINES, module.AGENT)


@EVERY
def test_an_install_names_the_places_of_the_lines(
    contract: AgentContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    home = {"HOME": str(tmp_path), "PATH": ""}
    made = agent_installer(contract)(env=home, project=tmp_path)
    (said,) = (line for line in made.details(made.install()) if line.startswith("Sessions:"))
    assert str(short(paths.home())) in said
    assert (".opentraces" in said) == (contract.lines != "state")
    assert (str(short(paths.state())) in said.replace(f"{short(paths.home())},", "")) == (contract.lines == "state")
    assert (f"transcripts of {contract.title}" in said) == (contract.lines == "transcript")
