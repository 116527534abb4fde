"""Where git looks for the hooks of a repository, and what else is said about that folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hookkit import git
from hookkit.errors import HookInstallError
from hookkit.installer import files

# What points git at one repository whatever folder it is started in; the user's other configuration is meant to count.
_POINTERS = frozenset(
    {
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Location:
    """A repository and its hooks folder.

    root: the worktree's, or the git folder of a bare repository. common_dir: the git folder that all worktrees share.
    link: the hooks folder as git names it, made absolute; folder: the same with links followed.
    """

    root: Path
    common_dir: Path
    link: Path
    folder: Path

    @property
    def is_shared(self) -> bool:
        """Whether the folder is outside this repository, so that others may use it as well."""
        return not any(self.folder.is_relative_to(base) for base in (self.common_dir, self.root.resolve()))


def locate(project: Path) -> Location:
    """The repository that holds ``project``. HookInstallError where there is none, or git says no."""
    common = _ask(project, "rev-parse", "--git-common-dir")
    bare = _ask(project, "rev-parse", "--is-bare-repository") == "true"
    inside = _ask(project, "rev-parse", "--is-inside-work-tree") == "true"
    common_dir = (project / common).resolve()
    if not bare and not inside:  # in the git folder itself
        found = _ask(common_dir.parent, "rev-parse", "--is-inside-work-tree", refuse=False) == "true"
        project = common_dir.parent if found else project
        inside = found
    root = Path(_ask(project, "rev-parse", "--show-toplevel")) if inside else common_dir
    # A relative core.hooksPath starts where hooks are run: at the root.
    link = Path(os.path.normpath(root / _ask(root, "rev-parse", "--git-path", "hooks")))
    return Location(root, common_dir, link, files.follow(link))


def seen_by_git(folder: Path, names: list[str]) -> Path | None:
    """The root of the worktree in which new files of these names in ``folder`` would show up as changes; else None."""
    existing = folder
    while not existing.is_dir():
        existing = existing.parent
    root = git.worktree_root(existing)
    if root is None or _ask(existing, "rev-parse", "--is-inside-work-tree", refuse=False) != "true":
        return None
    paths = [os.path.relpath(folder / name, root) for name in names]
    if _run(root, "ls-files", "-z", "--", *(f":(top,literal){path}" for path in paths)).stdout:
        return root
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    ignored = _run(root, "check-ignore", "-z", "--stdin", stdin=asked).stdout.count(b"\0")
    return None if ignored == len(paths) else root


def _ask(folder: Path, *arguments: str, refuse: bool = True) -> str:
    done = _run(folder, *arguments)
    if done.returncode and refuse:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        missing = "not a git repository" in said
        raise HookInstallError(
            "NOT_A_REPOSITORY" if missing else "GIT_FAILED",
            f"{folder} is not in a git repository." if missing else f"git {arguments[0]} failed in {folder}: {said}",
            "Go to a repository, or name one with --project; `git init` makes one."
            if missing
            else "Run the same git command by hand.",
        )
    return os.fsdecode(done.stdout).removesuffix("\n")


def _run(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git as the user's own git would run here: ``git.run`` switches core.hooksPath off, which is asked for."""
    env = {key: value for key, value in os.environ.items() if key not in _POINTERS}
    env |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-C", os.fspath(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, input=stdin, env=env, check=False, timeout=60)
    except FileNotFoundError:
        raise HookInstallError("GIT_MISSING", "git was not found on PATH.", "Install git 2.20 or newer.") from None
    except subprocess.TimeoutExpired:
        raise HookInstallError("GIT_TIMEOUT", f"git did not answer in {folder}.", "Try again.") from None
