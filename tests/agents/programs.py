"""The real agents as npm packages: pinned, installed once, shared by every run on this machine.

``$HOOKKIT_REAL_AGENTS`` names the folder to install into (or that already holds them); without it they are kept under
the system's temporary folder.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

_INSTALL_SECONDS = 600


class AgentUnavailableError(Exception):
    """The agent cannot be installed here; the text is the reason to skip with."""


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """An agent as npm knows it; ``version`` is the one that the fixtures and docs/agents speak of."""

    name: str
    package: str
    version: str
    program: str


@dataclass(frozen=True, slots=True)
class InstalledAgent:
    name: str
    version: str
    program: Path


CLAUDE_CODE = AgentPackage("claude-code", "@anthropic-ai/claude-code", "2.1.197", "claude")
CODEX_CLI = AgentPackage("codex-cli", "@openai/codex", "0.171.0", "codex")
PI = AgentPackage("pi", "@mariozechner/pi-coding-agent", "0.73.1", "pi")
GEMINI_CLI = AgentPackage("gemini-cli", "@google/gemini-cli", "0.61.0", "gemini")
OPENCODE = AgentPackage("opencode", "opencode-ai", "1.18.33", "opencode")
COPILOT_CLI = AgentPackage("copilot-cli", "@github/copilot", "1.0.102", "copilot")
QWEN_CODE = AgentPackage("qwen-code", "@qwen-code/qwen-code", "0.24.4", "qwen")


def install(agent: AgentPackage) -> InstalledAgent:
    """The agent's program, installed if it was not; AgentUnavailableError where npm cannot."""
    folder = Path(os.environ.get("HOOKKIT_REAL_AGENTS") or _cache())
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".hookkit-install.lock"):
        if not _program(folder, agent).exists():
            _npm_install(folder, agent)
    return InstalledAgent(agent.name, _version(folder, agent), _program(folder, agent))


def _cache() -> Path:
    return Path(tempfile.gettempdir()) / f"hookkit-real-agents-{getpass.getuser()}"


def _program(folder: Path, agent: AgentPackage) -> Path:
    return folder / "node_modules" / ".bin" / agent.program


def _version(folder: Path, agent: AgentPackage) -> str:
    manifest = json.loads((folder / "node_modules" / agent.package / "package.json").read_text(encoding="utf-8"))
    return str(manifest["version"])


def _npm_install(folder: Path, agent: AgentPackage) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise AgentUnavailableError(f"{agent.name}: npm is not installed, so the real agent cannot be")
    here = [
        "--prefix",
        str(folder),
        "--save",
        "--save-exact",
    ]  # what is saved stays when another agent is installed beside it
    command = [npm, "install", *here, "--no-audit", "--no-fund", f"{agent.package}@{agent.version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise AgentUnavailableError(f"{agent.name}: npm install did not end within {_INSTALL_SECONDS} s") from None
    if done.returncode != 0 or not _program(folder, agent).exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise AgentUnavailableError(f"{agent.name}: npm install failed: {last}")
