"""`hookkit demo`: a recorded real session, played through the hooks, with everything that comes out of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.errors import HookkitError

if TYPE_CHECKING:
    from hookkit.installer.rehearsal import Played

_INGEST_WAIT = 60.0  # seconds; the ingest starts detached and settles first


@click.command(
    epilog="\b\nExamples:\n  hookkit demo\n  hookkit demo --keep        leave the scratch folder to look around in"
)
@click.option("--keep", is_flag=True, help="Keep the scratch folder and say where it is.")
@click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")
def command(keep: bool, as_json: bool) -> None:
    """See hookkit at work without an agent: install, a recorded session, the trace, remove.

    Everything happens in a scratch folder with a home of its own; nothing of yours is read or written.
    """
    from hookkit.installer.rehearsal import scratch_folder

    with scratch_folder("hookkit-demo-", keep) as scratch:
        try:
            _Demo(scratch, as_json).run()
        finally:
            if keep:
                click.echo(f"\nThe scratch folder is {scratch}", err=as_json)


class _Demo:
    def __init__(self, scratch: Path, as_json: bool) -> None:
        self.scratch, self.as_json = scratch, as_json
        home = scratch / "home"
        (home / ".claude").mkdir(parents=True)
        self.settings = home / ".claude" / "settings.json"
        # A user's own settings, to see them come back: odd indentation, a hook of their own.
        self.original = (
            '{"theme": "dark",\n     "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}\n'
        )
        self.settings.write_text(self.original, encoding="utf-8")
        keep = {key: os.environ[key] for key in ("PATH", "LANG", "TERM", "COLUMNS", "NO_COLOR") if key in os.environ}
        self.environment = keep | {"HOME": str(home), "HOOKKIT_HOME": str(scratch / "hookkit")}

    def run(self) -> None:
        from hookkit import agents
        from hookkit.installer.rehearsal import Rehearsal

        contract = agents.get("claude-code")
        self._hookkit("install", contract.name)
        commands = self._registered([event.name for event in contract.events])
        rehearsal = Rehearsal(contract, self.scratch)
        self._say(
            f"A session recorded with {contract.title} {rehearsal.version}, played through the installed hooks:\n"
        )
        played = list(rehearsal.play(commands, self.environment))
        for step in played:
            tool = next((line["data"].get("tool", "") for line in step.lines), "")
            told = f"tree {step.recorded[:10]}" if step.recorded else ""
            told += "  NOT what git gives" if _is_off(step) else ""
            self._say(f"  {step.event:<20} {tool:<7} {len(step.lines)} line  {told}")
        trace = self._wait_for_trace()
        self._say("\nhookkit show last\n")
        self._say(self._hookkit("show", "last"))
        self._say("hookkit blame stats.py\n")
        self._wait_for_trail(rehearsal.root)
        self._say(self._hookkit("blame", "stats.py", cwd=rehearsal.root))
        self._hookkit("remove", contract.name)
        restored = self.settings.read_text(encoding="utf-8") == self.original
        self._say(
            "hookkit remove: the settings are " + ("byte for byte as they were." if restored else "NOT as they were.")
        )
        wrong = [step.event for step in played if step.code or step.output or len(step.lines) != 1 or _is_off(step)]
        if self.as_json:
            events = [{"event": s.event, "code": s.code, "lines": len(s.lines), "tree_id": s.recorded} for s in played]
            click.echo(json.dumps({"events": events, "restored": restored, "trace": json.loads(trace.read_bytes())}))
        if wrong or not restored:
            raise HookkitError(
                "DEMO_FAILED", f"The demo went wrong at {', '.join(wrong) or 'remove'}.", "hookkit doctor"
            )

    def _say(self, text: str) -> None:
        if not self.as_json:
            click.echo(text)

    def _hookkit(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hookkit", *arguments],
            env=self.environment, cwd=cwd or self.scratch, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise HookkitError(
                "DEMO_FAILED", f"hookkit {arguments[0]} failed: {said}", "hookkit doctor says what is wrong."
            )
        return done.stdout

    def _registered(self, events: Sequence[str]) -> dict[str, str]:
        hooks = json.loads(self.settings.read_text(encoding="utf-8"))["hooks"]
        return {event: hooks[event][-1]["hooks"][-1]["command"] for event in events}

    def _wait_for_trace(self) -> Path:
        """The trace, once the detached ingest has written it."""
        deadline = time.monotonic() + _INGEST_WAIT
        while time.monotonic() < deadline:
            found = list((self.scratch / "hookkit" / "traces").glob("*.json"))
            if found and json.loads(found[0].read_bytes())["metadata"].get("hook_stop"):
                return found[0]
            time.sleep(0.05)
        raise HookkitError(
            "NO_TRACE",
            "The ingest did not write a trace in time.",
            "Run `hookkit demo --keep`, and look at hookkit/state/ingest.log in the folder that it names.",
        )

    def _wait_for_trail(self, root: Path) -> None:
        """Until the ingest has stated the whole session in the event log of the repository."""
        from hookkit.trails import read_events

        deadline = time.monotonic() + _INGEST_WAIT
        while time.monotonic() < deadline:
            if any(event.event_type == "trace_session_closed" for event in read_events(root)):
                return
            time.sleep(0.05)
        raise HookkitError(
            "NO_TRAIL",
            "The ingest did not write the event log in time.",
            "Run `hookkit demo --keep`, and look at hookkit/state/ingest.log in the folder that it names.",
        )


def _is_off(step: Played) -> bool:
    return step.recorded is not None and step.recorded != step.tree
