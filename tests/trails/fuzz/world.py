"""A real repository, its worktrees and its files; the ledger hears of every byte that is written."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .model import BEFORE, ELSEWHERE, Author, Ledger, texts

NAMES = (
    b"a.py", b"b.txt", b"src/c.py", b"src/deep/d.c", b"caf\xc3\xa9.py", b"with space.md", b"-dash", b"q\"uote.txt",
    b"tab\there.py", b"latin-\xe9.txt", b"b/src/a.py", b"new\nline.txt", b"e.js", b"f.rb", b"g.go", b"dir b/a.py",
)  # fmt: skip
EPOCH = 1_790_000_000


class Clock:
    """Time as the hooks and git see it; it never stands still and never waits."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.us = EPOCH * 1_000_000 + rng.randrange(1_000_000)

    def tick(self, hurry: bool = False) -> int:
        steps = (3_000, 20_000) if hurry else (20_000, 700_000, 2_500_000, 61_000_000)
        self.us += self._rng.choice(steps) + self._rng.randrange(2_000)
        return self.us


@dataclass(slots=True)
class Tree:
    """A worktree. history: contents that its files once had, oldest first."""

    root: Path
    history: list[tuple[str, bytes]] = field(default_factory=list)


class World:
    """The repository below ``folder``. settings: git configuration of the user, by key."""

    def __init__(
        self, folder: Path, rng: random.Random, settings: Mapping[str, str], object_format: str = "sha1"
    ) -> None:
        self.folder, self.rng, self.clock, self.ledger = folder, rng, Clock(rng), Ledger(rng)
        self.settings = dict(settings)
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self._configure()
        self.environment = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
            "GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true", "GIT_MERGE_AUTOEDIT": "no",
        }  # fmt: skip
        self.main = Tree(folder / "repo")
        self.main.root.mkdir()
        self.trees = [self.main]
        self.names = rng.sample(NAMES, len(NAMES))
        self.elsewhere: Path | None = None
        self.foreign: set[str] = set()  # commits made there
        self.log: list[str] = []  # what was done, for whoever looks into a failure
        self._born: set[Path] = set()
        self.git(self.main, "init", "-q", "-b", "main", "--template=", f"--object-format={object_format}")
        (self.main.root / ".git" / "info").mkdir(exist_ok=True)

    def _configure(self) -> None:
        merged = {
            "user.name": "Human", "user.email": "human@localhost", "gc.auto": "0", "advice.detachedHead": "false",
            "core.fsync": "none", "maintenance.auto": "false", **self.settings,
        }  # fmt: skip
        text = ""
        for key, value in merged.items():
            section, _, name = key.rpartition(".")
            head, _, sub = section.partition(".")
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            text += f'[{head} "{sub}"]\n\t{name} = "{quoted}"\n' if sub else f'[{head}]\n\t{name} = "{quoted}"\n'
        (self.home / ".gitconfig").write_text(text)

    def git(self, tree: Tree | Path, *arguments: str, feed: bytes | None = None, check: bool = True) -> bytes:
        """stdout of a git command as the user runs it, at the time of the clock."""
        done = self.try_git(tree, *arguments, feed=feed)
        if check and done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def try_git(
        self, tree: Tree | Path, *arguments: str, feed: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        root = tree.root if isinstance(tree, Tree) else tree
        stamp = f"{self.clock.us // 1_000_000} +0000"
        environment = self.environment | {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        source = {"input": feed} if feed is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, env=environment, check=False, **source
        )  # type: ignore[call-overload]
        self.note(f"git {' '.join(map(repr, arguments))} -> {done.returncode}")
        return done  # type: ignore[no-any-return]

    def note(self, what: str) -> None:
        self.log.append(what)

    # Files

    def files(self, tree: Tree) -> list[str]:
        """All files of the worktree, relative, in order; no folder of git's or of the recorder's."""
        found = []
        for folder, folders, names in os.walk(tree.root):
            folders[:] = [name for name in folders if name not in (".git", ".opentraces")]
            found += [os.path.relpath(os.path.join(folder, name), tree.root) for name in names if name != ".git"]
        return sorted(found)

    def read(self, tree: Tree, path: str) -> bytes:
        return (tree.root / path).read_bytes()

    def contents(self, tree: Tree) -> dict[str, bytes]:
        return {path: self.read(tree, path) for path in self.files(tree)}

    def write(self, author: Author, tree: Tree, path: str, content: bytes | None, *, blurred: bool = False) -> None:
        """``author`` writes the file, or deletes it. An identical content is written, too: tools do that."""
        place = tree.root / path
        before = place.read_bytes() if place.is_file() else None
        self.note(f"{author} writes {path!r} ({'gone' if content is None else len(texts(content))})")
        if before is not None and before != content:
            tree.history.append((path, before))
        if content is None:
            place.unlink(missing_ok=True)
            self.prune(tree, place)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        self.ledger.write(author, str(tree.root), path, before, content, blurred=blurred)

    def prune(self, tree: Tree, place: Path) -> None:
        """Empty folders go, as git has none."""
        for folder in place.parents:
            if folder == tree.root or not folder.is_dir() or any(folder.iterdir()):
                return
            folder.rmdir()

    def free_name(self, tree: Tree) -> str | None:
        taken = set(self.files(tree))
        for name in self.names:
            path = os.fsdecode(name)
            above = {str(parent) for parent in Path(path).parents}
            if path not in taken and not above & taken and not any(other.startswith(path + "/") for other in taken):
                return path
        return None

    # Commits

    def head(self, tree: Tree) -> str:
        return self.git(tree, "rev-parse", "HEAD").decode().strip()

    def commit(self, tree: Tree, *options: str, stage: bool = True) -> bool:
        """Commit all there is (or what is staged); false when git says no, because nothing changed."""
        if stage:
            self.git(tree, "add", "-A")
        done = self.try_git(tree, "commit", "-q", "--no-verify", "-m", f"work {self.clock.us}", *options)
        if done.returncode == 0:
            self.witness(tree)
        return done.returncode == 0

    def witness(self, tree: Tree) -> None:
        """The commit at HEAD shows what it holds, if anybody waits for that."""
        waiting = self.ledger.pending(str(tree.root))
        if waiting:
            self.ledger.committed(str(tree.root), self.added(tree, "HEAD"))

    def added(self, tree: Tree, rev: str) -> set[bytes]:
        """The texts that a commit has and its first parent has nowhere."""
        shown = self.git(
            tree, "--no-pager", "show", "--format=", "--text", "-U0", "--no-ext-diff", "--no-textconv", "--no-color",
            "--no-show-signature", "--diff-merges=first-parent", "--no-renames", "--output-indicator-new=+",
            "--output-indicator-old=-", rev,
        )  # fmt: skip
        lines = [line.removesuffix(b"\r") for line in shown.split(b"\n")]
        gone = {line[1:] for line in lines if line.startswith(b"-")}
        return {line[1:] for line in lines if line.startswith(b"+")} - gone

    def born(self, tree: Tree) -> bool:
        """Whether there is a commit at HEAD."""
        if tree.root not in self._born and not self.try_git(tree, "rev-parse", "-q", "--verify", "HEAD").returncode:
            self._born.add(tree.root)
        return tree.root in self._born

    def clean(self, tree: Tree) -> bool:
        return not self.git(tree, "status", "--porcelain", "-uall")

    def branch(self, tree: Tree) -> str:
        return self.git(tree, "symbolic-ref", "-q", "--short", "HEAD", check=False).decode().strip()

    def branches(self, tree: Tree) -> list[str]:
        return self.git(tree, "for-each-ref", "--format=%(refname:short)", "refs/heads").decode().split()

    def settle(self, tree: Tree, undo: Sequence[str]) -> None:
        """Get out of an operation that stopped at a conflict."""
        self.try_git(tree, *undo)

    # Other places

    def linked(self) -> Tree:
        """A new linked worktree on a branch of its own."""
        tree = Tree(self.folder / f"linked{len(self.trees)}")
        self.git(self.main, "worktree", "add", "-q", "-b", f"side{len(self.trees)}", str(tree.root))
        self.trees.append(tree)
        return tree

    def other_clone(self, edit: Mapping[str, bytes] | None = None) -> Tree:
        """The clone of somebody else, brought up to main."""
        if self.elsewhere is None:
            self.elsewhere = self.folder / "elsewhere"
            self.git(self.folder, "clone", "-q", "--template=", str(self.main.root), str(self.elsewhere))
        else:
            self.git(self.elsewhere, "fetch", "-q", "origin")
            self.git(self.elsewhere, "reset", "-q", "--hard", "origin/main")
        return Tree(self.elsewhere)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def before_recording(world: World, fill: Mapping[str, bytes]) -> None:
    """Write and commit files that nobody saw being made."""
    for path, content in fill.items():
        world.write(BEFORE, world.main, path, content)
    world.commit(world.main, "--allow-empty")


__all__ = ["ELSEWHERE", "NAMES", "Clock", "Tree", "World", "before_recording"]
