"""Pure edits of a settings text, JSON or TOML: values at paths of two keys, put in and taken out again.

Nothing here reads or writes a file. Comments, order and layout stay, and so does what others have in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import tomlkit
from tomlkit.exceptions import TOMLKitError

from hookkit.installer import jsonedit
from hookkit.installer.jsonedit import Splice
from hookkit.installer.jsontext import JsonTextError, Value, parse
from hookkit.installer.settings_edit import Created, EditCheckError

Values = Mapping[tuple[str, str], object]
Syntax = Literal["json", "toml"]


class UnreadableError(ValueError):
    """The text is not of its syntax, or something else stands where a group of values belongs."""


@dataclass(frozen=True, slots=True)
class ValuesEdit:
    """The outcome of ``with_values``: undo turns ``text`` into the text before, character for character.

    created: (group,) that was made, and (group, key, JSON of what stood there) of what was replaced.
    """

    text: str
    undo: tuple[Splice, ...]
    created: Created


def taken(text: str, syntax: Syntax, values: Values) -> dict[tuple[str, str], object]:
    """What stands in a text at these paths already. UnreadableError."""
    data = _data(text, syntax)
    found = {}
    for group, key in values:
        members = data.get(group, {})
        if not isinstance(members, Mapping):
            raise UnreadableError(f"`{group}` is no group of values")
        if key in members:
            found[group, key] = members[key]
    return found


def with_values(text: str, syntax: Syntax, values: Values, unset: tuple[object, ...] = ()) -> ValuesEdit:
    """Put values into a text, at paths where nothing stands, or in TOML what counts as nothing (``unset``).

    UnreadableError, EditCheckError.
    """
    there = taken(text, syntax, values)
    if any(value not in unset for value in there.values()):
        raise EditCheckError("something stands there already")
    before = _data(text, syntax)
    groups = {group: {key: value for (of, key), value in values.items() if of == group} for group, _ in values}
    result = _into_json(text, groups) if syntax == "json" else _into_toml(text, groups)
    if _data(result, syntax) != _merged(before, groups):
        raise EditCheckError("the edit would change somebody else's settings")
    splice = _difference(text, result)
    undo = jsonedit.inverse(text, [splice])
    if jsonedit.apply(result, undo) != text:
        raise EditCheckError("the edit could not be undone exactly")
    replaced = {(*path, json.dumps(value)) for path, value in there.items()}
    return ValuesEdit(result, undo, frozenset({(group,) for group in groups if group not in before} | replaced))


def without_values(text: str, syntax: Syntax, values: Values, created: Created) -> str:
    """Take out those values that are as they were put in; a group that was made for them goes when it is empty.

    What they replaced comes back. UnreadableError, EditCheckError.
    """
    before = _data(text, syntax)
    doomed = {path for path, value in taken(text, syntax, values).items() if value == values[path]}
    if not doomed:
        return text
    back = {(path[0], path[1]): json.loads(path[2]) for path in created if len(path) == 3}
    back = {path: value for path, value in back.items() if path in doomed}
    doomed -= back.keys()
    result = _out_of_json(text, doomed, created) if syntax == "json" else _out_of_toml(text, doomed, back, created)
    restored = {group: {key: value for (of, key), value in back.items() if of == group} for group, _ in back}
    if _data(result, syntax) != _merged(_reduced(before, doomed, created), restored):
        raise EditCheckError("taking the values out would change somebody else's settings")
    return result


def _data(text: str, syntax: Syntax) -> dict[str, Any]:
    try:
        if syntax == "toml":
            return tomlkit.parse(text).unwrap()
        root = parse(text).root
    except (JsonTextError, TOMLKitError) as error:
        raise UnreadableError(str(error)) from None
    data = {} if root is None else root.data()
    if not isinstance(data, dict):
        raise UnreadableError("the whole of it is no object")
    return data


def _merged(before: Mapping[str, Any], groups: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    return {**before, **{group: {**before.get(group, {}), **members} for group, members in groups.items()}}


def _reduced(before: Mapping[str, Any], doomed: set[tuple[str, str]], created: Created) -> dict[str, Any]:
    after = dict(before)
    for group in {group for group, _ in doomed}:
        after[group] = {key: value for key, value in before[group].items() if (group, key) not in doomed}
        if not after[group] and (group,) in created:
            del after[group]
    return after


def _difference(old: str, new: str) -> Splice:
    """The one splice that turns an old text into a new one."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return Splice(start, len(old) - end, new[start : len(new) - end])


def _into_json(text: str, groups: Mapping[str, Mapping[str, object]]) -> str:
    doc = parse(text)
    style = jsonedit.style_of(doc)
    if doc.root is None:
        return text + jsonedit.render(groups, style, "", multiline=True) + style.newline
    splices: list[Splice] = []
    missing: list[tuple[str | None, object]] = []
    for group, members in groups.items():
        member = doc.root.member(group)
        if member is None:
            missing.append((group, members))
        else:
            splices += jsonedit.append(doc, member.value, [*members.items()], style)
    return jsonedit.apply(text, [*splices, *jsonedit.append(doc, doc.root, missing, style)])


def _out_of_json(text: str, doomed: set[tuple[str, str]], created: Created) -> str:
    for group in sorted({group for group, _ in doomed}):
        doc = parse(text)
        assert doc.root is not None
        at, held = _member(doc.root, group)
        indexes = [index for index, child in enumerate(held.children) if (group, child.key) in doomed]
        outside = doc.comments_in(held.start, held.end)
        if len(indexes) == len(held.children) and (group,) in created and not outside:
            text = jsonedit.apply(text, jsonedit.cut(doc, doc.root, [at]))
        else:
            text = jsonedit.apply(text, jsonedit.cut(doc, held, indexes))
    return text


def _member(root: Value, key: str) -> tuple[int, Value]:
    return next((at, child.value) for at, child in enumerate(root.children) if child.key == key)


def _into_toml(text: str, groups: Mapping[str, Mapping[str, object]]) -> str:
    document = tomlkit.parse(text)
    for group, members in groups.items():
        if group not in document:
            if text and not text.endswith("\n"):
                document.add(tomlkit.nl())
            if text.strip():
                document.add(tomlkit.nl())
            document.add(group, tomlkit.table())
        table: Any = document[group]
        for key, value in members.items():
            table[key] = _toml(value)
    result = tomlkit.dumps(document)
    return re.sub(r"(?<!\r)\n", "\r\n", result) if "\r\n" in text and not _lone(text) else result


def _lone(text: str) -> bool:
    """Whether a line ends without a carriage return."""
    return re.search(r"(?<!\r)\n", text) is not None


def _toml(value: object) -> Any:
    if not isinstance(value, Mapping):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    for key, inner in value.items():
        table.append(key, _toml(inner))
    return table


def _out_of_toml(text: str, doomed: set[tuple[str, str]], back: Values, created: Created) -> str:
    document: MutableMapping[str, Any] = tomlkit.parse(text)
    for (group, key), value in back.items():
        document[group][key] = value
    for group, key in doomed:
        del document[group][key]
    for (group,) in (path for path in created if len(path) == 1):
        if group in document and not document[group]:
            del document[group]
    return tomlkit.dumps(document)
