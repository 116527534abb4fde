"""Pi in its RPC mode, one JSON document a line: for what ``-p`` cannot do, such as ``/tree``, ``/compact``, Esc."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]
_PATIENCE = 60.0


class PiRpc:
    """One process of Pi. Closing its standard input ends it."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=cwd, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._said: list[Json] = []
        self._more = threading.Condition()
        self._seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self._said.append(json.loads(line))
                self._more.notify_all()

    def wait(self, wanted: Callable[[Json], bool]) -> Json:
        """The next document that is wanted; those before it are passed over."""
        deadline = time.monotonic() + _PATIENCE
        with self._more:
            while True:
                while self._seen < len(self._said):
                    said = self._said[self._seen]
                    self._seen += 1
                    if wanted(said):
                        return said
                if not self._more.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"Pi did not say it; last: {self._said[-3:]}")

    def send(self, kind: str, **fields: Any) -> Json:
        """Give a command; Pi's answer to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"type": kind, **fields}) + "\n")
        self._process.stdin.flush()
        return self.wait(lambda said: said.get("type") == "response" and said.get("command") == kind)

    def prompt(self, text: str) -> None:
        """Ask, and wait until the agent has answered."""
        self.send("prompt", message=text)
        self.wait(lambda said: said.get("type") == "agent_end")

    def command(self, text: str) -> None:
        """Run an extension's command; nothing but its answer tells when it is done."""
        self.send("prompt", message=text)

    def close(self) -> tuple[int, str]:
        """(exit code, stderr) at the end."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        code = self._process.wait(_PATIENCE)
        said = self._process.stderr.read()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                self._reader.join(_PATIENCE)
                pipe.close()
        return code, said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
