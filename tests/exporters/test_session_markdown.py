"""A session as Markdown, read by a parser of CommonMark: what the session says stays in its place, and is no HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hookkit.exporters.formats.markdown import code, fenced, quoted
from hookkit.exporters.source import Diffs, Source
from tests.exporters.sessions import HOSTILE, NAMES, PATCH, SCRIPT, Patches, hostile, record, text

FORBIDDEN = {"html_block", "html_inline", "image"}
# Pieces that begin, end or nest blocks.
PIECES = ["```", "~~~", "````", "`", " ", "  ", "    ", "\t", "\n", "\n\n", "- ", "1. ", "> ", "# ", "<b>", "<!--",
          "&lt;", "![i](u)", "[l](u)", "text", "\\", "---", "===", "|", "<script>", "</pre>", "]: u",
          "```py"]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


def tokens(markdown: str) -> Iterator[Token]:
    def walk(found: Sequence[Token]) -> Iterator[Token]:
        for token in found:
            yield token
            yield from walk(token.children or [])

    return walk(MarkdownIt("commonmark", {"html": True}).parse(markdown))


def headings(markdown: str) -> list[tuple[str, str]]:
    """The headings that are no part of a quotation or a list."""
    found = MarkdownIt("commonmark").parse(markdown)
    return [
        (token.tag, found[at + 1].content)
        for at, token in enumerate(found)
        if token.type == "heading_open" and token.level == 0
    ]


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_headings_and_calls_are_items_with_blocks(name: str) -> None:
    given_record = record(name)
    told = text("md", Source(given_record, diffs=Diffs("No repository.")))
    prompt = given_record["steps"][0]["content"].splitlines()[0]
    names = headings(told)
    assert [tag for tag, _ in names].count("h1") == 1
    assert prompt[:40] in names[1][1].replace("\\", "")
    calls = [call for step in given_record["steps"] for call in step["tool_calls"]]
    found = [token.content for token in tokens(told) if token.type == "fence"]
    for step in given_record["steps"]:
        for observation in step["observations"]:
            said = (observation["content"] or "").rstrip("\n")
            assert not said or any(block.rstrip("\n") == said for block in found)
    assert sum(token.type == "list_item_open" and token.level == 1 for token in tokens(told)) >= len(calls)
    assert "- **diffs**: No repository." in told


def test_who_goes_on_after_a_subagent_has_a_heading_again() -> None:
    def step(index: int, role: str, content: str, parent: int | None, who: str = "main") -> dict[str, Any]:
        kind = "main" if parent is None else "subagent"
        return {
            **record("claude-code")["steps"][0], "step_index": index, "role": role, "content": content,
            "parent_step": parent, "call_type": kind, "agent_role": who, "tool_calls": [], "observations": [],
        }  # fmt: skip

    given_record = record("claude-code")
    given_record["steps"] = [
        step(0, "user", "go", None), step(1, "agent", "I ask", None),
        step(2, "user", "look", 1, "a*b"), step(3, "user", "look too", 0, "c"), step(4, "agent", "I see", 1, "a*b"),
        step(5, "user", "deeper", 4, "d"), step(6, "agent", "found", 4, "d"), step(7, "agent", "so", 1, "a*b"),
        step(8, "agent", "Both answered", None), step(9, "agent", "Done", None), step(10, "user", "next", None),
    ]  # fmt: skip
    told = text("md", Source(given_record, diffs=Diffs("No repository.")))
    assert [name for _, name in headings(told)][1:] == [
        "Turn 1: go", "Subagent a\\*b: look", "Subagent c: look too", "Subagent a\\*b, continued", "Subagent d: deeper",
        "Subagent a\\*b, continued", "Main agent, continued", "Turn 2: next",
    ]  # fmt: skip
    assert told.index("Main agent, continued") < told.index("> Both answered")


def test_a_hostile_session_leaves_no_html_no_image_and_no_heading_of_its_own() -> None:
    told = text("md", Source(hostile(), diffs=Patches()))
    assert not FORBIDDEN & {token.type for token in tokens(told)}
    assert [tag for tag, _ in headings(told)] == ["h1", "h2", "h3", "h3"]
    assert headings(told)[-1][1] == "Main agent, continued"
    blocks = [token.content for token in tokens(told) if token.type == "fence" and token.info == "diff"]
    assert len(blocks) == 9
    assert all(block == blocks[0] and f"+{SCRIPT}\n+```\n" in block for block in blocks)
    assert "Changed outside any tool call" in told


@given(pieces | st.text(max_size=60))
@settings(deadline=None, max_examples=150)
def test_what_is_quoted_stays_quoted_and_makes_no_html(said: str) -> None:
    said = said.replace("\r", "").replace("\0", "")
    found = MarkdownIt("commonmark", {"html": True}).parse(f"before\n\n{quoted(said)}\nafter\n")
    assert not FORBIDDEN & {token.type for token in tokens(f"before\n\n{quoted(said)}\nafter\n")}
    top = [(token.type, token.tag) for token in found if token.level == 0 and token.nesting != -1]
    assert top in (
        [("paragraph_open", "p"), ("blockquote_open", "blockquote"), ("paragraph_open", "p")],
        [("paragraph_open", "p"), ("fence", "code"), ("paragraph_open", "p")],
    )


@given(pieces | st.text(max_size=60))
@settings(deadline=None, max_examples=80)
def test_a_block_is_ended_by_nothing_inside(said: str) -> None:
    said = said.replace("\r", "").replace("\0", "")
    found = MarkdownIt("commonmark").parse(fenced(said, "text") + "after\n")
    assert [token.type for token in found] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert found[0].content == said + "\n"


@pytest.mark.parametrize("said", ["a", "`", "``a", "a`", "a``b`c", "<b>", "*x*"])
def test_a_code_span_holds_any_line(said: str) -> None:
    (span,) = [token for token in tokens(code(said)) if token.type == "code_inline"]
    assert span.content == said


def test_the_agents_own_markdown_stays_readable() -> None:
    told = quoted("Use **this**:\n\n```py\nif a < b: x = List<int>\n```\n\nand 1 < 2, not <b>.")
    assert told == (
        "> Use **this**:\n>\n> ```py\n> if a < b: x = List<int>\n> ```\n>\n> and 1 < 2, not \\<b>.\n"
    )  # fmt: skip


def test_binary_files_and_huge_results_are_told_shortly() -> None:
    given_record = record("pi")
    given_record["steps"][1]["observations"][0]["content"] = "x" * 150_000
    binary = "diff --git a/b b/b\nGIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n\ndiff --git a/c b/c\n+last\n"
    told = text("md", Source(given_record, diffs=Patches(binary)))
    assert "… 50,000 more characters" in told
    assert "x" * 100_001 not in told
    assert "literal" not in told
    assert "Binary file" in told
    assert "+last" in told
    assert HOSTILE not in PATCH
