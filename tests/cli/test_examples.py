"""Every command has --help with examples, and the examples are commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from hookkit import cli


def tree(command: click.Command, name: str = "hookkit") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found
            if not found.hidden and not below.startswith("_"):
                yield from tree(found, f"{name} {below}")


COMMANDS = dict(tree(cli.cli))


def examples(command: click.Command) -> list[list[str]]:
    """The words of each hookkit command in the examples, without what is piped and said behind it."""
    block = (command.epilog or "").partition("Examples:")[2].partition("\n\n")[0]
    found = []
    for line in block.splitlines():
        inner = re.search(r"\$\((hookkit [^)]*)\)", line)
        said = inner[1] if inner else re.split(r"\s{2,}", line.strip())[0]
        if said.startswith("hookkit "):
            words = shlex.split(said)
            ends = [at for at, word in enumerate(words) if word in ("|", ">", ";", "&&")]
            found.append(words[1 : ends[0]] if ends else words[1:])
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_subcommand_has_examples_of_its_own(name: str) -> None:
    command = COMMANDS[name]
    shown = examples(command)
    assert shown
    own = name.split()[1:]
    assert any(words[: len(own)] == own for words in shown)
    assert "Examples:" in command.get_help(click.Context(command, info_name=name))
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_can_be_parsed(name: str) -> None:
    for words in examples(COMMANDS[name]):
        if words == ["--version"]:
            continue
        command: click.Command = cli.cli
        context = click.Context(command)
        while isinstance(command, click.Group):
            below = command.get_command(context, words[0])
            if below is None:  # export REF: the name of a session in the place of a subcommand's
                words = ["session", *words]
                below = command.get_command(context, words[0])
            assert below, words
            command, words = below, words[1:]
            context = click.Context(command, parent=context)
        if command is cli.cli.get_command(context, "tail"):  # behind the dashes is another program
            words = words[: words.index("--")] if "--" in words else words
        values, rest, _ = command.make_parser(context).parse_args([*words])
        assert not rest, words
        for param in command.params:
            given = values.get(param.name)
            if isinstance(param.type, (click.Choice, click.IntRange)) and isinstance(given, str):
                param.type.convert(given, param, context)
            assert not param.required or given not in (None, ()), words
