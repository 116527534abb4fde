"""What Codex CLI's files say about its trust in our hooks: read, and compared as Codex compares; Codex is not started.

Codex runs no hook that its user has not trusted, and says nothing of it. It keeps the trust in its config.toml, as

    [hooks.state."<hooks.json>:<event in snake case>:<number of the group>:<number of the handler>"]
    trusted_hash = "sha256:<hex>"
    enabled = false                       # only where the user switched the hook off

The hash is that of the canonical JSON (keys sorted, no spaces, UTF-8) of ``{"event_name", "hooks": [handler]}``, where
the handler has its defaults filled in; "matcher" is in it where the event takes one. So it is in 0.171.0.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookkit.errors import HookkitError
from hookkit.installer import command, files
from hookkit.installer.target import Target

TRUSTED = ("trusted", "managed")
_SHORT = ("SessionEnd", "Interrupt")  # one second unless said otherwise, and three at most
_FEATURE = ("hooks", "codex_hooks")  # the switch of all hooks: its name, which wins, and an older one
_LONGEST_SHORT, _DEFAULT = 3, 600  # seconds


class NoAnswerError(Exception):
    """It cannot be told what Codex trusts; the text says why."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One of our hooks as Codex sees it. key: its place in Codex's state.

    status: trusted, managed, untrusted, or modified: another form of the hook was trusted.
    """

    key: str
    event: str
    command: str
    hash: str
    status: str
    enabled: bool


def config_file(target: Target) -> Path:
    """The file that holds the trust, links followed."""
    return files.follow(target.contract.config_home(target.env) / "config.toml")


def config(target: Target) -> Mapping[str, Any]:
    """What is in that file; {} where there is none. NoAnswerError where Codex could not read it either."""
    path = config_file(target)
    try:
        return tomllib.loads((files.read(path).data or b"").decode("utf-8-sig"))
    except (HookkitError, ValueError, RecursionError) as error:
        raise NoAnswerError(f"{path}: {error}") from error


def switched_off(target: Target, config: Mapping[str, Any]) -> tuple[str, str] | None:
    """What keeps Codex from reading the target's hooks at all, and what to do; None where nothing does."""
    features = _table(config, "features")
    name = next((name for name in _FEATURE if name in features), "")
    if features.get(name) is False:
        why = f"Hooks are switched off in {config_file(target)}: [features] {name} = false."
        return why, f"Set it to true, or delete the line, when hooks may run; {target.contract.program} features list"
    if target.scope == "project":
        projects = _table(config, "projects")
        folders = {str(f) for f in (target.project, *target.project.parents)}
        folders |= {str(f) for f in (target.project.resolve(), *target.project.resolve().parents)}
        levels = [_table(projects, folder).get("trust_level") for folder in folders]
        if "trusted" not in levels:
            why = "Codex does not trust the project's folder, so it does not read its hooks."
            return why, f"Start {target.contract.program} there, and trust the folder when it asks."
    return None


def hooks(target: Target, config: Mapping[str, Any], told: Mapping[str, tuple[str, str]]) -> list[Hook]:
    """Our hooks in the target's file. told: key -> (the hash that Codex named when it was told to trust the hook, the
    one computed here at that time): what Codex says counts, should a later version compute otherwise."""
    state = _table(_table(config, "hooks"), "state")
    found = []
    for event, group, number, matcher, handler in _ours(target):
        hashes = [hash_of(event, handler, matcher), hash_of(event, handler, None)]
        places = [f"{file}:{_snake(event)}:{group}:{number}" for file in _spellings(target)]
        known = {key: _table(state, key) for key in places if isinstance(state.get(key), dict)}
        key = next(iter(known), places[0])
        good = {codex for codex, computed in (told[key],) if computed in hashes} if key in told else set()
        trusted = known.get(key, {}).get("trusted_hash")
        status = "untrusted" if trusted is None else "trusted" if trusted in (*hashes, *good) else "modified"
        enabled = known.get(key, {}).get("enabled") is not False
        found.append(Hook(key, event, str(handler["command"]), hashes[0], status, enabled))
    return found


def hash_of(event: str, handler: Mapping[str, Any], matcher: object) -> str:
    """The hash that Codex gives to a hook."""
    given = handler.get("timeout")
    timeout = max(1, given) if type(given) is int else 1 if event in _SHORT else _DEFAULT
    known: dict[str, object] = {
        "type": "command",
        "command": handler.get("command"),
        "timeout": min(timeout, _LONGEST_SHORT) if event in _SHORT else timeout,
        "async": handler.get("async") is True,
    }
    if isinstance(handler.get("statusMessage"), str):
        known["statusMessage"] = handler["statusMessage"]
    identity: dict[str, object] = {"event_name": _snake(event), "hooks": [known]}
    if isinstance(matcher, str):
        identity["matcher"] = matcher
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _ours(target: Target) -> Iterator[tuple[str, int, int, object, Mapping[str, Any]]]:
    """(event, number of the group, number of the handler, matcher, handler) of every hook of ours in the file."""
    try:
        events = json.loads(files.read(target.file).data or b"{}")["hooks"]
    except (HookkitError, ValueError, LookupError, TypeError, RecursionError):
        return
    for event, groups in events.items() if isinstance(events, dict) else ():
        for group, entry in enumerate(groups if isinstance(groups, list) else ()):
            handlers = entry.get("hooks") if isinstance(entry, dict) else None
            for number, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                line = handler.get("command") if isinstance(handler, dict) else None
                if command.own_command(line, target.contract.hook_entry) is not None:
                    yield event, group, number, entry.get("matcher"), handler


def _spellings(target: Target) -> tuple[str, ...]:
    """The file as Codex may name it: as it is named, or, below a $CODEX_HOME, without links."""
    link = target.link
    return tuple(dict.fromkeys((str(link), os.path.join(os.path.realpath(link.parent), link.name), str(target.file))))


def _snake(event: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", event).lower()


def _table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
