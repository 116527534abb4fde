"""Options that several commands share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hookkit.cli import complete
from hookkit.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_WHICH_INSTALLS = (
    click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.installs),
    click.option("--scope", type=click.Choice(["user", "project", "local"]), help="Only the settings of this scope."),
    click.option(
        "--project",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="The project's folder; for git, the one repository that is meant.",
    ),
    click.option("--settings-file", type=click.Path(path_type=Path), help="Only this settings file."),
    click.option("--hooks-dir", type=click.Path(path_type=Path), help="Where the hook scripts are."),
    click.option("--all", "everything", is_flag=True, help="All that is installed, as without a NAME."),
)


def which_installs(function: F) -> F:
    """Say which installs a command is about: names, scope, project, settings_file, hooks_dir; see installer.choice.

    A name is that of an agent, ``git``, ``watcher`` or ``skill``.
    """

    @wraps(function)
    def checked(*, names: tuple[str, ...], everything: bool, **options: Any) -> Any:
        refuse_both(names, everything)
        return function(names=names, **options)

    for add in reversed(_WHICH_INSTALLS):
        checked = add(checked)
    return checked  # type: ignore[return-value]


def harness(verb: str) -> Callable[[F], F]:
    """The option that narrows the skill to some agents."""
    text = f"With the skill: {verb} this agent only; may be given again."
    return click.option(
        "--harness", "harnesses", metavar="AGENT", multiple=True, help=text, shell_complete=complete.harnesses
    )


def refuse_harness(names: tuple[str, ...], harnesses: tuple[str, ...]) -> None:
    """Raise UsageError for ``--harness`` beside anything but the skill."""
    if harnesses and names != ("skill",):
        raise UsageError("SKILL_ONLY", "--harness is for the skill alone.", f"... skill --harness {harnesses[0]}")


def refuse_both(names: tuple[str, ...], everything: bool) -> None:
    """Raise UsageError for names beside ``--all``: nobody can tell what is meant."""
    if names and everything:
        raise UsageError("NAMES_AND_ALL", f"--all leaves no room for {', '.join(names)}.", "Leave out one of both.")


def seconds(text: str, option: str) -> int:
    """The length of a time span like ``7d`` in seconds; UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6})\s*([mhdw])", text.strip())
    if not found:
        raise UsageError("BAD_TIME_SPAN", f"{text!r} is no time span.", f"Write {option} 30m, 12h, 7d or 4w.")
    return int(found[1]) * {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[found[2]]


_WHICH_SESSIONS = (
    click.option("--tool", help="Only sessions that called this tool.", shell_complete=complete.tools),
    click.option("--agent", help="Only sessions of this agent.", shell_complete=complete.agents),
    click.option("--project", type=click.Path(path_type=Path), help="Only sessions of the worktree that holds DIR."),
    click.option("--since", help="Only sessions active in the last 30m, 12h, 7d or 4w."),
)


def which_sessions(function: F) -> F:
    """Say which sessions a command is about; the command is given them as the keyword arguments of ``Index.rows``."""

    @wraps(function)
    def checked(*, tool: str | None, agent: str | None, project: Path | None, since: str | None, **options: Any) -> Any:
        which = {
            "tool": tool,
            "agent": agent,
            "project": _root(project) if project else None,
            "since_us": _since(since) if since is not None else None,
        }
        return function(which={name: value for name, value in which.items() if value is not None}, **options)

    for add in reversed(_WHICH_SESSIONS):
        checked = add(checked)
    return checked  # type: ignore[return-value]


def _root(folder: Path) -> str:
    from hookkit.git.worktree import worktree_root

    resolved = folder.resolve()
    return str(worktree_root(resolved) or resolved)


def _since(text: str) -> int:
    return int((time.time() - seconds(text, "--since")) * 1e6)
