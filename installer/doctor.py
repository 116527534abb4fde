"""Prove that the hooks of an agent work: every check names what it saw, and what to do where it is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from hookkit import git, paths
from hookkit.agents.contract import AgentContract
from hookkit.capture.identity import trace_id
from hookkit.installer import probes
from hookkit.installer.extension_installer import ExtensionInstaller
from hookkit.installer.protocol import Check
from hookkit.installer.rehearsal import Command, Played, Rehearsal, recording, scratch_folder
from hookkit.installer.settings_installer import SettingsHookInstaller
from hookkit.installer.target import Target

_INGEST_WAIT = 60.0  # seconds
_SLOW = 1.0  # seconds of one hook in a small repository: something is wrong with the machine or the interpreter
_LOW_DISK = 256 << 20  # bytes
_OLDEST_GIT = (2, 20)

Installed = SettingsHookInstaller | ExtensionInstaller


def examine(contract: AgentContract, installer: Installed, folder: Path) -> Iterator[Check]:
    """All checks of one agent, as seen from ``folder``; the cheap ones first."""
    yield git_check()
    state = installer.status()
    yield from _settings(state, installer.target.command("install"))
    commands = installer.registered()
    if commands:
        yield from probes.ask(installer.target)
    if commands and recording(contract) is None:
        message = f"No session of {contract.title} is recorded to be played, so its hooks were not run."
        hint = f"Prove it with a session: start {contract.program} in a repository, then: hookkit list"
        yield Check("hooks", "warning", message, hint)
    elif commands:
        yield from prove(contract, commands, installer.target)
    yield from _consent(folder)
    yield _transcripts(contract)
    yield _disk()
    yield from _limited(folder)
    yield from _other_callers(contract, state)


def git_check() -> Check:
    """Whether git is here, and new enough."""
    hint = f"Install git {_OLDEST_GIT[0]}.{_OLDEST_GIT[1]} or newer; without it no tree id can be taken."
    try:
        said = git.run(Path("/"), "--version").decode().split()
    except git.GitError as error:
        return Check("git", "failed", error.message, hint)
    version = said[2] if len(said) > 2 else "unknown"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return Check(
        "git", "ok" if numbers >= _OLDEST_GIT else "failed", f"git {version}", hint if numbers < _OLDEST_GIT else ""
    )


def _settings(state: Mapping[str, object], again: str) -> Iterator[Check]:
    path = state["settings_path"]
    present = cast("Mapping[str, bool]", state["entries_present"])
    if not any(present.values()):
        if state["settings_readable"]:
            yield Check("settings", "failed", f"No hook of hookkit is registered in {path}.", again)
    elif state["installed"]:
        yield Check("settings", "ok", f"{len(present)} events are registered in {path}.")
    for warn in cast("Sequence[Mapping[str, object]]", state["warnings"]):
        status: Literal["failed", "warning"] = "failed" if warn["blocks"] else "warning"
        yield Check("settings", status, f"{warn['message']} ({warn['file']}, {warn['path']})", str(warn["hint"]))
    if state["duplicates"]:
        yield Check("settings", "warning", f"Registered more than once: {state['duplicates']}.", again)


def prove(contract: AgentContract, commands: Mapping[str, Command], target: Target) -> Iterator[Check]:
    """Run what is registered on a recorded session in a scratch repository, as the agent would."""
    again = f"{target.command('install')}, then {target.command('doctor')}"
    with scratch_folder("hookkit-doctor-") as scratch:
        passed_on = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        rehearsal = Rehearsal(contract, scratch)
        # The hooks keep everything of this rehearsal in a home of its own.
        played = list(rehearsal.play(commands, passed_on | {"HOOKKIT_HOME": str(scratch / "home")}))
        yield _fires(contract, played, again)
        yield _silent(played, again)
        yield _tree_ids(played, again)
        fired = [step for step in played if step.lines]
        if fired:  # how long nothing takes says nothing
            yield _fast(fired)
        broken = _broken(target.as_found().scripts.ingest())
        if broken:
            yield Check("ingest", "failed", broken, again)
        else:
            yield _ingests(rehearsal, played, scratch / "home", again)


def _fires(contract: AgentContract, played: Sequence[Played], hint: str) -> Check:
    dumb = [step.event for step in played if len(step.lines) != 1]
    if dumb:
        return Check(
            "hooks", "failed", f"No hook line, or more than one, after {', '.join(dict.fromkeys(dumb))}.", hint
        )
    run = contract.evidence.level == "run"
    session = "a recorded session" if run else f"a made-up session, as {contract.title} is documented, not run,"
    return Check("hooks", "ok", f"{len(played)} events of {session} gave {len(played)} hook lines.")


def _silent(played: Sequence[Played], hint: str) -> Check:
    loud = [step.event for step in played if step.code or step.output]
    if loud:
        return Check("silence", "failed", f"Exit code or output where there must be none: {', '.join(loud)}.", hint)
    return Check("silence", "ok", "Exit code 0 and not a word each time.")


def _tree_ids(played: Sequence[Played], hint: str) -> Check:
    taken = [step for step in played if step.recorded]
    wrong = [step.event for step in taken if step.recorded != step.tree]
    if wrong or not taken:
        return Check("tree ids", "failed", f"Not the tree id that git gives: {', '.join(wrong) or 'none taken'}.", hint)
    return Check("tree ids", "ok", f"{len(taken)} tree ids, each the one that git gives.")


def _fast(played: Sequence[Played]) -> Check:
    slowest = max(played, key=lambda step: step.seconds)
    median = sorted(step.seconds for step in played)[len(played) // 2]
    told = f"A hook took {median * 1000:.0f} ms (median), {slowest.seconds * 1000:.0f} ms at most."
    if median > _SLOW:
        return Check("speed", "warning", told, "Look at the machine's load, and at the registered interpreter.")
    return Check("speed", "ok", told)


def _ingests(rehearsal: Rehearsal, played: Sequence[Played], home: Path, hint: str) -> Check:
    """The hook at the turn's end started the detached ingest; its trace must hold every call, with both trees."""
    names = {role: {e.name for e in rehearsal.contract.events if e.role == role} for role in ("turn_end", "tool_pre")}
    ends, calls = names["turn_end"], sum(step.event in names["tool_pre"] for step in played)
    if not any(step.lines for step in played if step.event in ends):
        return Check("ingest", "failed", "The hook at the turn's end did not run, so no ingest was started.", hint)
    trace = home / "traces" / f"{trace_id(rehearsal.contract.name, rehearsal.session_id)}.json"
    deadline = time.monotonic() + _INGEST_WAIT
    while time.monotonic() < deadline:
        metadata = json.loads(trace.read_bytes())["metadata"] if trace.exists() else {}
        if metadata.get("hook_stop"):
            before, after = metadata["hook_pre_tool_use"], metadata["hook_post_tool_use"]
            heard = {call: line for call, line in after.items() if line["capture_status"] != "post_inferred"}
            whole = [call for call in before if before[call]["trail"] and heard.get(call, {}).get("trail")]
            if len(whole) == calls:
                return Check(
                    "ingest", "ok", f"The detached ingest made a trace of it: {len(whole)} calls with both trees."
                )
            return Check("ingest", "failed", f"Only {len(whole)} of {calls} calls have both trees in the trace.", hint)
        time.sleep(0.05)
    log = home / "state" / "ingest.log"
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return Check("ingest", "failed", " ".join(["The detached ingest made no trace of the rehearsal.", *said]), hint)


