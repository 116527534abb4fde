"""`hookkit completion`: the script that lets a shell complete hookkit's commands, options and values."""

from __future__ import annotations

import json
import os

import click

from hookkit.errors import UsageError

VARIABLE = "_HOOKKIT_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\b
Examples:
  hookkit completion bash > ~/.local/share/bash-completion/completions/hookkit
  hookkit completion zsh > ~/.zfunc/_hookkit     with fpath+=(~/.zfunc) before compinit in ~/.zshrc
  hookkit completion fish > ~/.config/fish/completions/hookkit.fish
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(shell: str | None, as_json: bool) -> int:
    """Print the completion script of a shell; without SHELL, of the one in $SHELL.

    Agents, traces, tools, settings and formats are completed too. Put it where the shell looks, or try it at once:
    `eval "$(hookkit completion bash)"`.
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in SHELLS:
        raise UsageError("UNKNOWN_SHELL", f"There is no script for {name or 'no shell'!r}.", "Name bash, zsh or fish.")
    from click.shell_completion import get_completion_class

    from hookkit.cli import cli

    found = get_completion_class(name)
    assert found
    complete = found(cli, {}, "hookkit", VARIABLE)
    script = complete.source_template % complete.source_vars()
    click.echo(json.dumps({"shell": name, "script": script}) if as_json else script.strip())
    return 0
