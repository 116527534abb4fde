"""`hookkit install`: register hookkit's hooks with an agent or with git, and the watcher with the service manager."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract, Scope
from hookkit.cli import complete
from hookkit.cli.options import harness, refuse_both, refuse_harness
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.installer.protocol import Installer

EXAMPLES = """\b
Examples:
  hookkit install                                offer the agents found here
  hookkit install --all                          all of them, without asking
  hookkit install claude-code                    in ~/.claude/settings.json, for every project
  hookkit install claude-code --scope project    in .claude/settings.json of this project
  hookkit install claude-code --dry-run          show the diff, change nothing
  hookkit install claude-code --telemetry        it also sends what it does and costs to hookkit serve
  hookkit install claude-code --no-telemetry     it does so no more, and is still recorded
  hookkit install git                            in this repository: each commit is anchored at once
  hookkit install watcher                        read what no hook reported, every few minutes
  hookkit install skill                          teach the agents found here to ask hookkit
  hookkit install skill --harness codex-cli      one of them
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.installs)
@click.option("--all", "everything", is_flag=True, help="Every agent that is found here, without asking.")
@click.option("--scope", type=click.Choice(["user", "project", "local"]), default="user", show_default=True)
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The project's folder.")
@click.option("--settings-file", type=click.Path(path_type=Path), help="Another settings file than the scope's.")
@click.option("--hooks-dir", type=click.Path(path_type=Path), help="Put the hook scripts into this folder.")
@click.option("--trust", is_flag=True, help="Also tell the agent to trust the hooks, where it asks for that.")
@harness("link it for")
@click.option(
    "--telemetry/--no-telemetry",
    default=None,
    help="Also have the agent send its telemetry to `hookkit serve`, or no more. Without either, that stays as it is.",
)
@click.option("--telemetry-protocol", type=click.Choice(["grpc", "http/protobuf", "http/json"]), help="Not its own.")
@click.option("--telemetry-endpoint", metavar="URL", help="Another receiver than that of `hookkit serve` here.")
@click.option("--dry-run", is_flag=True, help="Show the diff and every action; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    everything: bool,
    scope: Scope,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    trust: bool,
    harnesses: tuple[str, ...],
    telemetry: bool | None,
    telemetry_protocol: str | None,
    telemetry_endpoint: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Register the hooks with NAME, an agent or git, or the watcher or the skill; without, offer the agents found here.

    The settings keep their comments, order and layout, and whatever others have in them; a git hook that is there keeps
    its place before ours. Doing it again changes nothing that is right, and puts right what is not.
    """
    from hookkit.installer import get_hook_installer, report
    from hookkit.installer.agent_installer import AgentInstaller

    refuse_both(names, everything)
    refuse_harness(names, harnesses)
    if everything:
        chosen = [contract.name for contract in _found(scope)]
    else:
        chosen = [*dict.fromkeys(names)] or [contract.name for contract in _offer(as_json)]
    if settings_file and len(chosen) > 1:
        raise UsageError(
            "ONE_AGENT_ONLY", "--settings-file names the file of one agent.", "Install the agents one after another."
        )
    more = {"harnesses": harnesses} if harnesses else {}
    factories = [get_hook_installer(name) for name in chosen]
    installers: list[Installer] = [
        make(scope=scope, project=project, settings_file=settings_file, hooks_dir=hooks_dir, **more)
        for make in factories
    ]
    trusting = _trusting(installers, everything) if trust else ()
    gone: list[Installer] = []
    if telemetry is False:
        gone = [each for each in _telemetry(installers, None, None, True) if each.is_present()]
    if telemetry:
        if scope != "user" or settings_file:
            raise UsageError(
                "TELEMETRY_IS_THE_USERS",
                "--telemetry belongs into the user's own settings; agents ignore it in those of a project.",
                "Leave out --scope and --settings-file.",
            )
        installers += _telemetry(installers, telemetry_protocol, telemetry_endpoint, everything)
    elif telemetry_protocol or telemetry_endpoint:
        raise UsageError("NO_TELEMETRY_ASKED", "That says how telemetry is sent, but not that it is.", "--telemetry")
    # All previews come first: where one refuses, nothing is changed.
    previews = [(installer, installer.preview_remove()) for installer in gone]
    previews += [(installer, installer.preview_install()) for installer in installers]
    if dry_run:
        report.show_previews(previews, as_json)
        return 0
    removed = [(installer, installer.remove()) for installer in gone]
    results = [
        installer.install(trust=True)
        if isinstance(installer, AgentInstaller) and installer in trusting
        else installer.install()
        for installer in installers
    ]
    refused = any(warn.code == "TRUST_FAILED" for result in results for warn in result.warnings)
    if as_json:
        told = [result.to_dict() for result in (*(result for _, result in removed), *results)]
        click.echo(json.dumps({"status": "ok", "results": told}, indent=2))
        return int(refused)
    if removed:
        report.show_remove(removed)
    for installer, result in zip(installers, results, strict=True):
        report.show_install(installer, result)
    return int(refused)


def _telemetry(
    installers: Sequence[Installer], protocol: str | None, endpoint: str | None, everything: bool
) -> Iterator[Installer]:
    """Of the agents among these; where they were named, all must be able to."""
    from hookkit.installer.agent_installer import AgentInstaller
    from hookkit.installer.telemetry import TelemetryInstaller

    for contract in (i.target.contract for i in installers if isinstance(i, AgentInstaller)):
        if not everything or (contract.telemetry and contract.telemetry.file):
            yield TelemetryInstaller(contract, protocol=protocol, endpoint=endpoint)


def _trusting(installers: Sequence[Installer], everything: bool) -> Sequence[Installer]:
    """Those whose agents can be told to trust hooks; where they were named, all must be."""
    from hookkit.installer import probes
    from hookkit.installer.agent_installer import AgentInstaller

    able = [i for i in installers if isinstance(i, AgentInstaller) and probes.can_trust(i.target.contract)]
    for installer in installers:
        if installer not in able and not everything:
            raise probes.refuse_trust(installer.title, installer.installer_name)
    return able


def _found(scope: Scope) -> Sequence[AgentContract]:
    """The agents on this machine that have such a scope."""
    from hookkit.installer.choice import is_here

    found = [contract for contract in AGENTS.values() if scope in contract.places and is_here(contract)]
    if not found:
        raise HookkitError(
            "NO_AGENT_FOUND",
            "None of the agents that hookkit knows was found here.",
            f"Name one: {', '.join(f'hookkit install {name}' for name in AGENTS)}.",
        )
    return found


def _offer(as_json: bool) -> Sequence[AgentContract]:
    """Ask for each agent found here; where nobody can answer, say what to type."""
    found = _found("user")
    names = ", ".join(contract.name for contract in found)
    if as_json or not sys.stdin.isatty():
        raise UsageError(
            "AGENT_MISSING",
            f"Say which agent to install for; found here: {', '.join(contract.title for contract in found)}.",
            f"hookkit install {found[0].name}" if len(found) == 1 else f"hookkit install --all, or name some: {names}.",
        )
    chosen = [c for c in found if click.confirm(f"Install hooks for {c.title}?", default=True)]
    if not chosen:
        raise click.Abort
    return chosen
