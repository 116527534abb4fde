"""The API as a whole: what describes it, and how it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from hookkit.dashboard import api
from hookkit.dashboard.site import Site

from . import events
from .events import SESSION, request, tool
from .made import put, record

pytestmark = pytest.mark.usefixtures("home")
DOCUMENT = Path(__file__).parents[2] / "docs" / "serve.md"


def _paths(site: Site) -> set[str]:
    found = {route.path for route in api.routes(site) if isinstance(route, Route)}
    return {path for path in found if path.startswith("/api/")}


def test_the_description_and_the_document_name_every_path(site: Site, client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == _paths(site)
    named = set(re.findall(r"`(/api/v1/[^`]+)`", DOCUMENT.read_text(encoding="utf-8")))
    assert named == _paths(site)


def test_what_the_description_refers_to_is_in_it(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    for ref in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(described)):
        place: Any = described
        for part in ref.split("/"):
            place = place[part]


@pytest.mark.parametrize(
    "path",
    [
        "sessions", "sessions/{id}", "sessions/{id}/timeline", "sessions/{id}/tools", "sessions/{id}/cost", "cost",
        "tools", "events?after=0",
    ],
)  # fmt: skip
def test_answers_are_as_described(client: TestClient, path: str) -> None:
    name = put(record(1, usd=0.5, failed=1))
    events.put(request(1), tool(2, "Bash", "t1", success="false"))
    described = client.get("/openapi.json").json()
    operation = described["paths"][f"/api/v1/{{agent}}/{path.partition('?')[0]}"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    for identifier in (name, SESSION):
        answer = client.get(f"/api/v1/all/{path.replace('{id}', identifier)}")
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        jsonschema.Draft202012Validator({**schema, "components": described["components"]}).validate(body)
        assert body.get("items", [body])


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/nobody/sessions", "UNKNOWN_AGENT"),
        ("/api/v1/all/sessions/none", "UNKNOWN_SESSION"),
        ("/api/v1/pi/sessions/" + SESSION, "UNKNOWN_SESSION"),
        ("/api/v1/all/sessions/none/timeline", "UNKNOWN_SESSION"),
        ("/api/v1/all/nothing", "NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_told_with_a_hint(client: TestClient, path: str, code: str) -> None:
    events.put(request(1))
    answer = client.get(path)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["hint"]


@pytest.mark.parametrize("query", ["by=moon", "limit=0", "since=x"])
def test_a_parameter_that_means_nothing(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/all/cost?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_PARAMETER")


def test_a_trace_that_cannot_be_read_says_so_and_disturbs_no_other(home: Path, client: TestClient) -> None:
    good, bad = put(record(1, title="Good")), put(record(2, title="Bad"))
    assert len(client.get("/api/v1/all/sessions").json()["items"]) == 2
    (home / "traces" / f"{bad}.json").write_bytes(b'{"agent": {}, "metadata": {}, "steps": [{"torn')
    assert client.get(f"/sessions/{good}").status_code == 200
    titles = [item["title"] for item in client.get("/api/v1/all/sessions").json()["items"]]
    assert titles == ["Good"]


def test_timelines_come_in_pages(client: TestClient) -> None:
    events.put(*(request(number) for number in range(7)))
    path, seen = f"/api/v1/all/sessions/{SESSION}/timeline?limit=3", 0
    following = "0"
    while following is not None:
        body = client.get(f"{path}&after={following}").json()
        seen += len(body["items"])
        following = body["next"]
    assert seen == 8  # the prompt that nobody told of is one, too
