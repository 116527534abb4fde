from __future__ import annotations

from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.parser import ClaudeCodeParser

from .support import OFFICIAL, Transcript, fixture, parse


def shape(record: TraceRecord) -> list[tuple[Any, ...]]:
    return [(s.step_index, s.call_type, s.subagent_trajectory_ref, s.parent_step, s.content) for s in record.steps]


def agent(name: str, *, calling: str | None = None) -> Transcript:
    stream = Transcript(name).prompt(f"Be {name}.")
    if calling:
        stream.call(calling, "Agent").result(calling, "done")
    return stream.say(f"I was {name}.")


def meta(call: str, kind: str = "Explore") -> dict[str, Any]:
    return {"agentType": kind, "toolUseId": call}


def test_subagents_at_any_depth_follow_the_step_that_called_them(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Agent").result("c1").say("End.")
    record = parse(
        tmp_path,
        main,
        agent("outer", calling="c2"),
        agent("middle", calling="c3"),
        agent("deep"),
        metas={"outer": meta("c1"), "middle": meta("c2"), "deep": meta("c3", "Plan")},
    )
    assert shape(record) == [
        (0, "main", None, None, "Go."),
        (1, "main", None, None, None),
        (2, "subagent", "outer", 1, "Be outer."),
        (3, "subagent", "outer", 1, None),
        (4, "subagent", "middle", 3, "Be middle."),
        (5, "subagent", "middle", 3, None),
        (6, "subagent", "deep", 5, "Be deep."),
        (7, "subagent", "deep", 5, "I was deep."),
        (8, "subagent", "middle", 3, "I was middle."),
        (9, "subagent", "outer", 1, "I was outer."),
        (10, "main", None, None, "End."),
    ]
    assert {step.agent_role for step in record.steps} == {"main", "Explore", "Plan"}
    assert record.metadata["capture"]["subagents"] == 3
    assert record.metadata["capture"]["tool_calls"] == 3
    assert record.metrics.total_input_tokens == 7 * 10


def test_parallel_subagents_are_told_apart_by_id_in_the_order_of_their_calls(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Agent", "m").call("c2", "Agent", "m")
    main.result("c2", detail={"agentId": "aaa"}).result("c1", detail={"agentId": "zzz"}).say("End.")
    record = parse(tmp_path, main, agent("aaa"), agent("zzz"))
    assert [ref for _, _, ref, _, _ in shape(record)] == [None, None, "zzz", "zzz", "aaa", "aaa", None]
    assert {step.parent_step for step in record.steps} == {None, 1}


def test_background_agent_belongs_to_the_call_that_launched_it(tmp_path: Path) -> None:
    transcript, _ = fixture("background", tmp_path)
    record = ClaudeCodeParser().parse(transcript).record
    assert isinstance(record, TraceRecord)
    assert [(step.parent_step, step.call_type) for step in record.steps] == [
        *[(None, "main")] * 2,
        *[(1, "subagent")] * 3,
        *[(None, "main")] * 2,
    ]
    assert [step.content for step in record.steps if step.role == "user"] == ["go bg", "SUBA do"]


def test_subagent_without_a_known_call_comes_last_and_is_counted(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Agent").result("c1").say("End.")
    record = parse(tmp_path, main, agent("lost"), agent("found"), metas={"found": meta("c1"), "lost": meta("gone")})
    assert [ref for _, _, ref, _, _ in shape(record)] == [None, None, "found", "found", None, "lost", "lost"]
    assert [step.parent_step for step in record.steps[-2:]] == [None, None]
    assert record.metadata["capture"]["unmatched_subagents"] == 1


def test_subagents_that_call_each_other_in_a_ring_are_kept(tmp_path: Path) -> None:
    rings = [agent("a", calling="ca"), agent("b", calling="cb"), agent("self", calling="cs")]
    metas = {"a": meta("cb"), "b": meta("ca"), "self": meta("cs")}
    record = parse(tmp_path, Transcript().turn(), *rings, metas=metas)
    assert len(record.steps) == 3 + 3 * 3
    assert [step.step_index for step in record.steps] == list(range(12))


def test_a_thousand_levels_are_no_problem(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c0", "Agent").result("c0").say("End.")
    agents = [agent(f"a{n}", calling=f"c{n + 1}") for n in range(1000)]
    record = parse(tmp_path, main, *agents, metas={f"a{n}": meta(f"c{n}") for n in range(1000)})
    assert len(record.steps) == 3 + 3000
    assert record.metadata["capture"].get("unmatched_subagents") is None


def test_message_in_two_files_counts_once(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Agent", "same").result("c1").say("End.")
    copy = Transcript("copy").prompt("Be a copy.").call("c1", "Agent", "same").say("Me too.")
    record = parse(tmp_path, main, copy, metas={"copy": meta("c1")})
    assert record.metrics.total_input_tokens == 3 * 10
    assert record.metadata["capture"]["tool_calls"] == 1
    assert [step.content for step in record.steps] == ["Go.", None, "Be a copy.", "Me too.", "End."]


def test_sidechains_inside_an_old_transcript_are_streams_of_their_own(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Task").prompt("Be one.", isSidechain=True, parentUuid=None, uuid="s1")
    main.message("s", {"type": "text", "text": "I am."}, stop="end_turn", isSidechain=True, parentUuid="s1", uuid="s2")
    record = parse(tmp_path, main.result("c1").say("End."))
    assert [(step.call_type, step.parent_step) for step in record.steps] == [
        ("main", None), ("main", None), ("main", None), ("subagent", None), ("subagent", None),
    ]  # fmt: skip
    assert record.metadata["capture"]["turns"] == 1
    assert record.metadata["capture"]["unmatched_subagents"] == 1


def test_agent_file_beside_the_sessions_is_ours_only_if_the_session_names_it(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Task").result("c1", detail={"agentId": "old"}).say("End.")
    folder = tmp_path / "projects" / "-home-dev-project"
    folder.mkdir(parents=True)
    (folder / "agent-old.jsonl").write_text(agent("old").text())
    (folder / "agent-foreign.jsonl").write_text(agent("foreign").text())
    record = parse(tmp_path, main)
    assert [ref for _, _, ref, _, _ in shape(record)] == [None, None, "old", "old", None]


def test_warmups_are_told_from_work(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().turn(), Transcript("w").prompt("Warmup").say("Ready."))
    assert [step.call_type for step in record.steps] == ["main", "main", "main", "warmup", "warmup"]


def test_damaged_meta_file_says_nothing(tmp_path: Path) -> None:
    main = Transcript().prompt("Go.").call("c1", "Agent").result("c1", detail={"agentId": "x"}).say("End.")
    parse(tmp_path, main, agent("x"), metas={"x": meta("c1")})
    beside = next(tmp_path.rglob("agent-x.meta.json"))
    for content in (b"", b"[1]", b'{"toolUseId": 5, "agentType": {}}', b"\xff"):
        beside.write_bytes(content)
        record = ClaudeCodeParser().parse(next(tmp_path.rglob("0e0e*.jsonl"))).record
        assert isinstance(record, TraceRecord)
        assert [(step.parent_step, step.agent_role) for step in record.steps[2:4]] == [(1, "subagent")] * 2


def test_recorded_tour_has_its_nested_agents_in_place() -> None:
    record = ClaudeCodeParser().parse_session(OFFICIAL / "tour.jsonl")
    assert record is not None
    for step in record.steps:
        if step.call_type == "subagent":
            assert step.parent_step is not None
            assert any(call.tool_name == "Agent" for call in record.steps[step.parent_step].tool_calls)
            assert step.parent_step < step.step_index
    depth = {s.step_index: s.parent_step for s in record.steps}
    assert any(parent is not None and depth[parent] is not None for parent in depth.values()), "no nested agent"
