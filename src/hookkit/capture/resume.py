"""Hands a recorded session back to the agent that it is of, as it is or as it was at a step."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from hookkit import agents, git
from hookkit.agents.contract import AgentContract, Resuming
from hookkit.capture.identity import NAMESPACE
from hookkit.capture.registry import get_parser
from hookkit.errors import HookkitError
from hookkit.trails import linked, steps
from hookkit.trails.boundaries import Boundary


class Cut(Protocol):
    """Writes a copy of a session that ends at a step; gives its path. dry_run: only see whether it can be."""

    def __call__(
        self, transcript: Path, step: int, session_id: str, folder: Path, *, dry_run: bool = False
    ) -> Path: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, and where. command: empty where only the worktree was asked for.

    boundary: how the worktree stood, for a session at a step; step: which one. session_id: of the session to go on
    with; cut: the transcript it is cut from, where it is a copy.
    """

    agent: str
    folder: Path
    command: tuple[str, ...]
    session_id: str
    step: int | None = None
    boundary: Boundary | None = None
    cut: Path | None = None

    def shell(self) -> str:
        """The command line that does it."""
        return f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.command)}"


class Resumer:
    """The contract's AgentResumer of any agent, driven by the agent's own contract."""

    def __init__(self, agent: str) -> None:
        if agent not in agents.AGENTS:
            raise HookkitError(
                "CANNOT_RESUME",
                f"The session is of {agent}, which hookkit does not know how to start.",
                "It can still be read: `hookkit show`.",
            )
        self.contract: AgentContract = agents.get(agent)
        self.agent_name = agent
        self.supports_at_step = self.contract.resuming is not None and self.contract.resuming.at_step is not None

    def plan(self, record: Mapping[str, Any]) -> Plan:
        """How to go on with a session. HookkitError if the agent cannot, or no longer has it."""
        how = self._how()
        session_id, folder = record["session_id"], _folder(record)
        self._transcript(session_id)
        if not folder.is_dir():
            raise HookkitError(
                "FOLDER_GONE",
                f"The session was started in {folder}, which is not there any more.",
                f"`hookkit resume {record['trace_id'][:8]} --at-step N` makes a worktree of its own."
                if self.supports_at_step
                else f"Make the folder again, for example with git worktree, then: {self.contract.program} there.",
            )
        return Plan(self.agent_name, folder, self._command(how, session_id), session_id)

    def plan_at_step(self, record: Mapping[str, Any], step: int, folder: Path | None, *, worktree_only: bool) -> Plan:
        """How to go on from a step, in a linked worktree that is still to be made.

        folder: of the worktree; beside the recorded one by default. HookkitError if the agent's sessions cannot be cut
        (unless ``worktree_only``), the agent no longer has this one, or no tree was recorded around the step.
        """
        name = record["trace_id"][:8]
        if not worktree_only and not self.supports_at_step:
            raise HookkitError(
                "CANNOT_CUT",
                f"{self.contract.title} cannot go on from the middle of a session: its sessions cannot be cut.",
                f"`hookkit resume {name}` goes on at its end; --worktree-only restores the files of step {step} alone.",
            )
        boundary = steps.at_step(record, step)
        target = folder or _beside(Path(boundary.root), name, step)
        if worktree_only:
            return Plan(self.agent_name, target, (), record["session_id"], step, boundary)
        transcript = self._transcript(record["session_id"])
        session_id = str(uuid.uuid5(NAMESPACE, f"{record['trace_id']}:{step}:{target}"))
        return Plan(
            self.agent_name, target, self._command(self._how(), session_id), session_id, step, boundary, transcript
        )

    def check(self, plan: Plan) -> None:
        """Whether ``make`` can be done, with its errors; nothing is written."""
        assert plan.boundary is not None
        linked.check(_worktree(plan.boundary), plan.boundary, plan.folder)
        self._cut(plan, dry_run=True)

    def make(self, plan: Plan) -> int:
        """Make the linked worktree of a plan, and the session that is cut; gives the number of files."""
        assert plan.boundary is not None
        worktree = _worktree(plan.boundary)
        files = linked.link(worktree, plan.boundary, plan.folder)
        if plan.cut is not None:
            try:
                self._cut(plan)
            except HookkitError:  # the worktree would be in the way of the next try
                with contextlib.suppress(git.GitError):
                    git.run(worktree.root, "worktree", "remove", "--force", str(plan.folder))
                raise
        return files

    # The contract's names of the same

    def resume_session(self, session_id: str, *, project_cwd: Path, dry_run: bool = False) -> int:
        """Start the agent with a session; its exit code, or 0 for a ``dry_run``, which only prints the command."""
        plan = Plan(self.agent_name, project_cwd, self._command(self._how(), session_id), session_id)
        if dry_run:
            print(plan.shell())
            return 0
        return run(plan)

    def resolve_at_step(
        self,
        trace_id_prefix: str,
        step_id: str,
        staging: Path,
        *,
        project_cwd: Path,
        state: object,
        materialize: bool = True,
    ) -> Plan:
        """The plan to go on from a step in ``staging``, which is made if ``materialize``. state: the TraceRecord."""
        del trace_id_prefix, project_cwd
        plan = self.plan_at_step(cast("Mapping[str, Any]", state), int(step_id), staging, worktree_only=False)
        if materialize:
            self.make(plan)
        return plan

    def _how(self) -> Resuming:
        if self.contract.resuming is None:
            raise HookkitError(
                "CANNOT_RESUME",
                f"{self.contract.title} cannot be told to go on with a session.",
                "Start it, and choose the session there.",
            )
        return self.contract.resuming

    def _command(self, how: Resuming, session_id: str) -> tuple[str, ...]:
        return (self.contract.program, *how.command(session_id))

    def _transcript(self, session_id: str) -> Path:
        parser = get_parser(self.agent_name)
        found = parser.find_session(session_id)
        if not parser.exists(found):
            raise HookkitError(
                "SESSION_GONE",
                f"{self.contract.title} no longer has session {session_id}.",
                "Agents delete old sessions; the trace stays: `hookkit show`.",
            )
        return found

    def _cut(self, plan: Plan, *, dry_run: bool = False) -> None:
        if plan.cut is None or plan.step is None:
            return
        module, _, name = str(self._how().at_step).partition(":")
        cut = cast(Cut, getattr(importlib.import_module(module), name))
        cut(plan.cut, plan.step, plan.session_id, plan.folder, dry_run=dry_run)


