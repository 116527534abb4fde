"""`hookkit doctor`: prove that what was installed works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hookkit.agents.contract import Scope
from hookkit.cli.options import which_installs
from hookkit.errors import HookkitError

_MARKS = {"ok": "ok  ", "warning": "warn", "failed": "FAIL"}


@click.command(
    epilog="\b\nExamples:\n  hookkit doctor\n  hookkit doctor claude-code --json\n  hookkit doctor git --fix"
)
@which_installs
@click.option("--fix", is_flag=True, help="Put right what can be put right, then check again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    names: tuple[str, ...],
    fix: bool,
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    as_json: bool,
) -> int:
    """Prove that the hooks fire: run them in a scratch repository and look at what comes out.

    Those of an agent are run on a recorded session, those of git by a commit. Without NAME everything is examined that
    was installed: every settings file, every repository, the watcher. Exit code 1 if a check failed.
    """
    from hookkit.installer import checkup
    from hookkit.installer.choice import chosen, present, shown

    folder = (project or Path.cwd()).resolve()
    report: list[dict[str, Any]] = []
    found = chosen(names, scope, project, settings_file, hooks_dir)
    examined = shown(found, names) if names else present(found)
    if not examined:
        raise HookkitError(
            "NOT_INSTALLED", "Nothing of hookkit is installed, so there is nothing to prove.", "hookkit install --all"
        )
    for installer in examined:
        done = checkup.fix(installer, folder) if fix else []
        if not as_json:
            click.echo(installer.title)
            for sentence in done:
                click.echo(f"  fixed  {sentence}")
        checks = []
        for check in checkup.examine(installer, folder):
            checks.append(check)
            if not as_json:
                click.echo(f"  {_MARKS[check.status]}  {check.name:<12} {check.message}")
                if check.hint:
                    click.echo(f"        {'':<12} hint: {check.hint}")
        report.append(
            {"agent": installer.installer_name, "fixed": done, "checks": [check.to_dict() for check in checks]}
        )
    healthy = all(check["status"] != "failed" for row in report for check in row["checks"])
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "agents": report}, indent=2))
    return 0 if healthy else 1
