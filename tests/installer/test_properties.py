"""Install and remove over generated settings of every form: foreign hooks, comments, odd layout, odd spellings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hookkit.agents.contract import AgentContract
from hookkit.installer import SettingsHookInstaller
from hookkit.installer.jsonedit import apply
from hookkit.installer.jsontext import parse
from hookkit.installer.settings_edit import Ours, is_right, with_hooks, without_hooks
from hookkit.installer.settings_target import ours
from tests.installer.shapes import SHAPES, contract_of

ENTRY = "hookkit_claude_code.py"
COMMAND = f"/usr/bin/python3 -I -S '/h h/{ENTRY}' >/dev/null 2>&1 || :"
OURS = {shape: ours(contract_of(shape), COMMAND) for shape in SHAPES}
each_shape = pytest.mark.parametrize("shape", SHAPES)
on_disk = hypothesis_settings(  # an example is a whole install
    max_examples=hypothesis_settings.default.max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

STRINGS = [
    '"x"',
    '""',
    '"caf\\u00e9"',
    '"é"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"a\\/b\\n"',
    '"// no"',
    '"/* no */"',
    '"{[,"',
]
NUMBERS = ["1", "1e3", "1E400", "-0.0", "0.10", "123456789012345678901234567890", "-1E-2"]
THEIRS = [
    '"lint"',
    f'"echo {ENTRY}"',
    f'"timeout 5 python3 /h/{ENTRY}"',
    '"/me/hookkit_mine.sh"',
    "5",
    "null",
    '"caf\\u00e9"',
]
OLD = [
    json.dumps(c)
    for c in (
        COMMAND,
        f"python3 /old/{ENTRY}",
        f"python3 ~/h/{ENTRY} || :",
        f'/gone/python "$HOME/h/{ENTRY}" >/dev/null',
    )
]
SPACES = ["", "", " ", "\n", "\n  ", "\t", "\r\n", "\r\n\t", "  \n\n    "]
COMMENTS = ["// c\n", "/* c */", "/* a\n b */ ", "//\r\n", '// "x": [,{\n']


class Writer:
    """Draws one settings text."""

    def __init__(self, draw: Any, ours: Ours, comments: bool, old: bool) -> None:
        self.draw, self.ours, self.comments, self.old = draw, ours, comments, old

    def pick(self, options: list[str]) -> str:
        return str(self.draw(st.sampled_from(options)))

    def gap(self) -> str:
        text = self.pick(SPACES)
        if self.comments and self.draw(st.integers(0, 7)) == 0:
            text += self.pick(COMMENTS) + self.pick(SPACES)
        return text

    def wrap(self, opener: str, parts: list[str], closer: str) -> str:
        if not parts:
            return opener + self.gap() + closer
        body = ",".join(self.gap() + part + self.gap() for part in parts)
        trailing = "," + self.gap() if self.comments and self.draw(st.integers(0, 5)) == 0 else ""
        return opener + body + trailing + closer

    def member(self, key: str, value: str) -> str:
        return f"{key}{self.gap()}:{self.gap()}{value}"

    def some(self, most: int) -> range:
        return range(self.draw(st.integers(0, most)))

    def value(self, depth: int = 0) -> str:
        kind = self.draw(st.integers(0, 3 if depth < 2 else 1))
        if kind == 0:
            return self.pick(STRINGS)
        if kind == 1:
            return self.pick([*NUMBERS, "true", "false", "null"])
        if kind == 2:
            return self.wrap("[", [self.value(depth + 1) for _ in self.some(3)], "]")
        return self.wrap("{", [self.member(self.pick(STRINGS), self.value(depth + 1)) for _ in self.some(3)], "}")

    def handler(self) -> str:
        commands = THEIRS + (OLD * 2 if self.old else [])
        members = [self.member('"type"', '"command"'), self.member(f'"{self.ours.command_key}"', self.pick(commands))]
        if self.draw(st.booleans()):
            members.append(self.member('"timeout"', self.pick(["10", "1e3", "5.0"])))
        return self.wrap("{", members, "}")

    def group(self) -> str:
        members = [self.member('"hooks"', self.wrap("[", [self.handler() for _ in self.some(3)], "]"))]
        if self.draw(st.booleans()):
            members.insert(0, self.member('"matcher"', self.pick(['"Bash|Edit"', '""'])))
        if self.draw(st.integers(0, 6)) == 0:
            members.append(self.member('"note"', self.value(1)))
        return self.wrap("{", members, "}")

    def hooks(self) -> str:
        events = [*self.ours.handlers][:4]
        names = [self.pick([f'"{e}"' for e in (*events, "Notification", "Old")]) for _ in self.some(4)]
        element = self.handler if self.ours.flat else self.group
        groups = [self.wrap("[", [element() for _ in self.some(3)], "]") for _ in names]
        return self.wrap("{", [self.member(n, g) for n, g in zip(names, groups, strict=True)], "}")

    def document(self) -> str:
        keys = ['"model"', '"env"', '"$schema"', *(f'"{key}"' for key in self.ours.root)]
        members = [self.member(self.pick(keys), self.value()) for _ in self.some(3)]
        for _ in range(self.draw(st.sampled_from([0, 1, 1, 1, 2]))):
            members.insert(self.draw(st.integers(0, len(members))), self.member('"hooks"', self.hooks()))
        text = self.gap() + self.wrap("{", members, "}") + self.gap()
        return ("\ufeff" if self.draw(st.integers(0, 4)) == 0 else "") + text


@st.composite
def documents(draw: Any, ours: Ours, comments: bool = False, old: bool = False) -> str:
    return Writer(draw, ours, comments, old).document()


def any_document(shape: str, old: bool = False) -> st.SearchStrategy[str]:
    return st.booleans().flatmap(lambda comments: documents(OURS[shape], comments=comments, old=old))


def pairs(text: str) -> Any:
    """The whole of a strict JSON text, duplicate keys, key order and number spellings included."""
    text = text.removeprefix("\ufeff")
    return json.loads(text, object_pairs_hook=lambda p: ("object", p), parse_float=str, parse_int=str)


def bare(value: Any) -> Any:
    """``pairs`` without empty hook containers: what a cut may leave or take of ours."""
    kind, members = value
    rest = []
    for key, item in members:
        if key == "hooks" and isinstance(item, tuple):
            item = ("object", [(e, g) for e, groups in item[1] if (g := [x for x in groups if not _hollow(x)])])
            if not item[1]:
                continue
        rest.append((key, item))
    return kind, rest


def _hollow(group: Any) -> bool:
    if not any(k == "hooks" for k, _ in group[1]):
        return False
    return {k for k, _ in group[1]} <= {"hooks", "matcher"} and all(v == [] for k, v in group[1] if k == "hooks")


def without_root(value: Any, added: frozenset[tuple[str, ...]]) -> Any:
    """``pairs`` without the keys of the root that an edit added: they stay while others have hooks."""
    kind, members = value
    return kind, [(key, item) for key, item in members if (key,) not in added]


def places(text: str, ours: Ours) -> list[tuple[object, ...]]:
    """Where the hooks of others are: event, place of the group, and its handlers."""
    _, members = pairs(text)
    found: list[tuple[object, ...]] = []
    for event, groups in (e for key, item in members if key == "hooks" for e in item[1]):
        for index, group in enumerate(groups):
            handlers = next(item for key, item in group[1] if key == "hooks")
            theirs = [h for h in handlers if not any(v in OURS_OR_OLD for k, v in h[1] if k == ours.command_key)]
            if theirs:
                found.append((event, index, str(theirs)))
    return sorted(found, key=str)


OURS_OR_OLD = [json.loads(command) for command in OLD]


@each_shape
@given(data=st.data())
def test_an_edit_is_undone_to_the_character_and_done_twice_is_done_once(shape: str, data: Any) -> None:
    text, ours = data.draw(any_document(shape)), OURS[shape]
    edit = with_hooks(text, ours)
    assert is_right(parse(edit.text), ours)
    assert apply(edit.text, edit.undo) == text
    again = with_hooks(edit.text, ours)
    assert (again.text, again.changed) == (edit.text, False)
    cut = without_hooks(edit.text, ours, edit.created)  # as if the way back had been forgotten
    doc = parse(text)
    if not doc.comments and not doc.trailing_commas:
        whole = [groups for key, item in pairs(text)[1] if key == "hooks" for _, groups in item[1]]
        added = edit.created if any(whole) else frozenset()
        assert without_root(pairs(cut), added) == pairs(text)
        assert len(pairs(cut)[1]) - len(pairs(text)[1]) == len(added & {(key,) for key in ours.root})


@each_shape
@given(data=st.data())
def test_old_entries_are_replaced_and_nothing_else_is_touched(shape: str, data: Any) -> None:
    text, ours = data.draw(any_document(shape, old=True)), OURS[shape]
    edit = with_hooks(text, ours)
    assert is_right(parse(edit.text), ours)
    clean = apply(edit.text, edit.undo)
    assert clean == without_hooks(text, ours)
    doc = parse(text)
    if not doc.comments and not doc.trailing_commas:
        left = without_root(bare(pairs(without_hooks(edit.text, ours))), edit.created - {("hooks",)})
        assert left == bare(pairs(clean))
        theirs = [c for c in THEIRS if c.startswith('"')]
        assert [clean.count(c) for c in theirs] == [text.count(c) for c in theirs]
    after = iter([edit.text[slice(*c)].strip() for c in parse(edit.text).comments])
    before = [text[slice(*c)].strip() for c in doc.comments if not _inside_ours(text, c, ours)]
    assert all(comment in after for comment in before), "a comment outside our entries was lost"


@given(documents(OURS["positional"], old=True))
def test_where_places_count_no_group_of_others_is_moved(text: str) -> None:
    ours = OURS["positional"]
    edit = with_hooks(text, ours)
    known = places(text, ours)
    assert places(edit.text, ours) == known
    assert places(without_hooks(text, ours), ours) == known
    assert places(without_hooks(edit.text, ours, edit.created), ours) == known


def _inside_ours(text: str, comment: tuple[int, int], ours: Ours) -> bool:
    """Whether a comment is in a handler."""
    doc = parse(text)
    assert doc.root is not None
    elements = [
        element.value
        for member in doc.root.children if member.key == "hooks"
        for event in member.value.children
        for element in event.value.children
    ]  # fmt: skip
    handlers = [
        handler.value
        for group in elements
        for key in group.children if key.key == "hooks"
        for handler in key.value.children
    ]  # fmt: skip
    return any(h.start < comment[0] < h.end for h in (elements if ours.flat else handlers))


@each_shape
@given(data=st.data())
@on_disk
def test_remove_after_install_is_the_identity_on_bytes(shape: str, data: Any, tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    before = data.draw(any_document(shape)).encode("utf-8", "surrogatepass")
    path.write_bytes(before)
    os.chmod(path, 0o640)
    installer = SettingsHookInstaller(contract_of(shape), settings_file=path)
    assert installer.install().changed
    once = path.read_bytes()
    assert not installer.install().changed
    assert path.read_bytes() == once
    assert installer.status()["installed"]
    installer.remove()
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert not installer.remove().changed


@each_shape
@given(data=st.data(), indent=st.sampled_from([None, 2, "\t"]))
@on_disk
def test_after_the_agent_rewrote_the_file_exactly_ours_is_cut(
    shape: str, data: Any, indent: Any, tmp_path: Path
) -> None:
    path = tmp_path / "any.json"
    text = data.draw(documents(OURS[shape]))
    # The agent could not have written an infinite number.
    plain = json.dumps(json.loads(text.removeprefix("\ufeff").replace("1E400", "1E300")))
    path.write_text(plain)
    installer = SettingsHookInstaller(contract_of(shape), settings_file=path)
    installer.install()
    now = json.loads(path.read_text())
    now["theme"] = "dark"
    path.write_text(json.dumps(now, indent=indent))
    installer.remove()
    expected = json.loads(plain)
    if any(expected.get("hooks", {}).values()):  # they need it now
        expected = {**expected, **{key: value for key, value in OURS[shape].root.items() if key not in expected}}
    expected["theme"] = "dark"
    assert path.read_text() == json.dumps(expected, indent=indent)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}", b"\xef\xbb\xbf{}", b'{"a": "\xff\xfe"}', b"// only a comment", b"{}\r\n\r\n"]
)
def test_small_and_odd_files_come_back_byte_for_byte(data: bytes, contract: AgentContract, tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(data)
    installer = SettingsHookInstaller(contract, settings_file=path)
    installer.install()
    assert path.read_bytes() != data
    installer.remove()
    assert path.read_bytes() == data
