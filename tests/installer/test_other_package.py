"""A package that hookkit knows nothing of adds an agent: contract, hook script and parser, found by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONTRACT = """
from pathlib import Path
from hookkit.agents.contract import AgentContract, Evidence, HookEvent, SettingsWiring

def home(env):
    return Path(env["HOME"]) / ".acme"

AGENT = AgentContract(
    name="acme",
    title="Acme Coder",
    program="acme-coder",
    hook_entry="acme_hook.py",
    hook_files=("acme_hook.py", "hookkit_git.py", "hookkit_json.py"),
    hooks_package="acme_hookkit.hooks",
    events=(HookEvent("before", "tool_pre", 5), HookEvent("after", "tool_post", 5), HookEvent("done", "turn_end", 5)),
    wiring=SettingsWiring(
        places={"user": lambda env, project: home(env) / "hooks.json"}, schema="acme", flat=True, root={"version": 1}
    ),
    config_home=home,
    call_field="tool_use_id",
    trust="None.",
    writes=lambda tool, given: None,
    background=lambda tool, given: False,
    brings_back=lambda tool, given: False,
    transcripts=lambda env: home(env) / "sessions",
    parser="acme_hookkit.parser:Parser",
    evidence=Evidence("documented", "0.1", "2026-11-28"),
)
"""
HOOK = """
import os, sys
if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import hookkit_json
    with open(os.environ["ACME_OUT"], "a") as out:
        out.write(hookkit_json.dumps(hookkit_json.loads(sys.stdin.read())) + "\\n")
"""
SCHEMA = {
    "type": "object",
    "properties": {"version": {"const": 1}, "hooks": {"type": "object"}},
    "additionalProperties": False,
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of an installed package."""
    site = tmp_path / "site"
    for name, text in {
        "acme_hookkit/__init__.py": CONTRACT,
        "acme_hookkit/parser.py": "class Parser:\n    agent = 'acme'\n",
        "acme_hookkit/hooks/__init__.py": "",
        "acme_hookkit/hooks/acme_hook.py": HOOK,
        "acme_hookkit/hooks/acme.schema.json": json.dumps(SCHEMA),
        "acme_hookkit-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-hookkit\nVersion: 0.1\n",
        "acme_hookkit-0.1.dist-info/entry_points.txt": "[hookkit.agents]\nacme = acme_hookkit:AGENT\n",
        "bad_hookkit-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: bad-hookkit\nVersion: 0.1\n",
        "bad_hookkit-0.1.dist-info/entry_points.txt": "[hookkit.agents]\nbad = no_such_module:AGENT\n",
    }.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return site


class Hookkit:
    """The program, as somebody runs it who has that package, or does not."""

    def __init__(self, site: Path, home: Path, folder: Path) -> None:
        self.site, self.home, self.folder = site, home, folder

    def __call__(self, *arguments: str, code: int = 0, known: bool = True) -> Any:
        environment = {**os.environ, "HOME": str(self.home), "PYTHONPATH": str(self.site) if known else ""}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hookkit", *arguments],
            env=environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout


@pytest.fixture
def hookkit(package: Path, isolated_home: Path, tmp_path: Path) -> Hookkit:
    (tmp_path / "project").mkdir()
    return Hookkit(package, isolated_home, tmp_path / "project")


def test_it_is_listed_beside_those_of_hookkit(hookkit: Hookkit) -> None:
    rows = {row["name"]: row for row in hookkit("agents", "--json")}
    assert "bad" not in rows  # it cannot be loaded, and disturbs nobody
    assert [*rows][-1] == "acme"
    row = rows["acme"]
    assert (row["title"], row["wiring"], row["scopes"], row["found"]) == ("Acme Coder", "settings", ["user"], False)
    assert (row["resumes"], row["at_step"], row["skills"], row["call_ids"]) == (False, False, None, "transcript")
    assert "documented, not run (0.1, 2026-11-28)" in hookkit("agents")


def test_it_is_installed_run_shown_and_removed(hookkit: Hookkit, isolated_home: Path, tmp_path: Path) -> None:
    settings = isolated_home / ".acme" / "hooks.json"
    settings.parent.mkdir()
    settings.write_text('{\n\t"hooks": {"other": [{"command": "lint"}]}\n}')
    before = settings.read_bytes()
    (result,) = hookkit("install", "--all", "--json")["results"]
    assert (result["installer"], result["active"], len(result["events"])) == ("acme", True, 3)
    assert [warn["code"] for warn in result["warnings"]] == ["NOT_RUN"]
    hooks = json.loads(settings.read_text())["hooks"]
    out = tmp_path / "out.jsonl"
    done = subprocess.run(
        ["/bin/sh", "-c", hooks["before"][0]["command"]],
        input='{"hook_event_name": "before"}', env={**os.environ, "ACME_OUT": str(out)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(out.read_text()) == {"hook_event_name": "before"}
    (state,) = hookkit("status", "--json")["installers"]
    assert (state["installer"], state["installed"], state["active"]) == ("acme", True, True)
    assert "3 of 3" in hookkit("status")
    (row,) = hookkit("doctor", "--json")["agents"]
    assert [check["name"] for check in row["checks"] if check["status"] == "warning"] == ["hooks"]
    hookkit("install", "acme", "--trust", code=2)
    hookkit("remove", "acme")
    assert settings.read_bytes() == before
    assert not (isolated_home / ".local" / "share" / "hookkit" / "hooks").exists()


def test_what_its_settings_may_hold_its_own_schema_says(hookkit: Hookkit, isolated_home: Path) -> None:
    settings = isolated_home / ".acme" / "hooks.json"
    settings.parent.mkdir()
    settings.write_text('{"theme": "dark"}')
    (result,) = hookkit("install", "acme", "--json")["results"]
    assert [(warn["code"], warn["path"]) for warn in result["warnings"][:1]] == [("MALFORMED_SETTING", "$.theme")]


def test_once_the_package_is_gone_the_others_still_work_and_its_scripts_stay(
    hookkit: Hookkit, isolated_home: Path
) -> None:
    (isolated_home / ".acme").mkdir()
    hookkit("install", "acme", "claude-code")
    assert "acme" not in {state["installer"] for state in hookkit("status", "--json", known=False)["installers"]}
    hookkit("remove", known=False)
    folder = isolated_home / ".local" / "share" / "hookkit" / "hooks"
    left = {path.name for path in folder.iterdir() if path.is_file()}
    assert left == {"acme_hook.py", "hookkit_git.py", "hookkit_json.py", "runtime.json"}
    assert not (isolated_home / ".claude").exists()
    hookkit("remove")
    assert not folder.exists()
