"""The registered command: how it is written, which interpreter it names, and how ours are told from others."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_INTERPRETER = re.compile(r"\.?(?:python|pypy)[\w.\-]*", re.IGNORECASE)
_FLAG = re.compile(r"-[ISEsBuPOqv]+|-X[\w=]+")
_ARGUMENT = re.compile(r"[\w.=\-]+")
_REDIRECTION = re.compile(r"(?:[0-9]|&)?>>?(?:/dev/null|&[0-9])|[0-9]?</dev/null")
_SILENCED = ("||", ":")
_TAILS = (_SILENCED, ("||", "true"))


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command string that runs one of our hook entries: its interpreter and script as they were written."""

    interpreter: str
    script: str

    @property
    def folder(self) -> Path:
        """The folder of the script; ``~`` and ``$HOME`` are expanded."""
        return Path(os.path.expanduser(os.path.expandvars(self.script))).parent


def command_for(interpreter: str, script: Path) -> str:
    """The shell command registered for every event of an agent.

    It ends with rc 0 and without output even where the script or the interpreter is gone: agents take exit 2, and some
    any other code but 0, as "block this tool".
    """
    return f"{shlex.quote(interpreter)} -I -S {shlex.quote(str(script))} >/dev/null 2>&1 || :"


def own_command(command: object, entry: str, args: object = None) -> OwnCommand | None:
    """Read a command as ours: interpreter, flags, a script named exactly ``entry``, arguments, redirections, ``|| :``.

    Any folder, any Python, ``~`` and ``$HOME`` spellings and older forms without flags or ending are ours; a command
    that only mentions the name, or wraps ours into something else, is not. None where it is not ours.
    """
    if not isinstance(command, str):
        return None
    tokens = _tokens(command)
    if isinstance(args, list):  # exec form: no shell, the program alone in `command`
        if not all(isinstance(arg, str) for arg in args):
            return None
        tokens = (command, *args)
    if not tokens or not _INTERPRETER.fullmatch(os.path.basename(tokens[0])):
        return None
    at = 1
    while at < len(tokens) and _FLAG.fullmatch(tokens[at]):
        at += 1
    if at == len(tokens) or os.path.basename(tokens[at]) != entry:
        return None
    return OwnCommand(tokens[0], tokens[at]) if _harmless_tail(tokens[at + 1 :]) else None


@lru_cache(maxsize=256)  # every check of a settings file reads the same few commands again
def _tokens(command: str) -> tuple[str, ...]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=False)
    lexer.whitespace = " \t"  # a newline ends a command, so it must not vanish between two words
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return tuple(lexer)
    except ValueError:
        return ()


def _harmless_tail(tokens: Sequence[str]) -> bool:
    rest = list(tokens)
    if tuple(rest[-2:]) in _TAILS:
        del rest[-2:]
    while rest and _ARGUMENT.fullmatch(rest[0]):
        del rest[0]
    while rest:
        if len(rest) > 1 and rest[0] in {">", "2>", "1>", "&>"} and rest[1] == "/dev/null":
            del rest[:2]
        elif _REDIRECTION.fullmatch(rest[0]):
            del rest[0]
        else:
            return False
    return True


def stable_interpreter() -> str:
    """The Python that hooks are run with: the base interpreter of this one, by a path that survives upgrades.

    Not a virtual environment's (it may vanish), not a version manager's shim (it costs a process of its own).
    """
    base = getattr(sys, "_base_executable", None) or sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [base, os.path.join(sys.base_prefix, "bin", version), os.path.realpath(sys.executable)]
    for candidate in candidates:
        if candidate and not _is_shim(candidate) and not _in_environment(candidate) and _runnable(candidate):
            return without_cellar(os.path.abspath(candidate))
    return without_cellar(os.path.realpath(sys.executable))


def without_cellar(path: str, runnable: Callable[[str], bool] | None = None) -> str:
    """A Homebrew path into one release (``Cellar/<formula>/<version>``), by its stable ``opt`` link if that works."""
    found = re.fullmatch(r"(.*)/Cellar/([^/]+)/[^/]+/(.+)", path)
    if not found:
        return path
    stable = "/".join((found[1], "opt", found[2], found[3]))
    return stable if (runnable or _runnable)(stable) else path


def _is_shim(path: str) -> bool:
    return "shims" in Path(path).parts


def _in_environment(path: str) -> bool:
    return os.path.isfile(os.path.join(os.path.dirname(os.path.dirname(path)), "pyvenv.cfg"))


def _runnable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def interpreter_works(interpreter: str) -> bool:
    """Whether a registered interpreter can still be run; ``~`` and ``$HOME`` are expanded."""
    path = os.path.expanduser(os.path.expandvars(interpreter))
    return _runnable(path) if os.sep in path else any(_runnable(os.path.join(d, path)) for d in os.get_exec_path())
