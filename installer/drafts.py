"""An install or a remove, decided down to the last byte and not yet done. Every refusal happens here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hookkit.errors import HookInstallError
from hookkit.installer import envelope, files, record, settings_edit
from hookkit.installer.envelope import Warn
from hookkit.installer.jsontext import JsonTextError, parse
from hookkit.installer.record import InstallRecord, Result, text_hash
from hookkit.installer.result import Action, Verb
from hookkit.installer.settings_edit import Edit, EditCheckError, ShapeError
from hookkit.installer.settings_target import SettingsTarget
from hookkit.installer.target import Target
from hookkit.installer.users import still_needed


@dataclass(frozen=True, slots=True)
class InstallDraft:
    """folders, hook_folders: those to make. known: the record before; record: the one to be written first."""

    found: files.Found
    text: str | None
    edit: Edit
    known: InstallRecord | None
    record: InstallRecord
    folders: tuple[Path, ...]
    hook_folders: tuple[Path, ...]
    warnings: tuple[Warn, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class RemoveDraft:
    """result: the text to be left; None where the file goes, or is gone. events: those our hooks are under."""

    found: files.Found
    text: str | None
    result: str | None
    known: InstallRecord | None
    events: tuple[str, ...]
    actions: tuple[Action, ...]


def draft_install(target: SettingsTarget) -> InstallDraft:
    """Decide an install. Raises HookInstallError where it is refused; nothing is written either way."""
    refusal = envelope.managed_refusal(target.contract)
    if refusal:
        raise HookInstallError(refusal.code, refusal.message, refusal.hint)
    found, text = target.read()
    known = target.record()
    edit = _edit(target, text or "", known)
    folders = files.missing_folders(found.path.parent)
    target.scripts.check()
    hook_folders = files.missing_folders(target.folder)
    warnings = envelope.warnings(target.contract, target.link, parse(edit.text))
    if len(warnings) > len(envelope.warnings(target.contract, target.link, parse(text or ""))):
        raise _edit_failed(target.link, "the result would not be valid settings")
    entry = _record(target, found, text, edit, known, (folders, hook_folders))
    actions = (
        *(Action("make", "folder", "<generated>", str(folder)) for folder in (*folders, *hook_folders)),
        Action("keep" if entry == known else "write", "record", "<generated>", _record_path(entry)),
        *script_actions(target),
        *_entry_actions(target, text),
        _settings_action(target, "keep" if not edit.changed else "create" if text is None else "edit"),
    )
    return InstallDraft(found, text, edit, known, entry, folders, hook_folders, warnings, actions)


def draft_remove(target: SettingsTarget) -> RemoveDraft:
    """Decide a remove. Raises HookInstallError where it is refused; nothing is written either way."""
    found, text = target.read()
    known = target.record()
    target.refuse_if_elsewhere()
    result, events = _without(target, text, known)
    if known and known.created_file and result is not None and result != text and not result.strip("\ufeff \t\r\n"):
        result = None
    verb: Verb = "keep" if result == text else "delete" if result is None else "edit"
    actions = (
        *(Action("cut", event, str(target.script), str(target.link)) for event in events),
        _settings_action(target, verb),
        *(Action("delete", "script", target.scripts.origin(n), str(target.folder / n)) for n in doomed_scripts(target)),
        *([Action("delete", "record", "<generated>", _record_path(known))] if known else []),
    )
    return RemoveDraft(found, text, result, known, events, actions)


def _edit(target: SettingsTarget, text: str, known: InstallRecord | None) -> Edit:
    base = known.base_of(text) if known else None
    created = known.created_in(text) if known else None
    try:
        return settings_edit.with_hooks(text, target.ours, base, created)
    except JsonTextError as error:
        raise envelope.corrupt(target.link, error) from error
    except ShapeError as error:
        raise HookInstallError(
            "UNSAFE_SETTINGS",
            f"In {target.link}, {error}, so hooks cannot be added safely.",
            f"Make {error.path} {error.needed}, or delete it, then run the same command again.",
        ) from error
    except EditCheckError as error:
        raise _edit_failed(target.link, str(error)) from error


def _without(
    target: SettingsTarget, text: str | None, known: InstallRecord | None
) -> tuple[str | None, tuple[str, ...]]:
    """The text without our hooks, and the events that they are under."""
    if text is None:
        return None, ()
    try:
        doc = parse(text)
        events = tuple(dict.fromkeys(e.event for e in settings_edit.entries(doc, target.ours)))
        base = known.base_of(text) if known else None
        if base is None:
            base = settings_edit.without_hooks(text, target.ours, known.created_in(text) if known else None)
        return base, events
    except JsonTextError as error:
        if target.contract.hook_entry not in text:
            return text, ()  # broken, but nothing of ours is in it
        raise envelope.corrupt(target.link, error) from error
    except EditCheckError as error:
        raise _edit_failed(target.link, str(error)) from error


def _record(
    target: SettingsTarget,
    found: files.Found,
    text: str | None,
    edit: Edit,
    known: InstallRecord | None,
    made: tuple[tuple[Path, ...], tuple[Path, ...]],
) -> InstallRecord:
    """What to remember before anything is changed: it must serve whether or not the rest of the install happens."""
    # A record of settings that are no longer ours says nothing about who made the file that is there now.
    live = known if text is None or settings_edit.entries(parse(text), target.ours) else None
    results = known.results if known else ()
    if edit.changed:
        before = text_hash(text or "")
        after = Result(text_hash(edit.text), edit.undo, edit.created)
        results = (*(r for r in results if r.sha256 == before), after)
    entry = InstallRecord(
        agent=target.contract.name,
        settings=found.path,
        hooks_dir=target.folder,
        created_file=text is None or (live is not None and live.created_file),
        created_folders=made[0],
        created_hook_folders=made[1],
        results=results,
        scripts=target.scripts.hashes_after(known.scripts if known else {}),
    )
    return record.folders_made(entry, known, live)


def doomed_scripts(target: Target) -> list[str]:
    """The scripts that are there and that nobody needs once this target is removed."""
    needed = still_needed(target.folder, target)
    return [n for n in target.scripts.names if n not in needed and os.path.lexists(target.folder / n)]


def script_actions(target: Target) -> Iterable[Action]:
    """What an install does to each script."""
    scripts = target.scripts
    stale = scripts.stale()
    for name in scripts.names:
        verb: Verb = "write" if name in stale else "keep"
        yield Action(verb, "script", scripts.origin(name), str(scripts.folder / name))


def _entry_actions(target: SettingsTarget, text: str | None) -> Iterable[Action]:
    present = settings_edit.entries(parse(text or ""), target.ours)
    script, settings = str(target.script), str(target.link)
    for event in target.ours.handlers:
        exact = [e.exact for e in present if e.event == event]
        verb: Verb = "add" if not exact else "keep" if exact == [True] else "replace"
        yield Action(verb, event, script, settings, target.line)
    for event in dict.fromkeys(e.event for e in present if e.event not in target.ours.handlers):
        yield Action("cut", event, script, settings)


def _settings_action(target: Target, verb: Verb) -> Action:
    return Action(verb, "settings", "<generated>", str(target.link))


def _record_path(entry: InstallRecord) -> str:
    return str(record.location(entry.agent, entry.settings))


def _edit_failed(path: Path, reason: str) -> HookInstallError:
    return HookInstallError(
        "EDIT_CHECK_FAILED",
        f"{path} was not changed: {reason}.",
        "Please report this with the file (take secrets out); --settings-file works on a copy.",
    )
