"""The signs beyond ASCII that views use, and what stands for them where they cannot be shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hookkit import config


@dataclass(frozen=True, slots=True)
class Icons:
    """more: text goes on. opening, closing: around what was looked for. rows: a sign of one cell for each kind of row,
    and each state of a call; never all that tells: words stand beside it."""

    more: str
    opening: str
    closing: str
    rows: Mapping[str, str]


_ROWS = ("turn", "subagent", "said", "tokens", "gap", "error", "running", "done", "failed")
UNICODE = Icons("…", "»", "«", dict(zip(_ROWS, "▶↳·Σ±!→✓✗", strict=True)))
ASCII = Icons("...", ">>", "<<", dict(zip(_ROWS, ">\\.=*!~+x", strict=True)))


def icons() -> Icons:
    """Those that standard output can show, unless the setting ``icons`` says which."""
    return _chosen(os.environ.get("HOOKKIT_ICONS"), (getattr(sys.stdout, "encoding", None) or "").lower())


@cache
def _chosen(_variable: str | None, encoding: str) -> Icons:
    """Once for all: every text that is shown asks."""
    said = config.get("icons")
    return UNICODE if said == "unicode" or (said == "auto" and encoding.startswith("utf")) else ASCII
