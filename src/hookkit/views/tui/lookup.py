"""Where views ask for more than a trace holds: git and the event log know it. May take long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookkit.errors import HookkitError
from hookkit.views.text import spans
from hookkit.views.tui.line import Line

if TYPE_CHECKING:
    from hookkit.views.outline import Item


@dataclass(frozen=True, slots=True)
class Changed:
    """What a call changed: lines as ``hookkit diff`` prints them, and the paths, absolute."""

    lines: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Functions that raise HookkitError.

    changed: of trace id, project and call id. blamed: of project and path (absolute, or relative to it), the lines as
    ``hookkit blame`` prints them.
    """

    changed: Callable[[str, str | None, str], Changed]
    blamed: Callable[[str | None, str], Sequence[str]]

    def diff(self, summary: Mapping[str, Any], item: Item) -> Iterable[Line]:
        """What a call changed, or why that is not known."""
        return _told(lambda: self.changed(summary["trace_id"], summary["project"], item.call_id).lines)

    def blame(self, summary: Mapping[str, Any], item: Item, named: Sequence[str]) -> Iterable[Line]:
        """Who wrote the lines of a call's file: the first that it was given by name, or else that it changed."""

        def told() -> Sequence[str]:
            project = summary["project"]
            paths = named or self.changed(summary["trace_id"], project, item.call_id).paths
            if not paths:
                return ["The call names no file and changed none."]
            return [paths[0], "", *self.blamed(project, paths[0])]

        return _told(told)


def _told(ask: Callable[[], Sequence[str]]) -> Iterable[Line]:
    try:
        return [spans(line.expandtabs(4)) for line in ask()]
    except HookkitError as error:
        return [[(f"error: {error.message}", "red")], [(f" hint: {error.hint}", "")]]
