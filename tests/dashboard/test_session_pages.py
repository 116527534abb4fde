"""The pages of one session: what is on them, and that nothing a session said gets out of its place."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from hookkit.exporters.formats import FORMATS
from tests.cli.recorded import Session
from tests.exporters.sessions import HOSTILE, NAMES, hostile
from tests.exporters.sessions import record as of_agent

from .made import put

pytestmark = pytest.mark.usefixtures("there")


@pytest.fixture
def start(recorded: Session) -> str:
    return f"/sessions/{recorded.trace_id}"


def _text(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def test_the_timeline_goes_by_prompts(client: TestClient, start: str) -> None:
    page = _text(client, start)
    first, second = page.split('<section class="turn"')[1:]
    assert "Add retry to fetch" in first
    assert "Now move it" in second
    assert "fetch.py" in first
    assert "6 calls" not in first
    assert "4 calls" in first
    assert "git mv fetch.py net/fetch.py" in second


def test_calls_that_ran_side_by_side_are_marked(client: TestClient, start: str) -> None:
    part = _text(client, start).split('<li class="parallel">')[1]
    assert "2 calls side by side" in part
    assert part.index("Grep") < part.index("README.md")


def test_errors_come_first_and_link_to_their_row(client: TestClient, start: str) -> None:
    page = _text(client, start)
    listed = page.split('<details class="errors">')[1].split("</details>")[0]
    assert "1 error" in listed
    assert "Exit code 1: 2 failed" in listed
    anchor = re.search(r"#(e\d+)", listed)
    assert anchor
    assert f'id="{anchor[1]}"' in page


def test_what_changed_outside_of_calls_is_a_gap_with_its_diff(client: TestClient, start: str) -> None:
    page = _text(client, start)
    link = re.search(r'href="([^"]*changes\?gap=\d+)"', page)
    assert link
    shown = _text(client, link[1])
    assert "README.md" in shown
    assert "by hand" in shown


def test_a_call_shows_input_result_and_its_diff(client: TestClient, start: str) -> None:
    page = _text(client, f"{start}/calls/toolu_06edit")
    assert "&#34;file_path&#34;" in page
    assert '<td class="code">import net</td>' in page
    part = _text(client, f"{start}/calls/toolu_06edit?fragment=1")
    assert "<html" not in part
    assert '<td class="code">import net</td>' in part
    assert "It changed no file." in _text(client, f"{start}/calls/toolu_02grep")


def test_the_diff_of_a_turn_and_of_the_session(client: TestClient, start: str) -> None:
    first = _text(client, f"{start}/changes?turn=1")
    assert "fetch.py" in first
    assert "net/fetch.py" not in first
    whole = _text(client, f"{start}/changes")
    assert "net/fetch.py" in whole
    assert "by hand" not in whole
    assert "2 files changed, 3 lines added, 0 removed" in whole


def test_a_patch_to_take_along(client: TestClient, start: str, recorded: Session, tmp_path: Path) -> None:
    answer = client.get(f"{start}/changes?call=toolu_06edit&format=patch")
    assert answer.headers["content-type"].startswith("text/plain")
    patch = tmp_path / "x.patch"
    patch.write_bytes(answer.content)
    assert recorded.world.git("apply", "-R", "--check", str(patch)) == ""


def test_the_api_tells_the_same_diff(client: TestClient, recorded: Session) -> None:
    body = client.get(f"/api/v1/claude-code/sessions/{recorded.session_id}/diff?call=toolu_06edit").json()
    assert [(file["status"], file["path"], file["added"]) for file in body["files"]] == [("M", "app.py", 1)]
    assert "+import net" in body["patch"]


def test_blame_names_prompt_call_and_model_of_each_line(client: TestClient, start: str) -> None:
    page = _text(client, f"{start}/blame?path=app.py")
    block = next(part for part in page.split('<div class="block') if "import net" in part)
    assert "Now move it" in block
    assert "claude-opus-4-8" in block
    assert "Edit" in block
    assert f"{start}/calls/toolu_06edit" in block
    assert 'href="?path=app.py"' in _text(client, f"{start}/blame")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt", "../../../../etc/passwd", "/etc/passwd", "net/../../secret.txt", ".git/config", ".GIT/config",
        "sub/.git/config", "link/secret.txt", "out", "%00", "app.py%00.txt", ".", "..", "net", "absent.py",
        "..%2Fsecret.txt", "./../secret.txt",
    ],
)  # fmt: skip
def test_blame_leads_out_of_no_project(client: TestClient, start: str, recorded: Session, path: str) -> None:
    root = recorded.world.root
    (root.parent / "secret.txt").write_text("the secret\n")
    for name, target in (("link", root.parent), ("out", root.parent / "secret.txt")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    page = _text(client, f"{start}/blame?path={path}", 404)
    assert "the secret" not in page
    assert "root:" not in page


def test_tools_and_costs_of_a_session(client: TestClient, start: str, recorded: Session) -> None:
    rows = client.get(f"/api/v1/all/sessions/{recorded.trace_id}/tools").json()["items"]
    bash = next(row for row in rows if row["toolName"] == "Bash")
    assert (bash["callCount"], bash["successCount"], bash["failureCount"]) == (2, 1, 1)
    assert bash["p50DurationMs"] == 5
    page = _text(client, f"{start}/numbers?lines=1")
    assert "still there" in page


@pytest.mark.parametrize("form", [*FORMATS])
def test_exports_are_files_without_secrets(client: TestClient, form: str) -> None:
    found = of_agent("claude-code")
    secret = "sk-ant-api03-" + "A1b2C3d4" * 6
    found["steps"][0]["content"] = f"My key is {secret}"
    name = put(found)
    answer = client.get(f"/sessions/{name}/export/{form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{name}.')
    assert secret.encode() not in answer.content
    assert len(answer.content) > 100


@pytest.mark.parametrize(
    "path", ["export/exe", "export/..%2f..%2fconfig.toml", "calls/none", "changes?call=x", "changes?gap=0"]
)
def test_what_is_not_there(client: TestClient, start: str, path: str) -> None:
    page = _text(client, f"{start}/{path}", 404)
    assert "<h1>" in page or "There is no such" in page


@pytest.mark.parametrize("identifier", ["none", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000, "'", "<script>"])
def test_an_unknown_session(client: TestClient, identifier: str) -> None:
    page = _text(client, f"/sessions/{identifier}", 404)
    assert "<script>" not in page.replace('<script type="module" src="/static/app.js">', "")


@pytest.mark.parametrize("agent", NAMES)
def test_a_session_of_every_agent_is_shown(client: TestClient, agent: str) -> None:
    name = put(of_agent(agent))
    for tab in ("", "/numbers"):
        assert "<h1>" in _text(client, f"/sessions/{name}{tab}")
    items = client.get(f"/api/v1/{agent}/sessions/{name}/timeline?limit=500").json()["items"]
    calls = [item["toolUseId"] for item in items if item["eventName"] == "tool_result"]
    assert calls
    assert "Input" in _text(client, f"/sessions/{name}/calls/{calls[0]}")


def test_a_subagent_is_nested_with_all_that_it_took(client: TestClient) -> None:
    page = _text(client, f"/sessions/{put(of_agent('claude-code'))}")
    nested = page.split('<li class="subagent">')[1]
    assert "general-purpose" in nested
    assert "2 calls" in nested.split("</summary>")[0]
    assert "tokens" in nested.split("</summary>")[0]


def test_what_a_session_said_stays_text(client: TestClient) -> None:
    """Script in prompts, names of files and tools, what tools gave back, branches, subagents."""
    name = put(hostile())
    calls = [
        item["toolUseId"]
        for item in client.get(f"/api/v1/all/sessions/{name}/timeline?limit=500").json()["items"]
        if item["eventName"] == "tool_result"
    ]
    tabs = ["", "/numbers", *(f"/calls/{call}" for call in calls), *(f"/calls/{call}?fragment=1" for call in calls)]
    pages = [f"/sessions/{name}{tab}" for tab in tabs]
    for path in [
        *pages,
        "/",
        "/tools",
        "/cost",
        "/search?q=script",
        f"/?q={quote(HOSTILE[:60])}",
        "/?project=<script>",
    ]:
        page = _text(client, path)
        ours = page.replace('<script type="module" src="/static/app.js"></script>', "")
        assert "<script" not in ours, path
        assert "<img" not in ours, path
        assert not re.search(r"<[^>]+\son\w+\s*=", ours), path
        assert not re.search(r'(href|src)="(?!/|\?|#|")', ours), path
        assert not re.search(r"\sstyle=", ours), path
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", ours), path
    assert "alert(" in html.unescape(_text(client, pages[0]))
