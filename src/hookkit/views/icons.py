"""One sign for each kind of row. A sign is never all that tells: words stand beside it."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping

_UNICODE = {
    "turn": "▶", "subagent": "↳", "said": "·", "running": "→", "done": "✓", "failed": "✗", "no_result": "?",
    "gap": "±", "tokens": "Σ", "error": "!", "phase": "◆",
}  # fmt: skip
_ASCII = {
    "turn": ">", "subagent": "\\", "said": ".", "running": "~", "done": "+", "failed": "x", "no_result": "?",
    "gap": "*", "tokens": "=", "error": "!", "phase": "#",
}  # fmt: skip


def is_unicode() -> bool:
    """Whether the terminal can be trusted with more than ASCII."""
    if os.environ.get("TERM") in ("dumb", "linux"):
        return False
    encoding = sys.stdout.encoding if sys.stdout else locale.getpreferredencoding(False)
    return (encoding or "").lower().replace("-", "") == "utf8"


def icons() -> Mapping[str, str]:
    """Name -> sign, of one cell each."""
    return _UNICODE if is_unicode() else _ASCII
