"""Takes requests in: turns them into rows, has them written, and tells who sent them how it went.

The event loop only hands bytes over. One thread decodes and writes; while it waits for the disk, requests gather, and
are written together.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from hookkit import config
from hookkit.telemetry import arrived, otlp, segments
from hookkit.telemetry.columns import Row
from hookkit.telemetry.journal import Journal
from hookkit.telemetry.otlp import Signal
from hookkit.telemetry.privacy import keeper
from hookkit.telemetry.rows import OF_SIGNAL

MOST_WAITING = 64 << 20  # bytes of requests that wait to be written
_TOGETHER = 8 << 20  # bytes that are decoded before what they hold is written
MOST_OF_A_RECORD = 4 << 20  # characters that are written for one; what says more is rejected
MOST_OF_A_REQUEST = 128 << 20  # for all: each record is written with its resource, so a short request can say much
_REMEMBERED = 4096  # requests, to know one that is sent again
_ROLL_EVERY = 60.0  # seconds
_log = logging.getLogger("hookkit.telemetry")


class BusyError(Exception):
    """More waits than can be kept in memory: the sender is to try again. seconds: when."""

    seconds = 1


class NotKeptError(Exception):
    """The disk did not take it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """kept: records that are on disk now. rejected: those that are not, and message says why; "" if all are."""

    kept: int
    rejected: int = 0
    message: str = ""


@dataclass(slots=True)
class _Waiting:
    signal: Signal
    body: bytes
    is_json: bool
    answer: asyncio.Future[Accepted]


class Intake:
    """What all receivers share. Make it inside of the event loop; ``close`` ends it, once all is written.

    listeners: called in the event loop with the position of the last row, after rows were written. forward: called
    with (signal, body in protobuf) of what was kept, in the thread that writes; must return at once.
    """

    def __init__(
        self, place: segments.Store | None = None, forward: Callable[[Signal, bytes], None] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._place = place or segments.store()
        self._forward = forward
        self.listeners: list[Callable[[int], None]] = []
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._bytes = 0
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, Accepted] = OrderedDict()
        self._keep = keeper(config.get("telemetry.identities"))
        self._arrivals = arrived.Arrivals()
        segments.clean(self._place)
        self._journal = Journal(self._place)
        self._closing = threading.Event()
        self._rolling = threading.Lock()
        self._due = threading.Event()  # there is a segment to close
        self._threads = [
            threading.Thread(target=self._write, name="telemetry", daemon=True),
            threading.Thread(target=self._roll, name="telemetry-segments", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    async def accept(self, signal: Signal, body: bytes, *, is_json: bool = False) -> Accepted:
        """Wait until what a request holds is on disk.

        BusyError if too much waits already; ``otlp.MalformedError`` if it is no request; NotKeptError if the disk does
        not take it.
        """
        with self._lock:
            if self._closing.is_set() or (self._bytes and self._bytes + len(body) > MOST_WAITING):
                raise BusyError
            self._bytes += len(body)
        answer: asyncio.Future[Accepted] = self._loop.create_future()
        self._waiting.put(_Waiting(signal, body, is_json, answer))
        return await answer

    async def close(self) -> None:
        """Write what waits, and end. What comes meanwhile is refused as BusyError."""
        self._closing.set()
        self._due.set()
        self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    # In the thread that writes

    def _write(self) -> None:
        ended = False
        while not ended:
            batch: deque[_Waiting] = deque()
            size = 0
            next_one = self._waiting.get()
            while True:
                if next_one is None:
                    ended = True
                    break
                batch.append(next_one)
                size += len(next_one.body)
                try:
                    if size >= _TOGETHER:
                        break
                    next_one = self._waiting.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._take(batch)
        self._journal.close()
        self._arrivals.save()

    def _take(self, batch: deque[_Waiting]) -> None:
        rows: list[Row] = []
        answers: list[tuple[_Waiting, Accepted | Exception]] = []
        kept: list[tuple[bytes, Accepted, Signal, bytes]] = []
        now = time.time_ns() // 1000
        for each in batch:
            digest = hashlib.blake2b(each.body, digest_size=16, person=each.signal.encode()).digest()
            known = self._seen.get(digest) or next((one for name, one, _, _ in kept if name == digest), None)
            if known is not None:  # sent again, since the answer to it was lost
                answers.append((each, known))
                continue
            try:
                found, accepted, message = self._decoded(each, now)
            except Exception as error:
                if not isinstance(error, otlp.MalformedError):
                    _log.exception("A request could not be read")
                    error = otlp.MalformedError(f"It could not be read: {error!r}")
                answers.append((each, error))
                continue
            rows += found
            answers.append((each, accepted))
            kept.append((digest, accepted, each.signal, message))
        position = 0
        if rows:
            segment = self._journal.number
            try:
                position = self._journal.append(rows)
            except Exception as error:  # whatever it is: who waits is told, and the thread goes on
                _log.error("Telemetry could not be written: %r", error)
                answers = [
                    (each, NotKeptError(str(error)) if isinstance(answer, Accepted) else answer)
                    for each, answer in answers
                ]
                kept = []
        for digest, accepted, signal, message in kept:
            self._seen[digest] = accepted
            if self._forward is not None:
                self._forward(signal, message)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        with self._lock:
            self._bytes -= sum(len(each.body) for each in batch)
        if position:
            self._arrivals.add(rows)
            if self._journal.number != segment:  # readers have what is no Parquet yet in memory
                self._due.set()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, answers, position)

    def _decoded(self, each: _Waiting, now: int) -> tuple[list[Row], Accepted, bytes]:
        request = (otlp.from_json if each.is_json else otlp.from_protobuf)(each.signal, each.body)
        rows, rejected, written = [], 0, 0
        for row in OF_SIGNAL[each.signal](request, self._keep, now):
            size = len(row["attributes"]) + len(row["resource"])
            if size > MOST_OF_A_RECORD or written + size > MOST_OF_A_REQUEST:
                rejected += 1
                continue
            written += size
            rows.append(row)
        message = f"{rejected} records are too large, with their resource." if rejected else ""
        forwarded = b"" if self._forward is None else request.SerializeToString() if each.is_json else each.body
        return rows, Accepted(len(rows), rejected, message), forwarded

    # In the event loop

    def _tell(self, answers: list[tuple[_Waiting, Accepted | Exception]], position: int) -> None:
        for each, answer in answers:
            if each.answer.done():
                continue
            if isinstance(answer, Exception):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)
        if position:
            for listener in self.listeners:
                listener(position)

    # In a thread of its own

    def _roll(self) -> None:
        """Turn what was written into Parquet, and delete what is too old."""
        while True:
            try:
                self.roll()
            except Exception:  # the next time
                _log.exception("Segments could not be closed")
            self._due.wait(_ROLL_EVERY)
            self._due.clear()
            if self._closing.is_set():
                return

    def roll(self) -> None:
        """Close the segments that are done, and retain what settings say."""
        import duckdb

        with self._rolling:
            finished = self._journal.finished()
            if finished:
                with duckdb.connect(config={**segments.settings(self._place, "512MB"), "threads": 1}) as connection:
                    for number in finished:
                        try:
                            segments.close_segment(connection, self._place, number)
                        except Exception:  # it stays as it is, is read all the same, and the others are closed
                            _log.exception("Segment %d could not be closed", number)
            segments.retain(self._place, config.get("telemetry.days"), config.get("telemetry.bytes"))
