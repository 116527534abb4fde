"""The text of a git hook: how it is written, how it is known again, and how the hook that was there before is run.

A hook of ours is one block between two marks, and the first mark carries the hash of the block: exactly what a hookkit
wrote is known without any record, also where somebody wrote lines of their own around it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: How the hook that was there before is run; see ``manner``.
Manner = Literal["read", "link", "run"]

LINKS = ".hookkit"
_KEPT = ".before-hookkit"
_BEGIN = b"# >>> hookkit >>> sha256:"
_END = b"# <<< hookkit <<<\n"
_BLOCK = re.compile(
    rb"^# >>> hookkit >>> sha256:(?P<hash>[0-9a-f]{64})\n(?P<body>.*?)^# <<< hookkit <<<\n", re.M | re.S
)
_KEEPS = re.compile(rb"^# The hook that was here before is (?P<kept>[^/\n]+)\.\n", re.M)
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_SELF = re.compile(rb"\$(?:0|\{0[^}]*\})")
_NEIGHBOURS = re.compile(rb'(?:dirname|basename)\s+(?:--\s+)?"?\$(?:0|\{0\})"?|\$\{0[%#][^}]*\}')
_ASK_NAME = (b"basename", b"${0##")
_ASK_PLACE = (b"dirname", b"${0%", b"FindBin")
# What git sets for a hook and what would lead a git of ours into another repository, or to another index.
_OF_GIT = (
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_PREFIX GIT_OBJECT_DIRECTORY"
    " GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_NAMESPACE GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT"
    " GIT_QUARANTINE_PATH GIT_EDITOR GIT_SEQUENCE_EDITOR"
)

_HEAD = """\
# `hookkit install git` wrote this: it tells hookkit, in the background, that there are new commits.
# `hookkit remove git` takes it out. Whatever is missing here, git never learns of it.
hookkit_code=0
"""

# $0 ends in another name where another tool has moved this file aside, runs it from there, and has taken its name.
# Where that is the very hook that is kept here, it has just run.
_THEIRS = """\
# The hook that was here before is {kept}.
case $0 in */*) hookkit_here=${{0%/*}} ;; *) hookkit_here=. ;; esac
hookkit_kept=$hookkit_here/{kept}
case ${{0##*/}} in
  {name}) ;;
  *) ! cmp -s "$hookkit_kept" "$hookkit_here/{name}" || hookkit_kept= ;;
