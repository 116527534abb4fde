"""Whether output is in colour."""

from __future__ import annotations

import os
import re
import sys

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SPAN = re.compile("\x1b\\[(\\d+)m(.*?)\x1b\\[0m|([^\x1b]+)")


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


def spans(line: str) -> list[tuple[str, str]]:
    """What ``styled`` put together: pieces of text, each with its style or ""."""
    names = {code: name for name, code in _STYLES.items()}
    found = _SPAN.finditer(line)
    return [(piece[2], names[piece[1]]) if piece[1] else (piece[3], "") for piece in found]
