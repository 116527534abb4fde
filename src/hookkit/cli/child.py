"""A program that is run beside a view of it: its output is kept apart, its keyboard is not ours, and it can be stopped.

It leads a process group of its own, so that what it started goes with it, and a ^C on the terminal is first ours to
pass on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal

from hookkit.errors import HookkitError

Stream = Literal["stdout", "stderr"]
# What is tried to stop it, and for how long (seconds) before the next.
_STEPS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, None))
_ASKED = 1  # the step that SIGTERM is, and SIGHUP
_PIECE = 1 << 16


class Child:
    """A running program. output: called with each piece that it wrote, from threads of their own.

    Without output, what it writes goes where ours goes. signals: those that came for us, to be passed on by ``tick``;
    whoever catches them appends to the list. HookkitError if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Callable[[Stream, bytes], None] | None = None,
        stdout: int | None = None,
        stdin: int = subprocess.DEVNULL,
        signals: list[int] | None = None,
    ) -> None:
        self._signals = [] if signals is None else signals
        self.dismissed = False  # whether we were asked to end, and it with us
        pipe = subprocess.PIPE if output else None
        try:
            self._process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdin=stdin, stdout=pipe or stdout, stderr=pipe,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise HookkitError(
                "CANNOT_RUN",
                f"{command[0]} cannot be run: {error.strerror}.",
                "Give the program's path, or make sure that it is on PATH and executable.",
            ) from error
        self._readers = [
            threading.Thread(target=_relay, args=(stream, name, output), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()
        self._told: tuple[float, int] | None = None  # when which step of stopping it was taken last

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """The exit code that a shell would give: its own, or 128 and the signal that killed it; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def send(self, number: int) -> None:
        """Pass a signal on to the program and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self) -> None:
        """Ask it to end, and insist if asked again, or if ``tick`` finds that it takes its time."""
        step = min(self._told[1] + 1, len(_STEPS) - 1) if self._told else 0
        self._told = (time.monotonic(), step)
        self.send(_STEPS[step][0])

    def dismiss(self, number: int = signal.SIGTERM) -> None:
        """Pass on what asks us to end; it is not given longer for being asked again."""
        self.dismissed = True
        self.send(number)
        if self._told is None or self._told[1] < _ASKED:
            self._told = (time.monotonic(), _ASKED)

    def tick(self) -> None:
        """Pass signals on, and go on to the next step of stopping it where the last one was given its time."""
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGINT:
                self.stop()
            else:
                self.dismiss(number)
        if self._told is None or self.ended() is not None:
            return
        since, step = self._told
        patience = _STEPS[step][1]
        if patience is not None and time.monotonic() - since >= patience:
            self.stop()

    def close(self) -> None:
        """Read the rest of its output; what it left running is not waited for."""
        for reader in self._readers:
            reader.join(timeout=1.0)


def _relay(stream: IO[bytes], name: Stream, output: Callable[[Stream, bytes], None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while piece := os.read(stream.fileno(), _PIECE):
            output(name, piece)
