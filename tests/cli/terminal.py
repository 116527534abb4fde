"""A real pseudo-terminal with a screen: what a person would see."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import TracebackType

import pexpect
import pyte

_WAIT = 20  # seconds


class Terminal:
    """hookkit in a terminal of some size. raw: every byte that it wrote. A variable that is UNSET is not there."""

    UNSET = "\N{EMPTY SET}"

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24, **env: str) -> None:
        kept: Mapping[str, str] = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "HOOKKIT_PAGER": "cat"}
        given = {**os.environ, **kept, **env}
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._child = pexpect.spawn(
            sys.executable, ["-m", "hookkit", *arguments],
            dimensions=(rows, columns), timeout=_WAIT,
            env={name: value for name, value in given.items() if value != self.UNSET},
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._child.close(force=True)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen, without spaces at their ends and without empty ones below the last."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    def until(self, text: str) -> Terminal:
        """Wait until the program wrote this."""
        self._child.expect_exact(text.encode())
        self._take(self._child.before + self._child.after)
        return self

    def type(self, keys: str) -> Terminal:
        self._child.send(keys)
        return self

    def end(self) -> int:
        """Wait for the end; gives the exit code, or minus the signal."""
        self._child.expect(pexpect.EOF)
        self._take(self._child.before)
        self._child.wait()
        return self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus

    def _take(self, output: bytes) -> None:
        self.raw += output
        self._stream.feed(output)
