"""What a shell offers for values: agents, traces, tools, settings.

A shell asks at every press of a key: only what is at hand is looked at, and whatever goes wrong, there is no offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Offered = list[CompletionItem]
    Complete = Callable[[click.Context, click.Parameter, str], Offered]

_TRACES = 50  # newest ones
_SHOWN = 8  # characters of an id
_OTHERS = ("git", "watcher", "skill")  # what can be installed besides agents


def _offer(values: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Complete:
    """Make values with their help a completion of those that begin as what was typed; nothing if that fails."""

    @wraps(values)
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> Offered:
        from click.shell_completion import CompletionItem

        try:
            found = dict(values(ctx, incomplete))
        except Exception:  # nothing may disturb the line that is being typed
            return []
        return [CompletionItem(value, help=said) for value, said in found.items() if value.startswith(incomplete)]

    return complete


@_offer
def agents(_ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of agents."""
    from hookkit.agents import AGENTS

    return ((contract.name, contract.title) for contract in AGENTS.values())


@_offer
def installs(ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """What can be installed, without what was named already."""
    from hookkit.agents import AGENTS

    named = ctx.params.get("names") or ()
    everything = {contract.name: contract.title for contract in AGENTS.values()} | dict.fromkeys(_OTHERS, "")
    return ((name, title) for name, title in everything.items() if name not in named)


@_offer
def harnesses(_ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """Agents that read skills."""
    from hookkit.agents import AGENTS

    return ((contract.name, contract.title) for contract in AGENTS.values() if contract.skills)


@_offer
def traces(_ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """``last`` and the newest traces; of more characters, all that begin so. From the index as it stands."""
    import json

    from hookkit.store.index import Index
    from hookkit.store.plain import plain

    with Index() as index:
        newest = list(index.rows(limit=_TRACES))
        rows = newest if len(incomplete) < 4 else index.matching(incomplete)
    if newest:
        yield "last", "the newest session"
    for row in rows:
        summary = json.loads(row.summary) if row.summary else {}
        said = plain(f"{summary.get('agent') or ''}: {summary.get('title') or ''}")
        short = row.trace_id[:_SHOWN]
        if short.startswith(incomplete):
            yield short, said
        else:
            yield from ((name, said) for name in (row.trace_id, row.session_id))


@_offer
def tools(_ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """Tools that the newest sessions called."""
    return ((name, "") for name in sorted({name for summary in _newest() for name in summary.get("tools", ())}))


@_offer
def models(_ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """Models that the newest sessions used."""
    return ((name, "") for name in sorted({name for summary in _newest() for name in summary.get("models", ())}))


def _newest() -> list[dict[str, dict[str, int]]]:
    import json

    from hookkit.store.index import Index

    with Index() as index:
        return [json.loads(row.summary) for row in index.rows(limit=_TRACES) if row.summary]


@_offer
def settings(_ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of settings."""
    from hookkit import config

    return ((setting.name, setting.help) for setting in config.SETTINGS.values())


@_offer
def setting_values(ctx: click.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """The values that the named setting may have, where they can be told."""
    from hookkit import config

    wanted = config.setting(ctx.params["name"])
    choices = ("true", "false") if wanted.kind is bool else wanted.choices
    return ((choice, "") for choice in choices if choice)


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Offered:
    """Files, as the shell itself completes them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]
