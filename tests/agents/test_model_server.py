"""The scripted model server answers from the request alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from .model_server import ModelServer
from .script import Agent, ApiError, Bash, Script, Text, Write

Json = dict[str, Any]
TOOLS = [{"name": "Bash"}, {"name": "Agent"}]


def ask(server: ModelServer, messages: list[Json], **fields: Any) -> Json:
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS, **fields}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/v1/messages?beta=true", body)) as answer:
        document: Json = json.loads(answer.read())
    return document


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def assistant(text: str) -> Json:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def said(answer: Json) -> str:
    return "".join(block.get("text", "") for block in answer["content"])


def test_the_turn_is_the_number_of_answers_in_the_conversation(server: ModelServer) -> None:
    server.play(Script([[Text("one")], [Text("two")]]))

    assert said(ask(server, [user("a")])) == "one"
    assert said(ask(server, [user("a"), assistant("one"), user("b")])) == "two"
    assert said(ask(server, [user("a"), assistant("one"), user("b")])) == "two", "asked again, answered the same"
    assert said(ask(server, [user("a"), assistant("one"), user("b"), assistant("two"), user("c")])) == "Done."


def test_a_subagent_has_a_script_of_its_own(server: ModelServer) -> None:
    server.play(Script([[Agent("sub")]], {"sub": [[Text("from the subagent")]]}))

    (call,) = ask(server, [user("begin")])["content"]

    assert said(ask(server, [user(call["input"]["prompt"])])) == "from the subagent"


def test_parallel_calls_are_one_answer_with_ids_of_their_own(server: ModelServer) -> None:
    server.play(Script([[Bash("a"), Write("/w", "x"), Text("and text")]]))

    answer = ask(server, [user("begin")])

    assert [block["type"] for block in answer["content"]] == ["tool_use", "tool_use", "text"]
    assert len({block["id"] for block in answer["content"][:2]}) == 2
    assert answer["stop_reason"] == "tool_use"


def test_the_count_survives_a_compaction(server: ModelServer) -> None:
    server.play(Script([[Text("one")], [Text("two")], [Text("three")]]))
    history = [user("a"), assistant("one"), user("b"), assistant("two")]

    summary = said(ask(server, [*history, user("Your task is to create a detailed summary of it all.")]))

    assert said(ask(server, [user(f"This session is being continued. {summary}"), user("c")])) == "three"


def test_a_stream_says_the_same_as_a_document(server: ModelServer) -> None:
    server.play(Script([[Text("hello"), Bash("ls")]]))
    body = json.dumps({"messages": [user("a")], "tools": TOOLS, "stream": True}).encode()

    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/v1/messages", body)) as answer:
        events = [json.loads(line[6:]) for line in answer.read().decode().splitlines() if line.startswith("data: ")]

    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert deltas[0]["text"] == "hello"
    assert json.loads(deltas[1]["partial_json"])["command"] == "ls"
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]


def test_a_scripted_error_has_its_status_and_the_words_of_the_vendor(server: ModelServer) -> None:
    server.play(Script([[ApiError(529, "too much")]]))

    with pytest.raises(urllib.error.HTTPError) as failure:
        ask(server, [user("a")])

    with failure.value as response:
        assert response.code == 529
        assert json.loads(response.read())["error"] == {"type": "overloaded_error", "message": "too much"}
