"""The pages about one session: its timeline, a call, what was changed, who wrote a file's lines, numbers, exports."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from hookkit.dashboard import api, blamed, changes, filters, nested, numbers, surviving
from hookkit.dashboard.catalogue import Session
from hookkit.dashboard.entries import Entry
from hookkit.dashboard.opened import Opened
from hookkit.dashboard.site import NotFoundError, Site
from hookkit.dashboard.templating import page
from hookkit.errors import HookkitError
from hookkit.exporters import prose, source
from hookkit.exporters.formats import BINARY, ENDS, FORMATS, WITH_DIFFS, pieces
from hookkit.views import patch as patch_view

_TYPES = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv", "md": "text/markdown"}
_LAST = (1 << 63) - 1


def routes(site: Site) -> list[Route]:
    """What is below /sessions/."""
    return [
        Route("/sessions/{id}", partial(_timeline, site)),
        Route("/sessions/{id}/calls/{call:path}", partial(_call, site)),
        Route("/sessions/{id}/changes", partial(_changes, site)),
        Route("/sessions/{id}/blame", partial(_blame, site)),
        Route("/sessions/{id}/numbers", partial(_numbers, site)),
        Route("/sessions/{id}/export/{form}", partial(_export, site)),
    ]


def _timeline(site: Site, request: Request) -> Response:
    session = site.session(request)
    if request.path_params["id"] != session["id"]:
        return RedirectResponse(f"/sessions/{session['id']}", 302)
    opened = site.open(session)
    asked = filters.whole("row", request.query_params.get("row") or "0", 0, _LAST)
    first = opened.page_of(asked)
    at = opened.pages.index(first)
    last = opened.pages[at + 1] if at + 1 < len(opened.pages) else len(opened.entries)
    parts = list(nested.parts(opened, first, last))
    return page(
        "session.html",
        **_about(session, "timeline"),
        opened=opened,
        parts=parts,
        prompts=[(turn, opened.page_of(turn.first)) for turn in opened.turns if turn.number],
        previous=opened.pages[at - 1] if at else None,
        next=last if last < len(opened.entries) else None,
        failed=[entry for entry in opened.entries if entry.failed],
        page_of=opened.page_of,
    )


def _about(session: Session, tab: str) -> dict[str, Any]:
    return {"here": "sessions", "session": session, "tab": tab, "formats": [*FORMATS]}


def _call(site: Site, request: Request) -> Response:
    session = site.session(request)
    opened = site.open(session)
    entry = opened.call(request.path_params["call"])
    if entry is None:
        raise NotFoundError("UNKNOWN_CALL", "The session has no such call.", "Its timeline lists those it has.")
    row = _row(opened, entry)
    changed, why = None, ""
    if entry.trees is None or entry.changed:
        changed, why = _changed_by(session, opened, entry)
    name = "call_fragment.html" if "fragment" in request.query_params else "call.html"
    return page(
        name,
        **_about(session, "timeline"),
        entry=entry,
        turn=next((turn for turn in opened.turns if turn.number == entry.turn), None),
        row=row,
        given=list(prose.given(row)) if row else [],
        result=prose.safe(row.text) if row else "",
        money=numbers.money_of_call(opened, entry),
        model=_model(opened, entry),
        changed=changed,
        files=changes.files(changed.patch) if changed else [],
        why=why,
        at=opened.page_of(entry.number),
    )


def _row(opened: Opened, entry: Entry) -> source.Row | None:
    """A call with what it was given and gave back, as the trace has it."""
    step = opened.step(entry)
    if entry.item is None or not step:
        return None
    call: Any = next((each for each in step.get("tool_calls") or () if each["tool_call_id"] == entry.call_id), {})
    results = (each for each in step.get("observations") or () if each["source_call_id"] == entry.call_id)
    return source.Row(entry.item, call, next(results, {}))


def _changed_by(session: Session, opened: Opened, entry: Entry) -> tuple[changes.Changed | None, str]:
    try:
        return changes.of_calls(session, opened, {entry.call_id}), ""
    except HookkitError as error:
        return None, error.message


def _model(opened: Opened, entry: Entry) -> str:
    for each in opened.entries[entry.number + 1 :]:
        if each.place == entry.place and each.kind == "tokens":
            return each.model
        if each.turn != entry.turn:
            break
    return next((e.model for e in reversed(opened.entries[: entry.number]) if e.kind == "request"), "")


def _changes(site: Site, request: Request) -> Response:
    session = site.session(request)
    opened = site.open(session)
    asked = request.query_params
    name = next((name for name in ("call", "turn", "gap") if asked.get(name)), "")
    value = asked.get(name, "")
    changed = api.changed_of(site, request)
    if asked.get("format") == "patch":
        return Response(changed.patch.text, media_type="text/plain; charset=utf-8")
    files = changes.files(changed.patch)
    turn = next((turn for turn in opened.turns if name == "turn" and str(turn.number) == value), None)
    return page(
        "changes.html",
        **_about(session, "changes"),
        part=name,
        value=value,
        turn=turn,
        turns=[turn for turn in opened.turns if turn.number],
        changed=changed,
        files=files,
        cut=changes.is_cut(files),
        summary=patch_view.summary(changed.patch.files),
        patch_link=f"?{request.query_params}{'&' if asked else ''}format=patch",
    )


def _blame(site: Site, request: Request) -> Response:
    session = site.session(request)
    path = request.query_params.get("path", "").strip()
    if path:
        return page("blame.html", **_about(session, "changes"), told=blamed.file(site, session, path), path=path)
    opened = site.open(session)
    files = changes.of_calls(session, opened, set(changes.call_ids(opened))).patch.files
    names = sorted({file.path for file in files if file.status != "D"})
    return page("files.html", **_about(session, "changes"), names=names)


def _numbers(site: Site, request: Request) -> Response:
    session = site.session(request)
    opened = site.open(session)
    lines = surviving.of_session(session) if session["has_trace"] and "lines" in request.query_params else None
    return page(
        "numbers.html",
        **_about(session, "numbers"),
        tools=numbers.session_tools(opened.entries),
        models=numbers.session_costs(opened, "model"),
        subagents=numbers.session_costs(opened, "subagent"),
        lines=lines,
    )


def _export(site: Site, request: Request) -> Response:
    """A session as a file, without its secrets."""
    session, form = site.session(request), request.path_params["form"]
    if form not in FORMATS:
        raise NotFoundError("UNKNOWN_FORMAT", f"There is no format {form[:40]!r}.", f"Formats: {', '.join(FORMATS)}.")
    file = site.file(session)
    if file is None:
        raise NotFoundError(
            "NO_TRACE",
            "Only telemetry tells of this session.",
            "A session that hooks or a transcript tell of can be exported.",
        )
    try:
        record = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"The trace cannot be read: {error}.", "`hookkit ingest --all`"
        ) from error
    diffs = _diffs(session) if form in WITH_DIFFS else None
    made = pieces(form, source.Source(record, redacted=True, diffs=diffs))
    first = next(made, b"")  # what cannot be exported says so before the answer has begun

    def body() -> Any:
        yield first
        yield from made

    name = f"{session['id']}.{ENDS.get(form, form)}"
    kind = _TYPES.get(form, "application/octet-stream" if form in (*BINARY, "html") else "application/json")
    return StreamingResponse(body(), media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _diffs(session: Session) -> source.Diffs:
    try:
        return source.diffs_in(changes.worktree_of(session), session["id"])
    except HookkitError as error:
        return source.Diffs(error.message)
