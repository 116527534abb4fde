"""Whether output is in colour."""

from __future__ import annotations

import os
import sys

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def wanted() -> bool:
    """``NO_COLOR`` forbids it, ``FORCE_COLOR`` asks for it; else it is for terminals that are not ``dumb``."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def styled(text: str, style: str) -> str:
    """``text`` in a style, where colour is wanted. It never is all that tells something."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if wanted() else text