def _broken(ingest: Sequence[str]) -> str | None:
    """Why the command that is recorded for the ingest cannot run: its environment is gone, or holds no hookkit."""
    if not ingest:
        return "Nothing says how the ingest is started: runtime.json is missing or damaged."
    try:
        done = subprocess.run([*ingest, "--version"], capture_output=True, cwd="/", timeout=_INGEST_WAIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The ingest cannot be started: {error}."
    said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return (
        f"The ingest cannot be started: {' '.join(said) or f'exit code {done.returncode}'}."
        if done.returncode
        else None
    )


def _consent(folder: Path) -> Iterator[Check]:
    if os.environ.get("HOOKKIT_DISABLE") == "1":
        yield Check(
            "consent",
            "warning",
            "HOOKKIT_DISABLE=1 is set here: an agent started here is not recorded.",
            "unset HOOKKIT_DISABLE",
        )
    excluded = next((up for up in (folder, *folder.parents) if os.path.lexists(up / ".opentraces" / "excluded")), None)
    if excluded:
        yield Check(
            "consent",
            "warning",
            f"{excluded} is excluded: nothing below it is recorded.",
            f"hookkit include {excluded}",
        )


def _transcripts(contract: AgentContract) -> Check:
    folder = contract.transcripts(os.environ)
    if not os.path.isdir(folder):
        return Check("transcripts", "ok", f"{contract.title} has not written a session yet ({folder}).")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check("transcripts", "failed", f"{folder} cannot be read.", f"chmod u+rx {folder}")
    return Check("transcripts", "ok", f"Sessions of {contract.title} are in {folder}.")


def _disk() -> Check:
    folder = paths.home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    told = f"{free >> 20:,} MiB are free at {folder}."
    return (
        Check("disk", "ok", told)
        if free > _LOW_DISK
        else Check("disk", "warning", told, "hookkit prune --older-than 30d")
    )


def _limited(folder: Path) -> Iterator[Check]:
    try:
        worktree = git.find(folder)
    except git.GitError as error:
        yield Check("worktree", "failed", error.message, error.hint)
        return
    if worktree and (worktree.private_dir / "limited.json").exists():
        message = f"Whole captures of {worktree.root} took too long; what is untracked is left out, or part of it."
        yield Check("worktree", "warning", message, "Ignore large generated files in git, then: hookkit doctor --fix")


def _other_callers(contract: AgentContract, state: Mapping[str, object]) -> Iterator[Check]:
    """Cursor runs the hooks of ~/.claude/settings.json too, Copilot CLI those of a trusted project."""
    if contract.name != "claude-code" or not state["installed"]:
        return
    home = Path(os.environ.get("HOME") or Path.home())
    for title, folder in (("Cursor", home / ".cursor"), ("Copilot CLI", home / ".copilot")):
        if os.path.isdir(folder):
            yield Check("other agents", "ok", f"{title} may run these hooks too; its lines carry its own name.")


def fix(contract: AgentContract, installer: Installed, folder: Path) -> list[str]:
    """Put right what can be put right without asking. Returns what was done, one sentence each."""
    done: list[str] = []
    if any(cast("Mapping[str, bool]", installer.status()["entries_present"]).values()):
        result = installer.install()
        if result.changed:
            done.append(f"{contract.title}: settings and scripts are as this hookkit writes them.")
    worktree = git.find(folder)
    if worktree:
        limit = worktree.private_dir / "limited.json"
        before = limit.exists()
        git.heal(worktree.root)
        if before and not limit.exists():
            done.append(f"{worktree.root}: captured whole again.")
    return done
