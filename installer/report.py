"""What install, remove and status say to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import click

from hookkit.installer.protocol import Installer
from hookkit.installer.result import HookInstallResult, Preview, short

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """Print text that may hold anything: what could steer a terminal is shown escaped."""
    click.echo(_CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text))


def show_install(installer: Installer, result: HookInstallResult) -> None:
    """Something was installed, or already was."""
    if result.changed:
        say(f"Installed {installer.subject}: {_count(installer, result)} in {short(result.settings_path)}")
        for line in installer.details(result):
            say(line)
    else:
        where = f"{len(result.events)} in {short(result.settings_path)}"
        say(f"{installer.subject[:1].upper()}{installer.subject[1:]} are installed already: {where}")
    _show_warnings([warn.to_dict() for warn in result.warnings])
    for line in result.notes:
        say(line)
    say(installer.next_step(result))


def show_remove(removed: Sequence[tuple[Installer, HookInstallResult]]) -> None:
    """Hooks were taken out, or there were none."""
    for installer, result in removed:
        if result.changed:
            gone = any(action.action == "delete" and action.event == "settings" for action in result.actions)
            if result.events:
                say(f"Removed {installer.subject}: {_count(installer, result)} from {short(result.settings_path)}")
            else:
                say(f"{installer.subject} were gone from {short(result.settings_path)}; removed what was left of them.")
            if gone:
                say("  hookkit had made that file, so it is gone.")
            for line in result.notes:
                say(f"  {line}")
        _show_warnings([warn.to_dict() for warn in result.warnings])
    if not any(result.changed for _, result in removed):
        say("No hooks of hookkit were found.")


def _count(installer: Installer, result: HookInstallResult) -> str:
    number = len(result.events)
    return f"{number} {installer.unit if number != 1 else installer.unit.removesuffix('s')}"


def show_left(installers: Sequence[Installer], removed: Sequence[Path]) -> None:
    """Hooks that nobody asked to remove."""
    done = [*removed]
    for installer in installers:
        for place, typed in installer.left_alone(done):
            done.append(place.resolve())
            say(f"Left alone: hooks of hookkit in {short(place)}, which were not put there from here.")
            say(f"   hint: {typed}")


def show_purge(purged: Sequence[Path]) -> None:
    """What was recorded is gone."""
    say(f"Deleted all that hookkit kept ({len(purged)} places):" if purged else "Nothing was recorded.")
    for path in purged:
        say(f"  {short(path)}")


def show_status(installer: Installer, state: Mapping[str, object]) -> None:
    """The state of one install in a few lines."""
    present = cast("Mapping[str, bool]", state["entries_present"])
    count = sum(present.values())
    word = "active" if state["active"] else "installed, not active" if state["installed"] else "not installed"
    if count and not state["installed"]:
        word = "incomplete"
    if not state["settings_readable"]:
        word = "the settings cannot be read"
    say(f"{state['title']}: {word}")
    in_one_file = state["settings_path"] != state["hooks_dir"]
    place = "settings" if in_one_file else "folder  "
    say(f"  {place}  {short(str(state['settings_path']))}  {count} of {len(present)} {installer.unit}")
    if count and in_one_file:
        say(f"  scripts   {short(str(state['hooks_dir']))}  {'current' if state['scripts_current'] else 'not current'}")
    if count and state["interpreter"]:
        say(f"  python    {short(str(state['interpreter']))}  {'works' if state['interpreter_ok'] else 'is gone'}")
    _show_warnings(cast("Sequence[Mapping[str, object]]", state["warnings"]))
    if not count and state["settings_readable"]:
        say(f"  Next: hookkit install {state['installer']}")


def show_table(states: Sequence[Mapping[str, object]]) -> None:
    """The state of all installs, a line each, and below them what stands in their way."""
    rows = [("", "scope", "installed", "active", "place"), *(_row(state) for state in states)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows if states else ():
        say("  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1])))
    for state in states:
        _show_warnings(cast("Sequence[Mapping[str, object]]", state["warnings"]), f"{state['installer']}: ")
    missing = [str(state["installer"]) for state in states if not any(_present(state)) and state["settings_readable"]]
    if missing:
        say(f"Next: hookkit install {' '.join(missing)}")
    if not states:
        say("hookkit is not installed, and none of the agents it knows was found here: hookkit agents")


def _row(state: Mapping[str, object]) -> tuple[str, str, str, str, str]:
    there = _present(state)
    installed = f"{sum(there)} of {len(there)}" if any(there) else "no"
    if not state["settings_readable"]:
        installed = "unreadable"
    active = "yes" if state["active"] else "no" if any(there) else "-"
    where = short(str(state["settings_path"]))
    return str(state["installer"]), str(state["scope"] or "-"), installed, active, where


def _present(state: Mapping[str, object]) -> list[bool]:
    return [*cast("Mapping[str, bool]", state["entries_present"]).values()]


def show_previews(previews: Sequence[tuple[Installer, Preview]], as_json: bool, doomed: Sequence[Path] = ()) -> None:
    """What an install or a remove would do. doomed: what a purge would delete besides."""
    if as_json:
        plans = [
            {
                "installer": installer.installer_name,
                "settings_path": str(installer.place),
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


def _show_warnings(warnings: Sequence[Mapping[str, object]], about: str = "") -> None:
    for warn in warnings:
        say(f"warning: {about}{warn['message']}")
        say(f"         {short(str(warn['file']))}, {warn['path']}")
        say(f"   hint: {warn['hint']}")
