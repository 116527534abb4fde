"""What is stored today can be read tomorrow: the record of each agent's recorded session is kept, and compared.

``python -m tests.every.test_stability`` writes them anew, where a change of them is meant.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import opentraces_schema
import pytest
from opentraces_schema import TraceRecord
from pydantic import BaseModel

from hookkit import agents
from hookkit.capture import prices
from hookkit.capture.fold.ledger import Use
from hookkit.capture.registry import get_parser
from hookkit.installer import rehearsal, rehearsal_database
from hookkit.installer.rehearsal import Rehearsal

KEPT = Path(__file__).parent / "records"
_REQUIRED = KEPT / "required.json"


def _price(model: str, use: Use, _when: object) -> int | None:
    """That of a list that never changes."""
    return 1000 * (use.input + 5 * use.output) if "claude" in model else None


def told(name: str, scratch: Path) -> str:
    """The record of an agent's recorded session, with the times that were recorded, as text."""
    priced = mock.patch.object(prices, "load", return_value=prices.Prices("prices 1", _price))
    moments = mock.patch.object(rehearsal_database, "_moment", lambda number: 1_760_000_000_000 + number)
    with moments, mock.patch.object(rehearsal, "_now", lambda line: line):
        played = Rehearsal(agents.get(name), scratch)
        assert [*played.play({}, {})] == []
    for path in played.transcript.parent.rglob("*.jsonl"):  # texts may be cut, so the folder's length would tell
        path.write_bytes(path.read_bytes().replace(str(scratch).encode(), b"/home/dev"))
    with priced:
        record = get_parser(name).parse_session(played.transcript)
    assert record is not None
    text = record.model_dump_json(indent=1).replace(json.dumps(str(scratch))[1:-1], "/home/dev") + "\n"
    return re.sub(r'("content_hash": )"\w{64}"', r'\1""', text)  # it is over the paths, too


def required() -> Iterator[tuple[str, list[str]]]:
    """Model of the schema's package -> the fields that nobody may leave out."""
    for name, model in sorted(vars(opentraces_schema).items()):
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield name, sorted(field for field, info in model.model_fields.items() if info.is_required())


def test_the_record_of_the_recorded_session_is_what_was_kept(agent: str, tmp_path: Path) -> None:
    assert told(agent, tmp_path.resolve()) == (KEPT / f"{agent}.json").read_text(encoding="utf-8")


def test_a_kept_record_goes_round_without_a_change(agent: str) -> None:
    text = (KEPT / f"{agent}.json").read_text(encoding="utf-8")
    assert TraceRecord.model_validate_json(text).model_dump_json(indent=1) + "\n" == text


def test_no_field_became_required() -> None:
    kept = json.loads(_REQUIRED.read_text(encoding="utf-8"))
    for name, fields in required():
        assert set(fields) <= set(kept.get(name, fields)), name


def test_a_record_without_a_required_field_is_refused(agent: str) -> None:
    value = json.loads((KEPT / f"{agent}.json").read_text(encoding="utf-8"))
    del value["trace_id"]
    with pytest.raises(ValueError, match="trace_id"):
        TraceRecord.model_validate(value)


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for agent_name in agents.AGENTS:
        with tempfile.TemporaryDirectory() as folder:
            (KEPT / f"{agent_name}.json").write_text(told(agent_name, Path(folder).resolve()), encoding="utf-8")
    _REQUIRED.write_text(json.dumps(dict(required()), indent=1) + "\n", encoding="utf-8")
