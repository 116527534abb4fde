"""Takes secrets out of what is about to leave the machine: by the names of keys, and by what secrets look like.

Names are judged by whole words, so that ``max_tokens``, ``token_count`` and ``author`` stay. Looks are those of known
providers' keys, private-key armour, values that a name in the text gives away (``API_KEY=…``, ``--token …``,
``https://me:…@``), in plain text as in JSON within JSON, within colours, or within a web address, and what known
programs take as a password (``curl -u me:…``, ``mysql -p…``).
It errs towards keeping: what cannot be told from ordinary text stays, so a look through before publishing stays wise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain, count, pairwise
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
# As words in one that begin otherwise: PGPASSWORD, dbpassword.
_ENDS = ("password", "passwd", "passphrase", "apikey", "authtoken", "accesstoken")
# Behind "token" these tell that it is not the token itself.
_ABOUT = frozenset({"count", "counts", "limit", "budget", "type", "usage", "details", "id", "index", "length", "url"})
# Behind a sensitive name these tell that the value is about the secret, and not the secret.
_METHODS = frozenset(
    {
        "type", "method", "mode", "scheme", "provider", "url", "uri", "file", "path", "name", "status", "stdin", "jar",
        "title", "description", "format",
    }
)  # fmt: skip
# In one of these stands the name, beside a "value" that it tells of: headers and variables are often listed so.
_NAMING = ("name", "key", "header")

# Letters before a word that are not part of it: the end of a colour, of a line in JSON, of a character in an address.
_ESCAPED = r"(?<=[\[;0-9][mKJ])|(?<=\\[abfnrtv])|(?<=%[0-9A-Fa-f]{2})"
_COLOUR = r"(?:\x1b\[[0-9;]*[A-Za-z])*"
_BEGINS = r"(?:(?<![A-Za-z0-9_.-])|" + _ESCAPED + r")"
_BLANKS = r"(?:\s|\\[nt]){1,40}"

_LOOKS = re.compile(
    r"""
    (?P<armour>-----BEGIN\ [A-Z0-9 ]*PRIVATE\ KEY(?:\ BLOCK)?-----.*?
      (?:-----END\ [A-Z0-9 ]*PRIVATE\ KEY(?:\ BLOCK)?-----|\Z))
  | (?=[A-Za-z])  # a dash before a key is that of a word, or of a line that a diff takes out
    (?:(?<![A-Za-z0-9_-])|(?<=-)(?:(?<![^\n]-)|(?<=\\n-)|(?<=[\[;0-9]m-))|"""
    + _ESCAPED
    + r""")(?P<key>
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
  | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,200}:)[^\s/]{1,200}(?=@)
  | (?P<netrc>"""
    + rf"""{_BEGINS}machine{_BLANKS}[^\s\\]+{_BLANKS}login{_BLANKS}[^\s\\]+{_BLANKS}password{_BLANKS})"""
    + r"""(?!\[REDACTED\])[^\s"'\\]{4,200}
    """,
    re.VERBOSE | re.DOTALL,
)
# Every look holds one of these: to search for them takes a tenth of the time, and most texts hold none.
_SIGNS = (
    "PRIVATE KEY", "sk-", "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "xapp-", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "npm_", "pypi-", "hf_", "SG.", "whsec_", "gsk_", "xai-", "dop_v1_",
    "earer ", "asic ", "://", "login",
)  # fmt: skip
# Every sensitive name holds one of these.
_STEMS = ("pass", "pwd", "secret", "credential", "auth", "cookie", "key", "token")
# name=, "name": and "name","value": in running text, quotes escaped or not; <name>; behind --name a blank or a comma.
_NAME = re.compile(
    r"(?:(?<![A-Za-z0-9_])|" + _ESCAPED + r")(?P<flag>(?<=--))?(?P<tag>(?<=<))?"
    r"(?P<name>[A-Za-z_][A-Za-z0-9_-]{1,60}+)" + _COLOUR + r"""(?:\\{0,15}["']?""" + _COLOUR + r"""[ \t]*"""
    r"""(?:=>|:=|[=:]|%3[AaDd]|[,\n]\s{0,40}\\{0,15}["']?value\\{0,15}["']?[ \t]*:)"""
    r"""(?:\s{0,40}(?=\\{0,15}["'])|[ \t]+|\s?)"""
    r"""|(?(flag)(?:[ \t]+(?!-|\.{1,2}/|~/)|\\{0,15}["'],\s{0,40}(?=\\{0,15}["']))|(?!))|(?(tag)>|(?!)))"""
)  # fmt: skip
# What stands behind a name: it ends with its quote, or with white space. A scheme before it is not the secret.
_SCHEME = r"(?i:bearer|basic|token|digest|apikey)[ ]+"
_VALUE = re.compile(
    _COLOUR + r"""(?:(?P<quote>\\{0,15}["'])(?:""" + _SCHEME + r""")?+(?P<quoted>[^\n]*?)(?=(?<!\\)(?P=quote)|\n|\Z)"""
    r"""|(?P<scheme>""" + _SCHEME + r""")?+"""
    r"""(?P<bare>(?!\$)(?:[^\s"'`,;&|<>()\[\]{}\\\x1b]|\\(?!\\{0,15}["'])){6,}+(?![(\[])))"""
)  # fmt: skip
# Of cookies, all that follow in the line.
_COOKIES = re.compile(r"""[\w.-]{1,100}=[^\r\n"'`\\\x1b]{4,}""")
# Of a block of YAML's, all lines that are indented like its first.
_BLOCK = re.compile(
    r"""[|>][+-]?[ \t]*(?P<end>\n|(?P<json>\\{1,15}n))(?P<indent>[-+ ]?[ \t]+)"""
    r"""(?P<lines>(?:(?!(?P=end))(?(json)[^\n"]|[^\n]))+(?:(?P=end)(?P=indent)(?:(?!(?P=end))(?(json)[^\n"]|[^\n]))+)*)"""
)
# A program, the rest of its command (lines may go on behind a backslash), and the option before its password.
_USER = r"""[^\s:"'\\]{1,100}:(?!//)"""
_ATTACHED = r"""(?P<quote>\\{0,15}["'])?"""
_SPACED = r"""(?:=|\\{0,15}["'],\s{0,40}|\s{0,40})""" + _ATTACHED
_PROGRAMS: dict[str, str] = {
    "curl": rf"-(?:[A-Za-z]*[uU]|-user|-proxy-user){_SPACED}{_USER}",
    "https?|xhs?": rf"-(?:a|-auth){_SPACED}{_USER}",
    "(?:mysql|mariadb)[a-z-]*": rf"-p{_ATTACHED}",
    "7z[ar]?": rf"-p{_ATTACHED}",
    "sshpass": rf"-p{_SPACED}",
    "(?:docker|podman|nerdctl|helm registry) login": rf"-p{_SPACED}",
    "redis-cli": rf"-a{_SPACED}",
    "ldap[a-z]+": rf"-w{_SPACED}",
    "(?:un)?zip": rf"-P{_SPACED}",
    "openssl": rf"-pass(?:in|out)?{_SPACED}pass:",
}
_COMMAND = re.compile(
    _BEGINS
    + "(?:"
    + "|".join(f"(?P<p{number}>{program})" for number, program in enumerate(_PROGRAMS))
    + r""")(?=[\s"'\\])(?P<rest>(?:[^\n;|&\\]|\\{3}n|\\\n|\\(?!n)){1,2000})"""
)
_OPTIONS = [
    re.compile(
        rf"""(?<![A-Za-z0-9_-]){option}(?![\s$,)\]}}])(?P<secret>(?(quote)(?:(?!(?P=quote))[^\n]){{3,200}}|"""
        r"""[^\s"'`\\<>()]{3,200}))"""
    )
    for option in _PROGRAMS.values()
]
# Every command holds one of these.
_CALLED = ("curl", "http", "xh", "mysql", "mariadb", "7z", "sshpass", " login", "redis-cli", "ldap", "zip", "openssl")
_IDENTIFIER = re.compile(r"[A-Za-z_.]+")
_SHORTEST = 4
_FLAG = re.compile(r"--[A-Za-z][A-Za-z0-9_-]*")


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
    return words[-1] == "token" or (words[-1].endswith(_ENDS) and not words[-1].startswith("no"))


class _Redaction:
    def __init__(self) -> None:
        self.found = 0

    def value(self, value: Any, name: str = "") -> Any:
        """``name``: of the key it stands under; what a sensitive one holds is secret however deep it lies."""
        if isinstance(value, Mapping):
            return self._mapping(value, name)
        if isinstance(value, (list, tuple)):
            return [self.value(item, _flag(before) or name) for before, item in pairwise((None, *value))]
        if isinstance(value, str):
            return self.text(value, name)
        if name and is_sensitive(name) and value is not None and not isinstance(value, bool):
            return self._mark()
        return value

    def _mapping(self, value: Mapping[Any, Any], name: str) -> dict[Any, Any]:
        outer = name if is_sensitive(name) else ""
        named = next((word for key in _NAMING if isinstance(word := value.get(key), str) and is_sensitive(word)), "")
        told: dict[Any, Any] = {}
        for key, item in value.items():
            inner = str(key)
            if named and inner == "value":
                inner = named
            elif outer and not is_sensitive(inner) and not _tells_about(inner):
                inner = outer
            told[self._key(key, told)] = self.value(item, inner)
        return told

    def _key(self, key: Any, taken: Mapping[Any, Any]) -> Any:
        if not isinstance(key, str) or (told := self.text(key)) == key:
            return key
        names = chain((told,), (f"{told} {number}" for number in count(2)))
        return next(name for name in names if name not in taken)

    def text(self, text: str, name: str = "") -> str:
        if not text or text == MARK:
            return text
        if name and is_sensitive(name):
            return self._mark()
        for sign in _SIGNS:
            if sign in text:
                text = _LOOKS.sub(self._look, text)
                break
        if "-" in text:
            for program in _CALLED:
                if program in text:
                    text = _COMMAND.sub(self._command, text)
                    break
        lowered = text.lower()
        return self._named(text) if any(stem in lowered for stem in _STEMS) else text

    def _mark(self) -> str:
        self.found += 1
        return MARK

    def _look(self, found: re.Match[str]) -> str:
        return (found["bearer"] or found["url"] or found["netrc"] or "") + self._mark()

    def _command(self, found: re.Match[str]) -> str:
        number = next(number for number in range(len(_OPTIONS)) if found[f"p{number}"])
        start, end = found.span("rest")
        return found.string[found.start() : start] + _OPTIONS[number].sub(self._option, found.string[start:end])

    def _option(self, found: re.Match[str]) -> str:
        if found["secret"].startswith(MARK):
            return found.group()
        return found.group()[: found.start("secret") - found.start()] + self._mark()

    def _named(self, text: str) -> str:
        pieces, done, position = [], 0, 0
        while found := _NAME.search(text, position):
            position = found.end()
            if not _is_sensitive_in(text, found):
                continue
            start, end = _value_of(found["name"], text, position)
            if end - start < _SHORTEST or text.startswith(MARK, start):
                continue
            pieces += [text[done:start], self._mark()]
            done = position = end
        return "".join([*pieces, text[done:]])


def _is_sensitive_in(text: str, found: re.Match[str]) -> bool:
    name = found["name"]
    # The first letter may belong to what stands before the name: "\\npassword", "\x1b[mpassword".
    return is_sensitive(name) or (text[max(found.start("name") - 1, 0)] in "\\[" and is_sensitive(name[1:]))


def _value_of(name: str, text: str, position: int) -> tuple[int, int]:
    """From where to where the secret is that a name before ``position`` gives away; nowhere: the same number twice."""
    if "cookie" in name.lower() and (cookies := _COOKIES.match(text, position)):
        return cookies.span()
    if block := _BLOCK.match(text, position):
        return block.span("lines")
    value = _VALUE.match(text, position)
    if not value:
        return position, position
    if value["bare"] is None:
        return value.span("quoted")
    is_prose = value["scheme"] and "auth" not in name.lower()  # "token: Basic words"
    is_code = name.startswith("_") and _IDENTIFIER.fullmatch(value["bare"]) and is_sensitive(value["bare"])
    return (position, position) if is_prose or is_code else value.span("bare")  # is_code: self._token = token


def _flag(argument: Any) -> str:
    """The name of an option whose value is the next argument: that of ``--token``; not of ``--token=…``."""
    return argument.removeprefix("--") if isinstance(argument, str) and _FLAG.fullmatch(argument) else ""


def _tells_about(name: str) -> bool:
    words = _WORD.findall(name)
    return bool(words) and words[-1].lower() in _METHODS | _ABOUT
