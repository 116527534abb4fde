"""Real Claude Code writes, people commit and rewrite history; `hookkit blame` names the call of every line."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .drivers.claude_code import ClaudeCode
from .evidence import recorded_trace
from .model_server import ModelServer
from .programs import InstalledAgent
from .sandbox import Sandbox
from .script import Agent, Bash, Edit, Read, Script, Text, Turn, Write

pytestmark = pytest.mark.real_agent

HUMAN = "human"  # written outside of every call
BEFORE = "?"  # nothing was recorded of it


class Box(Sandbox):
    """A sandbox in which commits are made when they are made."""

    def __init__(self, agent: InstalledAgent, server: ModelServer, base: Path) -> None:
        super().__init__(ClaudeCode(), agent, server, base)
        self._turns: list[Turn] = []

    @property
    def env(self) -> dict[str, str]:
        return {name: value for name, value in super().env.items() if not name.endswith("_DATE")}

    def play(self, *turns: Turn, **subagents: list[Turn]) -> None:
        """Run the agent once, in the same session each time, and wait until all of it was recorded."""
        resume = bool(self._turns)
        self._turns += turns  # a resumed conversation goes on where its script was
        run = self.run(Script(self._turns, subagents), resume=resume)
        assert (run.returncode, run.stderr) == (0, "")
        recorded_trace(self)

    def blame(self, path: str, *options: str, cwd: Path | None = None) -> list[str]:
        """``who: text`` of each line. who: the tool and which of its calls, in the order they began.

        ``~`` behind it: provisional.
        """
        names = self._names()
        shown = self.hookkit("blame", path, "--json", *options, cwd=cwd).stdout
        said = []
        for line in map(json.loads, shown.splitlines()):
            origin = line["origin"]
            who = {"outside_tool_call": HUMAN, "unknown": BEFORE}.get(origin["kind"]) or names[origin["tool_call_id"]]
            said.append(f"{who}{'~' if origin['firmness'] == 'provisional' else ''}: {line['text']}")
            if origin["kind"] == "tool_call":
                assert origin["session_id"] == self.session_id
                assert (origin["agent"], origin["tool"]) == ("claude-code", who.split()[0])
        return said

    def _names(self) -> dict[str, str]:
        counted: Counter[str] = Counter()
        names = {}
        for note in self.notes():
            if note.event == "PreToolUse":
                tool = note.payload["tool_name"]
                counted[tool] += 1
                names[str(note.call)] = f"{tool} {counted[tool]}"
        return names


@pytest.fixture
def box(claude: InstalledAgent, server: ModelServer, tmp_path: Path) -> Iterator[Box]:
    box = Box(claude, server, tmp_path / "recorded")
    box.witness()
    box.install()
    box.repository()
    yield box
    box.settle()


def in_project(box: Box, name: str) -> str:
    return f"{box.project}/{name}"


def test_lines_of_write_edit_and_shell_name_their_call(box: Box) -> None:
    old, new = in_project(box, "old.txt"), in_project(box, "new.txt")
    box.play(
        [Write(new, "alpha\nbeta\n"), Read(old)],
        [Edit(old, "two\n", "two\nand a half\n")],
        [Bash("printf 'gamma\\ndelta\\n' >> new.txt; sed -i s/three/drei/ old.txt")],
        [Edit(new, "beta", "BETA")],
        [Text("Done.")],
    )
    expected = {
        "new.txt": ["Write 1: alpha", "Edit 2: BETA", "Bash 1: gamma", "Bash 1: delta"],
        "old.txt": ["?: one", "?: two", "Edit 1: and a half", "Bash 1: drei"],
    }
    assert {name: box.blame(name) for name in expected} == expected, "not yet committed"
    box.commit()
    assert {name: box.blame(name) for name in expected} == expected
    box.git("gc", "-q", "--prune=now")
    assert {name: box.blame(name) for name in expected} == expected
    assert box.blame("new.txt:2-3", "--rev", "HEAD") == ["Edit 2: BETA", "Bash 1: gamma"]


def test_calls_of_one_answer_have_their_own_lines(box: Box) -> None:
    a = in_project(box, "a.txt")
    box.play(
        [Write(a, "1\n2\n3\n"), Write(in_project(box, "b.txt"), "b\n"), Bash("echo c > c.txt")],
        [Edit(a, "1", "one"), Edit(a, "3", "three"), Bash("echo 4 >> a.txt"), Bash("echo 5 >> a.txt")],
        [Text("Done.")],
    )
    box.commit()
    assert box.blame("a.txt") == ["Edit 1: one", "Write 1: 2", "Edit 2: three", "Bash 2: 4", "Bash 3: 5"]
    assert box.blame("b.txt") == ["Write 2: b"]
    assert box.blame("c.txt") == ["Bash 1: c"]


def test_lines_of_subagents_are_those_of_their_calls_and_not_of_the_call_around_them(box: Box) -> None:
    here = f"{box.project}/"
    box.play(
        [Write(f"{here}first.txt", "first\n")],
        [Agent("outer")],
        [Bash("cat outer.txt inner.txt > all.txt; echo last >> all.txt")],
        [Text("End.")],
        outer=[
            [Write(f"{here}outer.txt", "outer\n")],
            [Agent("inner")],
            [Bash("echo more >> outer.txt")],
            [Text("Yes.")],
        ],
        inner=[[Bash("echo inner > inner.txt")], [Text("Inner is done.")]],
    )
    box.commit()
    assert box.blame("first.txt") == ["Write 1: first"]
    assert box.blame("outer.txt") == ["Write 2: outer", "Bash 2: more"]
    assert box.blame("inner.txt") == ["Bash 1: inner"]
    assert box.blame("all.txt") == ["Bash 3: outer", "Bash 3: more", "Bash 3: inner", "Bash 3: last"]


def test_subagents_that_write_at_the_same_time_keep_their_files(box: Box) -> None:
    def writes(name: str) -> list[Turn]:
        path = in_project(box, f"{name}.txt")
        return [[Write(path, f"{name} 1\n{name} 2\n")], [Edit(path, f"{name} 2", f"{name} two")], [Text("Done.")]]

    box.play([Agent("left"), Agent("right")], [Text("Both.")], left=writes("left"), right=writes("right"))
    box.commit()
    for name in ("left", "right"):
        tools = [line.partition(" ")[0] + line.partition(":")[2] for line in box.blame(f"{name}.txt")]
        assert tools == [f"Write {name} 1", f"Edit {name} two"]
        shown = box.hookkit("blame", f"{name}.txt", "--json").stdout
        calls = [json.loads(line)["origin"]["tool_call_id"] for line in shown.splitlines()]
        inputs = {str(note.call): note.payload["tool_input"] for note in box.notes() if note.event == "PreToolUse"}
        assert all(inputs[call]["file_path"].endswith(f"/{name}.txt") for call in calls)


def test_what_a_failed_call_wrote_is_its_own(box: Box) -> None:
    box.play(
        [Bash("echo written > a.txt; exit 3")],
        [Edit(in_project(box, "a.txt"), "not there", "x"), Bash("echo after >> a.txt")],
        [Text("Done.")],
    )
    box.commit()
    assert box.blame("a.txt") == ["Bash 1: written", "Bash 2: after"]


def test_lines_of_people_before_between_and_after_are_nobodys_call(box: Box) -> None:
    a = in_project(box, "a.txt")
    box.write({"a.txt": "before\n"})
    box.play([Bash("echo one >> a.txt")], [Text("Done.")])
    box.write({"a.txt": "before\nbetween\none\n"})
    box.play([Read(a)], [Edit(a, "one\n", "one\ntwo\n")], [Text("Done.")])
    box.commit("First")
    box.write({"a.txt": "before\nbetween\none\ntwo\nafter\n"})
    box.play([Read(a)], [Text("Seen.")])
    box.commit("Second")
    assert box.blame("a.txt") == ["?: before", "human: between", "Bash 1: one", "Edit 1: two", "human: after"]


def test_commits_of_the_agent_itself_are_found(box: Box) -> None:
    a = in_project(box, "a.txt")
    box.play(
        [Write(a, "one\ntwo\n")],
        [Bash("git add a.txt && git commit -qm First")],
        [Bash("echo three >> a.txt && echo x > b.txt && git add a.txt && git commit -qm Second && echo y >> b.txt")],
        [Edit(a, "two", "2"), Bash("git commit -qam Third && echo four >> a.txt")],
        [Text("Done.")],
    )
    assert box.blame("a.txt") == ["Write 1: one", "Edit 1: 2", "Bash 2: three", "Bash 3: four"]
    assert box.blame("a.txt", "--rev", "HEAD~1") == ["Write 1: one", "Write 1: two", "Bash 2: three"]
    assert box.blame("b.txt") == ["Bash 2: x", "Bash 2: y"]


def test_half_of_what_a_call_wrote_can_be_committed(box: Box) -> None:
    box.play([Write(in_project(box, "a.txt"), "one\ntwo\nthree\n")], [Bash("echo b > b.txt")], [Text("Done.")])
    (box.base / "half").write_text("one\nthree\n")
    half = box.git("hash-object", "-w", str(box.base / "half")).strip()
    box.git("update-index", "--add", "--cacheinfo", f"100644,{half},a.txt")
    box.git("commit", "-qm", "Half")
    assert box.blame("a.txt", "--rev", "HEAD") == ["Write 1: one", "Write 1: three"]
    assert box.blame("a.txt") == ["Write 1: one", "Write 1: two", "Write 1: three"]
    box.commit("The rest")
    assert box.blame("a.txt") == ["Write 1: one", "Write 1: two", "Write 1: three"]
    assert box.blame("b.txt") == ["Bash 1: b"]


def test_a_renamed_file_keeps_its_lines(box: Box) -> None:
    text = "".join(f"line {number}\n" for number in range(12))
    box.play(
        [Write(in_project(box, "a.txt"), text)],
        [Bash("mkdir sub; git mv old.txt sub/older.txt; mv a.txt sub/b.txt; sed -i 's/line 3/LINE 3/' sub/b.txt")],
        [Text("Done.")],
    )
    box.commit()
    expected = [f"Write 1: line {number}" for number in range(12)]
    expected[3] = "Bash 1: LINE 3"
    assert box.blame("sub/b.txt") == expected
    assert box.blame("sub/older.txt") == ["?: one", "?: two", "?: three"]
    box.git("mv", "sub/b.txt", "c.txt")
    box.commit("Moved by hand")
    assert box.blame("c.txt") == expected


LINES = [f"original {number}" for number in range(8)]


def branched(box: Box) -> list[str]:
    """Two commits of agent and human on ``topic`` while ``main`` went on; what blame says of the file on ``topic``."""
    box.write({"f.txt": "\n".join(LINES) + "\n"})
    box.commit("Lines")
    box.git("switch", "-qc", "topic")
    f = in_project(box, "f.txt")
    box.play([Read(f)], [Edit(f, "original 6\n", "original 6\nalpha\nbeta\n")], [Text("Done.")])
    box.commit("Agent")
    text = (box.project / "f.txt").read_text()
    box.write({"f.txt": text + "typed\n"})
    box.play([Bash("echo gamma >> f.txt")], [Text("Done.")])
    box.commit("Both")
    box.git("switch", "-q", "main")
    box.write({"f.txt": "on main\n" + "\n".join(LINES) + "\n", "other.txt": "other\n"})
    box.commit("Main went on")
    said = [f"?: {line}" for line in LINES]
    said[7:7] = ["Edit 1: alpha", "Edit 1: beta"]
    return [*said, "human: typed", "Bash 1: gamma"]


def on_main(box: Box, path: str = "f.txt") -> list[str]:
    """What blame says, without the line that main added meanwhile."""
    said = box.blame(path)
    assert said[0].endswith(": on main")
    assert said[0].split(":")[0] in (BEFORE, HUMAN, f"{HUMAN}~")
    return said[1:]


def test_blame_is_the_same_after_a_rebase(box: Box) -> None:
    expected = branched(box)
    assert box.blame("f.txt", "--rev", "topic") == expected
    box.git("rebase", "-q", "main", "topic")
    assert on_main(box) == expected


def test_blame_is_the_same_after_a_squashed_merge(box: Box) -> None:
    expected = branched(box)
    box.git("merge", "-q", "--squash", "topic")
    box.git("commit", "-qm", "Squashed")
    box.git("branch", "-qD", "topic")
    assert on_main(box) == expected


def test_blame_is_the_same_after_a_merge(box: Box) -> None:
    expected = branched(box)
    box.git("merge", "-q", "--no-edit", "topic")
    assert on_main(box) == expected


def test_blame_is_the_same_after_cherry_picks(box: Box) -> None:
    expected = branched(box)
    box.git("cherry-pick", "main..topic")
    assert on_main(box) == expected


def test_blame_is_the_same_after_an_autosquashed_rebase_of_the_agents_own(box: Box) -> None:
    branched(box)
    box.git("switch", "-q", "topic")
    time.sleep(1.1)  # reflogs count in seconds: within one, nobody can tell the commit from what follows it
    box.play(
        [Bash("sed -i s/beta/BETA/ f.txt && git commit -qa --fixup HEAD~1")],
        [Bash("GIT_SEQUENCE_EDITOR=true git rebase -q -i --autosquash main")],
        [Text("Done.")],
    )
    said = [f"?: {line}" for line in LINES]
    said[7:7] = ["Edit 1: alpha", "Bash 2: BETA"]
    assert on_main(box) == [*said, "human: typed", "Bash 1: gamma"]


def test_an_amended_commit_keeps_the_calls_and_gains_the_persons_lines(box: Box) -> None:
    box.play([Write(in_project(box, "a.txt"), "one\ntwo\n")], [Text("Done.")])
    box.commit()
    box.write({"a.txt": "one\nby hand\ntwo\n"})
    box.git("commit", "-qa", "--amend", "--no-edit")
    assert box.blame("a.txt") == ["Write 1: one", "human~: by hand", "Write 1: two"]
    box.play([Bash("echo three >> a.txt && git commit -qa --amend -m Amended")], [Text("Done.")])
    assert box.blame("a.txt") == ["Write 1: one", "human: by hand", "Write 1: two", "Bash 1: three"]


def test_lines_that_came_back_with_a_revert_or_a_stash_are_those_of_who_wrote_them(box: Box) -> None:
    box.play([Write(in_project(box, "a.txt"), "one\ntwo\n")], [Text("Done.")])
    box.commit()
    box.play([Bash("echo one > a.txt")], [Text("Shorter.")])
    box.commit("Shorter")
    box.git("revert", "--no-edit", "HEAD")
    assert box.blame("a.txt") == ["Write 1: one", "Write 1: two"]
    box.play([Bash("echo three >> a.txt")], [Bash("git stash -q")], [Bash("git stash pop -q")], [Text("Done.")])
    box.commit("Popped")
    assert box.blame("a.txt") == ["Write 1: one", "Write 1: two", "Bash 2: three"]


def test_a_session_in_a_linked_worktree_is_blamed_from_every_worktree(box: Box) -> None:
    linked = box.base / "linked"
    box.git("worktree", "add", "-q", "-b", "topic", str(linked))
    run = box.run(
        Script([[Write(f"{linked}/a.txt", "a\n")], [Bash("echo b >> a.txt && git add a.txt && git commit -qm A")]]),
        cwd=linked,
    )
    assert run.returncode == 0
    recorded_trace(box)
    expected = ["Write 1: a", "Bash 1: b"]
    assert box.blame("a.txt", cwd=linked) == expected
    box.git("merge", "-q", "topic")
    box.git("worktree", "remove", "--force", str(linked))
    assert box.blame("a.txt") == expected


def test_others_are_told_the_same_as_blame_says(box: Box) -> None:
    """After a squash, the git-ai note of the new commit claims the lines of calls, and no other."""
    branched(box)
    box.git("merge", "-q", "--squash", "topic")
    box.git("commit", "-qm", "Squashed")
    box.hookkit("export", "git-ai")
    head, _, metadata = box.git("notes", "--ref=ai", "show", "HEAD").partition("---\n")
    assert [line.rpartition(" ")[2] for line in head.splitlines()] == ["f.txt", "9-10", "13"]
    (session,) = json.loads(metadata)["sessions"].values()
    assert session["agent_id"]["tool"] == "claude"
    assert session["agent_id"]["id"] == box.session_id
    (record,) = map(json.loads, box.hookkit("export", "agent-trace").stdout.splitlines())
    ranges = [part["ranges"] for part in record["files"][0]["conversations"]]
    assert [[(one["start_line"], one["end_line"]) for one in part] for part in ranges] == [[(9, 10), (13, 13)]]
    assert record["tool"] == {"name": "claude-code", "version": box.agent.version}
