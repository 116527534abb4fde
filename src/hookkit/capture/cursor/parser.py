"""The parser of Cursor's sessions. Documented, not run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.calls import Keyed, call_key
from hookkit.capture.cursor.fold import CursorFold, named_model
from hookkit.capture.cursor.identity import identity
from hookkit.capture.cursor.workspace import project_folder, slug, workspace_of
from hookkit.capture.fold.assemble import AgentMeta, assemble
from hookkit.capture.fold.fold import Fold
from hookkit.capture.fold.ledger import Ledger
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import is_session_id
from hookkit.capture.record import canonical
from hookkit.capture.session import Source
from hookkit.capture.transcripts import TranscriptParser, sessions_in
from hookkit.capture.values import count

_FOLDER = "agent-transcripts"
_SUBAGENTS = "subagents"
_TAIL = 4096  # bytes


class CursorParser(TranscriptParser):
    """Reads what is in ``~/.cursor/projects/<workspace>/agent-transcripts/``.

    ``<session>.jsonl`` as the command line writes it, or ``<session>/<session>.jsonl`` as the editor does, with
    ``subagents/<conversation>.jsonl`` beside it.
    """

    agent_name = "cursor"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every transcript below the folder; of one that is kept in both ways, the editor's."""
        for folder in sorted(projects_path.glob(f"*/{_FOLDER}")):
            yield from _in(folder)

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions of the workspace ``project_dir`` or one below; and those that hooks reported there."""
        roots = {project_dir.absolute(), project_dir.resolve()}
        names = {slug(root) for root in roots}
        heard = {path.stem for root in roots for path in root.glob(f".opentraces/{self.agent_name}/hooks/*.jsonl")}
        below: dict[Path, bool] = {}
        for path in self.discover_sessions(self.storage()):
            project = project_folder(path)
            if project is not None and project not in below:
                cwd = workspace_of(path)
                inside = cwd is not None and any(Path(cwd).is_relative_to(root) for root in roots)
                below[project] = inside or (cwd is None and project.name in names)
            if self.session_id_from_path(path) in heard or (project is not None and below[project]):
                yield path

    def candidates(self, session_id: str) -> Iterator[Path]:
        """The editor's file before the command line's; last a subagent's, which ``first`` leads to its session."""
        if is_session_id(session_id):
            for folder in (f"{session_id}/", "", f"*/{_SUBAGENTS}/"):
                yield from sorted(self.storage().glob(f"*/{_FOLDER}/{folder}{session_id}.jsonl"))

    def first(self, session_path: Path) -> Path:
        if session_path.parent.name != _SUBAGENTS:
            return session_path
        folder = session_path.parent.parent
        nested, flat = folder / f"{folder.name}.jsonl", folder.with_name(f"{folder.name}.jsonl")
        return flat if flat.is_file() and not nested.is_file() else nested

    def beside(self, session_path: Path) -> list[Path]:
        return [source.path for source in self.subagent_sources(session_path, None)]

    def is_final(self, session_path: Path) -> bool:
        """Whether the last line says that the turn ended."""
        try:
            with session_path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        except OSError:
            return True
        return b'"turn_ended"' in last

    def new_fold(self, session_id: str) -> CursorFold:
        return CursorFold(session_id)

    def subagent_sources(self, session_path: Path, fold: Any) -> Iterator[Source]:
        """The transcripts of subagents. A session's own does not say where it was; the place where it is kept does."""
        if fold is not None and not fold.cwds:
            fold.folder(workspace_of(session_path))
        folder = session_path.parent if session_path.parent.name == session_path.stem else session_path.with_suffix("")
        for path in sessions_in(folder / _SUBAGENTS, "*.jsonl"):
            yield Source(path.stem, path)

    def subagent_sessions(self, fold: CursorFold) -> set[str]:
        """Cursor's hooks know a subagent by the id of its own conversation, and not whose it is."""
        return {stream.file for stream in fold.streams if stream.file}

    def assemble(self, session_path: Path, fold: CursorFold) -> Assembly:
        """A subagent belongs to the first call that asked for the very same, and that has none yet."""
        del session_path
        open_tasks, metas = dict(fold.tasks), {}
        for stream in sorted((s for s in fold.streams if s.file), key=lambda s: s.rank):
            asked = (stream.first_prompt or "").strip()
            call_id = next((call_id for call_id, task in open_tasks.items() if task[0] == asked), None)
            if call_id is not None:
                metas[stream.agent] = AgentMeta(open_tasks.pop(call_id)[1], call_id)
        return assemble(fold, metas)

    def keyed_calls(self, fold: Fold) -> list[Keyed]:
        assert isinstance(fold, CursorFold)
        found = []
        for call_id, call in fold.calls.items():
            tool_call = next(c for c in fold.cells.open(call.cell)["tool_calls"] if c["tool_call_id"] == call_id)
            agent = fold.streams[call.stream].file
            key = call_key(*identity(tool_call["tool_name"], tool_call["input"]))
            found.append(Keyed(call_id, f"{agent} {key}" if agent else key, fold.turn_over(call_id), agent))
        return found

    def complete(self, assembly: Assembly, hooks: HookIndex) -> Assembly:
        """What only the hooks tell: models and tokens of the turns, and how calls ended."""
        events = [json.loads(row.text) for _, row in hooks.events()]
        models = [found for found in (named_model(event.get("model")) for event in events) if found]
        used: dict[str, list[int]] = {}
        by: dict[str, str] = {}
        for number, event in enumerate(events):
            usage = event.get("usage")
            if isinstance(usage, dict):
                read, written = count(usage.get("cache_read_tokens")), count(usage.get("cache_write_tokens"))
                given = max(0, count(usage.get("input_tokens")) - read - written)
                counts = [given, count(usage.get("output_tokens")), read, written]
                turn = str(event.get("turn_id") or number)
                used[turn] = [max(pair) for pair in zip(used.get(turn, counts), counts, strict=True)]
                by[turn] = named_model(event.get("model")) or by.get(turn, "")
        given, made, read, written = (sum(counts) for counts in zip(*used.values(), strict=True)) if used else (0,) * 4
        ledger, requests = Ledger(), 1 + assembly.tool_calls // max(1, len(used))  # of a turn, about
        for turn, counts in used.items():
            ledger.add(by[turn], (requests * any(counts), *counts))
        steps = assembly.steps if assembly.source != "transcript" else [_ended(step, hooks) for step in assembly.steps]
        failed = sum(b'"PostToolUseFailure"' in row.text for row in hooks.post.values())
        unsure = assembly.source == "transcript" and _may_have_failed(steps, hooks)
        return replace(
            assembly,
            steps=steps,
            last_failed=assembly.last_failed or unsure,
            model=assembly.model or (models[-1] if models else None),
            models=list(dict.fromkeys([*assembly.models, *models])),
            usage=(given, made, read, written),
            ledger=ledger,
            failed_tool_calls=max(assembly.failed_tool_calls, failed),
        )


