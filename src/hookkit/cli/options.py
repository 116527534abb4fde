"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hookkit.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_WHICH_INSTALLS = (
    click.argument("names", metavar="[NAME]...", nargs=-1),
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
    return click.option("--harness", "harnesses", metavar="AGENT", multiple=True, help=text)


def refuse_harness(names: tuple[str, ...], harnesses: tuple[str, ...]) -> None:
    """Raise UsageError for ``--harness`` beside anything but the skill."""
    if harnesses and names != ("skill",):
        raise UsageError("SKILL_ONLY", "--harness is for the skill alone.", f"... skill --harness {harnesses[0]}")


def refuse_both(names: tuple[str, ...], everything: bool) -> None:
    """Raise UsageError for names beside ``--all``: nobody can tell what is meant."""
    if names and everything:
        raise UsageError("NAMES_AND_ALL", f"--all leaves no room for {', '.join(names)}.", "Leave out one of both.")
