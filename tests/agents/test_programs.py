"""Where a real agent cannot be installed, its tests say why and are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from .programs import CLAUDE_CODE, PI, AgentUnavailableError, install


def test_without_npm_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOOKKIT_REAL_AGENTS", str(tmp_path / "agents"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(AgentUnavailableError, match="claude-code: npm is not installed"):
        install(CLAUDE_CODE)


def test_an_npm_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error: no network' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("HOOKKIT_REAL_AGENTS", str(tmp_path / "agents"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(AgentUnavailableError, match="npm install failed: npm error: no network"):
        install(CLAUDE_CODE)


def test_an_agent_that_is_there_is_not_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / CLAUDE_CODE.package
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "9.9.9"}')
    program = tmp_path / "node_modules" / ".bin" / "claude"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setenv("HOOKKIT_REAL_AGENTS", str(tmp_path))
    monkeypatch.setenv("PATH", "")

    assert install(CLAUDE_CODE).version == "9.9.9"
    assert install(CLAUDE_CODE).program == program


def test_an_agent_is_saved_with_its_exact_version_so_that_installing_another_one_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{tmp_path}/called'\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("HOOKKIT_REAL_AGENTS", str(tmp_path / "agents"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    for agent in (CLAUDE_CODE, PI):
        with pytest.raises(AgentUnavailableError):
            install(agent)

    called = [line.split() for line in (tmp_path / "called").read_text().splitlines()]
    assert [words[-1] for words in called] == [f"{agent.package}@{agent.version}" for agent in (CLAUDE_CODE, PI)]
    assert all({"--save", "--save-exact"} <= set(words) for words in called)
