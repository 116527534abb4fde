"""Who may ask, and what every answer carries."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hookkit.dashboard.app import create
from hookkit.dashboard.guard import COOKIE, NoBrowsers, Rules, host_name, is_loopback
from hookkit.dashboard.site import Site, open_site

PATHS = ["/", "/live", "/nothing", "/static/app.js", "/api/v1/all/sessions", "/api/v1/nobody/sessions", "/openapi.json"]
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """All of these are asked of an empty store."""


def _open(host: str, token: str) -> TestClient:
    site = open_site(Rules(host, token), every=0)
    return TestClient(create(site), base_url="http://192.168.7.7:7777", follow_redirects=False)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_what_a_page_here_never_does(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["localhost", "localhost:7777", "127.0.0.1:1", "[::1]:7777", "LOCALHOST:7777"])
def test_this_machine_is_known_by_its_names(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:7777", "localhost.evil.example", "127.0.0.1.nip.io", "evil.example#localhost",
        "localhost@evil.example", "192.168.7.7", "", "localhost/", "[::1", "0.0.0.0:7777", "127.0.0.1:7777, evil",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/v1/all/sessions", "/api/v1/all/live"])
def test_a_name_that_is_made_to_point_here_gets_nothing(client: TestClient, host: str, path: str) -> None:
    """DNS rebinding: the browser takes evil.example for the same site, and sends its name."""
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "UNKNOWN_HOST"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    ],
)
def test_a_page_of_another_site_gets_nothing(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/", "/api/v1/all/sessions", "/api/v1/all/live"):
        assert client.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        NAVIGATION,
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"origin": "http://localhost:7777", "sec-fetch-site": "same-origin"},
    ],
)
def test_our_own_pages_links_and_programs_may_ask(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    for path in ("/", "/api/v1/all/sessions", "/tools"):
        assert client.request(method, path).status_code == 405


def test_a_token_is_needed_where_others_reach_the_server() -> None:
    client = _open("0.0.0.0", "s3cret")
    for path in PATHS:
        assert client.get(path).status_code == 401, path
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/", headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/", headers={"cookie": f"{COOKIE}=s3cret"}).status_code == 200
    assert client.get("/", headers={"cookie": f"{COOKIE}=s3cre"}).status_code == 401


def test_the_token_of_the_address_becomes_a_cookie_that_no_script_and_no_other_site_can_use() -> None:
    client = _open("0.0.0.0", "s3cret")
    answer = client.get("/cost?by=day&token=s3cret")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/cost?by=day"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/cost?by=day").status_code == 200  # the client keeps cookies


def test_the_redirect_leads_to_no_other_host() -> None:
    client = _open("0.0.0.0", "s3cret")
    location = client.get("//evil.example/?token=s3cret").headers["location"]
    assert location.startswith("/")
    assert not location.startswith("//")


def test_an_address_names_a_server_that_is_open_but_no_foreign_name_does() -> None:
    client = _open("0.0.0.0", "s3cret")
    headers = {"authorization": "Bearer s3cret"}
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/", headers=headers | {"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.4", False), ("example.com", False), ("localhost.example.com", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("header", "expected"), [("A.B:1", "a.b"), ("[::1]:80", "::1"), ("a@b", ""), ("a/b", ""), ("", ""), ("a?b", "")]
)
def test_the_name_in_a_host_header(header: str, expected: str) -> None:
    assert host_name(header) == expected


def test_a_receiver_takes_nothing_from_pages(site: Site) -> None:
    client = TestClient(NoBrowsers(create(site)), base_url="http://localhost:4318")
    assert client.get("/").status_code == 200
    for headers in (
        {"origin": "http://localhost:4318"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        NAVIGATION,
    ):
        assert client.get("/", headers=headers).status_code == 403
