"""Who the user is stays with the user: what telemetry says of persons and accounts is dropped or hashed on arrival."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from typing import Literal

from hookkit import paths

Policy = Literal["hash", "drop", "keep"]

# Whole words of an attribute's name: ``user.email`` and ``user_email``, but not ``useremailed``.
_MAIL = re.compile(r"(?:^|[._-])e?-?mail(?:$|[._-])", re.IGNORECASE)
_IDENTITY = re.compile(
    r"(?:^|\.)(?:"
    r"(?:user|enduser|account|organi[sz]ation|org|installation|device|host)"
    r"[._-](?:id|uuid|account[._-]?(?:id|uuid)|name|account)"
    r"|user[._-](?:account[._-](?:id|uuid)|full[._-]name|hash)|enduser[._-]pseudo[._-]id|service[._-]instance[._-]id"
    r"|process[._-]owner"
    r")$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:[^<>@]*<)?[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+>?\s*")
_LONGEST_ADDRESS = 320  # characters
_KEY = 32  # bytes
Filter = Callable[[str, object], object]


def keeper(policy: Policy) -> Filter:
    """What is kept of an attribute: a function of (name, value) giving the value, a hash of it, or None.

    A hash is the same for the same value on this machine, so that sessions can still be told apart by it, and tells
    nobody else anything: its key is a random one of this machine's. What is inside of a value is named by its path. A
    value that is an address of e-mail is dropped, whatever its name; texts that speak of one are not.
    """
    if policy == "keep":
        return lambda _name, value: value
    secret = _secret() if policy == "hash" else b""

    def kept(name: str, value: object) -> object:
        if (about := _about(name)) is not None:
            return _hashed(secret, str(value)) if secret and about == "identity" else None
        if isinstance(value, str):
            return None if "@" in value and len(value) < _LONGEST_ADDRESS and _ADDRESS.fullmatch(value) else value
        if isinstance(value, list):
            return [kept(name, each) for each in value]
        if isinstance(value, dict):
            inner = ((key, kept(f"{name}.{key}", each)) for key, each in value.items())
            return {key: each for key, each in inner if each is not None}
        return value

    return kept


@functools.lru_cache(maxsize=4096)
def _about(name: str) -> Literal["mail", "identity"] | None:
    """What an attribute of that name tells of a person."""
    if _MAIL.search(name):
        return "mail"
    return "identity" if _IDENTITY.search(name) else None


@functools.lru_cache(maxsize=1024)
def _hashed(secret: bytes, value: str) -> str:
    return f"hashed:{hmac.new(secret, value.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:16]}"


def _secret() -> bytes:
    """The key of this machine; made when it is first wanted."""
    path = paths.private_dir(paths.state()) / "telemetry.key"
    try:
        found = path.read_bytes()
        if len(found) == _KEY:
            return found
    except OSError:
        pass
    made = secrets.token_bytes(_KEY)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(made)
    os.replace(temporary, path)
    return made
