"""Programs on Google's Agent Development Kit: ``hookkit.adk.AgentTracePlugin`` logs what they do. See docs/adk.md."""

from __future__ import annotations

from hookkit.agents.contract import SessionSource
from hookkit.runlog.settings import trace_dir

SOURCE = SessionSource(
    name="google-adk",
    title="Google ADK",
    transcripts=trace_dir,
    parser="hookkit.capture.adk.parser:AdkParser",
)
