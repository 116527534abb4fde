"""hookkit broken, moved or removed: the agent goes on as if it had never been there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .drivers.claude_code import ClaudeCode
from .evidence import assert_no_trace_of_hooks_in_the_transcript, hook_lines
from .model_server import ModelServer
from .observe import Observation, observe
from .programs import InstalledAgent
from .sandbox import Json, Run, Sandbox
from .script import Agent, ApiError, Bash, Read, Script, Text, Turn, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent

SESSION = "5f1d7c0a-0000-4000-8000-000000000001"

ODD_SETTINGS = (
    '{\r\n\t"permissions" :   {"allow": [ ], "deny":[]},\r\n'
    '\t"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": %s, "timeout": 5.0}]}],'
    '\r\n\t\t"Stop": []},\r\n\t"env": {"PRICE": "\\u20ac 1e3"},\r\n\t"cleanupPeriodDays": 30\r\n}'
)


def session(box: Sandbox) -> list[Run]:
    """Every kind of boundary: calls that succeed and fail, a subagent, and a turn that ends in an error."""
    here = f"{box.project}/"
    subagents: dict[str, list[Turn]] = {"sub": [[Read(f"{here}old.txt")], [Text("Read.")]]}
    turns: list[Turn] = [
        [Write(f"{here}a.txt", "a\n")],
        [Bash("echo b > b.txt; exit 4")],
        [Agent("sub")],
        [Text("Done.")],
    ]
    first = box.run(Script(turns, subagents), "Begin.")
    return [first, box.run(Script([[]] * 4 + [[ApiError(500)]]), "Fail.", resume=True)]


def foreign_hooks(box: Sandbox) -> Json:
    """Settings of somebody who registered the witness for every event."""
    return ClaudeCode().hooks(box.witness_command)


def installed_command(box: Sandbox) -> str:
    """The command string that hookkit registered."""
    groups = json.loads(box.settings.read_text())["hooks"]["PreToolUse"]
    (command,) = [hook["command"] for group in groups for hook in group["hooks"] if "hookkit" in hook["command"]]
    return str(command)


def script_of(command: str) -> Path:
    return next(
        Path(word) for word in shlex.split(command.partition(">")[0]) if word.endswith("hookkit_claude_code.py")
    )


def delete_script(box: Sandbox) -> None:
    script_of(installed_command(box)).unlink()


def delete_hooks_folder(box: Sandbox) -> None:
    shutil.rmtree(script_of(installed_command(box)).parent)


def delete_data(box: Sandbox) -> None:
    folder = script_of(installed_command(box)).parent.parent
    assert folder.is_relative_to(box.home)
    shutil.rmtree(folder)


def delete_interpreter(box: Sandbox) -> None:
    """The interpreter that the command names is not there any more."""
    ours = installed_command(box)
    interpreter = shlex.split(ours)[0]
    settings = json.loads(box.settings.read_text())
    for groups in settings["hooks"].values():
        (hook,) = (hook for group in groups for hook in group["hooks"] if hook["command"] == ours)
        hook["command"] = ours.replace(interpreter, "/nowhere/python3", 1)
    box.settings.write_text(json.dumps(settings))


def break_script(box: Sandbox) -> None:
    script_of(installed_command(box)).write_text("this is no python {")


def break_runtime(box: Sandbox) -> None:
    (script_of(installed_command(box)).parent / "runtime.json").write_text('{"ingest": ["/nowhere/python3"]}')


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a session is like where hookkit never was."""

    seen: Observation
    events: list[tuple[str, str]]


def watch(box: Sandbox) -> Undisturbed:
    runs = session(box)
    box.settle()
    return Undisturbed(observe(box, runs, [box.project]), sorted((note.event, note.call or "") for note in box.notes()))


