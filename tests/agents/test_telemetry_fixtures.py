"""The recorded telemetry is OTLP, whole enough to be read, and of no machine in particular."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from .otlp_receiver import IDS, SIGNALS, Export, OtlpReceiver

ROOT = Path(__file__).parent / "fixtures"
FILES = sorted(ROOT.glob("*/*/telemetry/*.jsonl"))
# Paths that are the same on every machine: routes, and a node of an agent's own tree of agents.
_ROUTES = {"/responses", "/v1/chat/completions", "/root", "/usr/bin/node", "/usr/bin/python3"}


def exports(path: Path) -> list[Export]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Export(path.stem, "http/json", json.loads(line)) for line in lines]


def test_five_agents_are_recorded_with_every_signal_that_they_send() -> None:
    found = Counter(path.parts[-4] for path in FILES)
    assert found == {"claude-code": 3, "codex-cli": 3, "gemini-cli": 3, "qwen-code": 3, "copilot-cli": 2}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_each_line_is_an_export_that_says_the_same_as_protobuf(path: Path) -> None:
    with OtlpReceiver() as receiver:
        for export in exports(path):
            request = SIGNALS[path.stem][0]()
            ParseDict(_base64(export.body), request)
            receiver.take(path.stem, "http/protobuf", request.SerializeToString())
        again = receiver.seen()
        receiver.exports = exports(path)
        assert again == receiver.seen()
        assert len(again) > 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_a_recording_names_no_machine_and_nobody(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    paths = set(re.findall(r'"(/[A-Za-z0-9_./-]+)"', text))
    assert all(found.startswith("/home/dev") for found in paths - _ROUTES), paths
    moments = [int(found) for found in re.findall(r'UnixNano": "(\d+)"', text) if int(found)]
    days = {moment // (86_400 * 10**9) for moment in moments}
    assert len(days) == 1
    assert len(set(re.findall(r'"user.id", "value": {"stringValue": "(\w+)"', text))) <= 1


def _base64(value: Any) -> Any:
    """Ids as JSON of protobuf writes them."""
    match value:
        case list():
            return [_base64(item) for item in value]
        case dict():
            coded = {key: base64.b64encode(bytes.fromhex(value[key])).decode() for key in IDS & value.keys()}
            return {key: _base64(item) for key, item in value.items()} | coded
        case _:
            return value
