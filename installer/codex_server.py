"""Speaks with ``codex app-server``, as Codex's own screens do: JSON-RPC on stdio, one message a line each way.

Starting it makes Codex write its databases into its folder, as each start of it does: only ``--trust`` and ``doctor``,
where Codex's own word is wanted, make hookkit do it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hookkit import __version__
from hookkit.installer import command
from hookkit.installer.codex_state import Hook, NoAnswerError
from hookkit.installer.target import Target

PATIENCE = 20.0  # seconds for an answer; Codex takes a quarter of one
# What hookkit asks is nothing that anybody did in a session: wherever telemetry goes, this is not told.
_QUIET = [f"--config=otel.{name}=none" for name in ("exporter", "trace_exporter", "metrics_exporter")]
FAREWELL = 3.0  # seconds in which it ends by itself, once nobody listens


class Server:
    """A running ``codex app-server``."""

    def __init__(self, process: subprocess.Popen[bytes], target: Target) -> None:
        self._process = process
        self._target = target
        self._buffer = b""
        self._calls = 0

    def hooks(self) -> list[Hook]:
        """Our hooks in the target's file. Whose a hook is, its command tells; which file it is in, Codex."""
        found = []
        answer = self.call("hooks/list", {"cwds": [str(self._target.project)]})
        for folder in _list(answer, "data"):
            for hook in _list(folder, "hooks"):
                line = hook.get("command")
                named = hook.get("sourcePath")
                if command.own_command(line, self._target.contract.hook_entry) is None:
                    continue
                if isinstance(named, str) and os.path.realpath(named) == os.path.realpath(self._target.file):
                    found.append(_hook(hook))
        return found

    def set_trust(self, hashes: Mapping[str, str | None]) -> None:
        """Key -> the hash that is trusted; None takes the key out.

        One edit for each key: with all in one, Codex leaves an empty table behind when they are taken out.
        """
        edits = []
        for key, trusted in hashes.items():
            value = None if trusted is None else {"trusted_hash": trusted}
            merge = "replace" if trusted is None else "upsert"
            edits.append({"keyPath": f"hooks.state.{quoted(key)}", "value": value, "mergeStrategy": merge})
        self.call("config/batchWrite", {"edits": edits, "reloadUserConfig": True})

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a request; NoAnswerError where there is none."""
        self._calls += 1
        self.send({"id": self._calls, "method": method, "params": params})
        until = time.monotonic() + PATIENCE
        while True:
            line = self._line(until)
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict) and said.get("id") == self._calls and "method" not in said:
                if "result" in said:
                    return said["result"]
                error = said.get("error")
                raise NoAnswerError(str(error.get("message") if isinstance(error, dict) else error))

    def send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise NoAnswerError(f"{error.strerror}.") from error

    def _line(self, until: float) -> bytes:
        assert self._process.stdout
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise NoAnswerError(f"no answer within {PATIENCE:g} s.")
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise NoAnswerError("codex app-server ended without an answer.")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


@contextmanager
def serve(target: Target) -> Iterator[Server]:
    """Start Codex for the time of the block; NoAnswerError where it cannot be started."""
    program = shutil.which(target.contract.program, path=target.env.get("PATH"))
    if program is None:
        raise NoAnswerError(f"{target.contract.program} is not on PATH.")
    try:
        process = subprocess.Popen(
            [program, "app-server", *_QUIET], cwd=target.project, env=dict(target.env),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise NoAnswerError(f"{error.strerror}.") from error
    try:
        server = Server(process, target)
        about = {"name": "hookkit", "title": "hookkit", "version": __version__}
        server.call("initialize", {"clientInfo": about, "capabilities": {"experimentalApi": True}})
        server.send({"method": "initialized"})
        yield server
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            process.wait(timeout=FAREWELL)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def quoted(key: str) -> str:
    """A key as one part of a dotted path. Codex knows no other escapes in it than these two."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _hook(hook: Mapping[str, Any]) -> Hook:
    name = str(hook.get("eventName"))
    return Hook(
        key=str(hook.get("key")),
        event=name[:1].upper() + name[1:],
        command=str(hook.get("command")),
        hash=str(hook.get("currentHash")),
        status=str(hook.get("trustStatus")),
        enabled=hook.get("enabled") is not False,
    )


def _list(value: object, key: str) -> Sequence[Mapping[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
