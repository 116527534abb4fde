"""Takes secrets out of what is about to leave the machine: by the names of keys, and by what secrets look like.

Names are judged by whole words, so that ``max_tokens``, ``token_count`` and ``author`` stay. Looks are those of known
providers' keys, private-key armour, and values that a name in the text gives away (``API_KEY=…``, ``https://me:…@``).
It errs towards keeping: what cannot be told from ordinary text stays, so a look through before publishing stays wise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

MARK = "[REDACTED]"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALONE = frozenset(
    {
        "password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials",
        "authorization", "cookie", "cookies", "apikey", "apikeys", "privatekey", "auth",
    }
)  # fmt: skip
_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key")})
# Behind "token" these tell that it is not the token itself.
_ABOUT = frozenset({"count", "counts", "limit", "budget", "type", "usage", "details", "id", "index", "length", "url"})
# Behind a sensitive name these tell that the value is about the secret, and not the secret.
_METHODS = frozenset({"type", "method", "mode", "scheme", "provider", "url", "uri", "file", "path", "name", "status"})

_LOOKS = re.compile(
    r"""
    (?P<armour>-----BEGIN\ [A-Z0-9 ]*PRIVATE\ KEY(?:\ BLOCK)?-----.*?
      (?:-----END\ [A-Z0-9 ]*PRIVATE\ KEY(?:\ BLOCK)?-----|\Z))
  | (?<![A-Za-z0-9_])(?<![^\n]-)(?P<key>  # a dash before it is that of a word, or of a line that a diff takes out
      sk-(?:ant-|proj-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,}
    | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}
    | gh[pousr]_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{22,}
    | glpat-[A-Za-z0-9_-]{20,}
    | xox[abeoprs]-[A-Za-z0-9-]{10,} | xapp-[A-Za-z0-9-]{10,}
    | (?:AKIA|ASIA)[A-Z0-9]{16}
    | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,}
    | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
    | npm_[A-Za-z0-9]{36} | pypi-AgE[A-Za-z0-9_-]{20,} | hf_[A-Za-z0-9]{30,}
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | whsec_[A-Za-z0-9+/=]{20,}
    | gsk_[A-Za-z0-9]{30,} | xai-[A-Za-z0-9]{30,} | dop_v1_[a-f0-9]{40,}
    )
  | (?P<bearer>\b(?:[Bb]earer|[Bb]asic)\ +)[A-Za-z0-9._~+/=-]{12,}
  | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,200}:)[^\s/@]{1,200}(?=@)
    """,
    re.VERBOSE | re.DOTALL,
)
# Every look holds one of these: to search for them takes a tenth of the time, and most texts hold none.
_SIGNS = (
    "PRIVATE KEY", "sk-", "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "xapp-", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "npm_", "pypi-", "hf_", "SG.", "whsec_", "gsk_", "xai-", "dop_v1_",
    "earer ", "asic ", "://",
)  # fmt: skip
# name=value and "name": "value" in running text; the value ends with its quote, or with white space.
_NAMED = re.compile(
    r"""(?<![A-Za-z0-9_])(?<![^\n]-)(?P<name>[A-Za-z][A-Za-z0-9_-]{1,60})(?P<between>["']?\s?[=:]\s?)(?P<quote>["']?)"""
    r"""(?P<value>(?<=")[^"\n]{4,400}|(?<=')[^'\n]{4,400}|(?<!["'])[^\s"'`,;&|<>()\[\]{}$]{6,400}+(?![(\[]))"""
)


def redact(value: Any) -> Any:
    """The same JSON value with every secret replaced by ``[REDACTED]``; what holds none is not changed."""
    return _Redaction().value(value)


def redact_counted(value: Any) -> tuple[Any, int]:
    """``redact``, and how many secrets were replaced."""
    redaction = _Redaction()
    return redaction.value(value), redaction.found


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Whether a key of this name holds a secret: ``api_key``, ``authToken``, ``DB_PASSWORD``; not ``max_tokens``."""
    words: list[str] = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _METHODS:
        return False
    if any(pair in _PAIRS for pair in pairwise(words)) and words[-1] not in _ABOUT:
        return True
    if not _ALONE.isdisjoint(words):
        return words[-1] not in _ABOUT
    return words[-1] == "token"


class _Redaction:
    def __init__(self) -> None:
        self.found = 0

    def value(self, value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, name) for item in value]
        if isinstance(value, str):
            return self.text(value, name)
        if name and is_sensitive(name) and value is not None and not isinstance(value, bool):
            return self._mark()
        return value

    def text(self, text: str, name: str = "") -> str:
        if not text or text == MARK:
            return text
        if name and is_sensitive(name):
            return self._mark()
        for sign in _SIGNS:
            if sign in text:
                text = _LOOKS.sub(self._look, text)
                break
        return _NAMED.sub(self._named, text) if "=" in text or ":" in text else text

    def _mark(self) -> str:
        self.found += 1
        return MARK

    def _look(self, found: re.Match[str]) -> str:
        return (found["bearer"] or found["url"] or "") + self._mark()

    def _named(self, found: re.Match[str]) -> str:
        if found["value"].startswith(MARK) or not is_sensitive(found["name"]):
            return found[0]
        return found["name"] + found["between"] + found["quote"] + self._mark()
