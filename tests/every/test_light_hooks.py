"""A hook is as fast as its interpreter and git allow, because it loads next to nothing; for every agent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hooks.rig import INTERPRETER
from tests.hooks.test_lightness import ALLOWED, CORE, START

from .played import Session, environment

_IMPORTED = re.compile(r"import time: .*\| +([\w.]+)$", re.MULTILINE)


@pytest.mark.long
def test_a_hook_loads_no_module_that_it_can_do_without(session: Session, tmp_path: Path) -> None:
    contract = session.contract
    ours = {name.removesuffix(".py") for name in contract.hook_files}
    shutil.copytree(session.home / "hookkit" / "hooks", tmp_path / "hooks", ignore=lambda *_: ["runtime.json"])
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for event in (event for event in contract.events if event.role not in ("turn_end", "turn_failure", "session_end")):
        payload = {
            contract.session_field: "5f0c1e9a-0000-4000-8000-000000000002", "cwd": str(root),
            "hook_event_name": event.name, "tool_name": "x", "tool_input": {"command": "true"}, "tool_use_id": "call",
        }  # fmt: skip
        done = subprocess.run(
            [INTERPRETER, "-I", "-S", "-X", "importtime", str(tmp_path / "hooks" / contract.hook_entry)],
            input=json.dumps(payload), env=environment(tmp_path), cwd=root,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        loaded = set(_IMPORTED.findall(done.stderr))
        assert list(tmp_path.rglob("*.jsonl")), "it wrote nothing"
        assert {"os", "hookkit_recorder"} <= loaded, event.name
        assert loaded - START - ALLOWED - CORE - ours == set(), event.name
        assert "json" not in loaded, event.name
