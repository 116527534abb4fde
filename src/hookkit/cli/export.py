"""`hookkit export`: a session as a file, and what was recorded of commits in the formats of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hookkit.cli.export_session import session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_EPILOG = """\b
Examples:
  hookkit export last -o session.html             one page to look at, print or hand over
  hookkit export 5e0c51f4 --format md | less      a trace id, a session id, last~2
  hookkit export last --format otlp > spans.json
  hookkit export git-ai main..HEAD
  hookkit export agent-trace main..HEAD > traces.jsonl
"""
_GIT_AI = """\b
Examples:
  hookkit export git-ai                     the newest commit
  hookkit export git-ai main..HEAD          the commits of a branch
  hookkit export git-ai --all --dry-run     what the notes of the whole branch would gain
  git push origin refs/notes/ai             share them
"""
_AGENT_TRACE = """\b
Examples:
  hookkit export agent-trace
  hookkit export agent-trace main..HEAD > traces.jsonl
  hookkit export agent-trace --all | jq -r '.files[].path' | sort -u
"""
_WHY = {
    "provisional": "not proven; --provisional includes them",
    "trace_missing": "their trace was pruned",
    "trace_blocked": "their session could not be read in full; `hookkit ingest` tries again",
    "path": "the format cannot name their file",
}

_everything = click.option("--all", "everything", is_flag=True, help="Every commit of the current branch.")
_provisional = click.option("--provisional", is_flag=True, help="Also lines whose call is likely, but not proven.")
_revisions = click.argument("revisions", metavar="[REVISION]...", nargs=-1)


class _Export(click.Group):
    """What is not the name of a subcommand is that of a session: ``hookkit export last`` beside ``export git-ai``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands:
            helped = not set(ctx.help_option_names).isdisjoint(args)
            args = ["--help"] if helped else [str(session.name), *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        inner = session.make_context(str(session.name), [], parent=ctx, resilient_parsing=True)
        ref = next(param for param in session.params if param.name == "ref")
        found = (session if incomplete.startswith("-") else ref).shell_complete(inner, incomplete)
        names = {item.value for item in found}
        return [*found, *(item for item in super().shell_complete(ctx, incomplete) if item.value not in names)]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] [REF]")
        formatter.write_usage(ctx.command_path, "git-ai|agent-trace [OPTIONS] [REVISION]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        session.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(cls=_Export, epilog=_EPILOG)
def command() -> None:
    """Write a session as a file, with secrets taken out; or tell which session wrote which lines of commits.

    REF is the start of a trace id or of a session id, `last`, or `last~2` for the one two before. What git-ai and
    agent-trace tell is ids, models, paths and line numbers; no prompt, no answer, no code.
    """


command.add_command(session)


@command.command("git-ai", epilog=_GIT_AI)
@_revisions
@_everything
@_provisional
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be written.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def git_ai(revisions: tuple[str, ...], everything: bool, provisional: bool, dry_run: bool, as_json: bool) -> int:
    """Write git-ai notes (authorship/3.0.0, refs/notes/ai) for commits.

    REVISION is a commit or a range like main..HEAD; HEAD if left out. A line that a note
    claims already keeps its claim.
    """
    from hookkit.cli.where import here
    from hookkit.exporters import git_ai_ref, git_notes
    from hookkit.exporters.git_ai_format import can_be_named
    from hookkit.exporters.recorded import Recorded, commits

    worktree = here()
    recorded = Recorded(worktree, provisional=provisional, can_be_named=can_be_named)
    told = recorded.tell(commits(worktree, revisions, everything=everything))
    results = git_notes.add(worktree, told, dry_run=dry_run)
    failed = any(one.status == "unreadable" for one in results)
    if as_json:
        body = {"status": "ok", "ref": git_ai_ref.REF, "dry_run": dry_run, "commits": [_noted(one) for one in results]}
        click.echo(json.dumps(body, ensure_ascii=False))
        return int(failed)
    from hookkit.store.plain import plain
    from hookkit.views.text import counted

    for one in results:
        if one.status == "written":
            click.echo(f"{one.commit[:8]}  {counted(one.new_lines, 'line')} of {counted(one.calls, 'call')}")
        elif one.status == "unreadable":
            click.echo(f"{one.commit[:8]}  has a note that stays as it is: {plain(one.problem)}", err=True)
    number = {status: sum(one.status == status for one in results) for status in ("written", "unchanged", "nothing")}
    said = [f"{counted(number['written'], 'note')} {'to be ' if dry_run else ''}written to {git_ai_ref.REF}"]
    said += [f"{counted(number['unchanged'], 'note')} had it all"] if number["unchanged"] else []
    said += [f"{counted(number['nothing'], 'commit')} without lines of calls"] if number["nothing"] else []
    click.echo("; ".join(said) + ".")
    _say_silent([one.silent for one in results])
    return int(failed)


@command.command("agent-trace", epilog=_AGENT_TRACE)
@_revisions
@_everything
@_provisional
@click.option("--json", "as_json", is_flag=True, help="The output is always JSON; this changes nothing.")
def agent_trace(revisions: tuple[str, ...], everything: bool, provisional: bool, as_json: bool) -> int:
    """Print Agent Trace records (0.1.0): one JSON object a line, for each commit and agent.

    REVISION is a commit or a range like main..HEAD; HEAD if left out.
    """
    from hookkit.cli.where import here
    from hookkit.exporters import agent_trace
    from hookkit.exporters.recorded import Recorded, commits

    worktree = here()
    recorded = Recorded(worktree, provisional=provisional, can_be_named=agent_trace.can_be_named)
    silent = []
    for told in recorded.tell(commits(worktree, revisions, everything=everything)):
        silent.append(told.silent)
        for record in agent_trace.records(worktree, told, recorded):
            click.echo(json.dumps(record))
    _say_silent(silent)
    return 0


def _noted(one: Any) -> dict[str, Any]:
    return {
        "commit": one.commit,
        "status": one.status,
        "lines": one.lines,
        "new_lines": one.new_lines,
        "calls": one.calls,
        "sessions": one.sessions,
        "left_out": dict(one.silent),
    } | ({"problem": one.problem} if one.problem else {})


def _say_silent(silent: list[Any]) -> None:
    from hookkit.views.text import counted

    for reason, why in _WHY.items():
        lines = sum(one.get(reason, 0) for one in silent)
        if lines:
            click.echo(f"{counted(lines, 'line')} left out: {why}.", err=True)
