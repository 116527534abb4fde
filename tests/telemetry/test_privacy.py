"""Who the user is does not reach the disk, wherever it is said; what they wrote does."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from hookkit import paths
from hookkit.telemetry import otlp
from hookkit.telemetry.privacy import keeper
from hookkit.telemetry.rows import of_logs

from .receiver import attributes, log, logs


def read(record: dict[str, Any], policy: Any = "hash", **resource: Any) -> dict[str, Any]:
    request = otlp.from_json("logs", json.dumps(logs(record, **resource)).encode())
    (row,) = of_logs(request, keeper(policy), 1)
    return row


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user.id", "s3cret"), ("user.account_uuid", "s3cret"), ("organization.id", "s3cret"), ("host.name", "s3cret"),
        ("installation.id", "s3cret"), ("process.owner", "s3cret"), ("enduser.pseudo.id", "s3cret"),
        ("service.instance.id", "s3cret"), ("user.full_name", "s3cret"), ("user.account_id", 5_318_008_531),
        ("org_id", "s3cret"),
    ],
)  # fmt: skip
def test_ids_of_persons_and_machines_are_hashed_or_dropped(name: str, value: object) -> None:
    hashed = keeper("hash")(name, value)
    assert isinstance(hashed, str)
    assert hashed.startswith("hashed:")
    assert str(value) not in hashed
    assert hashed == keeper("hash")(name, value) != keeper("hash")(name, f"{value}1")
    assert keeper("drop")(name, value) is None
    assert keeper("keep")(name, value) == value


@pytest.mark.parametrize("policy", ["hash", "drop"])
def test_addresses_are_dropped_and_texts_that_speak_of_one_are_not(policy: Any) -> None:
    keep = keeper(policy)
    assert keep("user.email", "ann@example.org") is None
    assert keep("login", "ann@example.org") is None
    assert keep("author", "Ann <ann@mail.example.org>") is None
    text = "write a mail to ann@example.org, please"
    assert keep("user_prompt", text) == keep("prompt", text) == text
    assert keep("tool_name", "Mail@work") == "Mail@work"
    assert keep("session.id", "a-b-c") == "a-b-c"


def test_what_is_inside_of_values_and_bodies_is_looked_at_too() -> None:
    inner = {"key": "enduser", "value": {"kvlistValue": {"values": attributes({"id": "s3cret", "role": "admin"})}}}
    deep = {
        "arrayValue": {"values": [{"kvlistValue": {"values": [inner, *attributes({"user.email": "s3@cret.org"})]}}]}
    }
    record = log("at_mention")
    record["attributes"].append({"key": "context", "value": deep})
    record["body"] = {"kvlistValue": {"values": attributes({"user.account_id": "s3cret", "text": "kept"})}}
    row = read(record, **{"process.owner": "s3cret"})
    assert "s3" not in json.dumps(row)
    found = json.loads(row["attributes"])
    assert found["context"][0]["enduser"]["role"] == "admin"
    assert found["body"]["text"] == "kept"
    assert json.loads(row["resource"])["process.owner"].startswith("hashed:")
    assert "s3cret" in json.dumps(read(record, "keep"))


def test_the_key_is_this_users_alone_and_stays() -> None:
    first = keeper("hash")("user.id", "x")
    key = paths.state() / "telemetry.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert keeper("hash")("user.id", "x") == first
    key.unlink()
    assert keeper("hash")("user.id", "x") != first