esac
if [ -n "$hookkit_kept" ] && [ -x "$hookkit_kept" ]; then
{run}  hookkit_code=$?
fi
"""

_RUN = '  {stdin}"$hookkit_kept" "$@"\n'
# By a link that is called like the hook, for programs that ask what they are called.
_LINK = (
    '  [ ! -x "$hookkit_here/{links}/{name}" ] || hookkit_kept=$hookkit_here/{links}/{name}\n'
    '  {stdin}"$hookkit_kept" "$@"\n'
)
# In this very shell, for scripts that find their neighbours by $0.
_READ = '  {stdin}(case $hookkit_flags in *e*) set -e ;; esac; . "$hookkit_kept")\n'

_STDIN = "hookkit_pairs=$(cat 2>/dev/null; echo .)\nhookkit_pairs=${hookkit_pairs%.}\n"

# Nothing is started where nothing was recorded: one folder of hooks may serve many repositories. No process either: the
# folder that all worktrees of a repository share is read from git's own files. A run that was asked for, and has not
# begun its work, sees this commit too; one that did not come within a minute was killed.
_OURS = """\
if [ "${{HOOKKIT_DISABLE-}}" != 1 ]; then
  hookkit_git=${{GIT_DIR:-.git}}
  if [ -f "$hookkit_git" ]; then
    IFS= read -r hookkit_line <"$hookkit_git"
    hookkit_git=${{hookkit_line#gitdir: }}
  fi
  hookkit_common=$hookkit_git
  if [ -f "$hookkit_git/commondir" ]; then
    IFS= read -r hookkit_line <"$hookkit_git/commondir"
    case $hookkit_line in /*) hookkit_common=$hookkit_line ;; *) hookkit_common=$hookkit_git/$hookkit_line ;; esac
  fi
  if {condition}; then
{remember}    hookkit_asked=$hookkit_common/hookkit/commit.request
    if [ ! -e "$hookkit_asked" ] || [ -n "$(find "$hookkit_asked" -mmin +1)" ]; then
      printf "" >"$hookkit_asked"
      (
        trap '' HUP
        unset {of_git}
        {home}! command -v setsid >/dev/null || exec setsid {command}
        exec {command}
      ) </dev/null >/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    fi
  fi
fi 2>/dev/null
"""
_RECORDED = '[ -d "$hookkit_common/hookkit" ]'
# A rebase makes many commits, and tells of all of them at its end.
_NOT_IN_A_REBASE = ' && [ ! -d "$hookkit_git/rebase-merge" ] && [ ! -d "$hookkit_git/rebase-apply" ]'
_REMEMBER = '    printf %s "$hookkit_pairs" >>"$hookkit_common/hookkit/rewritten"\n'
_TAIL = '[ "$hookkit_code" = 0 ] || (exit "$hookkit_code")\n'


@dataclass(frozen=True, slots=True)
class Kept:
    """The hook that was there before. file: what it is called now; shell: the first line that it has, if it is read."""

    file: str
    manner: Manner
    shell: bytes = b"#!/bin/sh"


@dataclass(frozen=True, slots=True)
class Command:
    """What a hook starts. run: program and arguments; home: the value of $HOOKKIT_HOME to set, or None."""

    run: tuple[str, ...]
    home: str | None

    def line(self) -> str:
        """As it stands in the hook; without --project."""
        return shlex.join([*self.run, "_commit"])


@dataclass(frozen=True, slots=True)
class Block:
    """A block of ours as it stands in a hook. before, after: what others wrote around it. kept: as in the block."""

    before: bytes
    body: bytes
    after: bytes
    intact: bool

    @property
    def alone(self) -> bool:
        """Whether nobody wrote anything else into the file."""
        return self.intact and not self.after and re.fullmatch(rb"#![^\n]*\n", self.before) is not None

    @property
    def kept(self) -> str | None:
        """The file that the hook which was there before is in now."""
        found = _KEEPS.search(self.body)
        return os.fsdecode(found["kept"]) if found else None

    @property
    def command(self) -> tuple[str, ...]:
        """What it starts; empty where it only runs the hook that was there before."""
        found = re.search(rb'^ +exec (?!setsid )(.+) --project "\$PWD"$', self.body, re.M)
        return tuple(shlex.split(os.fsdecode(found[1]))) if found else ()


def hook(name: str, command: Command, kept: Kept | None) -> bytes:
    """The whole file of the hook ``name`` (post-commit or post-rewrite)."""
    shell = kept.shell if kept and kept.manner == "read" else b"#!/bin/sh"
    return shell + b"\n" + block(name, command, kept)


def block(name: str, command: Command | None, kept: Kept | None) -> bytes:
    """Our lines in the hook ``name``. command: None for the lines that only run what was there before."""
    rewrites = name == "post-rewrite"
    parts = [_HEAD, _STDIN if rewrites else "", _theirs(name, kept) if kept else ""]
    if command:
        parts.append(
            _OURS.format(
                condition=_RECORDED + ("" if rewrites else _NOT_IN_A_REBASE),
                remember=_REMEMBER if rewrites else "",
                of_git=_OF_GIT,
                home=f"export HOOKKIT_HOME={shlex.quote(command.home)}\n        " if command.home else "",
                command=f'{command.line()} --project "$PWD"',
            )
        )
    body = os.fsencode("".join([*parts, _TAIL]))
    return _BEGIN + hashlib.sha256(body).hexdigest().encode() + b"\n" + body + _END


def _theirs(name: str, kept: Kept) -> str:
    stdin = 'printf %s "$hookkit_pairs" 2>/dev/null | ' if name == "post-rewrite" else ""
    form = {"run": _RUN, "link": _LINK, "read": _READ}[kept.manner]
    lines = _THEIRS.format(name=name, kept=kept.file, run=form.format(name=name, links=LINKS, stdin=stdin))
    # The flags of the first line are those of the other hook: ours must not end at a command that fails.
    return "hookkit_flags=$-\nset +e\n" + lines if kept.manner == "read" else lines


def find(data: bytes) -> Block | None:
    """Our block in a hook; None where there is none. Lines of ours that somebody changed are not ``intact``."""
    found = _BLOCK.search(data)
    if found:
        intact = hashlib.sha256(found["body"]).hexdigest().encode() == found["hash"]
        return Block(data[: found.start()], found["body"], data[found.end() :], intact)
    return Block(data, b"", b"", intact=False) if _BEGIN in data else None


def alone(data: bytes) -> bytes:
    """A hook that holds our lines of ``data`` and nobody else's; b"" where it holds none."""
    found = _BLOCK.search(data)
    return b"#!/bin/sh\n" + found.group() if found else b""


def kept_name(name: str, number: int = 0) -> str:
    """What the hook ``name`` that was there before is called. number: of further ones."""
    return f"{name}{_KEPT}" + (f".{number}" if number else "")


def is_kept(name: str, file: str) -> bool:
    """Whether ``file`` is a name that ``kept_name`` gives for the hook ``name``."""
    return re.fullmatch(re.escape(kept_name(name)) + r"(?:\.[0-9]+)?", file) is not None


def keep(file: str, path: Path) -> Kept:
    """How the hook at ``path`` is to be run once it is called ``file``."""
    try:
        data = path.read_bytes()
    except OSError:  # a link that leads nowhere, or a file that may be run but not read
        return Kept(file, "run")
    shell = _first_line(data)
    return Kept(file, manner(data), shell) if manner(data) == "read" else Kept(file, manner(data))


def manner(data: bytes) -> Manner:
    """How a hook with this content notices least that it has another name.

    ``read``: by the same shell with the same $0, for scripts that ask $0 for their folder or their name (husky,
    pre-commit). ``link``: by a link with its old name, for what asks for its name only. ``run``: as it is, with its
    neighbours beside it.
    """
    if b"\0" in data[:8192]:
        return "link"
    shell = _interpreter(_first_line(data)) in _SHELLS
    rest = _NEIGHBOURS.sub(b"", data)
    if shell and rest != data and not _SELF.search(rest) and b"BASH_SOURCE" not in data:
        return "read"
    asks_name, asks_place = (any(word in data for word in words) for words in (_ASK_NAME, _ASK_PLACE))
    return "link" if asks_name and not asks_place else "run"


def _first_line(data: bytes) -> bytes:
    return data.split(b"\n", 1)[0].rstrip() if data.startswith(b"#!") else b"#!/bin/sh"


def _interpreter(line: bytes) -> str:
    """The name of the program in a first line, with ``env`` looked through."""
    words = [os.path.basename(word) for word in os.fsdecode(line[2:]).split()]
    if words[:1] == ["env"]:
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""
