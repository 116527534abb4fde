"""What the user has set: ``config.toml`` in hookkit's home; environment variables win over it, defaults stand below it.

Every setting is in ``SETTINGS``, and everybody who wants one asks here. Hooks read no file of settings: they are called
too often. ``store.config_edit`` writes the file.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hookkit import paths
from hookkit.errors import HookkitError, UsageError

Source = Literal["environment", "file", "default"]

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. kind: str, int (not negative) or bool. choices: the only texts that are allowed; none: any.

    also: another environment variable that sets it, below ``variable``.
    """

    name: str
    default: str | int | bool
    help: str
    choices: tuple[str, ...] = ()
    also: str = ""

    @property
    def kind(self) -> type:
        return type(self.default)

    @property
    def variable(self) -> str:
        """The environment variable that wins over the file."""
        return "HOOKKIT_" + self.name.upper().replace(".", "_")

    def read(self, text: str) -> Any:
        """The value that a text means, as a person or an environment variable has it. ValueError if it means none."""
        if self.kind is bool:
            if text.lower() not in (*_YES, *_NO):
                raise ValueError
            return text.lower() in _YES
        return self.check(int(text) if self.kind is int else text)

    def check(self, value: Any) -> Any:
        """The value itself. ValueError if it is not of the setting's kind."""
        if type(value) is not self.kind or (isinstance(value, int) and value < 0):
            raise ValueError
        if self.choices and value not in self.choices:
            raise ValueError
        return value

    @property
    def wanted(self) -> str:
        """What a value has to be, in words."""
        if self.choices:
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        return {str: "a text", int: "a whole number, not negative", bool: "true or false"}[self.kind]


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("pager", "", "Program that shows long output; cat: none. Empty: $PAGER, else less."),
        Setting("times", "", "How list and show tell times.", ("", "relative", "absolute", "delta")),
        Setting("icons", "auto", "Signs beyond ASCII; auto: if the terminal can.", ("auto", "unicode", "ascii")),
        Setting("list.limit", 20, "How many sessions hookkit list shows; 0: all."),
        Setting(
            "adk.trace_dir", "", "Where the ADK plugin writes its traces. Empty: its default.", also="AGENTTRACE_DIR"
        ),
        Setting("adk.retention_days", 30, "For how many days the ADK plugin keeps its traces; 0: for ever."),
        Setting("adk.sanitize_args", True, "Whether the ADK plugin takes secrets out of what it writes."),
        Setting("adk.max_response_preview", 500, "Characters of a result that the ADK plugin keeps."),
        Setting("adk.ingest", True, "Whether a run that ends becomes a trace at once."),
        Setting("telemetry.days", 30, "For how many days received telemetry is kept; 0: for ever."),
        Setting("telemetry.bytes", 1 << 30, "How many bytes of telemetry are kept, the newest first; 0: any."),
        Setting("telemetry.identities", "hash", "What is kept of ids of users and accounts.", ("hash", "drop", "keep")),
        Setting("capture.max_untracked_file_bytes", 32 << 20, "Where capture is slow: largest untracked file in it."),
        Setting("capture.max_untracked_bytes", 1 << 30, "Where capture is slow: most bytes of untracked files."),
        Setting("capture.max_untracked_files", 250_000, "Where capture is slow: most untracked files."),
    )
}


def path() -> Path:
    """The file, whether it exists or not."""
    return paths.home() / "config.toml"


def setting(name: str) -> Setting:
    """The setting of that name; UsageError, with the nearest name, if there is none."""
    if name in SETTINGS:
        return SETTINGS[name]
    near = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError("UNKNOWN_SETTING", f"There is no setting {name!r}.", f"{hint}`hookkit config list` shows all.")


def get(name: str) -> Any:
    """The value of a setting: a str, int or bool. HookkitError if what was set is no such thing."""
    return explain(name)[0]


def explain(name: str) -> tuple[Any, Source]:
    """The value of a setting, and where it is from."""
    wanted = setting(name)
    for variable in filter(None, (wanted.variable, wanted.also)):
        text = os.environ.get(variable)
        if text:
            try:
                return wanted.read(text), "environment"
            except ValueError:
                raise _bad(f"${variable}", text, wanted) from None
    given = _lookup(load(), name)
    if given is None:
        return wanted.default, "default"
    try:
        return wanted.check(given), "file"
    except ValueError:
        raise _bad(f"{name} in {path()}", given, wanted) from None


def load() -> Mapping[str, Any]:
    """What the file says, as TOML has it; nothing if there is no file. HookkitError, with the line, if it is broken."""
    try:
        content = path().read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _broken(str(error.strerror)) from error
    import tomllib  # only where there is a file: it takes longer to load than most commands take to run

    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise _broken(f"it is not UTF-8 (at line {content[: error.start].count(10) + 1})") from error
    except tomllib.TOMLDecodeError as error:
        lines = content.rstrip().count(b"\n") + 1
        raise _broken(str(error).replace("at end of document", f"at the end, line {lines}")) from error


def unknown(given: Mapping[str, Any]) -> list[str]:
    """The names in a file that are no settings."""
    sections = {name.partition(".")[0] for name in SETTINGS if "." in name}
    names = []
    for key, value in given.items():
        inner = value if key in sections and isinstance(value, Mapping) else None
        names += [key] if inner is None else [f"{key}.{below}" for below in inner]
    return [name for name in names if name not in SETTINGS]


def _lookup(given: Mapping[str, Any], name: str) -> Any:
    value: Any = given
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _broken(why: str) -> HookkitError:
    return HookkitError("BROKEN_CONFIG", f"{path()} cannot be read: {why}.", "Put that line right, or delete the file.")


def _bad(where: str, value: Any, wanted: Setting) -> HookkitError:
    return HookkitError(
        "BAD_SETTING", f"{where} is {value!r}.", f"It has to be {wanted.wanted}: hookkit config set {wanted.name} VALUE"
    )
