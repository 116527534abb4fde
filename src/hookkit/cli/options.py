"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
)


def which_installs(function: F) -> F:
    """Say which installs a command is about: names, scope, project, settings_file, hooks_dir; see installer.choice.

    A name is that of an agent, ``git`` or ``watcher``.
    """
    for add in reversed(_WHICH_INSTALLS):
        function = add(function)
    return function
