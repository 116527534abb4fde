"""Run git the same way everywhere: no inherited GIT_* variables, no optional locks, no user hooks, no fsmonitor."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hookkit.errors import HookkitError

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")


class GitError(HookkitError):
    """git could not be run, or said no."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a git child: the caller's, without what would point git at another repository."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return clean | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | dict(extra or {})


def run(
    root: Path,
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    timeout: float = 60,
    check: bool = True,
    stdin: bytes = b"",
) -> bytes:
    """stdout of ``git -C root ARGUMENTS``; GitError when git is missing, too slow or (if ``check``) exits non-zero."""
    command = ["git", "-C", str(root), *_QUIET, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, input=stdin, env=environment(extra), timeout=timeout, check=False
        )
    except FileNotFoundError:
        raise _no_git() from None
    except subprocess.TimeoutExpired:
        raise GitError(
            "GIT_TIMEOUT", f"git {arguments[0]} took longer than {timeout:g} s in {root}.", "Try again."
        ) from None
    if check and done.returncode:
        raise _refused(root, arguments[0], done.returncode, done.stderr)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Stream:
    """A running git child: what is written to ``stdin``, and flushed, is answered on ``stdout``."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    _process: subprocess.Popen[bytes]
    _said: IO[bytes]
    _about: tuple[Path, str]

    def died(self) -> GitError:
        """Why there is no more output, as an error to raise; ends the child if it is still there."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            code = -1
        self._said.seek(0)  # after its end, or it would write at the wrong place
        return _refused(*self._about, code, self._said.read(4096))

    def ended(self) -> None:
        """GitError unless the child, whose output was read to its end, came to a good end itself."""
        if self._process.wait():
            raise self.died()


@contextlib.contextmanager
def stream(root: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> Iterator[Stream]:
    """``git -C root ARGUMENTS`` with open pipes, for questions and answers. The child is gone when the block ends."""
    command = ["git", "-C", str(root), *_QUIET, *arguments]
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(tempfile.TemporaryFile())  # a pipe that nobody reads could fill up and stop git
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment(extra)
            )
        except FileNotFoundError:
            raise _no_git() from None
        assert process.stdin
        assert process.stdout
        try:
            yield Stream(process.stdin, process.stdout, process, said, (root, arguments[0]))
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            process.wait()


def _no_git() -> GitError:
    return GitError("GIT_MISSING", "git was not found on PATH.", "Install git 2.20 or newer.")


def _refused(root: Path, command: str, code: int, stderr: bytes) -> GitError:
    said = stderr.decode(errors="replace").strip() or f"exit code {code}"
    return GitError("GIT_FAILED", f"git {command} failed in {root}: {said}", "Run the same command by hand.")
