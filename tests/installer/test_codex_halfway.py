"""Codex that dies after it wrote what it was told, and the ways in which its configuration keeps hooks from running."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hookkit.installer import codex_receipt

from .test_codex_trust import Codex

_WRITES = '        write(asked["params"]["edits"])\n'


@pytest.fixture
def codex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Codex:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return Codex(tmp_path)


def dying(codex: Codex, *, written: bool) -> None:
    """Let Codex die at its next order, before or after it wrote."""
    text = codex.program.read_text()
    assert text.count(_WRITES) == 1
    codex.program.write_text(text.replace(_WRITES, (_WRITES if written else "") + "        sys.exit(1)\n"))


@pytest.mark.parametrize("before", [None, 'model = "x"\n'])
def test_a_trust_that_was_written_before_codex_died_is_taken_back(codex: Codex, before: str | None) -> None:
    if before is not None:
        codex.config.write_text(before)
    dying(codex, written=True)
    result = codex.installer().install(trust=True)
    assert result.warnings[0].code == "TRUST_FAILED"
    assert "trusted_hash" in codex.config.read_text()
    receipt = codex_receipt.load(codex.installer().target)
    assert receipt is not None
    assert len(receipt.hashes) == 11
    codex.program.unlink()
    removed = codex.installer().remove()
    assert (removed.notes, removed.warnings) == (("Codex's trust in 11 hooks is taken back.",), ())
    assert (codex.config.read_text() if codex.config.exists() else None) == before


def test_where_it_died_before_it_wrote_nothing_is_kept(codex: Codex) -> None:
    dying(codex, written=False)
    assert codex.installer().install(trust=True).warnings[0].code == "TRUST_FAILED"
    assert codex_receipt.load(codex.installer().target) is None
    assert codex.installer().remove().notes == ()


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ("hooks = false", "hooks"), ("codex_hooks = false", "codex_hooks"),
        ("codex_hooks = true\nhooks = false", "hooks"), ("codex_hooks = false\nhooks = true", None),
        ("codex_hooks = true", None), ("other = false", None),
    ],
)  # fmt: skip
def test_the_switch_of_all_hooks_is_told_by_the_name_and_the_file_that_have_it(
    codex: Codex, features: str, name: str | None
) -> None:
    """As ``codex features list`` of 0.171.0 reads both names."""
    codex.installer().install(trust=True)
    with codex.config.open("a") as config:
        config.write(f"\n[features]\n{features}\n")
    warnings: Any = codex.installer().status()["warnings"]
    told = [(warn["code"], warn["message"]) for warn in warnings]
    if name is None:
        assert told == []
    else:
        assert told == [("HOOKS_DISABLED", f"Hooks are switched off in {codex.config}: [features] {name} = false.")]
