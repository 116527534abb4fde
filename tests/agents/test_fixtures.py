"""The recordings in fixtures/ are real, whole, and of no machine in particular."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .drivers.claude_code import ClaudeCode

ROOT = Path(__file__).parent / "fixtures" / "claude-code" / "2.1.197"
PLAYED = Path(__file__).parents[2] / "src" / "hookkit" / "agents" / "recordings" / "claude-code.json"
PAYLOADS = sorted((ROOT / "payloads").glob("*.json"))
TRANSCRIPTS = sorted((ROOT / "transcripts").rglob("*.jsonl"))
Json = dict[str, Any]


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_there_is_a_payload_of_every_event() -> None:
    assert {load(path)["hook_event_name"] for path in PAYLOADS} == set(ClaudeCode.events)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_payload_has_what_every_payload_has(path: Path) -> None:
    payload = load(path)
    assert path.name.startswith(payload["hook_event_name"])
    assert payload["transcript_path"].endswith(f"/{payload['session_id']}.jsonl")
    assert payload["cwd"].startswith("/home/dev/project")
    if "Tool" in payload["hook_event_name"]:
        assert payload["tool_use_id"].startswith("toolu_")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_is_whole(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({line["sessionId"] for line in lines if "sessionId" in line}) == 1
    known = {line["uuid"] for line in lines if "uuid" in line}
    assert {line["parentUuid"] for line in lines if line.get("parentUuid")} <= known


def test_a_recording_names_no_machine() -> None:
    for path in (PLAYED, *ROOT.rglob("*.json*")):
        text = path.read_text(encoding="utf-8")
        paths = set(re.findall(r'"(/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)', text))
        assert all(found.startswith("/home/dev") for found in paths), (path, paths)
        assert "[[" not in text


def test_the_demo_session_tells_a_story_that_adds_up() -> None:
    demo = load(PLAYED)
    files = dict(demo["files"])
    for event in demo["events"]:
        for effect in event["effects"]:
            if "write" in effect:
                files[effect["write"]] = effect["text"]
            else:
                del files[effect["delete"]]
    events = Counter(event["payload"]["hook_event_name"] for event in demo["events"])
    assert (events["SessionStart"], events["Stop"], events["SessionEnd"], events["SubagentStop"]) == (1, 1, 1, 1)
    assert events["PostToolUseFailure"] == 1
    assert sorted(files) == [".gitignore", "README.md", "stats.py", "test_stats.py"]
    assert "if not values:" in files["stats.py"]
    assert "## mean(values)" in files["README.md"]


def test_the_demo_session_changes_files_only_at_the_end_of_a_call() -> None:
    for event in load(PLAYED)["events"]:
        if event["effects"]:
            assert event["payload"]["hook_event_name"] in ("PostToolUse", "PostToolUseFailure")