@pytest.fixture(scope="module")
def undisturbed(claude: InstalledAgent, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    with ModelServer([ClaudeCode().wire()]) as server:
        box = Sandbox(ClaudeCode(), claude, server, tmp_path_factory.mktemp("undisturbed") / "plain", SESSION)
        box.witness()
        box.repository()
        return watch(box)


@pytest.mark.parametrize(
    "damage", [delete_script, delete_hooks_folder, delete_data, delete_interpreter, break_script, break_runtime]
)
def test_the_agent_is_not_disturbed_by_a_broken_installation(
    twins: Twins, undisturbed: Undisturbed, damage: Callable[[Sandbox], None]
) -> None:
    box = twins.box("broken", install=True, session_id=SESSION)
    box.repository()
    damage(box)

    found = watch(box)

    assert found.seen.answers == undisturbed.seen.answers
    assert found.seen.repositories == undisturbed.seen.repositories
    assert found.seen.conversation == undisturbed.seen.conversation
    assert found.events == undisturbed.events
    assert_no_trace_of_hooks_in_the_transcript(box)


def test_a_file_of_the_name_of_our_folder_is_left_alone(twins: Twins) -> None:
    def prepare(box: Sandbox) -> None:
        box.repository({".opentraces": "Somebody's notes.\n"})

    played = twins.play(session, prepare)

    assert (played.box.project / ".opentraces").read_text() == "Somebody's notes.\n"


def test_hooks_of_other_people_run_as_before_and_removal_restores_their_settings(twins: Twins) -> None:
    box = twins.box("recorded", install=False)
    box.repository()
    flag = box.base / "flag"
    original = (ODD_SETTINGS % json.dumps(f'echo "$PRICE" >> {shlex.quote(str(flag))}')).encode()
    box.settings.write_bytes(original)

    box.hookkit("install", "claude-code")
    run = box.run(Script([[Bash("true")], [Text("Done.")]]))
    recorded = hook_lines(box)
    box.settle()
    box.hookkit("remove", "claude-code")

    assert (run.returncode, run.stderr, run.result["result"]) == (0, "", "Done.")
    assert flag.read_text() == "€ 1e3\n", "the other hook ran once, with the environment of these settings"
    assert [line["event"] for line in recorded].count("PreToolUse") == 1
    assert box.settings.read_bytes() == original


def test_removal_takes_out_exactly_ours_after_the_agent_rewrote_the_settings_itself(twins: Twins) -> None:
    """At its start the agent retires some old values (the model "opus" is one) and formats the whole file anew."""
    box = twins.box("recorded", install=False)
    box.repository()
    settings = {"model": "opus", **foreign_hooks(box)}
    box.settings.write_text(json.dumps(settings))
    box.hookkit("install", "claude-code")
    installed = box.settings.read_text()

    run = box.run(Script([[Bash("true")], [Text("Done.")]]))
    rewritten = box.settings.read_text()
    box.settle()
    box.hookkit("remove", "claude-code")

    assert (run.returncode, run.stderr) == (0, "")
    assert rewritten != installed
    assert json.loads(box.settings.read_text()) == foreign_hooks(box)


def test_after_removal_nothing_is_recorded_any_more(twins: Twins) -> None:
    box = twins.box("recorded", install=False)
    box.repository()
    original = box.settings.read_bytes()
    box.hookkit("install", "claude-code")
    box.hookkit("remove", "claude-code")

    run = box.run(Script([[Bash("true")], [Text("Done.")]]))

    assert box.settings.read_bytes() == original
    assert (run.returncode, run.stderr) == (0, "")
    assert hook_lines(box) == []


def test_settings_that_were_not_there_are_gone_after_removal(twins: Twins) -> None:
    box = twins.box("recorded", install=False)
    box.repository()
    box.settings.unlink()

    box.hookkit("install", "claude-code")
    run = box.run(Script([[Bash("true")], [Text("Done.")]]))
    box.settle()
    box.hookkit("remove", "claude-code")

    assert (run.returncode, run.stderr) == (0, "")
    assert [line["event"] for line in hook_lines(box)].count("Stop") == 1
    assert not box.settings.exists()


@pytest.mark.parametrize("scope", ["project", "local"])
def test_hooks_in_the_settings_of_a_project_record_it(twins: Twins, scope: str) -> None:
    box = twins.box("recorded", install=False)
    box.repository()

    box.hookkit("install", "claude-code", "--scope", scope)
    run = box.run(Script([[Bash("echo b > b.txt")], [Text("Done.")]]))

    assert (run.returncode, run.stderr) == (0, "")
    assert [line["event"] for line in hook_lines(box)] == [note.event for note in box.notes()]


def test_hooks_registered_twice_record_every_call_once(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    box.hookkit("install", "claude-code", "--scope", "project", "--hooks-dir", str(box.home / "more-hooks"))

    run = box.run(Script([[Bash("echo b > b.txt")], [Text("Done.")]]))
    trace = box.trace(lambda trace: bool(trace["metadata"].get("hook_stop")))

    assert (run.returncode, run.stderr) == (0, "")
    assert [line["event"] for line in hook_lines(box)].count("PostToolUse") == 2, "both did run"
    assert len(trace["metadata"]["hook_pre_tool_use"]) == len(trace["metadata"]["hook_post_tool_use"]) == 1
    assert len(trace["metadata"]["hook_stop"]) == 1


@pytest.mark.parametrize(
    ("text", "read"),
    [("// comment\n{}", False), ('{{"a": 1,{},}}', False), ("\ufeff{}", True)],
    ids=["comment", "trailing comma", "byte order mark"],
)
def test_the_agent_skips_settings_with_comments_and_reads_them_with_a_byte_order_mark(
    twins: Twins, text: str, read: bool
) -> None:
    box = twins.box("plain", install=False)
    box.repository()
    body = json.dumps(foreign_hooks(box))
    box.settings.write_text(text.format(body if text.count("{") < 3 else body[1:-1]), encoding="utf-8")

    box.run(Script([[Text("Done.")]]))

    assert bool(box.notes()) is read


def test_the_switch_in_the_environment_stops_the_recording(twins: Twins) -> None:
    box = twins.box("recorded", install=False)
    box.repository()
    settings = {**foreign_hooks(box), "env": {"HOOKKIT_DISABLE": "1"}}
    box.settings.write_text(json.dumps(settings))
    box.hookkit("install", "claude-code")

    run = box.run(Script([[Bash("true")], [Text("Done.")]]))

    assert (run.returncode, run.stderr) == (0, "")
    assert box.notes()
    assert hook_lines(box) == []
    assert not os.path.lexists(box.project / ".opentraces")
