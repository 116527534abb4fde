"""Repositories, and facts as the trail would tell them."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from hookkit.exporters.recorded import Told, Written
from hookkit.git.worktree import Worktree, find
from hookkit.trails.lines.model import CallFacts

TRACE = "5e0c51f4-0000-4000-8000-000000000000"
SESSION = "11111111-2222-4333-8444-555555555555"


def git(root: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return os.fsdecode(done.stdout)


def repository(root: Path, commits: int = 1, *options: str) -> tuple[Worktree, list[str]]:
    """A worktree with commits that add a line each, and their ids."""
    root.mkdir(exist_ok=True)
    git(root, "init", "-q", "-b", "main", *options)
    ids = [commit(root, "a.txt", b"".join(b"line %d\n" % line for line in range(n + 1))) for n in range(commits)]
    worktree = find(root)
    assert worktree
    return worktree, ids


def commit(root: Path, name: str, content: bytes) -> str:
    path = os.path.join(os.fsencode(root), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "c")
    return git(root, "rev-parse", "HEAD").strip()


def facts(
    session: str = SESSION, *, trace: str = TRACE, model: str | None = "claude-opus-4-8", agent: str = "claude-code"
) -> CallFacts:
    return CallFacts(trace, session, agent, model, "Edit", 3, 1, "Do it.")


def written(
    lines: tuple[int, int], call: str = "toolu_1", *, path: str = "a.txt", blob: str = "", firm: bool = True, **of: Any
) -> Written:
    return Written(path, lines, blob, call, firm, facts(**of))


def told(commit: str, *parts: Written) -> Told:
    return Told(commit, parts, {})


def note(worktree: Worktree, commit: str) -> str:
    return git(worktree.root, "notes", "--ref=refs/notes/ai", "show", commit)


def check(schema: str, value: object) -> None:
    """Against schemas/<schema>.schema.json, formats included."""
    found = json.loads(resources.files("hookkit.schemas").joinpath(f"{schema}.schema.json").read_text())
    jsonschema.Draft202012Validator(found, format_checker=jsonschema.FormatChecker()).validate(value)


def check_note(data: str | bytes) -> dict[str, Any]:
    """A note, read by rules of its own, against the schema; gives its metadata."""
    shown = data.decode() if isinstance(data, bytes) else data
    head, divider, tail = shown.partition("---\n") if shown.startswith("---\n") else shown.partition("\n---\n")
    assert divider
    attestations: list[dict[str, Any]] = []
    for line in filter(None, head.split("\n")):
        if line.startswith("  "):
            attestations[-1]["entries"].append(line)
        else:
            attestations.append({"path": line, "entries": []})
    metadata: dict[str, Any] = json.loads(tail)
    check("git-ai-note", {"attestations": attestations, "metadata": metadata})
    for attestation in attestations:
        for entry in attestation["entries"]:
            key, spans = entry.split()
            numbers = [int(number) for span in spans.split(",") for number in span.split("-")]
            assert numbers == sorted(numbers)
            part = {"s": "sessions", "h": "humans"}.get(key[0]) if "_" in key else "prompts"
            assert key.split("::")[0] in metadata[str(part)]
    return metadata
