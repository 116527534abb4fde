"""Sends what was kept on to another collector, which may be slow or away: nobody waits for it."""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from hookkit.errors import UsageError
from hookkit.telemetry.otlp import Signal

MOST_WAITING = 64 << 20  # bytes
_TRIES = 5
_TIMEOUT = 10.0  # seconds
_AGAIN = frozenset({408, 429, 502, 503, 504})
_log = logging.getLogger("hookkit.telemetry")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is sent goes where the user said, and to nobody else; followed, it would become a GET without a body."""

    def redirect_request(self, *_: Any) -> None:
        return None


_open = urllib.request.build_opener(_NoRedirects).open


class Forward:
    """Forwards to an OTLP/HTTP endpoint, in a thread of its own. lost: requests that it gave up, or had no room for.

    What is sent is what came in: identities that hookkit itself does not keep are in it. UsageError if ``url`` is none.
    """

    def __init__(self, url: str, *, pause: float = 1.0) -> None:
        if not _is_address(url):
            raise UsageError("BAD_URL", f"{url!r} is no address of a collector.", "Try http://collector:4318")
        self._url, self._pause = url.rstrip("/"), pause
        self._waiting: queue.SimpleQueue[tuple[Signal, bytes] | None] = queue.SimpleQueue()
        self._bytes = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.sent = self.lost = 0
        self._thread = threading.Thread(target=self._run, name="telemetry-forward", daemon=True)
        self._thread.start()

    def __call__(self, signal: Signal, body: bytes) -> None:
        with self._lock:
            fits = not self._bytes or self._bytes + len(body) <= MOST_WAITING
            if fits:
                self._bytes += len(body)
        if fits:
            self._waiting.put((signal, body))
        else:
            self._lose("The collector does not keep up")

    def close(self, seconds: float = 5.0) -> None:
        """Send what waits, for a few seconds at most."""
        self._waiting.put(None)
        self._thread.join(seconds)
        self._stop.set()

    def _run(self) -> None:
        while (told := self._waiting.get()) is not None and not self._stop.is_set():
            pause = self._pause
            for number in range(_TRIES):
                if self._send(*told):
                    self.sent += 1
                    break
                if number == _TRIES - 1 or self._stop.wait(pause):
                    self._lose("The collector does not answer")
                    break
                pause *= 2
            with self._lock:
                self._bytes -= len(told[1])

    def _send(self, signal: Signal, body: bytes) -> bool:
        """Whether it was taken, or never will be."""
        request = urllib.request.Request(
            f"{self._url}/v1/{signal}", body, {"Content-Type": "application/x-protobuf"}, method="POST"
        )
        try:
            with _open(request, timeout=_TIMEOUT):
                return True
        except urllib.error.HTTPError as error:
            if error.code in _AGAIN:
                return False
            self._lose(f"The collector refuses it ({error.code})")
            self.sent -= 1
            return True
        except (OSError, http.client.HTTPException):
            return False

    def _lose(self, why: str) -> None:
        with self._lock:
            self.lost += 1
            lost = self.lost
        if lost & (lost - 1) == 0:  # the first, the second, the fourth …
            _log.warning("%s: %d requests were not forwarded.", why, lost)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none
        return False
