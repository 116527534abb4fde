"""`hookkit install`: register hookkit's hooks with an agent or with git, and the watcher with the service manager."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookkitError, UsageError

EXAMPLES = """\b
Examples:
  hookkit install                                offer the agents found here
  hookkit install claude-code                    in ~/.claude/settings.json, for every project
  hookkit install claude-code --scope project    in .claude/settings.json of this project
  hookkit install claude-code --dry-run          show the diff, change nothing
  hookkit install git                            in this repository: each commit is anchored at once
  hookkit install watcher                        read what no hook reported, every few minutes
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--scope", type=click.Choice(["user", "project", "local"]), default="user", show_default=True)
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The project's folder.")
@click.option("--settings-file", type=click.Path(path_type=Path), help="Another settings file than the scope's.")
@click.option("--hooks-dir", type=click.Path(path_type=Path), help="Put the hook scripts into this folder.")
@click.option("--dry-run", is_flag=True, help="Show the diff and every action; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    scope: Scope,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Register the hooks with NAME, an agent or git, or the watcher; without a name, offer the agents found here.

    The settings keep their comments, order and layout, and whatever others have in them; a git hook that is there keeps
    its place before ours. Doing it again changes nothing that is right, and puts right what is not.
    """
    from hookkit.installer import get_hook_installer, report

    chosen = [*dict.fromkeys(names)] or [contract.name for contract in _offer(as_json)]
    if settings_file and len(chosen) > 1:
        raise UsageError(
            "ONE_AGENT_ONLY", "--settings-file names the file of one agent.", "Install the agents one after another."
        )
    factories = [get_hook_installer(name) for name in chosen]
    installers = [
        make(scope=scope, project=project, settings_file=settings_file, hooks_dir=hooks_dir) for make in factories
    ]
    # All previews come first: where one refuses, nothing is changed.
    previews = [(installer, installer.preview_install()) for installer in installers]
    if dry_run:
        report.show_previews(previews, as_json)
        return
    results = [installer.install() for installer in installers]
    if as_json:
        click.echo(json.dumps({"status": "ok", "results": [result.to_dict() for result in results]}, indent=2))
        return
    for installer, result in zip(installers, results, strict=True):
        report.show_install(installer, result)


def _offer(as_json: bool) -> Sequence[AgentContract]:
    """Ask for each agent found here; where nobody can answer, say what to type."""
    found = [contract for contract in AGENTS.values() if _is_here(contract)]
    if not found:
        raise HookkitError(
            "NO_AGENT_FOUND",
            "None of the agents that hookkit knows was found here.",
            f"Name one: {', '.join(f'hookkit install {name}' for name in AGENTS)}.",
        )
    if as_json or not sys.stdin.isatty():
        raise UsageError(
            "AGENT_MISSING",
            f"Say which agent to install for; found here: {', '.join(contract.title for contract in found)}.",
            "; ".join(f"hookkit install {contract.name}" for contract in found),
        )
    chosen = [c for c in found if click.confirm(f"Install hooks for {c.title}?", default=True)]
    if not chosen:
        raise click.Abort
    return chosen


def _is_here(contract: AgentContract) -> bool:
    return shutil.which(contract.program) is not None or os.path.isdir(contract.config_home(os.environ))
