"""The examples of Cursor are of no machine, and the session that `hookkit doctor` plays adds up. None of it was run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hookkit.agents.cursor import CONTRACT

ROOT = Path(__file__).parent / "fixtures" / "cursor"
PLAYED = Path(__file__).parents[2] / "src" / "hookkit" / "agents" / "recordings" / "cursor.json"


def test_the_examples_are_named_documented_and_by_no_version() -> None:
    assert [path.name for path in ROOT.iterdir()] == ["documented"]
    assert json.loads(PLAYED.read_text())["version"] == "documented"
    assert CONTRACT.evidence.level == "documented"
    assert "documented, not run" in str(CONTRACT.evidence)
    assert "not run" in CONTRACT.trust


def test_an_example_names_no_machine_and_nobody() -> None:
    for path in (PLAYED, *ROOT.rglob("*.json*")):
        text = path.read_text(encoding="utf-8")
        paths = set(re.findall(r'"(/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)', text))
        assert all(found.startswith("/home/dev") for found in paths), (path, paths)
        assert set(re.findall(r'"user_email": "([^"]*)"', text)) <= {"dev@example.invalid"}


def test_the_played_session_has_every_event_and_changes_files_only_at_the_end_of_a_call() -> None:
    events = json.loads(PLAYED.read_text())["events"]
    names = {event["payload"]["hook_event_name"] for event in events}
    assert names == {event.name for event in CONTRACT.events}
    assert {event["payload"]["hook_event_name"] for event in events if event["effects"]} == {"postToolUse"}
