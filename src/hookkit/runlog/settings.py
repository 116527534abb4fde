"""How runs are logged: arguments, else the environment, else the table ``[adk]`` of config.toml, else defaults."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookkit import config, paths
from hookkit.errors import HookkitError

_LOG = logging.getLogger("hookkit.adk")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """trace_dir: the folder of the logs. run_id: the name of the one log of the process; None: a log a conversation.

    retention_days: logs that were not written to for longer are removed; 0 keeps all. sanitize_args: secrets are
    replaced, in texts, arguments, results and state. max_response_preview: characters of a tool's result that are kept.
    ingest: whether the end of a run starts the ingest of its log. live: a file that takes every event as well.
    disabled: nothing is recorded.
    """

    trace_dir: Path
    run_id: str | None = None
    retention_days: int = 30
    sanitize_args: bool = True
    max_response_preview: int = 500
    ingest: bool = True
    live: Path | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a setting comes from. key: in the file; "" where it is none of the file's. read: ValueError if no value."""

    variable: str
    key: str
    read: Callable[[object], Any]


def _path(value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("is not a path")
    return Path(os.path.expanduser(value)).absolute()


def _live(value: object) -> Path:
    """A full path: there used to be programs that meant a switch by it."""
    if not isinstance(value, (str, os.PathLike)) or not os.path.isabs(value):
        raise ValueError("is not the full path of a file")
    return Path(value)


def _whole(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is not int or number < 0:
        raise ValueError("is not a whole number")
    return number


def _switch(value: object) -> bool:
    found = _WORDS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("is neither true nor false")
    return found


def _name(value: object) -> str:
    """A run's id as part of a file name: other characters become dashes."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", value)[:64] if isinstance(value, str) else ""
    if not name:
        raise ValueError("is not a name")
    return name


SETTINGS: Mapping[str, Setting] = {
    "trace_dir": Setting("AGENTTRACE_DIR", "trace_dir", _path),
    "run_id": Setting("AGENTTRACE_RUN_ID", "", _name),
    "retention_days": Setting("AGENTTRACE_RETENTION_DAYS", "retention_days", _whole),
    "sanitize_args": Setting("AGENTTRACE_SANITIZE_ARGS", "sanitize_args", _switch),
    "max_response_preview": Setting("AGENTTRACE_MAX_RESPONSE_PREVIEW", "max_response_preview", _whole),
    "ingest": Setting("AGENTTRACE_INGEST", "ingest", _switch),
    "live": Setting("AGENTTRACE_LIVE", "", _live),
    "disabled": Setting("AGENTTRACE_DISABLE", "", _switch),
}


def load(env: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """The settings that hold. given: arguments, None for what was not given; ValueError if one is no such value.

    What the environment or the file gives is left out where it is of no use, with a warning: a program that runs
    must not stop for it.
    """
    found: dict[str, Any] = {"trace_dir": paths.runs()}
    table = _table()
    for name, setting in SETTINGS.items():
        if given.get(name) is not None:
            try:
                found[name] = setting.read(given[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}: {given[name]!r}") from None
            continue
        for where, value in (
            (setting.variable, env.get(setting.variable) or None),
            (setting.key, table.get(setting.key)),
        ):
            if value is None:
                continue
            try:
                found[name] = setting.read(value)
                break
            except ValueError as error:
                _LOG.warning("%s %s and was left out: %r", where, error, value)
    found["disabled"] = found.get("disabled", False) or env.get("HOOKKIT_DISABLE") == "1" or _is_excluded()
    return Settings(**found)


def trace_dir(env: Mapping[str, str]) -> Path:
    """The folder of the logs."""
    return load(env).trace_dir


def _is_excluded() -> bool:
    """Whether nothing may be recorded where the program runs."""
    try:
        return paths.is_excluded(Path.cwd())
    except OSError:
        return False


def _table() -> Mapping[str, Any]:
    try:
        table = config.load().get("adk", {})
    except HookkitError as error:
        _LOG.warning("%s %s", error.message, error.hint)
        return {}
    return table if isinstance(table, dict) else {}
