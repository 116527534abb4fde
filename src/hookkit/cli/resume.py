"""`hookkit resume`: go on with a recorded session, in the agent that it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.capture.resume import Plan

_EPILOG = """\b
Examples:
  hookkit resume last                      start the agent again, where and as it was left
  hookkit resume last --dry-run            print the command instead
  hookkit resume 8aa45309 --at-step 12     the files and the conversation as after step 12, in a worktree of their own
  hookkit resume last --at-step 12 --worktree-only --into ../then
"""


@click.command(epilog=_EPILOG)
@click.argument("ref", default="last", shell_complete=complete.traces)
@click.option("--at-step", "step", type=click.IntRange(min=0), metavar="STEP", help="Go on from this step instead.")
@click.option("--into", type=click.Path(path_type=Path), help="The folder of the new worktree.")
@click.option("--worktree-only", is_flag=True, help="Only restore the files of the step; start no agent.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; make nothing, start nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the plan as one JSON object, make what it needs, start nothing."
)
def command(ref: str, step: int | None, into: Path | None, worktree_only: bool, dry_run: bool, as_json: bool) -> int:
    """Hand a session back to its agent, in the folder where it was started.

    REF is the start of a trace id or of a session id, `last`, or `last~2`. With --at-step, a new linked worktree gets
    the files as they were after that step, and the agent goes on with a copy of the conversation that ends there;
    nothing of the session or of your worktree is changed. STEP is the number behind the colon in `hookkit show`. Exit
    code 1 where the agent cannot do that.
    """
    from hookkit.store.refs import split

    if split(ref)[1]:
        raise UsageError(
            "STEP_IN_REF", f"{ref!r} names a step of a session.", f"hookkit resume {split(ref)[0]} --at-step STEP"
        )
    if step is None and (into is not None or worktree_only):
        raise UsageError("STEP_MISSING", "--into and --worktree-only are about a step.", "Give it with --at-step.")
    from hookkit.capture import resume
    from hookkit.store.files import trace_path
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        trace_id = resolve(index, ref)
    try:
        record = json.loads(trace_path(trace_id).read_bytes())
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE",
            f"Trace {trace_id[:8]} cannot be read: {error}.",
            "`hookkit ingest --all` writes it again.",
        ) from error
    resumer = resume.Resumer(record["agent"]["name"])
    if step is None:
        plan = resumer.plan(record)
    else:
        folder = into.absolute() if into else None
        plan = resumer.plan_at_step(record, step, folder, worktree_only=worktree_only)
    files = None
    if step is not None and dry_run:
        resumer.check(plan)
    elif step is not None:
        files = resumer.make(plan)
    if as_json:
        click.echo(json.dumps(_body(plan, files)))
        return 0
    if files is not None and plan.boundary is not None:
        commit = (plan.boundary.commit or "")[:8]
        click.echo(f"{plan.folder}: {files} files as after step {step}, on commit {commit}.", err=bool(plan.command))
        click.echo(f"Away with it again: git worktree remove --force {plan.folder}", err=bool(plan.command))
    if dry_run:
        click.echo(_told(plan))
    elif plan.command:
        return resume.run(plan)
    return 0


def _told(plan: Plan) -> str:
    if plan.boundary is None:
        return plan.shell()
    made = (
        f"git worktree of commit {(plan.boundary.commit or '')[:8]} with tree {plan.boundary.tree[:8]}: {plan.folder}"
    )
    return f"{made}\n{plan.shell()}" if plan.command else made


def _body(plan: Plan, files: int | None) -> dict[str, object]:
    boundary = plan.boundary
    return {
        "status": "ok",
        "agent": plan.agent,
        "session_id": plan.session_id,
        "folder": str(plan.folder),
        "command": list(plan.command),
        "step": plan.step,
        "tree": boundary.tree if boundary else None,
        "commit": boundary.commit if boundary else None,
        "files": files,
    }
