"""Looking for sidecars costs the same however many lines a session has."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture import hook_lines, session
from hookkit.capture.claude_code.parser import ClaudeCodeParser
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.session import Session

from .support import ROOT, SESSION, Transcript, hook, write


def test_the_worktrees_are_those_of_all_lines_also_of_such_as_wait_and_after_the_next_start(tmp_path: Path) -> None:
    index = HookIndex("claude-code", SESSION)
    foreign: dict[str, Any] = {"limitations": ["foreign_caller"]}
    for line in (hook("PreToolUse", 1, "a", at=1), hook("PreToolUse", 2, "b"), hook("Stop", 3, at=2, **foreign)):
        index.add(line, owned=True)
    waiting = hook("PreToolUse", 4, "c", at=3, **foreign)
    waiting["data"]["trail"]["worktree_root"] = "/elsewhere"
    index.add(waiting, owned=True)
    assert index.roots == {ROOT, "/elsewhere"}
    again = HookIndex("claude-code", SESSION)
    again.load(*index.dump())
    assert again.roots == index.roots


def test_nothing_is_decoded_or_looked_for_twice_to_find_sidecars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign: dict[str, Any] = {"limitations": ["foreign_caller"]}
    transcript = Transcript().turn()
    for number in range(50):
        transcript.raw(hook("PreToolUse", 10 + number, f"call_{number}", at=1, **foreign))
    agents = [Transcript(f"a{number:03}").turn(call_id=f"toolu_a{number}") for number in range(40)]
    decoded: list[object] = []
    sought: Counter[str] = Counter()

    class Json:
        dumps = staticmethod(json.dumps)

        @staticmethod
        def loads(text: bytes) -> Any:
            decoded.append(text)
            return json.loads(text)

    def worktree(folder: str) -> Path:
        sought[folder] += 1
        return Path(folder)

    path = write(tmp_path, transcript, *agents)
    monkeypatch.setattr(hook_lines, "json", Json)
    monkeypatch.setattr(session, "worktree", worktree)
    reading = Session(ClaudeCodeParser(), SESSION, path, None)
    reading.hooks.inside.update(f"a{number:03}" for number in range(40))
    reading.read()
    assert decoded == []
    assert sought == {ROOT: 1}
