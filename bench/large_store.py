"""Fill a store with sessions that are all different: what a search has to read."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

from hookkit.capture.record import Record, canonical, new_head, new_step, observation

_RESULT = 3000  # characters of a call's result


def fill(home: Path, *, sessions: int, size: int, needle: str) -> None:
    """``sessions`` traces of about ``size`` bytes under ``home``; the last step of one of them says ``needle``."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(5000)]
    results = [" ".join(chance.choices(words, k=_RESULT // 6)) for _ in range(1000)]
    (home / "traces").mkdir(parents=True)
    for number in range(sessions):
        session = str(uuid.UUID(int=number))
        trace = str(uuid.uuid5(uuid.NAMESPACE_OID, session))
        steps = [_step(index, chance.choice(results), "") for index in range(max(1, size // (_RESULT + 700)))]
        if number == sessions // 2:
            steps.append(_step(len(steps), "", needle))
        head = new_head(trace, session, "claude-code")
        head["timestamp_end"] = f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:00:00Z"
        with (home / "traces" / f"{trace}.json").open("wb") as file:
            file.writelines(Record(head, {"capture": {}}, steps).text())


def _step(index: int, result: str, said: str) -> bytes:
    call = {"tool_call_id": f"call-{index}", "tool_name": "Bash", "input": {"command": "make test"}, "duration_ms": 3}
    step = new_step("agent", f"2026-01-01T00:{index % 60:02d}:00Z") | {"step_index": index, "content": said}
    return canonical(step | {"tool_calls": [call], "observations": [observation(f"call-{index}", result, None)]})
