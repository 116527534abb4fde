"""The signs beyond ASCII that views use, and what stands for them where they cannot be shown.

A sign never tells anything alone: a word stands beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from hookkit import config


@dataclass(frozen=True, slots=True)
class Icons:
    """more: text goes on. opening, closing: around what was looked for. The others are one cell wide each: in front of
    rows, of the row that is selected, and for a line across."""

    more: str
    opening: str
    closing: str
    turn: str
    subagent: str
    said: str
    running: str
    call: str
    failed: str
    no_result: str
    gap: str
    mark: str
    tokens: str
    error: str
    selected: str
    rule: str


UNICODE = Icons("…", "»", "«", *"▶↳·→●✗○◆⚑Σ✗›─")  # noqa: RUF001
ASCII = Icons("...", ">>", "<<", *">+.@*xo~#=x>-")
_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")


def icons() -> Icons:
    """Those that the terminal can show: ASCII where the locale is not UTF-8, or the terminal is dumb.

    The setting ``icons`` wins.
    """
    env = os.environ
    return _chosen(env.get("HOOKKIT_ICONS"), env.get("TERM"), *(env.get(name, "") for name in _LOCALE))


@cache
def _chosen(_variable: str | None, terminal: str | None, everything: str, characters: str, language: str) -> Icons:
    """Once for all: every text that is shown asks."""
    setting = config.get("icons")
    if setting in ("unicode", "ascii"):
        return UNICODE if setting == "unicode" else ASCII
    said = everything or characters or language
    if characters == "C.UTF-8" and not everything and language in ("", "C", "POSIX"):
        said = ""  # Python itself puts that there where the locale is C
    plain = said.lower().replace("-", "")
    return UNICODE if terminal != "dumb" and (plain.endswith("utf8") or "utf8." in plain) else ASCII
