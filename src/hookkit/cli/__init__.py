"""The command line: one module a command, imported when it is called, and the one place where errors become exit codes.

Exit codes: 0 fine, 1 something is wrong, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from hookkit import __version__
from hookkit.errors import HookkitError, UsageError

# Command -> module of hookkit.cli and the name of the click command in it.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "install": ("install", "command"),
    "remove": ("remove", "command"),
    "status": ("status", "command"),
    "doctor": ("doctor", "command"),
    "agents": ("agents", "command"),
    "ingest": ("ingest", "command"),
    "list": ("list", "command"),
    "show": ("show", "command"),
    "tail": ("tail", "command"),
    "search": ("search", "command"),
    "blame": ("blame", "command"),
    "track": ("track", "command"),
    "graph": ("graph", "command"),
    "diff": ("diff", "command"),
    "trail": ("trail", "command"),
    "exclude": ("exclude", "exclude"),
    "include": ("exclude", "include"),
    "export": ("export", "command"),
    "import": ("import_", "command"),
    "resume": ("resume", "command"),
    "prune": ("prune", "command"),
    "demo": ("demo", "command"),
    "config": ("config", "command"),
    "completion": ("completion", "command"),
    "watch": ("watch", "command"),
    "serve": ("serve", "command"),
    "_ingest-session": ("ingest_session", "command"),
    "_commit": ("commit", "command"),
}

EXAMPLES = """\b
Examples:
  hookkit install claude-code    wire Claude Code; every later session is recorded
  hookkit doctor                 prove that the hooks fire
  hookkit list                   the recorded sessions
  hookkit show last              the newest one: turns, calls, gaps
  hookkit search TODO            where prompts, answers, calls and results say so
  hookkit blame src/app.py       which call wrote which line
  hookkit serve --open           sessions, changes and costs in the browser, live
  hookkit demo                   see it all at once, without an agent
  hookkit remove claude-code     put the settings back byte for byte
"""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


class _ReaderGoneError(Exception):
    """Who reads standard output went away; said in a way that click does not make an exit code of its own of."""


class Commands(click.Group):
    """A group that imports a command's module only when that command is called: start-up time is a budget."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # not list(): that name becomes the command's module once it is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"hookkit.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what cannot be written is told here, not by the interpreter when it ends
            return result
        except BrokenPipeError as error:
            raise _ReaderGoneError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.get_command(ctx, name)) for name in COMMANDS if not name.startswith("_")]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in rows if command])


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookkit")
def cli() -> None:
    """The flight recorder for coding agents: every tool call, bound to the git tree before and after it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. ``arguments`` default to the process's own."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not (sys.stdout.encoding or "").lower().startswith("utf"):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a session said may be in any script
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; give its exit code."""
    as_json = "--json" in arguments
    try:
        return _run(arguments, as_json)
    except OSError as error:  # also of the telling of another error
        return _unwritten(error, as_json)


def _run(arguments: Sequence[str], as_json: bool) -> int:
    """Raises OSError where what is written finds no room."""
    try:
        result = cli.main(args=[*arguments], prog_name="hookkit", standalone_mode=False, color=_colour())
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # since click 8.2
            error.show()
            return error.exit_code
        return _refuse(_translated(error), as_json)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except _ReaderGoneError:
        _close_output()  # `hookkit list | head`: not an error
        return 0
    except HookkitError as error:
        return _refuse(error, as_json)
    except Exception as error:
        if "_HOOKKIT_COMPLETE" in os.environ:
            return 1  # a shell asks what to offer: nothing may disturb the line that is being typed
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            raise
        return _unexpected(error, as_json)
    return result if isinstance(result, int) else 0


def _colour() -> bool | None:
    """True where colours are wanted of what is no terminal's: click takes them out of it otherwise."""
    if not os.environ.get("FORCE_COLOR"):
        return None
    from hookkit.views.colour import wanted

    return True if wanted() else None


def _translated(error: click.ClickException) -> HookkitError:
    """What click says of a command line, as an error of ours."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"See `{context.command_path if context else 'hookkit'} --help`."
    return UsageError("BAD_USAGE", error.format_message(), hint)


def _close_output() -> None:
    """Nothing more may be written at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unwritten(error: OSError, as_json: bool) -> int:
    """A full disk, or a terminal that is gone, is no defect of ours."""
    refused = HookkitError(
        "NOT_WRITTEN",
        f"What it writes cannot be written: {error.strerror}.",
        "Make room on the disk, or let the output go elsewhere; then run it again.",
    )
    try:
        code = _refuse(refused, as_json)
        sys.stdout.flush()
    except OSError:
        _close_output()
        code = _refuse(refused, as_json, err=True) if as_json else refused.exit_code
    return code


def _refuse(error: HookkitError, as_json: bool, err: bool = False) -> int:
    if as_json:
        import json

        body = {"code": error.code, "message": error.message, "hint": error.hint}
        click.echo(
            json.dumps({"status": "error", "error": body}), err=err
        )  # ASCII: names may hold bytes that are no text
    else:
        click.echo(f"error: {error.message}\n hint: {error.hint}", err=True)
    return error.exit_code


def _unexpected(error: Exception, as_json: bool) -> int:
    """A defect of ours: keep the traceback in a file and show where, instead of throwing it at the user."""
    import traceback

    from hookkit import paths

    text = f"hookkit {__version__}, Python {sys.version}\n{traceback.format_exc()}"
    log = paths.state() / "crash.log"
    try:
        paths.private_dir(log.parent)
        log.write_text(text, encoding="utf-8")
        where = f"The traceback is in {log}; please report it."
    except OSError:
        click.echo(text, err=True)
        where = "The traceback stands above; please report it."
    return _refuse(HookkitError("UNEXPECTED", f"hookkit failed: {type(error).__name__}: {error}", where), as_json)
