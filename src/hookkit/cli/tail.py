"""`hookkit tail`: a session while its agent works, or a program that is run here."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.capture.live import Place
    from hookkit.views.follow import Follower
    from hookkit.views.tail import Printer

_EPILOG = """\b
Examples:
  hookkit tail                          what the agents of this project do, as they do it
  hookkit tail last                     the newest recorded session
  hookkit tail --json | jq -r 'select(.type == "tool.error") | .error'
  hookkit tail -- python my_agent.py    run a program and watch it
"""
_TICK = 0.03  # seconds
_SETTLE = 0.3  # seconds in which the last events of a program that ended may still come
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Tail(click.Command):
    """What stands behind ``--`` is a program with its own options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, program = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, None)
        rest = super().parse_args(ctx, own)
        if program == []:
            raise UsageError("NO_PROGRAM", "Nothing stands behind `--`.", "hookkit tail -- python my_agent.py")
        ctx.params["program"] = tuple(program or ())
        return rest


@click.command(cls=_Tail, epilog=_EPILOG)
@click.argument("ref", required=False, shell_complete=complete.traces)
@click.option(
    "--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Instead of this folder."
)
@click.option("--agent", help="Only sessions of this agent.", shell_complete=complete.agents)
@click.option("-n", "--lines", type=click.IntRange(min=0), default=10, show_default=True, help="Begin N rows back.")
@click.option("--from-start", is_flag=True, help="Begin with the session's first row.")
@click.option("--stdin", "keyboard", is_flag=True, help="With a program: give it the standard input.")
@click.option("--plain", is_flag=True, help="Lines, also on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an event.")
def command(
    ref: str | None,
    project: Path | None,
    agent: str | None,
    lines: int,
    from_start: bool,
    keyboard: bool,
    plain: bool,
    as_json: bool,
    program: tuple[str, ...],
) -> int:
    """Follow what agents do, as they do it; or run a program and follow that.

    Without REF it follows the sessions of this project, those that begin later included. With a program behind `--`
    it shows the sessions that the program begins; what the program itself prints goes to standard error, and its exit
    code is ours. ^C is passed on to it; if it does not end, again ^C.

    On a terminal it is a view of its own (extra `tui`; `?` tells the keys): it follows as long as you do not move up,
    `p` freezes it and nothing is lost, `x` stops the program, `o` shows what that prints.
    """
    from hookkit.views.tail import Printer

    if ref and program:
        raise UsageError("REF_AND_PROGRAM", "A session and a program cannot be followed at once.", "Leave out one.")
    root = _root(project)
    last = None if from_start or program else lines
    is_plain = plain or as_json or keyboard
    printer = None if _is_interactive(is_plain) else Printer(as_json=as_json, last=last, since=int(time.time() * 1e6))
    if program:
        return _run(program, root, agent, printer, keyboard)
    follower = _follower(ref, root, agent)
    if printer is None:
        return _watch(follower)
    while True:
        _print(follower, printer)
        time.sleep(_TICK)


def _root(project: Path | None) -> Path:
    from hookkit.git.worktree import worktree_root

    folder = (project or Path.cwd()).resolve()
    return worktree_root(folder) or folder


def _follower(ref: str | None, root: Path, agent: str | None) -> Follower:
    from hookkit.views.follow import Follower

    if ref is None:
        follower = Follower(root, agent)
        if not follower.follow_newest():
            click.echo(f"Waiting for a session in {root}. ^C ends this.", err=True)
        return follower
    import json

    from hookkit.capture.places import of_trace
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        trace_id = resolve(index, ref)
        summary = index.summary(trace_id)
    if not summary:
        raise HookkitError(
            "UNREADABLE_TRACE", f"Trace {trace_id[:8]} cannot be read.", "`hookkit ingest --all` writes it again."
        )
    follower = Follower()
    follower.follow([of_trace(json.loads(summary))])
    return follower


