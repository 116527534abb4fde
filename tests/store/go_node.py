"""What Go's encoding/json does with belay's ``trace.Node``, told a second time and by other means.

type Node struct {
    ID            string  `json:"id"`
    NodeType      string  `json:"node_type"`
    AgentName     string  `json:"agent_name"`
    Model         string  `json:"model,omitempty"`
    DurationMS    int64   `json:"duration_ms"`
    CostUSD       float64 `json:"cost_usd"`
    InputTokens   int     `json:"input_tokens"`
    OutputTokens  int     `json:"output_tokens"`
    ContextWindow int     `json:"context_window,omitempty"`
    Children      []*Node `json:"children,omitempty"`
}
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_KINDS = {
    "id": "string", "node_type": "string", "agent_name": "string", "model": "string", "duration_ms": "int64",
    "cost_usd": "float64", "input_tokens": "int64", "output_tokens": "int64", "context_window": "int64",
    "children": "nodes",
}  # fmt: skip
_ZERO: dict[str, Any] = {"string": "", "int64": 0, "float64": 0.0, "nodes": None}
_OMITEMPTY = ("model", "context_window", "children")


class Number(str):
    """A number as it stands in the text."""


def unmarshal(text: str) -> dict[str, Any]:
    """json.Unmarshal into a Node: every field, zero where the text has none. ValueError where Go gives an error."""

    def constant(name: str) -> None:
        raise ValueError(f"invalid character in {name}")

    return _node(json.loads(text, parse_int=Number, parse_float=Number, parse_constant=constant))


def _node(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("cannot unmarshal into Go value of type trace.Node")
    made = {}
    for key, kind in _KINDS.items():
        value = body.get(key)
        made[key] = _ZERO[kind] if value is None else _value(kind, value)
    return made


def _value(kind: str, value: object) -> Any:
    if kind == "string" and isinstance(value, str) and not isinstance(value, Number):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if (
        kind == "int64"
        and isinstance(value, Number)
        and re.fullmatch(r"-?\d+", value)
        and -(2**63) <= int(value) < 2**63
    ):
        return int(value)
    if kind == "float64" and isinstance(value, Number) and abs(float(value)) != float("inf"):
        return float(value)
    if kind == "nodes" and isinstance(value, list):
        return [_node(child) for child in value]
    raise ValueError(f"cannot unmarshal {value!r} into Go struct field of type {kind}")


def marshal_indent(node: dict[str, Any], indent: str = "") -> str:
    """json.MarshalIndent(node, "", "  ")."""
    lines = []
    for key, kind in _KINDS.items():
        value = node[key]
        if key in _OMITEMPTY and not value:
            continue
        if kind == "nodes":
            children = ",\n".join(f"{indent}    {marshal_indent(child, indent + '    ')}" for child in value)
            said = f"[\n{children}\n{indent}  ]"
        elif kind == "string":
            said = _string(value)
        else:
            said = _float(value) if kind == "float64" else str(value)
        lines.append(f'{indent}  "{key}": {said}')
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _string(text: str) -> str:
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _float(number: float) -> str:
    """The shortest digits that mean the number; with an exponent below 1e-6 and from 1e21 on."""
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return f"{Decimal(repr(number)):f}".removesuffix(".0")
    digits, _, exponent = repr(number).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
