"""`hookkit serve`: the dashboard, the API, and the receiver of telemetry."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import threading
import webbrowser
from typing import TYPE_CHECKING, Any

import click

from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.dashboard.instance import Instance
    from hookkit.dashboard.ports import Port

_EPILOG = """\b
Examples:
  hookkit serve --open                     the dashboard, in your browser
  hookkit serve --json                     one line with the addresses, then it serves
  hookkit serve --no-otlp                  recorded sessions only; no telemetry is received
  hookkit serve --forward http://collector:4318    send all telemetry on to another collector as well
  hookkit serve --host 0.0.0.0             for other machines; they need the token that is printed
\b
What an agent has to know to send its telemetry here:
  hookkit install claude-code --telemetry
"""
_NEEDED = ("duckdb", "grpc", "jinja2", "opentelemetry.proto", "sse_starlette", "starlette", "uvicorn")
_PORT = click.IntRange(0, 65_535)


@click.command(epilog=_EPILOG)
@click.option("--port", type=_PORT, default=7777, show_default=True, help="Of the dashboard and the API; 0: any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback, a token is needed.")
@click.option("--otlp-grpc", type=_PORT, default=4317, show_default=True, help="Port for OTLP over gRPC.")
@click.option("--otlp-http", type=_PORT, default=4318, show_default=True, help="Port for OTLP over HTTP.")
@click.option("--no-otlp", is_flag=True, help="Receive no telemetry.")
@click.option("--forward", metavar="URL", help="Send the telemetry on to the OTLP/HTTP endpoint of a collector.")
@click.option("--open", "browse", is_flag=True, help="Open the dashboard in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON with the addresses.")
def command(
    port: int,
    host: str,
    otlp_grpc: int,
    otlp_http: int,
    no_otlp: bool,
    forward: str | None,
    browse: bool,
    as_json: bool,
) -> int:
    """Serve the dashboard: what agents do, changed and cost, from traces, hooks and the agents' own telemetry.

    Receives OpenTelemetry (OTLP) of agents. It listens on this machine only, and goes on until Ctrl-C.
    """
    _check_extra()
    if forward and no_otlp:
        raise UsageError("FORWARD_NOTHING", "--forward sends on what --no-otlp does not receive.", "Leave out one.")
    from hookkit.dashboard import instance, ports
    from hookkit.dashboard.ports import Port

    wanted = {"web": Port("the dashboard", "--port", host, port)}
    if not no_otlp:
        wanted["grpc"] = Port("OTLP over gRPC", "--otlp-grpc", host, otlp_grpc)
        wanted["http"] = Port("OTLP over HTTP", "--otlp-http", host, otlp_http)
    with instance.only() as only:
        ports.check([*wanted.values()])
        asyncio.run(_serve(only, wanted, forward, browse=browse, as_json=as_json))
    return 0


def _check_extra() -> None:
    missing = []
    for name in _NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            missing.append(name)
    if missing:
        raise HookkitError(
            "NO_SERVER", f"Not installed: {', '.join(missing)}.", "Install it with: pip install 'hookkit[serve]'"
        )


async def _serve(only: Instance, wanted: dict[str, Port], forward: str | None, *, browse: bool, as_json: bool) -> None:
    from hookkit.dashboard import app, guard, receiving, server
    from hookkit.dashboard.ports import take
    from hookkit.dashboard.site import open_site

    server.allow_many_connections()
    stop = server.Stop()
    host = wanted["web"].host
    token = "" if guard.is_loopback(host) else secrets.token_urlsafe(24)
    async with contextlib.AsyncExitStack() as stack:
        sockets = {name: stack.enter_context(take(port)) for name, port in wanted.items() if name != "grpc"}
        site = open_site(guard.Rules(host, token))
        address = receiving.address(sockets["web"], host) + "/"
        link = f"{address}?token={token}" if token else address
        told: dict[str, Any] = {"address": address, "pid": os.getpid(), "otlp_grpc": None, "otlp_http": None}
        servers = [(server.server(app.create(site)), sockets["web"])]
        if "http" in wanted:
            receiver = receiving.receive(site.hub.wake, forward)
            stack.push_async_callback(receiver.close)
            told["otlp_grpc"] = await receiver.listen(wanted["grpc"])
            told["otlp_http"] = receiving.address(sockets["http"], host)
            servers.append((server.server(receiver.app), sockets["http"]))
            site.receiver = {"gRPC": told["otlp_grpc"], "HTTP": told["otlp_http"]}

        def started() -> None:
            only.tell(told)
            if as_json:
                click.echo(json.dumps({"status": "serving", **told, "token": token or None}))
            else:
                _greet(site.recorded(), told, link)
            if browse:
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()

        await server.run(servers, stop, started, site.hub.close)


def _greet(recorded: int, told: dict[str, Any], link: str) -> None:
    """Say where everything is, and what to do next."""
    rows = [("Dashboard", link), ("OTLP/gRPC", told["otlp_grpc"]), ("OTLP/HTTP", told["otlp_http"])]
    for name, where in rows:
        if where:
            click.echo(f"{name:<10} {where}")
    click.echo(f"\n{recorded} sessions are recorded. Ctrl-C stops the server.")
    if told["otlp_grpc"]:
        click.echo("Next: hookkit install claude-code --telemetry   has Claude Code send its telemetry here.")
    elif not recorded:
        click.echo("Next: hookkit install claude-code   records every later session.")
