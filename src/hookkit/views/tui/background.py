"""Work that may take long, such as what git does, beside a view that stays awake."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Latest:
    """Runs one job at a time in a thread of its own. Of those that wait, only the latest is run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Callable[[], object] | None = None
        self._running = False

    def do(self, job: Callable[[], object]) -> None:
        """Run ``job`` as soon as the one that runs has ended."""
        with self._lock:
            self._waiting = job
            if self._running:
                return
            self._running = True
        # A daemon: who quits does not wait for it.
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                job, self._waiting = self._waiting, None
                if job is None:
                    self._running = False
                    return
            job()
