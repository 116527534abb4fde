"""`hookkit remove`: put back as it was what an install changed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hookkit.agents.contract import Scope
from hookkit.cli.options import harness, refuse_harness, which_installs

EXAMPLES = """\b
Examples:
  hookkit remove                          every hook of hookkit, wherever it was installed
  hookkit remove claude-code              those of one agent
  hookkit remove git --project .          those of this repository
  hookkit remove claude-code --dry-run    show the diff, change nothing
  hookkit remove --purge                  also delete all that was recorded
"""


@click.command(epilog=EXAMPLES)
@which_installs
@harness("take it from")
@click.option("--purge", is_flag=True, help="Also delete the traces, and all that the hooks left in worktrees.")
@click.option("--dry-run", is_flag=True, help="Show the diff and every action; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    harnesses: tuple[str, ...],
    purge: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take the hooks out again, byte for byte where nobody else has edited what they were put into.

    NAME is an agent, git, watcher or skill. Without one, and without --scope and --settings-file: from every settings
    file and every repository that they were put into, the watcher and the skill as well.
    """
    from hookkit.installer import purge as purging
    from hookkit.installer import report
    from hookkit.installer.choice import chosen, present

    refuse_harness(names, harnesses)
    known = chosen(names, scope, project, settings_file, hooks_dir, harnesses)
    # What nobody named and holds nothing of ours must not be in the way, however odd it is.
    installers = known if names else present(known)
    # All previews come first: where one file refuses, none is changed.
    previews = [(installer, installer.preview_remove()) for installer in installers]
    if dry_run:
        report.show_previews(previews, as_json, purging.recorded() if purge else ())
        return
    removed = [(installer, installer.remove()) for installer in installers]
    purged = purging.purge() if purge else ()
    if as_json:
        body: dict[str, object] = {"status": "ok", "results": [result.to_dict() for _, result in removed]}
        if purge:
            body["purged"] = [str(path) for path in purged]
        click.echo(json.dumps(body, indent=2))
        return
    report.show_remove(removed)
    report.show_left(known, [installer.place.resolve() for installer in installers])
    if purge:
        report.show_purge(purged)
