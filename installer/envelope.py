"""Whether an agent will really run the hooks of a settings file: schema, switches, managed policy."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hookkit.agents.contract import AgentContract, SettingsWiring, Switch
from hookkit.errors import HookInstallError
from hookkit.installer.jsontext import Document, JsonTextError, parse

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# In a schema of settings: what does not fit there is ignored alone, where anything else may cost the whole file.
_IGNORED = "x-ignored"


@dataclass(frozen=True, slots=True)
class Warn:
    """Something to know. ``path`` is a JSON path in ``file``; blocks: our hooks do not run until it is mended."""

    code: str
    file: str
    path: str
    message: str
    hint: str
    blocks: bool

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def file_left(path: Path) -> Warn:
    """A file under a name of ours that is not as hookkit wrote it."""
    return Warn(
        "SCRIPT_LEFT",
        str(path),
        "$",
        f"{path} is not as hookkit wrote it, so it was left.",
        f"If you do not need it: rm {shlex.quote(str(path))}",
        blocks=False,
    )


def read_settings(path: Path, data: bytes) -> str:
    """The text of a settings file, losslessly. HookInstallError for UTF-16 and UTF-32."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise HookInstallError(
            "CORRUPT_SETTINGS", f"{path} is not UTF-8 text.", "Save it as UTF-8, then run the same command again."
        )
    return data.decode("utf-8", "surrogateescape")


def corrupt(path: Path, error: JsonTextError) -> HookInstallError:
    """The HookInstallError of a settings file that is not JSON."""
    return HookInstallError(
        "CORRUPT_SETTINGS",
        f"{path} is not valid JSON: {error}.",
        f"Mend line {error.line}, then run the same command again. Nothing was changed.",
    )


def warnings(contract: AgentContract, path: Path, doc: Document) -> tuple[Warn, ...]:
    """Why the agent would not run hooks of this settings file, worst first."""
    wiring = contract.wiring
    if not isinstance(wiring, SettingsWiring):
        return ()
    found = [*_syntax(contract, wiring, path, doc), *_schema(contract, wiring, path, doc)]
    root = doc.root.data() if doc.root is not None else None
    found += [_switched_off(contract, path, switch, root) for switch in wiring.switches if _is_off(switch, root)]
    return tuple(sorted(found, key=lambda warn: not warn.blocks))


def _value(switch: Switch, root: object) -> object:
    value = root
    for key in switch.path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_off(switch: Switch, root: object) -> bool:
    value = _value(switch, root)
    if isinstance(value, list):
        return isinstance(switch.off, str) and switch.off in value
    return type(value) is type(switch.off) and value == switch.off  # 1 is not true


def _switched_off(contract: AgentContract, path: Path, switch: Switch, root: object) -> Warn:
    name, off = ".".join(switch.path), json.dumps(switch.off)
    if isinstance(_value(switch, root), list):
        effect, way = f"{name} holds {off}, so {contract.title} does not run these hooks.", f"Take {off} out of it"
    else:
        effect = f"{name} is {off}, so {contract.title} runs no hooks."
        way = f"Set it to {json.dumps(not switch.off)}, or delete it," if isinstance(switch.off, bool) else "Delete it"
    hint = f"{way} when hooks may run."
    return Warn("HOOKS_DISABLED", str(path), json_path(switch.path), effect, hint, blocks=True)


def _syntax(contract: AgentContract, wiring: SettingsWiring, path: Path, doc: Document) -> list[Warn]:
    if wiring.comments:
        return []
    found: list[Warn] = []
    for what, offsets in (("a comment", [c[0] for c in doc.comments]), ("a trailing comma", doc.trailing_commas)):
        if offsets:
            line = doc.line_of(offsets[0])
            found.append(
                Warn(
                    "NOT_PLAIN_JSON",
                    str(path),
                    "$",
                    f"Line {line} holds {what}, so {contract.title} skips the whole file.",
                    f"Delete {what.split(' ', 1)[1]}s from the file, starting at line {line}.",
                    blocks=True,
                )
            )
    return found


