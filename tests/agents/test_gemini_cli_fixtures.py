"""The recordings of Gemini CLI are of no machine in particular, and the session that `hookkit doctor` plays adds up."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from hookkit.agents.gemini_cli import CONTRACT

ROOT = Path(__file__).parent / "fixtures" / "gemini-cli" / CONTRACT.evidence.version
PLAYED = Path(__file__).parents[2] / "src" / "hookkit" / "agents" / "recordings" / "gemini-cli.json"


def test_a_recording_names_no_machine() -> None:
    for path in (PLAYED, *ROOT.rglob("*.json*")):
        text = path.read_text(encoding="utf-8")
        paths = set(re.findall(r'"(/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)', text))
        assert all(found.startswith("/home/dev") for found in paths), (path, paths)
        assert set(re.findall(r'"projectHash": "([^"]*)"', text)) <= {hashlib.sha256(b"/home/dev/project").hexdigest()}
        assert "[[" not in re.sub(r'"(?:returnDisplay|resultDisplay)": \[\[', "", text)


def test_a_session_and_its_payloads_are_of_one_id() -> None:
    for path in ROOT.glob("transcripts/*/chats/session-*.jsonl"):
        header = json.loads(path.read_text().splitlines()[0])
        assert path.stem.endswith(header["sessionId"][:8])
        payloads = (ROOT / "hooks" / f"{path.parents[1].name}.jsonl").read_text().splitlines()
        assert {json.loads(line)["session_id"] for line in payloads} == {header["sessionId"]}


def test_the_played_session_has_every_event_and_changes_files_only_at_the_end_of_a_call() -> None:
    demo = json.loads(PLAYED.read_text())
    events = demo["events"]
    names = {event["payload"]["hook_event_name"] for event in events}
    assert names == {event.name for event in CONTRACT.events}
    assert {event["payload"]["hook_event_name"] for event in events if event["effects"]} == {"AfterTool"}
    files = dict(demo["files"])
    for event in events:
        files |= {effect["write"]: effect["text"] for effect in event["effects"]}
    assert sorted(files) == ["README.md", "a.txt", "b.txt", "c.txt", "d.txt"]
