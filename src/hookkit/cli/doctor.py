"""`hookkit doctor`: prove that the hooks of each installed agent fire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hookkit.agents.contract import Scope
from hookkit.cli.options import which_installs

_MARKS = {"ok": "ok  ", "warning": "warn", "failed": "FAIL"}


@click.command(epilog="\b\nExamples:\n  hookkit doctor\n  hookkit doctor claude-code --json\n  hookkit doctor --fix")
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
    """Prove that the hooks fire: run the registered commands on a recorded session and look at what comes out.

    Without AGENT every agent that has hooks of hookkit is examined, and every settings file that they were put into.
    Exit code 1 if a check failed.
    """
    from hookkit.installer import doctor
    from hookkit.installer.choice import chosen, present

    folder = (project or Path.cwd()).resolve()
    report: list[dict[str, Any]] = []
    for installer in present(chosen(names, scope, folder, settings_file, hooks_dir)):
        contract = installer.target.contract
        done = doctor.fix(contract, installer, folder) if fix else []
        if not as_json:
            click.echo(contract.title)
            for sentence in done:
                click.echo(f"  fixed  {sentence}")
        checks = []
        for check in doctor.examine(contract, installer, folder):
            checks.append(check)
            if not as_json:
                click.echo(f"  {_MARKS[check.status]}  {check.name:<12} {check.message}")
                if check.hint:
                    click.echo(f"        {'':<12} hint: {check.hint}")
        report.append({"agent": contract.name, "fixed": done, "checks": [check.to_dict() for check in checks]})
    healthy = all(check["status"] != "failed" for row in report for check in row["checks"])
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "agents": report}, indent=2))
    return 0 if healthy else 1
