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

from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError
from hookkit.installer.jsontext import Document, JsonTextError, parse

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# A wrong `hooks`, or a wrong event in it, is ignored alone; anything else that is wrong costs the whole file.
_IGNORED_DEPTH = 2


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
    found = [*_syntax(contract, path, doc), *_schema(contract, path, doc)]
    root = doc.root.data() if doc.root is not None else {}
    if isinstance(root, Mapping) and root.get("disableAllHooks") is True:
        found.append(
            Warn(
                "HOOKS_DISABLED",
                str(path),
                "$.disableAllHooks",
                f"disableAllHooks is true, so {contract.title} runs no hooks.",
                "Set it to false, or delete it, when hooks may run.",
                blocks=True,
            )
        )
    return tuple(sorted(found, key=lambda warn: not warn.blocks))


def _syntax(contract: AgentContract, path: Path, doc: Document) -> list[Warn]:
    if contract.comments:
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


def _schema(contract: AgentContract, path: Path, doc: Document) -> list[Warn]:
    found: list[Warn] = []
    for where, (reason, fatal) in _violations(contract.envelope, doc.text).items():
        effect = f"{contract.title} skips the whole file" if fatal else f"{contract.title} ignores it"
        code = "MALFORMED_SETTING" if fatal else "IGNORED_SETTING"
        hint = f"Correct or delete {where}."
        found.append(Warn(code, str(path), where, f"{reason}, so {effect}.", hint, blocks=fatal))
    return found


@lru_cache(maxsize=16)  # as for ``parse``, and far slower than that
def _violations(envelope: str, text: str) -> Mapping[str, tuple[str, bool]]:
    """JSON path -> what the schema says against it first, and whether that costs the whole file."""
    root = parse(text).root
    errors = [] if root is None else sorted(_validator(envelope).iter_errors(root.data()), key=lambda e: len(e.path))
    found: dict[str, tuple[str, bool]] = {}
    for error in errors:
        fatal = list(error.absolute_path)[:1] != ["hooks"] or len(error.absolute_path) > _IGNORED_DEPTH
        found.setdefault(json_path(error.absolute_path), (_reason(error), fatal))
    return found


def _reason(error: ValidationError) -> str:
    if error.validator == "required":
        return f"`{json_path(error.absolute_path)}` lacks {error.message.split(' is a required')[0]}"
    if error.validator in ("enum", "pattern", "maximum"):
        return f"`{json_path(error.absolute_path)}` is not a value that exists for it"
    if error.validator == "exclusiveMinimum":
        return f"`{json_path(error.absolute_path)}` is not a positive number"
    return f"`{json_path(error.absolute_path)}` is not of type {error.validator_value}"


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
def _validator(envelope: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    source = importlib.resources.files("hookkit.schemas") / f"{envelope}.schema.json"
    return Draft202012Validator(json.loads(source.read_text(encoding="utf-8")))


def managed_refusal(contract: AgentContract) -> Warn | None:
    """The machine-wide policy that keeps user hooks from running, if there is one."""
    for path in _policy_files(contract.managed):
        try:
            policy = parse(path.read_bytes().decode("utf-8", "replace")).root
        except (OSError, JsonTextError):
            continue
        data = policy.data() if policy is not None else None
        if not isinstance(data, Mapping):
            continue
        plugins_only = data.get("strictPluginOnlyCustomization")
        key = next((k for k in ("allowManagedHooksOnly", "disableAllHooks") if data.get(k) is True), None)
        if key is None and isinstance(plugins_only, list) and "hooks" in plugins_only:
            key = "strictPluginOnlyCustomization"
        if key:
            return Warn(
                "MANAGED_POLICY",
                str(path),
                f"$.{key}",
                f"A policy of this machine ({path}, {key}) keeps {contract.title} from running your hooks.",
                "Ask the administrator of this machine to allow hooks.",
                blocks=True,
            )
    return None


def _policy_files(managed: tuple[Path, ...]) -> Iterable[Path]:
    for path in managed:
        if os.path.isdir(path):
            yield from sorted(path.glob("*.json"))
        elif os.path.exists(path):
            yield path
