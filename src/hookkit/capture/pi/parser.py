"""The parser of Pi's sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.assemble import assemble
from hookkit.capture.pi.fold import PiFold
from hookkit.capture.transcripts import TranscriptParser, sessions_in

_NAME = re.compile(r".+_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_HEAD = 64 << 10  # bytes: a session's first line is short


class PiParser(TranscriptParser):
    """Reads ``~/.pi/agent/sessions/--<encoded cwd>--/<time>_<session id>.jsonl``."""

    agent_name = "pi"

    def discover_sessions(self, projects_path: Path) -> Iterator[Path]:
        """Every session file in a folder and one level below: a folder that the user chose has no levels."""
        for pattern in ("*.jsonl", "*/*.jsonl"):
            yield from sessions_in(projects_path, pattern)

    def discover_project_sessions(self, project_dir: Path) -> Iterator[Path]:
        """The sessions that were started in ``project_dir`` or below."""
        roots = {project_dir.absolute(), project_dir.resolve()}
        names = tuple(encoded(root).removesuffix("--") for root in roots)
        storage = self.storage()
        for path in self.discover_sessions(storage):
            if path.parent != storage and not path.parent.name.startswith(names):
                continue
            cwd = header(path).get("cwd")
            if isinstance(cwd, str) and any(Path(cwd).is_relative_to(root) for root in roots):
                yield path

    def session_id_from_path(self, session_path: Path) -> str:
        """Pi's own id of the session, for ``pi --session``. A file that the user named tells it in its first line."""
        found = _NAME.fullmatch(session_path.stem)
        if found:
            return found[1]
        own = header(session_path).get("id")
        return own if isinstance(own, str) and own else session_path.stem

    def candidates(self, session_id: str) -> Iterator[Path]:
        """Named by their session; then those that the user named."""
        yield from self.storage().glob(f"*/*_{session_id}.jsonl")
        yield from self.storage().glob(f"*_{session_id}.jsonl")
        yield from (path for path in self.discover_sessions(self.storage()) if not _NAME.fullmatch(path.stem))

    def new_fold(self, session_id: str) -> PiFold:
        return PiFold(session_id)

    def assemble(self, session_path: Path, fold: PiFold) -> Assembly:
        """All that was done, in order, and which steps are not on the active branch."""
        del session_path
        found = assemble(fold, {})
        aside = fold.aside()
        if aside:
            found.metadata["steps_of_other_branches"] = aside
        source = _NAME.fullmatch(Path(fold.facts.get("parent_session", "")).stem)
        if source:
            found.metadata["forked_from"] = source[1]
        return found


def header(path: Path) -> dict[str, Any]:
    """The first line of a session file; {} where there is none."""
    try:
        with path.open("rb") as file:
            entry = json.loads(file.readline(_HEAD))
    except (OSError, ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) and entry.get("type") == "session" else {}


def encoded(folder: Path) -> str:
    """The name Pi gives the folder of a project's sessions."""
    return "--" + re.sub(r"[/:\\]", "-", str(folder).removeprefix("/")) + "--"
