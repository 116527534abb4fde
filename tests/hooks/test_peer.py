"""opentraces 0.4.13 reads our lines: from a transcript that holds them it builds the same tool calls and tree ids."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from .rig import SESSION, Rig

pytestmark = pytest.mark.peer

READ = """
import json, sys
from pathlib import Path
from opentraces.capture.claude_code.parse import ClaudeCodeParser
record = ClaudeCodeParser().parse_session(Path(sys.argv[1]))
print(json.dumps(record.metadata, default=str))
"""


@pytest.fixture(scope="session")
def peer() -> str:
    """A Python that has opentraces 0.4.13; made once, in an environment of its own."""
    given = os.environ.get("HOOKKIT_PEER_PYTHON")
    folder = Path(tempfile.gettempdir()) / f"hookkit-peer-{os.getuid()}"
    python = given or str(folder / "bin" / "python")
    probe = [python, "-c", "import importlib.metadata as m; print(m.version('opentraces'))"]
    if not given and not Path(python).exists():
        install = [python, "-m", "pip", "install", "--quiet", "opentraces==0.4.13"]
        for command in ([sys.executable, "-m", "venv", str(folder)], install):
            if subprocess.run(command, capture_output=True, check=False).returncode:
                break
    try:
        version = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        version = ""
    if version != "0.4.13":
        pytest.skip("opentraces 0.4.13 could not be installed")
    return python


def _said(kind: str, number: int, content: Any, **more: Any) -> bytes:
    line = {
        "type": kind,
        "uuid": f"u{number}",
        "parentUuid": f"u{number - 1}" if number else None,
        "sessionId": SESSION,
        "timestamp": f"2026-11-22T06:00:{number:02}.000Z",
        "cwd": "/x",
        "version": "2.1.197",
        "isSidechain": False,
        "message": {"role": kind, "content": content, **more},
    }
    return json.dumps(line).encode() + b"\n"


def test_the_peer_reads_the_same_calls_and_tree_ids(rig: Rig, peer: str) -> None:
    calls = {
        "toolu_1": ("Bash", {"command": "echo hi > new"}),
        "toolu_2": ("Write", {"file_path": str(rig.project / "w"), "content": "1\n2\n"}),
        "toolu_3": ("Bash", {"command": "false"}),
    }
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    rig.begin(_said("user", 0, "please"))
    written: list[Any] = []
    for number, (call, (tool, tool_input)) in enumerate(calls.items()):
        message = {"id": f"msg_{number}", "model": "claude-opus-4-8", "usage": usage, "stop_reason": "tool_use"}
        block = {"type": "tool_use", "id": call, "name": tool, "input": tool_input}
        with rig.transcript.open("ab") as file:
            file.write(_said("assistant", 2 * number + 1, [block], **message))
        about = {"tool_name": tool, "tool_input": tool_input, "tool_use_id": call}
        written.append(rig.fire("PreToolUse", **about))
        (rig.project / "new").write_text(f"{number}\n")
        if tool == "Write":
            (rig.project / "w").write_text("1\n2\n")
            response = {"type": "create", "content": "1\n2\n", "structuredPatch": [], "originalFile": None}
            written.append(rig.fire("PostToolUse", **about, tool_response=response))
        else:
            written.append(rig.fire("PostToolUse", **about))
        with rig.transcript.open("ab") as file:
            file.write(_said("user", 2 * number + 2, [{"type": "tool_result", "tool_use_id": call, "content": "ok"}]))
    with rig.transcript.open("ab") as file:
        end = {"id": "msg_9", "model": "claude-opus-4-8", "usage": usage, "stop_reason": "end_turn"}
        file.write(_said("assistant", 9, [{"type": "text", "text": "done"}], **end))
    stop = rig.fire("Stop")
    rig.fire("SessionEnd")

    done = subprocess.run([peer, "-I", "-c", READ, str(rig.transcript)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metadata = json.loads(done.stdout)
    for name, event in (("hook_pre_tool_use", "PreToolUse"), ("hook_post_tool_use", "PostToolUse")):
        ours = {line["data"]["tool_call_id"]: line["data"] for line in written if line["event"] == event}
        theirs = metadata[name]
        assert set(theirs) == set(ours) == set(calls)
        for call, entry in theirs.items():
            assert entry["tool"] == ours[call]["tool"]
            assert entry["trail"] == ours[call]["trail"]
    post = metadata["hook_post_tool_use"]["toolu_2"]
    mine = next(line["data"] for line in written if line["event"] == "PostToolUse" and line["data"]["tool"] == "Write")
    for field in ("file_path", "start_line", "end_line", "content_hash", "confidence"):
        assert post[field] == mine[field]
    assert [each["trail"] for each in metadata["hook_stop"]] == [stop["data"]["trail"]]
    assert metadata["hook_git_final"]["sha"] == stop["data"]["git"]["sha"]
