"""Trees as tests look at them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from hookkit.phases import Node, Trace, read_file


@cache
def _validator() -> Any:
    schema = Path(__file__).parents[2] / "schemas" / "trace-node.schema.json"
    return jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def valid(text: str | bytes) -> None:
    """Raise if a text is no node tree as belay's provider writes them."""
    _validator().validate(json.loads(text))


def written(trace: Trace) -> Node:
    """The tree that a trace wrote; it is checked against the schema."""
    assert trace.error is None
    assert trace.path is not None
    valid(trace.path.read_bytes())
    return read_file(trace.path)


def shape(node: Node) -> list[tuple[str, str]]:
    """Type and name of the children."""
    return [(child.node_type, child.agent_name) for child in node.children]


def phase(tree: Node, name: str) -> Node:
    """The one phase of that name."""
    (found,) = (child for child in tree.children if (child.node_type, child.agent_name) == ("phase", name))
    return found


def names(node: Node) -> list[str]:
    return [child.agent_name for child in node.children]
