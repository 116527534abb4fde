"""opentraces 0.4.13 in an environment of its own, to compare with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.4.13"


def python() -> Path | None:
    """The interpreter of an environment that holds the peer; None where it cannot be installed."""
    given = os.environ.get("HOOKKIT_PEER_PYTHON")
    if given and Path(given).exists():
        return Path(given)
    folder = Path(tempfile.gettempdir()) / "hookkit-peer"
    interpreter = folder / "bin" / "python"
    if not (folder / "bin" / "opentraces").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        done = subprocess.run([str(interpreter), "-m", "pip", "install", "-q", f"opentraces=={VERSION}"], check=False)
        if done.returncode:
            return None
    return interpreter
