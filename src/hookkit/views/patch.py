"""The text and the JSON of ``hookkit diff``: a head as ``git show`` has it, then a patch that ``git apply`` takes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookkit.store.plain import plain
from hookkit.trails.calls import Call
from hookkit.trails.patch import FileStat, Patch
from hookkit.trails.refs import Selection
from hookkit.views import origins, text
from hookkit.views.outline import telling

_WIDTH = 100
_COLOURS = ((b"@@", "cyan"), (b"+", "green"), (b"-", "red"))
_HEADS = (b"diff --git ", b"index ", b"--- ", b"+++ ", b"old mode", b"new mode", b"new file", b"deleted file")


def told(call: Call, project: str | None = None) -> str:
    """A call in a few words: ``Edit src/app.py``, ``Bash make test``; paths relative to the project."""
    return f"{plain(call.tool)} {text.one_line(telling(call.given, project), 60)}".rstrip()


def head(selection: Selection, files: Sequence[FileStat], limitations: Sequence[str]) -> Iterator[str]:
    """What the patch is of. No line of it can be taken for a part of the patch."""
    session = selection.session
    name = plain(session.trace_id[:8])
    if selection.part in ("call", "step"):
        name += f":{selection.calls[0].step_index}"
    elif selection.part == "turn" and selection.calls and selection.calls[0].turn:
        name += f":turn_{selection.calls[0].turn.number}"
    yield text.styled(f"{selection.part} {name}", "yellow")
    yield f"Session: {plain(session.session_id)}  {plain(session.agent)}"
    turn = selection.calls[0].turn if selection.calls else None
    for call in selection.calls if selection.part in ("call", "step") else ():
        yield f"Call:    {told(call, session.project)}  {plain(call.call_id)}"
    if selection.part in ("call", "step"):
        when = text.local(selection.calls[-1].closed or selection.calls[-1].opened, "%Y-%m-%d %H:%M:%S")
    else:
        yield f"Calls:   {len(selection.calls)}"
        when = text.local(selection.calls[0].opened, "%Y-%m-%d %H:%M:%S") if selection.calls else ""
    yield f"Date:    {when}"
    if limitations:
        yield f"Limits:  {', '.join(plain(name) for name in limitations)}"
    yield ""
    said = session.title if selection.part == "session" else turn.prompt if turn else ""
    yield f"    {text.one_line(said or '(no prompt)', _WIDTH)}"
    yield ""
    yield summary(files)
    yield ""


def summary(files: Sequence[FileStat]) -> str:
    """``2 files changed, 10 lines added, 3 removed``."""
    if not files:
        return "Nothing changed."
    added, removed = (sum(counts) for counts in zip(*((f.added or 0, f.removed or 0) for f in files), strict=True))
    number = len({file.path for file in files})
    return f"{text.counted(number, 'file')} changed, {text.counted(added, 'line')} added, {removed} removed"


def shown(patch: bytes) -> Iterator[str]:
    """A patch for a terminal: in colour, control characters spelled out."""
    lines = patch.split(b"\n")
    for line in lines[:-1] if lines[-1] == b"" else lines:
        said = origins.code(line)
        style = "bold" if line.startswith(_HEADS) else next((s for start, s in _COLOURS if line.startswith(start)), "")
        yield text.styled(said, style) if style else said


def to_json(selection: Selection, patch: Patch, limitations: Sequence[str]) -> str:
    """schemas/diff.schema.json."""
    session = selection.session
    return json.dumps(
        {
            "kind": selection.part,
            **session_json(selection),
            "calls": [call_json(call) for call in selection.calls],
            "limitations": list(limitations),
            **patch_json(patch),
            "gaps": None,
            "title": session.title,
        }
    )


def session_json(selection: Selection) -> Mapping[str, Any]:
    """Which session."""
    session = selection.session
    return {"trace_id": session.trace_id, "session_id": session.session_id, "agent": session.agent}


def call_json(call: Call) -> Mapping[str, Any]:
    """One call."""
    return {
        "tool_call_id": call.call_id,
        "tool": call.tool,
        "step_index": call.step_index,
        "turn": call.turn.number if call.turn else None,
        "opened": call.opened,
        "closed": call.closed,
        "failed": call.failed,
    }


def patch_json(patch: Patch) -> Mapping[str, Any]:
    """The files and the text; base64 beside it where the text is not all of the bytes."""
    body: dict[str, Any] = {"files": [file_json(file) for file in patch.files]}
    try:
        body["patch"] = patch.text.decode("utf-8")
    except UnicodeDecodeError:
        body["patch"] = patch.text.decode("utf-8", "replace")
        body["patch_base64"] = base64.b64encode(patch.text).decode()
    return body


def file_json(file: FileStat) -> Mapping[str, Any]:
    """One file of a patch."""
    return {
        "status": file.status,
        "path": file.path,
        "old_path": file.old_path,
        "old_mode": file.old_mode,
        "new_mode": file.new_mode,
        "added": file.added,
        "removed": file.removed,
    }
