"""Codex CLI: its trust in hooks, scripts that the model writes, and forks."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .drivers.base import Driver
from .drivers.codex_cli import CODE_MODE, DIRECT, CodexCli
from .evidence import assert_lines_match_the_witness, recorded_trace, windows
from .questions import START, blame, bound, errors, play, trees, witnessed_trace
from .sandbox import PATIENCE, Sandbox
from .script import Bash, Call, Edit, Script, Text, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent


@pytest.fixture(params=[DIRECT])
def driver(request: pytest.FixtureRequest) -> Driver:
    return CodexCli(request.param)


@pytest.fixture
def box(twins: Twins) -> Sandbox:
    box = twins.box("recorded", install=True)
    box.repository()
    return box


in_code_mode = pytest.mark.parametrize("driver", [CODE_MODE], indirect=True)


def config_of(box: Sandbox) -> Path:
    return box.home / ".codex" / "config.toml"


# Trust


def test_install_status_and_removal_start_nothing_and_write_one_file(twins: Twins) -> None:
    box = twins.bare("bare")
    before = config_of(box).read_bytes()
    box.hookkit("install", "codex-cli")
    (status,) = json.loads(box.hookkit("status", "codex-cli", "--json").stdout)["installers"]
    assert [warn["code"] for warn in status["warnings"]] == ["UNTRUSTED"]
    assert sorted(path.name for path in config_of(box).parent.iterdir()) == ["config.toml", "hooks.json"]
    box.hookkit("remove", "codex-cli")
    assert sorted(path.name for path in config_of(box).parent.iterdir()) == ["config.toml"]
    assert config_of(box).read_bytes() == before


def test_codex_and_hookkit_mean_the_same_by_trusted(twins: Twins) -> None:
    box = twins.bare("bare")
    before, mode = config_of(box).read_bytes(), config_of(box).stat().st_mode
    box.hookkit("install", "codex-cli", "--trust")
    (status,) = json.loads(box.hookkit("status", "codex-cli", "--json").stdout)["installers"]
    assert (status["active"], status["warnings"]) == (True, [])
    assert config_of(box).read_bytes() != before
    shutil.rmtree(box.base / "bin")  # Codex is not asked again
    box.hookkit("remove", "codex-cli")
    assert (config_of(box).read_bytes(), config_of(box).stat().st_mode) == (before, mode)


def test_what_was_trusted_in_codex_is_seen_without_codex(twins: Twins) -> None:
    box = twins.bare("bare")
    box.hookkit("install", "codex-cli")
    assert isinstance(box.driver, CodexCli)
    box.driver.trust(box.place)
    trusted = config_of(box).read_bytes()
    (status,) = json.loads(box.hookkit("status", "codex-cli", "--json").stdout)["installers"]
    assert (status["active"], status["warnings"]) == (True, [])
    box.hookkit("remove", "codex-cli")
    assert config_of(box).read_bytes() == trusted


# Scripts


@in_code_mode
def test_the_calls_of_a_script_are_recorded_one_by_one(box: Sandbox, tmp_path: Path) -> None:
    path = f"{box.project}/a.txt"
    several = (
        "await tools.exec_command({cmd: 'echo x > x.txt; exit 4'}); await tools.exec_command({cmd: 'echo y > y.txt'});"
    )
    play(
        box,
        [[Write(path, "one\ntwo\n")], [Edit(path, "two", "2")], [Call("exec", {"input": several})], [Text("Done.")]],
    )
    trace = witnessed_trace(box)
    written = {**START, "a.txt": b"one\ntwo\n"}
    edited = {**written, "a.txt": b"one\n2\n"}
    expected = trees(
        tmp_path, START, written, edited, {**edited, "x.txt": b"x\n"}, {**edited, "x.txt": b"x\n", "y.txt": b"y\n"}
    )
    seen = [window for window in windows(trace) if window.before]
    assert bound(seen) == list(itertools.pairwise(expected))
    assert all(window.call.startswith("exec-") for window in seen)
    # Each script, of which no hook hears, and what it called.
    assert [bool(error) for error in errors(trace)] == [False, False, False, False, False, True, False]
    assert blame(box, trace, "a.txt") == ["2: one", "4: 2"]
    assert (blame(box, trace, "x.txt"), blame(box, trace, "y.txt")) == (["6: x"], ["7: y"])


@in_code_mode
def test_what_a_script_does_while_the_model_waits_for_it_is_the_script_s(box: Sandbox) -> None:
    slow = '// @exec: {"yield_time_ms": 250}\nawait tools.exec_command({cmd: "sleep 1; echo late > late.txt"});'
    play(
        box, [[Call("exec", {"input": slow})], [Call("wait", {"cell_id": "1", "yield_time_ms": 5000})], [Text("Done.")]]
    )
    trace = recorded_trace(box)
    assert_lines_match_the_witness(box)
    (window,) = (window for window in windows(trace) if window.before)
    assert [[call["tool_call_id"] for call in step["tool_calls"]] for step in trace["steps"]][1][1:] == [window.call]
    assert blame(box, trace, "late.txt") == ["2: late"]


# Patches in a shell, commands that go on, forks


def test_a_patch_in_a_shell_has_no_end_and_its_lines_are_found_all_the_same(box: Sandbox) -> None:
    patch = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: c.txt\n+c\n*** End Patch\nEOF"
    play(box, [[Bash(patch)], [Bash("echo d > d.txt")], [Text("Done.")]])
    trace = witnessed_trace(box)
    first, second = windows(trace)
    limitations = trace["metadata"]["hook_post_tool_use"]
    assert ["post_inferred" in limitations[call]["limitations"] for call in (first.call, second.call)] == [True, False]
    assert (blame(box, trace, "c.txt"), blame(box, trace, "d.txt")) == (["1~: c"], ["2: d"])


def test_a_command_that_the_model_did_not_wait_for_is_that_command_s(box: Sandbox) -> None:
    slow = Call("exec_command", {"cmd": "sleep 1; echo late > late.txt; exit 3", "yield_time_ms": 250})
    play(box, [[slow], [Bash("sleep 1.5")], [Text("Done.")]])
    trace = recorded_trace(box)
    assert_lines_match_the_witness(box)
    assert [bool(error) for error in errors(trace)] == [True, False]


def test_a_fork_is_a_trace_of_its_own(box: Sandbox) -> None:
    play(box, [[Bash("echo a > a.txt")], [Text("First.")]])
    recorded_trace(box)
    parent = box.session_id
    box.server.play(Script([[Text("First.")], [Text("First.")], [Text("Forked.")]]))
    command = box.command("Another way.", None)
    command[command.index("exec") + 1 : command.index("exec") + 1] = ["fork"]
    command[command.index("--") + 1 : command.index("--") + 1] = [parent]
    done = subprocess.run(
        command,
        cwd=box.project,
        env=box.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ((forked, _),) = (found for found in box.driver.sessions(box.place) if found[0] != parent)
    box.settle()
    trace = json.loads(box.hookkit("show", forked, "--json").stdout)
    assert trace["metadata"]["forked_from"] == parent
    assert [step["content"] for step in trace["steps"] if step["role"] == "user"] == ["Another way."]
    assert len(box.hookkit("list", "--json").stdout.splitlines()) == 2
