"""Long output goes through a pager where standard output is a terminal. The one place that starts one."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_OFF = "hookkit.no_pager"
_STYLE = re.compile("\x1b\\[[0-9;]*m")


def _remember(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    if given:
        ctx.meta[_OFF] = True


def option(function: F) -> F:
    """Give a command ``--no-pager``."""
    add = click.option(
        "--no-pager", is_flag=True, expose_value=False, callback=_remember, help="Print straight to the terminal."
    )
    return add(function)


def show(lines: Iterable[str]) -> None:
    """Print lines; through the pager if they take more than the terminal has.

    Quitting the pager ends the printing, and is no error. What ``lines`` raises is raised once the pager has gone.
    """
    program = _program()
    if not program:
        for line in lines:
            click.echo(line)
        return
    more = iter(lines)
    first, fits = _screenful(more)
    if fits:
        for line in first:
            click.echo(line)
    else:
        _page(program, first, more)


def _program() -> str:
    """The command line of the pager; "" for none."""
    context = click.get_current_context(silent=True)
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb" or (context and context.meta.get(_OFF)):
        return ""
    import shlex
    import shutil

    from hookkit import config

    given = (os.environ.get("HOOKKIT_PAGER"), config.get("pager") or None, os.environ.get("PAGER"), "less")
    program = next(said for said in given if said is not None).strip()
    try:
        word = next(iter(shlex.split(program)), "")
    except ValueError:  # whatever it is, the shell will say
        return program
    if word and not shutil.which(word):
        if program != "less":
            click.echo(f"The pager {program!r} is not there.", err=True)
        return ""
    return "" if program == "cat" else program


def _screenful(lines: Iterator[str]) -> tuple[list[str], bool]:
    """As many lines as the terminal has room for, with the prompt below them, and whether these are all."""
    import shutil

    from hookkit.views.cells import width

    columns, rows = shutil.get_terminal_size()
    taken: list[str] = []
    room = rows - 1
    for line in lines:
        taken.append(line)
        for part in line.split("\n"):
            room -= max(1, -(-width(_STYLE.sub("", part).expandtabs()) // columns))
        if room < 0:
            return taken, False
    return taken, True


def _page(program: str, first: Iterable[str], more: Iterable[str]) -> None:
    import signal
    import subprocess
    from itertools import chain

    # As git does: leave at once if all fits, let colours through, leave the text on the screen.
    env = {"LESS": "FRX", "LV": "-c"} | dict(os.environ)
    process = subprocess.Popen(program, shell=True, stdin=subprocess.PIPE, env=env)
    assert process.stdin
    # ^C is for the pager, which then stops reading or scrolling; quitting it ends us too.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        for line in chain(first, more):
            process.stdin.write(f"{line}\n".encode(encoding, "backslashreplace"))
            process.stdin.flush()
    except BrokenPipeError:
        pass
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        signal.signal(signal.SIGINT, before)
