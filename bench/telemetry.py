"""The receiver of telemetry, and the dashboard over a million events.

Events a second are those of the OpenTelemetry SDK's own exporters, which wait for each answer: against a server that
answers at once and keeps nothing, so against what the exporter itself takes. What was kept is counted afterwards.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

from bench.timing import Row

_EVENTS, _BATCH = 50_000, 500
_STORED, _SESSIONS = 1_000_000, 5_000
_START = 1_795_000_000_000_000  # microseconds since 1970


def measure(scratch: Path, env: Mapping[str, str], runs: int) -> Iterator[Row]:
    """Events a second over gRPC and HTTP, then pages and API over what a month of many agents leaves."""
    home = {**env, "HOOKKIT_HOME": str(scratch / "received")}
    sent = 0
    with _serving(home) as (told, process):
        places = {
            "gRPC": (lambda place: _grpc_exporter(place), told["otlp_grpc"], _null_grpc),
            "HTTP": (lambda place: _http_exporter(place), told["otlp_http"], _null_http),
        }
        for protocol, (exporter, ours, null) in places.items():
            pairs = []
            with null() as theirs:
                used = _cpu_seconds(process.pid)
                for _ in range(max(3, runs // 10)):
                    pairs.append((_export(exporter(ours)), _export(exporter(theirs))))
                used = _cpu_seconds(process.pid) - used
            sent += _EVENTS * len(pairs)
            mine, other = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            ratio = statistics.median(a / b for a, b in pairs)
            rate = f"{_EVENTS / mine:,.0f} events a second, exporter included"
            if used:
                rate += f"; {_EVENTS * len(pairs) / used:,.0f} a second of one core of the whole server"
            yield Row(f"{_EVENTS:,} events over {protocol}", "answers only", ratio, "", mine * 1e3, other * 1e3, rate)
    kept = _count(home)
    assert kept == sent, f"{sent - kept} of {sent} events are missing"
    yield from _pages(scratch, env, max(40, runs))


def _pages(scratch: Path, env: Mapping[str, str], runs: int) -> Iterator[Row]:
    home = {**env, "HOOKKIT_HOME": str(scratch / "stored")}
    subprocess.run([sys.executable, "-m", "bench.telemetry", str(scratch / "stored")], env=home, check=True)
    yield from _questions(scratch / "stored", runs)
    with _serving(home) as (told, process):
        place = told["address"].removeprefix("http://").rstrip("/")
        first = time.perf_counter()
        _get(place, "/")
        first = time.perf_counter() - first
        bare = [_timed(place, "/static/icon.svg") for _ in range(runs)]
        chance = random.Random(2)
        found = json.loads(_get(place, "/api/v1/all/sessions?limit=500"))["items"]
        ids = [session["sessionId"] for session in found]
        paths: Mapping[str, Callable[[], str]] = {
            "page of sessions": lambda: "/",
            "API: sessions": lambda: "/api/v1/all/sessions?limit=50",
            "API: sessions by text and cost": lambda: f"/api/v1/all/sessions?q={chance.randrange(99)}&min_cost=0.5",
            "API: timeline": lambda: f"/api/v1/claude-code/sessions/{chance.choice(ids)}/timeline",
            "API: tools of a session": lambda: f"/api/v1/claude-code/sessions/{chance.choice(ids)}/tools",
            "API: cost of all": lambda: "/api/v1/all/cost",
            "API: tools of all": lambda: "/api/v1/all/tools",
        }
        base = statistics.median(bare)
        yield Row("first page, 1,000,000 events", "a picture", first / base, "<= 1 s", first * 1e3, base * 1e3)
        for name, path in paths.items():
            took = sorted(_timed(place, path()) for _ in range(runs))
            p95 = took[int(len(took) * 0.95)]
            median = statistics.median(took)
            note = f"95th of 100: {p95 * 1e3:.0f} ms; budget 100 ms"
            yield Row(f"{name}, 1,000,000 events", "a picture", median / base, "", median * 1e3, base * 1e3, note)
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            (peak,) = (int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            stored = sum(
                path.stat().st_size for path in (scratch / "stored" / "telemetry").rglob("*") if path.is_file()
            )
            yield Row(
                "memory of the server", "files", peak / (stored / 1024), "", peak / 1024, stored / 2**20, unit="MiB"
            )


def _questions(home: Path, runs: int) -> Iterator[Row]:
    """What a reader of its own takes, against a question that needs no file."""
    from hookkit.telemetry import queries
    from hookkit.telemetry.reader import Reader
    from hookkit.telemetry.segments import Store

    reader, chance = Reader(Store(home / "telemetry")), random.Random(3)
    reader.refresh()
    last = queries.position(reader)
    page = "SELECT * FROM session_rollup ORDER BY last_us DESC, session_id LIMIT 50"
    questions: Mapping[str, Callable[[], object]] = {
        "a page of session_rollup": lambda: reader.query(page),
        "timeline of a session": lambda: queries.timeline(reader, "claude-code", _session(chance.randrange(_SESSIONS))),
        "the latest events": lambda: queries.since(reader, last - 100),
    }
    bare = statistics.median(_took(lambda: reader.query("SELECT 1")) for _ in range(runs))
    for name, ask in questions.items():
        ask()
        took = sorted(_took(ask) for _ in range(runs))
        note = f"95th of 100: {took[int(runs * 0.95)] * 1e3:.0f} ms; budget 50 ms"
        median = statistics.median(took)
        yield Row(f"reader: {name}, 1,000,000 events", "SELECT 1", median / bare, "", median * 1e3, bare * 1e3, note)
    reader.close()


class _serving:  # noqa: N801
    """The real server, on free ports."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def __enter__(self) -> tuple[dict[str, Any], subprocess.Popen[str]]:
        command = [
            sys.executable,
            "-m",
            "hookkit",
            "serve",
            "--json",
            *["--port", "0", "--otlp-grpc", "0", "--otlp-http", "0"],
        ]
        self._process = subprocess.Popen(command, env=dict(self._env), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        return json.loads(self._process.stdout.readline()), self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stdout
        self._process.stdout.close()


def _records(first: int) -> list[Any]:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    resource = Resource({"service.name": "claude-code", "service.version": "2.1.197", "os.type": "linux"})
    scope = InstrumentationScope("com.anthropic.claude_code.events")
    made = []
    for number in range(first, first + _BATCH):
        attributes = {
            "event.name": "tool_result", "session.id": f"session-{number // 200}", "event.sequence": number % 200,
            "event.timestamp": "2026-11-28T12:00:00.000Z", "prompt.id": f"prompt-{number // 20}", "tool_name": "Bash",
            "tool_use_id": f"toolu_{number}", "success": "true", "duration_ms": "12", "user.id": "0123456789abcdef",
            "terminal.type": "xterm", "tool_result_size_bytes": "2312",
        }  # fmt: skip
        record = LogRecord(
            timestamp=_START * 1000 + time.time_ns() % 10**15,
            body="claude_code.tool_result",
            severity_number=SeverityNumber.INFO,
            attributes=attributes,
        )
        made.append(ReadableLogRecord(record, resource, scope))
    return made


def _export(exporter: Any) -> float:
    batches = [_records(first) for first in range(0, _EVENTS, _BATCH)]
    started = time.perf_counter()
    for batch in batches:
        exporter.export(batch)
    took = time.perf_counter() - started
    exporter.shutdown()
    return took


def _grpc_exporter(place: str) -> Any:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter(endpoint=place.removeprefix("http://"), insecure=True)


def _http_exporter(place: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(f"{place}/v1/logs")


class _null_grpc:  # noqa: N801
    """A server that answers at once."""

    def __enter__(self) -> str:
        import grpc

        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(lambda _body, _context: b"")
        service = "opentelemetry.proto.collector.logs.v1.LogsService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return f"127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)


class _null_http:  # noqa: N801
    """A server that answers at once."""

    def __enter__(self) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _get(place: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, f"{path}: {answer.status}"
    return content


def _timed(place: str, path: str) -> float:
    return _took(lambda: _get(place, path))


def _took(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _cpu_seconds(process: int) -> float:
    """What a process has used so far; 0 where the system does not say."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _count(env: Mapping[str, str]) -> int:
    count = "from hookkit.telemetry.reader import Reader; r = Reader(); r.refresh(); print(len(r.query('FROM events')))"
    return int(subprocess.run([sys.executable, "-c", count], env=dict(env), capture_output=True, check=True).stdout)


def _store(folder: Path) -> None:
    """A million events of five thousand sessions, as a server would have left them."""
    import duckdb

    from hookkit.telemetry.journal import Journal
    from hookkit.telemetry.segments import Store, close_segment

    place, chance = Store(folder / "telemetry"), random.Random(1)
    journal, numbers, rows = Journal(place), [0] * _SESSIONS, []
    for number in range(_STORED):
        # sixteen sessions at a time
        session = min(_SESSIONS - 1, number * _SESSIONS // _STORED // 16 * 16 + chance.randrange(16))
        numbers[session] += 1
        rows.append(_row(number, session, numbers[session], chance))
        if len(rows) == 5000:
            journal.append(rows)
            rows = []
    journal.close()
    with duckdb.connect() as connection:
        for closed in sorted(place.open_segments())[:-1]:
            close_segment(connection, place, closed)


def _session(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def _row(number: int, session: int, sequence: int, chance: random.Random) -> dict[str, Any]:
    at = _START + number * 1000
    row: dict[str, Any] = {
        "received_us": at, "time_us": at, "signal": "log", "service": "claude-code", "service_version": "2.1.197",
        "agent": "claude-code", "session_id": _session(session), "sequence": sequence,
        "prompt_id": f"p{sequence // 20}", "scope": "com.anthropic.claude_code.events",
        "resource": '{"service.name":"claude-code","service.version":"2.1.197","os.type":"linux"}',
    }  # fmt: skip
    of = number % 10
    if of == 0:
        row |= {"name": "claude_code.user_prompt", "kind": "prompt", "prompt_length": 30}
    elif of < 4:
        row |= {
            "name": "claude_code.api_request", "kind": "request", "model": f"model-{chance.choice('abc')}",
            "cost_micros": chance.randrange(90_000), "duration_ms": chance.random() * 5000, "agent_name": "main",
            "input_tokens": chance.randrange(900), "output_tokens": chance.randrange(900),
            "cache_read_tokens": chance.randrange(90_000), "cache_creation_tokens": chance.randrange(900),
        }  # fmt: skip
    elif of < 7:
        row |= {
            "name": "claude_code.tool_result", "kind": "tool", "tool_use_id": f"toolu_{number}",
            "tool_name": chance.choice(["Bash", "Read", "Edit", "Grep"]), "success": chance.random() > 0.1,
            "duration_ms": chance.random() * 900,
        }  # fmt: skip
    else:
        row |= {
            "name": "claude_code.tool_decision", "kind": "decision", "tool_use_id": f"toolu_{number - 3}",
            "tool_name": "Bash", "decision": "accept", "decision_source": "config",
        }  # fmt: skip
    return row | {"attributes": json.dumps({"event.name": row["name"], "event.sequence": sequence, "x": "y" * 200})}


if __name__ == "__main__":
    os.environ.setdefault("HOOKKIT_HOME", sys.argv[1])
    _store(Path(sys.argv[1]))
