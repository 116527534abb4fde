"""`hookkit import`: what other recorders say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hookkit.exporters.git_ai_claims import Imported

_EPILOG = """\b
Examples:
  hookkit import git-ai
  hookkit import hermes conversations.jsonl

\b
Each has --json and --help.
"""
_CONVERSATIONS = """\b
Examples:
  hookkit import hermes conversations.jsonl
  hookkit import hermes conversations.jsonl --limit 100 --dry-run
  hookkit import sharegpt conversations.jsonl --json
"""
_GIT_AI = """\b
Examples:
  git fetch origin 'refs/notes/ai:refs/notes/ai'
  hookkit import git-ai               every note; again after the next fetch
  hookkit import git-ai --dry-run     only look
  hookkit import git-ai --forget      take it back
"""


@click.group(epilog=_EPILOG)
def command() -> None:
    """Take over what other recorders say, and conversations of data sets."""


def _conversations(name: str) -> click.Command:
    @click.command(name, epilog=_CONVERSATIONS, short_help=f"Take over the conversations of a {name} file.")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--limit", type=click.IntRange(min=0), default=0, help="Import this many rows, then stop; 0: all.")
    @click.option("--dry-run", is_flag=True, help="Keep nothing; only read.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    def conversations(file: Path, limit: int, dry_run: bool, as_json: bool) -> int:
        """Take over conversations (JSON Lines; one row, one trace) whose calls stand in the text as <tool_call> tags.

        Importing a file again changes nothing. Rows that are no conversations are counted and named, and keep no other
        from being read; exit code 1 then.
        """
        from hookkit.capture.importers import Report, import_file

        report, counts, malformed = Report(), dict.fromkeys(("imported", "unchanged", "malformed"), 0), []
        for row in import_file(name, file, report, limit=limit, dry_run=dry_run):
            counts[row.status] += 1
            if row.status == "malformed":
                malformed.append(row.number)
        unreadable = sum(report.unreadable.values())
        if as_json:
            told = {"format": name, "file": str(file), "dry_run": dry_run, **counts, "malformed_rows": malformed[:100]}
            click.echo(json.dumps({"status": "ok", **told, "unreadable_lines": dict(report.unreadable)}))
        else:
            _print_conversations(counts, malformed, dict(report.unreadable), dry_run)
        return int(bool(malformed or unreadable))

    return conversations


for _name in ("hermes", "sharegpt"):
    command.add_command(_conversations(_name))


def _print_conversations(
    counts: dict[str, int], malformed: list[int], unreadable: dict[str, int], dry_run: bool
) -> None:
    from hookkit.views.text import counted

    verb = "to be imported" if dry_run else "imported"
    click.echo(f"{counted(counts['imported'], 'conversation')} {verb}, {counts['unchanged']} known already.")
    if malformed:
        rows = ", ".join(map(str, malformed[:10])) + (" …" if len(malformed) > 10 else "")
        click.echo(f"No conversation, left out: {counted(len(malformed), 'row')} ({rows}).", err=True)
    for reason, number in unreadable.items():
        click.echo(f"Not read ({reason.replace('_', ' ')}): {counted(number, 'line')}.", err=True)


@command.command("git-ai", epilog=_GIT_AI)
@click.argument("revisions", metavar="[REVISION]...", nargs=-1)
@click.option("--forget", is_flag=True, help="Drop what was imported into this repository.")
@click.option("--dry-run", is_flag=True, help="Keep nothing; only show what the notes say.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def git_ai(revisions: tuple[str, ...], forget: bool, dry_run: bool, as_json: bool) -> int:
    """Take over git-ai notes (authorship/3.0.0, refs/notes/ai).

    `hookkit blame` then shows their claims for lines of which hookkit itself recorded nothing; always as provisional.
    REVISION is a commit or a range like main..HEAD; every commit that has a note if left out.
    """
    from hookkit.cli.where import here
    from hookkit.exporters import git_ai_claims, git_ai_ref
    from hookkit.exporters.recorded import commits

    worktree = here()
    if forget:
        there = git_ai_claims.forget(worktree)
        said = "Forgotten." if there else "Nothing was imported here."
        click.echo(json.dumps({"status": "ok", "forgotten": there}) if as_json else said)
        return 0
    asked = set(commits(worktree, revisions)) if revisions else None
    found = git_ai_claims.take_over(worktree, asked, dry_run=dry_run)
    failed = any(one.status == "unreadable" for one in found)
    if as_json:
        notes = [
            {
                "commit": one.commit,
                "status": one.status,
                "ai_lines": one.ai_lines,
                "human_lines": one.human_lines,
                "sessions": list(one.sessions),
            }
            | ({"problem": one.problem} if one.problem else {})
            for one in found
        ]
        click.echo(json.dumps({"status": "ok", "ref": git_ai_ref.REF, "dry_run": dry_run, "notes": notes}))
        return int(failed)
    _print(found, dry_run)
    return int(failed)


def _print(found: list[Imported], dry_run: bool) -> None:
    from hookkit.exporters.git_ai_ref import REF
    from hookkit.store.plain import plain
    from hookkit.views.text import counted

    if not found:
        click.echo(f"No note in {REF} is about these commits. Fetch them: git fetch origin '{REF}:{REF}'")
        return
    for one in found:
        if one.status == "unreadable":
            click.echo(f"{one.commit[:8]}  is not read: {plain(one.problem)}", err=True)
        elif one.status == "imported":
            people = f", {counted(one.human_lines, 'line')} of people" if one.human_lines else ""
            sessions = counted(len(one.sessions), "session")
            click.echo(f"{one.commit[:8]}  {counted(one.ai_lines, 'line')} of {sessions}{people}")
    new = sum(one.status == "imported" for one in found)
    same = sum(one.status == "unchanged" for one in found)
    verb = "to be imported" if dry_run else "imported"
    click.echo(f"{counted(new, 'note')} {verb}, {same} known already. Blame shows their claims as provisional.")
