"""The text and the JSON of ``hookkit graph``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from hookkit.store.plain import plain
from hookkit.trails.graph import ROOM, Commit, Row, Share, joint
from hookkit.views import origins, text
from hookkit.views.blame import stamp
from hookkit.views.blame_commit import decoration, percent, share_json

_CALLS = 6  # of one commit; the rest is counted
_PROMPT = 40


def render(rows: Sequence[Row], shares: Mapping[str, Share]) -> Iterator[str]:
    """The graph as git draws it; below each commit the calls that wrote it. shares: by commit id."""
    for row in rows:
        if row.commit is None:
            yield row.drawn.rstrip()
            continue
        share = shares[row.commit.id]
        yield row.drawn + _commit(row.commit, share)
        for drawn, said in zip_longest(row.below, list(_below(share))[:ROOM], fillvalue=""):
            if said or joint(drawn):
                yield f"{drawn}  {said}".rstrip()


def _commit(commit: Commit, share: Share) -> str:
    name = text.styled(plain(commit.id[:8]), "yellow") + decoration(commit)
    told = f"{plain(commit.author)}, {text.local(stamp(commit.author_time))}"
    said = f"{name} {text.one_line(commit.summary, 72)}  {text.styled(told, 'dim')}"
    return f"{said}  {text.styled(f'{percent(share)} by calls', 'cyan')}" if share.calls else said


def _below(share: Share) -> Iterator[str]:
    for call in share.calls[:_CALLS]:
        facts = call.call
        words = [
            origins.PROVISIONAL if call.provisional else "*",
            f"+{call.lines}",
            text.one_line(facts.tool, 20) if facts else "",
            plain(origins.address(call.origin.trace_id, origins.step(call.origin, facts))),
            text.one_line(facts.agent, 20) if facts else "",
            f"turn {facts.turn}" if facts and facts.turn is not None else "",
            origins.prompt(facts, _PROMPT),
        ]
        yield " ".join(word for word in words if word)
    rest = share.calls[_CALLS:]
    if rest:
        more = sum(call.lines for call in rest)
        yield f"  +{more} by {text.counted(len(rest), 'more call')}; hookkit blame commit {plain(share.commit.id[:8])}"
    if share.calls and share.outside:
        yield f"- +{share.outside} outside of all tool calls"
    if share.calls and share.unknown:
        yield f"? +{share.unknown} unknown"


def dump(shares: Sequence[Share]) -> Iterator[str]:
    """One JSON object a commit, newest first; schemas/graph.schema.json."""
    return (json.dumps(share_json(share)) for share in shares)
