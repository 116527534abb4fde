"""A program in a pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import os
import re
import sys
import termios
import time
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import pexpect
import pyte

from tests.waiting import PATIENCE

_KEYBOARD = re.compile(rb"\x1b\[[<>=?][0-9;]*u")  # what pyte takes for text


class Terminal:
    """``hookkit`` with arguments. Use as a context manager: the program ends with it.

    env: variables besides those of this process; None: not there. settings: of the terminal, as they were before the
    program, and once it has ended as it left them.
    """

    def __init__(
        self, *arguments: str, rows: int = 24, columns: int = 80, env: Mapping[str, str | None] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        given = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        given |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOOKKIT_PAGER": "cat"}
        told = {name: value for name, value in {**given, **(env or {})}.items() if value is not None}
        with warnings.catch_warnings():
            # It forks and runs another program at once: threads of this process do not matter.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = pexpect.spawn(
                sys.executable, ["-m", "hookkit", *arguments], env=told, dimensions=(rows, columns), echo=False
            )
        self._child.delaybeforesend = None
        self.settings = self._settings()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._child.close(force=True)

    @property
    def lines(self) -> list[str]:
        """The screen, without the blanks at the ends of its lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def said(self) -> list[str]:
        """The lines down to the last one that is not empty."""
        return self.text.rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def press(self, keys: str) -> Terminal:
        """Type; special keys as the terminal sends them."""
        self._child.send(keys)
        return self

    def kill(self, number: int) -> None:
        """Send the program a signal."""
        self._child.kill(number)

    def wait(self, wanted: str | Callable[[Terminal], object]) -> Terminal:
        """Until the screen shows a text, or fulfils a condition."""
        fulfilled = (lambda _: wanted in self.text) if isinstance(wanted, str) else wanted
        until = time.monotonic() + PATIENCE
        while not fulfilled(self):
            assert time.monotonic() < until, f"{wanted} never came\n{self.text}"
            if not self._read():
                assert fulfilled(self), f"it ended before {wanted} came\n{self.text}"
        return self

    def changed_settings(self) -> bool:
        """Whether the terminal is set otherwise than it was before."""
        return self._settings() != self.settings

    def resize(self, rows: int, columns: int) -> Terminal:
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)
        return self

    def ended(self) -> int:
        """Read on until the program ends; its exit code."""
        until = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < until, f"it never ended\n{self.text}"
        self.settings = self._settings()
        self._child.close()
        assert self._child.exitstatus is not None, f"killed by signal {self._child.signalstatus}"
        return int(self._child.exitstatus)

    def _settings(self) -> list[Any]:
        return termios.tcgetattr(self._child.child_fd)

    def _read(self) -> bool:
        try:
            got = self._child.read_nonblocking(1 << 16, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += got
        self._stream.feed(_KEYBOARD.sub(b"", got))
        return True


UP, DOWN, HOME, END = "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[F"
PAGE_UP, PAGE_DOWN, ENTER, ESCAPE = "\x1b[5~", "\x1b[6~", "\r", "\x1b"
