"""`hookkit export REF`: one recorded session as a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookkit.cli import complete, pager
from hookkit.errors import HookkitError, UsageError
from hookkit.exporters.formats import BINARY, ENDS, FORMATS, WITH_DIFFS, pieces

if TYPE_CHECKING:
    from hookkit.exporters.source import Diffs, Source


@click.command("session", hidden=True)
@click.argument("ref", default="last", shell_complete=complete.traces)
@click.option(
    "--format", "form", type=click.Choice([*FORMATS]), help="Left out, the end of FILE's name tells; else json."
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE|DIR/",
    help="Write FILE, for you alone to read; in a folder, TRACE-ID.json.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--no-redact", is_flag=True, help="Leave secrets in.")
@click.option("--blocked", is_flag=True, help="Also a session that could not be read in full.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json; errors as JSON as well.")
@pager.option
def session(
    ref: str, form: str | None, target: str | None, force: bool, no_redact: bool, blocked: bool, as_json: bool
) -> int:
    """Write a session as a file."""
    from hookkit.exporters.source import Source

    if as_json and form not in (None, "json"):
        raise UsageError("TWO_FORMATS", f"--json and --format {form} are two formats.", "Leave out one of both.")
    target = None if target == "-" else target
    name = "json" if as_json else form or _by_name(target)
    if name in BINARY and target is None and sys.stdout.isatty():
        raise UsageError("BINARY", f"A terminal cannot show {name}.", f"-o session.{name}, or redirect it.")
    record = _record(ref, blocked)
    path = _path(_in_folder(target, record, name), force) if target else None
    source = Source(record, redacted=not no_redact, diffs=_diffs(record) if name in WITH_DIFFS else None)
    made = pieces(name, source)
    if path:
        _write(path, made)
    elif sys.stdout.isatty():
        pager.show(_shown(made))
    else:
        sys.stdout.flush()
        for piece in made:
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    _say(source, name in WITH_DIFFS)
    return 0


def _by_name(target: str | None) -> str:
    end = Path(target or "").suffix.removeprefix(".").lower()
    return end if end in FORMATS else "json"


def _in_folder(target: str, record: dict[str, Any], form: str) -> str:
    if not target.endswith("/") and not os.path.isdir(target):
        return target
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise _not_written(target, error) from error
    return os.path.join(target, f"{record['trace_id']}.{ENDS.get(form, form)}")


def _path(target: str, force: bool) -> Path:
    """Where to write. A link stands for what it leads to."""
    path = Path(os.path.realpath(target))
    if path.exists() and not path.is_file():
        raise HookkitError(
            "NO_FILE", f"{target} is not a file that could be written.", "Redirect standard output there."
        )
    if path.exists() and not force:
        raise HookkitError("FILE_EXISTS", f"{target} is there already.", "--force replaces it.")
    return path


def _record(ref: str, blocked: bool) -> dict[str, Any]:
    from hookkit.store.files import trace_path
    from hookkit.store.index import Index
    from hookkit.store.plain import plain
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        path = trace_path(resolve(index, ref))
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        reasons = ((record.get("metadata") or {}).get("capture") or {}).get("blocked") or []
    except (OSError, ValueError, AttributeError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error
    if reasons and not blocked:
        raise HookkitError(
            "TRACE_BLOCKED",
            f"The session could not be read in full: {'; '.join(plain(str(reason)) for reason in reasons)}",
            "`hookkit ingest` tries again; --blocked exports what was read.",
        )
    return record


def _diffs(record: dict[str, Any]) -> Diffs:
    from hookkit.cli import where
    from hookkit.exporters.source import Diffs, diffs_in
    from hookkit.trails import calls

    try:
        return diffs_in(where.of(calls.session(record)), record["trace_id"])
    except HookkitError as error:
        return Diffs(error.message)


def _write(path: Path, made: Iterator[bytes]) -> None:
    from hookkit.store.files import replace_file

    try:
        replace_file(path, made)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: object, error: OSError) -> HookkitError:
    return HookkitError("NOT_WRITTEN", f"{path} cannot be written: {error.strerror or error}.", "-o names another.")


def _shown(made: Iterator[bytes]) -> Iterator[str]:
    """The lines as a terminal gets them: no control character of the session's reaches it."""
    from hookkit.store.plain import plain

    def safe(line: str) -> str:
        return "\t".join(plain(part) for part in line.removesuffix("\r").split("\t"))

    rest = ""
    for piece in made:
        *lines, rest = (rest + piece.decode()).split("\n")
        for line in lines:
            yield safe(line)
    if rest:
        yield safe(rest)


def _say(source: Source, with_diffs: bool) -> None:
    from hookkit.views.text import counted

    if source.redactions is None:
        click.echo("Secrets were left in.", err=True)
    else:
        found = counted(source.redactions, "secret")
        click.echo(f"{found} replaced. What does not look like one stays: read it before you publish it.", err=True)
    if with_diffs and source.diffs.missing:
        click.echo(f"Without diffs: {source.diffs.missing}", err=True)
