"""`hookkit config`: the settings."""

from __future__ import annotations

import json
from typing import Any

import click

from hookkit.cli import complete, pager

_EPILOG = """\b
Examples:
  hookkit config list
  hookkit config set list.limit 50

\b
Each of them has --json and --help.
"""
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_name = click.argument("name", shell_complete=complete.settings)


@click.group(epilog=_EPILOG)
def command() -> None:
    """Look at the settings, and change them in config.toml.

    An environment variable wins over the file: HOOKKIT_LIST_LIMIT over list.limit, and so on.
    """


@command.command("list", epilog="\b\nExamples:\n  hookkit config list\n  hookkit config list --json | jq -r .name")
@_json
@pager.option
def list_(as_json: bool) -> int:
    """List every setting with its value, and where that is from."""
    from hookkit import config
    from hookkit.store.plain import plain
    from hookkit.views import text

    rows = [_row(name) for name in config.SETTINGS]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    else:
        shown = [(row["name"], plain(_text(row["value"])), row["source"], row["help"]) for row in rows]
        pager.show(text.fitted([("SETTING", "VALUE", "FROM", "WHAT"), *shown]))
    for name in config.unknown(config.load()):
        click.echo(f"{plain(name)} in {config.path()} is no setting, and means nothing.", err=True)
    return 0


@command.command(epilog="\b\nExamples:\n  hookkit config get list.limit\n  hookkit config get pager --json")
@_name
@_json
def get(name: str, as_json: bool) -> int:
    """Print the value of a setting."""
    row = _row(name)
    click.echo(json.dumps(row) if as_json else _text(row["value"]))
    return 0


@command.command(
    "set",
    epilog="\b\nExamples:\n  hookkit config set pager 'less -S'\n  hookkit config set times absolute\n"
    "  hookkit config set list.limit 50",
)
@_name
@click.argument("value", shell_complete=complete.setting_values)
@_json
def set_(name: str, value: str, as_json: bool) -> int:
    """Write a setting into config.toml; its comments and layout stay."""
    from hookkit import config
    from hookkit.errors import UsageError
    from hookkit.store import config_edit

    wanted = config.setting(name)
    try:
        config_edit.put(name, wanted.read(value))
    except ValueError:
        raise UsageError("BAD_SETTING", f"{name} cannot be {value!r}.", f"It has to be {wanted.wanted}.") from None
    _say(name, as_json)
    return 0


@command.command(epilog="\b\nExamples:\n  hookkit config unset list.limit")
@_name
@_json
def unset(name: str, as_json: bool) -> int:
    """Take a setting out of config.toml: it is what it is by default again."""
    from hookkit import config
    from hookkit.store import config_edit

    config.setting(name)
    if not config_edit.drop(name):
        click.echo(f"{name} was not set in {config.path()}.", err=True)
    _say(name, as_json)
    return 0


@command.command(epilog='\b\nExamples:\n  hookkit config path\n  "$EDITOR" "$(hookkit config path)"')
@_json
def path(as_json: bool) -> int:
    """Print where config.toml is, whether it exists or not."""
    from hookkit import config

    click.echo(json.dumps({"path": str(config.path())}) if as_json else str(config.path()))
    return 0


def _row(name: str) -> dict[str, Any]:
    from hookkit import config

    wanted = config.setting(name)
    value, source = config.explain(name)
    return {
        "name": name,
        "value": value,
        "source": source,
        "default": wanted.default,
        "variable": wanted.variable,
        "help": wanted.help,
    }


def _say(name: str, as_json: bool) -> None:
    """What holds now. An environment variable may still win over what was just written."""
    row = _row(name)
    if as_json:
        click.echo(json.dumps(row))
    elif row["source"] == "environment":
        click.echo(f"{row['variable']} is set here and wins: {name} is {_text(row['value'])}.", err=True)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
