"""Claude Code goes on from a session that ends at a step."""

from __future__ import annotations

import json

import pytest

from .script import Bash, Script, Text, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent


def test_a_copy_that_ends_at_a_step_counts_what_came_after_it_alone(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("First.")]]), "Begin.")
    original = box.trace(lambda trace: trace["metadata"]["capture"]["complete"])
    session, then = box.session_id, box.base / "then"

    plan = box.hookkit("resume", session, "--at-step", "1", "--into", str(then), "--json")
    box.session_id = json.loads(plan.stdout)["session_id"]
    script = Script([[], [Bash("echo b > b.txt")], [Text("From there.")]])  # the first answer is a copy
    done = box.run(script, "Go on.", cwd=then, resume=True)

    assert (done.returncode, done.stderr, done.result["result"]) == (0, "", "From there.")
    asked = json.dumps(done.requests[0].request["messages"])
    assert ("Begin." in asked, "a.txt" in asked, "First." in asked, "Go on." in asked) == (True, True, False, True)
    copy = box.trace(lambda trace: trace["metadata"]["capture"]["complete"])
    assert copy["metadata"]["copied_steps"] == [0, 1]
    assert copy["metadata"]["forked_from"] == session
    assert [step["token_usage"]["output_tokens"] > 0 for step in copy["steps"] if step["role"] == "agent"] == [
        False, True, True,
    ]  # fmt: skip
    spent = [step["token_usage"]["output_tokens"] for step in (*original["steps"], *copy["steps"])]
    assert sum(spent) == sum(trace["metrics"]["total_output_tokens"] for trace in (original, copy))
    assert copy["metadata"]["capture"]["tool_calls"] == copy["metadata"]["capture"]["hooked_tool_calls"] == 1
