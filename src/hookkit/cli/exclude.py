"""`hookkit exclude` and `hookkit include`: switch capture off and on below a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from hookkit.errors import HookkitError

_MARKER = "Capture by hookkit is off here and below. `hookkit include` switches it on again.\n"

_path = click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.command(epilog="\b\nExamples:\n  hookkit exclude\n  hookkit exclude ~/clients/secret")
@_path
@_json
def exclude(path: Path, as_json: bool) -> None:
    """Stop recording in PATH (default: the worktree of the current folder) and below it.

    From then on the hooks leave before they read anything. What was recorded stays; see `hookkit prune`.
    """
    folder = _target(path)
    marker = folder / ".opentraces" / "excluded"
    try:
        marker.parent.mkdir(mode=0o700, exist_ok=True)
        ignore = marker.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        marker.write_text(_MARKER, encoding="utf-8")
    except OSError as error:
        raise HookkitError(
            "NOT_WRITABLE", f"{marker} could not be written: {error.strerror}.", _NOT_WRITABLE
        ) from error
    _report(folder, excluded=True, as_json=as_json)


@click.command(epilog="\b\nExamples:\n  hookkit include\n  hookkit include ~/clients/secret")
@_path
@_json
def include(path: Path, as_json: bool) -> None:
    """Record in PATH (default: the worktree of the current folder) again."""
    from hookkit.installer.purge import drop_sidecar_folders

    folder = _target(path)
    marker = folder / ".opentraces" / "excluded"
    try:
        marker.unlink(missing_ok=True)
        drop_sidecar_folders(folder)
    except OSError as error:
        raise HookkitError(
            "NOT_WRITABLE", f"{marker} could not be removed: {error.strerror}.", _NOT_WRITABLE
        ) from error
    above = next((up for up in folder.parents if os.path.lexists(up / ".opentraces" / "excluded")), None)
    if above is not None:
        raise HookkitError(
            "EXCLUDED_ABOVE", f"{above} is excluded, and {folder} is below it.", f"hookkit include {above}"
        )
    _report(folder, excluded=False, as_json=as_json)


_NOT_WRITABLE = "Check the permissions of that folder, or set HOOKKIT_DISABLE=1 for the agent instead."


def _target(path: Path) -> Path:
    from hookkit.git import worktree_root

    resolved = path.resolve()
    if path != Path("."):
        return resolved
    return worktree_root(resolved) or resolved


def _report(folder: Path, excluded: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"path": str(folder), "excluded": excluded}))
    else:
        click.echo(f"{folder}: capture is {'off' if excluded else 'on'}.")
