"""What the contracts say of calls: what they may write, whether they go on, whether they bring back what git keeps.

Claude Code's are in tests/trails/test_timeline_tools.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from hookkit import agents

_PATCH = "*** Add File: /a\n+x\n*** Update File: b \n*** Move to: c\n"
# Agent -> (tool, input, files that it may write; None: any).
WRITES: dict[str, list[tuple[str, dict[str, Any], tuple[str, ...] | None]]] = {
    "codex-cli": [
        ("apply_patch", {"command": _PATCH}, ("/a", "b", "c")),
        ("apply_patch", {"input": "*** Delete File: d\n"}, ("d",)),
        ("apply_patch", {"changes": {"/p/a": {"type": "update", "move_path": "/p/b"}}}, ("/p/a", "/p/b")),
        ("apply_patch", {"command": {"cut": True}}, None),
        ("Bash", {"command": "x"}, None),
        ("exec_command", {"cmd": "x"}, None),
        ("exec", {"input": "x"}, ()),
        ("collaborationwait_agent", {}, ()),
        ("multi_agent_v1spawn_agent", {}, ()),
        ("write_stdin", {}, ()),
        ("mcp__files__wait", {}, None),
    ],
    "gemini-cli": [
        ("write_file", {"file_path": "/x"}, ("/x",)),
        ("write_file", {}, None),
        ("replace", {"file_path": "x"}, ("x",)),
        ("read_file", {"file_path": "/x"}, ()),
        ("activate_skill", {"name": "x"}, ()),
        ("complete_task", {}, ()),
        ("invoke_agent", {"agent_name": "generalist"}, None),
        ("run_shell_command", {"command": "make"}, None),
        ("mcp_x_y", {}, None),
    ],
    "copilot-cli": [
        ("create", {"path": "a", "file_text": ""}, ("a",)),
        ("Write", {}, None),
        ("Edit", {"path": "/x/a"}, ("/x/a",)),
        ("Edit", {"input": "nothing"}, None),
        ("apply_patch", {"input": "*** Update File: a\n*** Move to: b\n"}, ("a", "b")),
        ("Read", {"path": "a"}, ()),
        ("view", {"path": "a"}, ()),
        ("bash", {"command": "ls"}, None),
        ("read_bash", {"shellId": "0"}, None),
        ("no_such_tool", {}, None),
    ],
    "qwen-code": [
        ("write_file", {"file_path": "/x"}, ("/x",)),
        ("write_file", {}, None),
        ("edit", {"file_path": "/x"}, ("/x",)),
        ("notebook_edit", {"notebook_path": "/n"}, ("/n",)),
        ("tool_call", {"name": "notebook_edit", "arguments": {"notebook_path": "/n"}}, ("/n",)),
        ("tool_call", {"name": 5}, None),
        ("read_file", {"file_path": "/x"}, ()),
        ("agent", {"run_in_background": True}, None),
        ("run_shell_command", {"command": "make"}, None),
        ("monitor", {}, None),
        ("mcp__x__y", {}, None),
    ],
    "cursor": [
        ("Write", {"file_path": "/p/a", "content": ""}, ("/p/a",)),
        ("Write", {"path": "/p/a", "contents": ""}, ("/p/a",)),
        ("Write", {}, None),
        ("StrReplace", {"path": "/p/a"}, ("/p/a",)),
        ("Delete", {"path": "/p/a"}, ("/p/a",)),
        ("EditNotebook", {"target_notebook": "/p/n"}, ("/p/n",)),
        ("ApplyPatch", {"input": "*** Update File: /p/a\n*** Move to: /p/b\n"}, ("/p/a", "/p/b")),
        ("ApplyPatch", {"input": "nothing"}, None),
        ("Read", {"file_path": "/p/a"}, ()),
        ("Grep", {}, ()),
        ("Shell", {"command": "ls"}, None),
        ("MCP:any", {}, None),
        ("CallMcpTool", {}, None),
        ("Task", {}, None),
    ],
}
# Agent -> (tool, input, whether it goes on when its hooks have run). Those above do not, but for one that is here too.
GOES_ON: dict[str, list[tuple[str, dict[str, Any], bool]]] = {
    "codex-cli": [
        ("Bash", {"command": "sleep 9 &"}, True),
        ("Bash", {"command": "sleep 9"}, False),
        ("exec_command", {"cmd": "sleep 9 &"}, True),
        ("exec_command", {"cmd": "sleep 9"}, False),
    ],
    "gemini-cli": [
        ("run_shell_command", {"command": "make", "is_background": True}, True),
        ("run_shell_command", {"command": "make & true"}, True),
    ],
    "copilot-cli": [
        *(
            (tool, given, goes_on)
            for tool in ("bash", "Bash")
            for given, goes_on in (
                ({"command": "x", "mode": "async"}, True),
                ({"command": "x", "detach": True}, True),
                ({"command": "x &"}, True),
                ({"command": "x && y"}, False),
                ({"command": "x", "mode": "sync"}, False),
            )
        ),
        ("task", {"mode": "async"}, False),
    ],
    "qwen-code": [
        ("run_shell_command", {"command": "make", "is_background": True}, True),
        ("run_shell_command", {"command": "make & true"}, True),
        ("monitor", {}, True),
    ],
    "cursor": [
        ("Shell", {"command": "make &"}, True),
        ("Shell", {"command": "make", "is_background": True}, True),
        ("Shell", {"command": "make && ls"}, False),
        ("Task", {"run_in_background": True}, True),
    ],
}
# Agent -> (tool, input, whether content may come with it that nobody wrote just now).
BRINGS_BACK = {
    "codex-cli": [
        ("Bash", {"command": "git stash pop"}, True),
        ("exec_command", {"cmd": "git stash pop"}, True),
    ],
    "gemini-cli": [
        ("run_shell_command", {"command": "git stash pop"}, True),
        ("write_file", {"content": "git stash pop"}, False),
    ],
    "qwen-code": [
        ("run_shell_command", {"command": "git stash pop"}, True),
        ("write_file", {"content": "git stash pop"}, False),
    ],
    "cursor": [("Shell", {"command": "git stash pop"}, True), ("Write", {"content": "git stash pop"}, False)],
}


def rows(table: dict[str, list[tuple[str, dict[str, Any], Any]]]) -> pytest.MarkDecorator:
    every = [pytest.param(agent, *row, id=f"{agent}-{row[0]}") for agent, found in table.items() for row in found]
    return pytest.mark.parametrize(("agent", "tool", "given", "told"), every)


@rows(WRITES)
def test_what_a_call_may_write(agent: str, tool: str, given: dict[str, Any], told: tuple[str, ...] | None) -> None:
    assert agents.get(agent).writes(tool, given) == told
    assert agents.get(agent).background(tool, given) is ((tool, given, True) in GOES_ON[agent])


@rows(GOES_ON)
def test_whether_a_call_goes_on(agent: str, tool: str, given: dict[str, Any], told: bool) -> None:
    assert agents.get(agent).background(tool, given) is told


@rows(BRINGS_BACK)
def test_whether_a_call_brings_back_what_git_keeps(agent: str, tool: str, given: dict[str, Any], told: bool) -> None:
    assert agents.get(agent).brings_back(tool, given) is told
