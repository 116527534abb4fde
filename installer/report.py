"""What install, remove and status say to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from hookkit import paths
from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract
from hookkit.installer.result import HookInstallResult, Preview

if TYPE_CHECKING:
    from hookkit.installer.settings_installer import SettingsHookInstaller

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """Print text that may hold anything: what could steer a terminal is shown escaped."""
    click.echo(_CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text))


def short(path: Path | str) -> str:
    """A path as people write it: ``~`` for the home folder."""
    home = str(Path.home())
    text = str(path)
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def show_install(contract: AgentContract, result: HookInstallResult) -> None:
    """One agent was installed for, or already was."""
    if result.changed:
        say(f"Installed {contract.title} hooks: {len(result.events)} events in {short(result.settings_path)}")
        say(f"Scripts:   {short(result.hooks_dir)}")
        say(f"Sessions:  {short(paths.home())} and .opentraces/ in each worktree; nothing leaves this machine.")
    else:
        say(f"{contract.title} hooks are installed already: {len(result.events)} in {short(result.settings_path)}")
    _show_warnings([warn.to_dict() for warn in result.warnings])
    if result.active:
        say(f"Next: start {contract.program} as always, then `hookkit list`. `hookkit doctor` proves that hooks fire.")
    else:
        say(f"{contract.title} does not run these hooks yet: see above.")


def show_remove(results: Sequence[HookInstallResult]) -> None:
    """Hooks were taken out, or there were none."""
    for result in results:
        if result.changed:
            title = AGENTS[result.installer].title
            gone = any(action.action == "delete" and action.event == "settings" for action in result.actions)
            if result.events:
                say(f"Removed {title} hooks: {len(result.events)} events from {short(result.settings_path)}")
            else:
                say(f"{title} hooks were gone from {short(result.settings_path)}; removed what was left of them.")
            if gone:
                say("  hookkit had made that file, so it is gone.")
        _show_warnings([warn.to_dict() for warn in result.warnings])
    if not any(result.changed for result in results):
        say("No hooks of hookkit were found.")


def show_left(installers: Sequence[SettingsHookInstaller]) -> None:
    """Hooks that nobody asked to remove: in this project's own settings, and not put there from here."""
    done = {installer.target.file for installer in installers}
    for installer in installers:
        for scope in installer.target.contract.settings:
            target = replace(installer.target, scope=scope, link=installer.target.settings_of(scope))
            if target.file not in done and target.entries():
                done.add(target.file)
                say(f"Left alone: hooks of hookkit in {short(target.link)}, which were not put there from here.")
                say(f"   hint: {target.command('remove')}")


def show_purge(purged: Sequence[Path]) -> None:
    """What was recorded is gone."""
    say(f"Deleted all that hookkit kept ({len(purged)} places):" if purged else "Nothing was recorded.")
    for path in purged:
        say(f"  {short(path)}")


def show_status(state: Mapping[str, object]) -> None:
    """One agent's state in a few lines."""
    present = cast("Mapping[str, bool]", state["entries_present"])
    count = sum(present.values())
    word = "active" if state["active"] else "installed, not active" if state["installed"] else "not installed"
    if count and not state["installed"]:
        word = "incomplete"
    if not state["settings_readable"]:
        word = "the settings cannot be read"
    say(f"{state['title']}: {word}")
    say(f"  settings  {short(str(state['settings_path']))}  {count} of {len(present)} events")
    if count:
        say(f"  scripts   {short(str(state['hooks_dir']))}  {'current' if state['scripts_current'] else 'not current'}")
        say(f"  python    {short(str(state['interpreter']))}  {'works' if state['interpreter_ok'] else 'is gone'}")
    _show_warnings(cast("Sequence[Mapping[str, object]]", state["warnings"]))
    if not count and state["settings_readable"]:
        say(f"  Next: hookkit install {state['installer']}")


def show_previews(
    previews: Sequence[tuple[SettingsHookInstaller, Preview]], as_json: bool, doomed: Sequence[Path] = ()
) -> None:
    """What an install or a remove would do. doomed: what a purge would delete besides."""
    if as_json:
        plans = [
            {
                "installer": installer.installer_name,
                "settings_path": str(installer.target.link),
                "actions": [action.to_dict() for action in preview.actions],
                "diff": preview.diff.encode("utf-8", "replace").decode(),
                "warnings": [warn.to_dict() for warn in preview.warnings],
            }
            for installer, preview in previews
        ]
        body: dict[str, object] = {"status": "ok", "dry_run": True, "plans": plans}
        click.echo(json.dumps({**body, "purge": [str(path) for path in doomed]} if doomed else body, indent=2))
        return
    for _, preview in previews:
        for line in preview.diff.splitlines():
            say(line)
        for action in preview.actions:
            say(f"{action.action:<8}{action.event:<20}{short(action.dest)}")
        _show_warnings([warn.to_dict() for warn in preview.warnings])
    for path in doomed:
        say(f"{'delete':<8}{'recorded':<20}{short(path)}")
    say("Nothing was changed (--dry-run).")


def _show_warnings(warnings: Sequence[Mapping[str, object]]) -> None:
    for warn in warnings:
        say(f"warning: {warn['message']}")
        say(f"         {short(str(warn['file']))}, {warn['path']}")
        say(f"   hint: {warn['hint']}")
