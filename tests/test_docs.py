"""What the documents show is run, and what they say about files and commands is so."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from hookkit import agents, cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _shown(document: Path) -> Iterator[str]:
    """The command lines of a document's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            command = line.partition("  #")[0].strip()
            if command and not command.startswith("#"):
                yield command


def _recorded() -> ModuleType:
    """What makes recorded sessions; these tests are no package that could import it."""
    spec = importlib.util.spec_from_file_location("recorded_sessions", ROOT / "tests" / "cli" / "recorded.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _hookkit_commands() -> list[str]:
    found = [command for document in DOCUMENTS for command in _shown(document) if command.startswith("hookkit ")]
    # What takes the install away runs last.
    return sorted(
        dict.fromkeys(found), key=lambda command: (command.startswith("hookkit remove"), "--purge" in command)
    )


# What goes on until it is interrupted.
ENDLESS = frozenset({"hookkit tail"})


@pytest.mark.long
def test_every_hookkit_command_in_the_documents_runs(
    tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one home and one repository, after an install and recorded sessions, as a reader would."""
    program = tmp_path / "bin" / "hookkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m hookkit "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    env = dict(os.environ) | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    (isolated_home / "clients" / "secret").mkdir(parents=True)
    sessions = isolated_home / ".claude" / "projects" / "-home-dev-project"
    sessions.mkdir(parents=True)
    transcript = ROOT / "tests" / "agents" / "fixtures" / "claude-code" / "2.1.197" / "transcripts" / "tour.jsonl"
    for name in ("6d8a0f5e-0000-4000-8000-000000000001", "6d8a0f5e-0000-4000-8000-000000000002"):
        text = transcript.read_text(encoding="utf-8")
        original = re.search(r'"sessionId":\s*"([^"]+)"', text)
        assert original
        (sessions / f"{name}.jsonl").write_text(text.replace(original[1], name), encoding="utf-8")
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path.resolve() / "hookkit"))
    env["HOOKKIT_HOME"] = os.environ["HOOKKIT_HOME"]
    recorded = _recorded()
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # so that it is the last session
    since = int((tomorrow - recorded.START).total_seconds())
    recorded.retries(recorded.World(tmp_path.resolve() / "repository", second=since))
    # What `hookkit resume last` looks for: the transcript is there, and has nothing that would be read again.
    (sessions / "00000001-0000-4000-8000-000000000000.jsonl").write_text("\n", encoding="utf-8")
    commands = ["hookkit install claude-code", "hookkit ingest --all", *_hookkit_commands()]
    assert len(commands) > 12
    for command in commands:
        expected = 0
        if command.startswith("hookkit serve"):
            done = _served(command, tmp_path / "repository", env)
        elif command in ENDLESS:
            done = _run(["timeout", "--signal=INT", "3", *shlex.split(command)], tmp_path / "repository", env)
            expected = 124
        else:
            done = _run(["/bin/sh", "-c", command], tmp_path / "repository", env)
        assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def _served(command: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A server, on ports that are free and without a browser, stopped once it has said where it is."""
    words = [*shlex.split(command.replace("--open", "")), "--port", "0", "--otlp-grpc", "0", "--otlp-http", "0"]
    process = subprocess.Popen(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert process.stdout
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, first + out, err)


def test_the_test_command_of_the_readme_is_what_ci_runs() -> None:
    test_command = next(command for command in _shown(ROOT / "README.md") if "pytest" in command)
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_install_command_of_the_readme_is_what_ci_tries() -> None:
    first = next(_shown(ROOT / "README.md"))
    assert first in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_every_command_is_described() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in cli.COMMANDS:
        assert name.startswith("_") or f"## hookkit {name}" in text, name


def test_every_agent_has_a_page_with_the_version_and_the_date_of_its_evidence() -> None:
    for contract in agents.AGENTS.values():
        page = (ROOT / "docs" / "agents" / f"{contract.name}.md").read_text(encoding="utf-8")
        assert contract.evidence.version in page
        assert contract.evidence.date in page
        assert all(event.name in page for event in contract.events)


def test_the_rooms_of_the_architecture_page_are_the_rooms() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "src" / "hookkit").iterdir() if path.is_dir() and path.name[0] not in "_."}
    drawing = text.partition("src/hookkit/\n")[2].partition(" bench/")[0]
    drawn = set(re.findall(r"^   (\w+)/ ", drawing, re.MULTILINE))
    assert drawn == rooms
