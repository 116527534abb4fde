"""`hookkit agents`: what hookkit knows of each agent, and how it knows."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import click

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract, ExtensionWiring


@click.command(epilog="\b\nExamples:\n  hookkit agents\n  hookkit agents --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object an agent.")
def command(as_json: bool) -> None:
    """The agents hookkit can record, with the version each contract was checked against."""
    rows = [_row(contract) for contract in AGENTS.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        found = "found" if row["found"] else "not found"
        click.echo(f"{row['name']:<14} {found:<10} {AGENTS[row['name']].evidence}; {len(row['events'])} events")


def _row(contract: AgentContract) -> dict[str, Any]:
    home, resuming = contract.config_home(os.environ), contract.resuming
    return {
        "name": contract.name,
        "title": contract.title,
        "found": shutil.which(contract.program) is not None or os.path.isdir(home),
        "program": shutil.which(contract.program),
        "config_home": str(home),
        "events": [event.name for event in contract.events],
        "wiring": "extension" if isinstance(contract.wiring, ExtensionWiring) else "settings",
        "scopes": list(contract.places),
        "timeout_unit": contract.wiring.timeout_unit,
        "call_id": contract.call_field,
        "call_ids": contract.call_ids,
        "resumes": resuming is not None,
        "at_step": resuming is not None and resuming.at_step is not None,
        "skills": str(contract.skills(os.environ)) if contract.skills else None,
        "trust": contract.trust,
        "evidence": {
            "level": contract.evidence.level,
            "version": contract.evidence.version,
            "date": contract.evidence.date,
        },
    }
