"""The installer of telemetry: tells one agent to send its own to a receiver, in the user's settings of that agent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from hookkit.agents.contract import AgentContract, Destination, TelemetryWiring
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import envelope, files, record
from hookkit.installer.agent_installer import refuse_platform
from hookkit.installer.file_installer import Draft, FileInstaller, Step
from hookkit.installer.record import InstallRecord, Result
from hookkit.installer.result import Action, HookInstallResult, Verb
from hookkit.installer.settings_edit import EditCheckError
from hookkit.installer.values_edit import UnreadableError, Values, taken, with_values, without_values

_PORTS = {"grpc": 4317, "http/protobuf": 4318, "http/json": 4318}


class TelemetryInstaller(FileInstaller):
    """Writes what makes an agent send its telemetry.

    protocol: one that the agent speaks. endpoint: a URL. Where neither is said, they are those that were installed,
    else the agent's preferred protocol and the receiver of ``hookkit serve`` on this machine. Another value of the
    user's own at one of the places is an error, and stays.
    HookInstallError where the agent takes no such settings from a file.
    """

    subject = "telemetry settings"
    unit = "values"

    def __init__(
        self,
        contract: AgentContract,
        *,
        protocol: str | None = None,
        endpoint: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        refuse_platform(os.name)
        self.contract, self.env = contract, os.environ if env is None else env
        self.installer_name, self.title = f"{contract.name} telemetry", f"{contract.title} telemetry"
        self.wiring = self._wiring(protocol, endpoint)
        assert self.wiring.file is not None
        self.link = self.wiring.file(self.env)
        known = self.known()
        if known and "protocol" in known.kept and protocol is None and endpoint is None:
            self.destination = Destination(known.kept["protocol"], known.kept["endpoint"])

    def _wiring(self, protocol: str | None, endpoint: str | None) -> TelemetryWiring:
        wiring = self.contract.telemetry
        if wiring is None:
            raise HookInstallError(
                "NO_TELEMETRY",
                f"{self.contract.title} sends no telemetry that hookkit knows of.",
                "Its sessions are recorded by its hooks all the same: hookkit install " + self.contract.name,
            )
        self.destination = destination(wiring, protocol, endpoint)
        if wiring.file is None:
            variables = [f"{name}={value}" for (_, name), value in wiring.values(self.destination).items()]
            raise HookInstallError(
                "ONLY_VARIABLES",
                f"{self.contract.title} takes this from the environment alone, not from a file.",
                f"Put into your shell's start-up file: export {' '.join(variables)}",
            )
        return wiring

    @property
    def folder(self) -> Path:
        return files.follow(self.link).parent

    @property
    def place(self) -> Path:
        return self.link

    def known(self) -> InstallRecord | None:
        return record.load(self.installer_name, files.follow(self.link))

    def is_present(self) -> bool:
        return self.known() is not None

    def draft_install(self) -> Draft:
        found, text = self._read()
        known = self.known()
        values = self.wiring.values(self.destination)
        try:
            base = self._without(text, known) or ""
            present = taken(base, self.wiring.syntax, values)
            for (group, key), value in present.items():
                if value != values[group, key] and value not in self.wiring.unset:
                    raise HookInstallError(
                        "TELEMETRY_IS_SET",
                        f"{self.link} says {group}.{key} = {json.dumps(value)} already.",
                        "Take it out if hookkit is to receive the telemetry, or have your collector send it on to it.",
                    )
            own = {path: value for path, value in values.items() if present.get(path) != value}
            edit = with_values(base, self.wiring.syntax, own, self.wiring.unset)
        except (UnreadableError, EditCheckError) as error:
            raise self._unreadable(error) from error
        folders = files.missing_folders(found.path.parent)
        result = Result(record.text_hash(edit.text), edit.undo, edit.created)
        entry = InstallRecord(
            agent=self.installer_name,
            settings=found.path,
            hooks_dir=found.path.parent,
            created_file=text is None or (known is not None and known.created_file),
            created_folders=tuple(dict.fromkeys((*folders, *(known.created_folders if known else ())))),
            results=(result,),
            kept={"endpoint": self.destination.endpoint, "protocol": self.destination.protocol},
            values={".".join(path): json.dumps(value) for path, value in own.items()},
        )
        verb: Verb = "create" if text is None else "keep" if edit.text == text else "edit"
        data = edit.text.encode("utf-8", "surrogateescape")
        steps = (
            self.record_step(entry),
            *self.folder_steps(folders, 0o700),
            Step(
                Action(verb, "settings", "<generated>", str(self.link)),
                partial(self._write, found, data),
                found.data,
                data,
            ),
        )
        return Draft(steps, tuple(key for _, key in values))

    def draft_remove(self) -> Draft:
        known = self.known()
        if known is None:
            return Draft((), ())
        found, text = self._read()
        try:
            base = self._without(text, known)
        except (UnreadableError, EditCheckError) as error:
            raise self._unreadable(error) from error
        steps: list[Step] = []
        if text is not None and base != text:
            gone = known.created_file and not (base or "").strip()
            data = None if gone else (base or "").encode("utf-8", "surrogateescape")
            do = partial(files.delete, found.path) if data is None else partial(self._write, found, data)
            action = Action("delete" if data is None else "cut", "settings", "<generated>", str(self.link))
            steps.append(Step(action, do, found.data, data))
        return Draft((*steps, *self.drop_record_steps(known)), tuple(key.partition(".")[2] for key in known.values))

    def status(self) -> dict[str, object]:
        known = self.known()
        exists = readable = False
        present: dict[str, bool] = {}
        stale: list[str] = []
        warnings: list[envelope.Warn] = []
        values = self.wiring.values(self.destination)
        try:
            found, text = self._read()
            exists = found.data is not None
            there = taken(text or "", self.wiring.syntax, values)
            readable = True
            present = {key: there.get((group, key)) == value for (group, key), value in values.items()}
            stale = [key for (group, key), value in values.items() if there.get((group, key), value) != value]
        except (HookInstallError, UnreadableError) as error:
            refusal = error if isinstance(error, HookInstallError) else self._unreadable(error)
            warnings.append(
                envelope.Warn(refusal.code, str(self.link), "$", refusal.message, refusal.hint, blocks=True)
            )
        installed = bool(present) and all(present.values())
        return {
            "installer": self.installer_name,
            "title": self.title,
            "scope": "user",
            "installed": installed,
            "active": installed and not warnings,
            "agent_dir_exists": os.path.isdir(self.contract.config_home(self.env)),
            "agent_program": None,
            "settings_path": str(self.link),
            "settings_exists": exists,
            "settings_readable": readable,
            "entries_present": present,
            "commands": [],
            "hooks_dir": str(self.folder),
            "script_paths": {},
            "scripts_present": {},
            "scripts_current": True,
            "ingest_ok": True,
            "interpreter": "",
            "interpreter_ok": True,
            "duplicates": [],
            "stale": stale,
            "recorded": known is not None,
            "warnings": [warn.to_dict() for warn in warnings],
        }

    def next_step(self, result: HookInstallResult) -> str:
        program = self.contract.program
        return f"Next: `hookkit serve --open`, then start {program}: what it sends to {self.sent_to()} appears there."

    def sent_to(self) -> str:
        """Where the telemetry goes, by what was installed."""
        known = self.known()
        return known.kept.get("endpoint", "") if known else self.destination.endpoint

    def _read(self) -> tuple[files.Found, str | None]:
        found = files.read(self.link)
        return found, None if found.data is None else envelope.read_settings(self.link, found.data)

    def _without(self, text: str | None, known: InstallRecord | None) -> str | None:
        """The text as it is without what we put in: to the byte where nobody edited since."""
        if text is None or known is None:
            return text
        base = known.base_of(text)
        if base is not None:
            return base
        return without_values(text, self.wiring.syntax, _values(known), known.created_in(text) or frozenset())

    def _write(self, found: files.Found, data: bytes) -> None:
        if not files.replace(found.path, data, expect=found):
            raise HookInstallError(
                "SETTINGS_CHANGING", f"{self.link} was changed while it was edited.", "Run the same command again."
            )

    def _unreadable(self, error: Exception) -> HookInstallError:
        kind = "JSON" if self.wiring.syntax == "json" else "TOML"
        return HookInstallError(
            "CORRUPT_SETTINGS",
            f"{self.link} cannot be edited: {error}.",
            f"Mend the {kind} in it, then run the same command again.",
        )


def destination(wiring: TelemetryWiring, protocol: str | None, endpoint: str | None) -> Destination:
    """Where to send to, as far as it was said. UsageError for what the agent does not speak, and for no URL."""
    protocol = protocol or wiring.protocols[0]
    if protocol not in wiring.protocols:
        raise UsageError(
            "NO_SUCH_PROTOCOL", f"It does not speak {protocol}.", f"It speaks {', '.join(wiring.protocols)}."
        )
    if endpoint is None:
        return Destination(protocol, f"http://127.0.0.1:{_PORTS[protocol]}")
    try:
        parts = urlsplit(endpoint)
        parts.port  # noqa: B018 - it raises
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("BAD_URL", f"{endpoint!r} is no address of a receiver.", "Try http://127.0.0.1:4317")
    return Destination(protocol, endpoint.rstrip("/"))


def _values(known: InstallRecord) -> Values:
    found: dict[tuple[str, str], object] = {}
    for path, value in known.values.items():
        group, _, key = path.partition(".")
        found[group, key] = json.loads(value)
    return found
