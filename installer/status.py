"""How an install stands right now: read from the files, never remembered."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping

from hookkit import paths
from hookkit.errors import HookInstallError
from hookkit.installer import command, envelope, probes, settings_edit
from hookkit.installer.envelope import Warn
from hookkit.installer.jsontext import JsonTextError, parse
from hookkit.installer.scripts import RUNTIME
from hookkit.installer.settings_edit import Entry
from hookkit.installer.settings_target import SettingsTarget
from hookkit.installer.target import Target


def status(target: SettingsTarget) -> dict[str, object]:
    """The machine-readable state (schemas/install-status.schema.json).

    installed: every event is registered and what it runs exists. active: the agent will really run it.
    stale: events whose entry is not what this hookkit would write. duplicates: events registered more than once.
    """
    entries, warnings, exists, readable = _settings(target)
    counts = Counter(e.event for e in entries)
    return report(
        target,
        present={event: event in counts for event in target.ours.handlers},
        stale=[event for event in dict.fromkeys(e.event for e in entries) if not _exact(entries, event)],
        duplicates=sorted(event for event, count in counts.items() if count > 1),
        commands=sorted({entry.text for entry in entries}),
        interpreters=sorted({e.command.interpreter for e in entries}) or [target.interpreter],
        settings=(exists, readable),
        warnings=warnings,
    )


def report(
    target: Target,
    *,
    present: Mapping[str, bool],
    stale: list[str],
    duplicates: list[str],
    commands: list[str],
    interpreters: list[str],
    settings: tuple[bool, bool],
    warnings: list[Warn],
) -> dict[str, object]:
    """The state of an agent's install. settings: whether the file exists, and whether it can be read."""
    # Another home, or another environment, says other things in it; that is not wrong by itself.
    scripts_current = not set(target.scripts.stale()) - {RUNTIME}
    interpreter_ok = all(command.interpreter_works(interpreter) for interpreter in interpreters)
    scripts_present = {name: os.path.isfile(target.folder / name) for name in target.scripts.names}
    installed = all(present.values()) and all(scripts_present.values()) and interpreter_ok
    warnings += _own_warnings(target, present, stale, scripts_current, interpreters, interpreter_ok)
    if any(present.values()) or stale:
        warnings += (*_runtime_warnings(target), *probes.warnings(target))
    return {
        "installer": target.contract.name,
        "title": target.contract.title,
        "scope": target.scope,
        "installed": installed,
        "active": installed and not any(warn.blocks for warn in warnings),
        "agent_dir_exists": os.path.isdir(target.contract.config_home(target.env)),
        "agent_program": shutil.which(target.contract.program, path=target.env.get("PATH")),
        "settings_path": str(target.link),
        "settings_exists": settings[0],
        "settings_readable": settings[1],
        "entries_present": dict(present),
        "commands": commands,
        "hooks_dir": str(target.folder),
        "script_paths": {name: str(target.folder / name) for name in target.scripts.names},
        "scripts_present": scripts_present,
        "scripts_current": scripts_current,
        "ingest_ok": target.scripts.runs_ingest(),
        "interpreter": interpreters[0],
        "interpreter_ok": interpreter_ok,
        "duplicates": duplicates,
        "stale": stale,
        "recorded": target.record() is not None,
        "warnings": [warn.to_dict() for warn in warnings],
    }


def _settings(target: SettingsTarget) -> tuple[tuple[Entry, ...], list[Warn], bool, bool]:
    """The entries of ours, what keeps them from running, and whether the settings file exists and can be read."""
    warnings: list[Warn] = []
    entries: tuple[Entry, ...] = ()
    exists = readable = False
    try:
        found, text = target.read()
        exists = found.data is not None
        doc = parse(text or "")
        entries = settings_edit.entries(doc, target.ours)
        warnings += envelope.warnings(target.contract, target.link, doc)
        readable = True
    except JsonTextError as error:
        refusal = envelope.corrupt(target.link, error)
        exists = True
        warnings.append(refused(target, refusal))
    except HookInstallError as refusal:
        exists = os.path.exists(target.link)
        warnings.append(refused(target, refusal))
    policy = envelope.managed_refusal(target.contract)
    return entries, [*warnings, *([policy] if policy else []), *target.outside_warnings()], exists, readable


def refused(target: Target, refusal: HookInstallError) -> Warn:
    """A refusal, as something that stands in the way."""
    return Warn(refusal.code, str(target.link), "$", refusal.message, refusal.hint, blocks=True)


def _exact(entries: tuple[Entry, ...], event: str) -> bool:
    return [e.exact for e in entries if e.event == event] == [True]


def _own_warnings(
    target: Target,
    present: Mapping[str, bool],
    stale: list[str],
    scripts_current: bool,
    interpreters: list[str],
    interpreter_ok: bool,
) -> list[Warn]:
    if not any(present.values()) and not stale:
        return []
    file = str(target.link)
    again = target.command("install")
    found: list[Warn] = []
    missing = [event for event, there in present.items() if not there]
    if missing:
        found.append(Warn("ENTRY_MISSING", file, "$.hooks", f"Not registered: {', '.join(missing)}.", again, False))
    if stale:
        which = ", ".join(stale) if len(stale) < len(present) else f"all {len(stale)} events"
        message = f"Not as this hookkit writes it: {which}."
        found.append(Warn("ENTRY_STALE", file, "$.hooks", message, again, False))
    if not scripts_current:
        message = f"The scripts in {target.folder} are missing or not those of this hookkit."
        found.append(Warn("SCRIPTS_STALE", str(target.folder), "$", message, again, False))
    if not interpreter_ok:
        message = f"The registered Python is gone: {', '.join(interpreters)}."
        found.append(Warn("INTERPRETER_GONE", file, "$.hooks", message, again, True))
    return found


def _runtime_warnings(target: Target) -> list[Warn]:
    """What runtime.json says beside the scripts: who reads what the hooks record, and where that is."""
    if not os.path.isfile(target.folder / RUNTIME):
        return []  # missing scripts have been reported
    file = str(target.folder / RUNTIME)
    found: list[Warn] = []
    if not target.scripts.runs_ingest():
        python = next(iter(target.scripts.ingest()), "none is named")
        message = f"The Python that makes traces of what the hooks record is gone: {python}."
        found.append(Warn("INGEST_GONE", file, "$.ingest", message, target.command("install"), False))
    other = target.elsewhere()
    if other:
        message = f"These hooks keep their sessions in {other.home}; this hookkit looks in {paths.home()}."
        hint = f"{other.command('list')}, or to keep them here: {target.command('install')}"
        found.append(Warn("OTHER_HOME", file, "$.home", message, hint, False))
    return found
