"""The quality gate of the capture contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentraces_schema import TraceRecord


def meets_quality_threshold(record: TraceRecord) -> bool:
    """Whether a record is worth exporting: at least two steps and one tool call that are not copies.

    ``parse_session`` gives None below it. Ingest keeps such a session all the same and writes the verdict to
    ``metadata["capture"]["meets_quality_threshold"]``: people expect to find every session they had in the list.
    """
    copied = set(record.metadata.get("copied_steps") or ())
    own = [step for step in record.steps if step.step_index not in copied]
    return enough(len(own), sum(len(step.tool_calls) for step in own))


def enough(steps: int, tool_calls: int) -> bool:
    """The same verdict from the two counts."""
    return steps >= 2 and tool_calls >= 1
