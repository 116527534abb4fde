"""The id of a trace: the same session of the same agent is always the same trace."""

from __future__ import annotations

import re
import uuid

NAMESPACE = uuid.UUID("6f1c1d7e-5d0c-5b0a-9d52-2f7f0c6a3c11")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def trace_id(agent: str, session_id: str) -> str:
    """The trace id of a session, a UUID as text."""
    return str(uuid.uuid5(NAMESPACE, f"{agent}:{session_id}"))


def is_session_id(text: object) -> bool:
    """Whether ``text`` may become part of a file name."""
    return isinstance(text, str) and _SAFE.fullmatch(text) is not None