def _is_interactive(plain: bool) -> bool:
    """Whether the live view can be shown; says so where only Textual is missing."""
    from hookkit.views import tui

    if plain:
        return False
    try:
        tui.check()
    except UsageError:  # no terminal, or one that cannot move its cursor
        return False
    except HookkitError as error:
        click.echo(f"Plain lines: {error.message} {error.hint}", err=True)
        return False
    return True


def _watch(follower: Follower, program: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> int:
    """The live view. What it was of stays on the terminal: the session's head, and what the program printed."""
    from hookkit.cli.child import Child
    from hookkit.cli.interactive import lookup
    from hookkit.views.tui.app import run
    from hookkit.views.tui.head import head
    from hookkit.views.tui.tail import Output, TailScreen, wait

    output = Output()
    screen: list[TailScreen] = []
    caught: contextlib.AbstractContextManager[list[int]] = _passed_on() if program else contextlib.nullcontext([])
    with caught as signals:
        child = Child(program, environment or {}, output.add, signals=signals) if program else None

        def first() -> TailScreen:
            screen.append(TailScreen(follower, child, output if child else None))
            return screen[0]

        try:
            code = run(first, lookup())
        finally:
            if child:
                wait(child)
    if child:
        child.close()
        sys.stderr.buffer.write(b"".join(output.raw))
        sys.stderr.flush()
        code = child.ended() or 0
    summary = screen[0].summary() if screen else None
    for line in head(summary) if summary else ():
        click.echo("".join(text for text, _ in line))
    return code


def _print(follower: Follower, printer: Printer, *, discover: bool = False) -> None:
    for followed, first in follower.tick(discover=discover):
        for line in printer.lines(followed, first):
            click.echo(line)


def _run(program: tuple[str, ...], root: Path, agent: str | None, printer: Printer | None, keyboard: bool) -> int:
    from hookkit.views.follow import Follower

    with _side_channel() as (place, environment):
        follower = Follower(root, agent)
        follower.follow([place])
        if printer is None:
            return _watch(follower, program, environment)
        return _print_program(program, environment, follower, printer, keyboard)


def _print_program(
    program: tuple[str, ...], environment: dict[str, str], follower: Follower, printer: Printer, keyboard: bool
) -> int:
    import subprocess

    from hookkit.cli.child import Child

    with _passed_on() as signals:
        child = Child(
            program,
            environment,
            stdout=sys.stderr.fileno(),
            stdin=sys.stdin.fileno() if keyboard else subprocess.DEVNULL,
            signals=signals,
        )
        try:
            ended: float | None = None
            while ended is None or time.monotonic() - ended < _SETTLE:
                child.tick()
                if ended is None and child.ended() is not None:
                    ended = time.monotonic()
                _print(follower, printer)
                time.sleep(_TICK)
            _print(follower, printer, discover=True)
        finally:
            if child.ended() is None:  # nobody reads on, or we failed
                child.dismiss()
            while child.ended() is None:
                child.tick()
                time.sleep(_TICK)
    return child.ended() or 0


@contextlib.contextmanager
def _side_channel() -> Iterator[tuple[Place, dict[str, str]]]:
    """A file for the notifications of agents inside of a program, and the environment that tells them of it.

    A file, and not a pipe: nobody who writes to it ever waits for us, and whoever the program starts may write, too.
    """
    import secrets
    import tempfile

    from hookkit.capture.live import Place

    run_id = secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="hookkit-tail-") as folder:
        # Named like the log that the same events go to, so that they are one session.
        live = Path(folder, f"{time.strftime('%Y-%m-%d')}_{run_id}.jsonl")
        live.touch(mode=0o600)
        place = Place("google-adk", live, live.stem, 0)
        yield place, {"AGENTTRACE_LIVE": str(live), "AGENTTRACE_RUN_ID": run_id}


@contextlib.contextmanager
def _passed_on() -> Iterator[list[int]]:
    """The signals that came and were meant to end us: they are for the program, and when it has ended, so do we."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in _PASSED_ON}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