def _in(folder: Path) -> Iterator[Path]:
    nested = {path.stem: path for path in folder.glob("*/*.jsonl") if path.stem == path.parent.name and path.is_file()}
    flat = {path.stem: path for path in sessions_in(folder, "*.jsonl")}
    for name, path in sorted((flat | nested).items()):
        if is_session_id(name):
            yield path


def _may_have_failed(steps: list[bytes], hooks: HookIndex) -> bool:
    """Whether nobody says that the last call of the last turn went well."""
    for text in reversed(steps):
        step = json.loads(text)
        if step["call_type"] != "main":
            continue
        if step["role"] == "user":
            return False
        if step["tool_calls"]:
            post = hooks.post.get(step["tool_calls"][-1]["tool_call_id"])
            return post is None or b'"event": "PostToolUse"' not in post.text
    return False


def _ended(step: bytes, hooks: HookIndex) -> bytes:
    """The step with the results that the transcript does not have, as far as a hook heard of them."""
    if b'"no_result"' not in step:
        return step
    found = json.loads(step)
    for told in found["observations"]:
        post = hooks.post.get(told["source_call_id"])
        if told["error"] == "no_result" and post is not None:
            entry = json.loads(post.text)
            error = entry.get("error")
            failed = entry.get("event") == "PostToolUseFailure"
            told["error"] = (error if isinstance(error, str) and error else "error") if failed else None
    for call in found["tool_calls"]:
        call["duration_ms"] = hooks.durations.get(call["tool_call_id"], call["duration_ms"])
    return canonical(found)
