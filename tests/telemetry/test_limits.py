"""What is too much, or odd, costs itself alone: the rest of a request, and all that comes after it, is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from hookkit.telemetry import intake, otlp
from hookkit.telemetry.http import MOST_HELD
from hookkit.telemetry.segments import store
from tests.waiting import wait_for

from .receiver import Receiver, log, logs, post, receiving

_EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def names(receiver: Receiver) -> list[str]:
    return [row["name"].partition(".")[2] for row in receiver.rows()]


def protobuf(*records: dict[str, Any], **resource: Any) -> bytes:
    return bytes(otlp.from_json("logs", json.dumps(logs(*records, **resource)).encode()).SerializeToString())


def export(receiver: Receiver, body: bytes, compression: grpc.Compression = grpc.Compression.NoCompression) -> bytes:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(receiver.grpc, options=options) as channel:
        answer: bytes = channel.unary_unary(_EXPORT)(body, timeout=30, compression=compression)
        return answer


def large(name: str) -> dict[str, Any]:
    """A record that says more than is written of one, each of its attributes within the limit."""
    return log(name, **{f"a{number}": "x" * 60_000 for number in range(80)})


def test_a_record_that_is_too_large_is_rejected_and_the_others_are_kept(receiver: Receiver) -> None:
    records = (log("first"), large("second"), log("third"))
    status, said = post(receiver, json.dumps(logs(*records)).encode())
    assert status == 200
    partial = json.loads(said)["partialSuccess"]
    assert partial == {"rejectedLogRecords": "1", "errorMessage": "1 records are too large, with their resource."}
    answer = type(otlp.response("logs", 0, "")).FromString(export(receiver, protobuf(*records, log("fourth"))))
    assert answer.partial_success.rejected_log_records == 1
    assert names(receiver) == ["first", "third", "first", "third", "fourth"]


def test_a_large_resource_is_not_written_with_any_number_of_records(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_OF_A_REQUEST", 500_000)
    status, said = post(receiver, json.dumps(logs(*[log("same")] * 100, large_one="x" * 50_000)).encode())
    assert (status, json.loads(said)["partialSuccess"]["rejectedLogRecords"]) == (200, "91")
    assert names(receiver) == ["same"] * 9


def test_over_grpc_whoever_sends_too_much_is_told_to_come_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(receiver.intake, "_bytes", 1 << 30)
        with pytest.raises(grpc.RpcError) as refused:
            export(receiver, protobuf(log("early")))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    export(receiver, protobuf(log("late")))
    assert names(receiver) == ["late"]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT), (bytes(MOST_HELD + 1), grpc.StatusCode.RESOURCE_EXHAUSTED)],
    ids=["malformed", "too large"],
)
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["plain", "gzip"])
def test_over_grpc_what_is_no_request_or_unpacks_to_too_much_is_refused(
    receiver: Receiver, body: bytes, code: grpc.StatusCode, compression: grpc.Compression
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        export(receiver, body, compression)
    assert refused.value.code() is code
    assert receiver.rows() == []


def test_half_a_character_costs_no_request(receiver: Receiver) -> None:
    cut = json.dumps(logs(log("as_json", text="cut \ud83d"), log("beside_json", text="\U0001f600"))).encode()
    assert post(receiver, cut)[0] == 200
    body = protobuf(log("as_protobuf", text="cut ???"), log("beside_protobuf")).replace(b"???", b"\xed\xa0\xbd")
    assert post(receiver, body, "application/x-protobuf")[0] == 200
    assert names(receiver) == ["as_json", "beside_json", "as_protobuf", "beside_protobuf"]
    texts = [json.loads(row["attributes"]).get("text") for row in receiver.rows()]
    assert texts == ["cut \ufffd", "\U0001f600", "cut \ufffd", None]


def test_an_error_that_nobody_thought_of_is_told_and_the_next_request_is_kept(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_rows: object) -> int:
        raise ValueError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(receiver.intake._journal, "append", odd)
        assert post(receiver, json.dumps(logs(log("early"))).encode())[0] == 503
    assert post(receiver, json.dumps(logs(log("late"))).encode())[0] == 200
    assert names(receiver) == ["late"]


@pytest.mark.long
def test_a_segment_that_cannot_be_closed_is_read_and_keeps_no_other_from_being_closed(receiver: Receiver) -> None:
    place, journal = store(), receiver.intake._journal
    with receiver.intake._rolling:  # until all is prepared
        for name in ("first", "second", "third"):
            assert post(receiver, json.dumps(logs(log(name))).encode())[0] == 200
            journal.close()
        (first, second, third) = place.open_segments().values()
        whole = second.read_bytes()
        second.write_bytes(b'{"position": "' + b"x" * (140 << 20) + b'"}\n' + whole)  # more than DuckDB reads of one
    receiver.intake.roll()
    assert [*place.open_segments().values()] == [second]
    assert not first.exists()
    assert not third.exists()
    assert names(receiver) == ["first", "second", "third"]


def test_a_segment_is_closed_as_soon_as_the_next_one_begins(receiver: Receiver) -> None:
    assert post(receiver, json.dumps(logs(log("first"))).encode())[0] == 200
    receiver.intake._journal.close()
    assert post(receiver, json.dumps(logs(log("second"))).encode())[0] == 200
    wait_for(store().closed_segments)
    assert names(receiver) == ["first", "second"]
