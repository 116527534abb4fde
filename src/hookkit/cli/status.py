"""`hookkit status`: where hookkit is installed, and whether the agents run its hooks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hookkit.agents.contract import Scope
from hookkit.cli.options import which_installs

EXAMPLES = """\b
Examples:
  hookkit status
  hookkit status claude-code --scope project --json
"""


@click.command(epilog=EXAMPLES)
@which_installs
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    as_json: bool,
) -> None:
    """Show whether the hooks are registered, complete and active. `hookkit doctor` proves that they fire.

    Without --scope and --settings-file, in every settings file that they were put into.
    """
    from hookkit.installer import report
    from hookkit.installer.choice import chosen, present

    states = [found.status() for found in present(chosen(names, scope, project, settings_file, hooks_dir))]
    if as_json:
        click.echo(json.dumps({"status": "ok", "installers": states}, indent=2))
        return
    for state in states:
        report.show_status(state)
