"""Starts the ingest of a log when a run has ended: detached, one at a time, never waited for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

_LOG = logging.getLogger("hookkit.adk")
_MOST_AT_THE_END = 4


class Ingester:
    """Logs that wait to be read into traces. One process at a time reads one; asking twice for one that waits is once.

    agent: whose logs they are, as ``hookkit _ingest-session --agent`` knows it.
    """

    def __init__(self, agent: str = "google-adk") -> None:
        self.agent = agent
        self._waiting: dict[Path, None] = {}
        self._busy = False
        self._lock = threading.Lock()

    def request(self, log: Path) -> None:
        """Have a log read, now or once the reading of another has ended. Never fails."""
        with self._lock:
            self._waiting[log] = None
            if not self._busy:
                self._busy = True
                try:
                    threading.Thread(target=self._work, name="hookkit-ingest", daemon=True).start()
                except RuntimeError:  # the interpreter ends; ``finish`` comes
                    self._busy = False

    def finish(self) -> None:
        """The program ends: start what still waits, and do not look back. `hookkit ingest` finds what is too much."""
        with self._lock:
            for _ in range(min(len(self._waiting), _MOST_AT_THE_END)):
                child = self._spawn()
                if child is not None:
                    child.returncode = 0  # nobody is left to wait for it

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                child = self._spawn()
            if child is not None:
                child.wait()

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        log = next(iter(self._waiting))
        del self._waiting[log]
        command = [sys.executable, "-P", "-m", "hookkit", "_ingest-session", os.fspath(log), "--agent", self.agent]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            _LOG.warning("the ingest of %s could not be started: %s", log, error.strerror)
            return None
