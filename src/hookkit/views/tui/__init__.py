"""Sessions on the whole terminal: ``hookkit list -i``, ``hookkit show -i``.

Textual comes with the extra ``tui`` and is imported by what is imported from here, never by the plain commands.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from hookkit.errors import HookkitError, UsageError


def check() -> None:
    """Raise what stands in the way of an interactive view: UsageError without a terminal, HookkitError without Textual.

    All three streams count: Textual reads the first and writes to the last, and the second is what a user redirects.
    """
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("NOT_A_TERMINAL", "-i needs a terminal.", "Without -i the same is printed as plain lines.")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "DUMB_TERMINAL", "-i needs a terminal that can move its cursor.", "Without -i plain lines are printed."
        )
    if importlib.util.find_spec("textual") is None:
        raise HookkitError(
            "NO_TEXTUAL", "-i needs Textual, which is not installed.", "Install it with: pip install 'hookkit[tui]'"
        )
