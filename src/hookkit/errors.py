"""What hookkit raises when it cannot do what it was asked: what happened, and what to do next."""

from __future__ import annotations


class HookkitError(Exception):
    """An expected failure.

    code: upper-case identifier, stable across releases (``CORRUPT_SETTINGS``).
    message: one sentence: what happened and why.
    hint: what the user can do next; never empty.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class HookInstallError(HookkitError):
    """An agent's settings could not be edited; nothing was written."""


class UsageError(HookkitError):
    """The command was called in a way it does not have."""

    exit_code = 2
