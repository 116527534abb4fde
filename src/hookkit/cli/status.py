"""`hookkit status`: where hookkit is installed, and whether the agents run its hooks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hookkit.agents import AGENTS, get
from hookkit.agents.contract import Scope

EXAMPLES = """\b
Examples:
  hookkit status
  hookkit status claude-code --scope project --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", metavar="[AGENT]...", nargs=-1)
@click.option("--scope", type=click.Choice(["user", "project", "local"]), default="user", show_default=True)
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The project's folder.")
@click.option("--settings-file", type=click.Path(path_type=Path), help="Another settings file than the scope's.")
@click.option("--hooks-dir", type=click.Path(path_type=Path), help="Where the hook scripts are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    scope: Scope,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    as_json: bool,
) -> None:
    """Show whether the hooks are registered, complete and active. `hookkit doctor` proves that they fire."""
    from hookkit.installer import get_hook_installers, report

    factories = get_hook_installers()
    states = [
        factories[get(name).name](
            scope=scope, project=project, settings_file=settings_file, hooks_dir=hooks_dir
        ).status()
        for name in dict.fromkeys(names or AGENTS)
    ]
    if as_json:
        click.echo(json.dumps({"status": "ok", "installers": states}, indent=2))
        return
    for state in states:
        report.show_status(state)