def _schema(contract: AgentContract, wiring: SettingsWiring, path: Path, doc: Document) -> list[Warn]:
    found: list[Warn] = []
    for where, (reason, alone) in _violations(wiring.schema, contract.hooks_package, doc.text).items():
        fatal = wiring.skips_invalid and not alone
        effect = f"{contract.title} skips the whole file" if fatal else f"{contract.title} ignores it"
        code = "MALFORMED_SETTING" if fatal else "IGNORED_SETTING"
        hint = f"Correct or delete {where}."
        found.append(Warn(code, str(path), where, f"{reason}, so {effect}.", hint, blocks=fatal))
    return found


@lru_cache(maxsize=16)  # as for ``parse``, and far slower than that
def _violations(schema: str, package: str, text: str) -> Mapping[str, tuple[str, bool]]:
    """JSON path -> what the schema says against it first, and whether that concerns nothing else in the file."""
    root = parse(text).root
    errors = (
        [] if root is None else sorted(_validator(schema, package).iter_errors(root.data()), key=lambda e: len(e.path))
    )
    found: dict[str, tuple[str, bool]] = {}
    for error in errors:
        for where, reason in _reasons(error):
            alone = isinstance(error.schema, Mapping) and error.schema.get(_IGNORED) is True
            found.setdefault(where, (reason, alone))
    return found


def _reasons(error: ValidationError) -> Iterable[tuple[str, str]]:
    where = json_path(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", ()) if isinstance(error.schema, Mapping) else ()
        for key in sorted(error.instance.keys() - known if isinstance(error.instance, Mapping) else ()):
            at = json_path([*error.absolute_path, key])
            yield at, f"`{at}` is not a key that exists there"
    elif error.validator == "required":
        yield where, f"`{where}` lacks {error.message.split(' is a required')[0]}"
    elif error.validator == "exclusiveMinimum":
        yield where, f"`{where}` is not a positive number"
    elif error.validator == "type":
        yield where, f"`{where}` is not of type {error.validator_value}"
    else:
        yield where, f"`{where}` is not a value that exists for it"


def json_path(keys: Iterable[object]) -> str:
    """``$.hooks.Stop[0]`` of a sequence of keys and indexes."""
    path = "$"
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += f".{key}" if _PLAIN_KEY.fullmatch(str(key)) else f"[{json.dumps(key)}]"
    return path


@cache
def _validator(schema: str, package: str) -> Draft202012Validator:
    """The schema of that name; package: where it is, if it is not one of ours."""
    from jsonschema import Draft202012Validator

    name = f"{schema}.schema.json"
    own = importlib.resources.files("hookkit.schemas") / name
    source = own if own.is_file() else importlib.resources.files(package) / name
    return Draft202012Validator(json.loads(source.read_text(encoding="utf-8")))


def managed_refusal(contract: AgentContract) -> Warn | None:
    """The machine-wide policy that keeps user hooks from running, if there is one."""
    wiring = contract.wiring
    if not isinstance(wiring, SettingsWiring):
        return None
    for path in policy_files(wiring.managed):
        try:
            policy = parse(path.read_bytes().decode("utf-8", "replace")).root
        except (OSError, JsonTextError):
            continue
        data = policy.data() if policy is not None else None
        if not isinstance(data, Mapping):
            continue
        keys = next((switch.path for switch in wiring.switches if _is_off(switch, data)), ())
        plugins_only = data.get("strictPluginOnlyCustomization")
        if data.get("allowManagedHooksOnly") is True:
            keys = ("allowManagedHooksOnly",)
        elif isinstance(plugins_only, list) and "hooks" in plugins_only:
            keys = ("strictPluginOnlyCustomization",)
        if keys:
            where = ".".join(keys)
            return Warn(
                "MANAGED_POLICY",
                str(path),
                json_path(keys),
                f"A policy of this machine ({path}, {where}) keeps {contract.title} from running your hooks.",
                "Ask the administrator of this machine to allow hooks.",
                blocks=True,
            )
    return None


def policy_files(managed: tuple[Path, ...]) -> Iterable[Path]:
    """The files of a policy that are there, in their order."""
    for path in managed:
        if os.path.isdir(path):
            yield from sorted(path.glob("*.json"))
        elif os.path.exists(path):
            yield path
