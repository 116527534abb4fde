"""T3b of the coverage matrix: what an installer must do, for each agent."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents
from hookkit.agents.contract import SettingsWiring
from hookkit.errors import HookInstallError
from hookkit.installer import agent_installer, get_hook_installers
from hookkit.installer.agent_installer import AgentInstaller

from .played import environment


@pytest.fixture(params=["home", "a home with 'quotes' and $signs"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, also one whose name a shell would misread."""
    home = tmp_path / str(request.param)
    home.mkdir()
    for key, value in environment(home).items():
        monkeypatch.setenv(key, value)
    return home


def make(agent: str, home: Path) -> AgentInstaller:
    return agent_installer(agents.get(agent))(env=environment(home), project=home)


def everything(folder: Path) -> dict[str, bytes | str | None]:
    """All that lies below a folder, but for hookkit's own state."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("hookkit/state"):
            found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    found.pop("hookkit", None)
    return found


def settings(agent: str, home: Path) -> Path:
    return make(agent, home).target.file


@pytest.fixture
def neighbour(agent: str, home: Path) -> Iterator[Any]:
    """Settings that hold another's hook, in the agent's own form, and what no hookkit ever wrote: an odd layout."""
    wiring = agents.get(agent).wiring
    if not isinstance(wiring, SettingsWiring):
        pytest.skip("not applicable: an extension is a file of its own")
    path = settings(agent, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    event = agents.get(agent).events[0]
    handler = {"type": "command", wiring.command_key: "/opt/other/hook"}
    entry: Any = handler if wiring.flat else {"hooks": [handler]}
    path.write_text(json.dumps({**wiring.root, "hooks": {event.name: [entry]}}, indent=3) + "\n\n", encoding="utf-8")
    return path


def test_the_installer_is_registered(agent: str) -> None:
    assert agent in get_hook_installers()


def test_scripts_are_written_so_that_only_the_user_can_change_them(agent: str, home: Path) -> None:
    installer = make(agent, home)
    installer.install()
    for name in agents.get(agent).hook_files:
        path = installer.target.folder / name
        assert path.is_file()
        assert path.stat().st_mode & 0o022 == 0
    assert installer.target.script.stat().st_mode & 0o500 == 0o500


def test_what_is_registered_runs_wherever_the_home_is_and_by_an_absolute_python(agent: str, home: Path) -> None:
    installer = make(agent, home)
    installer.install()
    registered = installer.registered()
    assert set(registered) == {event.name for event in agents.get(agent).events}
    work = home / "work"
    work.mkdir()
    subprocess.run(["git", "init", "-q", str(work)], check=True)
    for command in dict.fromkeys(map(_line, registered.values())):
        words = shlex.split(command)
        assert os.path.isabs(words[0])
        assert os.access(words[0], os.X_OK)
        done = subprocess.run(["/bin/sh", "-c", command], input=b"{}", cwd=work, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert words[0] != "python3"
    assert os.path.realpath(words[0]) == os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _line(command: Any) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def test_the_settings_have_the_envelope_that_the_agent_reads(agent: str, home: Path) -> None:
    installer = make(agent, home)
    installer.install()
    wiring = agents.get(agent).wiring
    text = installer.target.file.read_text("utf-8")
    if not isinstance(wiring, SettingsWiring):
        assert "{{" not in text
        assert json.dumps(str(installer.target.script)) in text
        return
    found = json.loads(text)
    assert {key: found[key] for key in wiring.root} == dict(wiring.root)
    for event in agents.get(agent).events:
        (entry,) = found["hooks"][event.name]
        (handler,) = [entry] if wiring.flat else entry["hooks"]
        assert handler[wiring.command_key]
    state = installer.status()
    assert not [warn for warn in state["warnings"] if warn["blocks"] and "TRUST" not in warn["code"]]  # type: ignore[attr-defined]


def test_a_second_install_changes_nothing(agent: str, home: Path) -> None:
    make(agent, home).install()
    before = everything(home)
    assert not make(agent, home).install().changed
    assert everything(home) == before


def test_remove_takes_back_what_install_did_and_status_tells_both(agent: str, home: Path) -> None:
    before = everything(home)
    make(agent, home).install()
    state = make(agent, home).status()
    assert state["installed"]
    assert make(agent, home).remove().changed
    assert not make(agent, home).status()["installed"]
    left = everything(home)
    wiring = agents.get(agent).wiring
    if isinstance(wiring, SettingsWiring) and wiring.positional:  # what counts by its place leaves its file
        left.pop(settings(agent, home).relative_to(home).as_posix(), None)
        left.pop(settings(agent, home).parent.relative_to(home).as_posix(), None)
    assert left == before


def test_the_hooks_of_others_stay_and_remove_gives_back_every_byte(agent: str, home: Path, neighbour: Path) -> None:
    before = neighbour.read_bytes()
    make(agent, home).install()
    assert "/opt/other/hook" in neighbour.read_text("utf-8")
    event = agents.get(agent).events[0].name
    assert len(json.loads(neighbour.read_bytes())["hooks"][event]) == 2
    make(agent, home).remove()
    assert neighbour.read_bytes() == before


@pytest.mark.parametrize("text", [b'{"hooks": ', b"[]", b'{"hooks": 7}', b"\x00\xff"])
def test_settings_that_cannot_be_read_are_refused_and_left(
    agent: str, home: Path, neighbour: Path, text: bytes
) -> None:
    neighbour.write_bytes(text)
    before = everything(home)
    with pytest.raises(HookInstallError) as refused:
        make(agent, home).install()
    assert refused.value.hint
    assert everything(home) == before


def test_an_interpreter_that_is_gone_is_seen_and_replaced(agent: str, home: Path) -> None:
    kind = agent_installer(agents.get(agent))
    gone = home / "old" / "bin" / "python3"
    gone.parent.mkdir(parents=True)
    gone.symlink_to(sys.executable)
    kind(env=environment(home), project=home, interpreter=str(gone)).install()
    gone.unlink()
    assert not make(agent, home).status()["interpreter_ok"]
    assert make(agent, home).install().changed
    state = make(agent, home).status()
    assert state["interpreter_ok"]
    assert str(gone) not in make(agent, home).target.file.read_text("utf-8")


def test_a_preview_changes_nothing_and_shows_what_would(agent: str, home: Path) -> None:
    before = everything(home)
    preview = make(agent, home).preview_install()
    assert "hookkit" in preview.diff
    assert everything(home) == before