def _worktree(boundary: Boundary) -> git.Worktree:
    """The worktree that a boundary is of; the one around the current folder if that is gone."""
    found = git.find(Path(boundary.root)) if os.path.isdir(boundary.root) else git.find(Path.cwd())
    if found is None:
        raise HookkitError(
            "NOT_A_REPOSITORY",
            f"{boundary.root} is no git worktree any more.",
            "If the repository moved, run the command inside of it.",
        )
    return found


def run(plan: Plan) -> int:
    """Become the agent (this process is replaced). HookkitError if its program is not here."""
    program = shutil.which(plan.command[0])
    if program is None:
        raise HookkitError(
            "PROGRAM_MISSING", f"{plan.command[0]} is not on PATH.", f"Install it, or run it yourself: {plan.shell()}"
        )
    os.chdir(plan.folder)
    _flush()
    os.execv(program, [*plan.command])


def _flush() -> None:
    import sys

    sys.stdout.flush()
    sys.stderr.flush()


def get_resumers() -> Mapping[str, Resumer]:
    """Agent name -> resumer, of every agent that takes sessions up again."""
    return {name: Resumer(name) for name, contract in agents.AGENTS.items() if contract.resuming is not None}


def _folder(record: Mapping[str, Any]) -> Path:
    """Where the session was started: some agents find a session only there."""
    metadata = record["metadata"]
    return Path(metadata.get("cwd") or metadata.get("project") or "/")


def _beside(root: Path, name: str, step: int) -> Path:
    return root.with_name(f"{root.name}-{name}-step-{step}")
