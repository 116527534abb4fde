"""A session as a page: whole in itself, nothing that runs, and what the session says is text in its place."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from hookkit.exporters.source import Diffs, Source
from tests.exporters.sessions import NAMES, PATCH, SCRIPT, Patches, hostile, record, text

VOID = {"meta", "br", "hr"}
ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "dl", "dt", "dd", "nav", "ol",
           "li", "a", "main", "section", "div", "p", "pre", "code", "details", "summary", "b", "span",
           "time"}  # fmt: skip


class Page(HTMLParser):
    """Elements, attributes and texts; every element must be closed where it was opened."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.others: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def checked(source: str) -> Page:
    """A page that asks for nothing, runs nothing, and whose links lead to places of itself."""
    page = Page(source)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert page.others == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "style", "srcset", "background", "data", "action"} & set(attributes)
        if "href" in attributes:
            assert tag == "a"
            assert str(attributes["href"]).removeprefix("#") in ids
    (style,) = page.texts["style"]
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return page


@pytest.mark.parametrize("name", NAMES)
def test_every_step_and_turn_can_be_linked_to_and_every_call_opens(name: str) -> None:
    given = record(name)
    page = checked(text("html", Source(given)))
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {f"step-{step['step_index']}" for step in given["steps"]} <= ids
    calls = [call for step in given["steps"] for call in step["tool_calls"]]
    thoughts = sum(bool(step["reasoning_content"]) for step in given["steps"])
    assert sum(tag == "summary" for tag, _ in page.elements) == len(calls) + thoughts
    assert page.texts["b"] == [call["tool_name"] for call in calls]
    prompts = [step["content"] for step in given["steps"] if step["role"] == "user" and step["parent_step"] is None]
    assert [link for link in page.texts["a"] if link.startswith("Turn")] == [
        f"Turn {n + 1}" for n in range(len(prompts))
    ]
    assert page.texts["title"] == page.texts["h1"]
    for prompt in prompts:
        assert prompt.strip() in page.texts["div"]
    results = {(o["content"] or "").strip("\n") for step in given["steps"] for o in step["observations"]}
    assert results - {""} <= {pre.strip("\n") for pre in page.texts["pre"]}


def test_a_hostile_session_is_text_and_nothing_else() -> None:
    page = checked(text("html", Source(hostile(), diffs=Patches())))
    assert any(SCRIPT in pre for pre in page.texts["pre"])
    assert any("![pixel]" in said for said in page.texts["div"])
    assert page.texts["title"] == [SCRIPT]
    depths = [attributes.get("data-depth") for _, attributes in page.elements]
    assert "1" in depths
    assert sum("Changed outside" in said for said in page.texts["p"]) == 8


def test_diffs_are_coloured_and_say_it_without_colour_too() -> None:
    page = checked(text("html", Source(record("pi"), diffs=Patches())))
    spans = [a.get("class") for tag, a in page.elements if tag == "span"]
    assert {"a", "r", "p"} <= set(spans)
    added = [said for said in page.texts["span"] if said.startswith("+")]
    assert f"+{SCRIPT}" in added
    assert PATCH.count("\n+") - 1 == len(set(added))


def test_a_removed_line_that_looks_like_a_file_name_is_a_removed_line() -> None:
    patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- a comment of SQL\n+++ i;\n"
    page = checked(text("html", Source(record("pi"), diffs=Patches(patch * 2))))
    assert page.texts["span"].count("--- a comment of SQL") == page.texts["span"].count("+++ i;") == 14
    assert page.texts["b"].count("--- a/x") == 14


def test_where_there_are_no_diffs_it_says_why() -> None:
    page = checked(text("html", Source(record("pi"), diffs=Diffs("The repository <is> gone."))))
    assert "The repository <is> gone." in page.texts["dd"]


def test_it_prints_open_and_follows_the_readers_colours() -> None:
    style = Page(text("html", Source(record("pi")))).texts["style"][0]
    printed = style[style.index("@media print") :]
    assert re.search(r"details::details-content\s*\{[^}]*content-visibility: visible", printed)
    assert "max-height: none" in printed
    assert "@media (prefers-color-scheme: dark)" in style
