"""The command: ports, one instance, what it prints, and how it stops."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hookkit import cli
from hookkit.dashboard.live import MOST
from tests.waiting import wait_for

from .events import event, request, sent
from .made import put, record
from .process import FREE, command, serving

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("home")]


def _taken() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made


def _open_stream(address: str, path: str = "/api/v1/all/live") -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    stream = socket.create_connection((host, int(port)), timeout=30)
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert b"200 OK" in stream.recv(4096)
    return stream


def test_it_serves_receives_and_stops() -> None:
    put(record(1, title="A session"))
    with serving() as served:
        assert served.told["status"] == "serving"
        assert b"A session" in served.get("/")[1]
        asked = urllib.request.Request(
            f"{served.told['otlp_http']}/v1/logs", sent(request(1)), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 200
        with socket.create_connection(served.told["otlp_grpc"].split(":"), timeout=30):
            pass
        for _ in range(100):
            items = json.loads(served.get("/api/v1/all/sessions")[1])["items"]
            if len(items) == 2:
                break
            time.sleep(0.1)
        assert {tuple(item["sources"]) for item in items} == {("trace",), ("telemetry",)}
        code, said = served.stop()
    assert (code, said) == (0, "")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_streams_open(by: signal.Signals) -> None:
    with serving() as served:
        streams = [_open_stream(served.address) for _ in range(20)]
        assert served.stop(by) == (0, "")
        for stream in streams:
            while stream.recv(65536):
                pass
            stream.close()


@pytest.fixture
def few_files() -> Iterator[Callable[[], None]]:
    """As on most machines, few files may be open at a time, in what is started, too; a call allows us more of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * MOST), hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_listen_at_a_time_and_pages_still_come(few_files: Callable[[], None]) -> None:
    with serving() as served, contextlib.ExitStack() as opened:
        few_files()
        streams = [opened.enter_context(_open_stream(served.address)) for _ in range(MOST)]
        with pytest.raises(urllib.error.HTTPError) as refused:
            served.get("/api/v1/all/live")
        refused.value.close()
        assert refused.value.code == 503
        assert b"<main" in served.get("/")[1]
        asked = urllib.request.Request(
            f"{served.told['otlp_http']}/v1/logs",
            sent(event(1, "told_to_all")),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(asked, timeout=60).close()
        for stream in streams:
            heard = b""
            while b"told_to_all" not in heard:
                got = stream.recv(65536)
                assert got, heard
                heard += got
        for stream in streams:
            stream.close()
        wait_for(lambda: _listens(served.address))  # those who left make room
        assert served.stop() == (0, "")


def _listens(address: str) -> bool:
    try:
        _open_stream(address).close()
    except AssertionError:
        return False
    return True


def test_a_second_one_says_where_the_first_one_is() -> None:
    with serving() as served:
        done = subprocess.run(command(*FREE), capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert served.address in done.stderr
        done = subprocess.run(command(*FREE, "--json"), capture_output=True, text=True, check=False)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "ALREADY_SERVING"
        assert str(served.process.pid) in error["hint"]
        served.process.kill()
        served.process.wait()
    with serving() as served:  # what is killed holds nothing
        assert served.get("/")[0] == 200


@pytest.mark.parametrize("option", ["--port", "--otlp-grpc", "--otlp-http"])
def test_a_port_that_is_taken_is_named_before_any_is_bound(option: str) -> None:
    with _taken() as taken:
        number = taken.getsockname()[1]
        arguments = [*FREE]
        arguments[arguments.index(option) + 1] = str(number)
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Port {number}" in done.stderr
    assert f"hookkit serve {option} {number + 10}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--port", "7000", "--otlp-http", "7000"], 1, "Two of the ports are the same"),
        (["--port", "70000"], 2, "70000"),
        (["--host", "no.such.host.invalid"], 1, "is no address of this machine"),
        (["--host", "192.0.2.1"], 1, "is no address of this machine"),
        (["--forward", "http://localhost:1", "--no-otlp"], 2, "--no-otlp"),
        (["--forward", "ftp://x", *FREE], 2, "is no address of a collector"),
    ],
)
def test_what_cannot_be_served_is_refused(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_receiver_there_is_none() -> None:
    with serving("--port", "0", "--no-otlp") as served:
        assert served.told["otlp_grpc"] is served.told["otlp_http"] is None
        assert served.get("/")[0] == 200
        assert served.stop()[0] == 0


def test_others_need_the_token_that_is_printed() -> None:
    with serving("--port", "0", "--no-otlp", "--host", "0.0.0.0") as served:
        port = served.address.rpartition(":")[2]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
        refused.value.close()
        assert refused.value.code == 401
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/", headers={"Authorization": f"Bearer {served.told['token']}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 200


def test_people_are_told_the_addresses_and_what_to_do_next() -> None:
    process = subprocess.Popen(command(*FREE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(6)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    text = "".join(lines)
    assert (process.returncode, said) == (0, "")
    for part in (
        "Dashboard  http://127.0.0.1:",
        "OTLP/gRPC  127.0.0.1:",
        "OTLP/HTTP  http://127.0.0.1:",
        "--telemetry",
    ):
        assert part in text


def test_what_is_slow_holds_nobody_up() -> None:
    with serving("--port", "0", "--no-otlp") as served:
        host, port = served.address.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(50)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert served.get("/")[0] == 200
        assert served.stop() == (0, "")
        for connection in slow:
            connection.close()


def test_a_head_that_is_too_long_is_refused() -> None:
    with serving("--port", "0", "--no-otlp") as served:
        with pytest.raises(urllib.error.HTTPError) as refused:
            served.get("/", **{"X-Long": "x" * (1 << 20)})
        refused.value.close()
        assert refused.value.code in (400, 431)
        assert served.get("/")[0] == 200


def test_other_commands_load_nothing_of_it(home: Path) -> None:
    code = (
        "import sys; from hookkit import cli; cli.run(['list']); cli.run(['serve', '--help']);"
        "print([name for name in sys.modules if name.startswith(('hookkit.dashboard', 'hookkit.telemetry', 'starlette',"
        " 'uvicorn', 'duckdb', 'jinja2', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = CliRunner().invoke(cli.cli, ["serve"], standalone_mode=False)
    assert getattr(result.exception, "code", None) == "NO_SERVER"
    assert "hookkit[serve]" in getattr(result.exception, "hint", "")
