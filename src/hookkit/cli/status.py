"""`hookkit status`: where hookkit is installed, and whether its hooks are run."""

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
  hookkit status git                        the hooks of this repository, and of all others
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

    NAME is an agent, git or watcher. Without one, and without --scope and --settings-file: in every settings file and
    every repository that they were put into, and for every agent that is found here.
    """
    from hookkit.installer import report
    from hookkit.installer.choice import chosen, shown

    found = shown(chosen(names, scope, project, settings_file, hooks_dir), names)
    states = [installer.status() for installer in found]
    if as_json:
        click.echo(json.dumps({"status": "ok", "installers": states}, indent=2))
        return
    if not names:
        report.show_table(states)
        return
    for installer, state in zip(found, states, strict=True):
        report.show_status(installer, state)
