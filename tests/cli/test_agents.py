"""`hookkit agents` says what the contracts say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hookkit.agents import AGENTS
from hookkit.agents.contract import ExtensionWiring
from hookkit.cli.agents import command


def test_the_json_is_derived_from_the_contracts(isolated_home: Path) -> None:
    rows = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [row["name"] for row in rows] == list(AGENTS)
    for row, contract in zip(rows, AGENTS.values(), strict=True):
        assert row["events"] == [event.name for event in contract.events]
        assert row["evidence"]["version"] == contract.evidence.version
        assert row["config_home"].startswith(str(isolated_home))


def test_an_agent_is_found_by_its_folder_or_its_program(
    isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> list[bool]:
        return [row["found"] for row in json.loads(CliRunner().invoke(command, ["--json"]).output)]

    monkeypatch.setenv("PATH", str(tmp_path))
    assert found() == [False] * len(AGENTS)
    (isolated_home / ".claude").mkdir()
    assert found()[0] is True
    (isolated_home / ".claude").rmdir()
    program = tmp_path / "claude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert found()[0] is True


def test_the_text_names_version_and_date_of_the_evidence() -> None:
    said = CliRunner().invoke(command, []).output
    for contract in AGENTS.values():
        assert str(contract.evidence) in said


def test_the_json_tells_how_each_is_wired_resumed_and_paired(isolated_home: Path) -> None:
    for row, contract in zip(json.loads(CliRunner().invoke(command, ["--json"]).output), AGENTS.values(), strict=True):
        assert row["wiring"] == ("extension" if isinstance(contract.wiring, ExtensionWiring) else "settings")
        assert (row["scopes"], row["timeout_unit"]) == (list(contract.places), contract.wiring.timeout_unit)
        assert (row["call_id"], row["call_ids"]) == (contract.call_field, contract.call_ids)
        assert row["resumes"] is (contract.resuming is not None)
        assert row["at_step"] is bool(contract.resuming and contract.resuming.at_step)
        assert (row["skills"] is None) is (contract.skills is None)
        assert row["evidence"]["level"] == contract.evidence.level
