"""Who runs the hook scripts in a folder: agents share it, and each may be wired in several places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hookkit import agents
from hookkit.agents.contract import AgentContract, ExtensionWiring
from hookkit.errors import HookkitError
from hookkit.installer import envelope, files, record, settings_edit
from hookkit.installer.extension_target import ExtensionTarget
from hookkit.installer.jsontext import JsonTextError, parse
from hookkit.installer.scripts import RUNTIME
from hookkit.installer.settings_target import ours
from hookkit.installer.target import Target


def still_needed(folder: Path, but: Target) -> frozenset[str]:
    """The files in ``folder`` that agents still run by any settings file or extension other than that of ``but``."""
    needed = [_needs(agent, path, but) for agent, path in _users_of(folder, but)]
    return frozenset(name for names in needed for name in (*names, RUNTIME))


def _needs(agent: str, path: Path, but: Target) -> Iterable[str]:
    contract = _contract(agent, but)
    if contract is not None:
        return contract.hook_files
    known = record.load(agent, path)  # an agent of a later hookkit, or of a package that is gone
    return known.scripts if known else ()


def _contract(name: str, but: Target) -> AgentContract | None:
    return but.contract if name == but.contract.name else agents.AGENTS.get(name)


def _users_of(folder: Path, but: Target) -> frozenset[tuple[str, Path]]:
    mine = (but.contract.name, files.follow(but.link))
    # Git hooks, the watcher and the skill are recorded too; what they need is in folders of their own.
    known = {(r.agent, r.settings) for r in record.load_all() if r.agent in agents.AGENTS or r.hooks_dir == folder}
    known |= set(_in_sight(but))
    return frozenset(user for user in known - {mine} if _runs_from(*user, folder, but))


def _in_sight(but: Target) -> Iterator[tuple[str, Path]]:
    """Every agent's places, as seen from here: hooks in them need no record of ours."""
    for name in dict.fromkeys((but.contract.name, *agents.AGENTS)):
        contract = _contract(name, but)
        for place in contract.places.values() if contract else ():
            yield name, files.follow(place(but.env, but.project))


def _runs_from(agent: str, path: Path, folder: Path, but: Target) -> bool:
    contract = _contract(agent, but)
    try:
        found = files.read(path)
        if found.data is None:
            return False
        if contract is None:
            return True
        if isinstance(contract.wiring, ExtensionWiring):
            target = ExtensionTarget.resolve(contract, settings_file=path, project=but.project, env=but.env)
            return folder in target.folders_named()
        doc = parse(envelope.read_settings(path, found.data))
    except (HookkitError, JsonTextError):
        # Not known: what may be in use stays. A file that nobody wired is none of our business.
        return record.load(agent, path) is not None or agent == but.contract.name
    return any(entry.command.folder == folder for entry in settings_edit.entries(doc, ours(contract)))
